/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sets of builds as disjoint pieces: plain ranges, sorted and merged, and beside them the
 * progressions with a stride above 1. Whatever comes in is put in order by normalize(), which
 * counts its work, so that sets made to shatter each other end in a refusal and not in minutes.
 * Texts are read in builds-parse.c.
 */
#include "registry/builds.h"

#include <inttypes.h>
#include <string.h>

#define WORK_MAX (1u << 23)
#define TEXT_STEPS 65536

struct builds {
	struct builds_piece *range; /* stride 1, ascending, at least one number apart */
	size_t n_range;
	struct builds_piece *strided; /* two builds or more each, ascending by first */
	size_t n_strided;
	uint32_t *reach; /* greatest last of strided[0..i]: tells where to stop looking back */
	struct builds_piece *piece; /* both, ascending by first; range itself when that is all */
	uint64_t count;
};

/* Pieces being collected, and the work that they cost so far. */
struct bag {
	struct builds_piece *piece;
	size_t n, cap;
	uint64_t *work;
};

static void bag_free(struct bag *b)
{
	free(b->piece);
}
#define BAG __attribute__((__cleanup__(bag_free))) struct bag

static bool exhausted(const struct bag *b)
{
	return *b->work > WORK_MAX;
}

static void put(struct bag *b, uint64_t first, uint64_t last, uint64_t stride)
{
	++*b->work;
	if (exhausted(b))
		return;
	GROW(b->piece, b->n, b->cap);
	b->piece[b->n++] = (struct builds_piece){
		.first = (uint32_t)first,
		.last = (uint32_t)last,
		.stride = first == last ? 1 : (uint32_t)stride,
	};
}

static uint32_t last_not_above(const struct builds_piece *p, uint32_t limit)
{
	return limit - (limit - p->first) % p->stride;
}

/* The smallest member of P that is not below LIMIT; above P->last when there is none. */
static uint64_t first_not_below(const struct builds_piece *p, uint32_t limit)
{
	if (limit <= p->first)
		return p->first;
	return (uint64_t)p->first +
	       ((uint64_t)limit - p->first + p->stride - 1) / p->stride * p->stride;
}

/* The inverse of A modulo M, both without a common divisor, M >= 1. */
static uint64_t inverse(uint64_t a, uint64_t m)
{
	int64_t r0 = (int64_t)m, r1 = (int64_t)(a % m), t0 = 0, t1 = 1;

	while (r1) {
		int64_t q = r0 / r1, t;

		t = r0 - q * r1;
		r0 = r1;
		r1 = t;
		t = t0 - q * t1;
		t0 = t1;
		t1 = t;
	}
	return (uint64_t)(t0 < 0 ? t0 + (int64_t)m : t0) % m;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t t = a % b;

		a = b;
		b = t;
	}
	return a;
}

/* What A and B have in common: one progression, whose stride may need more than 32 bits. */
struct common {
	uint64_t first, last, stride;
};

static bool intersect(const struct builds_piece *a, const struct builds_piece *b,
		      struct common *ret)
{
	uint64_t g = gcd(a->stride, b->stride), m = b->stride / g, lo, hi, t;
	int64_t diff = (int64_t)b->first - a->first;

	lo = a->first > b->first ? a->first : b->first;
	hi = a->last < b->last ? a->last : b->last;
	if (lo > hi || diff % (int64_t)g)
		return false;
	diff = diff / (int64_t)g % (int64_t)m;
	t = (uint64_t)(diff < 0 ? diff + (int64_t)m : diff) * inverse(a->stride / g, m) % m;
	ret->stride = a->stride * m;
	ret->first = a->first + a->stride * t;
	if (ret->first < lo)
		ret->first += (lo - ret->first + ret->stride - 1) / ret->stride * ret->stride;
	if (ret->first > hi)
		return false;
	ret->last = hi - (hi - ret->first) % ret->stride;
	return true;
}

