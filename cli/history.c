/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * history: who changed what, when and why, and whether anybody tampered with that.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/subject.h"
#include "registry/history.h"

enum { OPT_SINCE = 0x100, OPT_VERIFY };

struct history_args {
	int64_t since;
	bool has_since, verify;
};

static const struct argp_option options[] = {
	{ "since", OPT_SINCE, "DATE", 0, "Only changes from this date on (2026-11-01, -7d)", 0 },
	{ "verify", OPT_VERIFY, NULL, 0,
	  "Check the chain, and every row against it, instead; leaves with 1 when something does not fit",
	  0 },
	{ 0 },
};

static int option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct history_args *a = cli->args;

	if (key == OPT_VERIFY) {
		a->verify = true;
		return 0;
	}
	a->has_since = true;
	return option_past(cli, "--since", arg, &a->since, err);
}

/* ---- history --verify ---- */

struct findings {
	struct out *out;
	size_t n;
};

static void found(void *ctx, int64_t seq, const char *what)
{
	struct findings *f = ctx;

	f->n++;
	if (seq)
		out_paint_line(f->out, PAINT_BAD, "row %" PRId64 ": %s", seq, what);
	else
		out_paint_line(f->out, PAINT_BAD, "%s", what);
	out_object(f->out, NULL);
	out_int(f->out, "seq", seq);
	out_str(f->out, "what", what);
	out_close(f->out);
}

static int verify(struct cli *cli, struct err *err)
{
	struct findings f = { .out = cli->out };
	int r;

	out_list(cli->out, "findings");
	r = history_verify(cli->db, found, &f, err);
	out_close(cli->out);
	if (r < 0)
		return r;
	out_bool(cli->out, "intact", f.n == 0);
	if (!f.n)
		out_paint_line(cli->out, PAINT_GOOD, "the history is intact");
	return f.n ? EXIT_YES : 0;
}

/* ---- rows ---- */

static char *who(const struct history_row *h)
{
	const char *at = h->host && *h->host ? "@" : "", *host = h->host ? h->host : "";

	if (h->sudo_user && *h->sudo_user)
		return xasprintf("%s%s%s (uid %" PRId64 ")", h->sudo_user, at, host, h->uid);
	return xasprintf("uid %" PRId64 "%s%s", h->uid, at, host);
}

static void show_row(struct out *out, const struct history_row *h)
{
	char date[TIME_TEXT_MAX];
	CLEANUP(free) char *by = who(h);

	out_cell(out, "%" PRId64, h->seq);
	out_cell(out, "%s", time_text(h->time, date));
	out_cell(out, "%s", by);
	out_cell(out, "%s", h->act ? h->act : "");
	if (h->owner && h->expires != TIME_NONE)
		out_cell(out, "%s (owner %s, until %s)", h->subject, h->owner,
			 time_text(h->expires, date));
	else if (h->owner)
		out_cell(out, "%s (owner %s, for ever)", h->subject, h->owner);
	else
		out_cell(out, "%s", h->subject);
	out_cell(out, "%s", h->reason ? h->reason : "");
	out_object(out, NULL);
	out_int(out, "seq", h->seq);
	out_time(out, "time", h->time);
	out_str(out, "verb", h->verb);
	out_str(out, "act", h->act);
	out_str(out, "subject", h->subject);
	out_str(out, "reason", h->reason && *h->reason ? h->reason : NULL);
	out_int(out, "uid", h->uid);
	out_str(out, "sudo_user", h->sudo_user && *h->sudo_user ? h->sudo_user : NULL);
	out_str(out, "host", h->host);
	out_str(out, "before", h->before);
	out_str(out, "after", h->after);
	out_str(out, "hash", h->hash);
	out_close(out);
}

/*
 * Rows about the product itself, and about its entries and exceptions: those name its number. In
 * canonical JSON a quote within a text is escaped, so MEMBER can stand nowhere else.
 */
static bool concerns(const struct history_row *h, const char *subject, const char *member)
{
	if (strcmp(h->subject, subject) == 0)
		return true;
	if (strncmp(h->subject, "entry ", 6) != 0 && strncmp(h->subject, "exception ", 10) != 0)
		return false;
	return (h->before && strstr(h->before, member)) || (h->after && strstr(h->after, member));
}

static int run(struct cli *cli, struct err *err)
{
	const struct history_args *a = cli->args;
	CLEANUP(history_rows_free) struct history_rows *rows = NULL;
	CLEANUP(free) char *subject = NULL, *member = NULL;
	int r;

	if (a->verify && (cli->n_args || a->has_since))
		return err_set(err, ERR_USAGE, "'--verify' checks the whole history");
	if (a->verify)
		return verify(cli, err);
	if (cli->n_args) {
		SUBJECT s = { 0 };

		r = subject_find(cli, cli->arg[0], &s, err);
		if (r < 0)
			return r;
		subject = xasprintf("product %" PRIu16, s.product->number);
		member = xasprintf("\"product\":%" PRIu16 ",", s.product->number);
	}
	r = history_list(cli->db, a->has_since ? a->since : TIME_NONE, NULL, &rows, err);
	if (r < 0)
		return r;
	out_table(cli->out, ">SEQ|TIME|WHO|ACT|SUBJECT|<REASON");
	out_list(cli->out, "history");
	for (size_t i = 0; i < rows->n; i++)
		if (!subject || concerns(&rows->row[i], subject, member))
			show_row(cli->out, &rows->row[i]);
	out_close(cli->out);
	out_table_end(cli->out);
	return 0;
}

const struct verb verb_history = {
	.section = "Operations",
	.name = "history",
	.args_doc = "[PRODUCT]",
	.summary = "show who changed what, when and why",
	.help = "With PRODUCT only what concerns it, its entries and its exceptions.",
	.needs = NEED_DB_READ,
	.max_args = 1,
	.options = options,
	.option = option,
	.args_size = sizeof(struct history_args),
	.run = run,
};
