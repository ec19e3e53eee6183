/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blacklist entries and exceptions as rows: what may be written, and writing it with its history.
 */
#include "registry/entry.h"

#include <inttypes.h>

#include "registry/history.h"
#include "registry/stmt.h"
#include "registry/text.h"

#define ID_MAX 64

const char *entry_mode_name(enum entry_mode m)
{
	return m == MODE_ENFORCE ? "enforce" : "audit";
}

const char *entry_publish_name(enum entry_publish p)
{
	return p == PUBLISH_NODES ? "nodes" : "range";
}

void entry_free(struct entry *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n_references; i++)
		free(e->references[i]);
	free(e->references);
	free(e->id);
	free(e->builds);
	free(e->reason);
	free(e);
}

void entries_free(struct entries *es)
{
	if (!es)
		return;
	for (size_t i = 0; i < es->n; i++)
		entry_free(es->entry[i]);
	free(es->entry);
	free(es);
}

void exception_free(struct exception *x)
{
	if (!x)
		return;
	free(x->id);
	free(x->builds);
	free(x->reason);
	free(x->owner);
	free(x);
}

void exceptions_free(struct exceptions *xs)
{
	if (!xs)
		return;
	for (size_t i = 0; i < xs->n; i++)
		exception_free(xs->exception[i]);
	free(xs->exception);
	free(xs);
}

/* ---- reading ---- */

#define ENTRY_COLUMNS                                                                         \
	"SELECT e.row, e.id, e.origin, e.product_id, p.number, e.builds, e.mode = 'audit',"   \
	" e.publish = 'range', e.whole_family, e.reason, e.not_before, e.expires, e.created " \
	"FROM entry e JOIN product p ON p.id = e.product_id "

static int read_references(struct db *db, struct entry *e, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	size_t cap = 0;
	int r = stmt_begin(
		&q, db, "SELECT url FROM entry_reference WHERE entry = ?1 ORDER BY position", err);

	if (r < 0)
		return r;
	stmt_int(&q, 1, e->row);
	while ((r = stmt_step(&q, err)) > 0) {
		GROW(e->references, e->n_references, cap);
		e->references[e->n_references++] = stmt_take_text(&q, 0);
	}
	return r;
}

/* 1 and the next entry of Q, or 0. */
static int read_entry(struct stmt *q, struct entry **ret, struct err *err)
{
	CLEANUP(entry_free) struct entry *e = NULL;
	int r = stmt_step(q, err);

	if (r <= 0)
		return r;
	e = xcalloc(1, sizeof(*e));
	e->row = stmt_get_int(q, 0);
	e->id = stmt_take_text(q, 1);
	e->product_id = stmt_get_int(q, 3);
	e->product = (uint16_t)stmt_get_int(q, 4);
	e->builds = stmt_take_text(q, 5);
	e->mode = stmt_get_int(q, 6) ? MODE_AUDIT : MODE_ENFORCE;
	e->publish = stmt_get_int(q, 7) ? PUBLISH_RANGE : PUBLISH_NODES;
	e->whole_family = stmt_get_int(q, 8) != 0;
	e->reason = stmt_take_text(q, 9);
	e->not_before = stmt_get_time(q, 10);
	e->expires = stmt_get_time(q, 11);
	e->created = stmt_get_int(q, 12);
	if (!origin_parse(stmt_get_text(q, 2), &e->origin))
		return err_set(err, ERR_INVALID, "entry '%s': unknown origin in the registry",
			       e->id);
	if ((r = read_references(q->db, e, err)) < 0)
		return r;
	*ret = TAKE(e);
	return 1;
}

int entry_find(struct db *db, const char *id, struct entry **ret, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	CLEANUP(free) char *shown = NULL;
	int r = stmt_begin(&q, db, ENTRY_COLUMNS "WHERE e.id = ?1 ORDER BY e.origin LIMIT 1", err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, id);
	if ((r = read_entry(&q, ret, err)) != 0)
		return r < 0 ? r : 0;
	shown = escape_text(id);
	return err_set(err, ERR_NOT_FOUND, "no entry '%.200s'", shown);
}

