/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides the layout of the tree under NODES_ROOT: what is wanted there, whose a node is, and which
 * changes lead from what is there to what is wanted. Works on memory only.
 */
#include "sync/nodes.h"

#include <inttypes.h>

#include "sync/lookup.h"

#define SIGNED_FROM (UINT32_C(1) << 31)

const char *change_class_name(enum change_class c)
{
	static const char *const names[] = {
		[CHANGE_MISSING] = "missing",
		[CHANGE_EXTRA] = "extra",
		[CHANGE_FOREIGN] = "foreign",
		[CHANGE_WRONG_ACCESS] = "wrong-access",
		[CHANGE_WRONG_SPELLING] = "wrong-spelling",
		[CHANGE_WRONG_VALUE] = "wrong-value",
	};

	return names[c];
}

/* ---- what is wanted ------------------------------------------------------------------------- */

/* Members of B in [FIRST, LAST], without enumerating them. */
static uint64_t count_between(const struct builds *b, uint32_t first, uint32_t last)
{
	const struct builds_piece *piece;
	size_t n = builds_pieces(b, &piece);
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t stride = piece[i].stride, from = piece[i].first;
		uint64_t to = piece[i].last < last ? piece[i].last : last;

		if (from < first)
			from += (first - from + stride - 1) / stride * stride;
		if (from <= to)
			count += (to - from) / stride + 1;
	}
	return count;
}

uint64_t nodes_cost(const struct builds *b)
{
	return builds_count(b) + count_between(b, SIGNED_FROM, UINT32_MAX);
}

static uint64_t ranges_cost(const struct builds *b)
{
	const struct builds_piece *piece;
	size_t n = builds_pieces(b, &piece);
	uint64_t cost = 0;

	for (size_t i = 0; i < n; i++)
		cost += piece[i].stride == 1
				? 1
				: (piece[i].last - piece[i].first) / piece[i].stride + 1;
	return cost;
}

static int check_budget(const struct blacklist *b, const struct nodes_options *o, struct err *err)
{
	const struct entries *entries = blacklist_entries(b);
	const struct blacklist_product *p;
	size_t n = blacklist_published(b, &p);
	uint64_t all = 0;

	for (size_t i = 0; o->expand_limit && i < entries->n; i++) {
		const struct entry *e = entries->entry[i];
		uint64_t cost;

		if (e->mode != MODE_ENFORCE || e->publish != PUBLISH_NODES ||
		    !blacklist_entry_active(b, i))
			continue;
		cost = nodes_cost(blacklist_entry_builds(b, i));
		if (cost > o->expand_limit)
			return err_refuse(
				err, REFUSAL_BUDGET,
				"entry '%s' costs %" PRIu64
				" nodes in xenstore and the limit (expand-limit) is %" PRIu32
				"; name fewer builds, or publish it with --as-range, which xenblacklistd sees and stock device models do not",
				e->id, cost, o->expand_limit);
	}
	for (size_t i = 0; i < n; i++)
		all += nodes_cost(p[i].nodes) + ranges_cost(p[i].ranges);
	if (o->total_limit && all > o->total_limit)
		return err_refuse(
			err, REFUSAL_BUDGET,
			"the blacklist costs %" PRIu64
			" nodes in xenstore and the limit (total-limit) is %" PRIu32
			"; name fewer builds, or publish large entries with --as-range, which xenblacklistd sees and stock device models do not",
			all, o->total_limit);
	return 0;
}

static void want(struct tree *t, const char *perms, const char *value, char *path)
{
	GROW(t->node, t->n, t->cap);
	t->node[t->n++] = (struct node){
		.path = path,
		.value = xstrdup(value),
		.value_n = strlen(value),
		.perms = xstrdup(perms),
	};
}

static void want_owned(struct tree *t, const char *perms, const struct entry *owner, char *path)
{
	char value[128];

	snprintf(value, sizeof(value), NODES_VALUE_PREFIX "%s", owner ? owner->id : "unknown");
	want(t, perms, value, path);
}

static void want_leaves(struct tree *t, const char *perms, const struct blacklist *b,
			const struct blacklist_product *p)
{
	uint32_t build = 0;

	while (builds_next(p->nodes, &build)) {
		const struct entry *owner =
			blacklist_owner(b, p->product->number, build, PUBLISH_NODES);

		want_owned(t, perms, owner, xasprintf("%s/%" PRIu32, p->product->node, build));
		if (build >= SIGNED_FROM)
			want_owned(t, perms, owner,
				   xasprintf("%s/-%" PRIu64, p->product->node,
					     (UINT64_C(1) << 32) - build));
		if (build++ == UINT32_MAX)
			break;
	}
}

