/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * status: one screen, one line for Nagios, or a file of metrics for Prometheus, all made from the
 * same facts. What cannot be known is told as unknown.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "cli/apply.h"
#include "cli/due.h"
#include "cli/enforcement.h"
#include "cli/exception.h"
#include "cli/file.h"
#include "registry/history.h"
#include "registry/sighting.h"
#include "sync/fetch.h"
#include "sync/pull.h"

#define DAY 86400
#define EXPIRES_SOON (7 * DAY)

enum { OPT_NAGIOS = 0x100, OPT_PROMETHEUS };

struct status_args {
	bool nagios;
	const char *prometheus;
};

static const struct argp_option options[] = {
	{ "nagios", OPT_NAGIOS, NULL, 0,
	  "One line with performance data; leaves with 0 ok, 1 warning, 2 critical, 3 unknown", 0 },
	{ "prometheus", OPT_PROMETHEUS, "FILE", 0,
	  "Write metrics for the textfile collector, by a temporary name", 0 },
	{ 0 },
};

static int option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct status_args *a = cli->args;

	if (key == OPT_NAGIOS) {
		a->nagios = true;
		return 0;
	}
	if (!*arg)
		return err_set(err, ERR_USAGE, "empty file name");
	a->prometheus = arg;
	return 0;
}

#define CLASSES (CHANGE_WRONG_VALUE + 1)
#define ENFORCERS (ENFORCER_UNKNOWN + 1)

struct facts {
	uint64_t generation;
	size_t products, conflicts;
	size_t enforced, audited, waiting, expired, exceptions;
	struct blacklist *blacklist;
	struct dues *dues; /* dates of the next days, and those that wait for apply */
	size_t sightings;
	struct pull_state *sync;
	char *failure; /* of the last sync; NULL: it worked */
	int64_t failing_since;
	char *proxy;	/* that fetching uses, or NULL */
	bool published; /* the desired tree can be made at all */
	size_t nodes;
	struct err publish_err;
	bool reachable; /* xenstore answered */
	char *daemon;
	size_t drift[CLASSES], to_do;
	size_t guests[ENFORCERS], gaps; /* running HVM domains; those for which nobody looks */
	struct err store_err;
};

static void facts_end(struct facts *f)
{
	blacklist_free(TAKE(f->blacklist));
	pull_state_free(TAKE(f->sync));
	free(TAKE(f->daemon));
	dues_free(TAKE(f->dues));
	free(TAKE(f->failure));
	free(TAKE(f->proxy));
}
#define FACTS __attribute__((__cleanup__(facts_end))) struct facts

/* ---- gathering ---- */

static void count_rows(const struct blacklist *b, struct facts *f)
{
	const struct products *ps = blacklist_products(b);
	const struct entries *es = blacklist_entries(b);
	int64_t now = blacklist_now(b);

	f->products = ps->n;
	for (size_t i = 0; i < ps->n; i++)
		f->conflicts += ps->product[i]->conflict;
	for (size_t i = 0; i < es->n; i++) {
		const struct entry *e = es->entry[i];

		if (e->expires != TIME_NONE && e->expires <= now)
			f->expired++;
		else if (e->not_before != TIME_NONE && e->not_before > now)
			f->waiting++;
		else if (e->mode == MODE_AUDIT)
			f->audited++;
		else
			f->enforced++;
	}
	f->exceptions = exceptions_count(b);
}

static int find_dues(struct cli *cli, const struct blacklist *b, struct facts *f, struct err *err)
{
	CLEANUP(history_rows_free) struct history_rows *rows = NULL;
	int64_t applied = TIME_NONE;
	int r = f->to_do ? history_list(cli->db, TIME_NONE, "xenstore", &rows, err) : 0;

	if (r < 0)
		return r;
	if (rows && rows->n)
		applied = rows->row[rows->n - 1].time;
	f->dues = dues_new(b, f->to_do, applied, cli->now + EXPIRES_SOON);
	return 0;
}

static void ask_xenstore(struct cli *cli, const struct blacklist *b, struct facts *f)
{
	struct apply_options o = cli_apply_options(cli, false);
	CLEANUP(apply_plan_free) struct apply_plan *plan = NULL;

	if (!f->published || cli_need(cli, NEED_STORE, &f->store_err) < 0 ||
	    apply_plan(b, cli->store, &o, &plan, &f->store_err) < 0)
		return;
	f->reachable = true;
	f->daemon = xstrdup(store_daemon(cli->store));
	f->to_do = plan->plan->n_acts;
	for (size_t i = 0; i < plan->plan->n; i++)
		f->drift[plan->plan->change[i].class]++;
}

