/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_SUPERVISOR_H
#define DEVICE_SUPERVISOR_H

/*
 * xenblacklistd without its command line: starts a process for each domain, knows which server of
 * which domain is ours even over its own death, and never waits for anybody.
 */
#include "device/handshake.h"
#include "device/jail.h"
#include "device/keeper.h"
#include "device/registrar.h"

struct supervisor_options {
	const char *run_dir;	/* remembers servers: has to survive a crash, not a boot */
	const char *guest_logs; /* a directory with a file a guest, or NULL: syslog */
	struct handshake_policy policy;
	bool fail_closed;
	struct jail_user user;
	struct keeper_options keeper; /* .sock is filled in, here and below */
	struct registrar_options registrar;
	bool verbose;
	/* One line for the log. */
	void (*say)(int priority, const char *line);
	/* Called once, when every domain that was there is guarded. */
	void (*ready)(void);
};

/* Returns when told to stop by SIGTERM or SIGINT, every domain as if we had never been there. */
int supervisor_run(const struct supervisor_options *o, struct err *err);

#endif
