/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides how the history tells what has been published from what has been changed since: by the
 * last row that an apply left, and the rows after it.
 */
#include "device/applied.h"

#include <string.h>

#include "registry/history.h"

/* What is uncertain: entries by their ids, products by their numbers, or everything. */
struct doubts {
	const char **entry; /* borrowed from the history */
	size_t n, cap;
	bool product[UINT16_MAX + 1];
	bool all;
};

static void doubts_free(struct doubts *d)
{
	free(d->entry);
	free(d);
}
DEFINE_CLEANUP(struct doubts *, doubts_free)

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* The product of an exception's canonical JSON; in text a quote is escaped, so no reason forges it. */
static bool product_of(const char *json, uint16_t *ret)
{
	static const char key[] = "\"product\":";
	const char *at = json ? strstr(json, key) : NULL;

	if (!at)
		return false;
	at += sizeof(key) - 1;
	return parse_u16(span_of(at, strspn(at, "0123456789")), ret);
}

static void doubt(struct doubts *d, const struct history_row *row)
{
	uint16_t number;

	if (starts(row->subject, "entry ")) {
		GROW(d->entry, d->n, d->cap);
		d->entry[d->n++] = row->subject + 6;
	} else if (starts(row->subject, "product ")) {
		if (parse_u16(span_str(row->subject + 8), &number))
			d->product[number] = true;
		else
			d->all = true;
	} else if (starts(row->subject, "exception ") && row->before) {
		/* A new one only takes nodes away. */
		if (product_of(row->before, &number))
			d->product[number] = true;
		else
			d->all = true;
	} else if (starts(row->subject, "encoding ") && row->before) {
		d->all = true;
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_doubted(const struct doubts *d, const char *id)
{
	return d->n && bsearch(&id, d->entry, d->n, sizeof(*d->entry), by_text);
}

/* A node of the tree as of then. */
struct mark {
	bool kept;
	bool doubted; /* the directory of a product in doubt */
};

static int find_by_path(const void *key, const void *node)
{
	return strcmp(key, ((const struct node *)node)->path);
}

/* The mark of a path that is in T. */
static struct mark *mark_of(struct mark *mark, const struct tree *t, const char *path, size_t n)
{
	CLEANUP(free) char *key = xstrndup(path, n);
	const struct node *node = bsearch(key, t->node, t->n, sizeof(*t->node), find_by_path);

	return &mark[node ? (size_t)(node - t->node) : t->n];
}

/* "_products/NUMBER" */
static bool names_product(const struct node *n, uint16_t *ret)
{
	static const char prefix[] = "_products/";

	return starts(n->path, prefix) && parse_u16(span_str(n->path + sizeof(prefix) - 1), ret);
}

/* Leaves and pieces of ranges, with the directories that they need. */
static void mark_kept(struct mark *mark, const struct tree *t, const struct doubts *d)
{
	static const char ranges[] = "/_ranges/";

	for (size_t i = 0; i < t->n; i++) {
		const struct node *node = &t->node[i];
		const char *slash = strchr(node->path, '/');
		struct mark *dir;

		if (!slash || *node->path == '_' || nodes_is_directory(node))
			continue;
		dir = mark_of(mark, t, node->path, (size_t)(slash - node->path));
		if (dir->doubted || is_doubted(d, node->value + strlen(NODES_VALUE_PREFIX)))
			continue;
		mark[i].kept = dir->kept = true;
		if (starts(slash, ranges))
			mark_of(mark, t, node->path,
				(size_t)(slash - node->path) + sizeof(ranges) - 2)
				->kept = true;
		mark_of(mark, t, "", 0)->kept = true;
		mark_of(mark, t, "_products", 9)->kept = true;
	}
}

static struct tree *without(struct tree *t, const struct doubts *d)
{
	CLEANUP(free) struct mark *mark = xcalloc(t->n + 1, sizeof(*mark));
	struct tree *kept = xcalloc(1, sizeof(*kept));
	uint16_t number;

	for (size_t i = 0; i < t->n; i++)
		if (names_product(&t->node[i], &number) && d->product[number])
			mark_of(mark, t, t->node[i].value, t->node[i].value_n)->doubted = true;
	mark_kept(mark, t, d);
	for (size_t i = 0; i < t->n; i++)
		if (names_product(&t->node[i], &number))
			mark[i].kept = mark_of(mark, t, t->node[i].value, t->node[i].value_n)->kept;
	for (size_t i = 0; i < t->n; i++) {
		if (!mark[i].kept)
			continue;
		GROW(kept->node, kept->n, kept->cap);
		kept->node[kept->n++] = t->node[i];
		t->node[i] = (struct node){ 0 };
	}
	return kept;
}

/* The time of the last apply and what is in doubt since; 1 when there was one. */
static int last_apply(struct db *db, int64_t *ret_time, struct doubts *d,
		      struct history_rows **ret_since, struct err *err)
{
	CLEANUP(history_rows_free) struct history_rows *applies = NULL;
	const struct history_row *last = NULL;
	int r = history_list(db, TIME_NONE, "xenstore", &applies, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < applies->n; i++)
		if (strcmp(applies->row[i].act, "apply") == 0)
			last = &applies->row[i];
	if (!last)
		return 0;
	/* All of it: a clock may have gone back in between. */
	r = history_list(db, TIME_NONE, NULL, ret_since, err);
	for (size_t i = 0; r == 0 && i < (*ret_since)->n; i++)
		if ((*ret_since)->row[i].seq > last->seq)
			doubt(d, &(*ret_since)->row[i]);
	if (d->n)
		qsort(d->entry, d->n, sizeof(*d->entry), by_text);
	*ret_time = last->time;
	return r < 0 ? r : 1;
}

int applied_tree(struct db *db, const struct nodes_options *o, struct tree **ret, struct err *err)
{
	CLEANUP(doubts_free) struct doubts *d = xcalloc(1, sizeof(*d));
	CLEANUP(history_rows_free) struct history_rows *since = NULL;
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	CLEANUP(tree_free) struct tree *then = NULL;
	int64_t when;
	int r = last_apply(db, &when, d, &since, err);

	if (r < 0)
		return r;
	if (r == 0 || d->all) {
		*ret = xcalloc(1, sizeof(**ret));
		return 0;
	}
	r = blacklist_load(db, when, &b, err);
	if (r == 0)
		r = nodes_desired(b, o, &then, err);
	if (r == 0)
		*ret = without(then, d);
	return r;
}