static void count_guests(struct cli *cli, struct facts *f)
{
	CLEANUP(enforcements_free) struct enforcements *es = NULL;

	if (!f->reachable || enforcement_list(cli->store, ENFORCEMENT_RUN_DIR,
					      cli->config->nodes_dom0_only, &es, &f->store_err) < 0)
		return;
	for (size_t i = 0; i < es->n; i++) {
		f->guests[es->guest[i].enforcer]++;
		f->gaps += es->guest[i].gap;
	}
}

static int gather(struct cli *cli, struct facts *f, struct err *err)
{
	const struct blacklist *b;
	CLEANUP(sightings_free) struct sightings *seen = NULL;
	CLEANUP(tree_free) struct tree *tree = NULL;
	struct apply_options o;
	int r = cli_need(cli, NEED_CONFIG | NEED_DB_READ, err);

	if (r == 0)
		r = blacklist_load(cli->db, cli->now, &f->blacklist, err);
	if (r == 0)
		r = pull_state(cli->db, &f->sync, err);
	if (r == 0)
		r = sighting_list(cli->db, -1, NULL, &seen, err);
	if (r < 0)
		return r;
	b = f->blacklist;
	f->failing_since = TIME_NONE;
	pull_fails(db_path(cli->db), &f->failure, &f->failing_since);
	f->proxy = fetch_proxy_text();
	f->generation = blacklist_generation(b);
	f->sightings = seen->n;
	count_rows(b, f);
	o = cli_apply_options(cli, false);
	f->published = nodes_desired(b, &o.nodes, &tree, &f->publish_err) == 0;
	f->nodes = f->published ? tree->n : 0;
	ask_xenstore(cli, b, f);
	count_guests(cli, f);
	return find_dues(cli, b, f, err);
}

/* ---- what it means ---- */

enum level { LEVEL_OK, LEVEL_WARNING, LEVEL_CRITICAL, LEVEL_UNKNOWN };

static enum level judge(const struct cli *cli, const struct facts *f, char ret_why[static 256])
{
	int64_t expires = f->sync->expires;
	const char *why = "";
	enum level level = LEVEL_OK;

	if (!f->published) {
		level = LEVEL_CRITICAL;
		why = "the blacklist cannot be published";
	} else if (!f->reachable && f->store_err.kind == ERR_DENIED) {
		level = LEVEL_UNKNOWN;
		why = "this user may not ask xenstore";
	} else if (!f->reachable) {
		level = LEVEL_CRITICAL;
		why = "xenstore cannot be reached";
	} else if (f->drift[CHANGE_MISSING] || f->drift[CHANGE_WRONG_ACCESS]) {
		level = LEVEL_CRITICAL;
		why = "nodes are missing or unreadable: xenblacklist apply";
	} else if (f->sync->version && expires != TIME_NONE && expires <= cli->now) {
		level = LEVEL_CRITICAL;
		why = "the manifest has expired";
	} else if (f->to_do) {
		level = LEVEL_WARNING;
		why = "xenstore differs from the registry: xenblacklist apply";
	} else if (f->gaps && f->enforced) {
		level = LEVEL_WARNING;
		why = "nobody enforces the list for some guests: xenblacklist audit";
	} else if (f->drift[CHANGE_FOREIGN]) {
		level = LEVEL_WARNING;
		why = "somebody else has made nodes: xenblacklist plan";
	} else if (f->sync->version && expires != TIME_NONE && expires <= cli->now + EXPIRES_SOON) {
		level = LEVEL_WARNING;
		why = "the manifest expires soon";
	} else if (f->failure) {
		level = LEVEL_WARNING;
		why = "the last sync failed";
	} else if (*cli->config->upstream_url && !f->sync->version) {
		level = LEVEL_WARNING;
		why = "upstream is configured and was never synced";
	} else if (f->conflicts) {
		level = LEVEL_WARNING;
		why = "local products are in conflict with upstream: xenblacklist audit";
	}
	snprintf(ret_why, 256, "%s", why);
	return level;
}

