/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The acts of a registry's maintainer: allocate, reserve, update, transfer, release, revoke and
 * retire. Each is one transaction and one row of history.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/product.h"
#include "cli/subject.h"

#define SECTION "Registry"
#define ENCODINGS_MAX 32

enum {
	OPT_NAME = 0x100,
	OPT_NODE,
	OPT_NUMBER,
	OPT_VENDOR,
	OPT_CONTACT,
	OPT_REFERENCE,
	OPT_ENCODING,
	OPT_DROP_ENCODINGS,
	OPT_PROVISIONAL_UNTIL,
	OPT_ASSIGN,
	OPT_DEPRECATE,
	OPT_REASON,
};

struct act_args {
	const char *name, *node, *vendor, *contact, *reference;
	int32_t number; /* as typed + 1; 0: not given */
	bool drop_encodings, assign, deprecate, has_deadline;
	int64_t deadline;
	const char *use[ENCODINGS_MAX]; /* as typed, ... */
	size_t n_uses;
	struct product_encoding encoding[ENCODINGS_MAX]; /* ... and parsed, until act_end() */
	size_t n_encodings;
};

/* NAME[@FROM..TO][=USER] */
static int take_encoding(struct act_args *a, const char *arg, struct err *err)
{
	struct span name = span_str(arg), range, from, to, user = span_of("", 0);
	struct product_encoding *e = &a->encoding[a->n_encodings];
	uint64_t first = 0, last = UINT32_MAX;

	span_cut(name, "=", &name, &user);
	if (span_cut(name, "@", &name, &range) &&
	    (!span_cut(range, "..", &from, &to) || !parse_number(from, UINT32_MAX, &first) ||
	     !parse_number(to, UINT32_MAX, &last) || first > last))
		return err_set(err, ERR_USAGE,
			       "bad range in encoding '%.64s', expected NAME@FROM..TO", arg);
	if (!name.n)
		return err_set(err, ERR_USAGE, "no name in encoding '%.64s'", arg);
	e->encoding = xstrndup(name.p, name.n);
	e->user = xstrndup(user.p, user.n);
	e->from = (uint32_t)first;
	e->to = (uint32_t)last;
	a->n_encodings++;
	return 0;
}

static int take_encodings(struct act_args *a, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < a->n_uses && r == 0; i++)
		r = take_encoding(a, a->use[i], err);
	return r;
}

/* May be empty, unlike option_text(): an update can clear a field. */
static int take_field(const char *name, const char *arg, const char **ret, struct err *err)
{
	if (!*arg) {
		*ret = "";
		return 0;
	}
	return option_text(name, arg, ret, err);
}

static int act_option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct act_args *a = cli->args;
	uint32_t number;
	int r;

	switch (key) {
	case OPT_NAME:
		return option_text("--name", arg, &a->name, err);
	case OPT_NODE:
		return option_text("--node", arg, &a->node, err);
	case OPT_NUMBER:
		r = option_u32("--number", arg, UINT16_MAX, &number, err);
		if (r == 0)
			a->number = (int32_t)number + 1;
		return r;
	case OPT_VENDOR:
		return take_field("--vendor", arg, &a->vendor, err);
	case OPT_CONTACT:
		return take_field("--contact", arg, &a->contact, err);
	case OPT_REFERENCE:
		return take_field("--reference", arg, &a->reference, err);
	case OPT_ENCODING:
		if (a->n_uses == ENCODINGS_MAX)
			return err_set(err, ERR_USAGE, "more than %d encodings", ENCODINGS_MAX);
		a->use[a->n_uses++] = arg;
		return 0;
	case OPT_DROP_ENCODINGS:
		a->drop_encodings = true;
		return 0;
	case OPT_PROVISIONAL_UNTIL:
		a->has_deadline = true;
		return option_date(cli, "--provisional-until", arg, &a->deadline, err);
	case OPT_ASSIGN:
		a->assign = true;
		return 0;
	case OPT_DEPRECATE:
		a->deprecate = true;
		return 0;
	default:
		return option_text("--reason", arg, &cli->reason, err);
	}
}

static void act_end(struct act_args *a)
{
	for (size_t i = 0; i < a->n_encodings; i++) {
		free(a->encoding[i].encoding);
		free(a->encoding[i].user);
	}
	a->n_encodings = 0;
}

