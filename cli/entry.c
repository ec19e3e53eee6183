/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * add and remove: entries as an administrator changes them. Every change is one transaction that is
 * committed only after the result was found publishable.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/apply.h"
#include "cli/edit.h"
#include "cli/list.h"
#include "registry/acceptance.h"

#define SECTION "Blacklist"

/* ---- the cost of a set ---- */

/* What the published form of B costs, told before anything is written. */
static int check_cost(struct cli *cli, const struct builds *b, const struct edit_args *a,
		      struct err *err)
{
	uint64_t count = builds_count(b), cost = nodes_cost(b);
	bool nodes = a->mode == MODE_ENFORCE && !a->as_range;

	out_int(cli->out, "build_count", (int64_t)count);
	out_int(cli->out, "node_cost", nodes ? (int64_t)cost : 0);
	if (nodes && cost > cli->config->expand_limit)
		return err_refuse(err, REFUSAL_BUDGET,
				  "%" PRIu64 " builds cost %" PRIu64
				  " nodes, more than expand-limit %" PRIu32
				  ": name a narrower set, or publish it with '--as-range' "
				  "(xenblacklistd enforces it, stock device models do not see it)",
				  count, cost, cli->config->expand_limit);
	if (a->mode == MODE_AUDIT)
		out_note(cli->out, "%" PRIu64 " build%s, audit only: no node is published", count,
			 PLURAL(count));
	else if (a->as_range)
		out_note(cli->out,
			 "%" PRIu64 " build%s, published as a range: stock device models do not "
			 "see it, xenblacklistd does",
			 count, PLURAL(count));
	else
		out_note(cli->out, "%" PRIu64 " build%s, %" PRIu64 " node%s", count, PLURAL(count),
			 cost, PLURAL(cost));
	return 0;
}

/* ---- add ---- */

static const struct argp_option add_options[] = {
	{ "reason", EDIT_REASON, "TEXT", 0, "Why (required)", 0 },
	{ "id", EDIT_ID, "ID", 0, "Name of the entry (default local-N)", 0 },
	{ "reference", EDIT_REFERENCE, "URL", 0, "Where to read more; may be repeated", 0 },
	{ "mode", EDIT_MODE, "MODE", 0,
	  "enforce (default), or audit: counted and reported, never published", 0 },
	{ "not-before", EDIT_NOT_BEFORE, "DATE", 0, "Not before this date", 0 },
	{ "expires", EDIT_EXPIRES, "DATE", 0, "Not from this date on", 0 },
	{ "as-range", EDIT_AS_RANGE, NULL, 0,
	  "Publish under _ranges, for xenblacklistd only, not one node a build", 0 },
	{ "whole-family", EDIT_WHOLE_FAMILY, NULL, 0,
	  "Yes, every version of the driver: needed for 'all' and for constant encodings", 0 },
	{ "accept-impact", EDIT_ACCEPT_IMPACT, NULL, 0,
	  "With '[policy] impact = refuse': guests may lose their drivers to this entry", 0 },
	{ "apply", EDIT_APPLY, NULL, 0, "Apply to xenstore at once", 0 },
	{ 0 },
};

static void fill_entry(struct entry *e, const struct cli *cli, const struct subject *s)
{
	struct edit_args *a = cli->args;

	*e = (struct entry){
		.id = a->id ? xstrdup(a->id) : NULL,
		.origin = ORIGIN_LOCAL,
		.product_id = s->product->id,
		.product = s->product->number,
		.builds = xstrdup(cli->arg[1]),
		.mode = a->mode,
		.publish = a->as_range ? PUBLISH_RANGE : PUBLISH_NODES,
		.whole_family = a->whole_family,
		.reason = xstrdup(a->reason),
		.references = xcalloc(a->n_references, sizeof(char *)),
		.n_references = a->n_references,
		.not_before = a->has_not_before ? a->not_before : TIME_NONE,
		.expires = a->has_expires ? a->expires : TIME_NONE,
		.created = cli->now,
	};
	for (size_t i = 0; i < a->n_references; i++)
		e->references[i] = xstrdup(a->reference[i]);
}

static int add_run(struct cli *cli, struct err *err)
{
	const struct edit_args *a = cli->args;
	CLEANUP(builds_free) struct builds *builds = NULL;
	CLEANUP(entry_free) struct entry *e = NULL;
	CLEANUP(impact_free) struct impact *impact = NULL;
	SUBJECT s = { 0 };
	DB_TX tx = { 0 };
	int64_t at;
	int r;

	if (!a->reason)
		return err_set(err, ERR_USAGE, "'--reason' is needed");
	r = cli_need(cli, NEED_CONFIG | NEED_DB_WRITE, err);
	if (r == 0)
		r = subject_find(cli, cli->arg[0], &s, err);
	if (r == 0)
		r = edit_set(cli, &s, cli->arg[1], a, &builds, err);
	if (r == 0)
		r = check_cost(cli, builds, a, err);
	if (r < 0)
		return r;
	edit_say_dates(cli, a);
	subject_warn_conflict(cli, &s);
	e = xcalloc(1, sizeof(*e));
	fill_entry(e, cli, &s);
	at = e->not_before != TIME_NONE && e->not_before > cli->now ? e->not_before : cli->now;
	r = db_begin(cli->db, &tx, err);
	if (r == 0)
		r = edit_before(cli, at, &impact, err);
	if (r == 0)
		r = entry_add(cli->db, e, err);
	if (r == 0 && a->accept_impact)
		r = acceptance_add(cli->db, e->id, err);
	if (r == 0)
		r = cli_publishable(cli, at, err);
	if (r == 0)
		r = edit_after(cli, at, impact, e->expires == TIME_NONE || e->expires > at, err);
	if (r == 0)
		r = db_commit(&tx, err);
	if (r < 0)
		return r;
	out_line(cli->out, "%s", e->id);
	out_object(cli->out, "entry");
	list_entry_json(cli->out, e, cli->now);
	out_close(cli->out);
	return cli_apply_after(cli, a->apply, err);
}

