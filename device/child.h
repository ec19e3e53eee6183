/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_CHILD_H
#define DEVICE_CHILD_H

/*
 * One domain's process: answers the handshake of one guest, and can do nothing else. It talks to
 * the supervisor over a socket pair and leaves, ports given back, when that ends.
 */
#include "device/handshake.h"
#include "device/ioreq.h"
#include "device/jail.h"

struct child_options {
	uint16_t domid;
	ioreq_id server;
	int sock;  /* to the supervisor */
	int rules; /* what rules_make() made, or -1: not readable yet */
	int state; /* memory of child_state_make(), kept over the death of a process */
	struct handshake_policy policy;
	bool fail_closed; /* what nobody can decide is blacklisted */
	struct jail_user user;
};

/* Memory in which a domain's handshake outlives the process that serves it. Aborts on failure. */
int child_state_make(void);

/* In the forked process; returns its exit status: 0 left in order, 1 could not serve. */
int child_run(const struct child_options *o);

/* For ioreq_destroy(), CTX a struct handshake: the answer when there is nobody left to decide. */
uint32_t child_last_answer(void *ctx, const struct ioreq_access *a);

#endif
