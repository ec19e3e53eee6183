/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one macro of pvdrivers.h that matters, as a small grammar:
 *   "#define PVDRIVERS_PRODUCT_LIST(EACH)" then EACH("name", number), comments and line
 *   continuations until a line that is not continued.
 * Rows that did not change keep their line, so a new header differs from the old one only where
 * the register does.
 */
#include "sync/header.h"

#include <string.h>

#define DEFINE "#define PVDRIVERS_PRODUCT_LIST(EACH)"
#define NAME_MAX_BYTES 128

static const char plain_before[] =
	"/* SPDX-License-Identifier: MIT */\n"
	"/*\n"
	" * pvdrivers.h: product numbers of Xen PV drivers, made by xenblacklist.\n"
	" */\n"
	"\n"
	"#ifndef _XEN_PUBLIC_PVDRIVERS_H_\n"
	"#define _XEN_PUBLIC_PVDRIVERS_H_\n"
	"\n" DEFINE "                               \\\n";
static const char plain_after[] = "\n#endif /* _XEN_PUBLIC_PVDRIVERS_H_ */\n";

struct cursor {
	const char *text;
	size_t n, at;
	struct err *err;
};

static int bad(const struct cursor *c, const char *what)
{
	size_t line = 1;

	for (size_t i = 0; i < c->at && i < c->n; i++)
		line += c->text[i] == '\n';
	return err_set(c->err, ERR_INVALID, "pvdrivers.h line %zu: %s", line, what);
}

static bool at_text(const struct cursor *c, const char *s)
{
	size_t n = strlen(s);

	return c->n - c->at >= n && memcmp(c->text + c->at, s, n) == 0;
}

/* White space, continuations and comments; a comment replaces what *COMMENT holds. */
static int skip(struct cursor *c, char **comment)
{
	while (c->at < c->n) {
		if (c->text[c->at] == ' ' || c->text[c->at] == '\t') {
			c->at++;
		} else if (at_text(c, "\\\n")) {
			c->at += 2;
		} else if (at_text(c, "/*")) {
			struct span inside, rest;

			if (!span_cut(span_of(c->text + c->at + 2, c->n - c->at - 2), "*/", &inside,
				      &rest))
				return bad(c, "a comment that does not end");
			if (memchr(inside.p, '\n', inside.n))
				return bad(c, "a comment over several lines among the products");
			inside = span_trim(inside);
			free(*comment);
			*comment = xstrndup(inside.p, inside.n);
			c->at = (size_t)(rest.p - c->text);
		} else {
			break;
		}
	}
	return 0;
}

static int token(struct cursor *c, const char *s, char **comment)
{
	int r = skip(c, comment);

	if (r < 0)
		return r;
	if (!at_text(c, s)) {
		CLEANUP(free) char *what = xasprintf("want '%s'", s);

		return bad(c, what);
	}
	c->at += strlen(s);
	return 0;
}

static int name(struct cursor *c, char **ret)
{
	CLEANUP(free) char *s = NULL;
	size_t n = 0;

	if (c->at == c->n || c->text[c->at] != '"')
		return bad(c, "want a name in double quotes");
	s = xcalloc(1, NAME_MAX_BYTES + 1);
	for (c->at++; c->at < c->n && c->text[c->at] != '"' && c->text[c->at] != '\n'; c->at++) {
		if (c->text[c->at] == '\\') {
			c->at++;
			if (c->at == c->n || !memchr("\"\\", c->text[c->at], 2))
				return bad(c, "an escape in a name");
		}
		if (n == NAME_MAX_BYTES)
			return bad(c, "a name of more than 128 bytes");
		s[n++] = c->text[c->at];
	}
	if (c->at == c->n || c->text[c->at] != '"')
		return bad(c, "a name that does not end");
	if (!n)
		return bad(c, "an empty name");
	if (strchr(s, '/'))
		return bad(c, "a name with '/'");
	c->at++;
	*ret = TAKE(s);
	return 0;
}

