/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sync and verify. Manners for cron: with --quiet nothing is said about success, and a failure is
 * told when it begins, when it becomes another one, and once a day.
 */
#include "cli/apply.h"
#include "cli/impact.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "registry/digest.h"
#include "sync/fetch.h"
#include "sync/pull.h"

#define SECTION "Sync"
#define SIGNATURES_MAX 64
#define ACCEPTED_MAX 64
#define WAIT_MAX 86400

enum {
	OPT_URL = 0x100,
	OPT_FROM,
	OPT_SIGNATURE,
	OPT_DRY_RUN,
	OPT_NO_APPLY,
	OPT_WAIT,
	OPT_SPLAY,
	OPT_ACCEPT_VERSION,
	OPT_WHOLE_FAMILY,
	OPT_ACCEPT_IMPACT,
};

struct sync_args {
	const char *url, *from;
	const char *signature[SIGNATURES_MAX];
	size_t n_signatures;
	const char *accept[ACCEPTED_MAX];
	size_t n_accept;
	bool dry_run, no_apply, whole_family;
	uint32_t wait, splay;
	uint64_t accept_version;
};

static int sync_option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct sync_args *a = cli->args;

	switch (key) {
	case OPT_DRY_RUN:
		a->dry_run = true;
		return 0;
	case OPT_NO_APPLY:
		a->no_apply = true;
		return 0;
	case OPT_WHOLE_FAMILY:
		a->whole_family = true;
		return 0;
	case OPT_ACCEPT_IMPACT:
		if (a->n_accept == ACCEPTED_MAX)
			return err_set(err, ERR_USAGE, "more than %d entries accepted",
				       ACCEPTED_MAX);
		return option_text("--accept-impact", arg, &a->accept[a->n_accept++], err);
	case OPT_WAIT:
		return option_u32("--wait", arg, WAIT_MAX, &a->wait, err);
	case OPT_SPLAY:
		return option_u32("--splay", arg, WAIT_MAX, &a->splay, err);
	case OPT_ACCEPT_VERSION:
		if (!parse_u64(span_str(arg), &a->accept_version) || !a->accept_version)
			return err_set(err, ERR_USAGE,
				       "bad value for '--accept-version': '%.64s' is no version",
				       arg);
		return 0;
	}
	if (!*arg)
		return err_set(err, ERR_USAGE, "empty %s", key == OPT_URL ? "URL" : "file name");
	if (key == OPT_URL) {
		a->url = arg;
	} else if (key == OPT_FROM) {
		a->from = arg;
	} else if (a->n_signatures == SIGNATURES_MAX) {
		return err_set(err, ERR_USAGE, "more than %d signatures", SIGNATURES_MAX);
	} else {
		a->signature[a->n_signatures++] = arg;
	}
	return 0;
}

/* ---- when ---- */

