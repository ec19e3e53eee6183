/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Encodings, and what upstream says about products and encodings: its rows win numbers and names,
 * rows of this host that are in the way are kept and marked.
 */
#include "registry/change.h"

#include "registry/history.h"
#include "registry/stmt.h"
#include "registry/text.h"

/* ---- products ---- */

static int check_upstream(struct db *db, const struct product *p, struct err *err)
{
	bool ordinary = p->status == STATUS_ASSIGNED || p->status == STATUS_PROVISIONAL;
	uint64_t unused;
	int r;

	if ((r = text_check("the name", p->name, TEXT_NAME_MAX, false, err)) < 0 ||
	    (r = text_check("the vendor", p->vendor, TEXT_LONG_MAX, true, err)) < 0 ||
	    (r = text_check("the contact", p->contact, TEXT_LONG_MAX, true, err)) < 0 ||
	    (r = text_check("the reference", p->reference, TEXT_LONG_MAX, true, err)) < 0 ||
	    (p->node && *p->node && (r = change_check_node(p->node, err)) < 0) ||
	    (r = change_check_encodings(db, p->encoding, p->n_encodings, err)) < 0)
		return r;
	if (strchr(p->name, '/') || p->name[0] == '_' || p->name[0] == '-')
		return err_set(err, ERR_INVALID,
			       "'%s' is no name: it holds a '/' or begins with '_' or '-'",
			       p->name);
	if (p->name[0] == ' ' || p->name[strlen(p->name) - 1] == ' ')
		return err_set(err, ERR_INVALID, "'%s' begins or ends with a space", p->name);
	if (parse_number(span_str(p->name), UINT64_MAX, &unused))
		return err_set(err, ERR_INVALID, "'%s' could be taken for a number", p->name);
	if (*p->node && (r = change_keep_node(p->number, p->node, err)) < 0)
		return r;
	if (ordinary && (p->number == 0 || p->number == UINT16_MAX))
		return err_set(err, ERR_INVALID, "%u cannot be %s", p->number,
			       product_status_name(p->status));
	if (p->status == STATUS_EXPERIMENTAL && p->number != UINT16_MAX)
		return err_set(err, ERR_INVALID, "only %u is experimental", UINT16_MAX);
	if (p->deadline != TIME_NONE && p->status != STATUS_PROVISIONAL)
		return err_set(err, ERR_INVALID, "only a provisional number has a deadline");
	return 0;
}

/*
 * Rows other than KEEP that have P's number, name or node: marked. An error if upstream's, or a
 * registered one that came with the program: upstream changes those under their own number.
 */
static int clear_way(struct db *db, const struct product *p, const char *node, int64_t keep,
		     struct product_notes *notes, struct err *err)
{
	for (;;) {
		CLEANUP(product_free) struct product *other = NULL;
		CLEANUP_STMT struct stmt q = STMT_INIT;
		int r = stmt_begin(&q, db,
				   "SELECT id FROM product WHERE conflict = 0 AND id <> ?1 "
				   "AND number = ?2 UNION ALL "
				   "SELECT id FROM product WHERE conflict = 0 AND id <> ?1 "
				   "AND name = ?3 UNION ALL "
				   "SELECT id FROM product WHERE conflict = 0 AND id <> ?1 "
				   "AND node = ?4 LIMIT 1",
				   err);

		if (r < 0)
			return r;
		stmt_int(&q, 1, keep);
		stmt_int(&q, 2, p->number);
		stmt_text(&q, 3, p->name);
		stmt_text(&q, 4, node);
		if ((r = stmt_step(&q, err)) <= 0 ||
		    (r = product_get(db, stmt_get_int(&q, 0), &other, err)) < 0)
			return r;
		stmt_end(&q);
		if (other->origin == ORIGIN_UPSTREAM)
			return err_set(
				err, ERR_INVALID,
				"'%s' clashes with upstream's own product %u, '%s', node '%s'",
				p->name, other->number, other->name, other->node);
		if (other->origin == ORIGIN_SHIPPED && other->number != p->number &&
		    other->status != STATUS_UNREGISTERED_USE)
			return err_set(err, ERR_INVALID,
				       "'%s' clashes with product %u, '%s', node '%s'", p->name,
				       other->number, other->name, other->node);
		other->conflict = true;
		if ((r = change_rewrite(db, other, "conflict", err)) < 0)
			return r;
		change_note(
			notes,
			"%s product %u, '%s', is in conflict: upstream gave its %s to product %u, '%s'; it is kept and not published",
			origin_name(other->origin), other->number, other->name,
			other->number == p->number	    ? "number"
			: strcmp(other->name, p->name) == 0 ? "name"
							    : "node",
			p->number, p->name);
	}
}

