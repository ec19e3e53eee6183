/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The maintainer's acts on products: the rules of RFC 8126 as this registry reads them.
 */
#include "registry/change.h"

#include "registry/entry.h"
#include "registry/history.h"
#include "registry/stmt.h"
#include "registry/text.h"

#define FIRST_FREE 6 /* below are the numbers of the first pvdrivers.h */
#define LAST_FREE 65534

/* ---- common to the acts ---- */

static int need_reason(struct db *db, const char *what, struct err *err)
{
	const char *reason = db_actor(db)->reason;

	if (reason && *span_trim(span_str(reason)).p)
		return 0;
	return err_set(err, ERR_USAGE, "%s wants a reason that the history keeps: --reason TEXT",
		       what);
}

static int check_texts(const char *vendor, const char *contact, const char *reference,
		       struct err *err)
{
	int r = text_check("the vendor", vendor, TEXT_NAME_MAX, true, err);

	if (r < 0 || (r = text_check("the contact", contact, TEXT_LONG_MAX, true, err)) < 0)
		return r;
	return text_check("the reference", reference, TEXT_LONG_MAX, true, err);
}

/* The product, when it may be changed here. */
static int find_editable(struct db *db, const char *name_or_number, struct product **ret,
			 struct err *err)
{
	CLEANUP(product_free) struct product *p = NULL;
	int r = product_find(db, name_or_number, &p, err);

	if (r < 0)
		return r;
	if (p->origin == ORIGIN_UPSTREAM)
		return err_set(err, ERR_DENIED,
			       "product %u, '%s', comes from upstream: only sync changes it",
			       p->number, p->name);
	if (p->status == STATUS_RETIRED)
		return err_set(err, ERR_INVALID, "product %u, '%s', was retired, for ever",
			       p->number, p->name);
	*ret = TAKE(p);
	return 0;
}

/*
 * The row in conflict that has this name or number: found so when upstream's rows have both, and
 * only by who is about to give it another.
 */
static int find_in_conflict(struct db *db, const char *name_or_number, struct product **ret,
			    struct err *err)
{
	CLEANUP(products_free) struct products *ps = NULL;
	uint64_t number = UINT64_MAX;
	int r = product_list(db, &ps, err);

	if (r < 0)
		return r;
	parse_number(span_str(name_or_number), UINT16_MAX, &number);
	for (size_t i = 0; i < ps->n; i++) {
		struct product *p = ps->product[i];

		if (!p->conflict || p->status == STATUS_RETIRED ||
		    (p->number != number && strcmp(p->name, name_or_number) != 0))
			continue;
		*ret = TAKE(ps->product[i]);
		return 1;
	}
	return 0;
}

static void replace(char **field, const char *text)
{
	free(*field);
	*field = xstrdup(text ? text : "");
}

/* ---- allocate, reserve ---- */

static int lowest_free(struct db *db, uint16_t *ret, struct err *err)
{
	CLEANUP(reservations_free) struct reservations *rs = NULL;
	CLEANUP(products_free) struct products *ps = NULL;
	CLEANUP(free) char *taken = xcalloc(UINT16_MAX + 1, 1);
	int r = product_list(db, &ps, err);

	if (r < 0 || (r = reservation_list(db, &rs, err)) < 0)
		return r;
	for (size_t i = 0; i < ps->n; i++)
		taken[ps->product[i]->number] = 1;
	for (size_t i = 0; i < rs->n; i++)
		memset(taken + rs->row[i].first, 1, (size_t)rs->row[i].last - rs->row[i].first + 1);
	for (unsigned n = FIRST_FREE; n <= LAST_FREE; n++) {
		if (!taken[n]) {
			*ret = (uint16_t)n;
			return 0;
		}
	}
	return err_set(err, ERR_EXISTS, "every number is taken or reserved");
}

/* The number asked for. *RET_OLD is a reserved row that it may take over, or NULL. */
static int check_number(struct db *db, int32_t number, struct product **ret_old,
			struct product_notes *notes, struct err *err)
{
	CLEANUP(reservations_free) struct reservations *rs = NULL;
	CLEANUP(products_free) struct products *ps = NULL;
	int r;

