/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * add, remove, list and exception: the blacklist as an administrator changes it. Every change is
 * one transaction that is committed only after the result was found publishable.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/apply.h"
#include "cli/impact.h"
#include "cli/subject.h"
#include "registry/acceptance.h"
#include "registry/blacklist.h"
#include "registry/near.h"

#define SECTION "Blacklist"
#define REFERENCES_MAX 32

enum {
	OPT_REASON = 0x100,
	OPT_ID,
	OPT_REFERENCE,
	OPT_MODE,
	OPT_NOT_BEFORE,
	OPT_EXPIRES,
	OPT_AS_RANGE,
	OPT_WHOLE_FAMILY,
	OPT_OWNER,
	OPT_APPLY,
	OPT_EXPIRING,
	OPT_ACCEPT_IMPACT,
};

struct entry_args {
	const char *reason, *id, *owner;
	const char *reference[REFERENCES_MAX];
	size_t n_references;
	enum entry_mode mode;
	bool as_range, whole_family, apply, by_expiry, accept_impact;
	bool has_not_before, has_expires;
	int64_t not_before, expires;
};

static int entry_option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct entry_args *a = cli->args;

	switch (key) {
	case OPT_REASON:
		cli->reason = arg;
		return option_text("--reason", arg, &a->reason, err);
	case OPT_ID:
		return option_text("--id", arg, &a->id, err);
	case OPT_OWNER:
		return option_text("--owner", arg, &a->owner, err);
	case OPT_REFERENCE:
		if (a->n_references == REFERENCES_MAX)
			return err_set(err, ERR_USAGE, "more than %d references", REFERENCES_MAX);
		return option_text("--reference", arg, &a->reference[a->n_references++], err);
	case OPT_MODE:
		if (strcmp(arg, "enforce") != 0 && strcmp(arg, "audit") != 0)
			return err_set(err, ERR_USAGE,
				       "unknown mode '%.64s', expected enforce or audit", arg);
		a->mode = strcmp(arg, "audit") == 0 ? MODE_AUDIT : MODE_ENFORCE;
		return 0;
	case OPT_NOT_BEFORE:
		a->has_not_before = true;
		return option_date(cli, "--not-before", arg, &a->not_before, err);
	case OPT_EXPIRES:
		a->has_expires = true;
		return option_date(cli, "--expires", arg, &a->expires, err);
	case OPT_EXPIRING:
		a->by_expiry = true;
		return option_date(cli, "--expiring", arg ? arg : "+30d", &a->expires, err);
	case OPT_AS_RANGE:
		a->as_range = true;
		return 0;
	case OPT_WHOLE_FAMILY:
		a->whole_family = true;
		return 0;
	case OPT_ACCEPT_IMPACT:
		a->accept_impact = true;
		return 0;
	default:
		a->apply = true;
		return 0;
	}
}

/* ---- how entries and exceptions look ---- */

enum phase { PHASE_ACTIVE, PHASE_WAITING, PHASE_EXPIRED };

static enum phase phase(int64_t not_before, int64_t expires, int64_t now)
{
	if (expires != TIME_NONE && expires <= now)
		return PHASE_EXPIRED;
	return not_before != TIME_NONE && not_before > now ? PHASE_WAITING : PHASE_ACTIVE;
}

static const char *phase_name(enum phase p)
{
	static const char *const names[] = {
		[PHASE_ACTIVE] = "active",
		[PHASE_WAITING] = "waiting",
		[PHASE_EXPIRED] = "expired",
	};

	return names[p];
}

static enum paint phase_paint(enum phase p)
{
	return p == PHASE_ACTIVE ? PAINT_NONE : PAINT_FAINT;
}

static void entry_json(struct out *out, const struct entry *e, int64_t now)
{
	out_str(out, "id", e->id);
	out_int(out, "product", e->product);
	out_str(out, "builds", e->builds);
	out_str(out, "origin", origin_name(e->origin));
	out_str(out, "mode", entry_mode_name(e->mode));
	out_str(out, "publish", entry_publish_name(e->publish));
	out_bool(out, "whole_family", e->whole_family);
	out_str(out, "phase", phase_name(phase(e->not_before, e->expires, now)));
	out_str(out, "reason", e->reason);
	out_list(out, "references");
	for (size_t i = 0; i < e->n_references; i++)
		out_str(out, NULL, e->references[i]);
	out_close(out);
	out_time(out, "not_before", e->not_before);
	out_time(out, "expires", e->expires);
	out_time(out, "created", e->created);
}

