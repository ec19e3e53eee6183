/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tables, colours, JSON and talk. With sync/manifest.c the only user of jansson.h: an object is
 * gathered in memory and printed at the end, so that a run that fails half way prints no half
 * object. Everything is independent of the locale.
 */
#include "cli/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/ioctl.h>

#include <jansson.h>

#define DEPTH_MAX 16
#define COLUMNS_MAX 16
#define CUT_MIN 8 /* characters that a terminal gets of a text at least */

struct column {
	char *title;
	bool right;
	size_t width;
};

struct cell {
	char *text;
	size_t width;
	enum paint paint;
};

struct out {
	char *verb;
	bool json, quiet, verbose, color, tty_err, progress_shown, hushed;
	int write_error; /* errno of the first write to stdout that failed */

	json_t *stack[DEPTH_MAX];
	size_t depth;

	struct column column[COLUMNS_MAX];
	size_t n_columns;
	bool heading, cut_last; /* cut_last: the last column, to the terminal's width */
	struct cell *cell;
	size_t n_cells, cap_cells;
};

static bool want_color(enum out_color c)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (c != COLOR_AUTO)
		return c == COLOR_ALWAYS;
	return isatty(STDOUT_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

struct out *out_new(const char *verb, const struct out_options *o)
{
	struct out *out = xcalloc(1, sizeof(*out));
	CLEANUP(free) char *slug = xstrdup(verb);
	CLEANUP(free) char *schema = NULL;

	out->verb = xstrdup(verb);
	out->json = o->json;
	out->quiet = o->quiet;
	out->verbose = o->verbose;
	out->color = !o->json && want_color(o->color);
	out->tty_err = isatty(STDERR_FILENO);
	for (char *c = slug; *c; c++)
		if (*c == ' ')
			*c = '-';
	if (out->json) {
		schema = xasprintf("xenblacklist/%s/1", slug);
		out->stack[0] = json_object();
		out->depth = 1;
		out_str(out, "schema", schema);
	}
	return out;
}

static void progress_clear(struct out *out)
{
	if (out->progress_shown)
		fputs("\r\033[K", stderr);
	out->progress_shown = false;
}

/* What fails is reported at the end, when errno has long been another. */
static void watch_stdout(struct out *out)
{
	if (!out->write_error && ferror(stdout))
		out->write_error = errno;
}

/*
 * JSON lets through what a terminal acts upon (U+009B begins a control sequence): it is written as
 * \uXXXX, which is the same text to whoever parses it.
 */
static int print_json(const json_t *root)
{
	CLEANUP(free) char *text = json_dumps(root, JSON_INDENT(2));
	size_t n = text ? strlen(text) : 0, from = 0;

	if (!text)
		return -1;
	for (size_t at = 0; at < n;) {
		uint32_t c;
		size_t len = text[at] == '\n' ? 0 : hostile_char(text + at, n - at, &c);

		if (len) {
			fwrite(text + from, 1, at - from, stdout);
			fprintf(stdout, "\\u%04" PRIx32, c);
			from = at + len;
		}
		at += len ? len : 1;
	}
	fwrite(text + from, 1, n - from, stdout);
	return putchar('\n') == EOF ? -1 : 0;
}

int out_finish(struct out *out, bool *ret_pipe, struct err *err)
{
	bool bad = false;

	progress_clear(out);
	errno = 0;
	if (out->json)
		bad = print_json(out->stack[0]) < 0;
	watch_stdout(out);
	if (fflush(stdout) != 0 || ferror(stdout))
		bad = true;
	if (!bad)
		return 0;
	watch_stdout(out);
	*ret_pipe = out->write_error == EPIPE;
	/* What is told now is not to be told again on the way out. */
	__fpurge(stdout);
	clearerr(stdout);
	return err_set(err, ERR_IO, "cannot write to standard output: %s",
		       out->write_error ? strerror(out->write_error) : "write error");
}

void out_free(struct out *out)
{
	if (!out)
		return;
	if (out->depth)
		json_decref(out->stack[0]);
	for (size_t i = 0; i < out->n_columns; i++)
		free(out->column[i].title);
	for (size_t i = 0; i < out->n_cells; i++)
		free(out->cell[i].text);
	free(out->cell);
	free(out->verb);
	free(out);
}

bool out_is_json(const struct out *out)
{
	return out->json;
}

bool out_is_quiet(const struct out *out)
{
	return out->quiet;
}

bool out_is_verbose(const struct out *out)
{
	return out->verbose;
}

/* ---- text ---- */

static char *format_escaped(const char *fmt, va_list ap)
{
	char *raw = NULL, *safe;
	int n = vasprintf(&raw, fmt, ap);

	if (n < 0)
		abort();
	safe = escape_bytes(raw, (size_t)n);
	free(raw);
	return safe;
}

static const char *paint_code(enum paint p)
{
	static const char *const codes[] = {
		[PAINT_NONE] = "",	   [PAINT_GOOD] = "\033[32m", [PAINT_BAD] = "\033[31m",
		[PAINT_WARN] = "\033[33m", [PAINT_FAINT] = "\033[2m", [PAINT_BOLD] = "\033[1m",
	};

	return codes[p];
}

static void put_painted(struct out *out, enum paint p, const char *text)
{
	bool on = out->color && p != PAINT_NONE;

	if (on)
		fputs(paint_code(p), stdout);
	fputs(text, stdout);
	if (on)
		fputs("\033[0m", stdout);
}

static void put_line(struct out *out, enum paint p, const char *fmt, va_list ap)
{
	CLEANUP(free) char *text = NULL;

	if (out->json)
		return;
	progress_clear(out);
	text = format_escaped(fmt, ap);
	put_painted(out, p, text);
	putchar('\n');
	watch_stdout(out);
}

void out_line(struct out *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(out, PAINT_NONE, fmt, ap);
	va_end(ap);
}

void out_paint_line(struct out *out, enum paint p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(out, p, fmt, ap);
	va_end(ap);
}

void out_raw(struct out *out, const char *p, size_t n)
{
	if (!out->json && n)
		fwrite(p, 1, n, stdout);
	watch_stdout(out);
}

/* Characters, not bytes: what is left after escaping is well-formed UTF-8. */
static size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void out_table(struct out *out, const char *titles)
{
	if (out->json)
		return;
	out->n_columns = 0;
	out->heading = false;
	out->cut_last = false;
	for (;;) {
		size_t n = strcspn(titles, "|");
		struct column *c = &out->column[out->n_columns++];

		out->cut_last = n && *titles == '<';
		titles += out->cut_last;
		n -= out->cut_last;
		c->right = n && *titles == '>';
		c->title = xstrndup(titles + c->right, n - c->right);
		c->width = text_width(c->title);
		out->heading |= c->width > 0;
		titles += n;
		if (*titles++ != '|' || out->n_columns == COLUMNS_MAX)
			break;
	}
}

static void put_cell(struct out *out, enum paint p, const char *fmt, va_list ap)
{
	struct column *column;
	struct cell *c;

	if (out->json)
		return;
	column = &out->column[out->n_cells % out->n_columns];
	GROW(out->cell, out->n_cells, out->cap_cells);
	c = &out->cell[out->n_cells++];
	c->text = format_escaped(fmt, ap);
	c->width = text_width(c->text);
	c->paint = p;
	if (c->width > column->width)
		column->width = c->width;
}

void out_cell(struct out *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_cell(out, PAINT_NONE, fmt, ap);
	va_end(ap);
}

void out_paint_cell(struct out *out, enum paint p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_cell(out, p, fmt, ap);
	va_end(ap);
}

static void put_spaces(size_t n)
{
	while (n--)
		putchar(' ');
}

/* LAST: nothing but empty cells follow in this row, so nothing is padded. */
static void print_cell(struct out *out, const struct column *c, enum paint p, const char *text,
		       size_t width, bool first, bool last)
{
	if (!first)
		put_spaces(2);
	if (c->right)
		put_spaces(c->width - width);
	put_painted(out, p, text);
	if (!c->right && !last)
		put_spaces(c->width - width);
}

static void print_row(struct out *out, const struct cell *row)
{
	size_t last = out->n_columns;

	while (last > 1 && !row[last - 1].width)
		last--;
	for (size_t i = 0; i < last; i++)
		print_cell(out, &out->column[i], row[i].paint, row[i].text, row[i].width, i == 0,
			   i + 1 == last);
	putchar('\n');
	watch_stdout(out);
}

static size_t terminal_width(void)
{
	struct winsize w = { 0 };

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

/* Leaves WIDTH characters of C, the last of them an ellipsis. */
static void cut_cell(struct cell *c, size_t width)
{
	CLEANUP(free) char *whole = TAKE(c->text);
	size_t at = 0;

	for (size_t n = 0; n < width - 1; n++) {
		at++;
		while (((unsigned char)whole[at] & 0xc0) == 0x80)
			at++;
	}
	c->text = xasprintf("%.*s\u2026", (int)at, whole);
	c->width = width;
}

/* Columns that are wider than the terminal take a second line, which the last one then may fill. */
static void cut_to_terminal(struct out *out)
{
	size_t width = out->cut_last && !out->verbose ? terminal_width() : 0, before = 0;

	for (size_t i = 0; i + 1 < out->n_columns; i++)
		before += out->column[i].width + 2;
	if (!width)
		return;
	width = (before + CUT_MIN + width - 1) / width * width;
	for (size_t i = out->n_columns - 1; i < out->n_cells; i += out->n_columns) {
		if (out->cell[i].width > width - before)
			cut_cell(&out->cell[i], width - before);
	}
}

void out_table_end(struct out *out)
{
	struct cell heading[COLUMNS_MAX];

	if (out->json)
		return;
	progress_clear(out);
	cut_to_terminal(out);
	for (size_t i = 0; i < out->n_columns; i++)
		heading[i] = (struct cell){ .text = out->column[i].title,
					    .width = text_width(out->column[i].title),
					    .paint = PAINT_BOLD };
	if (out->heading && out->n_cells)
		print_row(out, heading);
	for (size_t i = 0; i + out->n_columns <= out->n_cells; i += out->n_columns)
		print_row(out, out->cell + i);
	for (size_t i = 0; i < out->n_cells; i++)
		free(out->cell[i].text);
	for (size_t i = 0; i < out->n_columns; i++)
		free(out->column[i].title);
	out->n_cells = 0;
	out->n_columns = 0;
}

/* ---- JSON ---- */

static json_t *must(json_t *j)
{
	if (!j)
		abort();
	return j;
}

static void put(struct out *out, const char *key, json_t *value)
{
	json_t *top = out->stack[out->depth - 1];
	int r;

	if (key)
		r = json_object_set_new_nocheck(top, key, must(value));
	else
		r = json_array_append_new(top, must(value));
	if (r < 0)
		abort();
}

static void open_level(struct out *out, const char *key, json_t *level)
{
	if (out->depth == DEPTH_MAX)
		abort();
	put(out, key, level);
	out->stack[out->depth++] = level;
}

void out_object(struct out *out, const char *key)
{
	if (out->json)
		open_level(out, key, json_object());
}

void out_list(struct out *out, const char *key)
{
	if (out->json)
		open_level(out, key, json_array());
}

void out_close(struct out *out)
{
	if (out->json && out->depth > 1)
		out->depth--;
}

static json_t *string_value(const char *p, size_t n)
{
	CLEANUP(free) char *safe = NULL;

	if (utf8_valid(p, n))
		return json_stringn_nocheck(p, n);
	safe = escape_bytes(p, n);
	return json_string_nocheck(safe);
}

void out_strn(struct out *out, const char *key, const char *p, size_t n)
{
	if (out->json)
		put(out, key, p ? string_value(p, n) : json_null());
}

void out_str(struct out *out, const char *key, const char *s)
{
	out_strn(out, key, s, s ? strlen(s) : 0);
}

void out_int(struct out *out, const char *key, int64_t v)
{
	if (out->json)
		put(out, key, json_integer(v));
}

void out_bool(struct out *out, const char *key, bool v)
{
	if (out->json)
		put(out, key, json_boolean(v));
}

void out_null(struct out *out, const char *key)
{
	if (out->json)
		put(out, key, json_null());
}

void out_time(struct out *out, const char *key, int64_t t)
{
	char buf[TIME_TEXT_MAX];

	out_str(out, key, t == TIME_NONE ? NULL : time_text(t, buf));
}

/* ---- talk ---- */

/*
 * Messages from below may quote text that is escaped already: here a backslash stays one. Every
 * "\x5c" stands for a backslash, for escaping has left no other.
 */
static void keep_backslashes(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		*to = *from;
		from += strncmp(from, "\\x5c", 4) == 0 ? 4 : 1;
	}
	*to = '\0';
}

static void talk(struct out *out, const char *what, const char *fmt, va_list ap)
{
	CLEANUP(free) char *text = format_escaped(fmt, ap);

	keep_backslashes(text);
	progress_clear(out);
	fprintf(stderr, "xenblacklist: %s%s%s%s\n", out->verb, *out->verb ? ": " : "", what, text);
}

void out_note(struct out *out, const char *fmt, ...)
{
	va_list ap;

	if (out->quiet)
		return;
	va_start(ap, fmt);
	talk(out, "", fmt, ap);
	va_end(ap);
}

void out_news(struct out *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	talk(out, "", fmt, ap);
	va_end(ap);
}

void out_hush(struct out *out)
{
	out->hushed = true;
}

void out_detail(struct out *out, const char *fmt, ...)
{
	va_list ap;

	if (out->quiet || !out->verbose)
		return;
	va_start(ap, fmt);
	talk(out, "", fmt, ap);
	va_end(ap);
}

void out_warn(struct out *out, const char *fmt, ...)
{
	va_list ap;

	if (out->quiet)
		return;
	va_start(ap, fmt);
	talk(out, "warning: ", fmt, ap);
	va_end(ap);
}

static void talk_plain(struct out *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	talk(out, "", fmt, ap);
	va_end(ap);
}

void out_error(struct out *out, const struct err *e)
{
	const char *code = refusal_name(e->refusal);

	talk_plain(out, "%s%s%s", code, *code ? ": " : "", e->msg);
}

void out_fail(struct out *out, const struct err *e, int status)
{
	const char *code = refusal_name(e->refusal);

	if (!out->hushed)
		out_error(out, e);
	if (!out->json)
		return;
	json_decref(out->stack[0]);
	out->stack[0] = json_object();
	out->depth = 1;
	out_str(out, "schema", "xenblacklist/error/1");
	out_str(out, "verb", out->verb);
	out_str(out, "code", *code ? code : NULL);
	out_str(out, "message", e->msg);
	out_int(out, "exit_status", status);
}

void out_progress(struct out *out, const char *what, size_t done, size_t all)
{
	if (!out->tty_err || out->quiet)
		return;
	fprintf(stderr, "\r\033[Kxenblacklist: %s: %s %zu/%zu", out->verb, what, done, all);
	fflush(stderr);
	out->progress_shown = true;
	if (done >= all)
		progress_clear(out);
}

const char *out_library_version(void)
{
	return jansson_version_str();
}
