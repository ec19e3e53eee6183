/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries and exceptions as rows, the upstream list, and the truth table over them. */
#include "tests/unit.h"

#include "registry/blacklist.h"
#include "registry/cover.h"
#include "registry/history.h"
#include "registry/stmt.h"
#include "tests/registry.h"

#define NONE TIME_NONE

static struct entry entry(const char *id, uint16_t product, const char *builds)
{
	return (struct entry){
		.id = id ? xstrdup(id) : NULL,
		.product = product,
		.builds = (char *)builds,
		.reason = (char *)"a reason",
		.not_before = NONE,
		.expires = NONE,
	};
}

static int add(struct db *db, struct entry *e, struct err *err)
{
	DB_TX tx = { 0 };
	int r;

	ok(db_begin(db, &tx, err), err);
	if ((r = entry_add(db, e, err)) < 0)
		return r;
	return db_commit(&tx, err);
}

static int add_exception(struct db *db, struct exception *x, struct err *err)
{
	DB_TX tx = { 0 };
	int r;

	ok(db_begin(db, &tx, err), err);
	if ((r = exception_add(db, x, err)) < 0)
		return r;
	return db_commit(&tx, err);
}

static int drop(struct db *db, int (*fn)(struct db *, const char *, struct err *), const char *id,
		struct err *err)
{
	DB_TX tx = { 0 };
	int r;

	ok(db_begin(db, &tx, err), err);
	if ((r = fn(db, id, err)) < 0)
		return r;
	return db_commit(&tx, err);
}

static int replace(struct db *db, struct entry *const *list, size_t n, struct entries_change *c,
		   struct err *err)
{
	DB_TX tx = { 0 };
	int r;

	ok(db_begin(db, &tx, err), err);
	if ((r = entries_replace_upstream(db, list, n, c, err)) < 0)
		return r;
	return db_commit(&tx, err);
}

/* ---- rows ---- */

static void added_and_removed(void **state)
{
	static const char *references[] = { "https://example.org/1", "https://example.org/2" };
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(entries_free) struct entries *es = NULL;
	CLEANUP(entry_free) struct entry *found = NULL;
	struct entry a = entry("XSA-468", 65535, "xen-win:8.2.0..8.2.2"), b = entry(NULL, 1, "5"),
		     c = entry(NULL, 1, "6");
	struct err err = { 0 };

	a.references = (char **)references;
	a.n_references = 2;
	a.publish = PUBLISH_RANGE;
	a.mode = MODE_AUDIT;
	a.not_before = 5;
	a.expires = 2000;
	ok(add(db, &a, &err), &err);
	ok(add(db, &b, &err), &err);
	assert_string_equal(b.id, "local-1");
	ok(drop(db, entry_remove, "local-1", &err), &err);
	ok(add(db, &c, &err), &err);
	assert_string_equal(c.id, "local-2"); /* never the same id again */
	ok(entry_list(db, &es, &err), &err);
	assert_int_equal(es->n, 2);
	assert_string_equal(es->entry[0]->id, "XSA-468");
	ok(entry_find(db, "XSA-468", &found, &err), &err);
	assert_int_equal(found->product, 65535);
	assert_int_equal(found->n_references, 2);
	assert_string_equal(found->references[1], references[1]);
	assert_int_equal(found->publish, PUBLISH_RANGE);
	assert_int_equal(found->mode, MODE_AUDIT);
	assert_true(found->not_before == 5 && found->expires == 2000 && found->created == 1000);
	fails(drop(db, entry_remove, "none", &err), ERR_NOT_FOUND, "no entry 'none'", &err);
	fails(entry_find(db, "\x1b", &found, &err), ERR_NOT_FOUND, "\\x1b", &err);
	ok(drop(db, entry_remove, "XSA-468", &err), &err);
	assert_int_equal(findings(db), 0);
	free(a.id);
	free(b.id);
	free(c.id);
}

