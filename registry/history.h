/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_HISTORY_H
#define REGISTRY_HISTORY_H

/*
 * The append-only history: one row per change, chained by hash, written in the transaction of
 * the change. registry/'s own modules call history_add(); others read.
 */
#include "registry/db.h"

struct history_row {
	int64_t seq;
	int64_t time;
	char *verb, *subject; /* subject: "product 3", "entry XSA-468", "encoding xen-win" ... */
	char *reason;
	int64_t uid;
	char *sudo_user, *host;
	char *before, *after; /* canonical JSON of the row, or NULL */
	char *hash;	      /* hexadecimal */
};
struct history_rows {
	struct history_row *row;
	size_t n;
};
void history_rows_free(struct history_rows *rows);
DEFINE_CLEANUP(struct history_rows *, history_rows_free)

/* BEFORE and AFTER are JSON objects, NULL for "did not exist". Only inside a transaction. */
int history_add(struct db *db, const char *subject, const char *before, const char *after,
		struct err *err);
/* Rows since SINCE (TIME_NONE: all), of SUBJECT (NULL: all), oldest first. */
int history_list(struct db *db, int64_t since, const char *subject, struct history_rows **ret,
		 struct err *err);
/* Walks the chain; FOUND is called with seq and text for everything that does not fit. */
int history_verify(struct db *db, void (*found)(void *ctx, int64_t seq, const char *what),
		   void *ctx, struct err *err);

#endif
