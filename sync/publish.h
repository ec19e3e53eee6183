/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_PUBLISH_H
#define SYNC_PUBLISH_H

/*
 * The registry as documents for others: the manifest it amounts to, and the directory that a
 * static web server serves to every dom0.
 */
#include "registry/db.h"
#include "sync/manifest.h"

/* Which rows a manifest is made from. */
enum publish_rows {
	PUBLISH_ALL,	  /* everything but rows in conflict */
	PUBLISH_UPSTREAM, /* what came by sync, or was shipped and is unchanged */
};

/*
 * Products, encodings and entries of the registry as a manifest; version 0, no dates, no keys:
 * the caller sets them. Exceptions are one host's policy and never in it.
 */
int publish_manifest(struct db *db, enum publish_rows which, struct manifest **ret,
		     struct err *err);

/*
 * Xen's header with the registry's products. The text around the rows is that of the header that
 * was imported last, or Xen's own. The caller frees.
 */
int publish_header(struct db *db, char **ret, size_t *ret_n, struct err *err);

struct publish_result {
	uint64_t version;
	int64_t issued, expires;
	bool raised; /* content or dates differ from what was published last */
	size_t n_products, n_encodings, n_entries;
};

/*
 * Writes DIR: manifest.json, pvdrivers.h, registry.csv, index.html. DB is open for writing; the
 * version is committed before the directory appears, so no two contents ever share one. DIR is
 * complete or not there: it is made under a temporary name beside it and renamed; one that was
 * published before is exchanged, and its signatures are kept while the manifest is the same.
 * ERR_EXISTS: DIR holds anything else; ERR_CREATE, ERR_IO; ERR_INVALID: EXPIRES is not later than
 * now.
 */
int publish(struct db *db, const char *dir, int64_t expires, struct publish_result *ret,
	    struct err *err);

#endif
