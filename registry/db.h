/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_DB_H
#define REGISTRY_DB_H

/*
 * The registry file: open, migrate, transactions, generation, integrity. With stmt.c the only
 * user of sqlite3.h. See xenblacklist-registry(5) for the schema.
 */
#include "registry/base.h"
#include "registry/err.h"

struct db;

enum db_mode {
	DB_READ,  /* read only; a missing registry is created first where that is permitted */
	DB_WRITE, /* read and write; created with the shipped data when missing */
};

/* Who acts: written into every history row. Borrowed strings, kept by the caller. */
struct actor {
	const char *verb;   /* "product allocate" */
	const char *reason; /* --reason, or NULL */
};

/*
 * Opens PATH, creates and seeds it on first use, migrates an older schema (each step in one
 * transaction). NOW is the time of this run in seconds since 1970: every row and history entry
 * of this handle carries it. ERR_NOT_FOUND, ERR_CREATE, ERR_DENIED, ERR_INVALID (not a registry,
 * or made by a newer program), ERR_BUSY (locked longer than the busy timeout), ERR_IO.
 */
int db_open(const char *path, enum db_mode mode, const struct actor *actor, int64_t now,
	    struct db **ret, struct err *err);
void db_close(struct db *db);
DEFINE_CLEANUP(struct db *, db_close)

const char *db_path(const struct db *db);
int64_t db_now(const struct db *db);
/* After a wait: what is decided and written from here on is decided at NOW. */
void db_set_now(struct db *db, int64_t now);
const struct actor *db_actor(const struct db *db);

/*
 * DB_TX tx = {0}; r = db_begin(db, &tx, err); ... return db_commit(&tx, err);
 * Any return in between rolls back. BEGIN IMMEDIATE; transactions do not nest.
 */
struct db_tx {
	struct db *db;
};
int db_begin(struct db *db, struct db_tx *tx, struct err *err);
int db_commit(struct db_tx *tx, struct err *err);
void db_tx_end(struct db_tx *tx);
#define DB_TX __attribute__((__cleanup__(db_tx_end))) struct db_tx

/* A read transaction over several queries: one consistent view of the registry. */
int db_snapshot(struct db *db, struct db_tx *tx, struct err *err);

/* For registry/ only: writers insist on the caller's transaction, the history marks it. */
bool db_in_transaction(const struct db *db);
void db_mark_recorded(struct db *db);
/* An empty registry of the newest schema in memory, to compare with. */
int db_open_pattern(struct db **ret, struct err *err);

/*
 * Rises by one with every committed change that the history records (so not with sightings,
 * scan positions and meta values); 1 after creation.
 */
int db_generation(struct db *db, uint64_t *ret, struct err *err);

/* Small named values (sync state and the like); NULL when there is none. The caller frees. */
int db_meta_get(struct db *db, const char *key, char **ret, struct err *err);
int db_meta_set(struct db *db, const char *key, const char *value, struct err *err);

/*
 * Registry integrity: PRAGMA integrity_check, foreign keys, the schema as this program would make
 * it, the history chain, and every row equal to the last state that the history holds of it.
 * Calls FOUND once per finding.
 */
int db_integrity(struct db *db, void (*found)(void *ctx, const char *what), void *ctx,
		 struct err *err);

/* SQLite's version, for --version. */
const char *db_library_version(void);

#endif