static const char *level_name(enum level l)
{
	static const char *const names[] = {
		[LEVEL_OK] = "ok",
		[LEVEL_WARNING] = "warning",
		[LEVEL_CRITICAL] = "critical",
		[LEVEL_UNKNOWN] = "unknown",
	};

	return names[l];
}

static size_t all_drift(const struct facts *f)
{
	size_t n = 0;

	for (size_t i = 0; i < CLASSES; i++)
		n += f->drift[i];
	return n;
}

/* ---- one screen ---- */

static void row(struct out *out, const char *title, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void row(struct out *out, const char *title, const char *fmt, ...)
{
	CLEANUP(free) char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	out_cell(out, "%s", title);
	out_cell(out, "%s", text);
}

static void show_sync(struct out *out, const struct facts *f)
{
	char a[TIME_TEXT_MAX], b[TIME_TEXT_MAX];
	const struct pull_state *s = f->sync;

	if (f->failure)
		row(out, "Sync", "fails since %s: %s", time_text(f->failing_since, a), f->failure);
	if (f->proxy)
		row(out, "Proxy", "%s", f->proxy);
	if (!s->version) {
		row(out, "Manifest", "none yet");
		return;
	}
	row(out, "Manifest", "version %" PRIu64 ", issued %s, expires %s", s->version,
	    time_text(s->issued, a), time_text(s->expires, b));
	row(out, "Last contact", "%s%s%s", time_text(s->last_contact, a), *s->source ? ", " : "",
	    s->source);
	row(out, "Last change", "%s", time_text(s->last_change, a));
}

static void show_drift(struct out *out, const struct facts *f)
{
	char *text = xstrdup("");

	for (size_t i = 0; i < CLASSES; i++) {
		char *longer;

		if (!f->drift[i])
			continue;
		longer = xasprintf("%s%s%zu %s", text, *text ? ", " : "", f->drift[i],
				   change_class_name((enum change_class)i));
		free(text);
		text = longer;
	}
	row(out, "Drift", "%s", *text ? text : "none");
	free(text);
}

static void show_guests(struct out *out, const struct facts *f)
{
	char *text = xstrdup("");

	for (size_t i = 0; i < ENFORCERS; i++) {
		char *longer;

		if (!f->guests[i])
			continue;
		longer = xasprintf("%s%s%zu by %s", text, *text ? ", " : "", f->guests[i],
				   enforcer_name((enum enforcer)i));
		free(text);
		text = longer;
	}
	row(out, "Enforcement", "%s", *text ? text : "no HVM guest runs");
	free(text);
}

static void show_text(struct cli *cli, const struct facts *f)
{
	CLEANUP(free) char *exceptions = exceptions_text(f->blacklist);
	struct out *out = cli->out;
	char why[256];
	enum level level = judge(cli, f, why);

	out_table(out, "|");
	out_cell(out, "State");
	out_paint_cell(out,
		       level == LEVEL_OK	? PAINT_GOOD
		       : level == LEVEL_WARNING ? PAINT_WARN
						: PAINT_BAD,
		       "%s%s%s", level_name(level), *why ? ": " : "", why);
	row(out, "Program", "%s %s", PACKAGE_NAME, PACKAGE_VERSION);
	row(out, "Registry", "%s, generation %" PRIu64, db_path(cli->db), f->generation);
	row(out, "Products", "%zu%s", f->products, f->conflicts ? ", some in conflict" : "");
	row(out, "Entries", "%zu enforced, %zu audited, %zu waiting, %zu expired", f->enforced,
	    f->audited, f->waiting, f->expired);
	row(out, "Exceptions", "%s", exceptions);
	if (f->dues->n) {
		CLEANUP(free) char *dues = dues_text(f->dues);

		row(out, "Due", "%s", dues);
	}
	show_sync(out, f);
	if (f->published)
		row(out, "Nodes", "%zu wanted", f->nodes);
	else
		row(out, "Nodes", "cannot be published: %s", f->publish_err.msg);
	if (f->reachable) {
		row(out, "Xenstore", "%s", f->daemon);
		show_drift(out, f);
	} else if (f->published) {
		row(out, "Xenstore", "%s", f->store_err.msg);
		row(out, "Drift", "not known");
	}
	if (f->reachable)
		show_guests(out, f);
	row(out, "Sightings", "%zu", f->sightings);
	out_table_end(out);
}

static void drift_json(struct out *out, enum change_class class, size_t n)
{
	CLEANUP(free) char *key = xstrdup(change_class_name(class));

	for (char *c = key; *c; c++)
		if (*c == '-')
			*c = '_';
	out_int(out, key, (int64_t)n);
}

static void show_json(struct cli *cli, const struct facts *f)
{
	struct out *out = cli->out;
	char why[256];
	enum level level = judge(cli, f, why);

	out_str(out, "state", level_name(level));
	out_str(out, "why", *why ? why : NULL);
	out_str(out, "version", PACKAGE_VERSION);
	out_str(out, "registry", db_path(cli->db));
	out_int(out, "generation", (int64_t)f->generation);
	out_int(out, "products", (int64_t)f->products);
	out_int(out, "conflicts", (int64_t)f->conflicts);
	out_object(out, "entries");
	out_int(out, "enforced", (int64_t)f->enforced);
	out_int(out, "audited", (int64_t)f->audited);
	out_int(out, "waiting", (int64_t)f->waiting);
	out_int(out, "expired", (int64_t)f->expired);
	out_close(out);
	out_int(out, "exceptions", (int64_t)f->exceptions);
	exceptions_json(out, f->blacklist);
	out_int(out, "due", (int64_t)f->dues->n);
	dues_json(out, "dates", f->dues);
	out_object(out, "manifest");
	out_int(out, "version", (int64_t)f->sync->version);
	out_time(out, "issued", f->sync->issued);
	out_time(out, "expires", f->sync->expires);
	out_time(out, "last_contact", f->sync->last_contact);
	out_time(out, "last_change", f->sync->last_change);
	out_str(out, "source", *f->sync->source ? f->sync->source : NULL);
	out_str(out, "failure", f->failure);
	out_time(out, "failing_since", f->failing_since);
	out_close(out);
	out_str(out, "proxy", f->proxy);
	if (f->published)
		out_int(out, "nodes", (int64_t)f->nodes);
	else
		out_null(out, "nodes");
	out_str(out, "publish_error", f->published ? NULL : f->publish_err.msg);
	out_str(out, "xenstore", f->daemon);
	out_str(out, "xenstore_error", f->reachable || !f->published ? NULL : f->store_err.msg);
	if (!f->reachable) {
		out_null(out, "drift");
	} else {
		out_object(out, "drift");
		for (size_t i = 0; i < CLASSES; i++)
			drift_json(out, (enum change_class)i, f->drift[i]);
		out_close(out);
	}
	if (!f->reachable) {
		out_null(out, "enforcement");
	} else {
		out_object(out, "enforcement");
		for (size_t i = 0; i < ENFORCERS; i++)
			out_int(out, enforcer_name((enum enforcer)i), (int64_t)f->guests[i]);
		out_close(out);
	}
	out_int(out, "sightings", (int64_t)f->sightings);
}

/* ---- Nagios ---- */

static int show_nagios(struct cli *cli, const struct facts *f)
{
	char why[256];
	enum level level = judge(cli, f, why);
	CLEANUP(free) char *name = xstrdup(level_name(level)), *data = NULL;
	FILE *perfdata;
	size_t size;

	for (char *c = name; *c; c++)
		*c = (char)(*c & ~0x20);
	perfdata = open_memstream(&data, &size);
	if (!perfdata)
		abort();
	fprintf(perfdata, "entries=%zu", f->enforced);
	if (f->published)
		fprintf(perfdata, " nodes=%zu", f->nodes);
	if (f->reachable)
		fprintf(perfdata, " drift=%zu;0;;", all_drift(f));
	fprintf(perfdata, " exceptions=%zu conflicts=%zu", f->exceptions, f->conflicts);
	if (f->reachable)
		fprintf(perfdata, " unenforced=%zu", f->gaps);
	fprintf(perfdata, " sightings=%zu", f->sightings);
	fclose(perfdata);
	out_line(cli->out, "XENBLACKLIST %s - %s | %s", name,
		 *why ? why : "xenstore is as the registry means it", data);
	return (int)level;
}

static int nagios_failed(struct cli *cli, const struct err *e)
{
	CLEANUP(free) char *text = xstrdup(e->msg);

	for (char *c = text; *c; c++)
		if (*c == '|') /* what follows would be performance data */
			*c = '!';
	out_line(cli->out, "XENBLACKLIST UNKNOWN - %s", text);
	out_str(cli->out, "state", "unknown");
	out_str(cli->out, "why", e->msg);
	return LEVEL_UNKNOWN;
}

/* ---- Prometheus ---- */

static void gauge(FILE *f, const char *name, const char *help, int64_t value)
{
	fprintf(f, "# HELP xenblacklist_%s %s\n# TYPE xenblacklist_%s gauge\n", name, help, name);
	fprintf(f, "xenblacklist_%s %" PRId64 "\n", name, value);
}

static void gauge_time(FILE *f, const char *name, const char *help, int64_t t)
{
	if (t != TIME_NONE)
		gauge(f, name, help, t);
}

static char *metrics(const struct facts *s)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	fprintf(f,
		"# HELP xenblacklist_build_info Version of the program.\n"
		"# TYPE xenblacklist_build_info gauge\n"
		"xenblacklist_build_info{version=\"%s\"} 1\n",
		PACKAGE_VERSION);
	gauge(f, "registry_generation", "Committed changes of the registry.",
	      (int64_t)s->generation);
	gauge(f, "products", "Products in the registry.", (int64_t)s->products);
	gauge(f, "product_conflicts", "Local products in conflict with upstream.",
	      (int64_t)s->conflicts);
	gauge(f, "entries_enforced", "Entries that are enforced now.", (int64_t)s->enforced);
	gauge(f, "entries_audited", "Entries that are only counted.", (int64_t)s->audited);
	gauge(f, "entries_waiting", "Entries whose time has not come.", (int64_t)s->waiting);
	gauge(f, "entries_expired", "Entries whose date has passed.", (int64_t)s->expired);
	gauge(f, "exceptions", "Exceptions that hold now.", (int64_t)s->exceptions);
	gauge(f, "manifest_version", "Version of the last manifest, 0 for none.",
	      (int64_t)s->sync->version);
	gauge_time(f, "manifest_expires_timestamp_seconds", "When the manifest expires.",
		   s->sync->expires);
	gauge_time(f, "last_contact_timestamp_seconds", "Last time that upstream answered.",
		   s->sync->last_contact);
	gauge_time(f, "last_change_timestamp_seconds", "Last time that a manifest was taken.",
		   s->sync->last_change);
	gauge(f, "sync_failing", "Whether the last sync failed.", s->failure != NULL);
	gauge(f, "nodes_wanted", "Nodes that the registry means.", (int64_t)s->nodes);
	gauge(f, "xenstore_up", "Whether xenstore answered.", s->reachable);
	gauge(f, "sightings", "Drivers that guests were seen with.", (int64_t)s->sightings);
	if (s->reachable) {
		fprintf(f, "# HELP xenblacklist_drift Nodes that differ from the registry.\n"
			   "# TYPE xenblacklist_drift gauge\n");
		for (size_t i = 0; i < CLASSES; i++)
			fprintf(f, "xenblacklist_drift{class=\"%s\"} %zu\n",
				change_class_name((enum change_class)i), s->drift[i]);
		fprintf(f, "# HELP xenblacklist_guests Running HVM guests by who enforces.\n"
			   "# TYPE xenblacklist_guests gauge\n");
		for (size_t i = 0; i < ENFORCERS; i++)
			fprintf(f, "xenblacklist_guests{enforcer=\"%s\"} %zu\n",
				enforcer_name((enum enforcer)i), s->guests[i]);
		gauge(f, "guests_unenforced", "Running HVM guests for which nobody looks.",
		      (int64_t)s->gaps);
	}
	fclose(f);
	return text;
}

static int run(struct cli *cli, struct err *err)
{
	const struct status_args *a = cli->args;
	FACTS f = { 0 };
	int r;

	if (a->nagios && a->prometheus)
		return err_set(err, ERR_USAGE, "'--nagios' and '--prometheus' exclude each other");
	r = gather(cli, &f, err);
	if (r < 0)
		return a->nagios ? nagios_failed(cli, err) : r;
	show_json(cli, &f);
	if (a->nagios)
		return show_nagios(cli, &f);
	if (a->prometheus) {
		CLEANUP(free) char *text = metrics(&f);

		return file_write(a->prometheus, text, strlen(text), err);
	}
	show_text(cli, &f);
	return 0;
}

const struct verb verb_status = {
	.section = "Operations",
	.name = "status",
	.args_doc = "",
	.summary = "show on one screen how things stand",
	.needs = NEED_NOTHING_YET,
	.options = options,
	.option = option,
	.args_size = sizeof(struct status_args),
	.run = run,
};
