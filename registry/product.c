/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading products, encodings and reservations: rows to structs, names and numbers to rows, and
 * the compiled encodings of a product.
 */
#include "registry/product.h"

#include "registry/near.h"
#include "registry/stmt.h"

/* ---- words ---- */

static const char *const statuses[] = {
	[STATUS_ASSIGNED] = "assigned",
	[STATUS_PROVISIONAL] = "provisional",
	[STATUS_RESERVED] = "reserved",
	[STATUS_EXPERIMENTAL] = "experimental",
	[STATUS_DEPRECATED] = "deprecated",
	[STATUS_RETIRED] = "retired",
	[STATUS_UNREGISTERED_USE] = "unregistered-use",
};

static const char *const origins[] = {
	[ORIGIN_SHIPPED] = "shipped",
	[ORIGIN_UPSTREAM] = "upstream",
	[ORIGIN_LOCAL] = "local",
};

static bool word(const char *const *words, size_t n, const char *name, size_t *ret)
{
	for (size_t i = 0; name && i < n; i++) {
		if (strcmp(words[i], name) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

const char *product_status_name(enum product_status s)
{
	return statuses[s];
}

bool product_status_parse(const char *name, enum product_status *ret)
{
	size_t i;
	bool known = word(statuses, ARRAY_SIZE(statuses), name, &i);

	if (known)
		*ret = (enum product_status)i;
	return known;
}

const char *origin_name(enum origin o)
{
	return origins[o];
}

bool origin_parse(const char *name, enum origin *ret)
{
	size_t i;
	bool known = word(origins, ARRAY_SIZE(origins), name, &i);

	if (known)
		*ret = (enum origin)i;
	return known;
}

const char *reservation_kind_name(enum reservation_kind k)
{
	return k == RESERVED_CLOSED ? "closed" : "warn";
}

bool product_publishable_name(const char *name)
{
	static const char legal[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_@";

	return *name && name[strspn(name, legal)] == '\0';
}

/* ---- rows ---- */

void product_free(struct product *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_encodings; i++) {
		free(p->encoding[i].encoding);
		free(p->encoding[i].user);
	}
	free(p->encoding);
	free(p->name);
	free(p->node);
	free(p->vendor);
	free(p->contact);
	free(p->reference);
	free(p);
}

void products_free(struct products *ps)
{
	if (!ps)
		return;
	for (size_t i = 0; i < ps->n; i++)
		product_free(ps->product[i]);
	free(ps->product);
	free(ps);
}

#define PRODUCT_COLUMNS                                                                        \
	"SELECT id, number, name, node, status, origin, vendor, contact, reference, deadline," \
	" conflict, created FROM product "

static int read_encodings(struct db *db, struct product *p, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	size_t cap = 0;
	int r = stmt_begin(&q, db,
			   "SELECT encoding, from_build, to_build, user FROM product_encoding "
			   "WHERE product_id = ?1 ORDER BY from_build",
			   err);

	if (r < 0)
		return r;
	stmt_int(&q, 1, p->id);
	while ((r = stmt_step(&q, err)) > 0) {
		GROW(p->encoding, p->n_encodings, cap);
		p->encoding[p->n_encodings++] = (struct product_encoding){
			.encoding = stmt_take_text(&q, 0),
			.from = (uint32_t)stmt_get_int(&q, 1),
			.to = (uint32_t)stmt_get_int(&q, 2),
			.user = stmt_take_text(&q, 3),
		};
	}
	return r;
}

/* The product that Q stands on. */
static int read_product(struct stmt *q, struct product **ret, struct err *err)
{
	CLEANUP(product_free) struct product *p = xcalloc(1, sizeof(*p));
	int r;

	p->id = stmt_get_int(q, 0);
	p->number = (uint16_t)stmt_get_int(q, 1);
	p->name = stmt_take_text(q, 2);
	p->node = stmt_take_text(q, 3);
	p->vendor = stmt_take_text(q, 6);
	p->contact = stmt_take_text(q, 7);
	p->reference = stmt_take_text(q, 8);
	p->deadline = stmt_get_time(q, 9);
	p->conflict = stmt_get_int(q, 10) != 0;
	p->created = stmt_get_int(q, 11);
	if (!product_status_parse(stmt_get_text(q, 4), &p->status) ||
	    !origin_parse(stmt_get_text(q, 5), &p->origin))
		return err_set(err, ERR_INVALID,
			       "product %u: unknown status or origin in the registry", p->number);
	if ((r = read_encodings(q->db, p, err)) < 0)
		return r;
	*ret = TAKE(p);
	return 0;
}

/* 1 and the product, or 0. */
static int read_first(struct stmt *q, struct product **ret, struct err *err)
{
	int r = stmt_step(q, err);

	if (r <= 0)
		return r;
	r = read_product(q, ret, err);
	return r < 0 ? r : 1;
}

int product_get(struct db *db, int64_t id, struct product **ret, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db, PRODUCT_COLUMNS "WHERE id = ?1", err);

	if (r < 0)
		return r;
	stmt_int(&q, 1, id);
	r = read_first(&q, ret, err);
	if (r < 0)
		return r;
	if (r == 0)
		return err_set(err, ERR_NOT_FOUND, "no product with row id %lld", (long long)id);
	return 0;
}

int product_list(struct db *db, struct products **ret, struct err *err)
{
	CLEANUP(products_free) struct products *ps = xcalloc(1, sizeof(*ps));
	CLEANUP_STMT struct stmt q = STMT_INIT;
	size_t cap = 0;
	DB_TX tx = { 0 };
	int r;

	if ((r = db_snapshot(db, &tx, err)) < 0 ||
	    (r = stmt_begin(&q, db, PRODUCT_COLUMNS "ORDER BY number, conflict, id", err)) < 0)
		return r;
	for (;;) {
		GROW(ps->product, ps->n, cap);
		if ((r = read_first(&q, &ps->product[ps->n], err)) <= 0)
			break;
		ps->n++;
	}
	if (r < 0)
		return r;
	*ret = TAKE(ps);
	return 0;
}

static int no_such_number(struct db *db, uint16_t number, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db,
			   "SELECT reason FROM reservation WHERE ?1 BETWEEN first AND last "
			   "ORDER BY kind LIMIT 1",
			   err);

	if (r < 0)
		return r;
	stmt_int(&q, 1, number);
	if ((r = stmt_step(&q, err)) < 0)
		return r;
	if (r)
		return err_set(err, ERR_NOT_FOUND, "no product %u (%s)", number,
			       stmt_get_text(&q, 0));
	return err_set(err, ERR_NOT_FOUND, "no product '%u'", number);
}

static int no_such_name(struct db *db, const char *name, struct err *err)
{
	CLEANUP(products_free) struct products *ps = NULL;
	CLEANUP(free) char *shown = escape_text(name);
	CLEANUP(free) char *hint = NULL;
	struct near near = { .word = name };
	int r = product_list(db, &ps, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ps->n; i++)
		near_offer(&near, ps->product[i]->name);
	hint = near_text(&near);
	return err_set(err, ERR_NOT_FOUND, "no product '%.200s'%s", shown, hint);
}

int product_find(struct db *db, const char *name_or_number, struct product **ret, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	uint64_t number;
	bool by_number = parse_number(span_str(name_or_number), UINT16_MAX, &number);
	DB_TX tx = { 0 };
	int r;

	if ((r = db_snapshot(db, &tx, err)) < 0 ||
	    (r = stmt_begin(
		     &q, db,
		     by_number ? PRODUCT_COLUMNS "WHERE number = ?1 ORDER BY conflict, id LIMIT 1"
			       : PRODUCT_COLUMNS "WHERE name = ?1 ORDER BY conflict, id LIMIT 1",
		     err)) < 0)
		return r;
	if (by_number)
		stmt_int(&q, 1, (int64_t)number);
	else
		stmt_text(&q, 1, name_or_number);
	if ((r = read_first(&q, ret, err)) != 0)
		return r < 0 ? r : 0;
	return by_number ? no_such_number(db, (uint16_t)number, err)
			 : no_such_name(db, name_or_number, err);
}

void reservations_free(struct reservations *rs)
{
	if (!rs)
		return;
	for (size_t i = 0; i < rs->n; i++)
		free(rs->row[i].reason);
	free(rs->row);
	free(rs);
}

int reservation_list(struct db *db, struct reservations **ret, struct err *err)
{
	CLEANUP(reservations_free) struct reservations *rs = xcalloc(1, sizeof(*rs));
	CLEANUP_STMT struct stmt q = STMT_INIT;
	size_t cap = 0;
	int r = stmt_begin(&q, db,
			   "SELECT first, last, kind = 'warn', origin, reason FROM reservation "
			   "ORDER BY first",
			   err);

	if (r < 0)
		return r;
	while ((r = stmt_step(&q, err)) > 0) {
		struct reservation row = {
			.first = (uint16_t)stmt_get_int(&q, 0),
			.last = (uint16_t)stmt_get_int(&q, 1),
			.kind = stmt_get_int(&q, 2) ? RESERVED_WARN : RESERVED_CLOSED,
		};

		if (!origin_parse(stmt_get_text(&q, 3), &row.origin))
			return err_set(err, ERR_INVALID, "reservation %u-%u: unknown origin",
				       row.first, row.last);
		row.reason = stmt_take_text(&q, 4);
		GROW(rs->row, rs->n, cap);
		rs->row[rs->n++] = row;
	}
	if (r < 0)
		return r;
	*ret = TAKE(rs);
	return 0;
}

/* ---- encodings ---- */

void encoding_rows_free(struct encoding_rows *rows)
{
	if (!rows)
		return;
	for (size_t i = 0; i < rows->n; i++) {
		free(rows->row[i].name);
		free(rows->row[i].scan);
		free(rows->row[i].expression);
	}
	free(rows->row);
	free(rows);
}

int encoding_list(struct db *db, struct encoding_rows **ret, struct err *err)
{
	CLEANUP(encoding_rows_free) struct encoding_rows *rows = xcalloc(1, sizeof(*rows));
	CLEANUP_STMT struct stmt q = STMT_INIT;
	size_t cap = 0;
	int r = stmt_begin(
		&q, db, "SELECT name, scan, expression, origin FROM encoding ORDER BY name", err);

	if (r < 0)
		return r;
	while ((r = stmt_step(&q, err)) > 0) {
		struct encoding_row *row;

		GROW(rows->row, rows->n, cap);
		row = &rows->row[rows->n++];
		*row = (struct encoding_row){
			.name = stmt_take_text(&q, 0),
			.scan = stmt_take_text(&q, 1),
			.expression = stmt_take_text(&q, 2),
		};
		if (!origin_parse(stmt_get_text(&q, 3), &row->origin))
			return err_set(err, ERR_INVALID, "encoding '%s': unknown origin",
				       row->name);
	}
	if (r < 0)
		return r;
	*ret = TAKE(rows);
	return 0;
}

static int no_such_encoding(struct db *db, const char *name, struct err *err)
{
	CLEANUP(encoding_rows_free) struct encoding_rows *rows = NULL;
	CLEANUP(free) char *shown = escape_text(name);
	CLEANUP(free) char *hint = NULL;
	struct near near = { .word = name };
	int r = encoding_list(db, &rows, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < rows->n; i++)
		near_offer(&near, rows->row[i].name);
	hint = near_text(&near);
	return err_set(err, ERR_NOT_FOUND, "no encoding '%.200s'%s", shown, hint);
}

int encoding_find(struct db *db, const char *name, struct encoding **ret, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	uint32_t constant;
	int r = stmt_begin(&q, db, "SELECT scan, expression FROM encoding WHERE name = ?1", err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, name);
	if ((r = stmt_step(&q, err)) < 0)
		return r;
	if (r)
		return encoding_compile(name, stmt_get_text(&q, 0), stmt_get_text(&q, 1), ret, err);
	if (strncmp(name, "const:", 6) == 0 && parse_u32(span_str(name + 6), &constant))
		return encoding_compile(name, "...", name + 6, ret, err);
	return no_such_encoding(db, name, err);
}

void product_uses_free(struct product_uses *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < u->n; i++)
		free((char *)u->use[i].user);
	for (size_t i = 0; i < u->n_owned; i++)
		encoding_free(u->owned[i]);
	free(u->use);
	free(u->owned);
	free(u);
}