/* The row as it is now, in JSON; the text form is each act's own. */
static int show_after(struct cli *cli, const char *name_or_number, struct err *err)
{
	CLEANUP(product_free) struct product *p = NULL;
	int r = product_find(cli->db, name_or_number, &p, err);

	if (r < 0)
		return r;
	out_object(cli->out, "product");
	product_json(cli->out, p);
	out_close(cli->out);
	return 0;
}

#define REASON_OPTION                                                      \
	{                                                                  \
		"reason", OPT_REASON, "TEXT", 0, "Why, for the history", 0 \
	}

/* ---- product allocate ---- */

static const struct argp_option allocate_options[] = {
	{ "vendor", OPT_VENDOR, "TEXT", 0, "Whose drivers (required)", 0 },
	{ "contact", OPT_CONTACT, "TEXT", 0, "Who can be asked (required)", 0 },
	{ "number", OPT_NUMBER, "N", 0, "This number instead of the lowest free one", 0 },
	{ "encoding", OPT_ENCODING, "NAME[@FROM..TO][=USER]", 0,
	  "How versions become builds, for which builds, and who uses it; may be repeated", 0 },
	{ "reference", OPT_REFERENCE, "URL", 0, "Where to read more", 0 },
	{ "node", OPT_NODE, "NAME", 0,
	  "Directory in xenstore, for a name with characters that xenstore does not take", 0 },
	{ "provisional-until", OPT_PROVISIONAL_UNTIL, "DATE", 0,
	  "Provisional, to be confirmed before DATE", 0 },
	REASON_OPTION,
	{ 0 },
};

static int allocate(struct cli *cli, struct act_args *a, struct err *err)
{
	const struct product_request request = {
		.name = cli->arg[0],
		.node = a->node,
		.number = a->number - 1,
		.vendor = a->vendor,
		.contact = a->contact,
		.reference = a->reference,
		.encoding = a->encoding,
		.n_encodings = a->n_encodings,
		.provisional_until = a->has_deadline ? a->deadline : TIME_NONE,
	};
	CLEANUP(free) char *text = NULL;
	struct product_notes notes = { 0 };
	uint16_t number;
	DB_TX tx = { 0 };
	int r = db_begin(cli->db, &tx, err);

	if (r == 0)
		r = product_allocate(cli->db, &request, &number, &notes, err);
	if (r == 0)
		r = db_commit(&tx, err);
	if (r < 0)
		return r;
	note_lines(cli, notes.text);
	out_line(cli->out, "%" PRIu16, number);
	text = xasprintf("%" PRIu16, number);
	return show_after(cli, text, err);
}

static int allocate_run(struct cli *cli, struct err *err)
{
	struct act_args *a = cli->args;
	const char *name;
	int r = option_text("NAME", cli->arg[0], &name, err);

	if (r == 0 && (!a->vendor || !*a->vendor || !a->contact || !*a->contact))
		r = err_set(err, ERR_USAGE, "'--vendor' and '--contact' are both needed");
	if (r == 0)
		r = take_encodings(a, err);
	if (r == 0)
		r = cli_need(cli, NEED_DB_WRITE, err);
	if (r == 0)
		r = allocate(cli, a, err);
	act_end(a);
	return r;
}

const struct verb verb_product_allocate = {
	.section = SECTION,
	.name = "product allocate",
	.args_doc = "NAME --vendor TEXT --contact TEXT",
	.summary = "give a product the lowest free number and print it",
	.help = "First come, first served, in one transaction. The number stands alone on standard "
		"output.",
	.min_args = 1,
	.max_args = 1,
	.options = allocate_options,
	.option = act_option,
	.args_size = sizeof(struct act_args),
	.run = allocate_run,
};

/* ---- product reserve ---- */

static const struct argp_option reason_options[] = {
	{ "reason", OPT_REASON, "TEXT", 0, "Why (required)", 0 },
	{ 0 },
};

static int need_reason(const struct cli *cli, struct err *err)
{
	return cli->reason ? 0 : err_set(err, ERR_USAGE, "'--reason' is needed");
}