static int read_entries(struct stmt *q, struct entries **ret, struct err *err)
{
	CLEANUP(entries_free) struct entries *es = xcalloc(1, sizeof(*es));
	size_t cap = 0;
	int r;

	for (;;) {
		GROW(es->entry, es->n, cap);
		if ((r = read_entry(q, &es->entry[es->n], err)) <= 0)
			break;
		es->n++;
	}
	if (r < 0)
		return r;
	*ret = TAKE(es);
	return 0;
}

static int list_entries(struct db *db, const char *sql, struct entries **ret, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	DB_TX tx = { 0 };
	int r;

	if ((r = db_snapshot(db, &tx, err)) < 0 || (r = stmt_begin(&q, db, sql, err)) < 0)
		return r;
	return read_entries(&q, ret, err);
}

int entry_list(struct db *db, struct entries **ret, struct err *err)
{
	return list_entries(db, ENTRY_COLUMNS "ORDER BY e.id, e.origin", ret, err);
}

int entry_list_of(struct db *db, uint16_t product, struct entries **ret, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	DB_TX tx = { 0 };
	int r;

	if ((r = db_snapshot(db, &tx, err)) < 0 ||
	    (r = stmt_begin(&q, db,
			    ENTRY_COLUMNS
			    "WHERE e.product_id IN (SELECT id FROM product WHERE number = ?1) "
			    "ORDER BY e.id, e.origin",
			    err)) < 0)
		return r;
	stmt_int(&q, 1, product);
	return read_entries(&q, ret, err);
}

int exception_list(struct db *db, struct exceptions **ret, struct err *err)
{
	CLEANUP(exceptions_free) struct exceptions *xs = xcalloc(1, sizeof(*xs));
	CLEANUP_STMT struct stmt q = STMT_INIT;
	size_t cap = 0;
	int r = stmt_begin(&q, db,
			   "SELECT x.row, x.id, x.product_id, p.number, x.builds, x.reason,"
			   " x.owner, x.expires, x.created "
			   "FROM exception x JOIN product p ON p.id = x.product_id ORDER BY x.id",
			   err);

	if (r < 0)
		return r;
	while ((r = stmt_step(&q, err)) > 0) {
		struct exception *x = xcalloc(1, sizeof(*x));

		GROW(xs->exception, xs->n, cap);
		xs->exception[xs->n++] = x;
		x->row = stmt_get_int(&q, 0);
		x->id = stmt_take_text(&q, 1);
		x->product_id = stmt_get_int(&q, 2);
		x->product = (uint16_t)stmt_get_int(&q, 3);
		x->builds = stmt_take_text(&q, 4);
		x->reason = stmt_take_text(&q, 5);
		x->owner = stmt_take_text(&q, 6);
		x->expires = stmt_get_time(&q, 7);
		x->created = stmt_get_int(&q, 8);
	}
	if (r < 0)
		return r;
	*ret = TAKE(xs);
	return 0;
}

/* ---- what may be written ---- */

int entry_builds(const struct entry *e, const struct product_uses *uses, struct builds **ret,
		 struct builds_notes *ret_notes, struct err *err)
{
	CLEANUP(builds_free) struct builds *b = NULL;
	struct builds_notes notes = { 0 };
	int r = builds_parse(e->builds, uses->use, uses->n, &b, &notes, err);

	if (r < 0)
		return err_wrap(err, "entry '%s'", e->id);
	if (ret_notes)
		*ret_notes = notes;
	*ret = e->publish == PUBLISH_RANGE ? builds_hull(b) : TAKE(b);
	return 0;
}