static void entries_refused(void **state)
{
	static const char *bad_reference[] = { "a\nb" };
	static const struct {
		struct entry e;
		enum err_kind kind;
		const char *why;
	} cases[] = {
		{ { .builds = (char *)"1", .product = 777 }, ERR_NOT_FOUND, "no product '777'" },
		{ { .builds = (char *)"xen-win:9", .product = 65535 }, ERR_INVALID, "entry" },
		{ { .builds = (char *)"9.1.0", .product = 65535 }, ERR_INVALID, "entry" },
		{ { .builds = (char *)"", .product = 1 }, ERR_INVALID, "entry" },
		{ { .builds = (char *)"5..4", .product = 1 }, ERR_INVALID, "entry" },
		{ { .builds = (char *)"all", .product = 1 }, ERR_REFUSED, "--whole-family" },
		{ { .builds = (char *)"2.0", .product = 2 }, ERR_REFUSED, "--whole-family" },
		{ { .builds = (char *)"5", .product = 1, .reason = (char *)"" },
		  ERR_INVALID,
		  "the reason is empty" },
		{ { .builds = (char *)"5", .product = 1, .reason = (char *)"a\x1b" },
		  ERR_INVALID,
		  "the reason holds" },
		{ { .builds = (char *)"5",
		    .product = 1,
		    .references = (char **)bad_reference,
		    .n_references = 1 },
		  ERR_INVALID,
		  "a reference" },
		{ { .builds = (char *)"5", .product = 1, .not_before = 9, .expires = 9 },
		  ERR_INVALID,
		  "before it begins" },
		{ { .builds = (char *)"5", .product = 1, .id = (char *)"a b" },
		  ERR_INVALID,
		  "no entry id" },
		{ { .builds = (char *)"5", .product = 1, .id = (char *)"../x" },
		  ERR_INVALID,
		  "no entry id" },
		{ { .builds = (char *)"5", .product = 1, .id = (char *)"taken" },
		  ERR_EXISTS,
		  "'taken' is taken" },
	};
	CLEANUP(db_close) struct db *db = registry_open(*state);
	struct entry first = entry("taken", 1, "5");
	struct err err = { 0 };

	ok(add(db, &first, &err), &err);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct entry e = cases[i].e;

		if (!e.reason)
			e.reason = (char *)"r";
		if (!e.not_before)
			e.not_before = e.expires = NONE;
		e.id = xstrdup(e.id ? e.id : "");
		fails(add(db, &e, &err), cases[i].kind, cases[i].why, &err);
		free(e.id);
	}
	assert_int_equal(findings(db), 0);
	free(first.id);
}

static void exceptions(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(exceptions_free) struct exceptions *xs = NULL;
	struct exception x = { .product = 3,
			       .builds = (char *)"1",
			       .reason = (char *)"r",
			       .owner = (char *)"ops",
			       .expires = 3000 };
	struct exception y = x, z = x;
	struct err err = { 0 };

	ok(add_exception(db, &x, &err), &err);
	assert_string_equal(x.id, "exception-1");
	y.id = xstrdup("mine");
	ok(add_exception(db, &y, &err), &err);
	fails(add_exception(db, &y, &err), ERR_EXISTS, "taken", &err);
	z.owner = (char *)"";
	fails(add_exception(db, &z, &err), ERR_INVALID, "the owner is empty", &err);
	z.owner = (char *)"o";
	z.reason = NULL;
	fails(add_exception(db, &z, &err), ERR_INVALID, "the reason is empty", &err);
	z.reason = (char *)"r";
	z.builds = (char *)"x";
	fails(add_exception(db, &z, &err), ERR_INVALID, "exception", &err);
	ok(drop(db, exception_remove, "exception-1", &err), &err);
	fails(drop(db, exception_remove, "exception-1", &err), ERR_NOT_FOUND, "no exception", &err);
	ok(exception_list(db, &xs, &err), &err);
	assert_int_equal(xs->n, 1);
	assert_string_equal(xs->exception[0]->owner, "ops");
	assert_true(xs->exception[0]->expires == 3000);
	assert_int_equal(findings(db), 0);
	free(x.id);
	free(y.id);
	free(z.id);
}

/* ---- the upstream list ---- */

static size_t history_length(struct db *db)
{
	CLEANUP(history_rows_free) struct history_rows *rows = NULL;
	struct err err = { 0 };

	ok(history_list(db, NONE, NULL, &rows, &err), &err);
	return rows->n;
}

