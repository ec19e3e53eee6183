/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What audit asks of the registry file: pages, references, the schema against the one that this
 * program makes, the history, and every row against the history.
 */
#include "registry/db.h"

#include "registry/history.h"
#include "registry/stmt.h"

struct finder {
	void (*found)(void *ctx, const char *what);
	void *ctx;
};

static void found_in_chain(void *ctx, int64_t seq, const char *what)
{
	CLEANUP(free) char *text = xasprintf("history %lld: %s", (long long)seq, what);
	const struct finder *f = ctx;

	f->found(f->ctx, text);
}

static void found_in_rows(void *ctx, int64_t seq, const char *what)
{
	const struct finder *f = ctx;

	(void)seq;
	f->found(f->ctx, what);
}

static int check_pages(struct db *db, const struct finder *f, struct err *err)
{
	CLEANUP_STMT struct stmt pages = STMT_INIT;
	CLEANUP_STMT struct stmt keys = STMT_INIT;
	int r = stmt_begin(&pages, db, "PRAGMA integrity_check(20)", err);

	if (r < 0)
		return r;
	while ((r = stmt_step(&pages, err)) > 0) {
		const char *text = stmt_get_text(&pages, 0);

		if (text && strcmp(text, "ok") != 0)
			f->found(f->ctx, text);
	}
	if (r < 0 || (r = stmt_begin(&keys, db, "PRAGMA foreign_key_check", err)) < 0)
		return r;
	while ((r = stmt_step(&keys, err)) > 0) {
		CLEANUP(free)
		char *text = xasprintf("table %s, row %lld: its %s does not exist",
				       stmt_get_text(&keys, 0), (long long)stmt_get_int(&keys, 1),
				       stmt_get_text(&keys, 2));

		f->found(f->ctx, text);
	}
	return r;
}

#define SCHEMA_ROWS "SELECT type || ' ' || name, sql FROM sqlite_schema ORDER BY 1"

/* Merges the two ordered lists of what the file has and what this program makes. */
static int check_schema(struct db *db, const struct finder *f, struct err *err)
{
	CLEANUP(db_close) struct db *fresh = NULL;
	CLEANUP_STMT struct stmt have = STMT_INIT;
	CLEANUP_STMT struct stmt want = STMT_INIT;
	int h, w, r;

	if ((r = db_open_pattern(&fresh, err)) < 0 ||
	    (r = stmt_begin(&have, db, SCHEMA_ROWS, err)) < 0 ||
	    (r = stmt_begin(&want, fresh, SCHEMA_ROWS, err)) < 0)
		return r;
	if ((h = stmt_step(&have, err)) < 0 || (w = stmt_step(&want, err)) < 0)
		return h < 0 ? h : w;
	while (h > 0 || w > 0) {
		const char *have_name = h > 0 ? stmt_get_text(&have, 0) : "";
		const char *want_name = w > 0 ? stmt_get_text(&want, 0) : "";
		int order = h <= 0 ? 1 : w <= 0 ? -1 : strcmp(have_name, want_name);
		const char *have_sql = order <= 0 ? stmt_get_text(&have, 1) : NULL;
		const char *want_sql = order >= 0 ? stmt_get_text(&want, 1) : NULL;
		CLEANUP(free) char *text = NULL;

		if (order > 0)
			text = xasprintf("schema: %s is missing", want_name);
		else if (order < 0)
			text = xasprintf("schema: %s is not of this program", have_name);
		else if (strcmp(have_sql ? have_sql : "", want_sql ? want_sql : "") != 0)
			text = xasprintf("schema: %s was changed", have_name);
		if (text)
			f->found(f->ctx, text);
		if ((order <= 0 && (h = stmt_step(&have, err)) < 0) ||
		    (order >= 0 && (w = stmt_step(&want, err)) < 0))
			return h < 0 ? h : w;
	}
	return 0;
}

struct counter {
	struct finder to;
	size_t n;
};

static void count(void *ctx, const char *what)
{
	struct counter *c = ctx;

	c->n++;
	c->to.found(c->to.ctx, what);
}

static int check_content(struct db *db, const struct finder *f, struct err *err)
{
	int r = check_schema(db, f, err);

	if (r < 0 || (r = history_chain(db, found_in_chain, (void *)f, err)) < 0)
		return r;
	return history_compare(db, found_in_rows, (void *)f, err);
}

int db_integrity(struct db *db, void (*found)(void *ctx, const char *what), void *ctx,
		 struct err *err)
{
	struct counter counter = { .to = { found, ctx } };
	struct finder f = { count, &counter };
	DB_TX tx = { 0 };
	int r = db_snapshot(db, &tx, err);

	if (r == 0 && (r = check_pages(db, &f, err)) == 0)
		r = check_content(db, &f, err);
	/* In a damaged file the checks themselves stumble: that is a finding, no failure. */
	if (r == -ERR_INVALID || (r < 0 && counter.n)) {
		found(ctx, err->msg);
		r = 0;
	}
	return r;
}
