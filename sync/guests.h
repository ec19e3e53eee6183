/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_GUESTS_H
#define SYNC_GUESTS_H

/*
 * Where sightings come from when xenblacklistd does not make them: device-model logs (rotated and
 * compressed ones too) and QMP. Everything read here may have been written by a guest.
 */
#include "registry/sighting.h"

/*
 * The parser of one log: pure, constant memory. Feed bytes in pieces of any size; FOUND is called
 * once per announced build, when its verdict is known or cannot come any more.
 */
struct guests_parser;
struct guests_found {
	uint16_t product;
	uint32_t build;
	enum sighting_verdict verdict;
	uint32_t domid; /* from a syslog tag "qemu-dm-N", else UINT32_MAX */
};
typedef void guests_found_fn(void *ctx, const struct guests_found *found);
struct guests_parser *guests_parser_new(guests_found_fn *found, void *ctx);
void guests_parser_feed(struct guests_parser *p, const char *bytes, size_t n);
void guests_parser_end(struct guests_parser *p); /* the file ends here for good */
void guests_parser_free(struct guests_parser *p);
DEFINE_CLEANUP(struct guests_parser *, guests_parser_free)

/* "qemu-dm-NAME.log", ".log.3", ".log.3.gz", "guest-NAME-dm.log": NAME, or NULL. Caller frees. */
char *guests_name_of(const char *path);

struct guests_report {
	size_t files, unchanged, failed, found;
	uint64_t bytes;
};
/*
 * Scans the files that the globs match, from where the last scan stopped, and records what it
 * finds in one transaction. A file that cannot be read is counted and reported through WARN.
 */
int guests_scan(struct db *db, char *const *globs, size_t n_globs,
		void (*warn)(void *ctx, const char *text), void *ctx, struct guests_report *ret,
		struct err *err);

/*
 * Asks one device model over its QMP socket. ERR_NOT_FOUND: it does not know the command (stock
 * QEMU) or no driver has spoken; ERR_UNREACHABLE: no socket, no answer within TIMEOUT_MS, or
 * not QMP.
 */
int guests_qmp(const char *socket_path, uint32_t timeout_ms, uint16_t *ret_product,
	       uint32_t *ret_build, struct err *err);

#endif
