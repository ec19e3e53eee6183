/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_HANDSHAKE_H
#define DEVICE_HANDSHAKE_H

/*
 * The device model's side of the port-0x10 protocol of Xen's HVM guests: unplug, log channel,
 * product and build, blacklist (xen/docs/misc/hvm-emulated-unplug.pandoc). A pure state machine:
 * one call per port access, no allocation, no I/O, no clock. handshake.[ch] need nothing but
 * <stdbool.h>, <stdint.h> and <string.h>, so that another device model can compile them alone.
 *
 * What each access does:
 *
 *  port   width dir  HANDSHAKE_FULL                  HANDSHAKE_TRADITIONAL      HANDSHAKE_QEMU
 *  0x10     2   R    0xd249 when blacklisted, else   0xd249 once blacklisted,   0x49d2
 *                    0x49d2; PASS outside our ports  else 0x49d2
 *  0x10     2   W    unplug, see below               unplug, always done        unplug
 *  0x10     4   W    build: ASK                      build: ASK for 1 2 0xffff  ignored
 *  0x10     4   W    without a product: ignored      ignored                    ignored
 *  0x10     1   R/W  PASS: flags of the device       flags (bit 0: ROM lock)    flags
 *                    model behind
 *  0x12     1   R    1, the protocol's version       1                          1
 *  0x12     1   W    a byte of guest text            the same                   the same
 *  0x12     2   W    product; 0 takes it back        product                    product (unused)
 *  others   any R    all ones                        all ones                   all ones
 *  others   any W    ignored                         ignored                    ignored
 *  outside           PASS beyond 0x10-0x13           PASS beyond 0x10-0x1f      the same
 *
 * - FULL sits beside the device model that it calls "behind": an access is for us only when its
 *   whole width lies in handshake_ports(); Xen sends everything else there. What reaches us all
 *   the same (another vcpu's access, under way while the ports were given back) is answered by the
 *   table too. An access that is neither 1, 2 nor 4 bytes wide, or not wholly inside, is ignored.
 * - Order: a build without a product is ignored, as qemu-xen-traditional does it. A product may be
 *   written again at any time; the last one counts. A build may be repeated: each is one ASK.
 *   FULL: the last verdict counts, so a driver may repeat the handshake (resume, migration) or a
 *   second one follow. TRADITIONAL: once blacklisted, for ever.
 * - Several vcpus: there is one state per domain. Accesses take effect in the order of the calls,
 *   whichever vcpu they come from, as with one device.
 *   With HANDSHAKE_UNPLUG_AS_TRADITIONAL the first read of the magic after the verdict gets
 *   0xd249, from whichever vcpu, and later ones reach the device model behind.
 * - A string instruction (rep) is one call per element.
 * - Guest text: a line ends at newline or after HANDSHAKE_LINE_MAX bytes. A blacklisted driver may
 *   log, but only after it has read the magic: until then FULL drops its text (and counts it).
 *   The two others take it, as they do in life.
 * - Limiter: HANDSHAKE_LOG_BURST bytes, refilled at HANDSHAKE_LOG_RATE a second, newline included.
 *   A line that finds it dry is dropped and counted, or, with HANDSHAKE_THROTTLE_DELAY, delivered
 *   with the time that the caller has to sleep before it completes the access (what
 *   qemu-xen-traditional does); a line that comes before that time is over is dropped. A clock
 *   that goes backwards refills nothing.
 * - The unplug word under FULL: for an allowed driver port 0x10 is not ours any more, the device
 *   model behind does it. HANDSHAKE_UNPLUG_AS_TRADITIONAL gives the ports back once 0xd249 was
 *   read, so a blacklisted driver's unplug works too. HANDSHAKE_UNPLUG_REFUSE keeps them while
 *   blacklisted and refuses (XenServer's way). A word that arrives in between (after a product and
 *   before the verdict was read: no known driver does that) is reported as UNPLUG and PASS.
 */

#include <stdbool.h>
#include <stdint.h>

#define HANDSHAKE_MAGIC 0x49d2
#define HANDSHAKE_MAGIC_BLACKLISTED 0xd249
#define HANDSHAKE_VERSION 1 /* of the protocol, read from port 0x12 */
#define HANDSHAKE_LINE_MAX 4095
#define HANDSHAKE_LOG_BURST (128 * 1024)
#define HANDSHAKE_LOG_RATE 256

enum handshake_model {
	HANDSHAKE_FULL,	       /* xenblacklistd: every product, beside a device model behind it */
	HANDSHAKE_TRADITIONAL, /* qemu-xen-traditional of Xen 3.4 to 4.20 */
	HANDSHAKE_QEMU,	       /* stock QEMU: nothing is ever blacklisted */
};

enum handshake_unplug {
	HANDSHAKE_UNPLUG_AS_TRADITIONAL,
	HANDSHAKE_UNPLUG_REFUSE, /* HANDSHAKE_FULL only */
};

enum handshake_throttle {
	HANDSHAKE_THROTTLE_DROP,
	HANDSHAKE_THROTTLE_DELAY,
};

