/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rollback, freeze and clock; coverage: the builds that a list of entries means, which is what
 * growth and loss are measured in (a list that says the same with other entries is no change);
 * and meaning: what an upstream encoding must not make of this host's own rows.
 */
#include "sync/gates.h"

#include <inttypes.h>
#include <string.h>

/* No clock was right before this program was written: 2026-01-01. */
#define EARLIEST_NOW 1767225600

int gate_version(const struct pull_state *last, const struct manifest *m, const char *digest,
		 uint64_t accept, struct err *err)
{
	if (m->version == last->version) {
		if (strcmp(digest, last->digest) == 0)
			return 1;
		return err_refuse(err, REFUSAL_SAMEVERSION,
				  "manifest version %" PRIu64 " is not the version %" PRIu64
				  " that was taken before: other bytes",
				  m->version, m->version);
	}
	if (m->version < last->version && m->version != accept)
		return err_refuse(err, REFUSAL_ROLLBACK,
				  "manifest version %" PRIu64 " is older than %" PRIu64
				  ", which was taken already (--accept-version %" PRIu64
				  " goes back)",
				  m->version, last->version, m->version);
	return 0;
}

int gate_issued(int64_t issued, int64_t now, struct err *err)
{
	char have[TIME_TEXT_MAX], want[TIME_TEXT_MAX];

	if (now < EARLIEST_NOW)
		return err_refuse(err, REFUSAL_FUTURE,
				  "the clock of this host says '%s', which cannot be: set it first",
				  time_text(now, have));
	if (issued > now + PULL_CLOCK_SKEW)
		return err_refuse(
			err, REFUSAL_FUTURE,
			"the manifest was issued at '%s', and this host's clock says '%s'",
			time_text(issued, want), time_text(now, have));
	return 0;
}

int gate_expires(int64_t expires, int64_t now, struct err *err)
{
	char buf[TIME_TEXT_MAX];

	if (now >= expires)
		return err_refuse(
			err, REFUSAL_EXPIRED,
			"the manifest expired at '%s': its publisher has to issue a new one, "
			"or this mirror is stale",
			time_text(expires, buf));
	return 0;
}

/* ---- coverage ---- */

struct covered {
	uint16_t product;
	struct builds *builds;
};

struct coverage {
	struct covered *row; /* ascending by product */
	size_t n, cap;
	size_t pieces; /* of all entries, see builds_charge() */
};

void coverage_free(struct coverage *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		builds_free(c->row[i].builds);
	free(c->row);
	free(c);
}

struct ref {
	const struct entry *entry;
	size_t at; /* in the list */
};

static int by_product(const void *a, const void *b)
{
	const struct ref *x = a, *y = b;
	int c = x->entry->product - y->entry->product;

	return c ? c : (x->at > y->at) - (x->at < y->at);
}

static const struct product *find_product(const struct products *ps, uint16_t number)
{
	for (size_t i = 0; i < ps->n; i++) {
		if (ps->product[i]->number == number && !ps->product[i]->conflict)
			return ps->product[i];
	}
	return NULL;
}

static char *entry_path(const struct ref *r, const uint32_t *at, const char *member)
{
	return at ? xasprintf("manifest entries[%" PRIu32 "].%s", at[r->at], member)
		  : xasprintf("entry '%s'", r->entry->id);
}

static int parse_one(const struct ref *ref, const struct product_uses *uses, const uint32_t *at,
		     bool family, struct builds **ret, struct err *err)
{
	CLEANUP(free) char *path = entry_path(ref, at, "builds");
	CLEANUP(builds_free) struct builds *b = NULL;
	struct builds_notes notes = { 0 };
	int r = builds_parse(ref->entry->builds, uses->use, uses->n, &b, &notes, err);

	if (r < 0 && err->kind == ERR_INVALID)
		return err_refuse(err, REFUSAL_SCHEMA, "%s: %s", path, err->msg);
	if (r < 0)
		return err_wrap(err, "%s", path);
	if (notes.whole_family && !family)
		return err_refuse(err, REFUSAL_TRIPWIRE,
				  "%s: '%.100s' stands for every driver of product %u "
				  "([policy] family = allow or --whole-family takes it)",
				  path, ref->entry->builds, ref->entry->product);
	/* Under _ranges every number between counts, also those that no version has. */
	if (ref->entry->publish == PUBLISH_RANGE)
		*ret = builds_hull(b);
	else
		*ret = TAKE(b);
	return 0;
}

/* The entries of one product, REF[0..n). */
static int cover_product(struct db *db, const struct products *ps, const struct ref *ref, size_t n,
			 const uint32_t *at, bool family, struct coverage *c, struct err *err)
{
	const struct product *p = find_product(ps, ref->entry->product);
	CLEANUP(product_uses_free) struct product_uses *uses = NULL;
	CLEANUP(free) struct builds **set = xcalloc(n, sizeof(struct builds *));
	struct builds *all = NULL;
	size_t n_sets = 0;
	int r;

	if (!p && at)
		return err_refuse(err, REFUSAL_SCHEMA,
				  "manifest entries[%" PRIu32 "].product: there is no product %u",
				  at[ref->at], ref->entry->product);
	if (!p)
		return 0;
	r = product_uses(db, p, &uses, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = parse_one(&ref[i], uses, at, family, &set[n_sets], err);
		if (r == 0 && builds_charge(set[n_sets], &c->pieces, err) < 0) {
			CLEANUP(free) char *path = entry_path(&ref[i], at, "builds");

			n_sets++;
			r = err_wrap(err, "%s", path);
		} else if (r == 0 && ref[i].entry->mode == MODE_ENFORCE)
			n_sets++;
		else if (r == 0)
			builds_free(set[n_sets]);
	}
	if (r == 0)
		r = builds_union((const struct builds *const *)set, n_sets, &all, err);
	for (size_t i = 0; i < n_sets; i++)
		builds_free(set[i]);
	if (r < 0)
		return r;
	GROW(c->row, c->n, c->cap);
	c->row[c->n++] = (struct covered){ ref->entry->product, all };
	return 0;
}