static int reserve_run(struct cli *cli, struct err *err)
{
	struct span whole = span_str(cli->arg[0]), left = whole, right = whole;
	uint64_t first, last;
	DB_TX tx = { 0 };
	int r;

	span_cut(whole, "-", &left, &right);
	if (!parse_number(left, UINT16_MAX, &first) || !parse_number(right, UINT16_MAX, &last) ||
	    first > last)
		return err_set(err, ERR_USAGE, "bad range '%.64s', expected FIRST or FIRST-LAST",
			       cli->arg[0]);
	r = need_reason(cli, err);
	if (r == 0)
		r = cli_need(cli, NEED_DB_WRITE, err);
	if (r == 0)
		r = db_begin(cli->db, &tx, err);
	if (r == 0)
		r = product_reserve(cli->db, (uint16_t)first, (uint16_t)last, err);
	if (r == 0)
		r = db_commit(&tx, err);
	if (r < 0)
		return r;
	out_line(cli->out, "%s", cli->arg[0]);
	out_int(cli->out, "first", (int64_t)first);
	out_int(cli->out, "last", (int64_t)last);
	out_str(cli->out, "reason", cli->reason);
	return 0;
}

const struct verb verb_product_reserve = {
	.section = SECTION,
	.name = "product reserve",
	.args_doc = "FIRST[-LAST] --reason TEXT",
	.summary = "close numbers for allocation",
	.min_args = 1,
	.max_args = 1,
	.options = reason_options,
	.option = act_option,
	.args_size = sizeof(struct act_args),
	.run = reserve_run,
};

/* ---- product update ---- */

static const struct argp_option update_options[] = {
	{ "name", OPT_NAME, "NAME", 0, "Another name", 0 },
	{ "node", OPT_NODE, "NAME", 0, "Another directory in xenstore", 0 },
	{ "number", OPT_NUMBER, "N", 0, "Another number; only for a row in conflict", 0 },
	{ "vendor", OPT_VENDOR, "TEXT", 0, "Whose drivers", 0 },
	{ "contact", OPT_CONTACT, "TEXT", 0, "Who can be asked", 0 },
	{ "reference", OPT_REFERENCE, "URL", 0, "Where to read more", 0 },
	{ "encoding", OPT_ENCODING, "NAME[@FROM..TO][=USER]", 0,
	  "One more encoding, for which builds, and who uses it; may be repeated", 0 },
	{ "drop-encodings", OPT_DROP_ENCODINGS, NULL, 0, "Forget the encodings there are first",
	  0 },
	{ "provisional-until", OPT_PROVISIONAL_UNTIL, "DATE", 0,
	  "Another deadline of a provisional number", 0 },
	{ "assign", OPT_ASSIGN, NULL, 0, "A provisional number becomes assigned", 0 },
	{ "deprecate", OPT_DEPRECATE, NULL, 0, "An assigned number becomes deprecated", 0 },
	REASON_OPTION,
	{ 0 },
};

static int update(struct cli *cli, const struct act_args *a, struct err *err)
{
	CLEANUP(product_free) struct product *before = NULL;
	CLEANUP(free) char *number = NULL;
	struct product_change change = PRODUCT_CHANGE_NONE;
	struct product_notes notes = { 0 };
	DB_TX tx = { 0 };
	int r;

	change.name = a->name;
	change.node = a->node;
	change.vendor = a->vendor;
	change.contact = a->contact;
	change.reference = a->reference;
	change.number = a->number - 1;
	change.drop_encodings = a->drop_encodings;
	change.encoding = a->encoding;
	change.n_encodings = a->n_encodings;
	change.set_deadline = a->has_deadline || a->assign;
	change.deadline = a->assign ? TIME_NONE : a->deadline;
	change.deprecate = a->deprecate;
	r = db_begin(cli->db, &tx, err);
	if (r == 0)
		r = product_find(cli->db, cli->arg[0], &before, err);
	if (r == 0)
		r = product_update(cli->db, cli->arg[0], &change, &notes, err);
	if (r == 0)
		r = db_commit(&tx, err);
	if (r < 0)
		return r;
	note_lines(cli, notes.text);
	number = xasprintf("%" PRIu16, a->number ? (uint16_t)(a->number - 1) : before->number);
	out_line(cli->out, "%s", number);
	return show_after(cli, number, err);
}

static int update_run(struct cli *cli, struct err *err)
{
	struct act_args *a = cli->args;
	bool any = a->name || a->node || a->vendor || a->contact || a->reference || a->number ||
		   a->n_uses || a->drop_encodings || a->has_deadline || a->assign || a->deprecate;
	int r = 0;

	if (!any)
		r = err_set(err, ERR_USAGE, "nothing to change is named");
	if (r == 0 && a->has_deadline && a->assign)
		r = err_set(err, ERR_USAGE,
			    "'--assign' and '--provisional-until' exclude each other");
	if (r == 0)
		r = take_encodings(a, err);
	if (r == 0)
		r = cli_need(cli, NEED_DB_WRITE, err);
	if (r == 0)
		r = update(cli, a, err);
	act_end(a);
	return r;
}