static void upstream_list(void **state)
{
	static const char *references[] = { "https://example.org/1" };
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(entries_free) struct entries *es = NULL;
	struct entry a = entry("a", 1, "5"), b = entry("b", 65535, "xen-win:8.2.*"),
		     c = entry("c", 3, "7"), mine = entry("b", 1, "9"), taken = entry("c", 1, "9");
	struct entry *list[] = { &c, &a, &b, &c };
	struct entries_change change;
	struct err err = { 0 };
	size_t before;

	ok(add(db, &mine, &err), &err);
	ok(replace(db, list, 3, &change, &err), &err);
	assert_int_equal(change.added, 3);
	before = history_length(db);
	ok(replace(db, list, 3, &change, &err), &err);
	assert_int_equal(change.unchanged, 3);
	assert_int_equal(change.added + change.changed + change.removed, 0);
	assert_int_equal(history_length(db), before);

	a.builds = (char *)"5,6";
	b.references = (char **)references;
	b.n_references = 1;
	ok(replace(db, list + 1, 2, &change, &err), &err);
	assert_int_equal(change.changed, 2);
	assert_int_equal(change.removed, 1);
	assert_int_equal(history_length(db), before + 3);
	ok(entry_list(db, &es, &err), &err);
	assert_int_equal(es->n, 3);
	assert_int_equal(es->entry[1]->origin, ORIGIN_LOCAL); /* the local b, beside */
	assert_string_equal(es->entry[1]->builds, "9");
	assert_int_equal(es->entry[2]->n_references, 1);
	assert_int_equal(findings(db), 0);

	ok(replace(db, list, 3, &change, &err), &err);
	fails(replace(db, list, 4, &change, &err), ERR_INVALID, "two entries have the id 'c'",
	      &err);
	fails(drop(db, entry_remove, "a", &err), ERR_DENIED, "exception", &err);
	fails(add(db, &taken, &err), ERR_EXISTS, "taken", &err);
	ok(drop(db, entry_remove, "b", &err), &err); /* the local one */
	fails(drop(db, entry_remove, "b", &err), ERR_DENIED, "exception", &err);

	c.product = 999;
	fails(replace(db, list, 3, &change, &err), ERR_NOT_FOUND,
	      "entry 'c': upstream has no product", &err);
	c.product = 2;
	c.builds = (char *)"all";
	fails(replace(db, list, 3, &change, &err), ERR_REFUSED, "", &err);
	assert_int_equal(err.refusal, REFUSAL_TRIPWIRE);
	c.whole_family = true;
	ok(replace(db, list, 3, &change, &err), &err);
	ok(replace(db, list, 0, &change, &err), &err);
	assert_int_equal(change.removed, 3);
	assert_int_equal(findings(db), 0);
	free(a.id);
	free(b.id);
	free(c.id);
	free(mine.id);
	free(taken.id);
}

/* ---- the truth table ---- */

