/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * import and export: the registry and Xen's pvdrivers.h, manifests, tables and pages.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/file.h"
#include "cli/image.h"
#include "cli/impact.h"
#include "cli/subject.h"
#include "sync/csv.h"
#include "sync/header.h"
#include "sync/page.h"
#include "sync/publish.h"
#include "sync/pull.h"

#define SECTION "Registry"
#define IMPORT_SIZE_MAX ((size_t)1 << 30) /* what max-size can be at most */

enum format {
	FORMAT_AUTO,
	FORMAT_PVDRIVERS,
	FORMAT_MANIFEST,
	FORMAT_CSV,
	FORMAT_HTML,
	FORMAT_SNAPSHOT,
};

static const char *const format_names[] = {
	[FORMAT_AUTO] = "auto", [FORMAT_PVDRIVERS] = "pvdrivers", [FORMAT_MANIFEST] = "manifest",
	[FORMAT_CSV] = "csv",	[FORMAT_HTML] = "html",		  [FORMAT_SNAPSHOT] = "snapshot",
};

enum { OPT_FORMAT = 0x100, OPT_DRY_RUN, OPT_SIGNATURE, OPT_REASON, OPT_ORIGIN };

#define SIGNATURES_MAX 16

struct exchange_args {
	enum format format;
	bool dry_run, upstream;
	const char *out;
	const char *signature[SIGNATURES_MAX];
	size_t n_signatures;
};