/* A without what it has in common with another piece, as few pieces as that takes. */
static void put_without(struct bag *out, const struct builds_piece *a, const struct common *c)
{
	uint64_t holes = (c->last - c->first) / c->stride, classes = c->stride / a->stride - 1;

	if (c->first > a->first)
		put(out, a->first, c->first - a->stride, a->stride);
	if (classes && holes <= classes)
		for (uint64_t i = 0; i < holes && !exhausted(out); i++)
			put(out, c->first + i * c->stride + a->stride,
			    c->first + (i + 1) * c->stride - a->stride, a->stride);
	else
		for (uint64_t i = 1; i <= classes && !exhausted(out); i++)
			put(out, c->first + i * a->stride, c->last - c->stride + i * a->stride,
			    c->stride);
	if (c->last < a->last)
		put(out, c->last + a->stride, a->last, a->stride);
}

/* The first of N ascending ranges that does not end below BUILD. */
static size_t find_range(const struct builds_piece *range, size_t n, uint32_t build)
{
	size_t lo = 0;

	while (n > lo) {
		size_t mid = lo + (n - lo) / 2;

		if (range[mid].last < build)
			lo = mid + 1;
		else
			n = mid;
	}
	return lo;
}

/* P without N ascending disjoint ranges. */
static void put_without_ranges(struct bag *out, struct builds_piece p,
			       const struct builds_piece *range, size_t n)
{
	for (size_t i = find_range(range, n, p.first); i < n && range[i].first <= p.last; i++) {
		uint64_t inside = first_not_below(&p, range[i].first), next;

		++*out->work;
		if (inside > range[i].last)
			continue;
		if (inside > p.first)
			put(out, p.first, inside - p.stride, p.stride);
		if (range[i].last >= p.last)
			return;
		next = first_not_below(&p, range[i].last + 1);
		if (next > p.last)
			return;
		p.first = (uint32_t)next;
	}
	put(out, p.first, p.last, p.stride);
}

/* P without N pieces of any stride. */
static void put_without_pieces(struct bag *out, const struct builds_piece *p,
			       const struct builds_piece *without, size_t n)
{
	BAG now = { .work = out->work };
	BAG next = { .work = out->work };

	put(&now, p->first, p->last, p->stride);
	for (size_t i = 0; i < n && now.n && !exhausted(out); i++) {
		bool changed = false;
		struct bag swap;

		++*out->work;
		if (without[i].first > p->last || without[i].last < p->first)
			continue;
		next.n = 0;
		for (size_t k = 0; k < now.n && !exhausted(out); k++) {
			struct common c;

			++*out->work;
			if (intersect(&now.piece[k], &without[i], &c)) {
				put_without(&next, &now.piece[k], &c);
				changed = true;
			} else {
				GROW(next.piece, next.n, next.cap);
				next.piece[next.n++] = now.piece[k];
			}
		}
		if (!changed)
			continue;
		swap = now;
		now = next;
		next = swap;
	}
	for (size_t k = 0; k < now.n; k++)
		put(out, now.piece[k].first, now.piece[k].last, now.piece[k].stride);
}

static int by_first(const void *va, const void *vb)
{
	const struct builds_piece *a = va, *b = vb;

	return a->first != b->first ? a->first < b->first ? -1 : 1
	       : a->last != b->last ? a->last < b->last ? -1 : 1
				    : 0;
}

static int by_class(const void *va, const void *vb)
{
	const struct builds_piece *a = va, *b = vb;

	if (a->stride != b->stride)
		return a->stride < b->stride ? -1 : 1;
	if (a->first % a->stride != b->first % b->stride)
		return a->first % a->stride < b->first % b->stride ? -1 : 1;
	return by_first(a, b);
}

static void sort(struct builds_piece *p, size_t n, int (*by)(const void *, const void *))
{
	if (n > 1)
		qsort(p, n, sizeof(*p), by);
}

/* Sorted by class: what overlaps or follows in step becomes one. */
static size_t merge(struct builds_piece *p, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct builds_piece *to = kept ? &p[kept - 1] : NULL;

		if (to && to->stride == p[i].stride &&
		    to->first % to->stride == p[i].first % to->stride &&
		    p[i].first <= (uint64_t)to->last + to->stride) {
			if (p[i].last > to->last)
				to->last = p[i].last;
		} else {
			p[kept++] = p[i];
		}
	}
	return kept;
}

