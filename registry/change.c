/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One product row: what it may hold, the lint of names, nodes and encodings, and the writing of it
 * with its history.
 */
#include "registry/change.h"

#include <stdarg.h>

#include "registry/history.h"
#include "registry/stmt.h"
#include "registry/text.h"

#define NAME_MAX_LOCAL 64
#define DERIVED_MAX 99 /* nodes made from names that are the same but for bad characters */

void change_note(struct product_notes *notes, const char *fmt, ...)
{
	size_t used = strlen(notes->text);
	va_list ap;

	if (used && used + 1 < sizeof(notes->text)) {
		notes->text[used++] = '\n';
		notes->text[used] = '\0';
	}
	va_start(ap, fmt);
	vsnprintf(notes->text + used, sizeof(notes->text) - used, fmt, ap);
	va_end(ap);
}

/* ---- one row ---- */

static void bind_product(struct stmt *q, const struct product *p)
{
	stmt_int(q, 1, p->number);
	stmt_text(q, 2, p->name);
	stmt_text(q, 3, p->node);
	stmt_text(q, 4, product_status_name(p->status));
	stmt_text(q, 5, origin_name(p->origin));
	stmt_text(q, 6, p->vendor);
	stmt_text(q, 7, p->contact);
	stmt_text(q, 8, p->reference);
	stmt_time(q, 9, p->deadline);
	stmt_int(q, 10, p->conflict);
	stmt_int(q, 11, p->created);
}

static int write_encodings(struct db *db, const struct product *p, struct err *err)
{
	CLEANUP_STMT struct stmt clear = STMT_INIT;
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&clear, db, "DELETE FROM product_encoding WHERE product_id = ?1", err);

	if (r < 0)
		return r;
	stmt_int(&clear, 1, p->id);
	if ((r = stmt_run(&clear, err)) < 0 ||
	    (r = stmt_begin(&q, db,
			    "INSERT INTO product_encoding (product_id, encoding, from_build,"
			    " to_build, user) VALUES (?1, ?2, ?3, ?4, ?5)",
			    err)) < 0)
		return r;
	for (size_t i = 0; r == 0 && i < p->n_encodings; i++) {
		stmt_int(&q, 1, p->id);
		stmt_text(&q, 2, p->encoding[i].encoding);
		stmt_int(&q, 3, p->encoding[i].from);
		stmt_int(&q, 4, p->encoding[i].to);
		stmt_text(&q, 5, p->encoding[i].user);
		r = stmt_run(&q, err);
	}
	return r;
}

int change_insert(struct db *db, struct product *p, const char *act, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db,
			   "INSERT INTO product (number, name, node, status, origin, vendor,"
			   " contact, reference, deadline, conflict, created) "
			   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
			   err);

	if (r < 0)
		return r;
	p->created = db_now(db);
	bind_product(&q, p);
	if ((r = stmt_run(&q, err)) < 0)
		return err_wrap(err, "product %u", p->number);
	p->id = stmt_last_id(db);
	if ((r = write_encodings(db, p, err)) < 0)
		return r;
	return history_change(db, HISTORY_PRODUCT, p->id, act, NULL, err);
}

int change_rewrite(struct db *db, const struct product *p, const char *act, struct err *err)
{
	CLEANUP(free) char *before = NULL;
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = history_state(db, HISTORY_PRODUCT, p->id, &before, err);

	if (r < 0 ||
	    (r = stmt_begin(&q, db,
			    "UPDATE product SET number = ?1, name = ?2, node = ?3, status = ?4,"
			    " origin = ?5, vendor = ?6, contact = ?7, reference = ?8,"
			    " deadline = ?9, conflict = ?10, created = ?11 WHERE id = ?12",
			    err)) < 0)
		return r;
	bind_product(&q, p);
	stmt_int(&q, 12, p->id);
	if ((r = stmt_run(&q, err)) < 0)
		return err_wrap(err, "product %u", p->number);
	if ((r = write_encodings(db, p, err)) < 0)
		return r;
	return history_change(db, HISTORY_PRODUCT, p->id, act, before, err);
}

/* ---- encodings of a product ---- */

static int by_from(const void *a, const void *b)
{
	const struct product_encoding *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

int change_check_encodings(struct db *db, struct product_encoding *list, size_t n, struct err *err)
{
	int r;

	for (size_t i = 0; i < n; i++) {
		CLEANUP(encoding_free) struct encoding *e = NULL;

		if ((r = encoding_find(db, list[i].encoding, &e, err)) < 0 ||
		    (r = text_check("the user of an encoding", list[i].user, TEXT_LONG_MAX, true,
				    err)) < 0)
			return r;
		if (list[i].from > list[i].to)
			return err_set(err, ERR_INVALID, "encoding '%s': %u..%u is reversed",
				       list[i].encoding, list[i].from, list[i].to);
	}
	if (n)
		qsort(list, n, sizeof(*list), by_from);
	for (size_t i = 1; i < n; i++) {
		if (list[i].from <= list[i - 1].to)
			return err_set(err, ERR_INVALID,
				       "encodings overlap: '%s' for %u..%u and '%s' for %u..%u",
				       list[i - 1].encoding, list[i - 1].from, list[i - 1].to,
				       list[i].encoding, list[i].from, list[i].to);
	}
	return 0;
}

static void free_encodings(struct product_encoding *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].encoding);
		free(list[i].user);
	}
	free(list);
}

