/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_SIGHTING_H
#define REGISTRY_SIGHTING_H

/*
 * Which guest was seen to announce which product and build, when, by whom, and how far that can
 * be trusted. One row per guest, product, build and source; seen again, its last time moves.
 * Sightings are observations, not decisions: they are in no history and raise no generation. Of
 * one guest and source the latest 64 are kept, so that no guest can fill the registry.
 */
#include "registry/db.h"

enum sighting_source {
	SIGHTING_LOG, /* a device model's log: guests can forge lines, so claimed, never more */
	SIGHTING_QMP, /* query-xen-platform-pv-driver-info of XenServer's QEMU */
	SIGHTING_XENSTORE, /* hints that the guest wrote itself: claimed */
	SIGHTING_DAEMON,   /* xenblacklistd heard the handshake */
};
const char *sighting_source_name(enum sighting_source s); /* "log" "qmp" "xenstore" "daemon" */
bool sighting_trusted(enum sighting_source s);

enum sighting_verdict {
	SIGHTING_UNKNOWN, /* the source does not tell */
	SIGHTING_ALLOWED,
	SIGHTING_BLACKLISTED,
	SIGHTING_AUDIT, /* allowed; an audit-mode entry would have blocked it */
};
const char *sighting_verdict_name(enum sighting_verdict v);

#define SIGHTING_GUEST_MAX 255

struct sighting {
	char *guest; /* name, or "domain-N" where only the number is known; escaped when recorded */
	char *uuid;  /* "" when not known */
	uint16_t product;
	uint32_t build;
	enum sighting_source source;
	enum sighting_verdict verdict;
	int64_t first_seen, last_seen; /* seconds since 1970 */
	uint64_t count;
	char *origin; /* the log file, the socket, "xenblacklistd" */
};
void sighting_free(struct sighting *s);
DEFINE_CLEANUP(struct sighting *, sighting_free)

struct sightings {
	struct sighting **sighting; /* latest first */
	size_t n;
};
void sightings_free(struct sightings *ss);
DEFINE_CLEANUP(struct sightings *, sightings_free)

/*
 * Records S (COUNT times; first_seen and last_seen are merged) in the caller's transaction.
 * ERR_INVALID: an empty or overlong guest name.
 */
int sighting_record(struct db *db, const struct sighting *s, struct err *err);

/* Sightings of one PRODUCT (-1: all) and GUEST (NULL: all). */
int sighting_list(struct db *db, int32_t product, const char *guest, struct sightings **ret,
		  struct err *err);

/* How far a scan has read one log file; KEY is the file's identity, STATE opaque text. */
int sighting_scan_get(struct db *db, const char *key, char **ret_state, struct err *err);
int sighting_scan_set(struct db *db, const char *key, const char *state, struct err *err);
/* Forgets every key that is not among the N ones: files that are gone. */
int sighting_scan_keep(struct db *db, char *const *keys, size_t n, struct err *err);

#endif
