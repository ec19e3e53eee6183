/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which paths a device model reads for a product and build, and what their presence means. Hides
 * the order of the reads and the spellings of names.
 */
#include "sync/lookup.h"

#include <inttypes.h>

#include "sync/nodes.h"

#define NODE_NAME_MAX 255

void lookup_free(struct lookup *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++) {
		free(l->step[i].path);
		free(l->step[i].value);
	}
	free(l->step);
	free(l->node);
	free(l);
}

const char *lookup_builtin_node(uint16_t product)
{
	switch (product) {
	case 1:
		return "xensource-windows";
	case 2:
		return "gplpv-windows";
	case 3:
		return "linux";
	case 4:
		return "xenserver-windows-v7-0-";
	case 5:
		return "xenserver-windows-v7-2-";
	case 0xffff:
		return "experimental";
	default:
		return NULL;
	}
}

/* The switch of xenstore_pv_driver_build_blacklisted() in qemu-xen-traditional. */
static const char *traditional_node(uint16_t product)
{
	return product == 1 || product == 2 || product == 0xffff ? lookup_builtin_node(product)
								 : NULL;
}

bool lookup_node_valid(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				"0123456789@_-");

	return n > 0 && n <= NODE_NAME_MAX && name[n] == '\0' && name[0] != '_';
}

bool lookup_leaf_parse(const char *name, uint32_t *ret)
{
	uint32_t v;

	if (name[0] != '-')
		return parse_u32(span_str(name), ret);
	if (!parse_u32(span_str(name + 1), &v) || v == 0 || v > UINT32_C(0x80000000))
		return false;
	*ret = UINT32_MAX - v + 1;
	return true;
}

bool lookup_range_parse(const char *name, uint32_t *ret_from, uint32_t *ret_to)
{
	struct span left, right;
	uint32_t from, to;

	if (!span_cut(span_str(name), "-", &left, &right) || !parse_u32(left, &from) ||
	    !parse_u32(right, &to) || from > to)
		return false;
	*ret_from = from;
	*ret_to = to;
	return true;
}

/* Reads PATH (handed over) as one step: 1 when it is there, 0 when not. */
static int consult(struct store *s, struct lookup *l, char *path, struct err *err)
{
	struct lookup_step *step;
	struct err why = { 0 };
	size_t n;
	int r;

	GROW(l->step, l->n, l->cap);
	step = &l->step[l->n++];
	*step = (struct lookup_step){ .path = path };
	r = store_read(s, path, &step->value, &n, &why);
	if (r < 0 && why.kind != ERR_NOT_FOUND) {
		*err = why;
		return err_wrap(err, "cannot ask for '%s'", path);
	}
	step->found = r == 0;
	return step->found;
}

/* As consult(), and a node that is there decides. */
static int decide(struct store *s, struct lookup *l, char *path, struct err *err)
{
	int r = consult(s, l, path, err);

	if (r > 0) {
		l->blacklisted = true;
		l->path = l->step[l->n - 1].path;
	}
	return r;
}

static int find_node(struct store *s, struct lookup *l, uint16_t product, struct err *err)
{
	const char *node = lookup_builtin_node(product);
	int r = consult(s, l, xasprintf(NODES_ROOT "/_products/%" PRIu16, product), err);

	if (r < 0)
		return r;
	if (r > 0 && lookup_node_valid(l->step[l->n - 1].value))
		node = l->step[l->n - 1].value;
	if (node)
		l->node = xstrdup(node);
	return 0;
}

static int try_ranges(struct store *s, struct lookup *l, uint32_t build, struct err *err)
{
	CLEANUP(free) char *dir = xasprintf(NODES_ROOT "/%s/_ranges", l->node);
	struct err why = { 0 };
	char **names;
	size_t n;
	int r;

	r = store_list(s, dir, &names, &n, &why);
	if (r < 0 && why.kind == ERR_NOT_FOUND)
		return consult(s, l, TAKE(dir), err);
	if (r < 0) {
		*err = why;
		return err_wrap(err, "cannot list '%s'", dir);
	}
	r = 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		uint32_t from, to;

		if (lookup_range_parse(names[i], &from, &to) && from <= build && build <= to)
			r = decide(s, l, xasprintf("%s/%s", dir, names[i]), err);
	}
	if (r == 0) {
		GROW(l->step, l->n, l->cap);
		l->step[l->n++] = (struct lookup_step){ .path = xasprintf("%s/*", dir) };
	}
	store_list_free(names, n);
	return r;
}

static int lookup_full(struct store *s, struct lookup *l, uint16_t product, uint32_t build,
		       struct err *err)
{
	int r = find_node(s, l, product, err);

	if (r < 0 || !l->node)
		return r;
	r = decide(s, l, xasprintf(NODES_ROOT "/%s/%" PRIu32, l->node, build), err);
	if (r == 0 && build > INT32_MAX)
		r = decide(s, l, xasprintf(NODES_ROOT "/%s/%" PRId32, l->node, (int32_t)build),
			   err);
	if (r == 0)
		r = try_ranges(s, l, build, err);
	return r;
}

static int lookup_traditional(struct store *s, struct lookup *l, uint16_t product, uint32_t build,
			      struct err *err)
{
	const char *node = traditional_node(product);

	if (!node)
		return 0;
	l->node = xstrdup(node);
	return decide(s, l, xasprintf(NODES_ROOT "/%s/%" PRId32, node, (int32_t)build), err);
}

int lookup(struct store *s, enum lookup_rule rule, uint16_t product, uint32_t build,
	   struct lookup **ret, struct err *err)
{
	CLEANUP(lookup_free) struct lookup *l = xcalloc(1, sizeof(*l));
	int r = rule == LOOKUP_FULL ? lookup_full(s, l, product, build, err)
				    : lookup_traditional(s, l, product, build, err);

	if (r < 0)
		return r;
	*ret = TAKE(l);
	return 0;
}
