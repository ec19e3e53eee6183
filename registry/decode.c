/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What follows from a compiled encoding: its facts, and the version behind a build. Decoding
 * goes greedily by weight; whether there is no version or more than one is decided exactly, by a
 * search that is bounded in both kinds of encodings.
 */
#include "registry/encoding.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define SEARCH_STEPS 20000

/* The fields from the greatest weight down. */
struct ladder {
	const struct encoding *e;
	const struct encoding_field *field; /* in the order of the scan */
	size_t n;
	size_t at[ENCODING_FIELDS_MAX];	     /* indexes of field, by falling weight */
	uint32_t reach[ENCODING_FIELDS_MAX]; /* by rung: the bits that the field can set */
};

static uint32_t bits_up_to(uint32_t value)
{
	return value ? UINT32_MAX >> __builtin_clz(value) : 0;
}

static struct ladder ladder_of(const struct encoding *e)
{
	struct ladder l = { .e = e };

	l.n = encoding_fields(e, &l.field);
	for (size_t i = 0; i < l.n; i++) {
		size_t k = i;

		while (k && l.field[l.at[k - 1]].weight < l.field[i].weight) {
			l.at[k] = l.at[k - 1];
			k--;
		}
		l.at[k] = i;
	}
	for (size_t k = 0; k < l.n; k++) {
		const struct encoding_field *f = &l.field[l.at[k]];

		l.reach[k] = bits_up_to(f->max) * f->weight;
	}
	return l;
}

static const struct encoding_field *rung(const struct ladder *l, size_t k)
{
	return &l->field[l->at[k]];
}

static uint32_t limit_of(const struct encoding_field *f)
{
	return f->max * f->weight;
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t t = a % b;

		a = b;
		b = t;
	}
	return a;
}

/*
 * '|': can the fields together set exactly the bits of NEED, each by a value up to its maximum
 * and within ALLOWED (absolute bits, by rung)? From the highest bit down a field is tight while
 * it equals its maximum so far, and free to set any allowed bit after that. When several tight
 * fields have a bit, one of them is enough, and which one is tried in turn: each such choice
 * frees a field, so there are few. RET gets one way to do it.
 */
struct cover {
	const struct ladder *l;
	uint32_t allowed[ENCODING_FIELDS_MAX];
	uint32_t value[ENCODING_FIELDS_MAX]; /* absolute bits, by rung */
	bool tight[ENCODING_FIELDS_MAX];
};

static bool cover_from(struct cover *c, uint32_t need, int k)
{
	const struct ladder *l = c->l;

	for (; k >= 0; k--) {
		uint32_t bit = UINT32_C(1) << k;
		bool done = !(need & bit) || (encoding_base(l->e) & bit);
		size_t candidates = 0;

		for (size_t i = 0; i < l->n && !done; i++)
			if (!c->tight[i] && (c->allowed[i] & bit)) {
				c->value[i] |= bit;
				done = true;
			}
		for (size_t i = 0; i < l->n; i++) {
			if (!c->tight[i] || !(limit_of(rung(l, i)) & bit))
				continue;
			if (done || !(c->allowed[i] & bit))
				c->tight[i] = false;
			else
				candidates++;
		}
		if (done)
			continue;
		for (size_t i = 0; i < l->n && candidates; i++) {
			struct cover next = *c;

			if (!c->tight[i] || !(limit_of(rung(l, i)) & bit))
				continue;
			for (size_t j = 0; j < l->n; j++)
				if (j != i && (limit_of(rung(l, j)) & bit))
					next.tight[j] = false;
			next.value[i] |= bit;
			if (cover_from(&next, need, k - 1)) {
				*c = next;
				return true;
			}
		}
		return false;
	}
	return true;
}

static struct cover cover_start(const struct ladder *l, uint32_t within)
{
	struct cover c = { .l = l };

	for (size_t i = 0; i < l->n; i++) {
		c.allowed[i] = l->reach[i] & within;
		c.tight[i] = true;
	}
	return c;
}

static uint32_t or_largest(const struct ladder *l)
{
	uint32_t need = 0;

	for (int k = 31; k >= 0; k--) {
		struct cover c = cover_start(l, UINT32_MAX);

		if (cover_from(&c, need | UINT32_C(1) << k, 31))
			need |= UINT32_C(1) << k;
	}
	return need;
}

/* True when no two terms of an '|' can set the same bit: then it is a sum. */
static bool or_is_sum(const struct ladder *l)
{
	uint32_t seen = encoding_base(l->e);

	for (size_t k = 0; k < l->n; k++) {
		if (seen & l->reach[k])
			return false;
		seen |= l->reach[k];
	}
	return true;
}