static int number(struct cursor *c, uint16_t *ret)
{
	size_t first = c->at;
	uint64_t v;

	while (c->at < c->n &&
	       (strchr("xX", c->text[c->at]) || (c->text[c->at] >= '0' && c->text[c->at] <= '9') ||
		(c->text[c->at] >= 'a' && c->text[c->at] <= 'f') ||
		(c->text[c->at] >= 'A' && c->text[c->at] <= 'F')))
		c->at++;
	if (!parse_number(span_of(c->text + first, c->at - first), UINT16_MAX, &v))
		return bad(c, "want a number from 0 to 0xffff");
	*ret = (uint16_t)v;
	return 0;
}

static struct span line_at(const struct cursor *c, size_t at)
{
	size_t first = at, end = at;

	while (first > 0 && c->text[first - 1] != '\n')
		first--;
	while (end < c->n && c->text[end] != '\n')
		end++;
	return span_of(c->text + first, end - first);
}

/* A line without its continuation and the space before that. */
static struct span without_continuation(struct span line)
{
	if (line.n && line.p[line.n - 1] == '\\')
		line.n--;
	while (line.n && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
		line.n--;
	return line;
}

static int row(struct cursor *c, struct header *h)
{
	CLEANUP(free) char *comment = NULL;
	struct header_row *row;
	struct span line;
	size_t first;
	int r;

	r = skip(c, &comment);
	if (r < 0)
		return r;
	first = c->at;
	h->row = xreallocarray(h->row, h->n + 1, sizeof(*h->row));
	row = &h->row[h->n++];
	*row = (struct header_row){ 0 };
	r = token(c, "EACH", &comment);
	if (r == 0)
		r = token(c, "(", &comment);
	if (r == 0)
		r = skip(c, &comment);
	if (r == 0)
		r = name(c, &row->name);
	if (r == 0)
		r = token(c, ",", &comment);
	if (r == 0)
		r = skip(c, &comment);
	if (r == 0)
		r = number(c, &row->number);
	if (r == 0)
		r = token(c, ")", &comment);
	if (r < 0)
		return r;
	for (size_t i = 0; i + 1 < h->n; i++) {
		if (h->row[i].number == row->number)
			return bad(c, "a number that is there already");
		if (strcmp(h->row[i].name, row->name) == 0)
			return bad(c, "a name that is there already");
	}
	line = line_at(c, first);
	/* The row's own: it begins there, after nothing, and ends there. */
	if (line.p == line_at(c, c->at).p &&
	    !span_trim(span_of(line.p, (size_t)(c->text + first - line.p))).n) {
		line = without_continuation(line);
		row->line = xstrndup(line.p, line.n);
	}
	return 0;
}

static bool is_text(const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char u = (unsigned char)bytes[i];

		if ((u < 0x20 && u != '\n' && u != '\t') || u == 0x7f)
			return false;
	}
	return utf8_valid(bytes, n);
}

/* The text after the line of the macro's name, or NULL. */
static const char *find_body(const struct header *h)
{
	const char *at = h->text;

	for (;;) {
		const char *end;

		at = strstr(at, DEFINE);
		if (!at)
			return NULL;
		end = strchr(at, '\n');
		if (end && end[-1] == '\\' && (at == h->text || at[-1] == '\n'))
			return end + 1;
		at++;
	}
}

/* A line that several rows stand in belongs to none of them. */
static void own_lines(struct header *h)
{
	for (size_t i = 0; i < h->n; i++) {
		const char *line = h->row[i].line;
		const char *each = line ? strstr(line, "EACH") : NULL;

		if (each && strstr(each + 1, "EACH")) {
			free(h->row[i].line);
			h->row[i].line = NULL;
		}
	}
}