static void truth_table(void **state)
{
	/* One entry (or two) and one exception over build 7 of product 1, at time 1000. */
	static const struct {
		const char *what;
		struct {
			bool upstream, audit, range;
			int64_t not_before, expires;
		} entry;
		bool excepted;
		int64_t exception_expires;
		bool blacklisted, decides, allows, audited;
		size_t nodes, ranges;
	} cases[] = {
		{ "local", { 0, 0, 0, NONE, NONE }, 0, NONE, 1, 1, 0, 0, 1, 0 },
		{ "upstream", { 1, 0, 0, NONE, NONE }, 0, NONE, 1, 1, 0, 0, 1, 0 },
		{ "audit", { 0, 1, 0, NONE, NONE }, 0, NONE, 0, 0, 0, 1, 0, 0 },
		{ "upstream audit", { 1, 1, 0, NONE, NONE }, 0, NONE, 0, 0, 0, 1, 0, 0 },
		{ "range", { 0, 0, 1, NONE, NONE }, 0, NONE, 1, 1, 0, 0, 0, 1 },
		{ "audit range", { 0, 1, 1, NONE, NONE }, 0, NONE, 0, 0, 0, 1, 0, 0 },
		{ "begins now", { 0, 0, 0, 1000, NONE }, 0, NONE, 1, 1, 0, 0, 1, 0 },
		{ "begins later", { 0, 0, 0, 1001, NONE }, 0, NONE, 0, 0, 0, 0, 0, 0 },
		{ "ends now", { 0, 0, 0, NONE, 1000 }, 0, NONE, 0, 0, 0, 0, 0, 0 },
		{ "ends later", { 0, 0, 0, NONE, 1001 }, 0, NONE, 1, 1, 0, 0, 1, 0 },
		{ "audit, over", { 0, 1, 0, NONE, 1000 }, 0, NONE, 0, 0, 0, 0, 0, 0 },
		{ "excepted", { 0, 0, 0, NONE, NONE }, 1, NONE, 0, 1, 1, 0, 0, 0 },
		{ "upstream excepted", { 1, 0, 0, NONE, NONE }, 1, NONE, 0, 1, 1, 0, 0, 0 },
		{ "range excepted", { 0, 0, 1, NONE, NONE }, 1, NONE, 0, 1, 1, 0, 0, 0 },
		{ "exception ends later", { 0, 0, 0, NONE, NONE }, 1, 1001, 0, 1, 1, 0, 0, 0 },
		{ "exception over", { 0, 0, 0, NONE, NONE }, 1, 1000, 1, 1, 0, 0, 1, 0 },
		{ "audit excepted", { 0, 1, 0, NONE, NONE }, 1, NONE, 0, 0, 0, 1, 0, 0 },
		{ "excepted, not active", { 0, 0, 0, 1001, NONE }, 1, NONE, 0, 0, 0, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(db_close) struct db *db = registry_open(*state);
		CLEANUP(blacklist_free) struct blacklist *b = NULL;
		const struct blacklist_product *published;
		struct entry e = entry("e", 1, "7");
		struct entry *list[] = { &e };
		struct exception x = { .product = 1,
				       .builds = (char *)"7",
				       .reason = (char *)"r",
				       .owner = (char *)"o",
				       .expires = cases[i].exception_expires };
		struct entries_change change;
		struct err err = { 0 };
		struct verdict v;
		size_t n;

		e.mode = cases[i].entry.audit ? MODE_AUDIT : MODE_ENFORCE;
		e.publish = cases[i].entry.range ? PUBLISH_RANGE : PUBLISH_NODES;
		e.not_before = cases[i].entry.not_before;
		e.expires = cases[i].entry.expires;
		ok(cases[i].entry.upstream ? replace(db, list, 1, &change, &err)
					   : add(db, &e, &err),
		   &err);
		if (cases[i].excepted)
			ok(add_exception(db, &x, &err), &err);
		ok(blacklist_load(db, 1000, &b, &err), &err);
		blacklist_verdict(b, 1, 7, &v);
		n = blacklist_published(b, &published);
		if (v.blacklisted != cases[i].blacklisted || !v.entry == cases[i].decides ||
		    !v.exception == cases[i].allows || !v.audit == cases[i].audited ||
		    (n ? builds_count(published[0].nodes) : 0) != cases[i].nodes ||
		    (n ? builds_count(published[0].ranges) : 0) != cases[i].ranges)
			fail_msg("%s: blacklisted %d, entry %d, exception %d, audit %d",
				 cases[i].what, v.blacklisted, !!v.entry, !!v.exception, !!v.audit);
		blacklist_verdict(b, 1, 8, &v);
		assert_true(!v.blacklisted && !v.entry && !v.exception && !v.audit);
		blacklist_verdict(b, 2, 7, &v);
		assert_false(v.blacklisted);
		blacklist_verdict(b, 9999, 7, &v);
		assert_false(v.blacklisted);
		free(e.id);
		free(x.id);
		unlink(*state);
	}
}

static void combined(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	const struct blacklist_product *published;
	CLEANUP(free) char *text = NULL;
	struct entry list[] = {
		entry("b-two", 65535, "xen-win:8.2.0..8.2.9"),
		entry("a-one", 65535, "xen-win:8.2.5..8.2.12"),
		entry("c-linux", 65535, "linux-kvc8:3.0.0..3.0.3"),
		entry("d-range", 65535, "linux-kvc8:3.1.0..3.1.3"),
		entry("e-all", 3, "1"),
	};
	struct exception x = { .product = 65535,
			       .builds = (char *)"xen-win:8.2.7,linux-kvc8:3.1.1",
			       .reason = (char *)"r",
			       .owner = (char *)"o",
			       .expires = NONE };
	struct err err = { 0 };
	struct verdict v;

	list[3].publish = PUBLISH_RANGE;
	list[4].whole_family = true;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		ok(add(db, &list[i], &err), &err);
	ok(add_exception(db, &x, &err), &err);
	ok(blacklist_load(db, 1000, &b, &err), &err);
	assert_int_equal(blacklist_published(b, &published), 2);
	assert_int_equal(published[0].product->number, 3);
	assert_int_equal(published[1].product->number, 65535);
	assert_int_equal(builds_count(published[1].nodes), 13 - 1 + 4);
	/* 3.1.0 to 3.1.3 are 769 numbers, one of them allowed. */
	assert_int_equal(builds_count(published[1].ranges), 768);
	text = builds_text(published[1].ranges, 10);
	assert_string_equal(text, "50397184..50397439,50397441..50397952");

	assert_string_equal(blacklist_owner(b, 65535, 524800, PUBLISH_NODES)->id, "b-two");
	assert_string_equal(blacklist_owner(b, 65535, 524805, PUBLISH_NODES)->id, "a-one");
	assert_string_equal(blacklist_owner(b, 65535, 524812, PUBLISH_NODES)->id, "a-one");
	assert_null(blacklist_owner(b, 65535, 524813, PUBLISH_NODES));
	assert_null(blacklist_owner(b, 65535, 524805, PUBLISH_RANGE));
	assert_string_equal(blacklist_owner(b, 65535, 50397185, PUBLISH_RANGE)->id, "d-range");
	/* Between two versions of a strided set there is nothing. */
	assert_null(blacklist_owner(b, 65535, 50331649, PUBLISH_NODES));

	blacklist_verdict(b, 65535, 524807, &v);
	assert_false(v.blacklisted);
	assert_string_equal(v.entry->id, "a-one");
	assert_string_equal(v.exception->id, "exception-1");
	blacklist_verdict(b, 65535, 50397186, &v);
	assert_true(v.blacklisted);
	assert_true(blacklist_entry_active(b, 0));
	assert_int_equal(builds_count(blacklist_entry_builds(b, 0)), 8);
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		free(list[i].id);
	free(x.id);
}

/* A product in conflict keeps its entries and publishes none of them. */
static void in_conflict(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	static const struct product_encoding raw[] = { { (char *)"raw", 0, UINT32_MAX, NULL } };
	struct product_request rq = { .name = "mine",
				      .number = -1,
				      .encoding = raw,
				      .n_encodings = 1,
				      .provisional_until = NONE };
	struct product u = { .number = 6, .name = (char *)"theirs", .deadline = NONE };
	struct entry e = entry("e", 6, "7"), other = entry("f", 6, "7"), third = entry("g", 6, "7"),
		     *list[] = { &third };
	struct entries_change change;
	const struct blacklist_product *published;
	struct product_notes notes;
	enum put_result result;
	struct err err = { 0 };
	struct verdict v;
	uint16_t number;
	{
		DB_TX tx = { 0 };

		ok(db_begin(db, &tx, &err), &err);
		ok(product_allocate(db, &rq, &number, &notes, &err), &err);
		ok(entry_add(db, &e, &err), &err);
		ok(product_put_upstream(db, &u, &result, &notes, &err), &err);
		rq.name = "local-7";
		ok(product_allocate(db, &rq, &number, &notes, &err), &err);
		ok(db_commit(&tx, &err), &err);
	}
	/* Upstream's list cannot mean a product that only this host has. */
	third.product = 6;
	ok(replace(db, list, 1, &change, &err), &err);
	third.product = 7;
	fails(replace(db, list, 1, &change, &err), ERR_NOT_FOUND, "upstream has no product '7'",
	      &err);
	ok(replace(db, list, 0, &change, &err), &err);
	ok(blacklist_load(db, 1000, &b, &err), &err);
	assert_int_equal(blacklist_published(b, &published), 0);
	blacklist_verdict(b, 6, 7, &v);
	assert_false(v.blacklisted);
	assert_null(v.entry);
	ok(add(db, &other, &err), &err); /* by number: the upstream product's */
	blacklist_free(TAKE(b));
	ok(blacklist_load(db, 1000, &b, &err), &err);
	assert_int_equal(blacklist_published(b, &published), 1);
	assert_string_equal(published[0].product->name, "theirs");
	blacklist_verdict(b, 6, 7, &v);
	assert_string_equal(v.entry->id, "f");
	free(e.id);
	free(other.id);
	free(third.id);
}

/* ---- cover ---- */

static uint32_t draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % below;
}

