/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry file. Hides how SQLite is opened hardened, how a new file appears whole or not at
 * all, how schemas follow each other, and what a commit adds: the generation and the history's
 * sealed head. Rollback journal, no WAL: one file, and one that a rolled back transaction leaves
 * as it was.
 */
#include "registry/db.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "registry/acceptance.h"
#include "registry/connection.h"
#include "registry/history.h"
#include "registry/newfile.h"
#include "registry/schema.h"
#include "registry/stmt.h"
#include "registry/text.h"

#define APPLICATION_ID 0x78626c31 /* "xbl1" */
#define BUSY_MS 10000		  /* not counting the time that a busy machine takes */

static int run(struct db *db, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_sqlite_error(db, rc, "registry", err);
}

static int value(struct db *db, const char *sql, int64_t *ret, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db, sql, err);

	if (r < 0 || (r = stmt_step(&q, err)) < 0)
		return r;
	*ret = r ? stmt_get_int(&q, 0) : 0;
	return 0;
}

/* ---- connections ---- */

/*
 * Waits for a lock. SQLite's own handler backs off to 100 ms, and of a hundred that wait the
 * first ones then wait longest; short random naps give everybody a chance.
 */
static int wait_for_lock(void *ctx, int tries)
{
	struct db *db = ctx;
	uint32_t ms;
	struct timespec nap = { 0 };

	if (tries == 0)
		db->waited_ms = 0;
	if (db->waited_ms >= db->busy_ms)
		return 0;
	db->draw = db->draw * 1664525u + 1013904223u;
	ms = 1 + (db->draw >> 16) % (tries < 16 ? 4u : 16u);
	nap.tv_nsec = (long)ms * 1000000;
	nanosleep(&nap, NULL);
	db->waited_ms += ms;
	return 1;
}

static int harden(struct db *db, struct err *err)
{
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DQS_DDL, 0, (int *)NULL);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DQS_DML, 0, (int *)NULL);
	sqlite3_limit(db->sqlite, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_busy_handler(db->sqlite, wait_for_lock, db);
	return run(
		db,
		"PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON;"
		"PRAGMA synchronous = EXTRA; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384",
		err);
}

static struct db *connection_new(const char *path, const struct actor *actor, int64_t now)
{
	struct db *db = xcalloc(1, sizeof(*db));

	/* "./" in front: SQLite gives ":memory:" and "file:" a meaning of their own. */
	db->path = xasprintf("%s%s", path[0] == '/' || path[0] == '.' ? "" : "./", path);
	if (actor)
		db->actor = *actor;
	if (!db->actor.verb)
		db->actor.verb = "";
	db->now = now;
	db->busy_ms = BUSY_MS;
	db->draw = (uint32_t)getpid();
	return db;
}

static void disconnect(struct db *db)
{
	for (size_t i = 0; i < STMT_SLOTS; i++)
		sqlite3_finalize(db->slot[i].s);
	memset(db->slot, 0, sizeof(db->slot));
	sqlite3_close(db->sqlite);
	db->sqlite = NULL;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	disconnect(db);
	free(db->path);
	free(db);
}