struct encoding_facts encoding_facts(const struct encoding *e)
{
	struct encoding_facts f = { .ordered = true, .injective = true };
	struct ladder l = ladder_of(e);
	bool sums = !encoding_is_or(e) || or_is_sum(&l);
	uint64_t below = 0;

	f.least = f.largest = encoding_base(e);
	for (size_t i = l.n; i-- > 0;) { /* the order of versions, from its end */
		/* What is beyond a clamped maximum begins again at the least of the fields behind. */
		if (below && (l.field[i].policy == POLICY_CLAMP ||
			      (l.field[i].max && l.field[i].weight < below)))
			f.ordered = false;
		below += limit_of(&l.field[i]);
		f.injective = f.injective && l.field[i].policy != POLICY_CLAMP;
		if (l.field[i].max)
			f.stride = gcd(l.field[i].weight, f.stride);
	}
	f.largest = sums ? f.least + (uint32_t)below : or_largest(&l);
	f.constant = f.largest == f.least;
	below = 0;
	for (size_t k = l.n; k-- > 0;) { /* the order of weights, from the lightest */
		if (rung(&l, k)->max && rung(&l, k)->weight <= below)
			f.injective = false;
		below += limit_of(rung(&l, k));
	}
	f.ordered = f.ordered && sums;
	f.injective = f.injective && sums && l.n > 0;
	return f;
}

/* A version with the given values (by rung), as the scan spells it. */
static void spell(const struct ladder *l, const uint32_t value[ENCODING_FIELDS_MAX], char *text,
		  size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < l->n && at < size; i++) {
		const struct encoding_field *f = &l->field[i];
		char separator[2] = { f->separator, '\0' };
		int digits = 1, n;
		size_t k = 0;

		while (l->at[k] != i)
			k++;
		for (uint32_t m = f->max; f->hex && m > 15; m >>= 4)
			digits++;
		n = snprintf(text + at, size - at, f->hex ? "%s%0*" PRIx32 : "%s%0*" PRIu32,
			     separator, digits, value[k]);
		at += n > 0 ? (size_t)n : 0;
	}
}

/* '+': solutions of sum(value * weight) = rest, heaviest field first and from its greatest value. */
struct search {
	const struct ladder *l;
	uint64_t tail[ENCODING_FIELDS_MAX + 1]; /* what the rungs from here on reach together */
	uint32_t tail_gcd[ENCODING_FIELDS_MAX + 1];
	uint32_t value[ENCODING_FIELDS_MAX];
	uint32_t found[2][ENCODING_FIELDS_MAX];
	size_t n_found;
	unsigned steps;
};

static bool search_from(struct search *s, size_t k, uint64_t rest)
{
	const struct encoding_field *f;
	uint64_t v, least;

	if (k == s->l->n) {
		memcpy(s->found[s->n_found++], s->value, sizeof(s->value));
		return s->n_found == 2;
	}
	f = rung(s->l, k);
	v = rest / f->weight < f->max ? rest / f->weight : f->max;
	least = rest > s->tail[k + 1] ? (rest - s->tail[k + 1] + f->weight - 1) / f->weight : 0;
	for (;; v--) {
		uint64_t left = rest - v * f->weight;

		if (v < least || s->steps == 0)
			return false;
		s->steps--;
		s->value[k] = (uint32_t)v;
		if ((s->tail_gcd[k + 1] ? left % s->tail_gcd[k + 1] == 0 : left == 0) &&
		    search_from(s, k + 1, left))
			return true;
		if (v == 0)
			return false;
	}
}