static void exception_json(struct out *out, const struct exception *x, int64_t now)
{
	out_str(out, "id", x->id);
	out_int(out, "product", x->product);
	out_str(out, "builds", x->builds);
	out_str(out, "phase", phase_name(phase(TIME_NONE, x->expires, now)));
	out_str(out, "reason", x->reason);
	out_str(out, "owner", x->owner);
	out_time(out, "expires", x->expires);
	out_time(out, "created", x->created);
}

/* ---- the cost of a set ---- */

/* What the published form of B costs, told before anything is written. */
static int check_cost(struct cli *cli, const struct builds *b, const struct entry_args *a,
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

static int parse_set(struct cli *cli, const struct subject *s, const char *text,
		     const struct entry_args *a, struct builds **ret, struct err *err)
{
	struct builds_notes notes = { 0 };
	int r = builds_parse(text, s->uses->use, s->uses->n, ret, &notes, err);

	if (r < 0)
		return r;
	note_lines(cli, notes.text);
	if (notes.whole_family && !a->whole_family) {
		builds_free(TAKE(*ret));
		return err_refuse(err, REFUSAL_TRIPWIRE,
				  "'%.64s' stands for every version of '%s', now and in future: "
				  "say '--whole-family' if that is meant",
				  text, s->product->name);
	}
	/* Under _ranges every number between counts, also those that no version has. */
	if (a->as_range) {
		CLEANUP(builds_free) struct builds *exact = TAKE(*ret);

		*ret = builds_hull(exact);
		if (builds_count(*ret) > builds_count(exact))
			out_note(cli->out,
				 "%" PRIu64 " builds of versions, and as a range all numbers "
				 "between them too",
				 builds_count(exact));
	}
	return 0;
}

/* ---- whom a change hits ---- */

#define ACCEPT_HINT "make an exception, or say '--accept-impact'"

/* Inside the transaction, before the change. AT: the moment that it is about. */
static int before_change(struct cli *cli, int64_t at, struct impact **ret, struct err *err)
{
	CLEANUP(blacklist_free) struct blacklist *before = NULL;
	int r = impact_new(cli->db, ret, err);

	if (r < 0 || !(*ret)->n)
		return r;
	r = blacklist_load(cli->db, at, &before, err);
	if (r == 0)
		impact_before(*ret, before);
	return r;
}

/* Every entry that decides about a guest that is hit. */
static int accept_hits(struct cli *cli, struct impact *i, struct err *err)
{
	int r = 0;

	for (size_t k = 0; k < i->n_hit && r == 0; k++) {
		if (!i->guest[k].accepted && i->guest[k].effect == IMPACT_LOSES)
			r = acceptance_add(cli->db, i->guest[k].entry->id, err);
	}
	impact_accept_all(i);
	return r;
}

/* Inside the transaction, after the change: told, and refused if that is the policy. */
static int after_change(struct cli *cli, int64_t at, struct impact *i, bool grows, struct err *err)
{
	const struct entry_args *a = cli->args;
	CLEANUP(blacklist_free) struct blacklist *after = NULL;
	int r = blacklist_load(cli->db, at, &after, err);

	if (r == 0)
		r = impact_after(i, cli->db, after, err);
	if (r == 0 && a->accept_impact)
		r = accept_hits(cli, i, err);
	if (r < 0)
		return r;
	if (a->mode == MODE_ENFORCE && !a->as_range)
		cli_warn_nodes(cli, after);
	impact_show(cli, i, after, grows);
	return impact_policy(cli, i, ACCEPT_HINT, err);
}

/* ---- add ---- */

static const struct argp_option add_options[] = {
	{ "reason", OPT_REASON, "TEXT", 0, "Why (required)", 0 },
	{ "id", OPT_ID, "ID", 0, "Name of the entry (default local-N)", 0 },
	{ "reference", OPT_REFERENCE, "URL", 0, "Where to read more; may be repeated", 0 },
	{ "mode", OPT_MODE, "MODE", 0,
	  "enforce (default), or audit: counted and reported, never published", 0 },
	{ "not-before", OPT_NOT_BEFORE, "DATE", 0, "Not before this date", 0 },
	{ "expires", OPT_EXPIRES, "DATE", 0, "Not from this date on", 0 },
	{ "as-range", OPT_AS_RANGE, NULL, 0,
	  "Publish under _ranges, for xenblacklistd only, not one node a build", 0 },
	{ "whole-family", OPT_WHOLE_FAMILY, NULL, 0,
	  "Yes, every version of the driver: needed for 'all' and for constant encodings", 0 },
	{ "accept-impact", OPT_ACCEPT_IMPACT, NULL, 0,
	  "With '[policy] impact = refuse': guests may lose their drivers to this entry", 0 },
	{ "apply", OPT_APPLY, NULL, 0, "Apply to xenstore at once", 0 },
	{ 0 },
};

static void fill_entry(struct entry *e, const struct cli *cli, const struct subject *s)
{
	struct entry_args *a = cli->args;

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

static void say_dates(struct cli *cli, const struct entry_args *a)
{
	if (a->has_expires && a->expires <= cli->now)
		out_warn(cli->out, "the date of '--expires' has passed already");
}

static int add_run(struct cli *cli, struct err *err)
{
	const struct entry_args *a = cli->args;
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
		r = parse_set(cli, &s, cli->arg[1], a, &builds, err);
	if (r == 0)
		r = check_cost(cli, builds, a, err);
	if (r < 0)
		return r;
	say_dates(cli, a);
	subject_warn_conflict(cli, &s);
	e = xcalloc(1, sizeof(*e));
	fill_entry(e, cli, &s);
	at = e->not_before != TIME_NONE && e->not_before > cli->now ? e->not_before : cli->now;
	r = db_begin(cli->db, &tx, err);
	if (r == 0)
		r = before_change(cli, at, &impact, err);
	if (r == 0)
		r = entry_add(cli->db, e, err);
	if (r == 0 && a->accept_impact)
		r = acceptance_add(cli->db, e->id, err);
	if (r == 0)
		r = cli_publishable(cli, at, err);
	if (r == 0)
		r = after_change(cli, at, impact, e->expires == TIME_NONE || e->expires > at, err);
	if (r == 0)
		r = db_commit(&tx, err);
	if (r < 0)
		return r;
	out_line(cli->out, "%s", e->id);
	out_object(cli->out, "entry");
	entry_json(cli->out, e, cli->now);
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
	.option = entry_option,
	.args_size = sizeof(struct entry_args),
	.run = add_run,
};

/* ---- remove ---- */

static const struct argp_option remove_options[] = {
	{ "reason", OPT_REASON, "TEXT", 0, "Why, for the history", 0 },
	{ "apply", OPT_APPLY, NULL, 0, "Apply to xenstore at once", 0 },
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

/* Puts what may have been meant behind "no entry 'X'". */
static int not_found(struct cli *cli, const char *id, bool exceptions, struct err *err)
{
	CLEANUP(entries_free) struct entries *es = NULL;
	CLEANUP(exceptions_free) struct exceptions *xs = NULL;
	struct near near = { .word = id };
	CLEANUP(free) char *hint = NULL;
	struct err aside = { 0 };

	if (err->kind != ERR_NOT_FOUND)
		return -(int)err->kind;
	if (!exceptions && entry_list(cli->db, &es, &aside) == 0)
		for (size_t i = 0; i < es->n; i++)
			near_offer(&near, es->entry[i]->id);
	if (exceptions && exception_list(cli->db, &xs, &aside) == 0)
		for (size_t i = 0; i < xs->n; i++)
			near_offer(&near, xs->exception[i]->id);
	hint = near_text(&near);
	return err_set(err, ERR_NOT_FOUND, "%s%s", err->msg, hint);
}

static int remove_ids(struct cli *cli, char *const *ids, size_t n, struct err *err)
{
	DB_TX tx = { 0 };
	int r = db_begin(cli->db, &tx, err);

	out_list(cli->out, "removed");
	for (size_t i = 0; i < n && r == 0; i++) {
		r = entry_remove(cli->db, ids[i], err);
		if (r < 0)
			r = not_found(cli, ids[i], false, err);
		out_str(cli->out, NULL, ids[i]);
	}
	out_close(cli->out);
	return r < 0 ? r : db_commit(&tx, err);
}

static int remove_set(struct cli *cli, struct err *err)
{
	struct entry_args any = { .whole_family = true };
	CLEANUP(builds_free) struct builds *builds = NULL;
	CLEANUP(free) char *near = NULL;
	char **ids = NULL;
	size_t n = 0;
	SUBJECT s = { 0 };
	int r = subject_find(cli, cli->arg[0], &s, err);

	if (r == 0)
		r = parse_set(cli, &s, cli->arg[1], &any, &builds, err);
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
	const struct entry_args *a = cli->args;
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
	.option = entry_option,
	.args_size = sizeof(struct entry_args),
	.run = remove_run,
};

/* ---- list ---- */

static const struct argp_option list_options[] = {
	{ "expiring", OPT_EXPIRING, "DATE", OPTION_ARG_OPTIONAL,
	  "Only what expires before DATE (default +30d)", 0 },
	{ 0 },
};

static bool expires_soon(const struct entry_args *a, int64_t expires)
{
	return !a->by_expiry || (expires != TIME_NONE && expires < a->expires);
}

static const char *name_of(const struct products *ps, int64_t id)
{
	for (size_t i = 0; i < ps->n; i++)
		if (ps->product[i]->id == id)
			return ps->product[i]->name;
	return "";
}

static void list_entries(struct cli *cli, const struct blacklist *b, int64_t product)
{
	const struct entries *es = blacklist_entries(b);
	struct out *out = cli->out;

	out_table(out, "ID|PRODUCT|BUILDS|>COUNT|MODE|PUBLISH|ORIGIN|PHASE|EXPIRES|<REASON");
	out_list(out, "entries");
	for (size_t i = 0; i < es->n; i++) {
		const struct entry *e = es->entry[i];
		const char *name = name_of(blacklist_products(b), e->product_id);
		uint64_t count = builds_count(blacklist_entry_builds(b, i));
		enum phase p = phase(e->not_before, e->expires, cli->now);
		char date[TIME_TEXT_MAX];

		if ((product >= 0 && e->product_id != product) ||
		    !expires_soon(cli->args, e->expires))
			continue;
		out_object(out, NULL);
		entry_json(out, e, cli->now);
		out_str(out, "product_name", name);
		out_int(out, "build_count", (int64_t)count);
		out_close(out);
		out_cell(out, "%s", e->id);
		out_cell(out, "%s", name);
		out_cell(out, "%s", e->builds);
		out_cell(out, "%" PRIu64, count);
		out_cell(out, "%s", entry_mode_name(e->mode));
		out_cell(out, "%s", entry_publish_name(e->publish));
		out_cell(out, "%s", origin_name(e->origin));
		out_paint_cell(out, phase_paint(p), "%s%s%s", phase_name(p),
			       p == PHASE_WAITING ? " until " : "",
			       p == PHASE_WAITING ? time_text(e->not_before, date) : "");
		out_cell(out, "%s", time_text(e->expires, date));
		out_cell(out, "%s", e->reason);
	}
	out_close(out);
	out_table_end(out);
}

static void list_exceptions(struct cli *cli, const struct blacklist *b, int64_t product, bool gap)
{
	const struct exceptions *xs = blacklist_exceptions(b);
	struct out *out = cli->out;

	if (gap && xs->n)
		out_line(out, "%s", "");
	out_table(out, "EXCEPTION|PRODUCT|BUILDS|OWNER|PHASE|EXPIRES|<REASON");
	out_list(out, "exceptions");
	for (size_t i = 0; i < xs->n; i++) {
		const struct exception *x = xs->exception[i];
		const char *name = name_of(blacklist_products(b), x->product_id);
		enum phase p = phase(TIME_NONE, x->expires, cli->now);
		char date[TIME_TEXT_MAX];

		if ((product >= 0 && x->product_id != product) ||
		    !expires_soon(cli->args, x->expires))
			continue;
		out_object(out, NULL);
		exception_json(out, x, cli->now);
		out_str(out, "product_name", name);
		out_close(out);
		out_cell(out, "%s", x->id);
		out_cell(out, "%s", name);
		out_cell(out, "%s", x->builds);
		out_cell(out, "%s", x->owner);
		out_paint_cell(out, phase_paint(p), "%s", phase_name(p));
		out_cell(out, "%s", time_text(x->expires, date));
		out_cell(out, "%s", x->reason);
	}
	out_close(out);
	out_table_end(out);
}

static int load_list(struct cli *cli, struct blacklist **ret, int64_t *ret_product, struct err *err)
{
	SUBJECT s = { 0 };
	int r = 0;

	*ret_product = -1;
	if (cli->n_args)
		r = subject_find(cli, cli->arg[0], &s, err);
	if (r == 0)
		r = blacklist_load(cli->db, cli->now, ret, err);
	if (r == 0 && s.product)
		*ret_product = s.product->id;
	return r;
}

static int list_run(struct cli *cli, struct err *err)
{
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	int64_t product;
	int r = load_list(cli, &b, &product, err);

	if (r < 0)
		return r;
	list_entries(cli, b, product);
	list_exceptions(cli, b, product, blacklist_entries(b)->n > 0);
	return 0;
}

const struct verb verb_list = {
	.section = SECTION,
	.name = "list",
	.args_doc = "[PRODUCT]",
	.summary = "list entries and exceptions",
	.needs = NEED_DB_READ,
	.max_args = 1,
	.options = list_options,
	.option = entry_option,
	.args_size = sizeof(struct entry_args),
	.run = list_run,
};

/* ---- exception ---- */

static const struct argp_option exception_options[] = {
	{ "reason", OPT_REASON, "TEXT", 0, "Why (required)", 0 },
	{ "owner", OPT_OWNER, "WHO", 0, "Who answers for it (required)", 0 },
	{ "expires", OPT_EXPIRES, "DATE", 0, "Not from this date on", 0 },
	{ "apply", OPT_APPLY, NULL, 0, "Apply to xenstore at once", 0 },
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
	struct entry_args *a = cli->args;
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
		r = parse_set(cli, &s, cli->arg[1], a, &builds, err);
	if (r < 0)
		return r;
	say_dates(cli, a);
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
	exception_json(cli->out, x, cli->now);
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
	.option = entry_option,
	.args_size = sizeof(struct entry_args),
	.run = exception_add_run,
};

static const struct argp_option exception_remove_options[] = {
	{ "reason", OPT_REASON, "TEXT", 0, "Why, for the history", 0 },
	{ "accept-impact", OPT_ACCEPT_IMPACT, NULL, 0,
	  "With '[policy] impact = refuse': guests may lose their drivers", 0 },
	{ "apply", OPT_APPLY, NULL, 0, "Apply to xenstore at once", 0 },
	{ 0 },
};

static int exception_remove_run(struct cli *cli, struct err *err)
{
	const struct entry_args *a = cli->args;
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
	r = before_change(cli, cli->now, &impact, err);
	if (r == 0) {
		r = exception_remove(cli->db, cli->arg[0], err);
		if (r < 0)
			r = not_found(cli, cli->arg[0], true, err);
	}
	if (r == 0)
		r = still_publishable(cli, publishable, err);
	if (r == 0)
		r = after_change(cli, cli->now, impact, true, err);
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
	.option = entry_option,
	.args_size = sizeof(struct entry_args),
	.run = exception_remove_run,
};

static int exception_list_run(struct cli *cli, struct err *err)
{
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	int64_t product;
	int r = load_list(cli, &b, &product, err);

	if (r < 0)
		return r;
	list_exceptions(cli, b, product, false);
	return 0;
}

const struct verb verb_exception_list = {
	.section = SECTION,
	.name = "exception list",
	.args_doc = "[PRODUCT]",
	.summary = "list exceptions with owner and date",
	.needs = NEED_DB_READ,
	.max_args = 1,
	.options = list_options,
	.option = entry_option,
	.args_size = sizeof(struct entry_args),
	.run = exception_list_run,
};