static void covers(void **state)
{
	enum { SETS = 40 };
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 30; round++) {
		struct builds *sets[SETS];
		CLEANUP(cover_free) struct cover *c = NULL;
		size_t at;

		for (size_t i = 0; i < SETS; i++) {
			uint32_t first = draw(&seed, 500);

			sets[i] = i % 7 == 3 ? NULL : builds_range(first, first + draw(&seed, 60));
		}
		c = cover_new((const struct builds *const *)sets, SETS);
		for (uint32_t build = 0; build < 600; build++) {
			size_t want = 0;
			bool got = cover_find(c, build, &at);

			while (want < SETS && (!sets[want] || !builds_contains(sets[want], build)))
				want++;
			assert_int_equal(got, want < SETS);
			if (got)
				assert_int_equal(at, want);
		}
		assert_false(cover_find(c, UINT32_MAX, &at));
		for (size_t i = 0; i < SETS; i++)
			builds_free(sets[i]);
	}
}

static void covers_at_the_ends(void **state)
{
	CLEANUP(builds_free) struct builds *all = builds_range(0, UINT32_MAX);
	CLEANUP(builds_free) struct builds *last = builds_range(UINT32_MAX, UINT32_MAX);
	CLEANUP(builds_free) struct builds *zero = builds_range(0, 0);
	const struct builds *sets[] = { last, zero, all };
	CLEANUP(cover_free) struct cover *c = cover_new(sets, 3);
	CLEANUP(cover_free) struct cover *none = cover_new(NULL, 0);
	size_t at = 9;

	(void)state;
	assert_true(cover_find(c, UINT32_MAX, &at) && at == 0);
	assert_true(cover_find(c, 0, &at) && at == 1);
	assert_true(cover_find(c, 5, &at) && at == 2);
	assert_false(cover_find(none, 5, &at));
}

