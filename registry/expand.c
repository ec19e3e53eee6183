/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Versions from A to B, in the order of the scan, are a few boxes: some leading fields fixed, one
 * field in an interval, all behind it free. A box of a sum is built up from the lightest field:
 * each field repeats what is there at its weight, which mostly is one longer progression again.
 */
#include "registry/expand.h"

#include <inttypes.h>
#include <string.h>

#define EACH_MAX 4096

struct job {
	const struct encoding *e;
	const struct encoding_field *field;
	size_t n;
	uint32_t stride; /* what single builds are counted as, so that neighbours join */
	struct expansion *x;
	size_t pieces, each; /* what this range has added so far, see add() and add_each() */
	struct err *err;
};

struct box {
	uint32_t from[ENCODING_FIELDS_MAX], to[ENCODING_FIELDS_MAX]; /* inclusive */
};

void expansion_free(struct expansion *x)
{
	if (x)
		free(x->piece);
	free(x);
}

static void put(struct job *j, uint64_t first, uint64_t last, uint64_t stride)
{
	struct expansion *x = j->x;

	GROW(x->piece, x->n, x->cap);
	x->piece[x->n++] = (struct builds_piece){
		.first = (uint32_t)first,
		.last = (uint32_t)last,
		.stride = (uint32_t)stride,
	};
}

static int too_many(struct job *j)
{
	return err_refuse(j->err, REFUSAL_BUDGET,
			  "the versions fall into too many separate pieces: name a narrower range, "
			  "or builds by number");
}

static int add(struct job *j, uint64_t first, uint64_t last, uint64_t stride)
{
	if (++j->pieces > BUILDS_EXPAND_MAX)
		return too_many(j);
	put(j, first, last, stride);
	return 0;
}

/* Indexes of the fields by rising weight. */
static void by_weight(struct job *j, size_t at[ENCODING_FIELDS_MAX])
{
	for (size_t i = 0; i < j->n; i++) {
		size_t k = i;

		for (; k && j->field[at[k - 1]].weight > j->field[i].weight; k--)
			at[k] = at[k - 1];
		at[k] = i;
	}
}

/* The pieces from BEGIN on, each repeated TIMES more at distances of WEIGHT. */
static int repeat(struct job *j, size_t begin, uint64_t weight, uint64_t times)
{
	struct expansion *x = j->x;
	size_t end = x->n;
	int r = 0;

	for (size_t i = begin; i < end && r == 0; i++) {
		struct builds_piece p = x->piece[i];
		uint64_t span = (uint64_t)p.last - p.first, stretch = times * weight;

		if (span == 0) {
			x->piece[i].last = (uint32_t)(p.first + stretch);
			x->piece[i].stride = (uint32_t)weight;
		} else if (weight % p.stride == 0 && weight <= span + p.stride) {
			x->piece[i].last = (uint32_t)(p.last + stretch);
		} else if (times <= span / p.stride) {
			for (uint64_t t = 1; t <= times && r == 0; t++)
				r = add(j, p.first + t * weight, p.last + t * weight, p.stride);
		} else {
			x->piece[i].last = (uint32_t)(p.first + stretch);
			x->piece[i].stride = (uint32_t)weight;
			for (uint64_t t = p.stride; t <= span && r == 0; t += p.stride)
				r = add(j, p.first + t, p.first + t + stretch, weight);
		}
	}
	return r;
}

static int add_sum(struct job *j, const struct box *b)
{
	size_t begin = j->x->n, at[ENCODING_FIELDS_MAX];
	uint64_t base = encoding_eval(j->e, b->from);
	int r = add(j, base, base, j->stride);

	by_weight(j, at);
	for (size_t k = 0; k < j->n && r == 0; k++) {
		uint64_t times = (uint64_t)b->to[at[k]] - b->from[at[k]];

		if (times)
			r = repeat(j, begin, j->field[at[k]].weight, times);
	}
	return r;
}

/* True when no two terms can set the same bit in this box, so that '|' is a sum. */
static bool is_sum(struct job *j, const struct box *b)
{
	uint32_t seen = encoding_base(j->e);

	if (!encoding_is_or(j->e))
		return true;
	for (size_t i = 0; i < j->n; i++) {
		uint32_t bits = b->to[i];

		if (b->from[i] != b->to[i])
			bits = UINT32_MAX >> __builtin_clz(bits);
		bits *= j->field[i].weight;
		if (seen & bits)
			return false;
		seen |= bits;
	}
	return true;
}

