/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_STMT_H
#define REGISTRY_STMT_H

/*
 * One SQL statement as a scoped object:
 *	CLEANUP_STMT struct stmt q = STMT_INIT;
 *	r = stmt_begin(&q, db, "SELECT id FROM product WHERE name = ?1", err);
 *	if (r < 0) return r;
 *	stmt_text(&q, 1, name);
 *	while ((r = stmt_step(&q, err)) > 0) ... stmt_get_int(&q, 0) ...
 * SQL is a string constant written whole beside its function: the connection keeps statements
 * compiled by the address of their text. A failed bind is reported by the next step.
 */
#include "registry/db.h"

struct sqlite3_stmt;

struct stmt {
	struct db *db;
	struct sqlite3_stmt *s;
	size_t slot;
	int rc;
};
#define STMT_INIT \
	{         \
		0 \
	}

int stmt_begin(struct stmt *q, struct db *db, const char *sql, struct err *err);
void stmt_end(struct stmt *q);
#define CLEANUP_STMT __attribute__((__cleanup__(stmt_end)))

/* Parameters, numbered from 1. A NULL text and TIME_NONE in stmt_time() bind SQL NULL. */
void stmt_int(struct stmt *q, int index, int64_t value);
void stmt_text(struct stmt *q, int index, const char *value);
void stmt_time(struct stmt *q, int index, int64_t value);

/* 1: a row; 0: done. ERR_BUSY/LOCKED, ERR_EXISTS (unique), ERR_INVALID (check, trigger), ... */
int stmt_step(struct stmt *q, struct err *err);
/* Runs to the end and is ready to be bound and run again. */
int stmt_run(struct stmt *q, struct err *err);
void stmt_reset(struct stmt *q);

/* Columns of the row at hand, numbered from 0. */
int64_t stmt_get_int(struct stmt *q, int col);
int64_t stmt_get_time(struct stmt *q, int col);	    /* TIME_NONE for NULL */
const char *stmt_get_text(struct stmt *q, int col); /* borrowed until the next step; or NULL */
char *stmt_take_text(struct stmt *q, int col);	    /* the caller frees; "" for NULL */

/* The row id of the last insert on this connection, and the rows changed by the last statement. */
int64_t stmt_last_id(struct db *db);
int64_t stmt_changes(struct db *db);

#endif
