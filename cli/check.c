/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check: is this build blacklisted? As the registry means it, or as a device model finds it.
 */
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "cli/exception.h"
#include "cli/subject.h"
#include "registry/blacklist.h"
#include "sync/lookup.h"

#define SECTION "Blacklist"
#define LINE_BYTES 4096

enum { OPT_LIVE = 0x100 };

struct check_args {
	bool live;
};

static const struct argp_option options[] = {
	{ "live", OPT_LIVE, NULL, 0, "Ask xenstore, as a device model does", 0 },
	{ 0 },
};

static int option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct check_args *a = cli->args;

	(void)key, (void)arg, (void)err;
	a->live = true;
	return 0;
}

/* What is asked about, resolved; a bare pair of numbers needs no registry. */
struct question {
	uint16_t product;
	uint32_t build;
	const char *name; /* borrowed, NULL when the registry was not asked */
};

struct checker {
	struct cli *cli;
	bool live, once;
	struct blacklist *blacklist; /* loaded with the first question that needs it */
	struct subject *known;	     /* products asked about so far */
	char **typed;		     /* and as what */
	size_t n, cap;
};

static void checker_end(struct checker *c)
{
	for (size_t i = 0; i < c->n; i++) {
		subject_end(&c->known[i]);
		free(c->typed[i]);
	}
	free(c->known);
	free(c->typed);
	blacklist_free(c->blacklist);
}
#define CHECKER __attribute__((__cleanup__(checker_end))) struct checker

static int find_known(struct checker *c, const char *product, const struct subject **ret,
		      struct err *err)
{
	struct subject s = { 0 };
	size_t cap = c->cap;
	int r;

	for (size_t i = c->n; i-- > 0;) {
		if (strcmp(c->typed[i], product) == 0) {
			*ret = &c->known[i];
			return 0;
		}
	}
	r = cli_need(c->cli, NEED_DB_READ, err);
	if (r == 0)
		r = subject_find_current(c->cli, product, &s, err);
	if (r < 0)
		return r;
	GROW(c->known, c->n, c->cap);
	GROW(c->typed, c->n, cap);
	c->known[c->n] = s;
	c->typed[c->n] = xstrdup(product);
	*ret = &c->known[c->n++];
	return 0;
}

static int resolve(struct checker *c, const char *product, const char *build, struct question *q,
		   struct err *err)
{
	const struct subject *s;
	uint64_t number, value;
	int r;

	if (c->live && parse_number(span_str(product), UINT16_MAX, &number) &&
	    parse_number(span_str(build), UINT32_MAX, &value)) {
		*q = (struct question){ (uint16_t)number, (uint32_t)value, NULL };
		return 0;
	}
	r = find_known(c, product, &s, err);
	if (r < 0)
		return r;
	q->product = s->product->number;
	q->name = s->product->name;
	return subject_build(c->cli, s, build, &q->build, err);
}

/* ---- answers ---- */

static void answer_head(struct out *out, const struct question *q, bool blacklisted,
			const char *source)
{
	out_int(out, "product", q->product);
	out_str(out, "name", q->name);
	out_int(out, "build", q->build);
	out_bool(out, "blacklisted", blacklisted);
	out_str(out, "source", source);
}

static void exception_members(struct out *out, const struct exception *x)
{
	out_str(out, "exception", x ? x->id : NULL);
	out_str(out, "exception_owner", x ? x->owner : NULL);
	out_time(out, "exception_expires", x ? x->expires : TIME_NONE);
}

static void answer_live(struct out *out, const struct question *q, const struct lookup *l,
			const char *prefix)
{
	answer_head(out, q, l->blacklisted, "xenstore");
	out_str(out, "path", l->path);
	out_null(out, "entry");
	exception_members(out, NULL);
	out_null(out, "audit");
	if (l->blacklisted)
		out_paint_line(out, PAINT_BAD, "%sblacklisted: %s", prefix, l->path);
	else
		out_paint_line(out, PAINT_GOOD, "%sallowed", prefix);
}