int header_parse(const char *bytes, size_t n, struct header **ret, struct err *err)
{
	CLEANUP(header_free) struct header *h = xcalloc(1, sizeof(*h));
	struct cursor c = { .err = err };
	const char *body;
	int r;

	if (n > HEADER_SIZE_MAX)
		return err_set(err, ERR_INVALID, "pvdrivers.h: more than %d bytes",
			       HEADER_SIZE_MAX);
	if (!is_text(bytes, n))
		return err_set(err, ERR_INVALID,
			       "pvdrivers.h: not UTF-8 text, or with control characters");
	h->text = xstrndup(bytes, n);
	h->text_n = n;
	body = find_body(h);
	if (!body)
		return err_set(err, ERR_INVALID, "pvdrivers.h: no '%s'", DEFINE);
	c.text = h->text;
	c.n = n;
	c.at = h->body = (size_t)(body - h->text);
	for (;;) {
		CLEANUP(free) char *comment = NULL;

		r = skip(&c, &comment);
		if (r < 0)
			return r;
		if (comment && h->n && !h->row[h->n - 1].comment)
			h->row[h->n - 1].comment = TAKE(comment);
		if (c.at == c.n || c.text[c.at] == '\n')
			break;
		r = row(&c, h);
		if (r < 0)
			return r;
	}
	if (!h->n)
		return bad(&c, "no product");
	h->body_n = c.at + (c.at < c.n) - h->body;
	for (size_t i = 0; i < h->n; i++) {
		if (!h->row[i].comment)
			h->row[i].comment = xstrdup("");
	}
	own_lines(h);
	*ret = TAKE(h);
	return 0;
}

void header_free(struct header *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++) {
		free(h->row[i].name);
		free(h->row[i].comment);
		free(h->row[i].line);
	}
	free(h->row);
	free(h->text);
	free(h);
}

/* ---- writing ---- */

static bool is_listed(const struct product *p)
{
	return !p->conflict && (p->status == STATUS_ASSIGNED || p->status == STATUS_DEPRECATED ||
				p->status == STATUS_EXPERIMENTAL);
}

static const struct header_row *find_row(const struct header *h, const struct product *p)
{
	for (size_t i = 0; h && i < h->n; i++) {
		if (h->row[i].number == p->number && strcmp(h->row[i].name, p->name) == 0)
			return &h->row[i];
	}
	return NULL;
}

