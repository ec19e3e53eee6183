/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan and apply. A saved plan is the text that was shown, with what it stands on in its head;
 * it is current exactly when the same text comes out again.
 */
#include "cli/apply.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/exception.h"
#include "cli/file.h"
#include "cli/impact.h"
#include "registry/acceptance.h"
#include "registry/history.h"
#include "sync/pull.h"

#define SECTION "Xenstore"
#define PLAN_MAGIC "xenblacklist-plan 1"
#define PLAN_BYTES_MAX (64u << 20)
#define MANY_NODES 1000 /* in one product: worth a warning */

static void show_progress(void *ctx, size_t done, size_t all)
{
	struct cli *cli = ctx;

	out_progress(cli->out, "nodes", done, all);
}

struct apply_options cli_apply_options(struct cli *cli, bool prune)
{
	return (struct apply_options){
		.nodes = { .dom0_only = cli->config->nodes_dom0_only,
			   .expand_limit = cli->config->expand_limit,
			   .total_limit = cli->config->total_limit },
		.prune = prune,
		.progress = show_progress,
		.ctx = cli,
	};
}

int cli_publishable(struct cli *cli, int64_t at, struct err *err)
{
	struct apply_options o = cli_apply_options(cli, false);
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	CLEANUP(tree_free) struct tree *tree = NULL;
	int r = blacklist_load(cli->db, at, &b, err);

	return r < 0 ? r : nodes_desired(b, &o.nodes, &tree, err);
}

void cli_warn_nodes(struct cli *cli, const struct blacklist *b)
{
	const struct blacklist_product *p;
	size_t n = blacklist_published(b, &p);

	for (size_t i = 0; i < n; i++) {
		uint64_t cost = nodes_cost(p[i].nodes);

		if (cost > MANY_NODES)
			out_warn(cli->out,
				 "product '%s' has %" PRIu64 " nodes: more than %d in one product "
				 "make xenstore slow",
				 p[i].product->name, cost, MANY_NODES);
	}
}

/* ---- a plan and its texts ---- */

struct planned {
	struct blacklist *blacklist;
	struct apply_plan *plan;
	struct impact *impact; /* on guests, compared with what is live */
	uint64_t manifest;     /* version of the last one that was taken */
	bool prune;
	bool exact; /* this plan or nothing: what somebody has read and saved */
};

static void planned_end(struct planned *p)
{
	impact_free(TAKE(p->impact));
	blacklist_free(TAKE(p->blacklist));
	apply_plan_free(TAKE(p->plan));
}
#define PLANNED __attribute__((__cleanup__(planned_end))) struct planned

static int make_plan(struct cli *cli, bool prune, struct planned *p, struct err *err)
{
	struct apply_options o = cli_apply_options(cli, prune);
	CLEANUP(pull_state_free) struct pull_state *state = NULL;
	int r = blacklist_load(cli->db, cli->now, &p->blacklist, err);

	p->prune = prune;
	if (r == 0)
		r = pull_state(cli->db, &state, err);
	if (r == 0)
		r = apply_plan(p->blacklist, cli->store, &o, &p->plan, err);
	if (r == 0)
		p->manifest = state->version;
	return r;
}

static bool plan_grows(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (plan->change[i].acts && !plan->change[i].have_value)
			return true;
	}
	return false;
}

#define APPLY_HINT                                                             \
	"make an exception, or 'xenblacklist apply --accept-impact=ID' takes " \
	"that entry"

/* Whom a plan hits, compared with what is live. */
static int compare_impact(struct cli *cli, const struct blacklist *b, const struct apply_plan *plan,
			  struct impact **ret, struct err *err)
{
	CLEANUP(impact_free) struct impact *impact = NULL;
	int r = impact_new(cli->db, &impact, err);

	if (r < 0)
		return r;
	impact_before_live(impact, plan->live, cli->config->nodes_dom0_only, b);
	r = impact_after(impact, cli->db, b, err);
	if (r < 0)
		return r;
	*ret = TAKE(impact);
	return 0;
}

/* The same, told unless TOLD_BEFORE, by what changed the registry, is all of it. */
static int look_at_impact(struct cli *cli, struct planned *p, bool told_before, struct err *err)
{
	int r = compare_impact(cli, p->blacklist, p->plan, &p->impact, err);

	if (r < 0)
		return r;
	if (!told_before || p->impact->n_hit > cli->impact_hits)
		impact_show(cli, p->impact, p->blacklist,
			    !told_before && plan_grows(p->plan->plan));
	return 0;
}