/* The pieces of BAG that are ranges or single builds go to RANGES, the others stay. */
static void part(struct bag *bag, struct bag *ranges)
{
	size_t kept = 0;

	for (size_t i = 0; i < bag->n; i++) {
		struct builds_piece p = bag->piece[i];

		if (p.stride > 1 && p.first != p.last) {
			bag->piece[kept++] = p;
			continue;
		}
		GROW(ranges->piece, ranges->n, ranges->cap);
		ranges->piece[ranges->n++] = (struct builds_piece){ p.first, p.last, 1 };
	}
	bag->n = kept;
	sort(ranges->piece, ranges->n, by_first);
	ranges->n = merge(ranges->piece, ranges->n);
}

/* Makes strided pieces, sorted by class, disjoint: greater strides give way to smaller ones. */
static void untangle(struct bag *bag)
{
	BAG out = { .work = bag->work };
	struct bag swap;
	size_t group = 0, begin = 0;

	if (!bag->n || bag->piece[0].stride == bag->piece[bag->n - 1].stride)
		return;
	for (size_t i = 0; i < bag->n && !exhausted(bag); i++) {
		if (bag->piece[i].stride != bag->piece[begin].stride)
			begin = i;
		if (begin == i)
			group = out.n;
		/* Reads the pieces of OUT before it adds to them. */
		put_without_pieces(&out, &bag->piece[i], out.piece, group);
	}
	swap = *bag;
	*bag = out;
	out = swap;
}

/*
 * At most so many strided pieces are looked at for one build: those that begin before it and, as
 * far as reach tells, may still hold it.
 */
static bool too_deep(const struct bag *strided)
{
	CLEANUP(free) uint32_t *reaches = xcalloc(strided->n + 1, sizeof(*reaches));
	uint32_t reach = 0;
	size_t back = 0;

	for (size_t i = 0; i < strided->n; i++) {
		const struct builds_piece *p = &strided->piece[i];

		while (back < i && reaches[back] < p->first)
			back++;
		if (i - back > BUILDS_EXPAND_MAX)
			return true;
		reach = p->last > reach ? p->last : reach;
		reaches[i] = reach;
	}
	return false;
}

/* A set keeps what it needs and no more: a long list holds a hundred thousand of them. */
static struct builds_piece *take_pieces(struct bag *b)
{
	if (b->n)
		b->piece = xreallocarray(b->piece, b->n, sizeof(*b->piece));
	return TAKE(b->piece);
}

static struct builds *finish(struct bag *strided, struct bag *ranges)
{
	struct builds *b = xcalloc(1, sizeof(*b));
	size_t k = 0;

	b->range = take_pieces(ranges);
	b->n_range = ranges->n;
	b->strided = take_pieces(strided);
	b->n_strided = strided->n;
	b->piece = b->range;
	if (b->n_strided) {
		b->piece = xcalloc(b->n_range + b->n_strided, sizeof(*b->piece));
		b->reach = xcalloc(b->n_strided, sizeof(*b->reach));
	}
	for (size_t i = 0; i < b->n_strided; i++) {
		const struct builds_piece *s = &b->strided[i];

		for (; k < b->n_range && b->range[k].first < s->first; k++)
			b->piece[i + k] = b->range[k];
		b->piece[i + k] = *s;
		b->reach[i] = i && b->reach[i - 1] > s->last ? b->reach[i - 1] : s->last;
		b->count += (s->last - s->first) / s->stride + 1;
	}
	for (; b->n_strided && k < b->n_range; k++)
		b->piece[b->n_strided + k] = b->range[k];
	for (size_t i = 0; i < b->n_range; i++)
		b->count += (uint64_t)b->range[i].last - b->range[i].first + 1;
	return b;
}

