/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exception: what this host allows although an entry covers it, and how that is told wherever it
 * decides. To take one away blacklists, so that it is looked at like an entry that is added.
 */
#include "cli/exception.h"

#include <inttypes.h>

#include "cli/apply.h"
#include "cli/edit.h"
#include "cli/list.h"

#define SECTION "Blacklist"
#define TOLD_MAX 4

char *exception_terms(const struct exception *x)
{
	char date[TIME_TEXT_MAX];

	if (x->expires == TIME_NONE)
		return xasprintf("owner %s, for ever", x->owner);
	return xasprintf("owner %s, until %s", x->owner, time_text(x->expires, date));
}

static bool in_force(const struct blacklist *b, const struct exception *x)
{
	return x->expires == TIME_NONE || x->expires > blacklist_now(b);
}

size_t exceptions_count(const struct blacklist *b)
{
	const struct exceptions *xs = blacklist_exceptions(b);
	size_t n = 0;

	for (size_t i = 0; i < xs->n; i++)
		n += in_force(b, xs->exception[i]);
	return n;
}

void exceptions_json(struct out *out, const struct blacklist *b)
{
	const struct exceptions *xs = blacklist_exceptions(b);

	out_list(out, "exceptions_in_force");
	for (size_t i = 0; i < xs->n; i++) {
		const struct exception *x = xs->exception[i];

		if (!in_force(b, x))
			continue;
		out_object(out, NULL);
		out_str(out, "id", x->id);
		out_str(out, "owner", x->owner);
		out_int(out, "product", x->product);
		out_str(out, "builds", x->builds);
		out_str(out, "reason", x->reason);
		out_time(out, "expires", x->expires);
		out_close(out);
	}
	out_close(out);
}

void exceptions_note(struct out *out, const struct blacklist *b)
{
	const struct exceptions *xs = blacklist_exceptions(b);

	out_list(out, "exceptions");
	for (size_t i = 0; i < xs->n; i++) {
		const struct exception *x = xs->exception[i];
		char date[TIME_TEXT_MAX];

		if (!in_force(b, x))
			continue;
		out_str(out, NULL, x->id);
		out_note(out, "exception '%s' of %s: product %" PRIu16 ", %s%s%s", x->id, x->owner,
			 x->product, x->builds, x->expires == TIME_NONE ? "" : ", until ",
			 time_text(x->expires, date));
	}
	out_close(out);
	exceptions_json(out, b);
}

char *exceptions_text(const struct blacklist *b)
{
	const struct exceptions *xs = blacklist_exceptions(b);
	size_t n = exceptions_count(b), told = 0;
	char *text = xasprintf("%zu", n);

	for (size_t i = 0; i < xs->n && told <= TOLD_MAX; i++) {
		const struct exception *x = xs->exception[i];
		CLEANUP(free) char *terms = exception_terms(x), *before = NULL;

		if (!in_force(b, x))
			continue;
		before = text;
		if (++told > TOLD_MAX)
			text = xasprintf("%s, and %zu more", before, n - TOLD_MAX);
		else
			text = xasprintf("%s%s '%s' (%s)", before, told == 1 ? ":" : ",", x->id,
					 terms);
	}
	return text;
}

/* ---- the verbs ---- */

static const struct argp_option exception_options[] = {
	{ "reason", EDIT_REASON, "TEXT", 0, "Why (required)", 0 },
	{ "owner", EDIT_OWNER, "WHO", 0, "Who answers for it (required)", 0 },
	{ "expires", EDIT_EXPIRES, "DATE", 0, "Not from this date on", 0 },
	{ "apply", EDIT_APPLY, NULL, 0, "Apply to xenstore at once", 0 },
	{ 0 },
};

/*
 * Inside the transaction, after the change: what is allowed in the middle of a range makes two of
 * it. What could not be published before is to be mended by exceptions, too.
 */
static int still_publishable(struct cli *cli, bool before, struct err *err)
{
	CLEANUP(blacklist_free) struct blacklist *b = NULL;

	return before ? cli_publishable(cli, cli->now, err)
		      : blacklist_load(cli->db, cli->now, &b, err);
}

