/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_GUESTS_H
#define SYNC_GUESTS_H

/*
 * Sightings from device-model logs, rotated and compressed ones too, read from where the last scan
 * stopped.
 */
#include "registry/sighting.h"

/*
 * The guest of a log file: NAME of "qemu-dm-NAME.log" and "guest-NAME-dm.log", also with ".3",
 * "-20260101" and ".gz" behind; else the file's name without those. The caller frees.
 */
char *guests_name_of(const char *path);

struct guests_report {
	size_t files, unchanged, failed;
	uint64_t builds; /* announcements found */
	uint64_t bytes;	 /* read, after decompression */
};
/*
 * Scans the files that the globs match, from where the last scan stopped, and records what it
 * finds as SIGHTING_LOG, seen at the file's modification time. Each file has a transaction, which
 * begins when it was read: a large one locks nobody out. A file that cannot be read is counted and
 * told through WARN; it fails nothing else. Lines with a syslog tag "qemu-dm-N" belong to the guest
 * "domain-N", but not in a log that is a guest's by its name: who writes there speaks for itself
 * alone.
 */
int guests_scan(struct db *db, char *const *globs, size_t n_globs,
		void (*warn)(void *ctx, const char *text), void *ctx, struct guests_report *ret,
		struct err *err);

#endif