static void add_why(struct encoding_version *ret, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add_why(struct encoding_version *ret, const char *fmt, ...)
{
	size_t n = strlen(ret->why);
	va_list ap;

	if (n)
		n += (size_t)snprintf(ret->why + n, sizeof(ret->why) - n, "; ");
	if (n >= sizeof(ret->why))
		return;
	va_start(ap, fmt);
	vsnprintf(ret->why + n, sizeof(ret->why) - n, fmt, ap);
	va_end(ap);
}

static void tell_clamped(const struct ladder *l, const uint32_t value[ENCODING_FIELDS_MAX],
			 struct encoding_version *ret)
{
	for (size_t k = 0; k < l->n; k++) {
		const struct encoding_field *f = rung(l, k);

		if (f->policy != POLICY_CLAMP || value[k] != f->max)
			continue;
		ret->ambiguous = true;
		add_why(ret, "'%s' is %" PRIu32 " or more", f->name, f->max);
	}
}

static void decode_sum(const struct ladder *l, uint32_t build, struct encoding_version *ret)
{
	uint32_t base = encoding_base(l->e);
	struct search s = { .l = l, .steps = SEARCH_STEPS };

	for (size_t k = l->n; k-- > 0;) {
		s.tail[k] = s.tail[k + 1] + limit_of(rung(l, k));
		s.tail_gcd[k] = rung(l, k)->max ? gcd(rung(l, k)->weight, s.tail_gcd[k + 1])
						: s.tail_gcd[k + 1];
	}
	if (build < base || build - base > s.tail[0]) {
		ret->impossible = true;
		add_why(ret, "builds go from %" PRIu32 " to %" PRIu64, base, base + s.tail[0]);
		return;
	}
	if (s.tail_gcd[0] > 1 && (build - base) % s.tail_gcd[0]) {
		ret->impossible = true;
		add_why(ret, "builds are multiples of %" PRIu32 "%s", s.tail_gcd[0],
			base ? " above the constant" : "");
		return;
	}
	search_from(&s, 0, build - base);
	if (!s.n_found) {
		ret->impossible = s.steps > 0;
		ret->ambiguous = !ret->impossible;
		add_why(ret, s.steps ? "no version has this build" : "too many versions to search");
		return;
	}
	spell(l, s.found[0], ret->text, sizeof(ret->text));
	if (s.n_found == 2) {
		char other[sizeof(ret->text)];

		spell(l, s.found[1], other, sizeof(other));
		ret->ambiguous = true;
		add_why(ret, "%s has the same build", other);
	}
	tell_clamped(l, s.found[0], ret);
}

/* The heaviest field takes every bit it can: the reading that people expect. */
static bool or_greedy(const struct ladder *l, uint32_t build, uint32_t value[ENCODING_FIELDS_MAX])
{
	uint32_t rest = build & ~encoding_base(l->e);

	for (size_t k = 0; k < l->n; k++) {
		value[k] = rest & l->reach[k];
		rest &= ~value[k];
		if (value[k] > limit_of(rung(l, k)))
			return false;
	}
	return rest == 0;
}

/* Another set of values with the same build, if there is one: drop a bit, or add one. */
static bool or_another(const struct ladder *l, uint32_t build,
		       const uint32_t value[ENCODING_FIELDS_MAX],
		       uint32_t other[ENCODING_FIELDS_MAX])
{
	/* The lightest fields first: they are the ones that spill. */
	for (size_t k = l->n; k-- > 0;)
		for (uint32_t bit = 1; bit; bit <<= 1) {
			struct cover c;

			if (!(bit & build & l->reach[k]))
				continue;
			if (!(value[k] & bit)) {
				if ((value[k] | bit) > limit_of(rung(l, k)))
					continue;
				memcpy(other, value, sizeof(c.value));
				other[k] |= bit;
				return true;
			}
			c = cover_start(l, build);
			c.allowed[k] &= ~bit;
			if (cover_from(&c, build, 31)) {
				memcpy(other, c.value, sizeof(c.value));
				return true;
			}
		}
	return false;
}

static void decode_or(const struct ladder *l, uint32_t build, struct encoding_version *ret)
{
	uint32_t value[ENCODING_FIELDS_MAX] = { 0 }, other[ENCODING_FIELDS_MAX] = { 0 };

	if (encoding_base(l->e) & ~build) {
		ret->impossible = true;
		add_why(ret, "the bits of %" PRIu32 " are always set", encoding_base(l->e));
		return;
	}
	if (!or_greedy(l, build, value)) {
		struct cover c = cover_start(l, build);

		if (!cover_from(&c, build, 31)) {
			ret->impossible = true;
			add_why(ret, "no version has this build");
			return;
		}
		memcpy(value, c.value, sizeof(value));
	}
	ret->ambiguous = or_another(l, build, value, other);
	for (size_t k = 0; k < l->n; k++) {
		value[k] /= rung(l, k)->weight;
		other[k] /= rung(l, k)->weight;
	}
	spell(l, value, ret->text, sizeof(ret->text));
	if (ret->ambiguous) {
		char text[sizeof(ret->text)];

		spell(l, other, text, sizeof(text));
		add_why(ret, "%s has the same build", text);
	}
	tell_clamped(l, value, ret);
}

void encoding_decode(const struct encoding *e, uint32_t build, struct encoding_version *ret)
{
	struct ladder l = ladder_of(e);

	*ret = (struct encoding_version){ 0 };
	if (!l.n) {
		ret->impossible = build != encoding_base(e);
		ret->ambiguous = !ret->impossible;
		add_why(ret,
			ret->impossible ? "the build is always %" PRIu32
					: "every version has the build %" PRIu32,
			encoding_base(e));
	} else if (encoding_is_or(e)) {
		decode_or(&l, build, ret);
	} else {
		decode_sum(&l, build, ret);
	}
}
