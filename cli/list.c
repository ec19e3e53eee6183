/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list and exception list: how entries and exceptions look, as text and as JSON. */
#include "cli/list.h"

#include <inttypes.h>

#include "cli/subject.h"
#include "registry/blacklist.h"

#define SECTION "Blacklist"

struct list_args {
	bool by_expiry;
	int64_t expires;
};

static int option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct list_args *a = cli->args;

	(void)key; /* --expiring is the only one */
	a->by_expiry = true;
	return option_date(cli, "--expiring", arg ? arg : "+30d", &a->expires, err);
}

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

void list_entry_json(struct out *out, const struct entry *e, int64_t now)
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

void list_exception_json(struct out *out, const struct exception *x, int64_t now)
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

static const struct argp_option list_options[] = {
	{ "expiring", 0x100, "DATE", OPTION_ARG_OPTIONAL,
	  "Only what expires before DATE (default +30d)", 0 },
	{ 0 },
};

static bool expires_soon(const struct list_args *a, int64_t expires)
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
		list_entry_json(out, e, cli->now);
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
		list_exception_json(out, x, cli->now);
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
	.option = option,
	.args_size = sizeof(struct list_args),
	.run = list_run,
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
	.option = option,
	.args_size = sizeof(struct list_args),
	.run = exception_list_run,
};
