/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A segment tree over the ends of all pieces. Each node lists, lowest set first, the pieces that
 * span its stretch; a lookup climbs from the leaf and looks at the first fitting piece of each
 * node. Strided pieces are asked whether they really hold the build.
 */
#include "registry/cover.h"

struct piece {
	uint32_t set, first, last, stride;
};

struct cover {
	struct piece *piece;
	size_t n;
	uint64_t *edge; /* ascending, distinct; leaf i is edge[i] to edge[i + 1] - 1 */
	size_t n_edges;
	size_t *start; /* list of node i: item[start[i]] to item[start[i + 1] - 1] */
	uint32_t *item;
};

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void collect(struct cover *c, const struct builds *const *sets, size_t n)
{
	size_t cap = 0;

	for (size_t i = 0; i < n; i++) {
		const struct builds_piece *p = NULL;
		size_t m = sets[i] ? builds_pieces(sets[i], &p) : 0;

		for (size_t k = 0; k < m; k++) {
			GROW(c->piece, c->n, cap);
			c->piece[c->n++] = (struct piece){ .set = (uint32_t)i,
							   .first = p[k].first,
							   .last = p[k].last,
							   .stride = p[k].stride };
		}
	}
	c->edge = xcalloc(2 * c->n, sizeof(*c->edge));
	for (size_t i = 0; i < c->n; i++) {
		c->edge[2 * i] = c->piece[i].first;
		c->edge[2 * i + 1] = (uint64_t)c->piece[i].last + 1;
	}
	qsort(c->edge, 2 * c->n, sizeof(*c->edge), by_value);
	for (size_t i = 0; i < 2 * c->n; i++) {
		if (!c->n_edges || c->edge[c->n_edges - 1] != c->edge[i])
			c->edge[c->n_edges++] = c->edge[i];
	}
}

/* The last edge at or below VALUE; n_edges when there is none. */
static size_t leaf(const struct cover *c, uint64_t value)
{
	size_t lo = 0, hi = c->n_edges;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->edge[mid] <= value)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? lo - 1 : c->n_edges;
}

/* Visits the nodes whose stretches make up piece I: counts them, or files the piece there. */
static void place(struct cover *c, size_t i, bool file)
{
	size_t l = leaf(c, c->piece[i].first) + c->n_edges;
	size_t r = leaf(c, (uint64_t)c->piece[i].last + 1) + c->n_edges;

	for (; l < r; l >>= 1, r >>= 1) {
		size_t node[2], n = 0;

		if (l & 1)
			node[n++] = l++;
		if (r & 1)
			node[n++] = --r;
		while (n--) {
			if (file)
				c->item[c->start[node[n]]] = (uint32_t)i;
			c->start[node[n]]++;
		}
	}
}

struct cover *cover_new(const struct builds *const *sets, size_t n)
{
	struct cover *c = xcalloc(1, sizeof(*c));
	size_t nodes, sum = 0;

	collect(c, sets, n);
	nodes = 2 * c->n_edges;
	c->start = xcalloc(nodes + 1, sizeof(*c->start));
	for (size_t i = 0; i < c->n; i++)
		place(c, i, false);
	for (size_t i = 0; i <= nodes; i++) {
		size_t count = c->start[i];

		c->start[i] = sum;
		sum += count;
	}
	c->item = xcalloc(sum, sizeof(*c->item));
	for (size_t i = 0; i < c->n; i++)
		place(c, i, true);
	/* Filing has moved every start to its list's end, which is where the next one starts. */
	memmove(c->start + 1, c->start, nodes * sizeof(*c->start));
	c->start[0] = 0;
	return c;
}

void cover_free(struct cover *c)
{
	if (!c)
		return;
	free(c->piece);
	free(c->edge);
	free(c->start);
	free(c->item);
	free(c);
}

bool cover_find(const struct cover *c, uint32_t build, size_t *ret)
{
	size_t best = SIZE_MAX, at = leaf(c, build);

	if (at == c->n_edges)
		return false;
	for (size_t node = at + c->n_edges; node; node >>= 1) {
		for (size_t k = c->start[node]; k < c->start[node + 1]; k++) {
			const struct piece *p = &c->piece[c->item[k]];

			if (p->set >= best)
				break;
			if ((build - p->first) % p->stride == 0) {
				best = p->set;
				break;
			}
		}
	}
	if (best == SIZE_MAX)
		return false;
	*ret = best;
	return true;
}
