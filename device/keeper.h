/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_KEEPER_H
#define DEVICE_KEEPER_H

/*
 * The process that may wait for xenstore: it watches domains and the blacklist, and makes the
 * rules. A xenstored that hangs holds this process up, never the supervisor and never a guest;
 * what holds the registry up does not hold up this process either.
 */
#include "registry/base.h"

struct keeper_options {
	int sock;  /* to the supervisor */
	bool heal; /* somebody heals: nodes that vanish may be back in a moment */
};

/* In the forked process; returns its exit status: 0 when the supervisor has gone. */
int keeper_run(const struct keeper_options *o);

#endif