static void want_ranges(struct tree *t, const char *perms, const struct blacklist *b,
			const struct blacklist_product *p)
{
	const struct builds_piece *piece;
	size_t n = builds_pieces(p->ranges, &piece);

	if (n)
		want(t, perms, NODES_DIRECTORY, xasprintf("%s/_ranges", p->product->node));
	for (size_t i = 0; i < n; i++) {
		bool whole = piece[i].stride == 1;
		uint64_t step = whole ? UINT64_C(1) << 32 : piece[i].stride;

		/* A piece with gaps is a range for each member. */
		for (uint64_t from = piece[i].first; from <= piece[i].last; from += step)
			want_owned(t, perms,
				   blacklist_owner(b, p->product->number, (uint32_t)from,
						   PUBLISH_RANGE),
				   xasprintf("%s/_ranges/%" PRIu64 "-%" PRIu64, p->product->node,
					     from, whole ? piece[i].last : from));
	}
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->path, ((const struct node *)b)->path);
}

int nodes_desired(const struct blacklist *b, const struct nodes_options *o, struct tree **ret,
		  struct err *err)
{
	CLEANUP(tree_free) struct tree *t = xcalloc(1, sizeof(*t));
	const char *perms = o->dom0_only ? "n0" : "r0";
	const struct blacklist_product *p;
	size_t n = blacklist_published(b, &p);
	int r = check_budget(b, o, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		const struct product *product = p[i].product;

		if (!lookup_node_valid(product->node))
			return err_refuse(
				err, REFUSAL_UNPUBLISHABLE,
				"product '%s' cannot be published as xenstore node '%s'; give it another with product update --node",
				product->name, product->node);
		want(t, perms, product->node, xasprintf("_products/%u", product->number));
		want(t, perms, NODES_DIRECTORY, xstrdup(product->node));
		want_leaves(t, perms, b, &p[i]);
		want_ranges(t, perms, b, &p[i]);
	}
	if (n) {
		want(t, perms, NODES_DIRECTORY, xstrdup(""));
		want(t, perms, NODES_DIRECTORY, xstrdup("_products"));
		qsort(t->node, t->n, sizeof(*t->node), by_path);
	}
	for (size_t i = 1; i < t->n; i++) {
		if (strcmp(t->node[i - 1].path, t->node[i].path) == 0)
			return err_refuse(err, REFUSAL_UNPUBLISHABLE,
					  "two products share the xenstore node '%s'",
					  t->node[i].path);
	}
	*ret = TAKE(t);
	return 0;
}

bool nodes_is_directory(const struct node *n)
{
	return strcmp(n->value, NODES_DIRECTORY) == 0;
}

/* ---- what differs --------------------------------------------------------------------------- */

void plan_free(struct plan *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++) {
		free(p->change[i].path);
		free(p->change[i].want_value);
		free(p->change[i].want_perms);
		free(p->change[i].have_value);
		free(p->change[i].have_perms);
	}
	free(p->change);
	free(p);
}

static void add_change(struct plan *p, enum change_class class, bool acts, const struct node *want,
		       const struct node *have)
{
	GROW(p->change, p->n, p->cap);
	p->change[p->n++] = (struct change){
		.class = class,
		.acts = acts,
		.directory = want && nodes_is_directory(want),
		.path = xstrdup(want ? want->path : have->path),
		.want_value = want ? xstrdup(want->value) : NULL,
		.want_perms = want ? xstrdup(want->perms) : NULL,
		.have_value = have ? xstrdup(have->value) : NULL,
		.have_perms = have ? xstrdup(have->perms) : NULL,
	};
	p->n_acts += acts;
}

static bool is_product(const char *path)
{
	struct span dir, name;
	uint16_t number;

	return span_cut(span_str(path), "/", &dir, &name) && span_eq(dir, "_products") &&
	       parse_u16(name, &number);
}

/* "_products/NUMBER" is ours by its place, everything else by its value. */
static bool is_ours(const struct node *n)
{
	return strncmp(n->value, NODES_VALUE_PREFIX, strlen(NODES_VALUE_PREFIX)) == 0 ||
	       is_product(n->path);
}

