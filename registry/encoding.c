/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The language of encodings: scan and expression compiled into a row of fields, version texts
 * read by them, builds computed. What follows from a compiled encoding (facts, decoding) is in
 * decode.c.
 */
#include "registry/encoding.h"

#include <inttypes.h>
#include <string.h>

#define SEPARATORS "./-_+"
#define REST_MARKS ".+~_/-"

struct encoding {
	char *name, *scan, *expression;
	struct encoding_field field[ENCODING_FIELDS_MAX];
	size_t n;
	bool is_or;
	bool rest; /* the scan ends in "..." */
	uint32_t base;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

/* How the byte at I of S reads in a message. */
static const char *shown(struct span s, size_t i, char buf[static 16])
{
	unsigned char c;

	if (i >= s.n)
		return "the end";
	c = (unsigned char)s.p[i];
	snprintf(buf, 16, c > ' ' && c < 0x7f ? "'%c'" : "byte 0x%02x", c);
	return buf;
}

/* A text being parsed, and what to call it in messages. */
struct cursor {
	const char *what;
	struct span s;
	size_t i;
	struct err *err;
};

static char look(const struct cursor *c)
{
	return c->i < c->s.n ? c->s.p[c->i] : '\0';
}

static bool accept(struct cursor *c, const char *token)
{
	size_t n = strlen(token);

	if (c->s.n - c->i < n || memcmp(c->s.p + c->i, token, n) != 0)
		return false;
	c->i += n;
	return true;
}

static void skip_spaces(struct cursor *c)
{
	while (look(c) == ' ')
		c->i++;
}

static int expected(const struct cursor *c, const char *what)
{
	char buf[16];

	return err_set(c->err, ERR_INVALID, "%s column %zu: expected %s, not %s", c->what, c->i + 1,
		       what, shown(c->s, c->i, buf));
}

static int parse_name(struct cursor *c, struct span *ret)
{
	size_t start = c->i;

	if (look(c) < 'a' || look(c) > 'z')
		return expected(c, "the name of a field");
	while (is_digit(look(c)) || (look(c) >= 'a' && look(c) <= 'z'))
		c->i++;
	*ret = span_of(c->s.p + start, c->i - start);
	if (ret->n >= sizeof(((struct encoding_field *)NULL)->name))
		return err_set(c->err, ERR_INVALID,
			       "%s column %zu: the name of a field has at most 15 bytes", c->what,
			       start + 1);
	return 0;
}

static int parse_operand(struct cursor *c, uint32_t least, uint32_t most, uint32_t *ret)
{
	size_t start = c->i;
	uint64_t v;

	if (!is_digit(look(c)))
		return expected(c, "a number");
	while (is_alnum(look(c)))
		c->i++;
	if (!parse_number(span_of(c->s.p + start, c->i - start), UINT32_MAX, &v) || v < least ||
	    v > most)
		return err_set(c->err, ERR_INVALID,
			       "%s column %zu: '%.*s' is not a number from %" PRIu32 " to %" PRIu32,
			       c->what, start + 1, (int)(c->i - start > 32 ? 32 : c->i - start),
			       c->s.p + start, least, most);
	*ret = (uint32_t)v;
	return 0;
}

static struct encoding_field *find_field(struct encoding *e, struct span name)
{
	for (size_t i = 0; i < e->n; i++)
		if (span_eq(name, e->field[i].name))
			return &e->field[i];
	return NULL;
}

static int compile_scan(struct encoding *e, struct err *err)
{
	struct cursor c = { .what = "scan", .s = span_str(e->scan), .err = err };

	while (c.i < c.s.n) {
		struct encoding_field *f = &e->field[e->n];
		char separator = '\0';
		struct span name;
		size_t start;
		int r;

		if (accept(&c, "...")) {
			e->rest = true;
			return c.i == c.s.n ? 0 : expected(&c, "nothing after '...'");
		}
		if (e->n) {
			separator = look(&c);
			if (!is_one_of(separator, SEPARATORS))
				return expected(&c, "a separator (. / - _ +) or '...'");
			c.i++;
		}
		start = c.i;
		r = parse_name(&c, &name);
		if (r < 0)
			return r;
		if (find_field(e, name))
			return err_set(err, ERR_INVALID,
				       "scan column %zu: field '%.*s' is there twice", start + 1,
				       (int)name.n, name.p);
		if (e->n == ENCODING_FIELDS_MAX)
			return err_set(err, ERR_INVALID, "scan column %zu: more than %d fields",
				       start + 1, ENCODING_FIELDS_MAX);
		memcpy(f->name, name.p, name.n);
		f->separator = separator;
		f->hex = accept(&c, ":x");
		f->optional = accept(&c, "?");
		if (f->optional && !e->n)
			return err_set(err, ERR_INVALID,
				       "scan column %zu: the first field cannot be optional", c.i);
		if (!f->optional && e->n && f[-1].optional)
			return err_set(
				err, ERR_INVALID,
				"scan column %zu: '%s' follows an optional field and has to be "
				"optional too",
				start + 1, f->name);
		e->n++;
	}
	return e->rest || e->n ? 0 : expected(&c, "a field or '...'");
}

static int compile_field(struct encoding *e, struct cursor *c)
{
	struct encoding_field *f;
	struct span name;
	size_t start = c->i;
	int r;

	r = parse_name(c, &name);
	if (r < 0)
		return r;
	f = find_field(e, name);
	if (!f)
		return err_set(c->err, ERR_INVALID,
			       "expression column %zu: field '%.*s' is not in the scan '%s'",
			       start + 1, (int)name.n, name.p, e->scan);
	if (f->weight)
		return err_set(c->err, ERR_INVALID,
			       "expression column %zu: field '%s' is there twice", start + 1,
			       f->name);
	if (!accept(c, "["))
		return expected(c, "'[' and the largest value of the field");
	r = parse_operand(c, 0, UINT32_MAX, &f->max);
	if (r < 0)
		return r;
	if (accept(c, "^"))
		f->policy = POLICY_CLAMP;
	else if (accept(c, "~"))
		f->policy = POLICY_SPILL;
	else
		accept(c, "!");
	if (!accept(c, "]"))
		return expected(c, "'!', '^', '~' or ']'");
	f->weight = 1;
	skip_spaces(c);
	if (accept(c, "<<")) {
		uint32_t shift;

		skip_spaces(c);
		r = parse_operand(c, 0, 31, &shift);
		if (r < 0)
			return r;
		f->weight = UINT32_C(1) << shift;
	} else if (accept(c, "*")) {
		skip_spaces(c);
		r = parse_operand(c, 1, UINT32_MAX, &f->weight);
		if (r < 0)
			return r;
	}
	if ((uint64_t)f->max * f->weight > UINT32_MAX)
		return err_set(c->err, ERR_INVALID,
			       "expression column %zu: the largest '%s' does not fit 32 bits",
			       start + 1, f->name);
	return 0;
}

static int compile_constant(struct encoding *e, struct cursor *c, bool is_or)
{
	uint32_t v;
	int r;

	r = parse_operand(c, 0, UINT32_MAX, &v);
	if (r < 0)
		return r;
	if (!is_or && v > UINT32_MAX - e->base)
		return err_set(c->err, ERR_INVALID, "expression: the constants do not fit 32 bits");
	e->base = is_or ? e->base | v : e->base + v;
	return 0;
}

static int compile_expression(struct encoding *e, struct err *err)
{
	struct cursor c = { .what = "expression", .s = span_str(e->expression), .err = err };
	char op = '\0';

	/* The operator counts from the first constant on, so it is looked up beforehand. */
	e->is_or = memchr(c.s.p, '|', c.s.n) != NULL;
	for (;;) {
		int r;

		skip_spaces(&c);
		r = is_digit(look(&c)) ? compile_constant(e, &c, e->is_or) : compile_field(e, &c);
		if (r < 0)
			return r;
		skip_spaces(&c);
		if (c.i == c.s.n)
			return 0;
		if (look(&c) != '+' && look(&c) != '|')
			return expected(&c, "'+' or '|'");
		if (op && op != look(&c))
			return err_set(err, ERR_INVALID,
				       "expression column %zu: '+' and '|' cannot be mixed",
				       c.i + 1);
		op = look(&c);
		c.i++;
	}
}

/* The widest value of F that stays below the next greater weight. */
static uint32_t nominal_of(const struct encoding *e, const struct encoding_field *f)
{
	uint32_t next = 0, width;

	for (size_t i = 0; i < e->n; i++)
		if (e->field[i].weight > f->weight && (!next || e->field[i].weight < next))
			next = e->field[i].weight;
	if (f->policy != POLICY_SPILL || !next)
		return f->max;
	width = next / f->weight - 1;
	return width < f->max ? width : f->max;
}

static int check_whole(struct encoding *e, struct err *err)
{
	uint64_t largest = e->base;

	for (size_t i = 0; i < e->n; i++) {
		struct encoding_field *f = &e->field[i];

		if (!f->weight)
			return err_set(
				err, ERR_INVALID,
				"scan: field '%s' is not in the expression; '...' stands for "
				"what does not count",
				f->name);
		if (e->is_or && (f->weight & (f->weight - 1)))
			return err_set(err, ERR_INVALID,
				       "expression: '%s' has the weight %" PRIu32
				       ", but '|' joins bits: use a shift, or '+'",
				       f->name, f->weight);
		largest += (uint64_t)f->max * f->weight;
		f->nominal = nominal_of(e, f);
	}
	if (!e->is_or && largest > UINT32_MAX)
		return err_set(err, ERR_INVALID,
			       "expression: the largest build is %" PRIu64
			       ", which does not fit 32 bits",
			       largest);
	return 0;
}

static int check_name(const char *name, const char *scan, const char *expression, struct err *err)
{
	size_t n = strlen(name);

	if (strncmp(name, "const:", 6) == 0) {
		if (strcmp(scan, "...") == 0 && strcmp(expression, name + 6) == 0)
			return 0;
		return err_set(err, ERR_INVALID,
			       "a name that begins with 'const:' stands for the scan '...' and the "
			       "number after it");
	}
	if (!n || n > ENCODING_NAME_MAX)
		return err_set(err, ERR_INVALID, "the name has to have 1 to %d bytes",
			       ENCODING_NAME_MAX);
	for (size_t i = 0; i < n; i++)
		if (!is_alnum(name[i]) && !(i && is_one_of(name[i], "._-"))) {
			char buf[16];

			return err_set(err, ERR_INVALID,
				       "the name has %s in column %zu; letters, digits and, not in "
				       "front, '.', '_', '-' are possible",
				       shown(span_of(name, n), i, buf), i + 1);
		}
	return 0;
}

static int compile(struct encoding *e, struct err *err)
{
	int r;

	if (strlen(e->scan) > ENCODING_SCAN_MAX)
		return err_set(err, ERR_INVALID, "the scan is longer than %d bytes",
			       ENCODING_SCAN_MAX);
	if (strlen(e->expression) > ENCODING_EXPRESSION_MAX)
		return err_set(err, ERR_INVALID, "the expression is longer than %d bytes",
			       ENCODING_EXPRESSION_MAX);
	r = check_name(e->name, e->scan, e->expression, err);
	if (r == 0)
		r = compile_scan(e, err);
	if (r == 0)
		r = compile_expression(e, err);
	if (r == 0)
		r = check_whole(e, err);
	return r;
}

int encoding_compile(const char *name, const char *scan, const char *expression,
		     struct encoding **ret, struct err *err)
{
	CLEANUP(encoding_free) struct encoding *e = xcalloc(1, sizeof(*e));
	CLEANUP(free) char *safe = NULL;
	size_t n = strlen(name);