static int connect_to(struct db *db, const char *file, int flags, struct err *err)
{
	int rc;

	disconnect(db);
	/* No connection is shared by threads. The count of used memory would cost a lock each. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	rc = sqlite3_open_v2(file, &db->sqlite, flags | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOMUTEX,
			     NULL);
	if (rc == SQLITE_CANTOPEN && access(file, R_OK) < 0 && errno == EACCES)
		return err_set(err, ERR_DENIED, "cannot read registry '%s': %s", db->path,
			       strerror(EACCES));
	if (rc != SQLITE_OK)
		return rc == SQLITE_NOMEM ? db_sqlite_error(db, rc, "registry", err)
					  : err_set(err, ERR_IO, "cannot open registry '%s': %s",
						    db->path, sqlite3_errmsg(db->sqlite));
	db->writable = !(flags & SQLITE_OPEN_READONLY);
	return harden(db, err);
}

/* ---- schema ---- */

static int write_steps(struct db *db, int64_t from, struct err *err)
{
	CLEANUP(free) char *sql = NULL;
	int r;

	for (size_t i = (size_t)from; i < schema_n_steps; i++) {
		if ((r = run(db, schema_steps[i], err)) < 0)
			return err_wrap(err, "cannot make schema %zu", i + 1);
	}
	sql = xasprintf("PRAGMA application_id = %d; PRAGMA user_version = %zu", APPLICATION_ID,
			schema_n_steps);
	return run(db, sql, err);
}

static int write_seed(struct db *db, struct err *err)
{
	static const char *const stamps[] = {
		"UPDATE encoding SET created = ?1",
		"UPDATE product SET created = ?1",
		"UPDATE reservation SET created = ?1",
	};
	int r = run(db, schema_seed, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(stamps); i++) {
		CLEANUP_STMT struct stmt q = STMT_INIT;

		if ((r = stmt_begin(&q, db, stamps[i], err)) < 0)
			return r;
		stmt_int(&q, 1, db->now);
		r = stmt_run(&q, err);
	}
	return r < 0 ? r : history_adopt(db, "create", err);
}

static int schema_version(struct db *db, int64_t *ret, struct err *err)
{
	int64_t id = 0, version = 0;
	int r = value(db, "PRAGMA application_id", &id, err);

	if (r < 0 || (r = value(db, "PRAGMA user_version", &version, err)) < 0)
		return r;
	if (id != APPLICATION_ID || version < 1)
		return err_set(err, ERR_INVALID, "'%s' is not a registry of xenblacklist",
			       db->path);
	if (version > (int64_t)schema_n_steps)
		return err_set(
			err, ERR_INVALID,
			"registry '%s' has schema %lld, this program knows up to %zu: use the newer program that made it",
			db->path, (long long)version, schema_n_steps);
	*ret = version;
	return 0;
}

/* An entry's state in the history holds what was accepted for it. */
#define ACCEPTANCE_SCHEMA 4

/*
 * All steps in one transaction. A step that changes what the state of a row looks like will have
 * to record the rows that it changed and no others: rows that were tampered with before are to be
 * found afterwards, too.
 */
static int migrate(struct db *db, struct err *err)
{
	CLEANUP(free) char *before = NULL;
	CLEANUP(free) char *after = NULL;
	DB_TX tx = { 0 };
	int64_t version;
	int r = db_begin(db, &tx, err);

	if (r < 0 || (r = schema_version(db, &version, err)) < 0)
		return r;
	if (version == (int64_t)schema_n_steps)
		return 0; /* somebody else was quicker */
	before = xasprintf("{\"schema\":%lld}", (long long)version);
	after = xasprintf("{\"schema\":%zu}", schema_n_steps);
	if ((r = write_steps(db, version, err)) < 0 ||
	    (version < ACCEPTANCE_SCHEMA && (r = acceptance_adopt(db, err)) < 0) ||
	    (r = history_add(db, "migrate", "registry", before, after, err)) < 0)
		return r;
	return db_commit(&tx, err);
}

/* ---- a new file ---- */

/* Built in memory; the caller frees the bytes. */
static int build_new(const struct db *like, char **ret, size_t *ret_n, struct err *err)
{
	/* The reason is that of the change to come, not of the rows that are shipped. */
	const struct actor actor = { .verb = like->actor.verb };
	CLEANUP(db_close) struct db *db = connection_new(like->path, &actor, like->now);
	unsigned char *bytes;
	sqlite3_int64 n = 0;
	int r = connect_to(db, ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);

	if (r < 0)
		return r;
	{
		DB_TX tx = { 0 };

		if ((r = db_begin(db, &tx, err)) < 0 || (r = write_steps(db, 0, err)) < 0 ||
		    (r = write_seed(db, err)) < 0 || (r = db_commit(&tx, err)) < 0)
			return r;
	}
	bytes = sqlite3_serialize(db->sqlite, "main", &n, 0);
	if (!bytes)
		return err_set(err, ERR_INTERNAL, "cannot serialize a new registry");
	*ret = xmemdup(bytes, (size_t)n);
	*ret_n = (size_t)n;
	sqlite3_free(bytes);
	return 0;
}

static int create(struct db *db, enum db_mode mode, struct err *err)
{
	CLEANUP(free) char *bytes = NULL;
	size_t n = 0;
	int e, r = build_new(db, &bytes, &n, err);

	if (r < 0)
		return r;
	e = newfile_make(db->path, bytes, n);
	if (e == 0 || e == EEXIST)
		return 0;
	if (mode == DB_READ)
		return err_set(err, ERR_NOT_FOUND,
			       "there is no registry '%s', and it cannot be created: %s", db->path,
			       strerror(e));
	return err_set(err, e == EACCES || e == EPERM ? ERR_DENIED : ERR_CREATE,
		       "cannot create registry '%s': %s", db->path, strerror(e));
}

/* What is at the path may be opened: a file with something in it, by a link of ours at most. */
static int inspect(const struct db *db, bool *ret_missing, struct err *err)
{
	struct stat st;

	*ret_missing = false;
	if (lstat(db->path, &st) != 0) {
		if (errno == ENOENT) {
			*ret_missing = true;
			return 0;
		}
		return err_set(err,
			       errno == EACCES	  ? ERR_DENIED
			       : errno == ENOTDIR ? ERR_NOT_FOUND
						  : ERR_IO,
			       "cannot open registry '%s': %s", db->path, strerror(errno));
	}
	if (S_ISLNK(st.st_mode)) {
		if (st.st_uid != 0 && st.st_uid != geteuid())
			return err_set(err, ERR_DENIED,
				       "registry '%s' is a symbolic link of another user (uid %u)",
				       db->path, st.st_uid);
		if (stat(db->path, &st) != 0)
			return err_set(err, ERR_NOT_FOUND,
				       "registry '%s' is a symbolic link that leads nowhere: %s",
				       db->path, strerror(errno));
	}
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, "registry '%s' is not a regular file", db->path);
	if (st.st_size == 0)
		return err_set(err, ERR_INVALID,
			       "registry '%s' is an empty file: remove it to have a new one made",
			       db->path);
	return 0;
}