static int check_id(const char *id, struct err *err)
{
	static const char legal[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	CLEANUP(free) char *shown = NULL;

	if (*id && strlen(id) <= ID_MAX && id[strspn(id, legal)] == '\0')
		return 0;
	shown = escape_text(id);
	return err_set(err, ERR_INVALID,
		       "'%.100s' is no entry id: 1 to %d of letters, digits, '.', '_' and '-'",
		       shown, ID_MAX);
}

/* Everything but the id and the product. */
static int check_entry(const struct entry *e, const struct product_uses *uses, struct err *err)
{
	CLEANUP(builds_free) struct builds *b = NULL;
	struct builds_notes notes = { 0 };
	int r = text_check("the reason", e->reason, TEXT_LONG_MAX, false, err);

	for (size_t i = 0; r == 0 && i < e->n_references; i++)
		r = text_check("a reference", e->references[i], TEXT_LONG_MAX, false, err);
	if (r < 0)
		return err_wrap(err, "entry '%s'", e->id);
	if (e->not_before != TIME_NONE && e->expires != TIME_NONE && e->not_before >= e->expires)
		return err_set(err, ERR_INVALID, "entry '%s' expires before it begins", e->id);
	if ((r = entry_builds(e, uses, &b, &notes, err)) < 0)
		return r;
	if (notes.whole_family && !e->whole_family)
		return err_refuse(
			err, REFUSAL_TRIPWIRE,
			"entry '%s': '%.200s' stands for every version of the product, which wants --whole-family",
			e->id, e->builds);
	return 0;
}

/* Fills product_id and product, whichever is missing. */
static int resolve_product(struct db *db, int64_t *id, uint16_t *number, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(
		&q, db,
		*id ? "SELECT id, number FROM product WHERE id = ?1"
		    : "SELECT id, number FROM product WHERE number = ?2 AND conflict = 0",
		err);

	if (r < 0)
		return r;
	if (*id)
		stmt_int(&q, 1, *id);
	else
		stmt_int(&q, 2, *number);
	if ((r = stmt_step(&q, err)) < 0)
		return r;
	if (!r)
		return err_set(err, ERR_NOT_FOUND, "no product '%u'", *number);
	*id = stmt_get_int(&q, 0);
	*number = (uint16_t)stmt_get_int(&q, 1);
	return 0;
}

/* "PREFIX-N" with a number that was never given out before. */
static int next_id(struct db *db, const char *prefix, char **ret, struct err *err)
{
	CLEANUP(free) char *key = xasprintf("last-%s", prefix);
	CLEANUP(free) char *last = NULL;
	CLEANUP(free) char *value = NULL;
	uint64_t n = 0;
	int r = db_meta_get(db, key, &last, err);

	if (r < 0)
		return r;
	if (last && !parse_u64(span_str(last), &n))
		return err_set(err, ERR_INVALID, "meta value '%s' is no number", key);
	value = xasprintf("%" PRIu64, n + 1);
	if ((r = db_meta_set(db, key, value, err)) < 0)
		return r;
	*ret = xasprintf("%s-%" PRIu64, prefix, n + 1);
	return 0;
}

static int taken(struct db *db, const char *sql, const char *id, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db, sql, err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, id);
	return stmt_step(&q, err);
}

/* An id for *ID: the one given if nobody has it, or the next one of PREFIX that nobody has. */
static int choose_id(struct db *db, char **id, const char *prefix, const char *taken_sql,
		     struct err *err)
{
	int r;

	if (*id && **id) {
		if ((r = check_id(*id, err)) < 0)
			return r;
		r = taken(db, taken_sql, *id, err);
		return r > 0 ? err_set(err, ERR_EXISTS, "the id '%s' is taken", *id) : r;
	}
	do {
		free(TAKE(*id));
		if ((r = next_id(db, prefix, id, err)) < 0)
			return r;
	} while ((r = taken(db, taken_sql, *id, err)) > 0);
	return r;
}

/* ---- writing ---- */

static int write_references(struct db *db, const struct entry *e, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db,
			   "INSERT INTO entry_reference (entry, position, url) VALUES (?1, ?2, ?3)",
			   err);

	for (size_t i = 0; r == 0 && i < e->n_references; i++) {
		stmt_int(&q, 1, e->row);
		stmt_int(&q, 2, (int64_t)i);
		stmt_text(&q, 3, e->references[i]);
		r = stmt_run(&q, err);
	}
	return r;
}