void change_set_encodings(struct product *p, const struct product_encoding *list, size_t n)
{
	struct product_encoding *copy = xcalloc(n, sizeof(*copy));

	for (size_t i = 0; i < n; i++) {
		copy[i] = list[i];
		copy[i].encoding = xstrdup(list[i].encoding);
		copy[i].user = xstrdup(list[i].user ? list[i].user : "");
	}
	free_encodings(p->encoding, p->n_encodings);
	p->encoding = copy;
	p->n_encodings = n;
}

/* ---- nodes and names ---- */

int change_check_node(const char *node, struct err *err)
{
	CLEANUP(free) char *shown = NULL;

	if (product_publishable_name(node) && node[0] != '_' && strlen(node) <= NODE_MAX)
		return 0;
	shown = escape_text(node);
	return err_set(
		err, ERR_INVALID,
		"'%.200s' is no node name: 1 to %d of letters, digits, '-', '_' and '@', no '_' in front",
		shown, NODE_MAX);
}

const char *change_stock_node(uint16_t number)
{
	return number == 1	      ? "xensource-windows"
	       : number == 2	      ? "gplpv-windows"
	       : number == UINT16_MAX ? "experimental"
				      : NULL;
}

int change_keep_node(uint16_t number, const char *node, struct err *err)
{
	const char *stock = change_stock_node(number);

	if (!stock || strcmp(stock, node) == 0)
		return 0;
	return err_set(err, ERR_INVALID,
		       "device models look it up as '%s', its node cannot be '%s'", stock, node);
}

/* The row other than EXCEPT, not in conflict, that has NODE: 1 and its number, or 0. */
static int node_taken(struct db *db, const char *node, int64_t except, uint16_t *ret_number,
		      struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(
		&q, db, "SELECT number FROM product WHERE node = ?1 AND conflict = 0 AND id <> ?2",
		err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, node);
	stmt_int(&q, 2, except);
	if ((r = stmt_step(&q, err)) > 0)
		*ret_number = (uint16_t)stmt_get_int(&q, 0);
	return r;
}

int change_derive_node(struct db *db, const char *name, int64_t except, char **ret, struct err *err)
{
	/* Room for a suffix. */
	CLEANUP(free) char *base = xstrndup(name, NODE_MAX - 8);
	CLEANUP(free) char *node = NULL;
	uint16_t unused;
	int r;

	for (char *c = base; *c; c++) {
		char one[2] = { *c, '\0' };

		if (!product_publishable_name(one) || (c == base && *c == '_'))
			*c = '-';
	}
	node = xstrdup(base);
	for (unsigned i = 2; (r = node_taken(db, node, except, &unused, err)) > 0; i++) {
		if (i > DERIVED_MAX)
			return err_set(err, ERR_INVALID,
				       "%d products are called '%s' by their nodes: name one",
				       DERIVED_MAX, base);
		free(node);
		node = xasprintf("%s-%u", base, i);
	}
	if (r < 0)
		return r;
	*ret = TAKE(node);
	return 0;
}

/* Equal but for case and for '-' against '_'. */
static bool look_alike(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char x = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a == '_' ? '-' : *a;
		char y = *b >= 'A' && *b <= 'Z' ? (char)(*b + 32) : *b == '_' ? '-' : *b;

		if (x != y)
			return false;
	}
	return *a == *b;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int change_lint_name(struct db *db, const char *name, int64_t except, struct product_notes *notes,
		     struct err *err)
{
	CLEANUP(products_free) struct products *ps = NULL;
	uint64_t unused;
	int r = text_check("the name", name, NAME_MAX_LOCAL, false, err);

	if (r < 0)
		return r;
	if (name[0] == '_')
		return err_set(err, ERR_INVALID,
			       "'%s' begins with '_', which is kept for the program's own nodes",
			       name);
	if (!is_alnum(name[0]))
		return err_set(err, ERR_INVALID, "'%s' does not begin with a letter or digit",
			       name);
	if (strchr(name, '/'))
		return err_set(err, ERR_INVALID, "'%s' holds a '/'", name);
	if (name[strlen(name) - 1] == ' ')
		return err_set(err, ERR_INVALID, "'%s' ends with a space", name);
	if (parse_number(span_str(name), UINT64_MAX, &unused) ||
	    name[strspn(name, "0123456789")] == '\0')
		return err_set(err, ERR_INVALID, "'%s' could be taken for a number", name);
	if ((r = product_list(db, &ps, err)) < 0)
		return r;
	for (size_t i = 0; i < ps->n; i++) {
		const struct product *p = ps->product[i];

		if (p->id == except)
			continue;
		if (strcmp(p->name, name) == 0)
			return p->status == STATUS_RETIRED
				       ? err_set(err, ERR_EXISTS,
						 "'%s' is burned: product %u of that name was retired",
						 name, p->number)
				       : err_set(err, ERR_EXISTS, "'%s' is the name of product %u",
						 name, p->number);
		if (look_alike(p->name, name) || look_alike(p->node, name))
			return err_set(err, ERR_EXISTS, "'%s' looks like '%s', product %u", name,
				       p->name, p->number);
	}
	if (!product_publishable_name(name))
		change_note(
			notes,
			"xenstore cannot hold the name '%s': device models that look a product up by its name will not find this one",
			name);
	return 0;
}

int change_choose_node(struct db *db, const char *node, const char *name, int64_t except,
		       char **ret, struct err *err)
{
	uint16_t number;
	int r;

	if (!node)
		return change_derive_node(db, name, except, ret, err);
	if ((r = change_check_node(node, err)) < 0 ||
	    (r = node_taken(db, node, except, &number, err)) < 0)
		return r;
	if (r)
		return err_set(err, ERR_EXISTS, "'%s' is the node of product %u", node, number);
	*ret = xstrdup(node);
	return 0;
}
