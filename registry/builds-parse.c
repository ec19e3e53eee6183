/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The BUILDS text of the command line and of manifests: which part is a number and which a
 * version, in which encoding, and what a reader should be told about it.
 */
#include "registry/expand.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

struct reader {
	const struct encoding_use *uses;
	size_t n_uses;
	size_t column; /* of the part being read, from 1 */
	struct builds_notes *notes;
	struct err *err;
};

/* One side of a range, or a BUILD: a number, or a version with its values. */
struct end {
	struct span text;
	size_t column;
	bool is_version;
	uint32_t number;
	uint32_t values[ENCODING_FIELDS_MAX];
	size_t given; /* fields before ".*", or SIZE_MAX */
};

static void note(struct builds_notes *notes, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds a sentence once; one that does not fit is left out. */
static void note(struct builds_notes *notes, const char *fmt, ...)
{
	char text[sizeof(notes->text)];
	size_t have = strlen(notes->text), more;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	more = strlen(text);
	if (strstr(notes->text, text) || have + 2 + more >= sizeof(notes->text))
		return;
	if (have) {
		memcpy(notes->text + have, "; ", 2);
		have += 2;
	}
	memcpy(notes->text + have, text, more + 1);
}

/* Every encoding once, with its users, for messages. The caller frees. */
static char *name_encodings(const struct reader *r)
{
	size_t size, n = 0;
	char *text;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	for (size_t i = 0; i < r->n_uses && ftell(f) < 600; i++) {
		const struct encoding_use *u = &r->uses[i];
		CLEANUP(free) char *user = escape_text(u->user ? u->user : "");

		fprintf(f, "%s%s", n++ ? ", " : "", encoding_name(u->encoding));
		if (*user)
			fprintf(f, " (%.120s)", user);
	}
	if (fclose(f) != 0)
		abort();
	return text;
}

static bool same_encoding(const struct encoding *a, const struct encoding *b)
{
	return a == b || strcmp(encoding_name(a), encoding_name(b)) == 0;
}

/*
 * Cuts "ENC:" off PART. RET gets the encoding that versions in it have: the named one, or the
 * only one that the product has, or NULL.
 */
static int read_prefix(const struct reader *r, struct span *part, const struct encoding **ret,
		       bool *ret_named)
{
	const struct encoding *only = r->n_uses ? r->uses[0].encoding : NULL;
	CLEANUP(free) char *names = NULL, *safe = NULL;
	struct span name, rest;

	*ret_named = false;
	for (size_t i = 0; i < r->n_uses; i++) {
		const char *n = encoding_name(r->uses[i].encoding);
		size_t len = strlen(n);

		if (!same_encoding(r->uses[i].encoding, r->uses[0].encoding))
			only = NULL;
		if (part->n > len && part->p[len] == ':' && memcmp(part->p, n, len) == 0) {
			*part = span_of(part->p + len + 1, part->n - len - 1);
			*ret = r->uses[i].encoding;
			*ret_named = true;
			return 0;
		}
	}
	*ret = only;
	if (!span_cut(*part, ":", &name, &rest))
		return 0;
	safe = escape_bytes(name.p, name.n > ENCODING_NAME_MAX ? ENCODING_NAME_MAX : name.n);
	names = name_encodings(r);
	return err_set(r->err, ERR_INVALID, "column %zu: the product has no encoding '%s'%s%s",
		       r->column, safe, *names ? "; it has " : "", names);
}

/* Digits, or 0x and anything: meant as a number, right or wrong. */
static bool looks_like_number(struct span s)
{
	if (s.n > 1 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x')
		return true;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

static int read_end(const struct reader *r, const struct encoding *e, bool named, struct end *end)
{
	end->given = SIZE_MAX;
	if (!end->text.n)
		return err_set(r->err, ERR_INVALID, "column %zu: expected a build or a version",
			       end->column);
	if (!named && looks_like_number(end->text)) {
		uint64_t v;

		if (!parse_number(end->text, UINT32_MAX, &v))
			return err_set(r->err, ERR_INVALID,
				       "column %zu: not a build number (0 to 4294967295, decimal "
				       "without leading zeros or 0x)",
				       end->column);
		end->number = (uint32_t)v;
		return 0;
	}
	if (!e) {
		CLEANUP(free) char *names = name_encodings(r);

		if (!r->n_uses)
			return err_set(r->err, ERR_INVALID,
				       "column %zu: not a number, and the product has no encoding "
				       "for versions",
				       end->column);
		return err_set(
			r->err, ERR_INVALID,
			"column %zu: the product has several encodings, put one and ':' before "
			"the version: %s",
			end->column, names);
	}
	end->is_version = true;
	return encoding_read(e, end->text, end->column, end->values, &end->given, r->err);
}

static bool is_constant(const struct encoding *e)
{
	const struct encoding_field *f;
	size_t n = encoding_fields(e, &f);

	for (size_t i = 0; i < n; i++)
		if (f[i].max)
			return false;
	return true;
}

/* Are the builds that a version stands for within what the product uses E for? */
static int check_use(const struct reader *r, const struct encoding *e, uint32_t first,
		     uint32_t last)
{
	CLEANUP(free) char *user = NULL;
	const struct encoding_use *other = NULL;
	uint64_t at = first;
	size_t i;

	do {
		for (i = 0; i < r->n_uses; i++) {
			const struct encoding_use *u = &r->uses[i];

			if (same_encoding(u->encoding, e) && u->from <= at && at <= u->to)
				break;
			if (u->from <= at && at <= u->to)
				other = u;
		}
		if (i == r->n_uses) {
			user = escape_text(other && other->user ? other->user : "");
			return err_set(r->err, ERR_INVALID,
				       "column %zu: build %" PRIu64
				       " is outside of what the product "
				       "uses %s for%s%s%s%.120s%s",
				       r->column, at, encoding_name(e),
				       other ? "; such builds are in " : "",
				       other ? encoding_name(other->encoding) : "",
				       *user ? " (" : "", user, *user ? ")" : "");
		}
		at = (uint64_t)r->uses[i].to + 1;
	} while (at <= last);
	return 0;
}

/* A version as its scan spells it, for notes. */
static const char *cut(struct span s, char buf[static 48])
{
	snprintf(buf, 48, "%.*s", (int)(s.n > 47 ? 47 : s.n), s.p);
	return buf;
}

/* Tells when BUILD is not this version's alone. */
static void note_version(const struct reader *r, const struct encoding *e, const struct end *end,
			 uint32_t build)
{
	uint32_t values[ENCODING_FIELDS_MAX];
	const struct encoding_field *f;
	size_t n = encoding_fields(e, &f);
	struct encoding_version v;
	bool spills = false;
	struct err ignored;
	char buf[48];

	encoding_decode(e, build, &v);
	if (!v.ambiguous || encoding_read(e, span_str(v.text), 1, values, NULL, &ignored) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		spills = spills || f[i].policy == POLICY_SPILL;
	if (memcmp(values, end->values, n * sizeof(*values)) != 0)
		note(r->notes, "%s has the same build as %s: %" PRIu32, cut(end->text, buf), v.text,
		     build);
	else if (!spills)
		note(r->notes, "build %" PRIu32 " is not %s alone: %s", build, cut(end->text, buf),
		     v.why);
}

static void note_range(const struct reader *r, const struct encoding *e, const struct end *end,
		       unsigned stopped)
{
	const struct encoding_field *f;
	size_t n = encoding_fields(e, &f);
	char buf[48];

	for (size_t i = 0; i < n; i++) {
		if (stopped & 1u << i)
			note(r->notes,
			     "in a range of versions '%s' of %s stops at %" PRIu32
			     ", greater values share builds with other versions: name such versions "
			     "one by one",
			     f[i].name, encoding_name(e), f[i].nominal);
		if (f[i].policy == POLICY_CLAMP && end->values[i] > f[i].max &&
		    end->given == SIZE_MAX)
			note(r->notes, "%s counts as '%s' %" PRIu32, cut(end->text, buf), f[i].name,
			     f[i].max);
	}
}

static int add_piece(struct expansion *x, uint32_t first, uint32_t last)
{
	GROW(x->piece, x->n, x->cap);
	x->piece[x->n++] = (struct builds_piece){ first, last, 1 };
	return 0;
}

static int add_version(const struct reader *r, const struct encoding *e, const struct end *end,
		       struct expansion *x)
{
	uint32_t build = encoding_eval(e, end->values);
	int ret;

	r->notes->versions = true;
	ret = check_use(r, e, build, build);
	if (ret < 0)
		return ret;
	if (is_constant(e)) {
		r->notes->whole_family = true;
		note(r->notes, "every version has the build %" PRIu32 " in %s", build,
		     encoding_name(e));
	} else {
		note_version(r, e, end, build);
	}
	return add_piece(x, build, build);
}

static int add_versions(const struct reader *r, const struct encoding *e, const struct end *a,
			const struct end *b, struct expansion *x)
{
	const struct encoding_field *f;
	size_t n = encoding_fields(e, &f), begin = x->n;
	int ret;

	for (size_t i = 0; i < n; i++) {
		if (a->values[i] < b->values[i])
			break;
		if (a->values[i] > b->values[i])
			return err_set(r->err, ERR_INVALID,
				       "column %zu: the range is reversed: its first version is "
				       "later than its last",
				       r->column);
	}
	if (is_constant(e) || memcmp(a->values, b->values, sizeof(a->values)) == 0)
		return add_version(r, e, a, x);
	r->notes->versions = true;
	x->stopped = 0;
	ret = expand_versions(e, a->values, b->values, x, r->err);
	if (ret < 0)
		return err_wrap(r->err, "column %zu", r->column);
	if (x->n == begin)
		return err_set(
			r->err, ERR_INVALID,
			"column %zu: the whole range is beyond the nominal width of a field: "
			"name these versions one by one, or their builds",
			r->column);
	note_range(r, e, a, x->stopped);
	note_range(r, e, b, x->stopped);
	for (size_t i = begin; i < x->n; i++) {
		ret = check_use(r, e, x->piece[i].first, x->piece[i].last);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* "VERSION.*": everything behind the fields that are given. */
static int add_star(const struct reader *r, const struct encoding *e, struct end *a,
		    struct expansion *x)
{
	struct end b = *a;
	const struct encoding_field *f;
	size_t n = encoding_fields(e, &f);

	for (size_t i = a->given; i < n; i++)
		b.values[i] = f[i].max;
	return add_versions(r, e, a, &b, x);
}

static int add_range(const struct reader *r, const struct encoding *e, const struct end *a,
		     const struct end *b, struct expansion *x)
{
	if (a->given != SIZE_MAX || b->given != SIZE_MAX)
		return err_set(r->err, ERR_INVALID, "column %zu: '*' cannot be an end of a range",
			       a->given != SIZE_MAX ? a->column : b->column);
	if (a->is_version != b->is_version)
		return err_set(
			r->err, ERR_INVALID,
			"column %zu: one end of the range is a number and the other a version",
			r->column);
	if (a->is_version)
		return add_versions(r, e, a, b, x);
	if (a->number > b->number)
		return err_set(r->err, ERR_INVALID,
			       "column %zu: the range is reversed: %" PRIu32
			       " is greater than %" PRIu32,
			       r->column, a->number, b->number);
	return add_piece(x, a->number, b->number);
}

/* Blanks and other bytes that no part can have get a message of their own. */
static int check_bytes(const struct reader *r, struct span part)
{
	for (size_t i = 0; i < part.n; i++)
		if (part.p[i] <= ' ' || part.p[i] > '~')
			return err_set(r->err, ERR_INVALID, "column %zu: unexpected byte 0x%02x",
				       r->column + i, (unsigned)(unsigned char)part.p[i]);
	return 0;
}

static int read_part(const struct reader *r, struct span part, struct expansion *x)
{
	struct end a = { .text = part }, b = { .text = part };
	const struct encoding *e = NULL;
	const char *begin = part.p;
	bool named, range;
	int ret;

	if (span_eq(part, "all")) {
		r->notes->whole_family = true;
		return add_piece(x, 0, UINT32_MAX);
	}
	ret = check_bytes(r, part);
	if (ret == 0)
		ret = read_prefix(r, &part, &e, &named);
	if (ret < 0)
		return ret;
	a.text = part;
	range = span_cut(part, "..", &a.text, &b.text);
	a.column = r->column + (size_t)(a.text.p - begin);
	ret = read_end(r, e, named, &a);
	if (ret < 0)
		return ret;
	if (range) {
		b.column = r->column + (size_t)(b.text.p - begin);
		ret = read_end(r, e, named, &b);
		return ret < 0 ? ret : add_range(r, e, &a, &b, x);
	}
	if (a.given != SIZE_MAX)
		return add_star(r, e, &a, x);
	return a.is_version ? add_version(r, e, &a, x) : add_piece(x, a.number, a.number);
}

/*
 * A set of numbers is a whole family too: when it holds the one build that stands for every version
 * of a constant encoding, or every build there is.
 */
static void note_family(const struct reader *r, const struct builds *b)
{
	if (builds_count(b) > UINT32_MAX)
		r->notes->whole_family = true;
	for (size_t i = 0; i < r->n_uses && !r->notes->whole_family; i++) {
		const struct encoding_use *use = &r->uses[i];
		uint32_t build;

		if (!is_constant(use->encoding))
			continue;
		build = encoding_facts(use->encoding).least;
		if (build < use->from || build > use->to || !builds_contains(b, build))
			continue;
		r->notes->whole_family = true;
		note(r->notes, "every version has the build %" PRIu32 " in %s", build,
		     encoding_name(use->encoding));
	}
}

/* Puts the part that an error is about before its message. */
static int blame(const struct reader *r, struct span part)
{
	CLEANUP(free) char *safe = escape_bytes(part.p, part.n > 64 ? 64 : part.n);

	return err_wrap(r->err, "builds '%s%s'", safe, part.n > 64 ? "..." : "");
}

int builds_parse(const char *text, const struct encoding_use *uses, size_t n_uses,
		 struct builds **ret, struct builds_notes *ret_notes, struct err *err)
{
	CLEANUP(expansion_free) struct expansion *x = xcalloc(1, sizeof(*x));
	struct builds_notes notes = { .text = "" };
	struct reader r = { .uses = uses, .n_uses = n_uses, .notes = &notes, .err = err };
	struct span left = span_str(text), part;
	bool more;
	int result;

	do {
		part = left;
		more = span_cut(left, ",", &part, &left);
		r.column = (size_t)(part.p - text) + 1;
		if (read_part(&r, part, x) < 0)
			return blame(&r, part);
		if (x->n > BUILDS_PIECES_MAX) {
			err_refuse(err, REFUSAL_BUDGET,
				   "column %zu: more than %d separate pieces in one set", r.column,
				   BUILDS_PIECES_MAX);
			return blame(&r, part);
		}
	} while (more);
	result = builds_make(x->piece, x->n, ret, err);
	if (result < 0)
		return result;
	note_family(&r, *ret);
	if (ret_notes)
		*ret_notes = notes;
	return 0;
}

int build_parse(const char *text, const struct encoding_use *uses, size_t n_uses, uint32_t *ret,
		struct builds_notes *ret_notes, struct err *err)
{
	CLEANUP(expansion_free) struct expansion *x = xcalloc(1, sizeof(*x));
	struct builds_notes notes = { .text = "" };
	struct reader r = {
		.uses = uses, .n_uses = n_uses, .column = 1, .notes = &notes, .err = err
	};
	const struct encoding *e;
	struct span part = span_str(text), left, right;
	struct end end = { .given = SIZE_MAX };
	bool named;
	int result = check_bytes(&r, part);

	if (result == 0)
		result = read_prefix(&r, &part, &e, &named);
	if (result == 0) {
		end.text = part;
		end.column = 1 + (size_t)(part.p - text);
		if (span_eq(part, "all") || span_cut(part, ",", &left, &right) ||
		    span_cut(part, "..", &left, &right) || (part.n && part.p[part.n - 1] == '*'))
			result = err_set(err, ERR_INVALID, "column %zu: one build is wanted here",
					 end.column);
	}
	if (result == 0)
		result = read_end(&r, e, named, &end);
	if (result == 0 && end.is_version)
		result = add_version(&r, e, &end, x);
	if (result < 0)
		return blame(&r, span_str(text));
	*ret = end.is_version ? x->piece[0].first : end.number;
	if (ret_notes)
		*ret_notes = notes;
	return 0;
}