static char *machine_id(void)
{
	char text[128] = "";
	int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	close_fd(fd);
	if (n <= 0 && gethostname(text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	return xstrdup(text);
}

/* A host's own second of the window: always the same, so that no reboot moves it. */
static uint32_t splay_seconds(uint32_t window)
{
	CLEANUP(free) char *id = machine_id();
	CLEANUP(digest_free) struct digest *d = digest_new();
	char hex[DIGEST_HEX];
	uint64_t n = 0;

	digest_text(d, "xenblacklist sync");
	digest_text(d, id);
	digest_hex(d, hex);
	hex[8] = '\0';
	for (const char *c = hex; *c; c++)
		n = n * 16 + (uint64_t)(*c <= '9' ? *c - '0' : *c - 'a' + 10);
	return (uint32_t)(n % window);
}

static void splay(struct cli *cli, uint32_t window)
{
	struct timespec t = { 0 };

	if (!window || isatty(STDIN_FILENO))
		return;
	t.tv_sec = splay_seconds(window);
	out_detail(cli->out, "waiting %lld s of %" PRIu32, (long long)t.tv_sec, window);
	while (nanosleep(&t, &t) < 0)
		;
	cli->now = time_now();
}

/* ---- telling ---- */

static void show_progress(void *ctx, const char *what, uint64_t done, uint64_t all)
{
	struct cli *cli = ctx;

	if (all)
		out_progress(cli->out, what, (size_t)done, (size_t)all);
}

static void show_impact(void *ctx, const struct impact *i, const struct blacklist *after,
			bool grows)
{
	impact_show(ctx, i, after, grows);
}

static void show_counts(struct cli *cli, const char *what, const struct pull_counts *n)
{
	out_object(cli->out, what);
	out_int(cli->out, "added", (int64_t)n->added);
	out_int(cli->out, "changed", (int64_t)n->changed);
	out_int(cli->out, "removed", (int64_t)n->removed);
	out_int(cli->out, "all", (int64_t)n->all);
	out_close(cli->out);
	if (!out_is_quiet(cli->out) && n->added + n->changed + n->removed)
		out_line(cli->out, "%s: %zu added, %zu changed, %zu removed, %zu in the manifest",
			 what, n->added, n->changed, n->removed, n->all);
}

static void show_strings(struct cli *cli, const char *key, char *const *list, size_t n, bool talk)
{
	out_list(cli->out, key);
	for (size_t i = 0; i < n; i++) {
		out_str(cli->out, NULL, list[i]);
		if (talk)
			out_note(cli->out, "%s", list[i]);
	}
	out_close(cli->out);
}

static void show_headline(struct cli *cli, const struct pull_result *r, const char *verb)
{
	char expires[TIME_TEXT_MAX];
	CLEANUP(free) char *signers = xstrdup("");

	for (size_t i = 0; i < r->n_signers; i++) {
		char *more = xasprintf("%s%s%s", signers, i ? ", " : "", r->signer[i]);

		free(signers);
		signers = more;
	}
	time_text(r->expires, expires);
	if (out_is_quiet(cli->out))
		return;
	if (r->outcome == PULL_SAME)
		out_line(cli->out, "manifest %" PRIu64 ": nothing new, expires %s", r->version,
			 expires);
	else
		out_paint_line(cli->out, PAINT_GOOD,
			       "manifest %" PRIu64 " %s: signed by %s, expires %s", r->version,
			       verb, signers, expires);
}

static void show_result(struct cli *cli, const struct pull_result *r, const char *verb)
{
	struct out *out = cli->out;

	show_headline(cli, r, verb);
	out_str(out, "outcome", r->outcome == PULL_CHANGED ? "changed" : "same");
	out_bool(out, "not_modified", r->not_modified);
	out_str(out, "source", r->source);
	out_int(out, "version", (int64_t)r->version);
	out_int(out, "previous", (int64_t)r->previous);
	out_time(out, "issued", r->issued);
	out_time(out, "expires", r->expires);
	show_strings(cli, "signers", r->signer, r->n_signers, false);
	out_bool(out, "keys_changed", r->keys_changed);
	show_counts(cli, "encodings", &r->encodings);
	show_counts(cli, "products", &r->products);
	show_counts(cli, "entries", &r->entries);
	out_int(out, "new_builds", (int64_t)r->new_builds);
	if (r->new_builds && !out_is_quiet(out))
		out_line(out, "builds: %" PRIu64 " more than before", r->new_builds);
	if (r->keys_changed)
		out_note(out, "the trusted keys are those of this manifest from now on");
	show_strings(cli, "notices", r->notices, r->n_notices, true);
}

static void show_header(struct cli *cli, const struct pull_header_result *h)
{
	out_object(cli->out, "header");
	out_str(cli->out, "source", h->source);
	out_int(cli->out, "added", (int64_t)h->added);
	show_strings(cli, "notices", h->notices, h->n_notices, true);
	out_close(cli->out);
}

/* ---- sync ---- */

static struct pull_options pull_options(struct cli *cli)
{
	const struct sync_args *a = cli->args;

	return (struct pull_options){ .config = cli->config,
				      .url = a->url,
				      .from = a->from,
				      .signatures = a->signature,
				      .n_signatures = a->n_signatures,
				      .dry_run = a->dry_run,
				      .accept_version = a->accept_version,
				      .whole_family = a->whole_family,
				      .impact = show_impact,
				      .accept_impact = a->accept,
				      .n_accept_impact = a->n_accept,
				      .progress = show_progress,
				      .ctx = cli };
}

static int sync_locked(struct cli *cli, struct err *err)
{
	const struct sync_args *a = cli->args;
	struct pull_options o = pull_options(cli);
	CLEANUP(pull_result_free) struct pull_result *result = NULL;
	CLEANUP(pull_header_result_free) struct pull_header_result *header = NULL;
	bool wants_header = *cli->config->header_url && !a->from && !a->url;
	struct err header_err = { 0 };
	int r = 0;

	if (a->from || a->url || *cli->config->upstream_url || !wants_header)
		r = pull(cli->db, &o, &result, err);
	if (r < 0)
		return r;
	out_bool(cli->out, "dry_run", a->dry_run);
	if (result)
		show_result(cli, result, a->dry_run ? "would be taken" : "taken");
	if (wants_header && pull_header(cli->db, &o, &header, &header_err) == 0)
		show_header(cli, header);
	if (!a->dry_run && !a->no_apply)
		r = cli_apply_after(cli, true, err);
	if (r < 0)
		return r;
	if (!header_err.kind)
		return 0;
	*err = header_err;
	return result ? err_wrap(err, "the manifest was synced, the header was not")
		      : -(int)err->kind;
}

/* The word by which a failure is told from another. */
static const char *failure_word(const struct err *err)
{
	static const char *const words[] = {
		[ERR_USAGE] = "usage",	     [ERR_INVALID] = "invalid",
		[ERR_REFUSED] = "refused",   [ERR_NOT_FOUND] = "not-found",
		[ERR_EXISTS] = "exists",     [ERR_UNREACHABLE] = "unreachable",
		[ERR_INTERNAL] = "internal", [ERR_CREATE] = "create",
		[ERR_IO] = "input-output",   [ERR_BUSY] = "busy",
		[ERR_DENIED] = "denied",     [ERR_CONFIG] = "configuration",
	};
	const char *code = refusal_name(err->refusal);

	return *code ? code : words[err->kind];
}

static int sync_run(struct cli *cli, struct err *err)
{
	const struct sync_args *a = cli->args;
	CLEANUP(close_fd) int lock = -1;
	bool news;
	int r;

	if (a->url && a->from)
		return err_set(err, ERR_USAGE, "'--url' and '--from' exclude each other");
	if (a->n_signatures && !a->from)
		return err_set(err, ERR_USAGE, "'--signature' wants '--from'");
	splay(cli, a->splay);
	r = cli_need(cli, NEED_CONFIG | NEED_DB_WRITE, err);
	if (r == 0)
		r = pull_lock(db_path(cli->db), a->wait, &lock, err);
	if (r < 0)
		return r;
	cli->now = time_now();
	db_set_now(cli->db, cli->now);
	/* A list that could not reach xenstore is not taken: the next sync would see no news. */
	if (!a->dry_run && !a->no_apply)
		r = cli_need(cli, NEED_STORE, err);
	if (r == 0)
		r = sync_locked(cli, err);
	if (a->dry_run)
		return r;
	if (r < 0) {
		news = pull_is_news(db_path(cli->db), failure_word(err), cli->now);
		if (!news && out_is_quiet(cli->out))
			out_hush(cli->out);
		return r;
	}
	if (pull_is_news(db_path(cli->db), NULL, cli->now) && out_is_quiet(cli->out))
		out_news(cli->out, "works again");
	return r;
}

static const struct argp_option sync_options[] = {
	{ "url", OPT_URL, "URL", 0, "Instead of [upstream] url and its mirrors", 0 },
	{ "from", OPT_FROM, "FILE", 0, "A file instead of a URL, by the same road", 0 },
	{ "signature", OPT_SIGNATURE, "FILE", 0,
	  "With --from: a signature (default FILE.minisig); may be repeated", 0 },
	{ "dry-run", OPT_DRY_RUN, NULL, 0, "Do everything but the change", 0 },
	{ "no-apply", OPT_NO_APPLY, NULL, 0, "Leave xenstore as it is", 0 },
	{ "wait", OPT_WAIT, "SECONDS", 0, "Wait for another sync to end (default 0)", 0 },
	{ "splay", OPT_SPLAY, "SECONDS", 0,
	  "First wait for a part of this that is always the same on one host; not on a terminal",
	  0 },
	{ "accept-version", OPT_ACCEPT_VERSION, "N", 0,
	  "Take version N although it goes back, grows or shrinks more than the policy allows", 0 },
	{ "whole-family", OPT_WHOLE_FAMILY, NULL, 0,
	  "Take entries that stand for every driver of a product", 0 },
	{ "accept-impact", OPT_ACCEPT_IMPACT, "ID", 0,
	  "With '[policy] impact = refuse': guests may lose their drivers to the entry ID, until it "
	  "covers something else; may be repeated",
	  0 },
	{ 0 },
};

const struct verb verb_sync = {
	.section = SECTION,
	.name = "sync",
	.args_doc = "",
	.summary = "fetch the signed upstream list, take it and apply it",
	.help = "A sync that fails leaves the registry as it was. With --quiet nothing is said about "
		"success, and a failure is told when it begins, when it changes and once a day.",
	.options = sync_options,
	.option = sync_option,
	.args_size = sizeof(struct sync_args),
	.run = sync_run,
};

/* ---- verify ---- */

/* A registry to check against where there is none to write: the shipped data, for this run. */
static int scratch_registry(struct cli *cli, char *dir, struct db **ret, struct err *err)
{
	static const struct actor actor = { .verb = "verify" };
	CLEANUP(free) char *path = NULL;

	if (!mkdtemp(dir))
		return err_set(err, ERR_CREATE, "cannot make a directory '%s'", dir);
	path = xasprintf("%s/registry.db", dir);
	return db_open(path, DB_WRITE, &actor, cli->now, ret, err);
}

static void remove_scratch(const char *dir)
{
	CLEANUP(free) char *path = xasprintf("%s/registry.db", dir);

	unlink(path);
	rmdir(dir);
}

static int verify_with(struct cli *cli, struct db *db, struct err *err)
{
	struct pull_options o = pull_options(cli);
	CLEANUP(pull_result_free) struct pull_result *result = NULL;
	int r;

	o.from = cli->arg[0];
	o.dry_run = true;
	o.impact = NULL;
	r = pull(db, &o, &result, err);
	if (r == 0)
		show_result(cli, result, "is good");
	return r;
}

static int verify_run(struct cli *cli, struct err *err)
{
	const char *tmp = getenv("TMPDIR");
	CLEANUP(free)
	char *dir = xasprintf("%s/xenblacklist-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	CLEANUP(db_close) struct db *scratch = NULL;
	int r;

	if (!*cli->arg[0])
		return err_set(err, ERR_USAGE, "empty file name");
	r = cli_need(cli, NEED_CONFIG, err);
	if (r < 0)
		return r;
	r = cli_need(cli, NEED_DB_WRITE, err);
	if (r == 0)
		return verify_with(cli, cli->db, err);
	if (err->kind != ERR_DENIED && err->kind != ERR_CREATE && err->kind != ERR_NOT_FOUND)
		return r;
	out_note(cli->out, "checked against the shipped registry: %s", err->msg);
	r = scratch_registry(cli, dir, &scratch, err);
	if (r == 0)
		r = verify_with(cli, scratch, err);
	db_close(TAKE(scratch));
	remove_scratch(dir);
	return r;
}

static const struct argp_option verify_options[] = {
	{ "signature", OPT_SIGNATURE, "FILE", 0,
	  "A signature (default FILE.minisig, FILE.KEYID.minisig); may be repeated", 0 },
	{ "accept-version", OPT_ACCEPT_VERSION, "N", 0, "As in sync", 0 },
	{ "whole-family", OPT_WHOLE_FAMILY, NULL, 0, "As in sync", 0 },
	{ 0 },
};

const struct verb verb_verify = {
	.section = SECTION,
	.name = "verify",
	.args_doc = "FILE",
	.summary = "check a manifest and its signatures as sync would",
	.min_args = 1,
	.max_args = 1,
	.options = verify_options,
	.option = sync_option,
	.args_size = sizeof(struct sync_args),
	.run = verify_run,
};
