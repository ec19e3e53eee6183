/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * product list and show: the registry as people read it.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/product.h"
#include "cli/subject.h"

#define SECTION "Registry"
#define EXPIRING_DAYS 30

/* ---- one product ---- */

void product_json(struct out *out, const struct product *p)
{
	out_int(out, "number", p->number);
	out_str(out, "name", p->name);
	out_str(out, "node", p->node);
	out_str(out, "status", product_status_name(p->status));
	out_str(out, "origin", origin_name(p->origin));
	out_str(out, "vendor", p->vendor);
	out_str(out, "contact", p->contact);
	out_str(out, "reference", p->reference);
	out_time(out, "deadline", p->deadline);
	out_bool(out, "conflict", p->conflict);
	out_bool(out, "publishable_name", product_publishable_name(p->name));
	out_list(out, "encodings");
	for (size_t i = 0; i < p->n_encodings; i++) {
		const struct product_encoding *e = &p->encoding[i];

		out_object(out, NULL);
		out_str(out, "name", e->encoding);
		out_int(out, "from", e->from);
		out_int(out, "to", e->to);
		out_str(out, "user", e->user);
		out_close(out);
	}
	out_close(out);
}

static char *encodings_text(const struct product *p)
{
	char *text = xstrdup("");

	for (size_t i = 0; i < p->n_encodings; i++) {
		const char *name = p->encoding[i].encoding;
		char *longer;

		longer = xasprintf("%s%s%s", text, i ? "," : "", name);
		free(text);
		text = longer;
	}
	return text;
}

/* ---- product list ---- */

enum { OPT_STATUS = 0x100, OPT_ORIGIN, OPT_EXPIRING };

struct list_args {
	bool by_status, by_origin, by_deadline;
	enum product_status status;
	enum origin origin;
	int64_t deadline;
};

static const struct argp_option list_options[] = {
	{ "status", OPT_STATUS, "STATUS", 0,
	  "Only assigned, provisional, reserved, experimental, deprecated, retired or "
	  "unregistered-use ones",
	  0 },
	{ "origin", OPT_ORIGIN, "ORIGIN", 0, "Only shipped, upstream or local ones", 0 },
	{ "expiring", OPT_EXPIRING, "DATE", OPTION_ARG_OPTIONAL,
	  "Only provisional ones with a deadline before DATE (default +30d)", 0 },
	{ 0 },
};

static int list_option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct list_args *a = cli->args;

	switch (key) {
	case OPT_STATUS:
		a->by_status = true;
		if (!product_status_parse(arg, &a->status))
			return err_set(err, ERR_USAGE, "unknown status '%.64s'", arg);
		return 0;
	case OPT_ORIGIN:
		a->by_origin = true;
		if (!origin_parse(arg, &a->origin))
			return err_set(
				err, ERR_USAGE,
				"unknown origin '%.64s', expected shipped, upstream or local", arg);
		return 0;
	default:
		a->by_deadline = true;
		return option_date(cli, "--expiring", arg ? arg : "+30d", &a->deadline, err);
	}
}

static bool is_listed(const struct list_args *a, const struct product *p)
{
	return (!a->by_status || p->status == a->status) &&
	       (!a->by_origin || p->origin == a->origin) &&
	       (!a->by_deadline || (p->deadline != TIME_NONE && p->deadline < a->deadline));
}

static enum paint status_paint(const struct product *p)
{
	if (p->conflict)
		return PAINT_BAD;
	if (p->status == STATUS_RETIRED || p->status == STATUS_DEPRECATED)
		return PAINT_FAINT;
	return p->status == STATUS_UNREGISTERED_USE ? PAINT_WARN : PAINT_NONE;
}

static void list_products(struct out *out, const struct list_args *a, const struct products *ps)
{
	out_table(out, a->by_deadline ? ">NUMBER|NAME|STATUS|ORIGIN|DEADLINE|CONTACT"
				      : ">NUMBER|NAME|STATUS|ORIGIN|ENCODINGS|VENDOR");
	out_list(out, "products");
	for (size_t i = 0; i < ps->n; i++) {
		const struct product *p = ps->product[i];
		CLEANUP(free) char *encodings = encodings_text(p);
		char date[TIME_TEXT_MAX];

		if (!is_listed(a, p))
			continue;
		out_object(out, NULL);
		product_json(out, p);
		out_close(out);
		out_cell(out, "%" PRIu16, p->number);
		out_cell(out, "%s", p->name);
		out_paint_cell(out, status_paint(p), "%s%s", product_status_name(p->status),
			       p->conflict ? " (conflict)" : "");
		out_cell(out, "%s", origin_name(p->origin));
		out_cell(out, "%s", a->by_deadline ? time_text(p->deadline, date) : encodings);
		out_cell(out, "%s", a->by_deadline ? p->contact : p->vendor);
	}
	out_close(out);
	out_table_end(out);
}