/* Takes the pieces of BAG, whatever they are, and makes them a set. */
static int normalize(struct bag *bag, struct builds **ret, struct err *err)
{
	BAG ranges = { .work = bag->work };
	BAG clear = { .work = bag->work };

	sort(bag->piece, bag->n, by_class);
	bag->n = merge(bag->piece, bag->n);
	part(bag, &ranges);
	for (size_t i = 0; i < bag->n && !exhausted(bag); i++)
		put_without_ranges(&clear, bag->piece[i], ranges.piece, ranges.n);
	sort(clear.piece, clear.n, by_class);
	untangle(&clear);
	part(&clear, &ranges);
	sort(clear.piece, clear.n, by_first);
	if (exhausted(bag) || too_deep(&clear))
		return err_refuse(err, REFUSAL_BUDGET,
				  "these sets of builds shatter each other into too many pieces: "
				  "name fewer, or ranges of numbers");
	*ret = finish(&clear, &ranges);
	return 0;
}

int builds_make(const struct builds_piece *pieces, size_t n, struct builds **ret, struct err *err)
{
	uint64_t work = 0;
	BAG bag = { .work = &work };

	bag.piece = n ? xmemdup(pieces, n * sizeof(*pieces)) : NULL;
	bag.n = bag.cap = n;
	for (size_t i = 0; i < n; i++)
		bag.piece[i].last = last_not_above(&bag.piece[i], bag.piece[i].last);
	return normalize(&bag, ret, err);
}

struct builds *builds_empty(void)
{
	return xcalloc(1, sizeof(struct builds));
}

struct builds *builds_range(uint32_t first, uint32_t last)
{
	struct builds *b = builds_empty();

	b->piece = b->range = xcalloc(1, sizeof(*b->range));
	b->range[0] = (struct builds_piece){ first, last, 1 };
	b->n_range = 1;
	b->count = (uint64_t)last - first + 1;
	return b;
}

void builds_free(struct builds *b)
{
	if (!b)
		return;
	if (b->piece != b->range)
		free(b->piece);
	free(b->range);
	free(b->strided);
	free(b->reach);
	free(b);
}

int builds_union(const struct builds *const *sets, size_t n, struct builds **ret, struct err *err)
{
	uint64_t work = 0;
	BAG bag = { .work = &work };

	for (size_t i = 0; i < n; i++)
		bag.cap += sets[i]->n_range + sets[i]->n_strided;
	bag.piece = xcalloc(bag.cap ? bag.cap : 1, sizeof(*bag.piece));
	for (size_t i = 0; i < n; i++) {
		size_t more = sets[i]->n_range + sets[i]->n_strided;

		if (more)
			memcpy(bag.piece + bag.n, sets[i]->piece, more * sizeof(*bag.piece));
		bag.n += more;
	}
	return normalize(&bag, ret, err);
}

int builds_subtract(const struct builds *a, const struct builds *b, struct builds **ret,
		    struct err *err)
{
	uint64_t work = 0;
	BAG out = { .work = &work };
	BAG rest = { .work = &work };

	for (size_t i = 0; i < a->n_range + a->n_strided && !exhausted(&out); i++)
		put_without_ranges(&rest, a->piece[i], b->range, b->n_range);
	for (size_t i = 0; i < rest.n && !exhausted(&out); i++)
		put_without_pieces(&out, &rest.piece[i], b->strided, b->n_strided);
	return normalize(&out, ret, err);
}

static void put_common(struct bag *out, const struct builds_piece *a, const struct builds_piece *b)
{
	struct common c;

	++*out->work;
	if (intersect(a, b, &c))
		put(out, c.first, c.last, c.stride);
}

int builds_intersect(const struct builds *a, const struct builds *b, struct builds **ret,
		     struct err *err)
{
	uint64_t work = 0;
	BAG out = { .work = &work };

	for (size_t i = 0; i < a->n_range + a->n_strided && !exhausted(&out); i++) {
		const struct builds_piece *p = &a->piece[i];

		for (size_t k = find_range(b->range, b->n_range, p->first);
		     k < b->n_range && b->range[k].first <= p->last && !exhausted(&out); k++)
			put_common(&out, p, &b->range[k]);
	}
	for (size_t i = 0; i < b->n_strided && !exhausted(&out); i++) {
		const struct builds_piece *p = &b->strided[i];

		for (size_t k = find_range(a->range, a->n_range, p->first);
		     k < a->n_range && a->range[k].first <= p->last && !exhausted(&out); k++)
			put_common(&out, p, &a->range[k]);
		for (size_t k = 0; k < a->n_strided && !exhausted(&out); k++)
			put_common(&out, p, &a->strided[k]);
	}
	return normalize(&out, ret, err);
}