/* ---- opening ---- */

static int open_write(struct db *db, int64_t *ret_version, struct err *err)
{
	int r = connect_to(db, db->path, SQLITE_OPEN_READWRITE, err);

	if (r < 0)
		return access(db->path, W_OK) == 0
			       ? r
			       : err_set(err, ERR_DENIED, "cannot write registry '%s': %s",
					 db->path, strerror(errno));
	if ((r = schema_version(db, ret_version, err)) < 0)
		return r;
	if (sqlite3_db_readonly(db->sqlite, "main") == 1)
		return err_set(err, ERR_DENIED,
			       "cannot write registry '%s': it is read-only for this user",
			       db->path);
	if ((r = run(db, "PRAGMA journal_mode = DELETE", err)) < 0)
		return r;
	return *ret_version < (int64_t)schema_n_steps ? migrate(db, err) : 0;
}

/*
 * A reader needs nothing but the file. Only an interrupted write (its journal has to be played
 * back) and an older schema need somebody who can write: done here when that is us.
 */
static int open_read(struct db *db, struct err *err)
{
	struct err why = { 0 };
	int64_t version = 0;
	int r = connect_to(db, db->path, SQLITE_OPEN_READONLY, err);

	if (r == 0)
		r = schema_version(db, &version, err);
	if (r == 0 && version == (int64_t)schema_n_steps)
		return 0;
	if (r == 0)
		r = err_set(
			err, ERR_DENIED,
			"registry '%s' has the older schema %lld: any command run by its owner brings it up to date",
			db->path, (long long)version);
	else if (r == -ERR_INVALID || r == -ERR_BUSY)
		return r;
	if (access(db->path, W_OK) != 0)
		return r;
	r = open_write(db, &version, &why);
	if (r < 0) {
		*err = why;
		return r;
	}
	return run(db, "PRAGMA query_only = ON", err);
}

int db_open(const char *path, enum db_mode mode, const struct actor *actor, int64_t now,
	    struct db **ret, struct err *err)
{
	CLEANUP(db_close) struct db *db = NULL;
	int64_t version;
	bool missing;
	int r;

	if (!path || !*path)
		return err_set(err, ERR_USAGE, "the name of the registry is empty");
	db = connection_new(path, actor, now);
	if ((r = inspect(db, &missing, err)) < 0 ||
	    (missing && ((r = create(db, mode, err)) < 0 || (r = inspect(db, &missing, err)) < 0)))
		return r;
	r = mode == DB_WRITE ? open_write(db, &version, err) : open_read(db, err);
	if (r < 0)
		return r;
	db->writable = mode == DB_WRITE;
	*ret = TAKE(db);
	return 0;
}