/* The row that P updates: the one with its number, unless that is a stranger of this host. */
static int find_target(struct db *db, const struct product *p, struct product **ret,
		       struct err *err)
{
	CLEANUP(product_free) struct product *row = NULL;
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db, "SELECT id FROM product WHERE number = ?1 AND conflict = 0",
			   err);

	if (r < 0)
		return r;
	stmt_int(&q, 1, p->number);
	if ((r = stmt_step(&q, err)) <= 0 ||
	    (r = product_get(db, stmt_get_int(&q, 0), &row, err)) < 0)
		return r;
	if (row->origin == ORIGIN_LOCAL && strcmp(row->name, p->name) != 0)
		return 0;
	if (row->origin != ORIGIN_UPSTREAM && row->status == STATUS_RETIRED)
		return 0; /* retired here, and that stays */
	if (row->status == STATUS_RETIRED && p->status != STATUS_RETIRED)
		return err_set(err, ERR_INVALID, "'%s' was retired, for ever", row->name);
	*ret = TAKE(row);
	return 0;
}

static bool same_encodings(const struct product *a, const struct product *b)
{
	if (a->n_encodings != b->n_encodings)
		return false;
	for (size_t i = 0; i < a->n_encodings; i++) {
		const struct product_encoding *x = &a->encoding[i], *y = &b->encoding[i];

		if (strcmp(x->encoding, y->encoding) != 0 || x->from != y->from || x->to != y->to ||
		    strcmp(x->user ? x->user : "", y->user ? y->user : "") != 0)
			return false;
	}
	return true;
}

static bool same(const struct product *a, const struct product *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->node, b->node) == 0 &&
	       a->status == b->status && a->origin == b->origin &&
	       strcmp(a->vendor, b->vendor) == 0 && strcmp(a->contact, b->contact) == 0 &&
	       strcmp(a->reference, b->reference) == 0 && a->deadline == b->deadline &&
	       same_encodings(a, b);
}

static int put_upstream(struct db *db, const struct product *p, enum put_result *ret,
			struct product_notes *notes, struct err *err)
{
	CLEANUP(product_free) struct product *old = NULL;
	CLEANUP(product_free) struct product *fresh = xcalloc(1, sizeof(*fresh));
	int r;

	/* A copy with sorted encodings, which is what gets checked and written. */
	*fresh = (struct product){ .number = p->number,
				   .status = p->status,
				   .origin = ORIGIN_UPSTREAM,
				   .deadline = p->deadline };
	fresh->name = xstrdup(p->name ? p->name : "");
	fresh->vendor = xstrdup(p->vendor ? p->vendor : "");
	fresh->contact = xstrdup(p->contact ? p->contact : "");
	fresh->reference = xstrdup(p->reference ? p->reference : "");
	fresh->node = xstrdup(p->node ? p->node : "");
	change_set_encodings(fresh, p->encoding, p->n_encodings);
	if ((r = check_upstream(db, fresh, err)) < 0 || (r = find_target(db, fresh, &old, err)) < 0)
		return r;
	fresh->id = old ? old->id : 0;
	fresh->created = old ? old->created : 0;
	if (!*fresh->node) {
		free(TAKE(fresh->node));
		if (change_stock_node(fresh->number))
			fresh->node = xstrdup(change_stock_node(fresh->number));
		else if (old && strcmp(old->name, fresh->name) == 0)
			fresh->node = xstrdup(old->node);
		else if ((r = change_derive_node(db, fresh->name, fresh->id, &fresh->node, err)) <
			 0)
			return r;
	}
	if (old && same(old, fresh)) {
		*ret = PUT_UNCHANGED;
		return 0;
	}
	if ((r = clear_way(db, fresh, fresh->node, fresh->id, notes, err)) < 0)
		return r;
	if (!old) {
		*ret = PUT_ADDED;
		return change_insert(db, fresh, "add", err);
	}
	*ret = PUT_CHANGED;
	return change_rewrite(db, fresh, old->origin == ORIGIN_UPSTREAM ? "update" : "adopt", err);
}