static int take_format(const char *arg, enum format first, enum format last, enum format *ret,
		       struct err *err)
{
	for (size_t i = first; i <= last; i++) {
		if (strcmp(format_names[i], arg) == 0) {
			*ret = (enum format)i;
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, "unknown format '%.64s'", arg);
}

/* ---- import of pvdrivers.h ---- */

static bool is_conflict(const struct header_change *c)
{
	return c->class == HEADER_RENAMED || c->class == HEADER_RENUMBERED;
}

static void show_change(struct out *out, const struct header_change *c)
{
	out_paint_cell(out,
		       is_conflict(c)		? PAINT_BAD
		       : c->class == HEADER_NEW ? PAINT_GOOD
						: PAINT_NONE,
		       "%s", header_class_name(c->class));
	out_cell(out, "%" PRIu16, c->number);
	out_cell(out, "%s", c->name);
	if (c->class == HEADER_RENAMED)
		out_cell(out, "number %" PRIu16 " is '%s' here", c->number, c->have_name);
	else if (c->class == HEADER_RENUMBERED)
		out_cell(out, "name has number %" PRIu16 " here", c->have_number);
	else
		out_cell(out, "%s", c->comment);
	out_object(out, NULL);
	out_str(out, "class", header_class_name(c->class));
	out_int(out, "number", c->number);
	out_str(out, "name", c->name);
	out_str(out, "comment", c->comment);
	if (c->class == HEADER_RENUMBERED)
		out_int(out, "have_number", c->have_number);
	else
		out_null(out, "have_number");
	out_str(out, "have_name", c->have_name);
	out_close(out);
}

static void show_changes(struct out *out, const struct header_changes *changes)
{
	out_table(out, "CHANGE|>NUMBER|NAME|");
	out_list(out, "changes");
	for (size_t i = 0; i < changes->n; i++)
		if (changes->change[i].class != HEADER_SAME || out_is_verbose(out) ||
		    out_is_json(out))
			show_change(out, &changes->change[i]);
	out_close(out);
	out_table_end(out);
}

static int refuse_conflicts(const struct header_changes *changes, struct err *err)
{
	for (size_t i = 0; i < changes->n; i++) {
		const struct header_change *c = &changes->change[i];

		if (c->class == HEADER_RENAMED)
			return err_set(err, ERR_EXISTS,
				       "number %" PRIu16
				       " is '%s' in the header and '%s' in the registry",
				       c->number, c->name, c->have_name);
		if (c->class == HEADER_RENUMBERED)
			return err_set(err, ERR_EXISTS,
				       "'%s' has number %" PRIu16 " in the header and %" PRIu16
				       " in the registry",
				       c->name, c->number, c->have_number);
	}
	return 0;
}

static int add_new(struct cli *cli, const struct header_changes *changes, size_t *ret_added,
		   struct err *err)
{
	for (size_t i = 0; i < changes->n; i++) {
		const struct header_change *c = &changes->change[i];
		const struct product_request request = {
			.name = c->name,
			.number = c->number,
			.vendor = c->comment,
			.reference = "xen/include/public/pvdrivers.h",
			.provisional_until = TIME_NONE,
		};
		struct product_notes notes = { 0 };
		uint16_t number;
		int r;

		if (c->class != HEADER_NEW)
			continue;
		r = product_allocate(cli->db, &request, &number, &notes, err);
		if (r < 0)
			return err_wrap(err, "cannot add '%s' as %" PRIu16, c->name, c->number);
		note_lines(cli, notes.text);
		++*ret_added;
	}
	return 0;
}

static int import_header(struct cli *cli, const char *bytes, size_t n, struct err *err)
{
	const struct exchange_args *a = cli->args;
	CLEANUP(header_free) struct header *header = NULL;
	CLEANUP(products_free) struct products *ps = NULL;
	CLEANUP(header_changes_free) struct header_changes *changes = NULL;
	size_t added = 0;
	DB_TX tx = { 0 };
	int r = header_parse(bytes, n, &header, err);

	if (r < 0)
		return err_wrap(err, "'%s'", cli->arg[0]);
	r = cli_need(cli, a->dry_run ? NEED_DB_READ : NEED_DB_WRITE, err);
	if (r == 0 && !a->dry_run)
		r = db_begin(cli->db, &tx, err);
	if (r == 0)
		r = product_list(cli->db, &ps, err);
	if (r < 0)
		return r;
	changes = header_diff(header, ps);
	show_changes(cli->out, changes);
	r = refuse_conflicts(changes, err);
	if (r == 0 && !a->dry_run) {
		r = add_new(cli, changes, &added, err);
		if (r == 0)
			r = db_meta_set(cli->db, HEADER_META, header->text, err);
		if (r == 0)
			r = db_commit(&tx, err);
	}
	if (r < 0)
		return r;
	out_str(cli->out, "format", "pvdrivers");
	out_bool(cli->out, "dry_run", a->dry_run);
	out_int(cli->out, "added", (int64_t)added);
	out_note(cli->out, "%zu products added%s", added, a->dry_run ? " (dry run)" : "");
	return 0;
}

/* ---- import of a manifest: as sync --from, without apply ---- */

static void show_impact(void *ctx, const struct impact *i, const struct blacklist *after,
			bool grows)
{
	impact_show(ctx, i, after, grows);
}

static int import_manifest(struct cli *cli, struct err *err)
{
	const struct exchange_args *a = cli->args;
	CLEANUP(pull_result_free) struct pull_result *result = NULL;
	CLEANUP(close_fd) int lock = -1;
	struct pull_options o = {
		.from = cli->arg[0],
		.signatures = a->signature,
		.n_signatures = a->n_signatures,
		.dry_run = a->dry_run,
		.ctx = cli,
	};
	int r = cli_need(cli, NEED_CONFIG | NEED_DB_WRITE, err);

	if (r == 0)
		r = pull_lock(db_path(cli->db), 0, &lock, err);
	if (r < 0)
		return r;
	o.config = cli->config;
	o.impact = show_impact;
	r = pull(cli->db, &o, &result, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < result->n_notices; i++)
		out_note(cli->out, "%s", result->notices[i]);
	out_line(cli->out, "manifest %" PRIu64 "%s", result->version,
		 result->outcome == PULL_SAME ? ": nothing new" : "");
	out_str(cli->out, "format", "manifest");
	out_bool(cli->out, "dry_run", a->dry_run);
	out_int(cli->out, "version", (int64_t)result->version);
	out_bool(cli->out, "changed", result->outcome == PULL_CHANGED);
	return 0;
}

static const struct argp_option import_options[] = {
	{ "format", OPT_FORMAT, "FORMAT", 0, "auto (default), pvdrivers or manifest", 0 },
	{ "signature", OPT_SIGNATURE, "FILE", 0,
	  "Signature of a manifest (default FILE.minisig); may be repeated", 0 },
	{ "dry-run", OPT_DRY_RUN, NULL, 0, "Show what differs and change nothing", 0 },
	{ "reason", OPT_REASON, "TEXT", 0, "Why, for the history", 0 },
	{ 0 },
};

static int import_option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct exchange_args *a = cli->args;

