/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sync/nodes: tables of trees. A tree is written as words: "x/" a directory of ours, "x/1" a leaf
 * of entry a, "x/1|VALUE" and "x/1|VALUE|PERMS" anything; "./" is the root.
 */
#include "sync/nodes.h"

#include <inttypes.h>

#include "registry/entry.h"
#include "tests/registry.h"
#include "tests/unit.h"

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->path, ((const struct node *)b)->path);
}

static struct tree *tree_of(const char *words)
{
	struct tree *t = xcalloc(1, sizeof(*t));
	struct span rest = span_str(words), word;

	while (rest.n && (span_cut(rest, " ", &word, &rest) || (word = rest, rest.n = 0, true))) {
		CLEANUP(free) char *text = xstrndup(word.p, word.n);
		char *value = strchr(text, '|'), *perms = value ? strchr(value + 1, '|') : NULL;
		size_t n;

		if (value)
			*value++ = 0;
		if (perms)
			*perms++ = 0;
		n = strlen(text);
		if (text[n - 1] == '/') {
			text[n - 1] = 0;
			value = value ? value : (char *)NODES_DIRECTORY;
		}
		value = value ? value : (char *)"xb1:a";
		GROW(t->node, t->n, t->cap);
		t->node[t->n++] = (struct node){
			.path = xstrdup(strcmp(text, ".") == 0 ? "" : text),
			.value = xstrdup(value),
			.value_n = strlen(value),
			.perms = xstrdup(perms ? perms : "r0"),
		};
	}
	if (t->n)
		qsort(t->node, t->n, sizeof(*t->node), by_path);
	return t;
}

/* "missing x/1, foreign? x/2": in order, with a question mark for what is only reported. */
static char *text_of(const struct plan *p)
{
	char *text = NULL;
	size_t n, acts = 0;
	FILE *f = open_memstream(&text, &n);

	for (size_t i = 0; i < p->n; i++) {
		const struct change *c = &p->change[i];

		fprintf(f, "%s%s%s %s", i ? ", " : "", change_class_name(c->class),
			c->acts ? "" : "?", *c->path ? c->path : ".");
		acts += c->acts;
	}
	fclose(f);
	assert_int_equal(acts, p->n_acts);
	return text;
}

#define WANTED "./ _products/ _products/65535|x x/ x/1 x/2"

