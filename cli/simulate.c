/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * simulate: a guest's driver goes through the port-0x10 protocol, access by access, against the
 * same state machine that xenblacklistd runs and the live xenstore.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/subject.h"
#include "device/handshake.h"
#include "sync/lookup.h"

enum { OPT_UNPLUG = 0x100, OPT_LOG, OPT_DEVICE_MODEL };

#define UNPLUG_DEFAULT 3 /* what Linux writes: disks and network cards */

struct simulate_args {
	uint32_t unplug;
	bool unplug_given;
	const char *log;
	enum handshake_model model;
};

static const struct argp_option options[] = {
	{ "unplug", OPT_UNPLUG, "MASK", 0,
	  "The devices that the driver unplugs (default 3); when given, also after 0xd249", 0 },
	{ "log", OPT_LOG, "TEXT", 0, "What the driver writes to the log channel", 0 },
	{ "device-model", OPT_DEVICE_MODEL, "NAME", 0,
	  "xenblacklistd (default), traditional or qemu", 0 },
	{ 0 },
};

static const char *const model_names[] = {
	[HANDSHAKE_FULL] = "xenblacklistd",
	[HANDSHAKE_TRADITIONAL] = "traditional",
	[HANDSHAKE_QEMU] = "qemu",
};

static int option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct simulate_args *a = cli->args;

	switch (key) {
	case OPT_UNPLUG:
		a->unplug_given = true;
		return option_u32("--unplug", arg, UINT16_MAX, &a->unplug, err);
	case OPT_LOG:
		a->log = arg;
		return 0;
	case OPT_DEVICE_MODEL:
		for (size_t i = 0; i < ARRAY_SIZE(model_names); i++) {
			if (strcmp(arg, model_names[i]) == 0) {
				a->model = (enum handshake_model)i;
				return 0;
			}
		}
	}
	return err_set(err, ERR_USAGE,
		       "unknown device model '%.64s' (xenblacklistd, traditional or qemu)", arg);
}

struct simulation {
	struct cli *cli;
	struct simulate_args *args;
	struct handshake front;	 /* the device model that is asked for */
	struct handshake behind; /* a stock QEMU beside xenblacklistd */
	uint16_t product;
	uint32_t build;
	const char *name; /* of the product, NULL: the registry was not needed */
	struct lookup *lookup;
	int step;
};

/* ---- what accesses look like ---- */

static const char *width_name(uint8_t width)
{
	return width == 1 ? "byte" : width == 2 ? "word" : "long";
}

static void tell_access(struct simulation *sim, const struct handshake_access *a, uint32_t value,
			const char *by, const char *meaning)
{
	struct out *out = sim->cli->out;

	out_cell(out, "%d", sim->step);
	out_cell(out, "%s", a->write ? "out" : "in");
	out_cell(out, "0x%02" PRIx32, a->port);
	out_cell(out, "%s", width_name(a->width));
	out_cell(out, "0x%" PRIx32, value);
	out_cell(out, "%s", by);
	out_cell(out, "%s", meaning);
	out_object(out, NULL);
	out_int(out, "step", sim->step);
	out_str(out, "direction", a->write ? "out" : "in");
	out_int(out, "port", a->port);
	out_int(out, "width", a->width);
	out_int(out, "value", value);
	out_str(out, "by", by);
	out_str(out, "meaning", meaning);
	out_close(out);
}

/* As Xen does it: to the server that owns the ports whole, else to the one behind. */
static const char *dispatch(struct simulation *sim, const struct handshake_access *a,
			    struct handshake_result *ret)
{
	struct handshake_ports own = handshake_ports(&sim->front);

	if (sim->args->model == HANDSHAKE_FULL &&
	    (a->port < own.first || a->port + a->width - 1 > own.last)) {
		handshake_step(&sim->behind, a, ret);
		return model_names[HANDSHAKE_QEMU];
	}
	handshake_step(&sim->front, a, ret);
	return model_names[sim->args->model];
}

