/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_REGISTRAR_H
#define DEVICE_REGISTRAR_H

/*
 * The process that may wait for the registry: it heals the nodes from it and records sightings in
 * it. A registry that is locked, damaged or slow holds this process up and nobody else.
 */
#include "registry/base.h"

struct registrar_options {
	int sock; /* to the supervisor */
	const char *registry;
	const char *config;
	bool heal;
};

/* In the forked process; returns its exit status: 0 when the supervisor has gone. */
int registrar_run(const struct registrar_options *o);

#endif
