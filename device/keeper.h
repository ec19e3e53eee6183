/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_KEEPER_H
#define DEVICE_KEEPER_H

/*
 * The process that may wait: it watches xenstore (domains and the blacklist), makes the rules,
 * heals the nodes from the registry and records sightings in it. A xenstored that hangs and a
 * registry that is locked hold this process up, never the supervisor and never a guest.
 */
#include "registry/base.h"

struct keeper_options {
	int sock; /* to the supervisor */
	const char *registry;
	const char *config;
	bool heal;
};

/* In the forked process; returns its exit status: 0 when the supervisor has gone. */
int keeper_run(const struct keeper_options *o);

#endif
