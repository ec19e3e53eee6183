/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Puts the published blacklist in order and writes it as an image. What is written is opened once
 * with the reader before it is handed out: no image leaves that a reader would refuse.
 */
#include "device/snapshot-write.h"

#include <inttypes.h>
#include <string.h>

#include "device/snapshot.h"

struct image {
	unsigned char *p;
	uint64_t n, cap;
	uint64_t last; /* offset of the last capability, 0 before the first */
};

static void room(struct image *m, uint64_t n)
{
	if (m->cap - m->n >= n)
		return;
	m->cap = (m->n + n) * 2;
	m->p = xreallocarray(m->p, m->cap, 1);
}

static void put(struct image *m, uint64_t value, unsigned bytes)
{
	room(m, bytes);
	for (unsigned i = 0; i < bytes; i++)
		m->p[m->n++] = (unsigned char)(value >> 8 * i);
}

static void set32(struct image *m, uint64_t at, uint64_t value)
{
	for (unsigned i = 0; i < 4; i++)
		m->p[at + i] = (unsigned char)(value >> 8 * i);
}

static void begin(struct image *m, enum snapshot_id id)
{
	while (m->n % 8)
		put(m, 0, 1);
	set32(m, m->last ? m->last + 4 : 12, m->n);
	m->last = m->n;
	put(m, id, 2);
	put(m, 1, 2);
	put(m, 0, 4);
}

static void begin_array(struct image *m, enum snapshot_id id, size_t n)
{
	begin(m, id);
	put(m, n, 4);
	put(m, 0, 4);
}

static void put_text(struct image *m, const char *text)
{
	size_t n = strlen(text);

	room(m, n);
	memcpy(m->p + m->n, text, n);
	m->n += n;
}

static int by_number(const void *va, const void *vb)
{
	const struct snapshot_source_product *a = va, *b = vb;

	return (a->number > b->number) - (a->number < b->number);
}

static int by_build(const void *va, const void *vb)
{
	const struct snapshot_source_build *a = va, *b = vb;

	if (a->product != b->product)
		return a->product < b->product ? -1 : 1;
	return (a->build > b->build) - (a->build < b->build);
}

static int by_first(const void *va, const void *vb)
{
	const struct snapshot_source_range *a = va, *b = vb;

	if (a->product != b->product)
		return a->product < b->product ? -1 : 1;
	return (a->first > b->first) - (a->first < b->first);
}

static void sort(void *array, size_t n, size_t size, int (*by)(const void *, const void *))
{
	if (n > 1)
		qsort(array, n, size, by);
}

static bool listed(const struct snapshot_source *s, uint16_t number)
{
	struct snapshot_source_product key = { .number = number };

	return s->n_products && bsearch(&key, s->product, s->n_products, sizeof(key), by_number);
}

static int check(const struct snapshot_source *s, struct err *err)
{
	for (size_t i = 0; i < s->n_products; i++) {
		const struct snapshot_source_product *p = &s->product[i];

		if (i && p->number == p[-1].number)
			return err_set(err, ERR_INVALID, "product %u is there twice", p->number);
		if (strlen(p->name) > UINT16_MAX || strlen(p->node) > UINT16_MAX)
			return err_set(err, ERR_INVALID, "the name of product %u is too long",
				       p->number);
	}
	for (size_t i = 0; i < s->n_builds; i++)
		if (!listed(s, s->build[i].product))
			return err_set(err, ERR_INVALID,
				       "build %" PRIu32 " is of product %u, which "
				       "is not listed",
				       s->build[i].build, s->build[i].product);
	for (size_t i = 0; i < s->n_ranges; i++) {
		const struct snapshot_source_range *r = &s->range[i];

		if (!listed(s, r->product))
			return err_set(err, ERR_INVALID,
				       "range %" PRIu32 "-%" PRIu32
				       " is of product %u, which is not listed",
				       r->first, r->last, r->product);
		if (r->first > r->last)
			return err_set(err, ERR_INVALID,
				       "range %" PRIu32 "-%" PRIu32 " is reversed", r->first,
				       r->last);
	}
	return 0;
}