const char *db_path(const struct db *db)
{
	return db->path;
}

int64_t db_now(const struct db *db)
{
	return db->now;
}

void db_set_now(struct db *db, int64_t now)
{
	db->now = now;
}

const struct actor *db_actor(const struct db *db)
{
	return &db->actor;
}

const char *db_library_version(void)
{
	return sqlite3_libversion();
}

/* ---- transactions ---- */

int db_begin(struct db *db, struct db_tx *tx, struct err *err)
{
	int r;

	if (db->in_tx || db->in_snapshot)
		return err_set(err, ERR_INTERNAL, "transactions do not nest");
	if (!db->writable)
		return err_set(err, ERR_INTERNAL, "registry '%s' was opened for reading", db->path);
	if ((r = text_check("the reason", db->actor.reason, TEXT_LONG_MAX, true, err)) < 0 ||
	    (r = run(db, "BEGIN IMMEDIATE", err)) < 0)
		return r;
	db->in_tx = true;
	db->recorded = false;
	tx->db = db;
	return 0;
}

int db_snapshot(struct db *db, struct db_tx *tx, struct err *err)
{
	int64_t unused;
	int r;

	if (db->in_tx || db->in_snapshot)
		return 0; /* the open one is as consistent */
	if ((r = run(db, "BEGIN", err)) < 0)
		return r;
	db->in_snapshot = true;
	tx->db = db;
	return value(db, "SELECT count(*) FROM meta", &unused, err);
}

int db_commit(struct db_tx *tx, struct err *err)
{
	struct db *db = tx->db;
	int r = 0;

	if (!db)
		return 0;
	if (db->recorded) {
		r = run(db,
			"UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'generation'",
			err);
		if (r < 0 || (r = history_seal(db, err)) < 0)
			return r;
	}
	if ((r = run(db, "COMMIT", err)) < 0)
		return r;
	db->in_tx = db->in_snapshot = false;
	tx->db = NULL;
	return 0;
}

void db_tx_end(struct db_tx *tx)
{
	struct db *db = tx->db;

	if (!db)
		return;
	/* SQLite rolls back by itself after some errors: then this one has nothing to do. */
	if (!sqlite3_get_autocommit(db->sqlite))
		sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
	db->in_tx = db->in_snapshot = false;
	tx->db = NULL;
}

bool db_in_transaction(const struct db *db)
{
	return db->in_tx;
}

void db_mark_recorded(struct db *db)
{
	db->recorded = true;
}

/* ---- small values ---- */

int db_generation(struct db *db, uint64_t *ret, struct err *err)
{
	int64_t v = 0;
	int r = value(db, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'generation'", &v,
		      err);

	if (r == 0)
		*ret = (uint64_t)v;
	return r;
}

int db_meta_get(struct db *db, const char *key, char **ret, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db, "SELECT value FROM meta WHERE key = ?1", err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, key);
	if ((r = stmt_step(&q, err)) < 0)
		return r;
	*ret = r ? stmt_take_text(&q, 0) : NULL;
	return 0;
}

int db_meta_set(struct db *db, const char *key, const char *text, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r;

	if (!text) {
		if ((r = stmt_begin(&q, db, "DELETE FROM meta WHERE key = ?1", err)) < 0)
			return r;
		stmt_text(&q, 1, key);
		return stmt_run(&q, err);
	}
	r = stmt_begin(&q, db,
		       "INSERT INTO meta (key, value) VALUES (?1, ?2) "
		       "ON CONFLICT (key) DO UPDATE SET value = excluded.value "
		       "WHERE value <> excluded.value",
		       err);
	if (r < 0)
		return r;
	stmt_text(&q, 1, key);
	stmt_text(&q, 2, text);
	return stmt_run(&q, err);
}

/* ---- for integrity.c ---- */

int db_open_pattern(struct db **ret, struct err *err)
{
	CLEANUP(db_close) struct db *db = connection_new(":memory:", NULL, 0);
	int r = connect_to(db, ":memory:", SQLITE_OPEN_READWRITE, err);

	if (r < 0 || (r = write_steps(db, 0, err)) < 0)
		return r;
	*ret = TAKE(db);
	return 0;
}