static uint32_t read_port(struct simulation *sim, uint32_t port, uint8_t width,
			  const char *(*meaning)(uint32_t value))
{
	const struct handshake_access a = { .port = port, .width = width };
	struct handshake_result r;
	const char *by;

	sim->step++;
	by = dispatch(sim, &a, &r);
	tell_access(sim, &a, r.value, by, meaning(r.value));
	return r.value;
}

static void write_port(struct simulation *sim, uint32_t port, uint8_t width, uint32_t value,
		       const char *meaning, struct handshake_result *ret)
{
	const struct handshake_access a = {
		.port = port, .width = width, .write = true, .value = value
	};
	const char *by;

	sim->step++;
	by = dispatch(sim, &a, ret);
	tell_access(sim, &a, value, by, meaning);
}

static const char *magic_meaning(uint32_t value)
{
	return value == HANDSHAKE_MAGIC		      ? "the protocol is there"
	       : value == HANDSHAKE_MAGIC_BLACKLISTED ? "blacklisted: the driver must not load"
						      : "nobody knows the protocol";
}

static const char *verdict_meaning(uint32_t value)
{
	return value == HANDSHAKE_MAGIC ? "unchanged: the driver may load" : magic_meaning(value);
}

static const char *version_meaning(uint32_t value)
{
	return value == 1 ? "protocol version 1: product and build are wanted"
			  : "unknown protocol version";
}

/* ---- step 4: the build and its lookup ---- */

static void tell_lookup(struct simulation *sim)
{
	struct out *out = sim->cli->out;

	for (size_t i = 0; sim->lookup && i < sim->lookup->n; i++) {
		const struct lookup_step *s = &sim->lookup->step[i];

		out_cell(out, "%s", "");
		out_cell(out, "xenstore");
		for (int blank = 0; blank < 3; blank++)
			out_cell(out, "%s", "");
		out_paint_cell(out, s->found ? PAINT_BOLD : PAINT_FAINT, "%s",
			       s->found ? "there" : "absent");
		out_cell(out, s->found && *s->value ? "%s = '%s'" : "%s", s->path, s->value);
	}
}

static int ask(struct simulation *sim, struct err *err)
{
	enum lookup_rule rule =
		sim->args->model == HANDSHAKE_FULL ? LOOKUP_FULL : LOOKUP_TRADITIONAL;
	int r = cli_need(sim->cli, NEED_STORE, err);

	if (r == 0)
		r = lookup(sim->cli->store, rule, sim->product, sim->build, &sim->lookup, err);
	if (r < 0) {
		out_note(sim->cli->out, "a device model that cannot ask xenstore lets the driver "
					"load: it fails open");
		return r;
	}
	handshake_decide(&sim->front, sim->lookup->blacklisted);
	return 0;
}

static int announce_build(struct simulation *sim, const char *version, struct err *err)
{
	CLEANUP(free)
	char *known = version ? xasprintf("build %" PRIu32 ", version %s", sim->build, version)
			      : xasprintf("build %" PRIu32, sim->build);
	CLEANUP(free)
	char *unknown = xasprintf("%s; this device model looks nothing up for product %" PRIu16,
				  known, sim->product);
	bool asks = sim->args->model == HANDSHAKE_FULL
			    ? sim->product != 0
			    : sim->args->model == HANDSHAKE_TRADITIONAL &&
				      (sim->product == 1 || sim->product == 2 ||
				       sim->product == UINT16_MAX);
	struct handshake_result r;

	write_port(sim, 0x10, 4, sim->build, asks ? known : unknown, &r);
	return r.actions & HANDSHAKE_ASK ? ask(sim, err) : 0;
}

/* ---- step 6: unplug ---- */