int product_uses(struct db *db, const struct product *p, struct product_uses **ret, struct err *err)
{
	CLEANUP(product_uses_free) struct product_uses *u = xcalloc(1, sizeof(*u));
	int r;

	u->use = xcalloc(p->n_encodings, sizeof(*u->use));
	u->owned = xcalloc(p->n_encodings, sizeof(struct encoding *));
	for (size_t i = 0; i < p->n_encodings; i++) {
		const struct product_encoding *pe = &p->encoding[i];
		const struct encoding *e = NULL;

		for (size_t k = 0; !e && k < u->n_owned; k++) {
			if (strcmp(encoding_name(u->owned[k]), pe->encoding) == 0)
				e = u->owned[k];
		}
		if (!e) {
			r = encoding_find(db, pe->encoding, &u->owned[u->n_owned], err);
			if (r < 0)
				return err_wrap(err, "product %u", p->number);
			e = u->owned[u->n_owned++];
		}
		u->use[u->n++] = (struct encoding_use){
			.encoding = e, .from = pe->from, .to = pe->to, .user = xstrdup(pe->user)
		};
	}
	*ret = TAKE(u);
	return 0;
}

struct uses_cache {
	struct db *db;
	struct {
		int64_t id;
		struct product_uses *uses;
	} * item; /* ascending by id */
	size_t n, cap;
};

struct uses_cache *uses_cache_new(struct db *db)
{
	struct uses_cache *c = xcalloc(1, sizeof(*c));

	c->db = db;
	return c;
}

void uses_cache_free(struct uses_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		product_uses_free(c->item[i].uses);
	free(c->item);
	free(c);
}

int uses_cache_get(struct uses_cache *c, int64_t product_id, const struct product_uses **ret,
		   struct err *err)
{
	CLEANUP(product_free) struct product *p = NULL;
	struct product_uses *uses = NULL;
	size_t lo = 0, hi = c->n;
	int r;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->item[mid].id < product_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < c->n && c->item[lo].id == product_id) {
		*ret = c->item[lo].uses;
		return 0;
	}
	if ((r = product_get(c->db, product_id, &p, err)) < 0 ||
	    (r = product_uses(c->db, p, &uses, err)) < 0)
		return r;
	GROW(c->item, c->n, c->cap);
	memmove(&c->item[lo + 1], &c->item[lo], (c->n - lo) * sizeof(*c->item));
	c->n++;
	c->item[lo].id = product_id;
	c->item[lo].uses = uses;
	*ret = uses;
	return 0;
}