static void answer_meant(struct out *out, const struct question *q, const struct verdict *v,
			 const char *prefix)
{
	CLEANUP(free) char *terms = v->exception ? exception_terms(v->exception) : NULL;

	answer_head(out, q, v->blacklisted, "registry");
	out_null(out, "path");
	out_str(out, "entry", v->entry ? v->entry->id : NULL);
	exception_members(out, v->exception);
	out_str(out, "audit", v->audit ? v->audit->id : NULL);
	if (v->blacklisted)
		out_paint_line(out, PAINT_BAD, "%sblacklisted: %s: %s", prefix, v->entry->id,
			       v->entry->reason);
	else if (v->entry && v->exception)
		out_paint_line(out, PAINT_WARN, "%sallowed: exception %s (%s) from %s: %s", prefix,
			       v->exception->id, terms, v->entry->id, v->exception->reason);
	else if (v->audit)
		out_paint_line(out, PAINT_WARN, "%sallowed: audit only: %s: %s", prefix,
			       v->audit->id, v->audit->reason);
	else
		out_paint_line(out, PAINT_GOOD, "%sallowed", prefix);
}

/* 0 or EXIT_YES. Leaves the members of the answer in the open object. */
static int ask(struct checker *c, const struct question *q, const char *prefix, struct err *err)
{
	struct cli *cli = c->cli;
	int r;

	if (c->live) {
		CLEANUP(lookup_free) struct lookup *l = NULL;

		r = cli_need(cli, NEED_STORE, err);
		if (r == 0)
			r = lookup(cli->store, LOOKUP_FULL, q->product, q->build, &l, err);
		if (r < 0)
			return r;
		answer_live(cli->out, q, l, prefix);
		return l->blacklisted ? EXIT_YES : 0;
	}
	if (!c->blacklist) {
		r = cli_need(cli, NEED_DB_READ, err);
		if (r == 0)
			r = c->once ? blacklist_load_of(cli->db, cli->now, q->product,
							&c->blacklist, err)
				    : blacklist_load(cli->db, cli->now, &c->blacklist, err);
		if (r < 0)
			return r;
	}
	struct verdict v = { 0 };

	blacklist_verdict(c->blacklist, q->product, q->build, &v);
	answer_meant(cli->out, q, &v, prefix);
	return v.blacklisted ? EXIT_YES : 0;
}

/* ---- lines from stdin ---- */

/* 1 and a line without its newline, 0 at the end, -1 for one that cannot be taken. */
static int read_line(char buf[static LINE_BYTES], const char **ret_why)
{
	size_t n = 0;
	int c;

	*ret_why = NULL;
	while ((c = getc_unlocked(stdin)) != EOF && c != '\n') {
		if (c == '\0')
			*ret_why = "it holds a NUL byte";
		else if (n == LINE_BYTES - 1)
			*ret_why = "it is longer than 4095 bytes";
		else
			buf[n++] = (char)c;
	}
	buf[n] = '\0';
	if (c == EOF && n == 0 && !*ret_why)
		return 0;
	return *ret_why ? -1 : 1;
}

/* The last word is the build; a product's name may hold spaces. False when there is one word. */
static bool split_line(char *line, char **ret_product, char **ret_build)
{
	struct span s = span_trim(span_str(line));
	size_t at;

	if (s.n && s.p[s.n - 1] == '\r')
		s = span_trim(span_of(s.p, s.n - 1));
	line = (char *)s.p;
	line[s.n] = '\0';
	for (at = s.n; at > 0 && line[at - 1] != ' ' && line[at - 1] != '\t'; at--)
		;
	*ret_product = line;
	*ret_build = line + at;
	while (at > 0 && (line[at - 1] == ' ' || line[at - 1] == '\t'))
		line[--at] = '\0';
	return at > 0;
}

static int check_line(struct checker *c, char *line, size_t number, struct err *err)
{
	CLEANUP(free) char *prefix = NULL;
	struct question q = { 0 };
	char *product, *build;
	int r;

	if (!split_line(line, &product, &build)) {
		if (!*product && !*build)
			return 0;
		return err_set(err, ERR_INVALID, "line %zu: expected 'PRODUCT BUILD': '%.64s'",
			       number, build);
	}
	r = resolve(c, product, build, &q, err);
	if (r < 0)
		return err_wrap(err, "line %zu", number);
	prefix = xasprintf("%s %s ", product, build);
	out_object(c->cli->out, NULL);
	out_int(c->cli->out, "line", (int64_t)number);
	r = ask(c, &q, prefix, err);
	out_close(c->cli->out);
	return r;
}