static char *unplug_names(uint16_t mask, enum handshake_model model)
{
	static const char *const bit_names[] = { "IDE disks", "network cards",
						 "IDE disks but the primary master", "NVMe disks" };
	size_t known = model == HANDSHAKE_TRADITIONAL ? 3 : ARRAY_SIZE(bit_names);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	const char *sep = "";

	if (!f)
		abort();
	for (size_t bit = 0; bit < 16; bit++) {
		if (!(mask & 1u << bit))
			continue;
		if (bit < known)
			fprintf(f, "%s%s", sep, bit_names[bit]);
		else
			fprintf(f, "%sbit %zu (no device)", sep, bit);
		sep = ", ";
	}
	if (!*sep)
		fputs("nothing", f);
	fclose(f);
	return text;
}

static void unplug(struct simulation *sim, bool told)
{
	uint16_t mask = (uint16_t)sim->args->unplug;
	CLEANUP(free) char *names = unplug_names(mask, sim->args->model);
	CLEANUP(free)
	char *meaning = xasprintf("unplug: %s%s", names,
				  told ? " (a driver that ignores the verdict)" : "");
	struct handshake_result r;

	write_port(sim, 0x10, 2, mask, meaning, &r);
}

/* ---- the log channel ---- */

struct logged {
	size_t lines, bytes;
	uint32_t dropped;
	bool throttled;
};

static void log_result(struct simulation *sim, const struct handshake_result *r,
		       struct logged *logged)
{
	struct out *out = sim->cli->out;

	logged->throttled |= !!(r->actions & HANDSHAKE_THROTTLED);
	if (!(r->actions & HANDSHAKE_LOG))
		return;
	logged->lines++;
	logged->bytes += r->line_n;
	logged->dropped += r->dropped;
	out_strn(out, NULL, r->line, r->line_n);
	out_cell(out, "%s", "");
	out_cell(out, "logged");
	for (int blank = 0; blank < 4; blank++)
		out_cell(out, "%s", "");
	out_cell(out, "'%.*s'%s", (int)r->line_n, r->line, r->line_cut ? " ..." : "");
}

/* One access a byte, and a newline at the end when TEXT has none. Told as one row. */
static void write_log(struct simulation *sim, const char *text)
{
	struct handshake_access a = { .port = 0x12, .width = 1, .write = true };
	struct out *out = sim->cli->out;
	size_t n = strlen(text);
	struct handshake_result r;
	struct logged logged = { 0 };

	sim->step++;
	out_cell(out, "%d", sim->step);
	out_cell(out, "out");
	out_cell(out, "0x12");
	out_cell(out, "byte");
	out_cell(out, "%s", "");
	out_cell(out, "%s", model_names[sim->args->model]);
	out_cell(out, "the log channel, %zu bytes", n);
	out_object(out, "log");
	out_list(out, "lines");
	for (size_t i = 0; i < n; i++) {
		a.value = (uint8_t)text[i];
		dispatch(sim, &a, &r);
		log_result(sim, &r, &logged);
	}
	if (n == 0 || text[n - 1] != '\n') {
		a.value = '\n';
		dispatch(sim, &a, &r);
		log_result(sim, &r, &logged);
	}
	out_close(out);
	out_int(out, "dropped", (int64_t)logged.dropped + sim->front.dropped);
	out_bool(out, "throttled", logged.throttled);
	out_close(out);
}

/* ---- the whole of it ---- */

static void tell_json(struct simulation *sim, bool told, bool unplugs)
{
	struct out *out = sim->cli->out;

	out_bool(out, "blacklisted", told);
	out_str(out, "path", sim->lookup ? sim->lookup->path : NULL);
	out_list(out, "lookup");
	for (size_t i = 0; sim->lookup && i < sim->lookup->n; i++) {
		out_object(out, NULL);
		out_str(out, "path", sim->lookup->step[i].path);
		out_bool(out, "found", sim->lookup->step[i].found);
		out_str(out, "value", sim->lookup->step[i].value);
		out_close(out);
	}
	out_close(out);
	if (unplugs)
		out_int(out, "unplug", sim->args->unplug);
	else
		out_null(out, "unplug");
}