/* Bits in common: version by version, of which many may have the same build. */
static int add_each(struct job *j, const struct box *b)
{
	struct box now = *b;
	size_t i;

	do {
		uint32_t build = encoding_eval(j->e, now.from);

		if (++j->each > EACH_MAX)
			return too_many(j);
		put(j, build, build, j->stride);
		for (i = j->n; i-- > 0;) {
			if (now.from[i] < b->to[i]) {
				now.from[i]++;
				break;
			}
			now.from[i] = b->from[i];
		}
	} while (i != SIZE_MAX);
	return 0;
}

/* Applies the policies to B and adds what is left of it. */
static int add_box(struct job *j, struct box b)
{
	unsigned stopped = 0;
	bool empty = false;

	for (size_t i = 0; i < j->n; i++) {
		const struct encoding_field *f = &j->field[i];

		if (f->policy == POLICY_CLAMP) {
			b.from[i] = b.from[i] < f->max ? b.from[i] : f->max;
			b.to[i] = b.to[i] < f->max ? b.to[i] : f->max;
		} else if (b.to[i] > f->nominal) {
			stopped |= 1u << i;
			b.to[i] = f->nominal;
			empty = empty || b.from[i] > f->nominal;
		}
	}
	j->x->stopped |= stopped;
	if (empty)
		return 0;
	return is_sum(j, &b) ? add_sum(j, &b) : add_each(j, &b);
}

/* The box that has FIXED up to field I, FROM to TO there, and everything behind. */
static int add_slice(struct job *j, const uint32_t *fixed, size_t i, uint64_t from, uint64_t to)
{
	struct box b = { { 0 }, { 0 } };

	if (from > to)
		return 0;
	for (size_t k = 0; k < j->n; k++) {
		b.from[k] = k < i ? fixed[k] : k == i ? (uint32_t)from : 0;
		b.to[k] = k < i ? fixed[k] : k == i ? (uint32_t)to : j->field[k].max;
	}
	return add_box(j, b);
}

static bool all_least(struct job *j, const uint32_t *v, size_t i)
{
	for (; i < j->n; i++)
		if (v[i])
			return false;
	return true;
}

static bool all_greatest(struct job *j, const uint32_t *v, size_t i)
{
	for (; i < j->n; i++)
		if (v[i] < j->field[i].nominal)
			return false;
	return true;
}

int expand_versions(const struct encoding *e, const uint32_t first[static ENCODING_FIELDS_MAX],
		    const uint32_t last[static ENCODING_FIELDS_MAX], struct expansion *x,
		    struct err *err)
{
	struct job j = { .e = e, .x = x, .err = err };
	size_t split = 0;
	bool whole = true;
	int r;

	j.n = encoding_fields(e, &j.field);
	j.stride = UINT32_MAX;
	for (size_t i = 0; i < j.n; i++)
		if (j.field[i].max && j.field[i].weight < j.stride)
			j.stride = j.field[i].weight;
	while (split < j.n && first[split] == last[split])
		split++;
	if (split == j.n) {
		struct box b = { { 0 }, { 0 } };

		memcpy(b.from, first, sizeof(b.from));
		memcpy(b.to, last, sizeof(b.to));
		return add_box(&j, b);
	}
	r = add_slice(&j, first, split,
		      all_least(&j, first, split + 1) ? first[split] : first[split] + UINT64_C(1),
		      all_greatest(&j, last, split + 1) ? last[split] : last[split] - UINT64_C(1));
	/* From FIRST up to where its leading fields change, one field more at a time. */
	whole = all_least(&j, first, split + 1);
	for (size_t i = split + 1; i < j.n && !whole && r == 0; i++) {
		uint64_t top = j.field[i].policy == POLICY_CLAMP ? UINT32_MAX : j.field[i].max;

		whole = all_least(&j, first, i + 1);
		r = add_slice(&j, first, i, first[i] + UINT64_C(1) - whole, top);
	}
	/* And from where the leading fields become those of LAST up to it. */
	whole = all_greatest(&j, last, split + 1);
	for (size_t i = split + 1; i < j.n && !whole && r == 0; i++) {
		whole = all_greatest(&j, last, i + 1);
		if (whole || last[i])
			r = add_slice(&j, last, i, 0, whole ? last[i] : last[i] - UINT64_C(1));
	}
	return r;
}