static void bind_entry(struct stmt *q, const struct entry *e)
{
	stmt_text(q, 1, e->id);
	stmt_text(q, 2, origin_name(e->origin));
	stmt_int(q, 3, e->product_id);
	stmt_text(q, 4, e->builds);
	stmt_text(q, 5, entry_mode_name(e->mode));
	stmt_text(q, 6, entry_publish_name(e->publish));
	stmt_int(q, 7, e->whole_family);
	stmt_text(q, 8, e->reason);
	stmt_time(q, 9, e->not_before);
	stmt_time(q, 10, e->expires);
	stmt_int(q, 11, e->created);
}

static int insert_entry(struct db *db, struct entry *e, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db,
			   "INSERT INTO entry (id, origin, product_id, builds, mode, publish,"
			   " whole_family, reason, not_before, expires, created) "
			   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
			   err);

	if (r < 0)
		return r;
	bind_entry(&q, e);
	if ((r = stmt_run(&q, err)) < 0)
		return err_wrap(err, "entry '%s'", e->id);
	e->row = stmt_last_id(db);
	if ((r = write_references(db, e, err)) < 0)
		return r;
	return history_change(db, HISTORY_ENTRY, e->row, "add", NULL, err);
}

static int delete_row(struct db *db, enum history_kind kind, const char *sql, int64_t row,
		      struct err *err)
{
	CLEANUP(free) char *before = NULL;
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = history_state(db, kind, row, &before, err);

	if (r < 0 || (r = stmt_begin(&q, db, sql, err)) < 0)
		return r;
	stmt_int(&q, 1, row);
	if ((r = stmt_run(&q, err)) < 0)
		return r;
	return history_change(db, kind, row, "remove", before, err);
}

static int delete_entry(struct db *db, int64_t row, struct err *err)
{
	return delete_row(db, HISTORY_ENTRY, "DELETE FROM entry WHERE row = ?1", row, err);
}

int entry_add(struct db *db, struct entry *e, struct err *err)
{
	CLEANUP(uses_cache_free) struct uses_cache *cache = uses_cache_new(db);
	const struct product_uses *uses;
	int r = resolve_product(db, &e->product_id, &e->product, err);

	if (r < 0 || (r = uses_cache_get(cache, e->product_id, &uses, err)) < 0 ||
	    (r = choose_id(db, &e->id, "local", "SELECT 1 FROM entry WHERE id = ?1", err)) < 0 ||
	    (r = check_entry(e, uses, err)) < 0)
		return r;
	e->origin = ORIGIN_LOCAL;
	e->created = db_now(db);
	return insert_entry(db, e, err);
}

int entry_remove(struct db *db, const char *id, struct err *err)
{
	CLEANUP(entry_free) struct entry *e = NULL;
	int r = entry_find(db, id, &e, err);

	if (r < 0)
		return r;
	if (e->origin != ORIGIN_LOCAL)
		return err_set(
			err, ERR_DENIED,
			"entry '%s' comes from upstream: make an exception for the builds to allow",
			e->id);
	return delete_entry(db, e->row, err);
}

/* ---- do they all still parse ---- */

static int check_exception(const struct exception *x, const struct product_uses *uses,
			   struct err *err)
{
	CLEANUP(builds_free) struct builds *b = NULL;
	struct builds_notes notes;
	int r;

	if ((r = text_check("the reason", x->reason, TEXT_LONG_MAX, false, err)) < 0 ||
	    (r = text_check("the owner", x->owner, TEXT_NAME_MAX, false, err)) < 0 ||
	    (r = builds_parse(x->builds, uses->use, uses->n, &b, &notes, err)) < 0)
		return err_wrap(err, "exception '%s'", x->id);
	return 0;
}

static int check_list(struct db *db, struct uses_cache *cache, const char *sql, struct err *err)
{
	CLEANUP(entries_free) struct entries *es = NULL;
	const struct product_uses *uses;
	int r = list_entries(db, sql, &es, err);

	for (size_t i = 0; r == 0 && i < es->n; i++) {
		CLEANUP(builds_free) struct builds *b = NULL;

		r = uses_cache_get(cache, es->entry[i]->product_id, &uses, err);
		if (r == 0)
			r = entry_builds(es->entry[i], uses, &b, NULL, err);
	}
	return r;
}

