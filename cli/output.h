/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

/*
 * What a verb says. Data goes to stdout, either as text for people or, with --json, as one
 * object; talk goes to stderr. A verb calls both families without asking which is on: text calls
 * do nothing in JSON mode, JSON calls do nothing in text mode. All text is escaped here, so a
 * verb may print bytes from anywhere; JSON strings that are not UTF-8 are escaped the same way.
 */
#include "registry/base.h"
#include "registry/err.h"

struct out;

/* out_note(out, "%zu node%s", n, PLURAL(n)) */
#define PLURAL(n) ((n) == 1 ? "" : "s")

enum out_color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
struct out_options {
	bool json, quiet, verbose;
	enum out_color color;
};

/* VERB ("product list") names the schema "xenblacklist/product-list/1" and begins the talk. */
struct out *out_new(const char *verb, const struct out_options *o);
/*
 * Prints what was gathered and flushes. ERR_IO when stdout cannot take it; ret_pipe tells that
 * the reader has gone away, which is nobody's error to read about.
 */
int out_finish(struct out *out, bool *ret_pipe, struct err *err);
/* Forgets what was gathered: the run failed. In JSON mode an error object takes its place. */
void out_fail(struct out *out, const struct err *e, int status);
void out_free(struct out *out);
DEFINE_CLEANUP(struct out *, out_free)
bool out_is_json(const struct out *out);
bool out_is_verbose(const struct out *out);
bool out_is_quiet(const struct out *out);

/* ---- text on stdout ---- */

enum paint { PAINT_NONE, PAINT_GOOD, PAINT_BAD, PAINT_WARN, PAINT_FAINT, PAINT_BOLD };

/* One line, escaped, with a newline added. */
void out_line(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_paint_line(struct out *out, enum paint p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * A table: titles separated by '|' ("NUMBER|NAME"), a title that begins with '>' is aligned to
 * the right; "" as titles means no heading ("||" makes three such columns). Then cells, row by
 * row, left to right; out_table_end() prints it. A table without rows prints nothing. The last
 * title may begin with '<': text of any length, of which a terminal gets what fits into a line
 * (all of it with --verbose, and whoever is no terminal).
 */
void out_table(struct out *out, const char *titles);
void out_cell(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_paint_cell(struct out *out, enum paint p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void out_table_end(struct out *out);

/* Bytes as they are: an exported document. */
void out_raw(struct out *out, const char *p, size_t n);

/* ---- JSON ---- */

/* KEY is the member's name, NULL inside a list. A NULL string is null, TIME_NONE is null. */
void out_object(struct out *out, const char *key);
void out_list(struct out *out, const char *key);
void out_close(struct out *out); /* the innermost object or list */
void out_str(struct out *out, const char *key, const char *s);
void out_strn(struct out *out, const char *key, const char *p, size_t n);
void out_int(struct out *out, const char *key, int64_t v);
void out_bool(struct out *out, const char *key, bool v);
void out_null(struct out *out, const char *key);
void out_time(struct out *out, const char *key, int64_t t);

/* ---- talk on stderr: "xenblacklist: VERB: ..." ---- */

void out_note(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_detail(struct out *out, const char *fmt, ...) /* with -v only */
	__attribute__((format(printf, 2, 3)));
void out_warn(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An error that does not end the run. Also with -q. */
void out_error(struct out *out, const struct err *e);
/* The error that ends this run was told by an earlier one: out_fail() keeps it off stderr. */
void out_hush(struct out *out);
/* A remark that is told also with -q. */
void out_news(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* On a terminal only: "VERB: WHAT 1200/10000", in place. */
void out_progress(struct out *out, const char *what, size_t done, size_t all);

/* jansson's version, for --version. */
const char *out_library_version(void);

#endif