static int walk(struct simulation *sim, const char *version, struct err *err)
{
	CLEANUP(free)
	char *product = sim->name ? xasprintf("product %" PRIu16 ", %s", sim->product, sim->name)
				  : xasprintf("product %" PRIu16, sim->product);
	struct out *out = sim->cli->out;
	struct handshake_result ignored;
	bool told, unplugs;
	int r;

	out_table(out, "STEP|ACCESS|PORT|WIDTH|VALUE|BY|MEANING");
	out_list(out, "accesses");
	read_port(sim, 0x10, 2, magic_meaning);
	read_port(sim, 0x12, 1, version_meaning);
	write_port(sim, 0x12, 2, sim->product, product, &ignored);
	r = announce_build(sim, version, err);
	if (r < 0)
		return r;
	tell_lookup(sim);
	told = read_port(sim, 0x10, 2, verdict_meaning) == HANDSHAKE_MAGIC_BLACKLISTED;
	unplugs = !told || sim->args->unplug_given;
	if (unplugs)
		unplug(sim, told);
	out_close(out);
	if (sim->args->log)
		write_log(sim, sim->args->log);
	out_table_end(out);
	tell_json(sim, told, unplugs);
	if (told)
		out_paint_line(out, PAINT_BAD, "blacklisted: %s", sim->lookup->path);
	else
		out_paint_line(out, PAINT_GOOD, "allowed");
	return told ? EXIT_YES : 0;
}

/* Two numbers need no registry: a guest may announce what nobody has registered. */
static int find(struct simulation *sim, struct subject *s, struct err *err)
{
	struct cli *cli = sim->cli;
	uint64_t product, build;
	int r;

	if (parse_number(span_str(cli->arg[0]), UINT16_MAX, &product) &&
	    parse_number(span_str(cli->arg[1]), UINT32_MAX, &build)) {
		sim->product = (uint16_t)product;
		sim->build = (uint32_t)build;
		return 0;
	}
	r = cli_need(cli, NEED_DB_READ, err);
	if (r == 0)
		r = subject_find_current(cli, cli->arg[0], s, err);
	if (r < 0)
		return r;
	sim->product = s->product->number;
	sim->name = s->product->name;
	return subject_build(cli, s, cli->arg[1], &sim->build, err);
}

static int run(struct cli *cli, struct err *err)
{
	struct simulate_args *args = cli->args;
	struct simulation sim = { .cli = cli, .args = args };
	const struct handshake_policy front = { .model = args->model };
	const struct handshake_policy behind = { .model = HANDSHAKE_QEMU };
	CLEANUP(free) char *version = NULL;
	SUBJECT s = { 0 };
	int r = find(&sim, &s, err);

	if (r < 0)
		return r;
	if (!args->unplug_given)
		args->unplug = UNPLUG_DEFAULT;
	if (s.product)
		version = subject_version(&s, sim.build);
	handshake_init(&sim.front, &front);
	handshake_init(&sim.behind, &behind);
	out_int(cli->out, "product", sim.product);
	out_str(cli->out, "name", sim.name);
	out_int(cli->out, "build", sim.build);
	out_str(cli->out, "device_model", model_names[args->model]);
	r = walk(&sim, version, err);
	lookup_free(sim.lookup);
	return r;
}

const struct verb verb_simulate = {
	.section = "Xenstore",
	.name = "simulate",
	.args_doc = "PRODUCT BUILD",
	.summary = "walk a guest's driver through the port-0x10 protocol",
	.help = "Each port access of the protocol is made against the state machine that "
		"xenblacklistd runs, and the verdict comes from the live xenstore, as a guest would "
		"see it under that device model. A driver that is told to be blacklisted stops "
		"there, as it should; with --unplug it goes on and unplugs all the same, as some "
		"do.\n\n"
		"The exit status is 1 when the driver is blacklisted, 0 when it is not, and 69 when "
		"xenstore cannot be asked.",
	.min_args = 2,
	.max_args = 2,
	.options = options,
	.option = option,
	.args_size = sizeof(struct simulate_args),
	.run = run,
};