/* ---- 100,000 entries ---- */

static void large(void **state)
{
	enum { N = 100000 };
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	struct entry *entries = xcalloc(N, sizeof(*entries));
	struct entry **list = xcalloc(N, sizeof(*list));
	const struct blacklist_product *published;
	struct entries_change change;
	struct err err = { 0 };
	struct verdict v;

	for (unsigned i = 0; i < N; i++) {
		entries[i] = entry("x", 1, NULL);
		free(entries[i].id);
		entries[i].id = xasprintf("bulk-%06u", i);
		entries[i].builds = xasprintf("%u..%u", i * 10, i * 10 + 14);
		entries[i].publish = i % 16 ? PUBLISH_RANGE : PUBLISH_NODES;
		list[i] = &entries[i];
	}
	ok(replace(db, list, N, &change, &err), &err);
	assert_int_equal(change.added, N);
	ok(replace(db, list, N, &change, &err), &err);
	assert_int_equal(change.unchanged, N);
	ok(blacklist_load(db, 1000, &b, &err), &err);
	assert_int_equal(blacklist_published(b, &published), 1);
	assert_int_equal(builds_count(published[0].nodes), N / 16 * 15);
	for (uint32_t build = 0; build < N * 10; build += 7) {
		blacklist_verdict(b, 1, build, &v);
		assert_true(v.blacklisted);
	}
	for (unsigned i = 0; i < N; i++) {
		free(entries[i].id);
		free(entries[i].builds);
	}
	free(entries);
	free(list);
}

static const struct CMUnitTest tests[] = {
	registry_test(added_and_removed),
	registry_test(entries_refused),
	registry_test(exceptions),
	registry_test(upstream_list),
	registry_test(truth_table),
	registry_test(combined),
	registry_test(in_conflict),
	cmocka_unit_test(covers),
	cmocka_unit_test(covers_at_the_ends),
	registry_test(large),
};

UNIT_MAIN(tests)