static int exception_add_run(struct cli *cli, struct err *err)
{
	struct edit_args *a = cli->args;
	CLEANUP(builds_free) struct builds *builds = NULL;
	CLEANUP(exception_free) struct exception *x = NULL;
	struct err aside = { 0 };
	SUBJECT s = { 0 };
	DB_TX tx = { 0 };
	bool publishable;
	int r;

	if (!a->reason || !a->owner)
		return err_set(err, ERR_USAGE, "'--reason' and '--owner' are both needed");
	a->whole_family = true; /* allowing too much is no tripwire */
	r = cli_need(cli, NEED_CONFIG | NEED_DB_WRITE, err);
	if (r == 0)
		r = subject_find(cli, cli->arg[0], &s, err);
	if (r == 0)
		r = edit_set(cli, &s, cli->arg[1], a, &builds, err);
	if (r < 0)
		return r;
	edit_say_dates(cli, a);
	subject_warn_conflict(cli, &s);
	x = xcalloc(1, sizeof(*x));
	*x = (struct exception){
		.product_id = s.product->id,
		.product = s.product->number,
		.builds = xstrdup(cli->arg[1]),
		.reason = xstrdup(a->reason),
		.owner = xstrdup(a->owner),
		.expires = a->has_expires ? a->expires : TIME_NONE,
		.created = cli->now,
	};
	r = db_begin(cli->db, &tx, err);
	if (r < 0)
		return r;
	publishable = cli_publishable(cli, cli->now, &aside) == 0;
	r = exception_add(cli->db, x, err);
	if (r == 0) {
		r = still_publishable(cli, publishable, err);
		if (r < 0)
			err_wrap(err, "exception '%s' leaves ranges in pieces", x->id);
	}
	if (r == 0)
		r = db_commit(&tx, err);
	if (r < 0)
		return r;
	out_line(cli->out, "%s", x->id);
	out_object(cli->out, "exception");
	list_exception_json(cli->out, x, cli->now);
	out_close(cli->out);
	return cli_apply_after(cli, a->apply, err);
}

const struct verb verb_exception_add = {
	.section = SECTION,
	.name = "exception add",
	.args_doc = "PRODUCT BUILDS --reason TEXT --owner WHO",
	.summary = "allow builds on this host although an entry covers them",
	.min_args = 2,
	.max_args = 2,
	.options = exception_options,
	.option = edit_option,
	.args_size = sizeof(struct edit_args),
	.run = exception_add_run,
};

static const struct argp_option exception_remove_options[] = {
	{ "reason", EDIT_REASON, "TEXT", 0, "Why, for the history", 0 },
	{ "accept-impact", EDIT_ACCEPT_IMPACT, NULL, 0,
	  "With '[policy] impact = refuse': guests may lose their drivers", 0 },
	{ "apply", EDIT_APPLY, NULL, 0, "Apply to xenstore at once", 0 },
	{ 0 },
};

static int exception_remove_run(struct cli *cli, struct err *err)
{
	const struct edit_args *a = cli->args;
	CLEANUP(impact_free) struct impact *impact = NULL;
	struct err aside = { 0 };
	DB_TX tx = { 0 };
	bool publishable;
	int r = cli_need(cli, NEED_CONFIG | NEED_DB_WRITE, err);

	if (r == 0)
		r = db_begin(cli->db, &tx, err);
	if (r < 0)
		return r;
	publishable = cli_publishable(cli, cli->now, &aside) == 0;
	r = edit_before(cli, cli->now, &impact, err);
	if (r == 0) {
		r = exception_remove(cli->db, cli->arg[0], err);
		if (r < 0)
			r = edit_not_found(cli, cli->arg[0], true, err);
	}
	if (r == 0)
		r = still_publishable(cli, publishable, err);
	if (r == 0)
		r = edit_after(cli, cli->now, impact, true, err);
	if (r == 0)
		r = db_commit(&tx, err);
	if (r < 0)
		return r;
	out_line(cli->out, "%s", cli->arg[0]);
	out_str(cli->out, "removed", cli->arg[0]);
	return cli_apply_after(cli, a->apply, err);
}

const struct verb verb_exception_remove = {
	.section = SECTION,
	.name = "exception remove",
	.args_doc = "ID",
	.summary = "remove an exception",
	.min_args = 1,
	.max_args = 1,
	.options = exception_remove_options,
	.option = edit_option,
	.args_size = sizeof(struct edit_args),
	.run = exception_remove_run,
};