	e->name = xstrdup(name);
	e->scan = xstrdup(scan);
	e->expression = xstrdup(expression);
	if (compile(e, err) < 0) {
		safe = escape_bytes(name, n > ENCODING_NAME_MAX ? ENCODING_NAME_MAX : n);
		return err_wrap(err, "encoding '%s'", safe);
	}
	*ret = TAKE(e);
	return 0;
}

void encoding_free(struct encoding *e)
{
	if (!e)
		return;
	free(e->name);
	free(e->scan);
	free(e->expression);
	free(e);
}

const char *encoding_name(const struct encoding *e)
{
	return e->name;
}

const char *encoding_scan(const struct encoding *e)
{
	return e->scan;
}

const char *encoding_expression(const struct encoding *e)
{
	return e->expression;
}

size_t encoding_fields(const struct encoding *e, const struct encoding_field **ret)
{
	*ret = e->field;
	return e->n;
}

bool encoding_is_or(const struct encoding *e)
{
	return e->is_or;
}

uint32_t encoding_base(const struct encoding *e)
{
	return e->base;
}

/* One number of a version, at C; the messages name the field and the column. */
static int read_value(const struct encoding_field *f, struct cursor *c, size_t column,
		      uint32_t *ret)
{
	size_t start = c->i, end;
	struct span token;
	bool hex = f->hex;
	uint64_t v = 0;
	char buf[16];

	if (c->s.n - c->i > 2 && c->s.p[c->i] == '0' && (c->s.p[c->i + 1] | 0x20) == 'x') {
		hex = true;
		c->i += 2;
	}
	for (end = c->i; end < c->s.n && is_alnum(c->s.p[end]); end++) {
		char low = (char)(c->s.p[end] | 0x20);

		if (!is_digit(c->s.p[end]) && !(hex && low >= 'a' && low <= 'f'))
			break;
	}
	if (end == c->i || (end < c->s.n && is_alnum(c->s.p[end])))
		return err_set(c->err, ERR_INVALID,
			       "column %zu: expected a %sdigit of '%s', not %s", column + end,
			       hex ? "hexadecimal " : "", f->name, shown(c->s, end, buf));
	token = span_of(c->s.p + c->i, end - c->i);
	if (!hex && token.n > 1 && token.p[0] == '0')
		return err_set(c->err, ERR_INVALID, "column %zu: '%s' has a leading zero",
			       column + start, f->name);
	for (size_t i = 0; i < token.n && v <= UINT32_MAX; i++) {
		unsigned d = (unsigned char)token.p[i];

		v = v * (hex ? 16 : 10) + (d <= '9' ? d - '0' : (d | 0x20) - 'a' + 10);
	}
	if (token.n > 10 || v > UINT32_MAX)
		return err_set(c->err, ERR_INVALID, "column %zu: '%s' does not fit 32 bits",
			       column + start, f->name);
	if (v > f->max && f->policy != POLICY_CLAMP)
		return err_set(c->err, ERR_INVALID,
			       "column %zu: '%s' is %" PRIu64 ", but at most %" PRIu32,
			       column + start, f->name, v, f->max);
	c->i = end;
	*ret = (uint32_t)v;
	return 0;
}

/* What follows the fields: nothing, or where the scan ignores it, marks and letters. */
static int read_rest(const struct encoding *e, const struct cursor *c, size_t column)
{
	char buf[16];

	if (c->i == c->s.n)
		return 0;
	if (!e->rest || (e->n && !is_one_of(look(c), REST_MARKS)))
		return err_set(c->err, ERR_INVALID,
			       "column %zu: unexpected %s after the version (it reads '%s')",
			       column + c->i, shown(c->s, c->i, buf), e->scan);
	for (size_t i = c->i; i < c->s.n; i++) {
		char ch = c->s.p[i];

		if ((!is_alnum(ch) && !is_one_of(ch, REST_MARKS)) ||
		    (ch == '.' && (i + 1 == c->s.n || c->s.p[i + 1] == '.')))
			return err_set(c->err, ERR_INVALID,
				       "column %zu: unexpected %s in a version", column + i,
				       shown(c->s, i, buf));
	}
	return 0;
}

int encoding_read(const struct encoding *e, struct span version, size_t column,
		  uint32_t values[static ENCODING_FIELDS_MAX], size_t *ret_given, struct err *err)
{
	struct cursor c = { .s = version, .err = err };
	uint32_t v[ENCODING_FIELDS_MAX] = { 0 };
	bool star = ret_given && version.n > 2 && version.p[version.n - 1] == '*';
	size_t i;
	int r;

	if (!version.n)
		return err_set(err, ERR_INVALID, "column %zu: the version is empty", column);
	if (version.n > ENCODING_VERSION_MAX)
		return err_set(err, ERR_INVALID, "column %zu: the version is longer than %d bytes",
			       column, ENCODING_VERSION_MAX);
	if (star)
		c.s.n -= 2;
	for (i = 0; i < e->n; i++) {
		const struct encoding_field *f = &e->field[i];

		if (i && star && c.i == c.s.n)
			break;
		if (i && look(&c) != f->separator) {
			if (f->optional)
				break;
			return err_set(
				err, ERR_INVALID,
				"column %zu: expected '%c' and '%s' (the version reads '%s')",
				column + c.i, f->separator, f->name, e->scan);
		}
		if (i)
			c.i++;
		r = read_value(f, &c, column, &v[i]);
		if (r < 0)
			return r;
	}
	r = read_rest(e, &c, column);
	if (r < 0)
		return r;
	if (star) {
		char mark = version.p[version.n - 2];

		if (i < e->n ? c.i != c.s.n || mark != e->field[i].separator
			     : !e->rest || !is_one_of(mark, REST_MARKS))
			return err_set(err, ERR_INVALID, "column %zu: unexpected '*'",
				       column + version.n - 1);
	}
	memcpy(values, v, sizeof(v));
	if (ret_given)
		*ret_given = star ? i : SIZE_MAX;
	return 0;
}

uint32_t encoding_eval(const struct encoding *e, const uint32_t values[static ENCODING_FIELDS_MAX])
{
	uint32_t build = e->base;

	for (size_t i = 0; i < e->n; i++) {
		const struct encoding_field *f = &e->field[i];
		uint32_t term = (values[i] < f->max ? values[i] : f->max) * f->weight;

		build = e->is_or ? build | term : build + term;
	}
	return build;
}

int encoding_encode(const struct encoding *e, struct span version, uint32_t *ret, struct err *err)
{
	uint32_t values[ENCODING_FIELDS_MAX];

	if (encoding_read(e, version, 1, values, NULL, err) < 0) {
		CLEANUP(free) char *safe = escape_bytes(version.p, version.n > 64 ? 64 : version.n);

		return err_wrap(err, "version '%s' in %s", safe, e->name);
	}
	*ret = encoding_eval(e, values);
	return 0;
}
