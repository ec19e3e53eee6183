/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides how directories are read: those that do not fit one message, those that change meanwhile,
 * whole trees level by level with everything in flight, and answers that are no names.
 */
#include "sync/store-impl.h"

#include <inttypes.h>

#define NAMES_MAX (16u << 20) /* bytes of names in one directory */
#define NODES_MAX (1u << 20)  /* nodes in one tree */
#define PART_RESTARTS 100

static bool name_legal(const char *name)
{
	static const char legal[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_@";

	return *name && name[strspn(name, legal)] == 0;
}

int store_by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void store_list_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

/* DATA: names, each with its NUL. They come from outside: anything odd is a broken answer. */
static int split_names(const char *data, size_t n, struct names *ret, struct err *err)
{
	NAMES names = { 0 };

	for (size_t at = 0; at < n; at += strlen(data + at) + 1) {
		if (data[n - 1] || !name_legal(data + at))
			return err_set(err, ERR_UNREACHABLE,
				       "xenstore sent a malformed list of names");
		GROW(names.name, names.n, names.cap);
		names.name[names.n++] = xstrdup(data + at);
	}
	if (names.n)
		qsort(names.name, names.n, sizeof(*names.name), store_by_name);
	for (size_t i = 1; i < names.n; i++) {
		if (strcmp(names.name[i - 1], names.name[i]) == 0)
			return err_set(err, ERR_UNREACHABLE, "xenstore listed '%s' twice",
				       names.name[i]);
	}
	*ret = names;
	names = (struct names){ 0 };
	return 0;
}

/*
 * A directory of more than one message: XS_DIRECTORY_PART answers with the directory's
 * generation, a NUL, and names from an offset on; an empty name ends the last part. Another
 * generation than before: it changed meanwhile, start again.
 */
static int list_parts(struct store *s, uint32_t tx, const char *path, struct names *ret,
		      struct err *err)
{
	CLEANUP(free) char *all = NULL, *generation = NULL;
	size_t n = 0;

	for (int restarts = 0; restarts < PART_RESTARTS;) {
		char offset[16];
		struct wire_request req = {
			.type = XS_DIRECTORY_PART, .tx = tx, .path = path, .rest = offset
		};
		CLEANUP(free) char *part = NULL;
		size_t skip, more;
		int r;

		req.rest_n = (size_t)snprintf(offset, sizeof(offset), "%zu", n) + 1;
		r = store_ask(s, tx, &req, 1, err);
		if (r < 0)
			return r;
		part = req.data;
		if (req.error == ENOSYS)
			return err_set(err, ERR_IO,
				       "xenstore cannot list a directory this large: '%s'", path);
		if (req.error)
			return store_refusal(req.error, path, err);
		skip = strlen(part) + 1;
		if (skip >= req.n || part[req.n - 1])
			return err_set(err, ERR_UNREACHABLE,
				       "xenstore sent a malformed part of a directory");
		if (n && strcmp(generation, part) != 0) {
			n = 0;
			restarts++;
			continue;
		}
		free(generation);
		generation = xstrdup(part);
		more = req.n - skip;
		if (n + more > NAMES_MAX)
			return err_set(err, ERR_UNREACHABLE,
				       "xenstore sent a directory without an end: '%s'", path);
		all = xreallocarray(all, n + more, 1);
		memcpy(all + n, part + skip, more);
		n += more;
		if (n == 1 ? !all[0] : !all[n - 2])
			return split_names(all, n - 1, ret, err);
	}
	return err_set(err, ERR_BUSY, "'%s' changes faster than it can be listed", path);
}

int store_names(struct store *s, const struct wire_request *req, struct names *ret, struct err *err)
{
	if (req->error == E2BIG)
		return list_parts(s, req->tx, req->path, ret, err);
	if (req->error)
		return store_refusal(req->error, req->path, err);
	return split_names(req->data, req->n, ret, err);
}

int store_list(struct store *s, const char *path, char ***ret, size_t *ret_n, struct err *err)
{
	struct wire_request req = { .type = XS_DIRECTORY, .path = path };
	NAMES names = { 0 };
	int r = store_ask(s, 0, &req, 1, err);

	if (r == 0)
		r = store_names(s, &req, &names, err);
	wire_requests_clear(&req, 1);
	if (r < 0)
		return r;
	*ret = TAKE(names.name);
	*ret_n = names.n;
	names.n = 0;
	return 0;
}

struct tree *tree_copy(const struct tree *t)
{
	struct tree *copy = xcalloc(1, sizeof(*copy));

	copy->node = xcalloc(t->n + 1, sizeof(*copy->node));
	copy->n = copy->cap = t->n;
	for (size_t i = 0; i < t->n; i++) {
		const struct node *n = &t->node[i];

		copy->node[i] = (struct node){ xstrdup(n->path), xmemdup(n->value, n->value_n + 1),
					       n->value_n, xstrdup(n->perms) };
	}
	return copy;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++) {
		free(t->node[i].path);
		free(t->node[i].value);
		free(t->node[i].perms);
	}
	free(t->node);
	free(t);
}

