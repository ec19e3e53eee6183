/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_CONNECTION_H
#define REGISTRY_CONNECTION_H

/*
 * Private to db.c and stmt.c, which share one SQLite connection and its compiled statements.
 */
#include "registry/db.h"

#include <sqlite3.h>

/* A prime well above the number of different statements in registry/. */
#define STMT_SLOTS 251

struct stmt_slot {
	const char *sql; /* its address is the key */
	sqlite3_stmt *s;
	bool busy;
};

struct db {
	sqlite3 *sqlite;
	char *path;
	struct actor actor;
	int64_t now;
	bool writable;
	uint32_t busy_ms, waited_ms; /* how long to wait for a lock, and how long it was */
	uint32_t draw;		     /* last of a sequence of random numbers */
	bool in_tx, in_snapshot;
	bool recorded; /* the open transaction has added to the history */
	struct stmt_slot slot[STMT_SLOTS];
};

/* Turns SQLite's last result CODE into ERR; WHAT was tried. Returns -kind. */
int db_sqlite_error(struct db *db, int code, const char *what, struct err *err);

#endif