	if (number < 1 || number > LAST_FREE)
		return err_set(err, ERR_INVALID, "%d cannot be allocated, only 1 to %d", number,
			       LAST_FREE);
	if ((r = product_list(db, &ps, err)) < 0 || (r = reservation_list(db, &rs, err)) < 0)
		return r;
	for (size_t i = 0; i < ps->n; i++) {
		struct product *p = ps->product[i];

		if (p->number != number)
			continue;
		if (p->status == STATUS_RETIRED)
			return err_set(err, ERR_EXISTS, "number %d is burned: '%s' was retired",
				       number, p->name);
		if (p->status != STATUS_RESERVED || p->origin == ORIGIN_UPSTREAM || p->conflict)
			return err_set(err, ERR_EXISTS, "number %d is taken: '%s', %s (%s)", number,
				       p->name, product_status_name(p->status),
				       origin_name(p->origin));
		*ret_old = TAKE(ps->product[i]);
		return 0;
	}
	for (size_t i = 0; i < rs->n; i++) {
		const struct reservation *row = &rs->row[i];

		if (number < row->first || number > row->last)
			continue;
		if (row->kind == RESERVED_CLOSED)
			return err_set(err, ERR_INVALID, "number %d is reserved (%u to %u): %s",
				       number, row->first, row->last, row->reason);
		change_note(notes, "take care with %u to %u: %s", row->first, row->last,
			    row->reason);
	}
	return 0;
}

int product_allocate(struct db *db, const struct product_request *rq, uint16_t *ret_number,
		     struct product_notes *ret_notes, struct err *err)
{
	CLEANUP(product_free) struct product *p = NULL;
	struct product_notes notes = { 0 };
	uint16_t number = 0;
	char *node = NULL;
	int r;

	if (!db_in_transaction(db))
		return err_set(err, ERR_INTERNAL, "an allocation outside of a transaction");
	if (rq->number >= 0) {
		if ((r = check_number(db, rq->number, &p, &notes, err)) < 0)
			return r;
		number = (uint16_t)rq->number;
	} else if ((r = lowest_free(db, &number, err)) < 0) {
		return r;
	}
	if (!p)
		p = xcalloc(1, sizeof(*p));
	if ((r = change_lint_name(db, rq->name, p->id, &notes, err)) < 0 ||
	    (r = check_texts(rq->vendor, rq->contact, rq->reference, err)) < 0 ||
	    (r = change_choose_node(db, rq->node, rq->name, p->id, &node, err)) < 0)
		return r;
	free(p->node);
	p->node = node;
	if (rq->provisional_until != TIME_NONE && rq->provisional_until <= db_now(db))
		return err_set(err, ERR_INVALID, "the end of the provisional time has passed");
	p->number = number;
	p->status = rq->provisional_until == TIME_NONE ? STATUS_ASSIGNED : STATUS_PROVISIONAL;
	p->deadline = rq->provisional_until;
	p->origin = ORIGIN_LOCAL;
	replace(&p->name, rq->name);
	replace(&p->vendor, rq->vendor);
	replace(&p->contact, rq->contact);
	replace(&p->reference, rq->reference);
	change_set_encodings(p, rq->encoding, rq->n_encodings);
	if ((r = change_check_encodings(db, p->encoding, p->n_encodings, err)) < 0)
		return r;
	r = p->id ? change_rewrite(db, p, "allocate", err) : change_insert(db, p, "allocate", err);
	if (r < 0)
		return r;
	*ret_number = number;
	*ret_notes = notes;
	return 0;
}

int product_reserve(struct db *db, uint16_t first, uint16_t last, struct err *err)
{
	CLEANUP(reservations_free) struct reservations *rs = NULL;
	CLEANUP(products_free) struct products *ps = NULL;
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = need_reason(db, "a reservation", err);

	if (r < 0)
		return r;
	if (first > last)
		return err_set(err, ERR_INVALID, "%u-%u is reversed", first, last);
	if ((r = product_list(db, &ps, err)) < 0 || (r = reservation_list(db, &rs, err)) < 0)
		return r;
	for (size_t i = 0; i < ps->n; i++) {
		const struct product *p = ps->product[i];

		if (p->number >= first && p->number <= last)
			return err_set(err, ERR_EXISTS, "number %u is taken: '%s'", p->number,
				       p->name);
	}
	for (size_t i = 0; i < rs->n; i++) {
		const struct reservation *row = &rs->row[i];

		if (row->kind == RESERVED_CLOSED && row->first <= last && row->last >= first)
			return err_set(err, ERR_EXISTS, "%u to %u are reserved already: %s",
				       row->first, row->last, row->reason);
	}
	r = stmt_begin(&q, db,
		       "INSERT INTO reservation (first, last, kind, origin, reason, created) "
		       "VALUES (?1, ?2, 'closed', 'local', ?3, ?4)",
		       err);
	if (r < 0)
		return r;
	stmt_int(&q, 1, first);
	stmt_int(&q, 2, last);
	stmt_text(&q, 3, db_actor(db)->reason);
	stmt_int(&q, 4, db_now(db));
	if ((r = stmt_run(&q, err)) < 0)
		return r;
	return history_change(db, HISTORY_RESERVATION, stmt_last_id(db), "reserve", NULL, err);
}