static const struct {
	const char *what, *desired, *actual, *plan, *pruned;
} diffs[] = {
	{ "nothing and nothing", "", "", "", "" },
	{ "everything is there", WANTED, WANTED, "", "" },
	{ "everything is missing, parents first", WANTED, "",
	  "missing ., missing _products, missing _products/65535, missing x, missing x/1, missing x/2",
	  "missing ., missing _products, missing _products/65535, missing x, missing x/1, missing x/2" },
	{ "everything is extra, children first", "", WANTED,
	  "extra _products/65535, extra x/1, extra x/2, extra _products, extra x, extra .",
	  "extra _products/65535, extra x/1, extra x/2, extra _products, extra x, extra ." },
	{ "names that sort between a directory and its children", "./ x/ x/1 x-y/ x-y/1",
	  "./ x-y/ x/ x/1 x-y/1", "", "" },
	{ "one of each", WANTED, "./ _products/ _products/65535|x x/ x/2 x/3",
	  "missing x/1, extra x/3", "missing x/1, extra x/3" },
	{ "a leaf of another entry", WANTED, "./ _products/ _products/65535|x x/ x/1|xb1:b x/2",
	  "wrong-value x/1", "wrong-value x/1" },
	{ "value and access at once are one change", WANTED,
	  "./ _products/ _products/65535|x x/ x/1|xb1:b|n0 x/2", "wrong-value x/1",
	  "wrong-value x/1" },
	{ "access of a leaf, a directory, the root", WANTED,
	  "./|xb1:|n0 _products/ _products/65535|x x/|xb1:|n0,r5 x/1|xb1:a|b0 x/2",
	  "wrong-access ., wrong-access x, wrong-access x/1",
	  "wrong-access ., wrong-access x, wrong-access x/1" },
	{ "_products says another node", WANTED, "./ _products/ _products/65535|y x/ x/1 x/2",
	  "wrong-value _products/65535", "wrong-value _products/65535" },
	{ "_products holds more", WANTED,
	  "./ _products/ _products/65535|x _products/7|z _products/07|z x/ x/1 x/2",
	  "foreign? _products/07, extra _products/7", "foreign _products/07, extra _products/7" },
	{ "a foreign leaf beside ours", WANTED,
	  "./ _products/ _products/65535|x x/ x/1 x/2 x/3|mine", "foreign? x/3", "foreign x/3" },
	{ "a foreign leaf where ours should be", WANTED,
	  "./ _products/ _products/65535|x x/ x/1| x/2|xb1", "foreign? x/1, foreign? x/2",
	  "foreign x/1, foreign x/2" },
	{ "a foreign directory is taken over, its value stays", WANTED,
	  "./||n0 _products/ _products/65535|x x/| x/1 x/2", "wrong-access .", "wrong-access ." },
	{ "a foreign leaf keeps its directory and the root", "",
	  "./ _products/ _products/65535|x x/ x/1 x/3|mine",
	  "extra _products/65535, extra x/1, foreign? x/3, extra _products",
	  "extra _products/65535, extra x/1, foreign x/3, extra _products, extra x, extra ." },
	{ "foreign directories are told by what they hold", WANTED, WANTED " o/| o/1|mine p/|",
	  "foreign? o/1, foreign? p", "foreign o/1, foreign o, foreign p" },
	{ "an empty root that somebody else made", "", "./|", "", "foreign ." },
	{ "something below a leaf", WANTED, WANTED " x/1/y|mine x/2/y",
	  "foreign? x/1/y, extra x/2/y", "foreign x/1/y, extra x/2/y" },
	{ "something below a leaf that goes: it stays, and blacklists", "./ x/",
	  "./ x/ x/1 x/1/y|mine", "foreign? x/1/y, extra? x/1", "foreign x/1/y, extra x/1" },
	{ "something below a leaf that nobody has made on purpose", "./ x/",
	  "./ x/ x/1| x/1/y|mine", "foreign? x/1/y, foreign? x/1", "foreign x/1/y, foreign x/1" },
	{ "something below a number that goes", "./ x/",
	  "./ _products/ _products/7|x _products/7/y|mine x/",
	  "foreign? _products/7/y, extra? _products/7",
	  "foreign _products/7/y, extra _products/7, extra _products" },
	{ "something below a range that goes", "./ x/",
	  "./ x/ x/_ranges/ x/_ranges/1-9 x/_ranges/1-9/y|mine x/_ranges/9-1/ x/_ranges/9-1/y|mine",
	  "foreign? x/_ranges/1-9/y, foreign? x/_ranges/9-1/y, extra? x/_ranges/1-9",
	  "foreign x/_ranges/1-9/y, foreign x/_ranges/9-1/y, extra x/_ranges/1-9, extra x/_ranges/9-1, extra x/_ranges" },
	{ "spellings that nobody looks up", "./ x/",
	  "./ x/ x/007 x/0x7 x/-0 x/00 x/4294967296 x/-2147483649 x/-7x",
	  "wrong-spelling x/-0, wrong-spelling x/-2147483649, extra x/-7x, wrong-spelling x/00, wrong-spelling x/007, wrong-spelling x/0x7, wrong-spelling x/4294967296",
	  "wrong-spelling x/-0, wrong-spelling x/-2147483649, extra x/-7x, wrong-spelling x/00, wrong-spelling x/007, wrong-spelling x/0x7, wrong-spelling x/4294967296" },
	{ "somebody else's spelling", "./ x/", "./ x/ x/007|", "wrong-spelling? x/007",
	  "wrong-spelling x/007" },
	{ "one twin is missing, another is too many", "./ x/ x/2147483648 x/-2147483648",
	  "./ x/ x/2147483648 x/-1", "missing x/-2147483648, extra x/-1",
	  "missing x/-2147483648, extra x/-1" },
	{ "the value has to be whole", "./ x/ x/1", "./ x/ x/1|xb1:", "wrong-value x/1",
	  "wrong-value x/1" },
};

static void diff_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(diffs); i++) {
		CLEANUP(tree_free)
		struct tree *desired = tree_of(diffs[i].desired),
			    *actual = tree_of(diffs[i].actual);

		for (int prune = 0; prune < 2; prune++) {
			CLEANUP(plan_free) struct plan *p = nodes_diff(desired, actual, prune);
			CLEANUP(free) char *text = text_of(p);
			const char *want = prune ? diffs[i].pruned : diffs[i].plan;

			if (strcmp(text, want) != 0)
				fail_msg("%s%s:\n got %s\nwant %s", diffs[i].what,
					 prune ? " (prune)" : "", text, want);
		}
	}
}

/* A value that goes on behind a NUL is another value. */
static void value_with_nul(void **state)
{
	CLEANUP(tree_free)
	struct tree *desired = tree_of("./ x/ x/1"), *actual = tree_of("./ x/ x/1");
	CLEANUP(plan_free) struct plan *p = NULL;

	(void)state;
	actual->node[2].value_n++;
	p = nodes_diff(desired, actual, false);
	assert_int_equal(p->n, 1);
	assert_int_equal(p->change[0].class, CHANGE_WRONG_VALUE);
}