static char change_sign(const struct change *c)
{
	if (!c->acts)
		return '?';
	if (!c->have_value)
		return '+';
	return c->want_value ? '~' : '-';
}

/* "PATH", at the root ".". */
static const char *change_path(const struct change *c)
{
	return *c->path ? c->path : ".";
}

static void print_change(FILE *f, const struct change *c)
{
	CLEANUP(free) char *path = escape_text(change_path(c));
	CLEANUP(free) char *value = escape_text(c->want_value ? c->want_value : "");

	fprintf(f, "%c %s %s", change_sign(c), change_class_name(c->class), path);
	if (c->want_value)
		fprintf(f, " %s '%s'", c->want_perms, value);
	fputc('\n', f);
}

static char *plan_text(const struct planned *p)
{
	const struct plan *plan = p->plan->plan;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	fprintf(f, "%s\n", PLAN_MAGIC);
	fprintf(f, "generation %" PRIu64 "\n", p->plan->generation);
	fprintf(f, "manifest %" PRIu64 "\n", p->manifest);
	fprintf(f, "registry %s\n", p->plan->registry_digest);
	fprintf(f, "xenstore %s\n", p->plan->tree_digest);
	fprintf(f, "prune %s\n", p->prune ? "yes" : "no");
	fprintf(f, "changes %zu\n", plan->n_acts);
	for (size_t i = 0; i < plan->n; i++)
		print_change(f, &plan->change[i]);
	fclose(f);
	return text;
}

static enum paint change_paint(const struct change *c)
{
	switch (change_sign(c)) {
	case '+':
		return PAINT_GOOD;
	case '-':
		return PAINT_BAD;
	case '?':
		return PAINT_FAINT;
	}
	return PAINT_WARN;
}

static void change_json(struct out *out, const struct change *c)
{
	out_object(out, NULL);
	out_str(out, "class", change_class_name(c->class));
	out_bool(out, "acts", c->acts);
	out_str(out, "path", c->path);
	out_str(out, "want_value", c->want_value);
	out_str(out, "want_access", c->want_perms);
	out_str(out, "have_value", c->have_value);
	out_str(out, "have_access", c->have_perms);
	out_close(out);
}

struct counts {
	size_t add, change, remove, foreign;
	size_t ranges; /* of those that are added or changed */
};

static bool is_range(const struct change *c)
{
	return c->acts && c->want_value && !c->directory && strstr(c->path, "/_ranges/");
}

static struct counts count_changes(const struct plan *plan)
{
	struct counts n = { 0 };

	for (size_t i = 0; i < plan->n; i++) {
		char sign = change_sign(&plan->change[i]);

		n.add += sign == '+';
		n.change += sign == '~';
		n.remove += sign == '-';
		n.foreign += sign == '?';
		n.ranges += is_range(&plan->change[i]);
	}
	return n;
}

/* LINES: one line a change too. */
static void show_plan(struct out *out, const struct planned *p, bool lines)
{
	const struct plan *plan = p->plan->plan;

	out_int(out, "generation", (int64_t)p->plan->generation);
	out_int(out, "manifest_version", (int64_t)p->manifest);
	out_str(out, "registry_digest", p->plan->registry_digest);
	out_str(out, "xenstore_digest", p->plan->tree_digest);
	out_bool(out, "prune", p->prune);
	out_list(out, "changes");
	for (size_t i = 0; i < plan->n; i++) {
		const struct change *c = &plan->change[i];

		change_json(out, c);
		if (lines && c->want_value)
			out_paint_line(out, change_paint(c), "%c %s %s  %s", change_sign(c),
				       change_path(c), c->want_perms, c->want_value);
		else if (lines)
			out_paint_line(out, change_paint(c), "%c %s  (%s)", change_sign(c),
				       change_path(c), change_class_name(c->class));
	}
	out_close(out);
}

static void say_ranges(struct out *out, const struct counts *n)
{
	if (n->ranges)
		out_note(out,
			 "%zu of them %s published as a range: stock device models do not see it, "
			 "xenblacklistd does",
			 n->ranges, n->ranges == 1 ? "is" : "are");
}

