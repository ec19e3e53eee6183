/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_GUEST_MODEL_H
#define TESTS_GUEST_MODEL_H

/*
 * The other side of device/handshake: what guest drivers do with the ports, access by access, so
 * that several can be interleaved as vcpus do; and a watcher that knows the rules of the protocol
 * and says which of them a device model broke.
 */
#include "device/handshake.h"

enum guest_kind {
	GUEST_LINUX,	   /* mainline 2.6.36 and later: product 3, build 1 */
	GUEST_UNMODIFIED,  /* xen.git unmodified_drivers: 65535, LINUX_VERSION_CODE << 8 */
	GUEST_WIN_XENBUS,  /* Xen Project Windows drivers 9.1.0: unplugs whatever it is told */
	GUEST_GPLPV,	   /* product 2, build 1 */
	GUEST_VMDP,	   /* SUSE: product 205, build 20505; the error is ignored */
	GUEST_BSD,	   /* magic and unplug word only */
	GUEST_OSV,	   /* writes the product to port 0x10 */
	GUEST_JINY,	   /* port and value swapped: reaches nothing */
	GUEST_XENSERVER_7, /* protocol 2: gives up on a host of protocol 1 */
	GUEST_KINDS,
};
const char *guest_name(enum guest_kind kind);

struct guest {
	enum guest_kind kind;
	uint16_t product; /* what it announces on port 0x12; 0: nothing */
	uint32_t build;
	bool obeys; /* does not unplug when blacklisted */
	unsigned pc, letter;
	bool told;	 /* it read 0xd249 after its build */
	bool gave_up;	 /* it found no device that it can talk to */
	uint16_t unplug; /* all the bits that it wrote */
};
void guest_init(struct guest *g, enum guest_kind kind);
/* The next access, or false when the driver is done. The time is the caller's. */
bool guest_next(struct guest *g, struct handshake_access *ret);
/* What the access read (anything for a write). */
void guest_answer(struct guest *g, uint32_t value);

/* Watches one device model. Each function returns NULL or the name of the broken rule. */
struct watcher {
	struct handshake_policy policy;
	bool asking, blacklisted, read, announced;
	uint16_t product;
	uint64_t asks, builds;
	uint64_t now, passed_ms, waited_ms;
	bool started;
	uint64_t text_in, text_out, text_lost; /* bytes */
};
void watcher_init(struct watcher *w, const struct handshake_policy *policy);
const char *watcher_step(struct watcher *w, const struct handshake_access *a,
			 const struct handshake_result *r, struct handshake_ports after);
const char *watcher_decide(struct watcher *w, bool blacklisted, struct handshake_ports after);

#endif