/* A child of a product's directory that is meant as a build, and is none as anybody looks it up. */
static bool is_misspelt(const char *path)
{
	const char *name = strchr(path, '/'), *digits;
	uint32_t build;

	if (!name || path[0] == '_' || strchr(++name, '/') || lookup_leaf_parse(name, &build))
		return false;
	digits = name[0] == '-' ? name + 1 : name;
	if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
		return digits[2] && !digits[2 + strspn(digits + 2, "0123456789abcdefABCDEF")];
	return digits[0] && !digits[strspn(digits, "0123456789")];
}

/* A node whose being there means something to device models, whatever is below it. */
static bool is_looked_up(const char *path)
{
	const char *name = strchr(path, '/'), *range;
	uint32_t from, to;

	if (!name || path[0] == '_')
		return is_product(path);
	range = strchr(++name, '/');
	if (!range)
		return lookup_leaf_parse(name, &from);
	return strncmp(name, "_ranges/", 8) == 0 && lookup_range_parse(range + 1, &from, &to);
}

static void diff_both(struct plan *p, const struct node *want, const struct node *have, bool prune)
{
	bool access = strcmp(want->perms, have->perms) == 0;
	bool value = nodes_is_directory(want) ||
		     (have->value_n == want->value_n && strcmp(want->value, have->value) == 0);

	if (!nodes_is_directory(want) && !is_ours(have))
		add_change(p, CHANGE_FOREIGN, prune, want, have);
	else if (!value)
		add_change(p, CHANGE_WRONG_VALUE, true, want, have);
	else if (!access)
		add_change(p, CHANGE_WRONG_ACCESS, true, want, have);
}

/* What is there and not wanted; the flags say what stays and what has children. */
struct rest {
	const struct node *node;
	bool wanted, stays, has_children;
};

static int rest_by_path(const void *key, const void *r)
{
	return strcmp(key, ((const struct rest *)r)->node->path);
}

static struct rest *parent_of(struct rest *rest, size_t n, const struct node *node)
{
	const char *slash = strrchr(node->path, '/');
	CLEANUP(free)
	char *path = slash ? xstrndup(node->path, (size_t)(slash - node->path)) : xstrdup("");

	return *node->path ? bsearch(path, rest, n, sizeof(*rest), rest_by_path) : NULL;
}

static void diff_rest(struct plan *p, struct rest *rest, size_t n, bool prune)
{
	/* Backwards: children before their parents. */
	for (size_t i = n; i-- > 0;) {
		const struct node *node = rest[i].node;
		struct rest *parent = parent_of(rest, n, node);
		bool ours = is_ours(node), looked_up = is_looked_up(node->path);

		rest[i].stays |= rest[i].wanted || (!ours && !prune);
		if (!rest[i].wanted && !ours && !prune && !looked_up &&
		    (rest[i].has_children || !*node->path))
			; /* a directory: what it holds is reported */
		else if (!rest[i].wanted && (!rest[i].stays || !ours || looked_up))
			add_change(p,
				   is_misspelt(node->path) ? CHANGE_WRONG_SPELLING
				   : ours		   ? CHANGE_EXTRA
							   : CHANGE_FOREIGN,
				   !rest[i].stays, NULL, node);
		if (parent) {
			parent->has_children = true;
			parent->stays |= rest[i].stays;
		}
	}
}

static size_t depth(const char *path)
{
	size_t n = *path != 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* Deepest first; in one directory ascending, which is how a xenstored removes fastest. */
static int removal_order(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	size_t dx = depth(x->path), dy = depth(y->path);

	return dx != dy ? (dx < dy) - (dx > dy) : strcmp(x->path, y->path);
}

struct plan *nodes_diff(const struct tree *desired, const struct tree *actual, bool prune)
{
	struct plan *p = xcalloc(1, sizeof(*p));
	CLEANUP(free) struct rest *rest = xcalloc(actual->n + 1, sizeof(*rest));
	size_t d = 0, a = 0, removals;

	while (d < desired->n || a < actual->n) {
		int order = d == desired->n  ? 1
			    : a == actual->n ? -1
					     : strcmp(desired->node[d].path, actual->node[a].path);

		if (order < 0) {
			add_change(p, CHANGE_MISSING, true, &desired->node[d++], NULL);
			continue;
		}
		rest[a] = (struct rest){ .node = &actual->node[a], .wanted = order == 0 };
		if (order == 0)
			diff_both(p, &desired->node[d++], &actual->node[a], prune);
		a++;
	}
	removals = p->n;
	diff_rest(p, rest, actual->n, prune);
	if (p->n > removals)
		qsort(p->change + removals, p->n - removals, sizeof(*p->change), removal_order);
	return p;
}