static void show_counts(struct out *out, const struct planned *p, const char *tense)
{
	struct counts n = count_changes(p->plan->plan);

	out_object(out, "counts");
	out_int(out, "add", (int64_t)n.add);
	out_int(out, "change", (int64_t)n.change);
	out_int(out, "remove", (int64_t)n.remove);
	out_int(out, "foreign", (int64_t)n.foreign);
	out_int(out, "ranges", (int64_t)n.ranges);
	out_close(out);
	if (n.add || n.change || n.remove)
		out_line(out, "%zu node%s %s, %zu changed, %zu removed", n.add, PLURAL(n.add),
			 tense, n.change, n.remove);
	else
		out_line(out, "nothing to do");
	say_ranges(out, &n);
	if (n.foreign)
		out_note(out, "%zu node%s made by somebody else, left alone (see '--prune')",
			 n.foreign, PLURAL(n.foreign));
}

/* ---- plan ---- */

enum { OPT_EXIT_CODE = 0x100, OPT_OUT, OPT_PLAN, OPT_DRY_RUN, OPT_PRUNE, OPT_ACCEPT_IMPACT };

#define ACCEPTED_MAX 64

struct plan_args {
	bool exit_code, prune, dry_run, accept_all;
	const char *out, *plan;
	const char *accept[ACCEPTED_MAX];
	size_t n_accept;
};

static const struct argp_option plan_options[] = {
	{ "exit-code", OPT_EXIT_CODE, NULL, 0, "Leave with 1 when there is something to do", 0 },
	{ "out", OPT_OUT, "FILE", 0, "Save the plan for 'apply --plan FILE'", 0 },
	{ "prune", OPT_PRUNE, NULL, 0, "Also remove nodes that somebody else has made", 0 },
	{ 0 },
};

static int plan_option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct plan_args *a = cli->args;

	switch (key) {
	case OPT_EXIT_CODE:
		a->exit_code = true;
		return 0;
	case OPT_PRUNE:
		a->prune = true;
		return 0;
	case OPT_DRY_RUN:
		a->dry_run = true;
		return 0;
	case OPT_ACCEPT_IMPACT:
		if (!arg)
			a->accept_all = true;
		else if (a->n_accept == ACCEPTED_MAX)
			return err_set(err, ERR_USAGE, "more than %d entries accepted",
				       ACCEPTED_MAX);
		else
			return option_text("--accept-impact", arg, &a->accept[a->n_accept++], err);
		return 0;
	}
	if (!*arg)
		return err_set(err, ERR_USAGE, "empty file name");
	*(key == OPT_OUT ? &a->out : &a->plan) = arg;
	return 0;
}

static int plan_run(struct cli *cli, struct err *err)
{
	const struct plan_args *a = cli->args;
	PLANNED p = { 0 };
	int r = make_plan(cli, a->prune, &p, err);

	if (r < 0)
		return r;
	show_plan(cli->out, &p, true);
	show_counts(cli->out, &p, "to add");
	if (plan_grows(p.plan->plan))
		cli_warn_nodes(cli, p.blacklist);
	exceptions_note(cli->out, p.blacklist);
	r = look_at_impact(cli, &p, false, err);
	if (r < 0)
		return r;
	if (cli->config->impact_refuse && p.impact->n_refused)
		out_warn(cli->out, "'apply' will refuse this (IMPACT) without '--accept-impact'");
	if (a->out) {
		CLEANUP(free) char *text = plan_text(&p);

		r = file_write(a->out, text, strlen(text), err);
		if (r < 0)
			return r;
	}
	return a->exit_code && p.plan->plan->n_acts ? EXIT_YES : 0;
}

const struct verb verb_plan = {
	.section = SECTION,
	.name = "plan",
	.args_doc = "",
	.summary = "show what 'apply' would change in xenstore",
	.help = "Each line is one node below /mh/driver-blacklist: + is added, ~ is mended, - is "
		"removed, ? was made by somebody else, or holds what somebody else made, and stays.",
	.needs = NEED_CONFIG | NEED_DB_READ | NEED_STORE,
	.options = plan_options,
	.option = plan_option,
	.args_size = sizeof(struct plan_args),
	.run = plan_run,
};

/* ---- apply ---- */

static const struct argp_option apply_options[] = {
	{ "plan", OPT_PLAN, "FILE", 0,
	  "Do what this saved plan shows, or nothing (STALE) when registry or xenstore have moved",
	  0 },
	{ "dry-run", OPT_DRY_RUN, NULL, 0, "Only show what would be done", 0 },
	{ "prune", OPT_PRUNE, NULL, 0, "Also remove nodes that somebody else has made", 0 },
	{ "accept-impact", OPT_ACCEPT_IMPACT, "ID", OPTION_ARG_OPTIONAL,
	  "With '[policy] impact = refuse': guests may lose their drivers, in this run, or to the "
	  "entry ID for good; may be repeated",
	  0 },
	{ 0 },
};

