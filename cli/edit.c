/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What add, remove and exception have in common: their options, sets of builds, whom a change hits. */
#include "cli/edit.h"

#include <inttypes.h>
#include <string.h>

#include "cli/apply.h"
#include "registry/acceptance.h"
#include "registry/near.h"

int edit_option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct edit_args *a = cli->args;

	switch (key) {
	case EDIT_REASON:
		cli->reason = arg;
		return option_text("--reason", arg, &a->reason, err);
	case EDIT_ID:
		return option_text("--id", arg, &a->id, err);
	case EDIT_OWNER:
		return option_text("--owner", arg, &a->owner, err);
	case EDIT_REFERENCE:
		if (a->n_references == EDIT_REFERENCES_MAX)
			return err_set(err, ERR_USAGE, "more than %d references",
				       EDIT_REFERENCES_MAX);
		return option_text("--reference", arg, &a->reference[a->n_references++], err);
	case EDIT_MODE:
		if (strcmp(arg, "enforce") != 0 && strcmp(arg, "audit") != 0)
			return err_set(err, ERR_USAGE,
				       "unknown mode '%.64s', expected enforce or audit", arg);
		a->mode = strcmp(arg, "audit") == 0 ? MODE_AUDIT : MODE_ENFORCE;
		return 0;
	case EDIT_NOT_BEFORE:
		a->has_not_before = true;
		return option_date(cli, "--not-before", arg, &a->not_before, err);
	case EDIT_EXPIRES:
		a->has_expires = true;
		return option_date(cli, "--expires", arg, &a->expires, err);
	case EDIT_AS_RANGE:
		a->as_range = true;
		return 0;
	case EDIT_WHOLE_FAMILY:
		a->whole_family = true;
		return 0;
	case EDIT_ACCEPT_IMPACT:
		a->accept_impact = true;
		return 0;
	default:
		a->apply = true;
		return 0;
	}
}

void edit_say_dates(struct cli *cli, const struct edit_args *a)
{
	if (a->has_expires && a->expires <= cli->now)
		out_warn(cli->out, "the date of '--expires' has passed already");
}

int edit_not_found(struct cli *cli, const char *id, bool exceptions, struct err *err)
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

int edit_set(struct cli *cli, const struct subject *s, const char *text, const struct edit_args *a,
	     struct builds **ret, struct err *err)
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

int edit_before(struct cli *cli, int64_t at, struct impact **ret, struct err *err)
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

int edit_after(struct cli *cli, int64_t at, struct impact *i, bool grows, struct err *err)
{
	const struct edit_args *a = cli->args;
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
