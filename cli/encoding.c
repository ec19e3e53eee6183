/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * encoding list, show, define; encode and decode.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/subject.h"

#define SECTION "Registry"

/* ---- encoding list ---- */

static int list_run(struct cli *cli, struct err *err)
{
	CLEANUP(encoding_rows_free) struct encoding_rows *rows = NULL;
	struct out *out = cli->out;
	int r = encoding_list(cli->db, &rows, err);

	if (r < 0)
		return r;
	out_table(out, "NAME|SCAN|EXPRESSION|ORIGIN");
	out_list(out, "encodings");
	for (size_t i = 0; i < rows->n; i++) {
		const struct encoding_row *e = &rows->row[i];

		out_cell(out, "%s", e->name);
		out_cell(out, "%s", e->scan);
		out_cell(out, "%s", e->expression);
		out_cell(out, "%s", origin_name(e->origin));
		out_object(out, NULL);
		out_str(out, "name", e->name);
		out_str(out, "scan", e->scan);
		out_str(out, "expression", e->expression);
		out_str(out, "origin", origin_name(e->origin));
		out_close(out);
	}
	out_close(out);
	out_table_end(out);
	return 0;
}

const struct verb verb_encoding_list = {
	.section = SECTION,
	.name = "encoding list",
	.args_doc = "",
	.summary = "list the encodings of versions into builds",
	.needs = NEED_DB_READ,
	.run = list_run,
};

/* ---- encoding show ---- */

static const char *yes_no(bool v)
{
	return v ? "yes" : "no";
}

/* Builds at both ends of the encoding, decoded: what a maintainer checks by eye. */
static void show_examples(struct out *out, const struct encoding *e, const struct encoding_facts *f)
{
	const struct {
		const char *what;
		uint32_t build;
	} ends[] = { { "Smallest", f->least }, { "Largest", f->largest } };

	out_list(out, "examples");
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct encoding_version v;

		if (i && ends[i].build == ends[0].build)
			break;
		encoding_decode(e, ends[i].build, &v);
		out_cell(out, "%s build", ends[i].what);
		if (v.impossible || !*v.text)
			out_cell(out, "%" PRIu32, ends[i].build);
		else
			out_cell(out, "%" PRIu32 ", version %s%s", ends[i].build, v.text,
				 v.ambiguous ? " (ambiguous)" : "");
		out_object(out, NULL);
		out_int(out, "build", ends[i].build);
		out_str(out, "version", v.impossible || !*v.text ? NULL : v.text);
		out_bool(out, "ambiguous", v.ambiguous);
		out_close(out);
	}
	out_close(out);
}

static void show_encoding(struct out *out, const struct encoding *e)
{
	struct encoding_facts f = encoding_facts(e);

	out_str(out, "name", encoding_name(e));
	out_str(out, "scan", encoding_scan(e));
	out_str(out, "expression", encoding_expression(e));
	out_bool(out, "constant", f.constant);
	out_bool(out, "ordered", f.ordered);
	out_bool(out, "injective", f.injective);
	out_int(out, "stride", f.stride);
	out_int(out, "least", f.least);
	out_int(out, "largest", f.largest);

	out_table(out, "|");
	out_cell(out, "Name");
	out_cell(out, "%s", encoding_name(e));
	out_cell(out, "Scan");
	out_cell(out, "%s", encoding_scan(e));
	out_cell(out, "Expression");
	out_cell(out, "%s", encoding_expression(e));
	out_cell(out, "Constant");
	out_cell(out, "%s", f.constant ? "yes: one build stands for every version" : "no");
	out_cell(out, "Ordered");
	out_cell(out, "%s", yes_no(f.ordered));
	out_cell(out, "Injective");
	out_cell(out, "%s", f.injective ? "yes" : "no: versions can share a build");
	out_cell(out, "Stride");
	out_cell(out, "%" PRIu32, f.stride);
	show_examples(out, e, &f);
	out_table_end(out);
	if (f.largest > INT32_MAX)
		out_note(out, "builds from 2147483648 up cost two nodes each: device models that "
			      "print %%d look them up as negative numbers");
}

static int show_run(struct cli *cli, struct err *err)
{
	CLEANUP(encoding_free) struct encoding *e = NULL;
	int r = encoding_find(cli->db, cli->arg[0], &e, err);

	if (r < 0)
		return r;
	show_encoding(cli->out, e);
	return 0;
}

const struct verb verb_encoding_show = {
	.section = SECTION,
	.name = "encoding show",
	.args_doc = "NAME",
	.summary = "show an encoding and what follows from its expression",
	.needs = NEED_DB_READ,
	.min_args = 1,
	.max_args = 1,
	.run = show_run,
};

/* ---- encoding define ---- */

enum { OPT_SCAN = 0x100, OPT_EXPRESSION, OPT_DRY_RUN, OPT_REASON };

struct define_args {
	const char *scan, *expression;
	bool dry_run;
};

static const struct argp_option define_options[] = {
	{ "scan", OPT_SCAN, "SCAN", 0, "How the text of a version is read: a.b.c?...", 0 },
	{ "expression", OPT_EXPRESSION, "EXPR", 0,
	  "How its fields become the build: a[255]<<16 | b[255]<<8 | c[255]", 0 },
	{ "dry-run", OPT_DRY_RUN, NULL, 0, "Show what follows from it and define nothing", 0 },
	{ "reason", OPT_REASON, "TEXT", 0, "Why, for the history", 0 },
	{ 0 },
};