int product_put_upstream(struct db *db, const struct product *p, enum put_result *ret,
			 struct product_notes *ret_notes, struct err *err)
{
	struct product_notes notes = { 0 };
	int r = put_upstream(db, p, ret, &notes, err);

	if (r < 0)
		return err_wrap(err, "product %u", p->number);
	*ret_notes = notes;
	return 0;
}

/* ---- encodings ---- */

static int check_encoding(const char *name, const char *scan, const char *expression,
			  struct err *err)
{
	static const char legal[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	CLEANUP(encoding_free) struct encoding *e = NULL;
	CLEANUP(free) char *shown = escape_text(name);
	uint32_t constant;

	if (strncmp(name, "const:", 6) == 0) {
		if (!parse_u32(span_str(name + 6), &constant) || strcmp(scan, "...") != 0 ||
		    strcmp(expression, name + 6) != 0)
			return err_set(err, ERR_INVALID,
				       "encoding '%.100s': const:K scans '...' and is K", shown);
	} else if (!*name || strlen(name) > ENCODING_NAME_MAX || name[strspn(name, legal)] ||
		   name[0] == '-' || name[strspn(name, "0123456789")] == '\0') {
		return err_set(
			err, ERR_INVALID,
			"'%.100s' is no encoding name: 1 to %d of letters, digits, '.', '_' and '-', no number",
			shown, ENCODING_NAME_MAX);
	}
	return encoding_compile(name, scan, expression, &e, err);
}

struct stored {
	int64_t id;
	enum origin origin;
	bool same;
};

/* 1 when there is an encoding NAME; SAME: with exactly this text. */
static int find_stored(struct db *db, const char *name, const char *scan, const char *expression,
		       struct stored *ret, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db,
			   "SELECT id, origin, scan = ?2 AND expression = ?3 FROM encoding "
			   "WHERE name = ?1",
			   err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, name);
	stmt_text(&q, 2, scan);
	stmt_text(&q, 3, expression);
	if ((r = stmt_step(&q, err)) <= 0)
		return r;
	ret->id = stmt_get_int(&q, 0);
	ret->same = stmt_get_int(&q, 2) != 0;
	return origin_parse(stmt_get_text(&q, 1), &ret->origin)
		       ? 1
		       : err_set(err, ERR_INVALID, "encoding '%s': unknown origin", name);
}

static int insert_encoding(struct db *db, const char *name, const char *scan,
			   const char *expression, enum origin origin, const char *act,
			   struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db,
			   "INSERT INTO encoding (name, scan, expression, origin, created) "
			   "VALUES (?1, ?2, ?3, ?4, ?5)",
			   err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, name);
	stmt_text(&q, 2, scan);
	stmt_text(&q, 3, expression);
	stmt_text(&q, 4, origin_name(origin));
	stmt_int(&q, 5, db_now(db));
	if ((r = stmt_run(&q, err)) < 0)
		return r;
	return history_change(db, HISTORY_ENCODING, stmt_last_id(db), act, NULL, err);
}

int encoding_define(struct db *db, const char *name, const char *scan, const char *expression,
		    struct err *err)
{
	struct stored have;
	int r = check_encoding(name, scan, expression, err);

	if (r < 0 || (r = find_stored(db, name, scan, expression, &have, err)) < 0)
		return r;
	if (r && have.same)
		return 0;
	if (r)
		return err_set(err, ERR_EXISTS, "encoding '%s' (%s) is there with another text",
			       name, origin_name(have.origin));
	return insert_encoding(db, name, scan, expression, ORIGIN_LOCAL, "define", err);
}