/* ---- desired, through a real registry ---- */

static void add(struct db *db, uint16_t product, const char *id, const char *builds,
		enum entry_publish publish)
{
	struct entry e = {
		.id = xstrdup(id),
		.product = product,
		.builds = xstrdup(builds),
		.publish = publish,
		.whole_family = true,
		.reason = xstrdup("test"),
		.not_before = TIME_NONE,
		.expires = TIME_NONE,
	};
	struct err err;
	DB_TX tx = { 0 };

	ok(db_begin(db, &tx, &err), &err);
	ok(entry_add(db, &e, &err), &err);
	ok(db_commit(&tx, &err), &err);
	free(e.id);
	free(e.builds);
	free(e.reason);
}

static char *desired_text(struct db *db, const struct nodes_options *o)
{
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	CLEANUP(tree_free) struct tree *t = NULL;
	struct err err;
	char *text = NULL;
	size_t n;
	FILE *f;

	ok(blacklist_load(db, 2000, &b, &err), &err);
	ok(nodes_desired(b, o, &t, &err), &err);
	f = open_memstream(&text, &n);
	for (size_t i = 0; i < t->n; i++)
		fprintf(f, "%s=%s %s\n", t->node[i].path, t->node[i].value, t->node[i].perms);
	fclose(f);
	return text;
}

static void desired_tree(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *none = NULL, *text = NULL, *dom0 = NULL;

	none = desired_text(db, &(struct nodes_options){ 0 });
	assert_string_equal(none, "");
	add(db, 65535, "edges", "0,1,2147483647,2147483648,4294967295", PUBLISH_NODES);
	add(db, 4, "a-range", "10..2000000000,4294967295", PUBLISH_RANGE);
	text = desired_text(db, &(struct nodes_options){ 0 });
	assert_string_equal(
		text, "=xb1: r0\n"
		      "_products=xb1: r0\n"
		      "_products/4=xenserver-windows-v7-0- r0\n"
		      "_products/65535=experimental r0\n"
		      "experimental=xb1: r0\n"
		      "experimental/-1=xb1:edges r0\n"
		      "experimental/-2147483648=xb1:edges r0\n"
		      "experimental/0=xb1:edges r0\n"
		      "experimental/1=xb1:edges r0\n"
		      "experimental/2147483647=xb1:edges r0\n"
		      "experimental/2147483648=xb1:edges r0\n"
		      "experimental/4294967295=xb1:edges r0\n"
		      "xenserver-windows-v7-0-=xb1: r0\n"
		      "xenserver-windows-v7-0-/_ranges=xb1: r0\n"
		      "xenserver-windows-v7-0-/_ranges/10-2000000000=xb1:a-range r0\n"
		      "xenserver-windows-v7-0-/_ranges/4294967295-4294967295=xb1:a-range r0\n");
	dom0 = desired_text(db, &(struct nodes_options){ .dom0_only = true });
	assert_non_null(strstr(dom0, "experimental/1=xb1:edges n0\n"));
}

static void budget(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	CLEANUP(tree_free) struct tree *t = NULL;
	struct err err;

	add(db, 65535, "big", "0..999,2147483648..2147483747", PUBLISH_NODES);
	add(db, 65535, "huge-range", "0..4294967295", PUBLISH_RANGE);
	ok(blacklist_load(db, 2000, &b, &err), &err);
	fails(nodes_desired(b, &(struct nodes_options){ .expand_limit = 1199 }, &t, &err),
	      ERR_REFUSED, "'big' costs 1200", &err);
	assert_int_equal(err.refusal, REFUSAL_BUDGET);
	fails(nodes_desired(b, &(struct nodes_options){ .total_limit = 1200 }, &t, &err),
	      ERR_REFUSED, "costs 1201", &err);
	ok(nodes_desired(b, &(struct nodes_options){ 1, 1200, 1201 }, &t, &err), &err);
	assert_int_equal(t->n, 1 + 2 + 1 + 1200 + 2);
}

static void cost(void **state)
{
	CLEANUP(builds_free)
	struct builds *all = builds_range(0, UINT32_MAX), *low = builds_range(0, 2147483647),
		      *edge = builds_range(2147483647, 2147483648), *none = builds_empty();

	(void)state;
	assert_true(nodes_cost(all) == (UINT64_C(1) << 32) + (UINT64_C(1) << 31));
	assert_true(nodes_cost(low) == UINT64_C(1) << 31);
	assert_true(nodes_cost(edge) == 3);
	assert_true(nodes_cost(none) == 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(diff_table), cmocka_unit_test(value_with_nul), registry_test(desired_tree),
	registry_test(budget),	      cmocka_unit_test(cost),
};

UNIT_MAIN(tests)