/* What is wrong with a line does not hide the answers for the others. */
static bool is_about_line(const struct err *err)
{
	return err->kind == ERR_INVALID || err->kind == ERR_NOT_FOUND || err->kind == ERR_USAGE;
}

/* For JSON, where the list of answers has to end before another begins. */
struct bad_lines {
	struct bad_line {
		size_t number;
		char *message;
	} * line;
	size_t n, cap;
};

static void note_bad_line(struct checker *c, struct bad_lines *bad, size_t number,
			  const struct err *e)
{
	out_error(c->cli->out, e);
	GROW(bad->line, bad->n, bad->cap);
	bad->line[bad->n++] = (struct bad_line){ number, xstrdup(e->msg) };
}

static void show_bad_lines(struct checker *c, struct bad_lines *bad)
{
	out_list(c->cli->out, "bad_lines");
	for (size_t i = 0; i < bad->n; i++) {
		out_object(c->cli->out, NULL);
		out_int(c->cli->out, "line", (int64_t)bad->line[i].number);
		out_str(c->cli->out, "message", bad->line[i].message);
		out_close(c->cli->out);
		free(bad->line[i].message);
	}
	out_close(c->cli->out);
	free(bad->line);
}

static int check_lines(struct checker *c, struct err *err)
{
	size_t number = 0, hits = 0;
	struct bad_lines bad = { 0 };
	char line[LINE_BYTES];
	const char *why;
	int got, r;

	out_list(c->cli->out, "answers");
	while ((got = read_line(line, &why)) != 0) {
		struct err e = { 0 };

		number++;
		if (got < 0)
			r = err_set(&e, ERR_INVALID, "line %zu: %s", number, why);
		else
			r = check_line(c, line, number, &e);
		if (r < 0) {
			if (!is_about_line(&e)) {
				*err = e;
				return r;
			}
			note_bad_line(c, &bad, number, &e);
			continue;
		}
		hits += r == EXIT_YES;
	}
	out_close(c->cli->out);
	if (ferror(stdin))
		return err_set(err, ERR_IO, "cannot read standard input");
	out_int(c->cli->out, "lines", (int64_t)number);
	show_bad_lines(c, &bad);
	if (!bad.n)
		return hits ? EXIT_YES : 0;
	out_note(c->cli->out, "%zu of %zu lines could not be checked", bad.n, number);
	return EX_DATAERR;
}

static int run(struct cli *cli, struct err *err)
{
	const struct check_args *a = cli->args;
	CHECKER c = { .cli = cli, .live = a->live };
	struct question q = { 0 };
	DB_TX tx = { 0 };
	int r = 0;

	if (strcmp(cli->arg[0], "-") == 0) {
		if (cli->n_args > 1)
			return err_set(err, ERR_USAGE, "too many arguments: '%.64s'", cli->arg[1]);
		return check_lines(&c, err);
	}
	if (cli->n_args < 2)
		return err_set(err, ERR_USAGE, "missing argument, expected PRODUCT BUILD");
	c.once = true;
	if (!c.live)
		r = cli_need(cli, NEED_DB_READ, err);
	if (r == 0 && !c.live)
		r = db_snapshot(cli->db, &tx, err);
	if (r == 0)
		r = resolve(&c, cli->arg[0], cli->arg[1], &q, err);
	return r < 0 ? r : ask(&c, &q, "", err);
}

const struct verb verb_check = {
	.section = SECTION,
	.name = "check",
	.args_doc = "PRODUCT BUILD\n-",
	.summary = "tell whether a build is blacklisted",
	.help = "Leaves with 1 when it is blacklisted and with 0 when it is not. With '-' it reads lines of PRODUCT and BUILD from standard input and leaves with 1 "
		"when any of them is blacklisted.",
	.min_args = 1,
	.max_args = 2,
	.options = options,
	.option = option,
	.args_size = sizeof(struct check_args),
	.run = run,
};