/* "r0\0n5\0" as "r0,n5"; NULL when it is no list of permissions. */
static char *perms_text(const char *data, size_t n)
{
	CLEANUP(free) char *text = xmemdup(data, n + 1);
	uint32_t domid;

	if (!n || data[n - 1])
		return NULL;
	for (size_t at = 0; at < n; at += strlen(data + at) + 1) {
		if (!data[at] || !strchr("nrwb", data[at]) ||
		    !parse_u32(span_str(data + at + 1), &domid))
			return NULL;
	}
	for (size_t i = 0; i + 1 < n; i++) {
		if (!text[i])
			text[i] = ',';
	}
	return TAKE(text);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->path, ((const struct node *)b)->path);
}

struct level {
	struct wire_request *req; /* three for a node */
	char **path, **relative;
	size_t n, cap;
};

static void level_free(struct level *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->path[i]);
		free(l->relative[i]);
	}
	if (l->req)
		wire_requests_clear(l->req, 3 * l->n);
	free(l->req);
	free(l->path);
	free(l->relative);
	*l = (struct level){ 0 };
}
#define LEVEL __attribute__((cleanup(level_free))) struct level

static void level_add(struct level *l, const char *root, const char *parent, const char *name)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->path = xreallocarray(l->path, l->cap, sizeof(*l->path));
		l->relative = xreallocarray(l->relative, l->cap, sizeof(*l->relative));
	}
	l->relative[l->n] = *parent ? xasprintf("%s/%s", parent, name) : xstrdup(name);
	l->path[l->n] = *name ? xasprintf("%s/%s", root, l->relative[l->n]) : xstrdup(root);
	l->n++;
}

static void level_prepare(struct level *l)
{
	static const uint32_t types[] = { XS_READ, XS_GET_PERMS, XS_DIRECTORY };

	l->req = xcalloc(3 * l->n, sizeof(*l->req));
	for (size_t i = 0; i < 3 * l->n; i++)
		l->req[i] = (struct wire_request){ .type = types[i % 3], .path = l->path[i / 3] };
}

/* A node into the tree from its XS_READ and the XS_GET_PERMS after it: 0 when it is gone. */
static int take_node(struct tree *t, struct wire_request *read, const char *path, struct err *err)
{
	struct wire_request *perms = read + 1;
	char *text;

	if (read->error == ENOENT || perms->error == ENOENT)
		return 0;
	if (read->error || perms->error)
		return store_refusal(read->error ? read->error : perms->error, read->path, err);
	text = perms_text(perms->data, perms->n);
	if (!text)
		return err_set(err, ERR_UNREACHABLE, "xenstore sent malformed permissions of '%s'",
			       read->path);
	GROW(t->node, t->n, t->cap);
	t->node[t->n++] = (struct node){
		.path = xstrdup(path),
		.value = TAKE(read->data),
		.value_n = read->n,
		.perms = text,
	};
	return 1;
}

/* One node of a level into the tree, its children into the next level. */
static int level_take(struct store *s, struct level *l, size_t i, const char *root, struct tree *t,
		      struct level *next, struct err *err)
{
	struct wire_request *req = &l->req[3 * i];
	NAMES names = { 0 };
	int r = req[2].error == ENOENT ? 0 : take_node(t, req, l->relative[i], err);

	if (r <= 0)
		return r;
	r = store_names(s, &req[2], &names, err);
	if (r == -ERR_NOT_FOUND) /* gone while its names were fetched */
		return 0;
	if (r == 0 && t->n + next->n + names.n > NODES_MAX)
		return err_set(err, ERR_UNREACHABLE, "more than %u nodes under '%s'", NODES_MAX,
			       root);
	for (size_t k = 0; r == 0 && k < names.n; k++)
		level_add(next, root, l->relative[i], names.name[k]);
	return r;
}

int store_nodes(struct store *s, const char *const *paths, size_t n, struct tree **ret,
		struct err *err)
{
	CLEANUP(tree_free) struct tree *t = xcalloc(1, sizeof(*t));
	CLEANUP(free) struct wire_request *req = xcalloc(2 * n + 1, sizeof(*req));
	int r;

	for (size_t i = 0; i < n; i++) {
		req[2 * i] = (struct wire_request){ .type = XS_READ, .path = paths[i] };
		req[2 * i + 1] = (struct wire_request){ .type = XS_GET_PERMS, .path = paths[i] };
	}
	r = store_ask(s, 0, req, 2 * n, err);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = take_node(t, &req[2 * i], paths[i], err);
	wire_requests_clear(req, 2 * n);
	if (r < 0)
		return r;
	if (t->n)
		qsort(t->node, t->n, sizeof(*t->node), by_path);
	*ret = TAKE(t);
	return 0;
}

int store_tree(struct store *s, const char *path, struct tree **ret, struct err *err)
{
	CLEANUP(tree_free) struct tree *t = xcalloc(1, sizeof(*t));
	LEVEL level = { 0 };

	level_add(&level, path, "", "");
	while (level.n) {
		LEVEL next = { 0 };
		int r;

		level_prepare(&level);
		r = store_ask(s, 0, level.req, 3 * level.n, err);
		for (size_t i = 0; r == 0 && i < level.n; i++)
			r = level_take(s, &level, i, path, t, &next, err);
		if (r < 0)
			return r;
		level_free(&level);
		level = next;
		next = (struct level){ 0 };
	}
	if (t->n)
		qsort(t->node, t->n, sizeof(*t->node), by_path);
	*ret = TAKE(t);
	return 0;
}