/* All but the upstream entries. */
static int check_others(struct db *db, struct uses_cache *cache, struct err *err)
{
	CLEANUP(exceptions_free) struct exceptions *xs = NULL;
	const struct product_uses *uses;
	int r = check_list(db, cache, ENTRY_COLUMNS "WHERE e.origin <> 'upstream'", err);

	if (r < 0 || (r = exception_list(db, &xs, err)) < 0)
		return r;
	for (size_t i = 0; r == 0 && i < xs->n; i++) {
		r = uses_cache_get(cache, xs->exception[i]->product_id, &uses, err);
		if (r == 0)
			r = check_exception(xs->exception[i], uses, err);
	}
	return r;
}

int entries_check(struct db *db, struct err *err)
{
	CLEANUP(uses_cache_free) struct uses_cache *cache = uses_cache_new(db);
	int r = check_list(db, cache, ENTRY_COLUMNS "WHERE e.origin = 'upstream'", err);

	return r < 0 ? r : check_others(db, cache, err);
}

/* ---- the whole upstream list ---- */

static int by_id(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

static bool same(const struct entry *a, const struct entry *b)
{
	if (a->product_id != b->product_id || strcmp(a->builds, b->builds) != 0 ||
	    a->mode != b->mode || a->publish != b->publish || a->whole_family != b->whole_family ||
	    strcmp(a->reason, b->reason) != 0 || a->not_before != b->not_before ||
	    a->expires != b->expires || a->n_references != b->n_references)
		return false;
	for (size_t i = 0; i < a->n_references; i++) {
		if (strcmp(a->references[i], b->references[i]) != 0)
			return false;
	}
	return true;
}

static int rewrite_entry(struct db *db, const struct entry *e, struct err *err)
{
	CLEANUP(free) char *before = NULL;
	CLEANUP_STMT struct stmt refs = STMT_INIT;
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = history_state(db, HISTORY_ENTRY, e->row, &before, err);

	if (r < 0 ||
	    (r = stmt_begin(&q, db,
			    "UPDATE entry SET id = ?1, origin = ?2, product_id = ?3, builds = ?4,"
			    " mode = ?5, publish = ?6, whole_family = ?7, reason = ?8,"
			    " not_before = ?9, expires = ?10, created = ?11 WHERE row = ?12",
			    err)) < 0)
		return r;
	bind_entry(&q, e);
	stmt_int(&q, 12, e->row);
	if ((r = stmt_run(&q, err)) < 0 ||
	    (r = stmt_begin(&refs, db, "DELETE FROM entry_reference WHERE entry = ?1", err)) < 0)
		return r;
	stmt_int(&refs, 1, e->row);
	if ((r = stmt_run(&refs, err)) < 0 || (r = write_references(db, e, err)) < 0)
		return r;
	return history_change(db, HISTORY_ENTRY, e->row, "update", before, err);
}

/* Upstream does not speak of products that only this host has, whatever their numbers are. */
static int resolve_upstream(struct db *db, struct entry *e, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db,
			   "SELECT id FROM product WHERE number = ?1 AND conflict = 0 "
			   "AND origin <> 'local'",
			   err);

	if (r < 0)
		return r;
	stmt_int(&q, 1, e->product);
	if ((r = stmt_step(&q, err)) < 0)
		return r;
	if (!r)
		return err_set(err, ERR_NOT_FOUND, "upstream has no product '%u'", e->product);
	e->product_id = stmt_get_int(&q, 0);
	return 0;
}

static int check_new(struct db *db, struct uses_cache *cache, struct entry *e, struct err *err)
{
	const struct product_uses *uses;
	int r;

	if ((r = check_id(e->id ? e->id : "", err)) < 0)
		return r;
	if ((r = resolve_upstream(db, e, err)) < 0)
		return err_wrap(err, "entry '%s'", e->id);
	if ((r = uses_cache_get(cache, e->product_id, &uses, err)) < 0)
		return r;
	return check_entry(e, uses, err);
}