struct handshake_policy {
	enum handshake_model model;
	enum handshake_unplug unplug;
	enum handshake_throttle throttle;
};

/*
 * One domain's state: plain data without pointers. Callers may read the fields named here and copy
 * the whole; handshake_valid() says whether bytes that come from elsewhere are such a state.
 */
struct handshake {
	uint32_t layout;
	struct handshake_policy policy;
	uint32_t build;	  /* of the last ASK */
	uint16_t product; /* last announced, 0: none */
	bool announced;	  /* FULL: a product waits for its build */
	bool asked;	  /* an ASK is open */
	bool blacklisted; /* the verdict in force */
	bool answered;	  /* 0xd249 was read since the verdict */
	uint8_t flags;	  /* port 0x10, one byte */
	uint32_t line_n;
	uint32_t dropped; /* bytes of guest text lost since the last LOG; saturates */
	int64_t level;	  /* of the limiter, in 1/1000 byte */
	uint64_t filled_ms;
	char line[HANDSHAKE_LINE_MAX + 1];
};

struct handshake_access {
	uint32_t port;
	uint8_t width;
	bool write;
	uint32_t value;	 /* written; bits beyond the width are ignored */
	uint64_t now_ms; /* monotonic, any start */
};

/* What the access was, for logs and for `xenblacklist simulate`. */
enum handshake_event {
	HANDSHAKE_EVENT_NONE,	     /* nothing that the protocol knows */
	HANDSHAKE_EVENT_MAGIC,	     /* the magic was read */
	HANDSHAKE_EVENT_VERSION,     /* the protocol version was read */
	HANDSHAKE_EVENT_PRODUCT,     /* a product was announced */
	HANDSHAKE_EVENT_BUILD,	     /* a build was announced */
	HANDSHAKE_EVENT_BUILD_EARLY, /* a build without a product: ignored */
	HANDSHAKE_EVENT_UNPLUG,	     /* an unplug word */
	HANDSHAKE_EVENT_TEXT,	     /* a byte of guest text */
	HANDSHAKE_EVENT_FLAGS,	     /* the platform flags byte */
};

/* What the caller has to do; bits of handshake_result.actions. */
#define HANDSHAKE_PASS 1u	/* belongs to the device model behind; see value */
#define HANDSHAKE_ASK 2u	/* look up product and build, then call handshake_decide() */
#define HANDSHAKE_LOG 4u	/* line, line_n, line_cut, dropped */
#define HANDSHAKE_UNPLUG 8u	/* unplug, refused */
#define HANDSHAKE_THROTTLED 16u /* the limiter is dry: text was dropped, or sleep wait_ms */

struct handshake_result {
	enum handshake_event event;
	unsigned actions;
	/*
	 * Reads: the answer. With PASS: the answer for a caller that has the access on its hands and
	 * nobody to pass it to.
	 */
	uint32_t value;
	uint32_t build;	  /* ASK */
	uint16_t product; /* ASK */
	uint16_t unplug;  /* UNPLUG: the mask */
	bool refused;	  /* UNPLUG: must not be done */
	bool line_cut;	  /* LOG: the line was longer and goes on in the next one */
	uint32_t line_n;  /* LOG: bytes, without newline */
	uint32_t dropped; /* LOG: bytes of guest text lost before this line */
	uint32_t wait_ms; /* THROTTLED with HANDSHAKE_THROTTLE_DELAY */
	/*
	 * LOG: the guest's text, terminated, valid until the next call with this state. FULL: only
	 * 0x20 to 0x7e (tab becomes space, a final CR goes, the rest becomes '?'). The others: raw.
	 */
	const char *line;
};

/* A fresh domain, limiter full. */
void handshake_init(struct handshake *hs, const struct handshake_policy *policy);

/*
 * One access. After each call (and after handshake_decide()) and before completing the access the
 * caller makes its ports those of handshake_ports(). An ASK that is still open when the next
 * access comes counts as not blacklisted.
 */
void handshake_step(struct handshake *hs, const struct handshake_access *access,
		    struct handshake_result *ret);

/* The verdict of the open ASK; without one nothing happens. */
void handshake_decide(struct handshake *hs, bool blacklisted);

/* The domain is going: hands out text that no newline has ended yet (LOG), when there is any. */
void handshake_flush(struct handshake *hs, uint64_t now_ms, struct handshake_result *ret);

/*
 * The ports that the caller's IOREQ server has to own now, inclusive. FULL: 0x12-0x13; 0x10-0x13
 * from a product to its verdict, when blacklisted until 0xd249 was read, and with
 * HANDSHAKE_UNPLUG_REFUSE as long as blacklisted. The other models: 0x10-0x1f.
 */
struct handshake_ports {
	uint16_t first, last;
};
struct handshake_ports handshake_ports(const struct handshake *hs);

/* False for bytes that no call sequence of this layout could have left behind. */
bool handshake_valid(const struct handshake *hs);

#endif
