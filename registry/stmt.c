/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Statements: compiled once per connection and found again by the address of their text, bound,
 * stepped, and given back when they leave the scope. SQLite's codes become error kinds here.
 */
#include "registry/stmt.h"

#include <stdint.h>

#include "registry/connection.h"

int db_sqlite_error(struct db *db, int code, const char *what, struct err *err)
{
	const char *text = sqlite3_errmsg(db->sqlite);
	const char *path = db->path;

	switch (code & 0xff) {
	case SQLITE_NOMEM:
		fputs("out of memory\n", stderr);
		abort();
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_refuse(err, REFUSAL_LOCKED,
				  "registry '%s' is locked by another process, try again later",
				  path);
	case SQLITE_CONSTRAINT:
		if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
			return err_set(err, ERR_EXISTS, "%s: already there (%s)", what, text);
		return err_set(err, ERR_INVALID, "%s: %s", what, text);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		return err_set(err, ERR_INVALID,
			       "'%s' is damaged or not a registry (%s): restore it from a backup",
			       path, text);
	case SQLITE_READONLY:
		if (code == SQLITE_READONLY_ROLLBACK || code == SQLITE_READONLY_RECOVERY ||
		    code == SQLITE_READONLY_CANTLOCK)
			return err_set(
				err, ERR_DENIED,
				"a write to registry '%s' was interrupted: any command run by its owner repairs that",
				path);
		/* fall through */
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return err_set(err, ERR_DENIED, "cannot write registry '%s': %s", path, text);
	case SQLITE_CANTOPEN:
		return err_set(err, ERR_IO, "cannot open registry '%s': %s", path, text);
	case SQLITE_FULL:
	case SQLITE_IOERR:
		return err_set(err, ERR_IO, "registry '%s': %s", path, text);
	case SQLITE_TOOBIG:
		return err_set(err, ERR_INVALID, "%s: text is too long", what);
	case SQLITE_ERROR:
		/* Every statement fits the schema that was made: somebody else changed it. */
		if (strncmp(text, "no such ", 8) == 0)
			return err_set(err, ERR_INVALID,
				       "'%s' is damaged (%s): restore it from a backup", path,
				       text);
		/* fall through */
	default:
		return err_set(err, ERR_INTERNAL, "%s: %s", what, text);
	}
}

static int failed(struct stmt *q, int code, struct err *err)
{
	return db_sqlite_error(q->db, code, "registry", err);
}

int stmt_begin(struct stmt *q, struct db *db, const char *sql, struct err *err)
{
	size_t at = (size_t)((uintptr_t)sql / 8 % STMT_SLOTS);
	struct stmt_slot *slot = NULL;
	sqlite3_stmt *s = NULL;
	int rc;

	stmt_end(q);
	for (size_t i = 0; i < STMT_SLOTS; i++, at = (at + 1) % STMT_SLOTS) {
		slot = &db->slot[at];
		if (!slot->sql || (slot->sql == sql && !slot->busy))
			break;
		slot = NULL;
	}
	if (!slot)
		return err_set(err, ERR_INTERNAL, "too many statements at once");
	if (!slot->sql) {
		rc = sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL);
		if (rc != SQLITE_OK)
			return db_sqlite_error(db, rc, "registry", err);
		slot->sql = sql;
		slot->s = s;
	}
	slot->busy = true;
	*q = (struct stmt){ .db = db, .s = slot->s, .slot = at, .rc = SQLITE_OK };
	return 0;
}

void stmt_end(struct stmt *q)
{
	if (!q->s)
		return;
	stmt_reset(q);
	sqlite3_clear_bindings(q->s);
	q->db->slot[q->slot].busy = false;
	*q = (struct stmt)STMT_INIT;
}

void stmt_reset(struct stmt *q)
{
	sqlite3_reset(q->s);
	q->rc = SQLITE_OK;
}

static void note(struct stmt *q, int rc)
{
	if (q->rc == SQLITE_OK)
		q->rc = rc;
}

void stmt_int(struct stmt *q, int index, int64_t value)
{
	note(q, sqlite3_bind_int64(q->s, index, value));
}

void stmt_text(struct stmt *q, int index, const char *value)
{
	note(q, value ? sqlite3_bind_text(q->s, index, value, -1, SQLITE_TRANSIENT)
		      : sqlite3_bind_null(q->s, index));
}

void stmt_time(struct stmt *q, int index, int64_t value)
{
	note(q, value == TIME_NONE ? sqlite3_bind_null(q->s, index)
				   : sqlite3_bind_int64(q->s, index, value));
}

int stmt_step(struct stmt *q, struct err *err)
{
	int rc = q->rc;

	if (rc != SQLITE_OK)
		return failed(q, rc, err);
	rc = sqlite3_step(q->s);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	rc = failed(q, rc, err);
	sqlite3_reset(q->s);
	return rc;
}

int stmt_run(struct stmt *q, struct err *err)
{
	int r;

	do {
		r = stmt_step(q, err);
	} while (r > 0);
	stmt_reset(q);
	return r;
}

int64_t stmt_get_int(struct stmt *q, int col)
{
	return sqlite3_column_int64(q->s, col);
}

int64_t stmt_get_time(struct stmt *q, int col)
{
	return sqlite3_column_type(q->s, col) == SQLITE_NULL ? TIME_NONE
							     : sqlite3_column_int64(q->s, col);
}

const char *stmt_get_text(struct stmt *q, int col)
{
	return (const char *)sqlite3_column_text(q->s, col);
}

char *stmt_take_text(struct stmt *q, int col)
{
	const char *text = stmt_get_text(q, col);

	return xstrdup(text ? text : "");
}

int64_t stmt_last_id(struct db *db)
{
	return sqlite3_last_insert_rowid(db->sqlite);
}

int64_t stmt_changes(struct db *db)
{
	return sqlite3_changes(db->sqlite);
}