/* ---- update ---- */

static int change_number(struct db *db, struct product *p, int32_t number,
			 struct product_notes *notes, struct err *err)
{
	CLEANUP(product_free) struct product *old = NULL;
	int r;

	if (number < 0 || number == p->number)
		return 0;
	if (!p->conflict)
		return err_set(err, ERR_INVALID,
			       "product %u keeps its number: only one in conflict may take another",
			       p->number);
	if ((r = check_number(db, number, &old, notes, err)) < 0)
		return r;
	if (old)
		return err_set(err, ERR_EXISTS, "number %d is taken: '%s'", number, old->name);
	p->number = (uint16_t)number;
	return 0;
}

static int change_names(struct db *db, struct product *p, const struct product_change *c,
			struct product_notes *notes, struct err *err)
{
	char *node = NULL;
	int r;

	if (c->name && strcmp(c->name, p->name) != 0) {
		if ((r = change_lint_name(db, c->name, p->id, notes, err)) < 0)
			return r;
		replace(&p->name, c->name);
	}
	if (c->node && strcmp(c->node, p->node) != 0) {
		if ((r = change_keep_node(p->number, c->node, err)) < 0 ||
		    (r = change_choose_node(db, c->node, p->name, p->id, &node, err)) < 0)
			return r;
		free(p->node);
		p->node = node;
	}
	return 0;
}

static int change_status(struct db *db, struct product *p, const struct product_change *c,
			 struct err *err)
{
	if (c->deprecate) {
		if (p->status != STATUS_ASSIGNED)
			return err_set(err, ERR_INVALID,
				       "product %u is %s: only an assigned one is deprecated",
				       p->number, product_status_name(p->status));
		p->status = STATUS_DEPRECATED;
	}
	if (!c->set_deadline)
		return 0;
	if (p->status != STATUS_PROVISIONAL)
		return err_set(err, ERR_INVALID,
			       "product %u is %s: only a provisional one has a deadline", p->number,
			       product_status_name(p->status));
	if (c->deadline == TIME_NONE)
		p->status = STATUS_ASSIGNED;
	else if (c->deadline <= db_now(db))
		return err_set(err, ERR_INVALID, "the new deadline has passed");
	p->deadline = c->deadline;
	return 0;
}

static int change_encodings(struct db *db, struct product *p, const struct product_change *c,
			    struct err *err)
{
	size_t kept = c->drop_encodings ? 0 : p->n_encodings, n = kept + c->n_encodings;
	CLEANUP(free) char *memory = NULL;
	struct product_encoding *all;

	if (!c->drop_encodings && !c->n_encodings)
		return 0;
	memory = xcalloc(n, sizeof(*all));
	all = (struct product_encoding *)(void *)memory;
	for (size_t i = 0; i < n; i++)
		all[i] = i < kept ? p->encoding[i] : c->encoding[i - kept];
	change_set_encodings(p, all, n);
	return change_check_encodings(db, p->encoding, p->n_encodings, err);
}

/* A row in conflict whose number, name and node nobody else has is none any more. */
static int settle(struct db *db, struct product *p, struct product_notes *notes, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r;

	if (!p->conflict)
		return 0;
	r = stmt_begin(&q, db,
		       "SELECT number, name, node FROM product WHERE conflict = 0 AND id <> ?1 "
		       "AND (number = ?2 OR name = ?3 OR node = ?4)",
		       err);
	if (r < 0)
		return r;
	stmt_int(&q, 1, p->id);
	stmt_int(&q, 2, p->number);
	stmt_text(&q, 3, p->name);
	stmt_text(&q, 4, p->node);
	if ((r = stmt_step(&q, err)) < 0)
		return r;
	if (r) {
		change_note(notes, "still in conflict with product %u, '%s', node '%s'",
			    (unsigned)stmt_get_int(&q, 0), stmt_get_text(&q, 1),
			    stmt_get_text(&q, 2));
		return 0;
	}
	p->conflict = false;
	change_note(notes, "product %u is in conflict with nobody any more", p->number);
	return 0;
}