	switch (key) {
	case OPT_FORMAT:
		return take_format(arg, FORMAT_AUTO, FORMAT_MANIFEST, &a->format, err);
	case OPT_DRY_RUN:
		a->dry_run = true;
		return 0;
	case OPT_SIGNATURE:
		if (!*arg)
			return err_set(err, ERR_USAGE, "empty file name");
		if (a->n_signatures == SIGNATURES_MAX)
			return err_set(err, ERR_USAGE, "more than %d signatures", SIGNATURES_MAX);
		a->signature[a->n_signatures++] = arg;
		return 0;
	default:
		return option_text("--reason", arg, &cli->reason, err);
	}
}

static int import_run(struct cli *cli, struct err *err)
{
	const struct exchange_args *a = cli->args;
	CLEANUP(free) char *bytes = NULL;
	enum format format = a->format;
	size_t n, first;
	int r;

	if (!*cli->arg[0])
		return err_set(err, ERR_USAGE, "empty file name");
	if (format == FORMAT_MANIFEST)
		return import_manifest(cli, err);
	r = file_read(cli->arg[0], IMPORT_SIZE_MAX, &bytes, &n, err);
	if (r < 0)
		return r;
	first = strspn(bytes, " \t\r\n");
	if (format == FORMAT_AUTO && bytes[first] == '{')
		return import_manifest(cli, err);
	return import_header(cli, bytes, n, err);
}

const struct verb verb_import = {
	.section = SECTION,
	.name = "import",
	.args_doc = "FILE",
	.summary = "take Xen's pvdrivers.h, or a signed manifest",
	.help = "A header adds products on free numbers; one that contradicts the registry is refused "
		"as a whole. A manifest passes the same gates as in 'sync --from', and nothing is "
		"applied.",
	.min_args = 1,
	.max_args = 1,
	.options = import_options,
	.option = import_option,
	.args_size = sizeof(struct exchange_args),
	.run = import_run,
};

/* ---- export ---- */

/* Documents that are written through a FILE. */
static int to_memory(void (*write)(void *ctx, FILE *f), void *ctx, char **ret, size_t *ret_n)
{
	FILE *f = open_memstream(ret, ret_n);

	if (!f)
		abort();
	write(ctx, f);
	fclose(f);
	return 0;
}

static void write_csv(void *ctx, FILE *f)
{
	csv_write(ctx, f);
}

static int export_csv(struct cli *cli, char **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(products_free) struct products *ps = NULL;
	int r = product_list(cli->db, &ps, err);

	return r < 0 ? r : to_memory(write_csv, ps, ret, ret_n);
}

struct page {
	struct blacklist *blacklist;
	struct encoding_rows *encodings;
	struct page_info info;
};

static void write_page(void *ctx, FILE *f)
{
	const struct page *p = ctx;

	page_write(p->blacklist, p->encodings, &p->info, f);
}

static int export_html(struct cli *cli, char **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	CLEANUP(encoding_rows_free) struct encoding_rows *rows = NULL;
	struct page page = { .info = { .issued = TIME_NONE, .expires = TIME_NONE } };
	int r = blacklist_load(cli->db, cli->now, &b, err);

	if (r == 0)
		r = encoding_list(cli->db, &rows, err);
	if (r < 0)
		return r;
	page.blacklist = b;
	page.encodings = rows;
	return to_memory(write_page, &page, ret, ret_n);
}

/*
 * Version and dates are those of the last manifest that was taken. A registry that never took one
 * gets version 1 and thirty days, so that the document is a whole one; publish counts for itself.
 */