const struct verb verb_product_update = {
	.section = SECTION,
	.name = "product update",
	.args_doc = "PRODUCT",
	.summary = "change what is known about a product",
	.min_args = 1,
	.max_args = 1,
	.options = update_options,
	.option = act_option,
	.args_size = sizeof(struct act_args),
	.run = update_run,
};

/* ---- transfer, release, revoke, retire: acts with a reason ---- */

typedef int act_fn(struct db *db, const char *name_or_number, struct err *err);

static int act_with_reason(struct cli *cli, act_fn *act, struct err *err)
{
	struct act_args *a = cli->args;
	CLEANUP(product_free) struct product *before = NULL;
	CLEANUP(free) char *number = NULL;
	DB_TX tx = { 0 };
	int r = need_reason(cli, err);

	if (r == 0)
		r = cli_need(cli, NEED_DB_WRITE, err);
	if (r == 0)
		r = db_begin(cli->db, &tx, err);
	if (r == 0)
		r = product_find(cli->db, cli->arg[0], &before, err);
	if (r == 0)
		r = act ? act(cli->db, cli->arg[0], err)
			: product_transfer(cli->db, cli->arg[0], a->vendor, a->contact, err);
	if (r == 0)
		r = db_commit(&tx, err);
	if (r < 0)
		return r;
	number = xasprintf("%" PRIu16, before->number);
	out_line(cli->out, "%s", number);
	return show_after(cli, number, err);
}

static const struct argp_option transfer_options[] = {
	{ "vendor", OPT_VENDOR, "TEXT", 0, "The new holder (required)", 0 },
	{ "contact", OPT_CONTACT, "TEXT", 0, "Who can be asked there (required)", 0 },
	{ "reason", OPT_REASON, "TEXT", 0, "Why (required)", 0 },
	{ 0 },
};

static int transfer_run(struct cli *cli, struct err *err)
{
	struct act_args *a = cli->args;

	if (!a->vendor || !*a->vendor || !a->contact || !*a->contact)
		return err_set(err, ERR_USAGE, "'--vendor' and '--contact' are both needed");
	return act_with_reason(cli, NULL, err);
}

const struct verb verb_product_transfer = {
	.section = SECTION,
	.name = "product transfer",
	.args_doc = "PRODUCT --vendor TEXT --contact TEXT --reason TEXT",
	.summary = "hand a product over to another holder",
	.min_args = 1,
	.max_args = 1,
	.options = transfer_options,
	.option = act_option,
	.args_size = sizeof(struct act_args),
	.run = transfer_run,
};

static int release_run(struct cli *cli, struct err *err)
{
	return act_with_reason(cli, product_release, err);
}

const struct verb verb_product_release = {
	.section = SECTION,
	.name = "product release",
	.args_doc = "PRODUCT --reason TEXT",
	.summary = "take back a provisional number that its holder gives up",
	.min_args = 1,
	.max_args = 1,
	.options = reason_options,
	.option = act_option,
	.args_size = sizeof(struct act_args),
	.run = release_run,
};

static int revoke_run(struct cli *cli, struct err *err)
{
	return act_with_reason(cli, product_revoke, err);
}

const struct verb verb_product_revoke = {
	.section = SECTION,
	.name = "product revoke",
	.args_doc = "PRODUCT --reason TEXT",
	.summary = "take a number away from its holder (deprecated)",
	.min_args = 1,
	.max_args = 1,
	.options = reason_options,
	.option = act_option,
	.args_size = sizeof(struct act_args),
	.run = revoke_run,
};

static int retire_run(struct cli *cli, struct err *err)
{
	return act_with_reason(cli, product_retire, err);
}

const struct verb verb_product_retire = {
	.section = SECTION,
	.name = "product retire",
	.args_doc = "PRODUCT --reason TEXT",
	.summary = "burn a number and its name for ever",
	.min_args = 1,
	.max_args = 1,
	.options = reason_options,
	.option = act_option,
	.args_size = sizeof(struct act_args),
	.run = retire_run,
};
