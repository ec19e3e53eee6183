/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rows of a manifest, sorted, each with its place in the document; and nothing twice.
 */
#include "sync/manifest-order.h"

#include <string.h>

/* A row's key and its place in the document. */
struct indexed {
	const char *text;
	uint32_t number;
	uint32_t at;
};

static int by_key(const void *a, const void *b)
{
	const struct indexed *x = a, *y = b;
	int c = x->text && y->text ? strcmp(x->text, y->text) : 0;

	if (c == 0)
		c = (x->number > y->number) - (x->number < y->number);
	return c ? c : (x->at > y->at) - (x->at < y->at);
}

/* Sorts X. */
static int check_unique(struct indexed *x, size_t n, const char *list, const char *name,
			struct err *err)
{
	qsort(x, n, sizeof(*x), by_key);
	for (size_t i = 1; i < n; i++) {
		if ((x[i].text && strcmp(x[i].text, x[i - 1].text) != 0) ||
		    x[i].number != x[i - 1].number)
			continue;
		return err_refuse(err, REFUSAL_SCHEMA,
				  "manifest %s[%u].%s: is the same as in %s[%u]", list, x[i].at,
				  name, list, x[i - 1].at);
	}
	return 0;
}

static uint32_t *places(const struct indexed *x, size_t n)
{
	uint32_t *at = xcalloc(n, sizeof(*at));

	for (size_t i = 0; i < n; i++)
		at[i] = x[i].at;
	return at;
}

static int order_encodings(struct manifest *m, struct err *err)
{
	size_t n = m->encodings->n;
	struct encoding_row *row = m->encodings->row;
	CLEANUP(free) struct encoding_row *copy = xmemdup(row, n * sizeof(*row));
	CLEANUP(free) struct indexed *x = xcalloc(n, sizeof(*x));
	int r;

	for (uint32_t i = 0; i < n; i++)
		x[i] = (struct indexed){ row[i].name, 0, i };
	r = check_unique(x, n, "encodings", "name", err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		row[i] = copy[x[i].at];
	m->encoding_at = places(x, n);
	return 0;
}

static int order_products(struct manifest *m, struct err *err)
{
	size_t n = m->products->n;
	struct product **row = m->products->product;
	CLEANUP(free) struct product **copy = xmemdup(row, n * sizeof(struct product *));
	CLEANUP(free) struct indexed *x = xcalloc(n, sizeof(*x));
	int r;

	for (uint32_t i = 0; i < n; i++)
		x[i] = (struct indexed){ row[i]->name, 0, i };
	r = check_unique(x, n, "products", "name", err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < n; i++)
		x[i] = (struct indexed){ NULL, row[i]->number, i };
	r = check_unique(x, n, "products", "number", err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		row[i] = copy[x[i].at];
	m->product_at = places(x, n);
	return 0;
}

static int order_entries(struct manifest *m, struct err *err)
{
	size_t n = m->entries->n;
	struct entry **row = m->entries->entry;
	CLEANUP(free) struct entry **copy = xmemdup(row, n * sizeof(struct entry *));
	CLEANUP(free) struct indexed *x = xcalloc(n, sizeof(*x));
	int r;

	for (uint32_t i = 0; i < n; i++)
		x[i] = (struct indexed){ row[i]->id, 0, i };
	r = check_unique(x, n, "entries", "id", err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		row[i] = copy[x[i].at];
	m->entry_at = places(x, n);
	return 0;
}

int manifest_order(struct manifest *m, struct err *err)
{
	int r = order_encodings(m, err);

	if (r == 0)
		r = order_products(m, err);
	return r < 0 ? r : order_entries(m, err);
}