/* EACH("name",   0x0001) with the numbers of all lines under each other where names allow it. */
static char *format_row(const struct product *p, size_t number_column)
{
	char *line = NULL;
	size_t n = 0, at;
	FILE *f = open_memstream(&line, &n);

	if (!f)
		abort();
	fputs("        EACH(\"", f);
	for (const char *s = p->name; *s; s++)
		fprintf(f, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
	fputs("\",", f);
	fflush(f);
	at = n;
	do
		putc(' ', f);
	while (++at < number_column);
	fprintf(f, "0x%04x)", p->number);
	if (p->vendor && *p->vendor) {
		fputs(" /* ", f);
		for (const char *s = p->vendor; *s; s++) {
			putc(*s, f);
			if (*s == '*' && s[1] == '/')
				putc(' ', f);
		}
		fputs(" */", f);
	}
	if (fclose(f) != 0)
		abort();
	return line;
}

static size_t find_number_column(const struct header *h)
{
	for (size_t i = 0; h && i < h->n; i++) {
		const char *at = h->row[i].line ? strstr(h->row[i].line, " 0x") : NULL;

		if (at)
			return (size_t)(at + 1 - h->row[i].line);
	}
	return 40;
}

/* Where the continuations stand, taken from the line of the macro's name. */
static size_t find_slash_column(const char *before, size_t n)
{
	size_t first = n - 1;

	while (first > 0 && before[first - 1] != '\n')
		first--;
	return n - 2 - first;
}

static bool is_unchanged(const struct header *h, const struct products *ps)
{
	size_t listed = 0;

	for (size_t i = 0; i < ps->n; i++) {
		if (!is_listed(ps->product[i]))
			continue;
		listed++;
		if (!find_row(h, ps->product[i]))
			return false;
	}
	return listed == h->n;
}

static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void put_body(FILE *f, const struct header *base, const struct products *ps, size_t slash)
{
	size_t column = find_number_column(base);
	const char *open = NULL;

	for (size_t i = 0; i < ps->n; i++) {
		const struct header_row *same = find_row(base, ps->product[i]);
		CLEANUP(free) char *line = NULL;
		size_t n;

		if (!is_listed(ps->product[i]))
			continue;
		if (open)
			fputs(open, f);
		open = "\\\n";
		line = same && same->line ? xstrdup(same->line)
					  : format_row(ps->product[i], column);
		fputs(line, f);
		n = width(line);
		for (size_t k = i + 1; k < ps->n; k++) {
			if (!is_listed(ps->product[k]))
				continue;
			do
				putc(' ', f);
			while (++n < slash);
			break;
		}
	}
	putc('\n', f);
}

void header_write(const struct header *base, const struct products *ps, char **ret, size_t *ret_n)
{
	const char *before = base ? base->text : plain_before;
	size_t before_n = base ? base->body : sizeof(plain_before) - 1;
	FILE *f;

	*ret = NULL;
	f = open_memstream(ret, ret_n);
	if (!f)
		abort();
	if (base && is_unchanged(base, ps)) {
		fwrite(base->text, 1, base->text_n, f);
	} else {
		size_t end = base ? base->body + base->body_n : 0;

		fwrite(before, 1, before_n, f);
		put_body(f, base, ps, find_slash_column(before, before_n));
		if (base)
			fwrite(base->text + end, 1, base->text_n - end, f);
		else
			fputs(plain_after, f);
	}
	if (ferror(f) || fclose(f) != 0)
		abort();
}

/* ---- difference ---- */

const char *header_class_name(enum header_class c)
{
	static const char *const names[] = {
		[HEADER_NEW] = "new",	      [HEADER_SAME] = "same",
		[HEADER_RENAMED] = "renamed", [HEADER_RENUMBERED] = "renumbered",
		[HEADER_MISSING] = "missing",
	};

	return names[c];
}

static struct header_change *add_change(struct header_changes *c, enum header_class class,
					uint16_t number_, const char *name_, const char *comment)
{
	GROW(c->change, c->n, c->cap);
	c->change[c->n] = (struct header_change){ .class = class,
						  .number = number_,
						  .name = xstrdup(name_),
						  .comment = xstrdup(comment) };
	return &c->change[c->n++];
}

struct header_changes *header_diff(const struct header *h, const struct products *ps)
{
	struct header_changes *c = xcalloc(1, sizeof(*c));

	for (size_t i = 0; i < h->n; i++) {
		const struct header_row *row = &h->row[i];
		const struct product *by_number = NULL, *by_name = NULL;
		struct header_change *change;

		for (size_t k = 0; k < ps->n; k++) {
			const struct product *p = ps->product[k];

			if (p->conflict)
				continue;
			if (p->number == row->number)
				by_number = p;
			if (strcmp(p->name, row->name) == 0)
				by_name = p;
		}
		change = add_change(c, HEADER_NEW, row->number, row->name, row->comment);
		if (by_number && by_number == by_name) {
			change->class = HEADER_SAME;
		} else if (by_number) {
			change->class = HEADER_RENAMED;
			change->have_name = xstrdup(by_number->name);
		} else if (by_name) {
			change->class = HEADER_RENUMBERED;
			change->have_number = by_name->number;
		}
	}
	for (size_t k = 0; k < ps->n; k++) {
		const struct product *p = ps->product[k];
		bool there = false;

		for (size_t i = 0; i < h->n && !there; i++)
			there = h->row[i].number == p->number ||
				strcmp(h->row[i].name, p->name) == 0;
		if (is_listed(p) && !there)
			add_change(c, HEADER_MISSING, p->number, p->name, p->vendor);
	}
	return c;
}

void header_changes_free(struct header_changes *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++) {
		free(c->change[i].name);
		free(c->change[i].comment);
		free(c->change[i].have_name);
	}
	free(c->change);
	free(c);
}