struct builds *builds_hull(const struct builds *b)
{
	uint64_t work = 0;
	BAG bag = { .work = &work };
	BAG none = { .work = &work };

	bag.n = bag.cap = b->n_range + b->n_strided;
	bag.piece = bag.n ? xmemdup(b->piece, bag.n * sizeof(*bag.piece)) : NULL;
	for (size_t i = 0; i < bag.n; i++)
		bag.piece[i].stride = 1;
	bag.n = merge(bag.piece, bag.n);
	return finish(&none, &bag);
}

/* How many strided pieces begin at or below BUILD. */
static size_t strided_upto(const struct builds *b, uint32_t build)
{
	size_t lo = 0, hi = b->n_strided;

	while (hi > lo) {
		size_t mid = lo + (hi - lo) / 2;

		if (b->strided[mid].first <= build)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool builds_next(const struct builds *b, uint32_t *build)
{
	size_t r = find_range(b->range, b->n_range, *build), s = strided_upto(b, *build);
	uint64_t best = UINT64_MAX;

	if (r < b->n_range)
		best = b->range[r].first > *build ? b->range[r].first : *build;
	if (s < b->n_strided && b->strided[s].first < best)
		best = b->strided[s].first;
	for (; s-- > 0 && b->reach[s] >= *build;) {
		const struct builds_piece *p = &b->strided[s];
		uint64_t next = first_not_below(p, *build);

		if (next <= p->last && next < best)
			best = next;
	}
	if (best > UINT32_MAX)
		return false;
	*build = (uint32_t)best;
	return true;
}

bool builds_contains(const struct builds *b, uint32_t build)
{
	size_t r = find_range(b->range, b->n_range, build);

	if (r < b->n_range && b->range[r].first <= build)
		return true;
	for (size_t s = strided_upto(b, build); s-- > 0 && b->reach[s] >= build;) {
		const struct builds_piece *p = &b->strided[s];

		if (build <= p->last && last_not_above(p, build) == build)
			return true;
	}
	return false;
}

uint64_t builds_count(const struct builds *b)
{
	return b->count;
}

size_t builds_pieces(const struct builds *b, const struct builds_piece **ret)
{
	*ret = b->piece;
	return b->n_range + b->n_strided;
}

int builds_charge(const struct builds *b, size_t *total, struct err *err)
{
	*total += b->n_range + b->n_strided;
	if (*total <= BUILDS_TOTAL_MAX)
		return 0;
	return err_refuse(
		err, REFUSAL_BUDGET,
		"the entries together fall into more than %u separate pieces: name ranges "
		"of numbers, or fewer versions",
		BUILDS_TOTAL_MAX);
}

/* The last of the consecutive members that begin at FIRST. */
static uint32_t run_end(const struct builds *b, uint32_t first, size_t *steps)
{
	uint32_t last = first;

	for (;;) {
		size_t r = find_range(b->range, b->n_range, last);

		if (r < b->n_range && b->range[r].first <= last)
			last = b->range[r].last;
		if (last == UINT32_MAX || !*steps || !builds_contains(b, last + 1))
			return last;
		last++;
		--*steps;
	}
}

char *builds_text(const struct builds *b, size_t max_parts)
{
	size_t steps = TEXT_STEPS, n = 0, size;
	uint32_t at = 0;
	char *text;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	while (builds_next(b, &at)) {
		uint32_t last;

		if (n == max_parts || !steps) {
			fprintf(f, "%s...", n ? "," : "");
			break;
		}
		last = run_end(b, at, &steps);
		fprintf(f, last > at ? "%s%" PRIu32 "..%" PRIu32 : "%s%" PRIu32, n ? "," : "", at,
			last);
		n++;
		if (last == UINT32_MAX)
			break;
		at = last + 1;
	}
	if (fclose(f) != 0)
		abort();
	return text;
}