const struct verb verb_add = {
	.section = SECTION,
	.name = "add",
	.args_doc = "PRODUCT BUILDS --reason TEXT",
	.summary = "blacklist builds of a product",
	.help = "BUILDS is a build (590080, 0x90100), a version (9.1.0), ENCODING:VERSION, an "
		"inclusive range A..B of either, VERSION.*, all, or several with commas. The id of "
		"the new entry is printed alone on standard output.",
	.min_args = 2,
	.max_args = 2,
	.options = add_options,
	.option = edit_option,
	.args_size = sizeof(struct edit_args),
	.run = add_run,
};

/* ---- remove ---- */

static const struct argp_option remove_options[] = {
	{ "reason", EDIT_REASON, "TEXT", 0, "Why, for the history", 0 },
	{ "apply", EDIT_APPLY, NULL, 0, "Apply to xenstore at once", 0 },
	{ 0 },
};

static bool same_set(const struct builds *a, const struct builds *b)
{
	CLEANUP(free) char *left = NULL, *right = NULL;

	if (builds_count(a) != builds_count(b))
		return false;
	left = builds_text(a, BUILDS_PIECES_MAX);
	right = builds_text(b, BUILDS_PIECES_MAX);
	return strcmp(left, right) == 0;
}

/* Ids of the entries of S that are exactly BUILDS; NEAR: one that only shares builds with it. */
static int entries_with_set(struct cli *cli, const struct subject *s, const struct builds *builds,
			    char ***ret, size_t *ret_n, char **ret_near, struct err *err)
{
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	CLEANUP(builds_free) struct builds *hull = builds_hull(builds);
	const struct entries *es;
	int r = blacklist_load(cli->db, cli->now, &b, err);

	if (r < 0)
		return r;
	es = blacklist_entries(b);
	*ret = xcalloc(es->n, sizeof(**ret));
	for (size_t i = 0; i < es->n; i++) {
		const struct builds *have = blacklist_entry_builds(b, i);
		CLEANUP(builds_free) struct builds *shared = NULL;

		if (es->entry[i]->product_id != s->product->id)
			continue;
		if (same_set(have, es->entry[i]->publish == PUBLISH_RANGE ? hull : builds)) {
			(*ret)[(*ret_n)++] = xstrdup(es->entry[i]->id);
			continue;
		}
		r = builds_intersect(have, builds, &shared, err);
		if (r < 0)
			return r;
		if (!*ret_near && builds_count(shared))
			*ret_near = xstrdup(es->entry[i]->id);
	}
	return 0;
}

static int remove_ids(struct cli *cli, char *const *ids, size_t n, struct err *err)
{
	DB_TX tx = { 0 };
	int r = db_begin(cli->db, &tx, err);

	out_list(cli->out, "removed");
	for (size_t i = 0; i < n && r == 0; i++) {
		r = entry_remove(cli->db, ids[i], err);
		if (r < 0)
			r = edit_not_found(cli, ids[i], false, err);
		out_str(cli->out, NULL, ids[i]);
	}
	out_close(cli->out);
	return r < 0 ? r : db_commit(&tx, err);
}

static int remove_set(struct cli *cli, struct err *err)
{
	struct edit_args any = { .whole_family = true };
	CLEANUP(builds_free) struct builds *builds = NULL;
	CLEANUP(free) char *near = NULL;
	char **ids = NULL;
	size_t n = 0;
	SUBJECT s = { 0 };
	int r = subject_find(cli, cli->arg[0], &s, err);

	if (r == 0)
		r = edit_set(cli, &s, cli->arg[1], &any, &builds, err);
	if (r == 0)
		r = entries_with_set(cli, &s, builds, &ids, &n, &near, err);
	if (r == 0 && !n)
		r = err_set(err, ERR_NOT_FOUND, "no entry of '%s' is exactly '%.64s'%s%s%s",
			    s.product->name, cli->arg[1], near ? "; entry '" : "", near ? near : "",
			    near ? "' shares builds with it: remove it by its id" : "");
	if (r == 0)
		r = remove_ids(cli, ids, n, err);
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			out_line(cli->out, "%s", ids[i]);
		free(ids[i]);
	}
	free(ids);
	return r;
}

static int remove_run(struct cli *cli, struct err *err)
{
	const struct edit_args *a = cli->args;
	int r;

	if (cli->n_args == 1) {
		r = remove_ids(cli, cli->arg, 1, err);
		if (r == 0)
			out_line(cli->out, "%s", cli->arg[0]);
	} else {
		r = remove_set(cli, err);
	}
	return r < 0 ? r : cli_apply_after(cli, a->apply, err);
}

const struct verb verb_remove = {
	.section = SECTION,
	.name = "remove",
	.args_doc = "ID | PRODUCT BUILDS",
	.summary = "remove local entries",
	.help = "Without an id, those entries go that are exactly BUILDS, however it is written. "
		"Entries from upstream cannot be removed here: 'exception add' allows their builds "
		"on this host.",
	.needs = NEED_DB_WRITE,
	.min_args = 1,
	.max_args = 2,
	.options = remove_options,
	.option = edit_option,
	.args_size = sizeof(struct edit_args),
	.run = remove_run,
};