/* A name for the local encoding NAME that nobody has. */
static int free_name(struct db *db, const char *name, char **ret, struct err *err)
{
	for (unsigned i = 1;; i++) {
		CLEANUP(free)
		char *try = i == 1 ? xasprintf("%.50s-local", name)
				   : xasprintf("%.50s-local-%u", name, i);
		struct stored unused;
		int r = find_stored(db, try, "", "", &unused, err);

		if (r < 0)
			return r;
		if (!r) {
			*ret = TAKE(try);
			return 0;
		}
	}
}

/* Renames the local encoding ID; products that use it follow, each with its history. */
static int move_aside(struct db *db, int64_t id, const char *name, struct product_notes *notes,
		      struct err *err)
{
	CLEANUP(products_free) struct products *ps = NULL;
	CLEANUP_STMT struct stmt q = STMT_INIT;
	CLEANUP(free) char *before = NULL;
	CLEANUP(free) char *to = NULL;
	int r;

	if ((r = free_name(db, name, &to, err)) < 0 ||
	    (r = history_state(db, HISTORY_ENCODING, id, &before, err)) < 0 ||
	    (r = product_list(db, &ps, err)) < 0 ||
	    (r = stmt_begin(&q, db, "UPDATE encoding SET name = ?1 WHERE id = ?2", err)) < 0)
		return r;
	stmt_text(&q, 1, to);
	stmt_int(&q, 2, id);
	if ((r = stmt_run(&q, err)) < 0 ||
	    (r = history_change(db, HISTORY_ENCODING, id, "conflict", before, err)) < 0)
		return r;
	for (size_t i = 0; i < ps->n; i++) {
		struct product *p = ps->product[i];
		bool uses = false;

		for (size_t k = 0; k < p->n_encodings; k++) {
			if (strcmp(p->encoding[k].encoding, name) != 0)
				continue;
			free(p->encoding[k].encoding);
			p->encoding[k].encoding = xstrdup(to);
			uses = true;
		}
		if (uses && (r = change_rewrite(db, p, "conflict", err)) < 0)
			return r;
	}
	change_note(notes, "the local encoding '%s' is called '%s' now: upstream has another one",
		    name, to);
	return 0;
}

static int rewrite_encoding(struct db *db, int64_t id, const struct encoding_row *row,
			    const char *act, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	CLEANUP(free) char *before = NULL;
	int r = history_state(db, HISTORY_ENCODING, id, &before, err);

	if (r < 0 || (r = stmt_begin(&q, db,
				     "UPDATE encoding SET scan = ?1, expression = ?2,"
				     " origin = 'upstream' WHERE id = ?3",
				     err)) < 0)
		return r;
	stmt_text(&q, 1, row->scan);
	stmt_text(&q, 2, row->expression);
	stmt_int(&q, 3, id);
	if ((r = stmt_run(&q, err)) < 0)
		return r;
	return history_change(db, HISTORY_ENCODING, id, act, before, err);
}

int encoding_put_upstream(struct db *db, const struct encoding_row *row, enum put_result *ret,
			  struct product_notes *ret_notes, struct err *err)
{
	struct product_notes notes = { 0 };
	enum put_result result = PUT_UNCHANGED;
	struct stored have;
	int r = check_encoding(row->name, row->scan, row->expression, err);

	if (r < 0 || (r = find_stored(db, row->name, row->scan, row->expression, &have, err)) < 0)
		return r;
	if (r && !have.same && have.origin == ORIGIN_LOCAL) {
		if ((r = move_aside(db, have.id, row->name, &notes, err)) < 0)
			return r;
		r = 0; /* the name is free now */
	}
	if (!r) {
		result = PUT_ADDED;
		r = insert_encoding(db, row->name, row->scan, row->expression, ORIGIN_UPSTREAM,
				    "add", err);
	} else if (!have.same || have.origin != ORIGIN_UPSTREAM) {
		result = PUT_CHANGED;
		r = rewrite_encoding(db, have.id, row,
				     have.origin == ORIGIN_UPSTREAM ? "update" : "adopt", err);
	}
	if (r < 0)
		return r;
	*ret = result;
	*ret_notes = notes;
	return 0;
}