/* Ranges that overlap or touch become one. */
static void merge_ranges(struct snapshot_source *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_ranges; i++) {
		struct snapshot_source_range r = s->range[i];
		struct snapshot_source_range *to = kept ? &s->range[kept - 1] : NULL;

		if (to && to->product == r.product && r.first <= (uint64_t)to->last + 1)
			to->last = r.last > to->last ? r.last : to->last;
		else
			s->range[kept++] = r;
	}
	s->n_ranges = kept;
}

/* Builds that are there once more or covered by a range go. */
static void thin_builds(struct snapshot_source *s)
{
	size_t kept = 0, k = 0;

	for (size_t i = 0; i < s->n_builds; i++) {
		struct snapshot_source_build b = s->build[i];

		while (k < s->n_ranges &&
		       (s->range[k].product < b.product ||
			(s->range[k].product == b.product && s->range[k].last < b.build)))
			k++;
		if (k < s->n_ranges && s->range[k].product == b.product &&
		    s->range[k].first <= b.build)
			continue;
		if (kept && by_build(&s->build[kept - 1], &b) == 0)
			continue;
		s->build[kept++] = b;
	}
	s->n_builds = kept;
}

static void put_products(struct image *m, const struct snapshot_source *s)
{
	uint64_t text;

	begin_array(m, SNAPSHOT_PRODUCTS, s->n_products);
	text = m->n + 16 * (uint64_t)s->n_products;
	for (size_t i = 0; i < s->n_products; i++) {
		const struct snapshot_source_product *p = &s->product[i];

		put(m, p->number, 2);
		put(m, strlen(p->name), 2);
		put(m, text, 4);
		text += strlen(p->name);
		put(m, strlen(p->node), 2);
		put(m, 0, 2);
		put(m, text, 4);
		text += strlen(p->node);
	}
	for (size_t i = 0; i < s->n_products; i++) {
		put_text(m, s->product[i].name);
		put_text(m, s->product[i].node);
	}
}

int snapshot_write(struct snapshot_source *s, unsigned char **ret, size_t *ret_n, struct err *err)
{
	struct image m = { 0 };
	struct snapshot opened;
	const char *bad;
	int r;

	sort(s->product, s->n_products, sizeof(*s->product), by_number);
	sort(s->build, s->n_builds, sizeof(*s->build), by_build);
	sort(s->range, s->n_ranges, sizeof(*s->range), by_first);
	r = check(s, err);
	if (r < 0)
		return r;
	merge_ranges(s);
	thin_builds(s);
	if (s->n_builds > UINT32_MAX / 8 || s->n_ranges > UINT32_MAX / 12)
		return err_refuse(err, REFUSAL_TOOBIG, "a snapshot of more than 4 GiB");
	put(&m, 0, 8);
	memcpy(m.p, SNAPSHOT_MAGIC, 8);
	put(&m, 0, 8);
	begin(&m, SNAPSHOT_GENERATION);
	put(&m, s->generation, 8);
	put(&m, (uint64_t)s->made, 8);
	put_products(&m, s);
	begin_array(&m, SNAPSHOT_BUILDS, s->n_builds);
	for (size_t i = 0; i < s->n_builds; i++) {
		put(&m, s->build[i].product, 4);
		put(&m, s->build[i].build, 4);
	}
	begin_array(&m, SNAPSHOT_RANGES, s->n_ranges);
	for (size_t i = 0; i < s->n_ranges; i++) {
		put(&m, s->range[i].product, 4);
		put(&m, s->range[i].first, 4);
		put(&m, s->range[i].last, 4);
	}
	if (m.n > UINT32_MAX) {
		free(m.p);
		return err_refuse(err, REFUSAL_TOOBIG, "a snapshot of more than 4 GiB");
	}
	set32(&m, 8, m.n);
	bad = snapshot_open(m.p, m.n, &opened);
	if (bad) {
		free(m.p);
		return err_set(err, ERR_INTERNAL, "the snapshot cannot be read back: %s", bad);
	}
	*ret = m.p;
	*ret_n = m.n;
	return 0;
}
