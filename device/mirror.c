/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides which parts of the tree are read again: the changed nodes with all below them, and those
 * above them that came into being with them, for which there is no event.
 */
#include "device/mirror.h"

#include "sync/nodes.h"

#define CHANGES_MAX 512 /* more are not cheaper than the whole tree */

struct mirror {
	struct tree *tree;	    /* NULL: not read yet, or of no use any more */
	char *changed[CHANGES_MAX]; /* relative to NODES_ROOT, none "" */
	size_t n;
};

struct mirror *mirror_new(void)
{
	return xcalloc(1, sizeof(struct mirror));
}

static void forget_changes(struct mirror *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->changed[i]);
	m->n = 0;
}

static void forget_tree(struct mirror *m)
{
	forget_changes(m);
	tree_free(TAKE(m->tree));
}

void mirror_free(struct mirror *m)
{
	if (!m)
		return;
	forget_tree(m);
	free(m);
}

/* Is PATH at or below TOP? Both relative, TOP not "". */
static bool within(const char *path, const char *top)
{
	size_t n = strlen(top);

	return strncmp(path, top, n) == 0 && (!path[n] || path[n] == '/');
}

bool mirror_changed(struct mirror *m, const char *path)
{
	static const char root[] = NODES_ROOT;
	size_t n = sizeof(root) - 1;

	if (!path || (strncmp(path, root, n) == 0 && !path[n])) {
		forget_tree(m);
		return true;
	}
	if (strncmp(path, root, n) != 0) {
		/* Something above it, like the "/mh" of a subtree that was removed. */
		size_t above = strlen(path);

		if (strncmp(root, path, above) != 0 || root[above] != '/')
			return false;
		forget_tree(m);
		return true;
	}
	if (path[n] != '/')
		return false;
	if (!m->tree)
		return true;
	if (m->n == CHANGES_MAX)
		forget_tree(m);
	else
		m->changed[m->n++] = xstrdup(path + n + 1);
	return true;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->path, ((const struct node *)b)->path);
}

static bool has(const struct tree *t, const char *path)
{
	const struct node key = { .path = (char *)path };

	return t->n && bsearch(&key, t->node, t->n, sizeof(key), by_path);
}

/* Each change once, and none below another one. */
static void condense(struct mirror *m)
{
	size_t kept = 0;

	qsort(m->changed, m->n, sizeof(*m->changed), by_text);
	for (size_t i = 0; i < m->n; i++) {
		bool covered = false;

		for (size_t k = 0; k < kept && !covered; k++)
			covered = within(m->changed[i], m->changed[k]);
		if (covered)
			free(m->changed[i]);
		else
			m->changed[kept++] = m->changed[i];
	}
	m->n = kept;
}

static bool changed(const struct mirror *m, const char *path)
{
	for (size_t i = 0; *path && i < m->n; i++) {
		if (within(path, m->changed[i]))
			return true;
	}
	return false;
}

static void move_node(struct tree *to, struct node *from, char *path)
{
	GROW(to->node, to->n, to->cap);
	to->node[to->n++] =
		(struct node){ path, TAKE(from->value), from->value_n, TAKE(from->perms) };
}

/* The nodes above PATH that the tree has not, when there are any: they came with it. */
static int read_above(const struct mirror *m, struct store *s, const char *path, struct tree *to,
		      struct err *err)
{
	for (size_t n = strlen(path); n--;) {
		CLEANUP(free) char *above = NULL, *absolute = NULL;
		CLEANUP(tree_free) struct tree *t = NULL;
		int r;

		if (path[n] != '/' && n)
			continue;
		above = xstrndup(path, n);
		if (has(m->tree, above))
			return 0;
		absolute = n ? xasprintf("%s/%s", NODES_ROOT, above) : xstrdup(NODES_ROOT);
		r = store_nodes(s, (const char *const[]){ absolute }, 1, &t, err);
		if (r < 0)
			return r;
		if (t->n)
			move_node(to, &t->node[0], TAKE(above));
	}
	return 0;
}

/* What is at PATH and below it now, into TO. */
static int read_again(const struct mirror *m, struct store *s, const char *path, struct tree *to,
		      struct err *err)
{
	CLEANUP(free) char *absolute = xasprintf("%s/%s", NODES_ROOT, path);
	CLEANUP(tree_free) struct tree *t = NULL;
	int r = store_tree(s, absolute, &t, err);

	if (r < 0 || !t->n)
		return r;
	for (size_t i = 0; i < t->n; i++) {
		struct node *n = &t->node[i];

		move_node(to, n, *n->path ? xasprintf("%s/%s", path, n->path) : xstrdup(path));
	}
	return read_above(m, s, path, to, err);
}

/* Sorts, and keeps one of those that were read twice: nodes above two changes. */
static void order(struct tree *t)
{
	size_t kept = 0;

	if (!t->n)
		return;
	qsort(t->node, t->n, sizeof(*t->node), by_path);
	for (size_t i = 1; i < t->n; i++) {
		if (strcmp(t->node[kept].path, t->node[i].path) != 0) {
			t->node[++kept] = t->node[i];
			continue;
		}
		free(t->node[i].path);
		free(t->node[i].value);
		free(t->node[i].perms);
	}
	t->n = kept + 1;
}

static int update(struct mirror *m, struct store *s, struct err *err)
{
	CLEANUP(tree_free) struct tree *fresh = xcalloc(1, sizeof(*fresh));

	condense(m);
	for (size_t i = 0; i < m->n; i++) {
		int r = read_again(m, s, m->changed[i], fresh, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < m->tree->n; i++) {
		struct node *n = &m->tree->node[i];

		if (!changed(m, n->path))
			move_node(fresh, n, TAKE(n->path));
	}
	order(fresh);
	tree_free(m->tree);
	m->tree = TAKE(fresh);
	forget_changes(m);
	return 0;
}

int mirror_look(struct mirror *m, struct store *s, const struct tree **ret, struct err *err)
{
	int r = 0;

	if (!m->tree)
		r = store_tree(s, NODES_ROOT, &m->tree, err);
	else if (m->n)
		r = update(m, s, err);
	if (r < 0) {
		forget_tree(m);
		return r;
	}
	*ret = m->tree;
	return 0;
}
