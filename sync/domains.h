/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_DOMAINS_H
#define SYNC_DOMAINS_H

/*
 * Sightings from the domains that run now: what their QEMU tells over QMP (trusted), and what
 * they have written about their drivers into xenstore (~/drivers/N, claimed; see
 * xen/docs/misc/xenstore-paths.pandoc).
 */
#include "registry/sighting.h"
#include "sync/store.h"

#define DOMAINS_RUN_DIR "/var/run/xen" /* where libxl and xenopsd have QMP sockets */

struct domains_report {
	size_t domains;
	size_t answers; /* builds learnt, by either way */
};
/*
 * Asks about every domain but 0 and records the answers in one transaction, begun when all are
 * there: a device model that does not answer (a second each) holds no lock. What cannot be learnt
 * of one domain is told through WARN. ERR_UNREACHABLE: xenstore.
 */
int domains_scan(struct db *db, struct store *s, const char *run_dir,
		 void (*warn)(void *ctx, const char *text), void *ctx, struct domains_report *ret,
		 struct err *err);

/*
 * The version in a driver's line about itself, "VENDOR XENBUS VERSION [ATTRIBUTES]": XENBUS is the
 * one of Xen's Windows drivers that announces a build, its version encoded as xen-win. False for
 * other lines.
 */
bool domains_hint(struct span line, struct span *ret_version);

#endif