static int export_manifest(struct cli *cli, char **ret, size_t *ret_n, struct err *err)
{
	const struct exchange_args *a = cli->args;
	CLEANUP(manifest_free) struct manifest *m = NULL;
	CLEANUP(pull_state_free) struct pull_state *state = NULL;
	int r = publish_manifest(cli->db, a->upstream ? PUBLISH_UPSTREAM : PUBLISH_ALL, &m, err);

	if (r == 0)
		r = pull_state(cli->db, &state, err);
	if (r < 0)
		return r;
	m->version = state->version ? state->version : 1;
	m->issued = state->version ? state->issued : cli->now;
	m->expires = state->version ? state->expires : cli->now + 30 * 86400;
	manifest_write(m, ret, ret_n);
	return 0;
}

static int export_snapshot(struct cli *cli, char **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	int r = blacklist_load(cli->db, cli->now, &b, err);

	return r < 0 ? r : image_make(b, ret, ret_n, err);
}

static int export_bytes(struct cli *cli, enum format format, char **ret, size_t *ret_n,
			struct err *err)
{
	switch (format) {
	case FORMAT_MANIFEST:
		return export_manifest(cli, ret, ret_n, err);
	case FORMAT_CSV:
		return export_csv(cli, ret, ret_n, err);
	case FORMAT_HTML:
		return export_html(cli, ret, ret_n, err);
	case FORMAT_SNAPSHOT:
		return export_snapshot(cli, ret, ret_n, err);
	default:
		return publish_header(cli->db, ret, ret_n, err);
	}
}

static const struct argp_option export_options[] = {
	{ "format", OPT_FORMAT, "FORMAT", 0, "pvdrivers (default), manifest, csv, html or snapshot",
	  0 },
	{ "output", 'o', "FILE", 0, "Write FILE, whole or not at all, not standard output", 0 },
	{ "origin", OPT_ORIGIN, "WHICH", 0,
	  "Rows of a manifest: all (default), or upstream ones and shipped ones only", 0 },
	{ 0 },
};

static int export_option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct exchange_args *a = cli->args;

	switch (key) {
	case OPT_FORMAT:
		return take_format(arg, FORMAT_PVDRIVERS, FORMAT_SNAPSHOT, &a->format, err);
	case OPT_ORIGIN:
		if (strcmp(arg, "all") != 0 && strcmp(arg, "upstream") != 0)
			return err_set(err, ERR_USAGE,
				       "unknown origin '%.64s', expected all or upstream", arg);
		a->upstream = strcmp(arg, "upstream") == 0;
		return 0;
	default:
		if (!*arg)
			return err_set(err, ERR_USAGE, "empty file name");
		a->out = arg;
		return 0;
	}
}

static int export_run(struct cli *cli, struct err *err)
{
	const struct exchange_args *a = cli->args;
	enum format format = a->format ? a->format : FORMAT_PVDRIVERS;
	CLEANUP(free) char *bytes = NULL;
	size_t n;
	int r;

	if (format == FORMAT_SNAPSHOT && !a->out && out_is_json(cli->out))
		return err_set(err, ERR_USAGE,
			       "a snapshot is no text that --json could show: use -o FILE");
	r = export_bytes(cli, format, &bytes, &n, err);
	if (r == 0 && a->out && strcmp(a->out, "-") != 0)
		r = file_write(a->out, bytes, n, err);
	else if (r == 0)
		out_raw(cli->out, bytes, n);
	if (r < 0)
		return r;
	out_str(cli->out, "format", format_names[format]);
	out_str(cli->out, "file", a->out);
	out_int(cli->out, "size", (int64_t)n);
	if (a->out || format == FORMAT_SNAPSHOT) /* which is no text */
		out_null(cli->out, "content");
	else
		out_strn(cli->out, "content", bytes, n);
	return 0;
}

const struct verb verb_export = {
	.section = SECTION,
	.name = "export",
	.args_doc = "",
	.summary = "write the registry in another format",
	.needs = NEED_DB_READ,
	.options = export_options,
	.option = export_option,
	.args_size = sizeof(struct exchange_args),
	.run = export_run,
};
