/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The truth table. One load reads everything in one transaction, makes one set of each entry, and
 * per product unites what is to be published, subtracts the exceptions, and indexes who covers
 * what. Everything after that is memory.
 */
#include "registry/blacklist.h"

#include <assert.h>

#include "registry/cover.h"

/* Entries of one product and one use, ascending by id, and who of them covers a build. */
struct group {
	size_t *entry; /* indices into the list of entries */
	size_t n, cap;
	struct cover *cover;
	struct builds *effective; /* the union, exceptions subtracted; NULL for audit */
};

struct scope {
	const struct product *product;
	struct group nodes, ranges, audit;
	const struct exception **exception; /* active ones */
	const struct builds **excepted;	    /* beside it; owned by the blacklist */
	size_t n_exceptions, cap_exceptions, cap_excepted;
};

struct blacklist {
	uint64_t generation;
	int64_t now;
	struct products *products;
	struct entries *entries;
	struct exceptions *exceptions;
	struct builds **entry_builds, **exception_builds;
	struct scope *scope; /* one a product, in their order */
	struct blacklist_product *published;
	size_t n_published;
};

static void group_done(struct group *g)
{
	free(g->entry);
	cover_free(g->cover);
	builds_free(g->effective);
}

void blacklist_free(struct blacklist *b)
{
	if (!b)
		return;
	for (size_t i = 0; b->scope && i < b->products->n; i++) {
		struct scope *s = &b->scope[i];

		group_done(&s->nodes);
		group_done(&s->ranges);
		group_done(&s->audit);
		free(s->exception);
		free(s->excepted);
	}
	for (size_t i = 0; b->entry_builds && i < b->entries->n; i++)
		builds_free(b->entry_builds[i]);
	for (size_t i = 0; b->exception_builds && i < b->exceptions->n; i++)
		builds_free(b->exception_builds[i]);
	free(b->entry_builds);
	free(b->exception_builds);
	free(b->scope);
	free(b->published);
	products_free(b->products);
	entries_free(b->entries);
	exceptions_free(b->exceptions);
	free(b);
}

/* ---- loading ---- */

static int read_rows(struct blacklist *b, struct db *db, const uint16_t *only, struct err *err)
{
	int r = db_generation(db, &b->generation, err);

	if (r < 0 || (r = product_list(db, &b->products, err)) < 0 ||
	    (r = only ? entry_list_of(db, *only, &b->entries, err)
		      : entry_list(db, &b->entries, err)) < 0)
		return r;
	return exception_list(db, &b->exceptions, err);
}

static int parse_rows(struct blacklist *b, struct db *db, struct err *err)
{
	CLEANUP(uses_cache_free) struct uses_cache *cache = uses_cache_new(db);
	const struct product_uses *uses;
	struct builds_notes notes;
	size_t pieces = 0;
	int r;

	b->entry_builds = xcalloc(b->entries->n, sizeof(struct builds *));
	for (size_t i = 0; i < b->entries->n; i++) {
		const struct entry *e = b->entries->entry[i];

		if ((r = uses_cache_get(cache, e->product_id, &uses, err)) < 0 ||
		    (r = entry_builds(e, uses, &b->entry_builds[i], NULL, err)) < 0)
			return r;
		if (builds_charge(b->entry_builds[i], &pieces, err) < 0)
			return err_wrap(err, "entry '%s'", e->id);
	}
	b->exception_builds = xcalloc(b->exceptions->n, sizeof(struct builds *));
	for (size_t i = 0; i < b->exceptions->n; i++) {
		const struct exception *x = b->exceptions->exception[i];

		if ((r = uses_cache_get(cache, x->product_id, &uses, err)) < 0)
			return r;
		r = builds_parse(x->builds, uses->use, uses->n, &b->exception_builds[i], &notes,
				 err);
		if (r < 0)
			return err_wrap(err, "exception '%s'", x->id);
	}
	return 0;
}

