/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_DMLOG_H
#define SYNC_DMLOG_H

/*
 * The parser of device-model logs: qemu-xen-traditional, its mini-os stub domain, XenServer's
 * qemu (in syslog), QMP events. Pure; constant memory whatever it is fed. Guests write into the
 * same files and can forge every line of it: what is found here is claimed, never more.
 */
#include "registry/sighting.h"

#define DMLOG_DOMIDS 0x7ff0 /* Xen's DOMID_FIRST_RESERVED */
#define DMLOG_NO_DOMID UINT32_MAX

struct dmlog_found {
	uint16_t product;
	uint32_t build;
	enum sighting_verdict verdict;
	uint32_t domid; /* from a syslog tag "qemu-dm-N[pid]", else DMLOG_NO_DOMID */
};
/* Called once for each announced build, when its verdict is known or cannot come any more. */
typedef void dmlog_found_fn(void *ctx, const struct dmlog_found *found);

struct dmlog;
struct dmlog *dmlog_new(dmlog_found_fn *found, void *ctx);
void dmlog_free(struct dmlog *d);
DEFINE_CLEANUP(struct dmlog *, dmlog_free)

/* Bytes in pieces of any size. */
void dmlog_feed(struct dmlog *d, const char *bytes, size_t n);
/* Nothing follows: the last line counts without a newline, open builds are told. */
void dmlog_end(struct dmlog *d);
/*
 * Nothing follows for now: open builds are told, with the verdict that silence means. A verdict
 * that comes after all as the next line is told as a build of its own.
 */
void dmlog_settle(struct dmlog *d);

/*
 * To go on later: dmlog_half() bytes of what was fed are an unfinished line, to be fed again; the
 * rest is in the state text, which the caller frees. dmlog_restore() starts a fresh parser from
 * it; false (and untouched) when the text is none.
 */
size_t dmlog_half(const struct dmlog *d);
char *dmlog_state(struct dmlog *d);
bool dmlog_restore(struct dmlog *d, const char *state);

/* The product and build of a QMP reply or event in TEXT: "product-num": N, "build-num": N. */
bool dmlog_qmp_numbers(struct span text, uint16_t *ret_product, uint32_t *ret_build);

#endif
