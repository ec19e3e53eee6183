/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Port accesses from bytes, eight each, after one that chooses the policy; tests/guest-model.h
 * watches the rules.
 */
#include "tests/fuzz.h"

#include <string.h>

#include "tests/guest-model.h"

#define RECORD 8

static void step(struct handshake *hs, struct watcher *w, struct handshake_access *a,
		 const uint8_t *p)
{
	struct handshake_result r;

	a->write = p[0] & 1;
	a->now_ms += (p[0] & 2) ? p[3] * 1000u : (p[0] >> 2) & 7;
	a->port = p[1];
	a->width = p[2];
	memcpy(&a->value, p + 4, sizeof(a->value));
	handshake_step(hs, a, &r);
	assert(!watcher_step(w, a, &r, handshake_ports(hs)));
	assert(handshake_valid(hs));
	a->now_ms += r.wait_ms;
	if ((r.actions & HANDSHAKE_ASK) && p[3] & 3) {
		handshake_decide(hs, p[3] & 1);
		assert(!watcher_decide(w, p[3] & 1, handshake_ports(hs)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct handshake_access a = { 0 };
	struct handshake_policy policy;
	struct handshake hs;
	struct watcher w;

	if (n == 0)
		return 0;
	policy = (struct handshake_policy){ .model = (enum handshake_model)(bytes[0] % 3),
					    .unplug = bytes[0] & 0x40
							      ? HANDSHAKE_UNPLUG_REFUSE
							      : HANDSHAKE_UNPLUG_AS_TRADITIONAL };
	policy.throttle = bytes[0] & 0x80 ? HANDSHAKE_THROTTLE_DELAY : HANDSHAKE_THROTTLE_DROP;
	handshake_init(&hs, &policy);
	watcher_init(&w, &policy);
	for (size_t at = 1; at + RECORD <= n; at += RECORD)
		step(&hs, &w, &a, bytes + at);
	return 0;
}