/* Row id of a product to its place in the list. */
struct place {
	int64_t id;
	size_t index;
};

static int by_row_id(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static struct scope *scope_of(struct blacklist *b, const struct place *places, int64_t id)
{
	struct place key = { .id = id };
	const struct place *p = bsearch(&key, places, b->products->n, sizeof(key), by_row_id);

	assert(p); /* entries and exceptions are read with their product */
	return &b->scope[p->index];
}

static void sort_into_scopes(struct blacklist *b)
{
	CLEANUP(free) char *memory = xcalloc(b->products->n, sizeof(struct place));
	struct place *places = (struct place *)(void *)memory;

	b->scope = xcalloc(b->products->n, sizeof(*b->scope));
	for (size_t i = 0; i < b->products->n; i++) {
		b->scope[i].product = b->products->product[i];
		places[i] = (struct place){ b->products->product[i]->id, i };
	}
	qsort(places, b->products->n, sizeof(*places), by_row_id);
	for (size_t i = 0; i < b->entries->n; i++) {
		const struct entry *e = b->entries->entry[i];
		struct scope *s = scope_of(b, places, e->product_id);
		struct group *g = e->mode == MODE_AUDIT		? &s->audit
				  : e->publish == PUBLISH_RANGE ? &s->ranges
								: &s->nodes;

		if (!blacklist_entry_active(b, i))
			continue;
		GROW(g->entry, g->n, g->cap);
		g->entry[g->n++] = i;
	}
	for (size_t i = 0; i < b->exceptions->n; i++) {
		const struct exception *x = b->exceptions->exception[i];
		struct scope *s = scope_of(b, places, x->product_id);

		if (x->expires != TIME_NONE && x->expires <= b->now)
			continue;
		GROW(s->exception, s->n_exceptions, s->cap_exceptions);
		s->exception[s->n_exceptions] = x;
		/* Grown in step with the line above. */
		if (s->cap_excepted != s->cap_exceptions) {
			s->cap_excepted = s->cap_exceptions;
			s->excepted = xreallocarray(s->excepted, s->cap_excepted,
						    sizeof(struct builds *));
		}
		s->excepted[s->n_exceptions++] = b->exception_builds[i];
	}
}

static int group_index(struct blacklist *b, struct group *g, const struct builds *excepted,
		       struct err *err)
{
	CLEANUP(free) char *memory = xcalloc(g->n, sizeof(struct builds *));
	const struct builds **sets = (const struct builds **)(void *)memory;
	CLEANUP(builds_free) struct builds *all = NULL;
	int r;

	if (!g->n) {
		g->effective = excepted ? builds_empty() : NULL;
		return 0;
	}
	for (size_t i = 0; i < g->n; i++)
		sets[i] = b->entry_builds[g->entry[i]];
	g->cover = cover_new(sets, g->n);
	if (!excepted)
		return 0;
	if ((r = builds_union(sets, g->n, &all, err)) < 0)
		return r;
	return builds_subtract(all, excepted, &g->effective, err);
}

static int scope_index(struct blacklist *b, struct scope *s, struct err *err)
{
	CLEANUP(builds_free) struct builds *excepted = NULL;
	int r = builds_union(s->excepted, s->n_exceptions, &excepted, err);

	if (r < 0 || (r = group_index(b, &s->nodes, excepted, err)) < 0 ||
	    (r = group_index(b, &s->ranges, excepted, err)) < 0 ||
	    (r = group_index(b, &s->audit, NULL, err)) < 0)
		return err_wrap(err, "product %u", s->product->number);
	if (s->product->conflict ||
	    (!builds_count(s->nodes.effective) && !builds_count(s->ranges.effective)))
		return 0;
	b->published[b->n_published++] = (struct blacklist_product){
		.product = s->product,
		.nodes = s->nodes.effective,
		.ranges = s->ranges.effective,
	};
	return 0;
}

static int load(struct db *db, int64_t now, const uint16_t *only, struct blacklist **ret,
		struct err *err)
{
	CLEANUP(blacklist_free) struct blacklist *b = xcalloc(1, sizeof(*b));
	DB_TX tx = { 0 };
	int r = db_snapshot(db, &tx, err);

	b->now = now;
	if (r < 0 || (r = read_rows(b, db, only, err)) < 0 || (r = parse_rows(b, db, err)) < 0)
		return r;
	sort_into_scopes(b);
	b->published = xcalloc(b->products->n, sizeof(*b->published));
	for (size_t i = 0; i < b->products->n; i++) {
		if ((r = scope_index(b, &b->scope[i], err)) < 0)
			return r;
	}
	*ret = TAKE(b);
	return 0;
}

int blacklist_load(struct db *db, int64_t now, struct blacklist **ret, struct err *err)
{
	return load(db, now, NULL, ret, err);
}

int blacklist_load_of(struct db *db, int64_t now, uint16_t product, struct blacklist **ret,
		      struct err *err)
{
	return load(db, now, &product, ret, err);
}

/* ---- answers ---- */

uint64_t blacklist_generation(const struct blacklist *b)
{
	return b->generation;
}

int64_t blacklist_now(const struct blacklist *b)
{
	return b->now;
}

const struct products *blacklist_products(const struct blacklist *b)
{
	return b->products;
}

const struct entries *blacklist_entries(const struct blacklist *b)
{
	return b->entries;
}

const struct exceptions *blacklist_exceptions(const struct blacklist *b)
{
	return b->exceptions;
}

const struct builds *blacklist_entry_builds(const struct blacklist *b, size_t entry)
{
	return b->entry_builds[entry];
}

bool blacklist_entry_active(const struct blacklist *b, size_t entry)
{
	const struct entry *e = b->entries->entry[entry];

	return (e->not_before == TIME_NONE || e->not_before <= b->now) &&
	       (e->expires == TIME_NONE || b->now < e->expires);
}

size_t blacklist_published(const struct blacklist *b, const struct blacklist_product **ret)
{
	*ret = b->published;
	return b->n_published;
}

/* The scope of the product that has NUMBER now (not one in conflict), or NULL. */
static const struct scope *find_scope(const struct blacklist *b, uint16_t number)
{
	size_t lo = 0, hi = b->products->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (b->products->product[mid]->number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	/* Rows in conflict come after the one that has the number. */
	if (lo == b->products->n || b->products->product[lo]->number != number ||
	    b->products->product[lo]->conflict)
		return NULL;
	return &b->scope[lo];
}

static const struct entry *group_find(const struct blacklist *b, const struct group *g,
				      uint32_t build)
{
	size_t at;

	if (!g->n || !cover_find(g->cover, build, &at))
		return NULL;
	return b->entries->entry[g->entry[at]];
}

void blacklist_verdict(const struct blacklist *b, uint16_t product, uint32_t build,
		       struct verdict *ret)
{
	const struct scope *s = find_scope(b, product);
	const struct entry *range;
	struct verdict v = { 0 };

	if (s) {
		v.entry = group_find(b, &s->nodes, build);
		range = group_find(b, &s->ranges, build);
		if (!v.entry || (range && strcmp(range->id, v.entry->id) < 0))
			v.entry = range ? range : v.entry;
		v.audit = group_find(b, &s->audit, build);
		for (size_t i = 0; v.entry && !v.exception && i < s->n_exceptions; i++) {
			if (builds_contains(s->excepted[i], build))
				v.exception = s->exception[i];
		}
		v.blacklisted = v.entry && !v.exception;
	}
	*ret = v;
}

const struct entry *blacklist_owner(const struct blacklist *b, uint16_t product, uint32_t build,
				    enum entry_publish how)
{
	const struct scope *s = find_scope(b, product);

	return s ? group_find(b, how == PUBLISH_RANGE ? &s->ranges : &s->nodes, build) : NULL;
}
