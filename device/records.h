/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_RECORDS_H
#define DEVICE_RECORDS_H

/*
 * What has to outlive every process: one small file a server in the run directory, and the lock
 * that the daemon and the domains' processes hold together.
 */
#include "device/ioreq.h"

struct record {
	uint16_t domid;
	ioreq_id server;
	int32_t pid;   /* of the domain's process */
	bool attached; /* its ports are owned */
	char uuid[64]; /* of the domain, "" when not known */
};

/* Writes RUN_DIR/DOMID.server whole. */
int record_write(const char *run_dir, const struct record *r, struct err *err);
void record_remove(const char *run_dir, uint16_t domid);
/* Calls EACH for every record; a file that is none is removed. */
int record_each(const char *run_dir, void (*each)(void *ctx, const struct record *r), void *ctx,
		struct err *err);

/* True when a process of xenblacklistd answers for the domain now. Only looks. */
bool record_guarded(const char *run_dir, uint16_t domid);

/*
 * Makes RUN_DIR and takes its lock, which forked processes inherit: it is free when the last of
 * those that keep it has gone. Leftovers that do not leave by themselves are killed. ERR_BUSY:
 * another daemon.
 */
int record_lock(const char *run_dir, int *ret_fd, struct err *err);

#endif