int entries_replace_upstream(struct db *db, struct entry *const *list, size_t n,
			     struct entries_change *ret, struct err *err)
{
	CLEANUP(uses_cache_free) struct uses_cache *cache = uses_cache_new(db);
	CLEANUP(entries_free) struct entries *have = NULL;
	CLEANUP(free) char *sorted = xmemdup(list, n * sizeof(*list));
	struct entry **want = (struct entry **)(void *)sorted;
	struct entries_change change = { 0 };
	size_t h = 0, w = 0;
	int r = list_entries(db, ENTRY_COLUMNS "WHERE e.origin = 'upstream' ORDER BY e.id", &have,
			     err);

	if (r < 0)
		return r;
	qsort(want, n, sizeof(struct entry *), by_id);
	for (size_t i = 0; i < n; i++) {
		if ((r = check_new(db, cache, want[i], err)) < 0)
			return r;
		if (i && strcmp(want[i - 1]->id, want[i]->id) == 0)
			return err_set(err, ERR_INVALID, "two entries have the id '%s'",
				       want[i]->id);
		want[i]->origin = ORIGIN_UPSTREAM;
	}
	while (r == 0 && (h < have->n || w < n)) {
		int order = h == have->n ? 1
			    : w == n	 ? -1
					 : strcmp(have->entry[h]->id, want[w]->id);

		if (order < 0) {
			r = delete_entry(db, have->entry[h++]->row, err);
			change.removed++;
		} else if (order > 0) {
			want[w]->created = db_now(db);
			r = insert_entry(db, want[w++], err);
			change.added++;
		} else {
			struct entry *e = want[w++];
			const struct entry *old = have->entry[h++];

			e->row = old->row;
			e->created = old->created;
			if (same(old, e)) {
				change.unchanged++;
			} else {
				r = rewrite_entry(db, e, err);
				change.changed++;
			}
		}
	}
	if (r < 0 || (r = check_others(db, cache, err)) < 0)
		return r;
	*ret = change;
	return 0;
}

/* ---- exceptions ---- */

int exception_add(struct db *db, struct exception *x, struct err *err)
{
	CLEANUP(uses_cache_free) struct uses_cache *cache = uses_cache_new(db);
	CLEANUP_STMT struct stmt q = STMT_INIT;
	const struct product_uses *uses;
	int r = resolve_product(db, &x->product_id, &x->product, err);

	if (r < 0 || (r = uses_cache_get(cache, x->product_id, &uses, err)) < 0 ||
	    (r = choose_id(db, &x->id, "exception", "SELECT 1 FROM exception WHERE id = ?1", err)) <
		    0 ||
	    (r = check_exception(x, uses, err)) < 0 ||
	    (r = stmt_begin(&q, db,
			    "INSERT INTO exception (id, product_id, builds, reason, owner, expires,"
			    " created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			    err)) < 0)
		return r;
	x->created = db_now(db);
	stmt_text(&q, 1, x->id);
	stmt_int(&q, 2, x->product_id);
	stmt_text(&q, 3, x->builds);
	stmt_text(&q, 4, x->reason);
	stmt_text(&q, 5, x->owner);
	stmt_time(&q, 6, x->expires);
	stmt_int(&q, 7, x->created);
	if ((r = stmt_run(&q, err)) < 0)
		return r;
	x->row = stmt_last_id(db);
	return history_change(db, HISTORY_EXCEPTION, x->row, "add", NULL, err);
}

int exception_remove(struct db *db, const char *id, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	CLEANUP(free) char *shown = NULL;
	int r = stmt_begin(&q, db, "SELECT row FROM exception WHERE id = ?1", err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, id);
	if ((r = stmt_step(&q, err)) < 0)
		return r;
	if (r)
		return delete_row(db, HISTORY_EXCEPTION, "DELETE FROM exception WHERE row = ?1",
				  stmt_get_int(&q, 0), err);
	shown = escape_text(id);
	return err_set(err, ERR_NOT_FOUND, "no exception '%.200s'", shown);
}