/* The value of "KEY VALUE" in a saved plan, as a span; empty when there is no such line. */
static struct span plan_field(struct span text, const char *key)
{
	struct span line, rest = text, name, value;

	while (span_cut(rest, "\n", &line, &rest))
		if (span_cut(line, " ", &name, &value) && span_eq(name, key))
			return value;
	return span_of("", 0);
}

static int stale(struct span saved, struct span now, const char *file, struct err *err)
{
	static const struct {
		const char *key, *what;
	} parts[] = {
		{ "manifest", "another manifest was taken" },
		{ "generation", "the registry has changed" },
		{ "registry",
		  "what is to be published has changed (by a date or the configuration)" },
		{ "xenstore", "xenstore has changed" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct span a = plan_field(saved, parts[i].key), b = plan_field(now, parts[i].key);

		if (a.n != b.n || memcmp(a.p, b.p, a.n) != 0)
			return err_refuse(err, REFUSAL_STALE,
					  "%s since plan '%s' was made, make a new one",
					  parts[i].what, file);
	}
	return err_refuse(err, REFUSAL_STALE,
			  "plan '%s' is not what would be done now, make a new one", file);
}

static int read_plan(const char *path, char **ret, size_t *ret_n, bool *ret_prune, struct err *err)
{
	CLEANUP(free) char *bytes = NULL;
	struct span head, rest;
	size_t n;
	int r = file_read(path, PLAN_BYTES_MAX, &bytes, &n, err);

	if (r < 0)
		return r;
	if (!span_cut(span_of(bytes, n), "\n", &head, &rest) || !span_eq(head, PLAN_MAGIC))
		return err_set(err, ERR_INVALID, "'%s' is no plan of this program", path);
	*ret_prune = span_eq(plan_field(rest, "prune"), "yes");
	*ret = TAKE(bytes);
	*ret_n = n;
	return 0;
}

static int record_apply(struct cli *cli, const struct apply_plan *plan, struct err *err)
{
	struct counts n = count_changes(plan->plan);
	CLEANUP(free)
	char *after = xasprintf("{\"added\":%zu,\"changed\":%zu,\"removed\":%zu}", n.add, n.change,
				n.remove);
	DB_TX tx = { 0 };
	int r = cli_need(cli, NEED_DB_WRITE, err);

	if (r == 0)
		r = db_begin(cli->db, &tx, err);
	if (r == 0)
		r = history_add(cli->db, "apply", "xenstore", NULL, after, err);
	if (r == 0)
		r = db_commit(&tx, err);
	return r < 0 ? err_wrap(err, "xenstore is as planned, but history is not") : 0;
}

static int carry_out(struct cli *cli, const struct blacklist *b, const struct apply_plan *plan,
		     bool prune, bool exact, struct err *err)
{
	struct apply_options o = cli_apply_options(cli, prune);
	int r;

	if (!plan->plan->n_acts)
		return 0;
	o.exact = exact;
	r = apply_run(b, cli->store, &o, plan, err);
	return r < 0 ? r : record_apply(cli, plan, err);
}

int cli_apply_plan(struct cli *cli, const struct blacklist *b, const struct apply_plan *plan,
		   bool prune, struct err *err)
{
	CLEANUP(impact_free) struct impact *impact = NULL;
	int r = compare_impact(cli, b, plan, &impact, err);

	if (r == 0)
		r = impact_policy(cli, impact, APPLY_HINT, err);
	return r < 0 ? r : carry_out(cli, b, plan, prune, false, err);
}

/* What the options take. Nothing is written yet. */
static int mark_acceptances(struct cli *cli, struct impact *i, struct err *err)
{
	const struct plan_args *a = cli->args;
	int r = 0;

	for (size_t k = 0; k < a->n_accept && r == 0; k++) {
		CLEANUP(entry_free) struct entry *e = NULL;

		r = entry_find(cli->db, a->accept[k], &e, err);
		impact_accept(i, a->accept[k]);
	}
	if (a->accept_all)
		impact_accept_all(i);
	return r;
}

static int keep_acceptances(struct cli *cli, struct err *err)
{
	const struct plan_args *a = cli->args;
	DB_TX tx = { 0 };
	int r = 0;

	if (!a->n_accept)
		return 0;
	r = cli_need(cli, NEED_DB_WRITE, err);
	if (r == 0)
		r = db_begin(cli->db, &tx, err);
	for (size_t i = 0; i < a->n_accept && r == 0; i++)
		r = acceptance_add(cli->db, a->accept[i], err);
	return r < 0 ? r : db_commit(&tx, err);
}

static int apply_verb_run(struct cli *cli, struct err *err)
{
	const struct plan_args *a = cli->args;
	CLEANUP(free) char *saved = NULL;
	PLANNED p = { 0 };
	bool prune = a->prune;
	size_t n = 0;
	int r;

	if (a->plan && a->prune)
		return err_set(err, ERR_USAGE, "'--prune' belongs to 'plan' when a plan is given");
	if (a->plan) {
		r = read_plan(a->plan, &saved, &n, &prune, err);
		if (r < 0)
			return r;
	}
	r = make_plan(cli, prune, &p, err);
	if (r < 0)
		return r;
	p.exact = saved;
	if (saved) {
		CLEANUP(free) char *now = plan_text(&p);

		if (n != strlen(now) || memcmp(saved, now, n) != 0)
			return stale(span_of(saved, n), span_str(now), a->plan, err);
	}
	show_plan(cli->out, &p, a->dry_run || out_is_verbose(cli->out));
	out_bool(cli->out, "dry_run", a->dry_run);
	r = compare_impact(cli, p.blacklist, p.plan, &p.impact, err);
	if (r == 0)
		r = mark_acceptances(cli, p.impact, err);
	if (r < 0)
		return r;
	impact_show(cli, p.impact, p.blacklist, plan_grows(p.plan->plan));
	if (!a->dry_run) {
		r = impact_policy(cli, p.impact, APPLY_HINT, err);
		if (r == 0)
			r = keep_acceptances(cli, err);
		if (r == 0)
			r = carry_out(cli, p.blacklist, p.plan, p.prune, p.exact, err);
		if (r < 0)
			return r;
	}
	show_counts(cli->out, &p, a->dry_run ? "to add" : "added");
	return 0;
}

const struct verb verb_apply = {
	.section = SECTION,
	.name = "apply",
	.args_doc = "",
	.summary = "make xenstore what the registry means",
	.needs = NEED_CONFIG | NEED_DB_READ | NEED_STORE,
	.options = apply_options,
	.option = plan_option,
	.args_size = sizeof(struct plan_args),
	.run = apply_verb_run,
};

/* ---- after a change of the registry ---- */

static int apply_now(struct cli *cli, struct err *err)
{
	struct counts n;
	PLANNED p = { 0 };
	int r = cli_need(cli, NEED_CONFIG | NEED_STORE, err);

	if (r == 0)
		r = make_plan(cli, false, &p, err);
	if (r == 0)
		r = look_at_impact(cli, &p, cli->impact_shown, err);
	if (r == 0)
		r = impact_policy(cli, p.impact, APPLY_HINT, err);
	if (r == 0)
		r = carry_out(cli, p.blacklist, p.plan, p.prune, false, err);
	if (r < 0)
		return err_wrap(err, "the registry is changed, xenstore is not");
	out_int(cli->out, "applied", (int64_t)p.plan->plan->n_acts);
	out_note(cli->out, "%zu node%s changed in xenstore", p.plan->plan->n_acts,
		 PLURAL(p.plan->plan->n_acts));
	n = count_changes(p.plan->plan);
	say_ranges(cli->out, &n);
	return 0;
}

int cli_apply_after(struct cli *cli, bool apply, struct err *err)
{
	PLANNED p = { 0 };
	struct err aside = { 0 };
	size_t n;

	if (apply)
		return apply_now(cli, err);
	if (cli_need(cli, NEED_CONFIG | NEED_STORE, &aside) < 0 ||
	    make_plan(cli, false, &p, &aside) < 0) {
		out_null(cli->out, "waiting");
		out_note(cli->out, "how many nodes wait for 'xenblacklist apply' is not known: %s",
			 aside.msg);
		return 0;
	}
	n = p.plan->plan->n_acts;
	out_int(cli->out, "waiting", (int64_t)n);
	if (n == 1)
		out_note(cli->out, "1 node waits for 'xenblacklist apply'");
	else if (n)
		out_note(cli->out, "%zu nodes wait for 'xenblacklist apply'", n);
	else
		out_note(cli->out, "no node waits for 'xenblacklist apply'");
	return 0;
}