static int define_option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct define_args *a = cli->args;

	switch (key) {
	case OPT_SCAN:
		return option_text("--scan", arg, &a->scan, err);
	case OPT_EXPRESSION:
		return option_text("--expression", arg, &a->expression, err);
	case OPT_DRY_RUN:
		a->dry_run = true;
		return 0;
	default:
		return option_text("--reason", arg, &cli->reason, err);
	}
}

static int define_run(struct cli *cli, struct err *err)
{
	struct define_args *a = cli->args;
	CLEANUP(encoding_free) struct encoding *e = NULL;
	DB_TX tx = { 0 };
	int r;

	if (!a->scan || !a->expression)
		return err_set(err, ERR_USAGE, "'--scan' and '--expression' are both needed");
	r = encoding_compile(cli->arg[0], a->scan, a->expression, &e, err);
	if (r < 0)
		return r;
	if (!a->dry_run) {
		r = cli_need(cli, NEED_DB_WRITE, err);
		if (r == 0)
			r = db_begin(cli->db, &tx, err);
		if (r == 0)
			r = encoding_define(cli->db, cli->arg[0], a->scan, a->expression, err);
		if (r == 0)
			r = db_commit(&tx, err);
		if (r < 0)
			return r;
	}
	show_encoding(cli->out, e);
	return 0;
}

const struct verb verb_encoding_define = {
	.section = SECTION,
	.name = "encoding define",
	.args_doc = "NAME --scan SCAN --expression EXPR",
	.summary = "add an encoding, after showing what follows from it",
	.min_args = 1,
	.max_args = 1,
	.options = define_options,
	.option = define_option,
	.args_size = sizeof(struct define_args),
	.run = define_run,
};

/* ---- encode ---- */

static int encode_run(struct cli *cli, struct err *err)
{
	struct out *out = cli->out;
	SUBJECT s = { 0 };
	uint32_t build;
	int r = subject_find(cli, cli->arg[0], &s, err);

	if (r == 0)
		r = subject_build(cli, &s, cli->arg[1], &build, err);
	if (r < 0)
		return r;
	out_line(out, "%" PRIu32, build);
	out_int(out, "product", s.product->number);
	out_str(out, "name", s.product->name);
	out_str(out, "version", cli->arg[1]);
	out_int(out, "build", build);
	return 0;
}

const struct verb verb_encode = {
	.section = SECTION,
	.name = "encode",
	.args_doc = "PRODUCT VERSION",
	.summary = "print the build number of a version",
	.help = "The number stands alone on standard output. ENCODING:VERSION names the encoding, "
		"which is needed where a product has several.",
	.needs = NEED_DB_READ,
	.min_args = 2,
	.max_args = 2,
	.run = encode_run,
};

/* ---- decode ---- */

static void decode_use(struct out *out, const struct encoding_use *use, uint32_t build)
{
	struct encoding_version v;
	struct encoding_facts f = encoding_facts(use->encoding);
	const char *name = encoding_name(use->encoding);

	encoding_decode(use->encoding, build, &v);
	if (f.constant && !v.impossible)
		out_line(out, "every version of '%s'", name);
	else if (v.impossible)
		out_line(out, "no version: %s", v.why);
	else
		out_line(out, "%s", v.text);
	if (v.ambiguous)
		out_note(out, "ambiguous: %s", v.why);
	if (*use->user)
		out_note(out, "used by %s", use->user);
	out_str(out, "encoding", name);
	out_str(out, "version", *v.text && !v.impossible ? v.text : NULL);
	out_bool(out, "constant", f.constant);
	out_bool(out, "impossible", v.impossible);
	out_bool(out, "ambiguous", v.ambiguous);
	out_str(out, "why", *v.why ? v.why : NULL);
	out_str(out, "user", *use->user ? use->user : NULL);
}

static int decode_run(struct cli *cli, struct err *err)
{
	struct out *out = cli->out;
	const struct encoding_use *use;
	SUBJECT s = { 0 };
	uint64_t build;
	int r = subject_find(cli, cli->arg[0], &s, err);

	if (r < 0)
		return r;
	if (!parse_number(span_str(cli->arg[1]), UINT32_MAX, &build))
		return err_set(err, ERR_USAGE, "bad build '%.64s', expected 0 to 4294967295",
			       cli->arg[1]);
	use = subject_use(&s, (uint32_t)build);
	out_int(out, "product", s.product->number);
	out_str(out, "name", s.product->name);
	out_int(out, "build", (int64_t)build);
	if (!use) {
		out_line(out, "no version: '%s' has no encoding for this build", s.product->name);
		out_null(out, "encoding");
		out_null(out, "version");
		out_bool(out, "constant", false);
		out_bool(out, "impossible", true);
		out_bool(out, "ambiguous", false);
		out_str(out, "why", "no encoding for this build");
		out_null(out, "user");
		return 0;
	}
	decode_use(out, use, (uint32_t)build);
	return 0;
}

const struct verb verb_decode = {
	.section = SECTION,
	.name = "decode",
	.args_doc = "PRODUCT BUILD",
	.summary = "print the version that a build number stands for",
	.needs = NEED_DB_READ,
	.min_args = 2,
	.max_args = 2,
	.run = decode_run,
};