int coverage_new(struct db *db, const struct entries *es, const uint32_t *at, bool family,
		 struct coverage **ret, struct err *err)
{
	CLEANUP(coverage_free) struct coverage *c = xcalloc(1, sizeof(*c));
	CLEANUP(products_free) struct products *ps = NULL;
	CLEANUP(free) struct ref *ref = xcalloc(es->n, sizeof(*ref));
	size_t n = 0;
	int r = product_list(db, &ps, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < es->n; i++) {
		/* Of those in the registry, upstream's count: local ones are not sync's business. */
		if (at || es->entry[i]->origin == ORIGIN_UPSTREAM)
			ref[n++] = (struct ref){ es->entry[i], i };
	}
	qsort(ref, n, sizeof(*ref), by_product);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n; end++) {
			if (ref[end].entry->product != ref[i].entry->product)
				break;
		}
		r = cover_product(db, ps, &ref[i], end - i, at, family, c, err);
		if (r < 0)
			return r;
	}
	*ret = TAKE(c);
	return 0;
}

int coverage_minus(const struct coverage *a, const struct coverage *b, uint64_t *ret,
		   struct err *err)
{
	uint64_t n = 0;
	size_t k = 0;

	for (size_t i = 0; i < a->n; i++) {
		CLEANUP(builds_free) struct builds *rest = NULL;
		int r;

		while (k < b->n && b->row[k].product < a->row[i].product)
			k++;
		if (k == b->n || b->row[k].product != a->row[i].product) {
			n += builds_count(a->row[i].builds);
			continue;
		}
		r = builds_subtract(a->row[i].builds, b->row[k].builds, &rest, err);
		if (r < 0)
			return r;
		n += builds_count(rest);
	}
	*ret = n;
	return 0;
}

uint64_t coverage_count(const struct coverage *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += builds_count(c->row[i].builds);
	return n;
}

/* ---- meaning ---- */

struct meant {
	char *what; /* "entry 'x'" */
	struct builds *builds;
};

struct meaning {
	struct meant *row;
	size_t n, cap;
};

void meaning_free(struct meaning *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		free(m->row[i].what);
		builds_free(m->row[i].builds);
	}
	free(m->row);
	free(m);
}

static struct meant *meaning_row(struct meaning *m, char *what)
{
	GROW(m->row, m->n, m->cap);
	m->row[m->n] = (struct meant){ .what = what };
	return &m->row[m->n++];
}

int meaning_new(struct db *db, struct meaning **ret, struct err *err)
{
	CLEANUP(meaning_free) struct meaning *m = xcalloc(1, sizeof(*m));
	CLEANUP(entries_free) struct entries *es = NULL;
	CLEANUP(exceptions_free) struct exceptions *xs = NULL;
	CLEANUP(uses_cache_free) struct uses_cache *cache = uses_cache_new(db);
	const struct product_uses *uses;
	struct builds_notes notes;
	struct meant *row;
	int r;

	if ((r = entry_list(db, &es, err)) < 0 || (r = exception_list(db, &xs, err)) < 0)
		return r;
	for (size_t i = 0; i < es->n; i++) {
		const struct entry *e = es->entry[i];

		if (e->origin == ORIGIN_UPSTREAM)
			continue;
		row = meaning_row(m, xasprintf("entry '%s'", e->id));
		if ((r = uses_cache_get(cache, e->product_id, &uses, err)) < 0 ||
		    (r = entry_builds(e, uses, &row->builds, NULL, err)) < 0)
			return r;
	}
	for (size_t i = 0; i < xs->n; i++) {
		const struct exception *x = xs->exception[i];

		row = meaning_row(m, xasprintf("exception '%s'", x->id));
		if ((r = uses_cache_get(cache, x->product_id, &uses, err)) < 0)
			return r;
		r = builds_parse(x->builds, uses->use, uses->n, &row->builds, &notes, err);
		if (r < 0)
			return err_wrap(err, "%s", row->what);
	}
	*ret = TAKE(m);
	return 0;
}

int meaning_kept(const struct meaning *a, const struct meaning *b, struct err *err)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		CLEANUP(builds_free) struct builds *lost = NULL, *won = NULL;
		int r = builds_subtract(a->row[i].builds, b->row[i].builds, &lost, err);

		if (r < 0 ||
		    (r = builds_subtract(b->row[i].builds, a->row[i].builds, &won, err)) < 0)
			return r;
		if (builds_count(lost) || builds_count(won))
			return err_refuse(err, REFUSAL_TRIPWIRE,
					  "the manifest changes which builds the local %s means",
					  a->row[i].what);
	}
	return 0;
}