int product_update(struct db *db, const char *name_or_number, const struct product_change *c,
		   struct product_notes *ret_notes, struct err *err)
{
	CLEANUP(product_free) struct product *p = NULL;
	struct product_notes notes = { 0 };
	int r = find_editable(db, name_or_number, &p, err), found = 0;

	if (r == -ERR_DENIED && (c->number >= 0 || c->name)) {
		found = find_in_conflict(db, name_or_number, &p, err);
		r = found ? (found < 0 ? found : 0) : r;
	}
	if (r < 0 || (r = check_texts(c->vendor, c->contact, c->reference, err)) < 0 ||
	    (r = change_number(db, p, c->number, &notes, err)) < 0 ||
	    (r = change_names(db, p, c, &notes, err)) < 0 ||
	    (r = change_status(db, p, c, err)) < 0 || (r = change_encodings(db, p, c, err)) < 0)
		return r;
	if (c->vendor)
		replace(&p->vendor, c->vendor);
	if (c->contact)
		replace(&p->contact, c->contact);
	if (c->reference)
		replace(&p->reference, c->reference);
	if ((r = settle(db, p, &notes, err)) < 0 || (r = change_rewrite(db, p, "update", err)) < 0)
		return r;
	if ((c->drop_encodings || c->n_encodings) && (r = entries_check(db, err)) < 0)
		return r;
	*ret_notes = notes;
	return 0;
}

/* ---- transfer, release, revoke, retire ---- */

int product_transfer(struct db *db, const char *name_or_number, const char *vendor,
		     const char *contact, struct err *err)
{
	CLEANUP(product_free) struct product *p = NULL;
	int r = need_reason(db, "a transfer", err);

	if (r < 0 || (r = find_editable(db, name_or_number, &p, err)) < 0 ||
	    (r = text_check("the new vendor", vendor, TEXT_NAME_MAX, false, err)) < 0 ||
	    (r = text_check("the new contact", contact, TEXT_LONG_MAX, false, err)) < 0)
		return r;
	if (p->status == STATUS_RESERVED || p->status == STATUS_EXPERIMENTAL)
		return err_set(err, ERR_INVALID, "product %u is %s: nobody holds it", p->number,
			       product_status_name(p->status));
	replace(&p->vendor, vendor);
	replace(&p->contact, contact);
	return change_rewrite(db, p, "transfer", err);
}

int product_release(struct db *db, const char *name_or_number, struct err *err)
{
	CLEANUP(product_free) struct product *p = NULL;
	int r = need_reason(db, "a release", err);

	if (r < 0 || (r = find_editable(db, name_or_number, &p, err)) < 0)
		return r;
	if (p->status != STATUS_PROVISIONAL)
		return err_set(err, ERR_INVALID,
			       "product %u is %s: only a provisional number is given back",
			       p->number, product_status_name(p->status));
	p->status = STATUS_RESERVED;
	p->deadline = TIME_NONE;
	replace(&p->vendor, "");
	replace(&p->contact, "");
	replace(&p->reference, "");
	return change_rewrite(db, p, "release", err);
}

int product_revoke(struct db *db, const char *name_or_number, struct err *err)
{
	CLEANUP(product_free) struct product *p = NULL;
	int r = need_reason(db, "a revocation", err);

	if (r < 0 || (r = find_editable(db, name_or_number, &p, err)) < 0)
		return r;
	if (p->status != STATUS_PROVISIONAL && p->status != STATUS_ASSIGNED)
		return err_set(
			err, ERR_INVALID,
			"product %u is %s: only an assigned or provisional number is revoked",
			p->number, product_status_name(p->status));
	p->status = STATUS_DEPRECATED;
	p->deadline = TIME_NONE;
	return change_rewrite(db, p, "revoke", err);
}

int product_retire(struct db *db, const char *name_or_number, struct err *err)
{
	CLEANUP(product_free) struct product *p = NULL;
	int r = need_reason(db, "a retirement", err);

	if (r < 0 || (r = find_editable(db, name_or_number, &p, err)) < 0)
		return r;
	if (p->status == STATUS_EXPERIMENTAL)
		return err_set(err, ERR_INVALID, "product %u is everybody's and stays", p->number);
	p->status = STATUS_RETIRED;
	p->deadline = TIME_NONE;
	return change_rewrite(db, p, "retire", err);
}