static int list_reservations(struct cli *cli, struct err *err)
{
	CLEANUP(reservations_free) struct reservations *rs = NULL;
	struct out *out = cli->out;
	int r = reservation_list(cli->db, &rs, err);

	if (r < 0)
		return r;
	if (rs->n)
		out_line(out, "%s", "");
	out_table(out, ">RESERVED|POLICY|ORIGIN|<REASON");
	out_list(out, "reservations");
	for (size_t i = 0; i < rs->n; i++) {
		const struct reservation *v = &rs->row[i];

		if (v->first == v->last)
			out_cell(out, "%" PRIu16, v->first);
		else
			out_cell(out, "%" PRIu16 "-%" PRIu16, v->first, v->last);
		out_cell(out, "%s", reservation_kind_name(v->kind));
		out_cell(out, "%s", origin_name(v->origin));
		out_cell(out, "%s", v->reason);
		out_object(out, NULL);
		out_int(out, "first", v->first);
		out_int(out, "last", v->last);
		out_str(out, "policy", reservation_kind_name(v->kind));
		out_str(out, "origin", origin_name(v->origin));
		out_str(out, "reason", v->reason);
		out_close(out);
	}
	out_close(out);
	out_table_end(out);
	return 0;
}

static int list_run(struct cli *cli, struct err *err)
{
	const struct list_args *a = cli->args;
	CLEANUP(products_free) struct products *ps = NULL;
	bool all = !a->by_status && !a->by_origin && !a->by_deadline;
	int r = product_list(cli->db, &ps, err);

	if (r < 0)
		return r;
	list_products(cli->out, a, ps);
	if (all || (a->by_status && a->status == STATUS_RESERVED))
		return list_reservations(cli, err);
	return 0;
}

const struct verb verb_product_list = {
	.section = SECTION,
	.name = "product list",
	.args_doc = "",
	.summary = "list products and reserved numbers",
	.needs = NEED_DB_READ,
	.options = list_options,
	.option = list_option,
	.args_size = sizeof(struct list_args),
	.run = list_run,
};

/* ---- product show ---- */

static void pair(struct out *out, const char *title, const char *value)
{
	if (!*value)
		return;
	out_cell(out, "%s", title);
	out_cell(out, "%s", value);
}

static void show_encodings(struct out *out, const struct product *p)
{
	if (!p->n_encodings)
		return;
	out_line(out, "%s", "");
	out_table(out, "ENCODING|>FROM|>TO|USER");
	for (size_t i = 0; i < p->n_encodings; i++) {
		const struct product_encoding *e = &p->encoding[i];

		out_cell(out, "%s", e->encoding);
		out_cell(out, "%" PRIu32, e->from);
		out_cell(out, "%" PRIu32, e->to);
		out_cell(out, "%s", e->user);
	}
	out_table_end(out);
}

void product_text(struct out *out, const struct product *p)
{
	char date[TIME_TEXT_MAX];

	out_table(out, "|");
	out_cell(out, "Number");
	out_cell(out, "%" PRIu16 " (0x%" PRIx16 ")", p->number, p->number);
	pair(out, "Name", p->name);
	pair(out, "Node", p->node);
	pair(out, "Status", product_status_name(p->status));
	pair(out, "Origin", origin_name(p->origin));
	pair(out, "Vendor", p->vendor);
	pair(out, "Contact", p->contact);
	pair(out, "Reference", p->reference);
	pair(out, "Deadline", time_text(p->deadline, date));
	if (p->conflict)
		pair(out, "Conflict",
		     "upstream gave its number, name or node to another product; not published");
	if (!product_publishable_name(p->name))
		pair(out, "Note", "stock device models reach no node of a product with this name");
	out_table_end(out);
	show_encodings(out, p);
}

static int show_run(struct cli *cli, struct err *err)
{
	SUBJECT s = { 0 };
	int r = subject_find(cli, cli->arg[0], &s, err);

	if (r < 0)
		return r;
	product_json(cli->out, s.product);
	product_text(cli->out, s.product);
	return 0;
}

const struct verb verb_product_show = {
	.section = SECTION,
	.name = "product show",
	.args_doc = "PRODUCT",
	.summary = "show one product with its encodings",
	.needs = NEED_DB_READ,
	.min_args = 1,
	.max_args = 1,
	.run = show_run,
};
