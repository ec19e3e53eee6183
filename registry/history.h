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
	char *verb;    /* the command: "product update", "sync" ... */
	char *act;     /* what happened to the row: allocate, transfer, remove ... */
	char *subject; /* "product 3", "entry XSA-468", "encoding xen-win" ... */
	char *reason;
	int64_t uid;
	char *sudo_user, *host;
	char *before, *after; /* canonical JSON of the row, or NULL */
	char *hash;	      /* hexadecimal */
	char *owner;	      /* of the exception that the row is about, else NULL */
	int64_t expires;      /* the same; TIME_NONE: never */
};
struct history_rows {
	struct history_row *row;
	size_t n;
};
void history_rows_free(struct history_rows *rows);
DEFINE_CLEANUP(struct history_rows *, history_rows_free)

/*
 * A row about something that is no row of the registry ("sync", "apply" ...). BEFORE and AFTER
 * are JSON objects or NULL. Only inside a write transaction.
 */
int history_add(struct db *db, const char *act, const char *subject, const char *before,
		const char *after, struct err *err);
/* Rows since SINCE (TIME_NONE: all), of SUBJECT (NULL: all), oldest first. */
int history_list(struct db *db, int64_t since, const char *subject, struct history_rows **ret,
		 struct err *err);
/*
 * Walks the chain from genesis to its sealed head, then compares every row of the registry with
 * the last state that the history holds of it. FOUND is called for everything that does not fit:
 * edited, missing, inserted, out of order; SEQ is the history row, 0 when there is none. 0 also
 * with findings.
 */
int history_verify(struct db *db, void (*found)(void *ctx, int64_t seq, const char *what),
		   void *ctx, struct err *err);

/* For registry/ only: tables whose every state is in the history. */
enum history_kind {
	HISTORY_ENCODING,
	HISTORY_PRODUCT,
	HISTORY_RESERVATION,
	HISTORY_ENTRY,
	HISTORY_EXCEPTION,
	HISTORY_KINDS,
};
/* The member of an entry's state that says what was accepted for it. */
#define HISTORY_ACCEPTED "impact_accepted"
/* The state of row ID as canonical JSON, or NULL when there is no such row. The caller frees. */
int history_state(struct db *db, enum history_kind kind, int64_t id, char **ret, struct err *err);
/* Records that row ID went from BEFORE (NULL: it is new) to what it is now; nothing if equal. */
int history_change(struct db *db, enum history_kind kind, int64_t id, const char *act,
		   const char *before, struct err *err);
/* Writes the head's seal; db_commit() calls it after additions. */
int history_seal(struct db *db, struct err *err);
/* The two halves of history_verify(). */
int history_chain(struct db *db, void (*found)(void *ctx, int64_t seq, const char *what), void *ctx,
		  struct err *err);
int history_compare(struct db *db, void (*found)(void *ctx, int64_t seq, const char *what),
		    void *ctx, struct err *err);
/* Records, as ACT, every row that history_compare() would find: the seed. */
int history_adopt(struct db *db, const char *act, struct err *err);

#endif
