/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_JAIL_H
#define DEVICE_JAIL_H

/*
 * A process gives up what it does not need: user, groups, capabilities, new privileges, other
 * descriptors, and every system call but those that answering a guest takes. The only user of
 * the seccomp library.
 */
#include <sys/types.h>

#include "registry/base.h"
#include "registry/err.h"

struct jail_user {
	uid_t uid;
	gid_t gid;
};
/* ERR_CONFIG: no such user, or it is root. */
int jail_find_user(const char *name, struct jail_user *ret, struct err *err);

/* Closes every descriptor from 3 on but the N of KEEP. */
void jail_close_others(const int *keep, size_t n);

/*
 * No way back. Ends the process by SIGSYS at the first other system call. The standard streams lead
 * nowhere from here on, what is open cannot grow, and memory has a limit.
 */
int jail_enter(const struct jail_user *user, struct err *err);

#endif
