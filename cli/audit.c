/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * audit: is what device models see what the registry means, and will it stay so? Every finding
 * has a class, a subject and what to do. Only drift can be mended here (--repair).
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sysexits.h>

#include "cli/apply.h"
#include "cli/enforcement.h"
#include "cli/exception.h"
#include "registry/sighting.h"
#include "sync/pull.h"

#define DAY 86400
#define SOON (30 * DAY)
#define MANIFEST_SOON (7 * DAY)

enum { OPT_REPAIR = 0x100, OPT_RUN_DIR };

struct audit_args {
	bool repair;
	const char *run_dir;
};

static const struct argp_option options[] = {
	{ "repair", OPT_REPAIR, NULL, 0, "Mend drift, as 'apply' does", 0 },
	{ "run-directory", OPT_RUN_DIR, "DIR", 0,
	  "Where xenblacklistd remembers what it guards (default " ENFORCEMENT_RUN_DIR ")", 0 },
	{ 0 },
};

static int option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct audit_args *a = cli->args;

	if (key == OPT_REPAIR) {
		a->repair = true;
		return 0;
	}
	if (!*arg)
		return err_set(err, ERR_USAGE, "empty directory name");
	a->run_dir = arg;
	return 0;
}

/* ---- findings ---- */

struct finding {
	const char *class;
	char *subject, *what;
	bool repaired;
};

struct audit {
	struct cli *cli;
	struct blacklist *blacklist;
	struct finding *finding;
	size_t n, cap;
	size_t open;	 /* not repaired */
	int unreachable; /* 0, or the status to leave with */
};

static void audit_end(struct audit *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->finding[i].subject);
		free(a->finding[i].what);
	}
	free(a->finding);
	blacklist_free(a->blacklist);
}
#define AUDIT __attribute__((__cleanup__(audit_end))) struct audit

static struct finding *find(struct audit *a, const char *class, const char *subject,
			    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static struct finding *find(struct audit *a, const char *class, const char *subject,
			    const char *fmt, ...)
{
	struct finding *f;
	va_list ap;

	GROW(a->finding, a->n, a->cap);
	f = &a->finding[a->n++];
	*f = (struct finding){ .class = class, .subject = xstrdup(subject) };
	va_start(ap, fmt);
	f->what = xvasprintf(fmt, ap);
	va_end(ap);
	a->open++;
	return f;
}

/* ---- the registry itself ---- */

static void damaged(void *ctx, const char *what)
{
	find(ctx, "integrity", "registry", "%s", what);
}

static int audit_integrity(struct audit *a, struct err *err)
{
	return db_integrity(a->cli->db, damaged, a, err);
}

/* ---- products: conflicts, collisions, deadlines ---- */

static void audit_product(struct audit *a, const struct product *p, const struct reservations *rs)
{
	char date[TIME_TEXT_MAX];
	int64_t now = a->cli->now;

	if (p->conflict)
		find(a, "conflict", p->name,
		     "upstream gave its number, name or node to another product; it is not "
		     "published: take another with 'product update --number N'");
	if (p->deadline != TIME_NONE && p->deadline <= now)
		find(a, "overdue", p->name,
		     "provisional until %s: confirm it ('product update --assign') or take it back "
		     "('product release')",
		     time_text(p->deadline, date));
	else if (p->deadline != TIME_NONE && p->deadline <= now + SOON)
		find(a, "expiring", p->name, "provisional until %s", time_text(p->deadline, date));
	for (size_t i = 0; i < rs->n; i++) {
		const struct reservation *v = &rs->row[i];

		if (v->kind == RESERVED_WARN && p->number >= v->first && p->number <= v->last &&
		    p->status != STATUS_UNREGISTERED_USE)
			find(a, "collision", p->name,
			     "number %" PRIu16 " is in %" PRIu16 "-%" PRIu16 ": %s", p->number,
			     v->first, v->last, v->reason);
	}
}

static int audit_products(struct audit *a, struct err *err)
{
	const struct products *ps = blacklist_products(a->blacklist);
	CLEANUP(reservations_free) struct reservations *rs = NULL;
	int r = reservation_list(a->cli->db, &rs, err);

	for (size_t i = 0; r == 0 && i < ps->n; i++)
		audit_product(a, ps->product[i], rs);
	return r;
}

static const struct product *product_of(const struct products *ps, uint16_t number)
{
	for (size_t i = 0; i < ps->n; i++)
		if (ps->product[i]->number == number && !ps->product[i]->conflict)
			return ps->product[i];
	return NULL;
}

/* Numbers that guests announce and that nobody has registered. */
static int audit_sightings(struct audit *a, struct err *err)
{
	const struct products *ps = blacklist_products(a->blacklist);
	CLEANUP(sightings_free) struct sightings *ss = NULL;
	CLEANUP(free) char *told = xcalloc(UINT16_MAX + 1, sizeof(*told));
	int r = sighting_list(a->cli->db, -1, NULL, &ss, err);

	for (size_t i = 0; r == 0 && i < ss->n; i++) {
		const struct sighting *s = ss->sighting[i];

		if (told[s->product] || product_of(ps, s->product))
			continue;
		told[s->product] = true;
		find(a, "collision", s->guest,
		     "announces product %" PRIu16 ", which nobody has registered (build %" PRIu32
		     ", by %s)",
		     s->product, s->build, sighting_source_name(s->source));
	}
	return r;
}

/* ---- entries: dates, and several drivers behind one number ---- */

/* OWNER: of an exception, or NULL. WAY: what to do about it when it has expired. */
static void audit_dates(struct audit *a, const char *what, const char *id, const char *owner,
			int64_t expires, const char *way)
{
	const char *of = owner ? "; owner " : "";

	CLEANUP(free) char *subject = xasprintf("%s %s", what, id);
	char date[TIME_TEXT_MAX];

	if (expires == TIME_NONE)
		return;
	if (expires <= a->cli->now)
		find(a, "expired", subject, "since %s: it means nothing any more, %s%s%s",
		     time_text(expires, date), way, of, owner ? owner : "");
	else if (expires <= a->cli->now + SOON)
		find(a, "expiring", subject, "on %s%s%s", time_text(expires, date), of,
		     owner ? owner : "");
}

/* An entry on numbers that drivers of different people share hits more than one of them. */
static int audit_shared(struct audit *a, const struct entry *e, const struct builds *builds,
			struct err *err)
{
	const struct product *p = product_of(blacklist_products(a->blacklist), e->product);
	CLEANUP(free) char *subject = xasprintf("entry %s", e->id);
	const char *first = NULL;

	for (size_t i = 0; p && i < p->n_encodings; i++) {
		const struct product_encoding *u = &p->encoding[i];
		CLEANUP(builds_free) struct builds *range = builds_range(u->from, u->to);
		CLEANUP(builds_free) struct builds *shared = NULL;
		int r;

		if (!*u->user)
			continue;
		r = builds_intersect(builds, range, &shared, err);
		if (r < 0)
			return r;
		if (!builds_count(shared))
			continue;
		if (!first) {
			first = u->user;
			continue;
		}
		find(a, "collision", subject, "hits drivers of %s and of %s", first, u->user);
		return 0;
	}
	return 0;
}

static int audit_entries(struct audit *a, struct err *err)
{
	const struct entries *es = blacklist_entries(a->blacklist);
	const struct exceptions *xs = blacklist_exceptions(a->blacklist);
	int r = 0;

	for (size_t i = 0; r == 0 && i < es->n; i++) {
		audit_dates(a, "entry", es->entry[i]->id, NULL, es->entry[i]->expires,
			    es->entry[i]->origin == ORIGIN_UPSTREAM ? "upstream has to drop it"
								    : "remove it");
		if (blacklist_entry_active(a->blacklist, i))
			r = audit_shared(a, es->entry[i], blacklist_entry_builds(a->blacklist, i),
					 err);
	}
	for (size_t i = 0; i < xs->n; i++)
		audit_dates(a, "exception", xs->exception[i]->id, xs->exception[i]->owner,
			    xs->exception[i]->expires, "remove it");
	return r;
}

static int audit_manifest(struct audit *a, struct err *err)
{
	CLEANUP(pull_state_free) struct pull_state *s = NULL;
	int64_t now = a->cli->now;
	char date[TIME_TEXT_MAX];
	int r = pull_state(a->cli->db, &s, err);

	if (r < 0 || !s->version || s->expires == TIME_NONE)
		return r;
	if (s->expires <= now)
		find(a, "expired", "manifest", "since %s: sync, or ask upstream",
		     time_text(s->expires, date));
	else if (s->expires <= now + MANIFEST_SOON)
		find(a, "expiring", "manifest", "on %s", time_text(s->expires, date));
	return 0;
}

/* ---- xenstore ---- */

static bool is_traditional(uint16_t product)
{
	return product == 1 || product == 2 || product == UINT16_MAX;
}

/* Products that have something to say and that xenstore cannot hold under their own name. */
static void audit_names(struct audit *a)
{
	const struct blacklist_product *bp;
	size_t n = blacklist_published(a->blacklist, &bp);

	for (size_t i = 0; i < n; i++)
		if (!product_publishable_name(bp[i].product->name))
			find(a, "unpublishable", bp[i].product->name,
			     "xenstore cannot hold this name: device models that look a product up "
			     "by its name find nothing, xenblacklistd reads node '%s'",
			     bp[i].product->node);
}

static int audit_drift(struct audit *a, struct err *err)
{
	const struct audit_args *args = a->cli->args;
	struct apply_options o = cli_apply_options(a->cli, false);
	CLEANUP(apply_plan_free) struct apply_plan *plan = NULL;
	int r = apply_plan(a->blacklist, a->cli->store, &o, &plan, err);

	if (r < 0 && err->kind == ERR_REFUSED) {
		find(a, "unpublishable", refusal_name(err->refusal), "%s", err->msg);
		return 0;
	}
	if (r == 0 && args->repair)
		r = cli_apply_plan(a->cli, a->blacklist, plan, false, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < plan->plan->n; i++) {
		const struct change *c = &plan->plan->change[i];
		struct finding *f;

		if (c->have_value && c->want_value)
			f = find(a, change_class_name(c->class), *c->path ? c->path : ".",
				 "is %s '%s', should be %s '%s'", c->have_perms, c->have_value,
				 c->want_perms, c->want_value);
		else if (c->want_value)
			f = find(a, change_class_name(c->class), *c->path ? c->path : ".",
				 "should be %s '%s'", c->want_perms, c->want_value);
		else
			f = find(a, change_class_name(c->class), *c->path ? c->path : ".",
				 "is %s '%s', should not be", c->have_perms, c->have_value);
		if (args->repair && c->acts) {
			f->repaired = true;
			a->open--;
		}
	}
	return 0;
}

/* ---- who looks ---- */

/* Published entries that no device model of this host's guests can see. */
static void audit_unseen(struct audit *a, const struct enforcements *es)
{
	const struct entries *list = blacklist_entries(a->blacklist);
	bool asked = false, traditional = false;

	for (size_t i = 0; i < es->n; i++) {
		const struct enforcement *e = &es->guest[i];

		if (e->enforcer == ENFORCER_DAEMON)
			return;
		traditional |= e->enforcer == ENFORCER_TRADITIONAL && !e->unread;
		/* Of the others only those that have no platform device are no gap. */
		asked |= e->enforcer == ENFORCER_TRADITIONAL || e->gap;
	}
	if (!asked)
		return;
	for (size_t i = 0; i < list->n; i++) {
		const struct entry *e = list->entry[i];
		CLEANUP(free) char *subject = xasprintf("entry %s", e->id);

		if (e->mode != MODE_ENFORCE || !blacklist_entry_active(a->blacklist, i) ||
		    (traditional && is_traditional(e->product) && e->publish == PUBLISH_NODES))
			continue;
		find(a, "unseen", subject,
		     "no device model of a running guest looks for it%s: start xenblacklistd",
		     e->publish == PUBLISH_RANGE ? ", for it is published as a range" : "");
	}
}

static int audit_enforcement(struct audit *a, struct err *err)
{
	const struct audit_args *args = a->cli->args;
	CLEANUP(enforcements_free) struct enforcements *es = NULL;
	int r = enforcement_list(a->cli->store, args->run_dir ? args->run_dir : ENFORCEMENT_RUN_DIR,
				 a->cli->config->nodes_dom0_only, &es, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < es->n; i++) {
		const struct enforcement *e = &es->guest[i];
		CLEANUP(free)
		char *subject =
			xasprintf("domain %" PRIu32 "%s%s", e->domid, *e->name ? " " : "", e->name);

		if (e->gap)
			find(a, "unenforced", subject, "%s: %s", enforcer_name(e->enforcer),
			     e->why);
	}
	audit_unseen(a, es);
	out_line(a->cli->out, "%s", es->n ? "Running HVM guests:" : "No HVM guest runs.");
	enforcement_show(a->cli->out, es);
	return 0;
}

static int audit_xenstore(struct audit *a, struct err *err)
{
	struct err why = { 0 };
	int r = cli_need(a->cli, NEED_STORE, &why);

	if (r == 0)
		r = audit_drift(a, &why);
	if (r == 0)
		r = audit_enforcement(a, &why);
	if (r < 0 && (why.kind == ERR_UNREACHABLE || why.kind == ERR_DENIED)) {
		find(a, "unreachable", "xenstore", "%s", why.msg);
		a->unreachable = why.kind == ERR_DENIED ? EX_NOPERM : EX_UNAVAILABLE;
		return 0;
	}
	if (r < 0)
		*err = why;
	return r;
}

/* ---- the verb ---- */

static void show_findings(struct audit *a)
{
	const struct audit_args *args = a->cli->args;
	struct out *out = a->cli->out;

	out_table(out, "CLASS|SUBJECT|FINDING");
	out_list(out, "findings");
	for (size_t i = 0; i < a->n; i++) {
		const struct finding *f = &a->finding[i];

		out_paint_cell(out, f->repaired ? PAINT_GOOD : PAINT_BAD, "%s", f->class);
		out_cell(out, "%s", f->subject);
		out_cell(out, "%s%s", f->what, f->repaired ? " (repaired)" : "");
		out_object(out, NULL);
		out_str(out, "class", f->class);
		out_str(out, "subject", f->subject);
		out_str(out, "what", f->what);
		out_bool(out, "repaired", f->repaired);
		out_close(out);
	}
	out_close(out);
	out_table_end(out);
	out_bool(out, "repair", args->repair);
	out_int(out, "open", (int64_t)a->open);
	if (!a->n)
		out_paint_line(out, PAINT_GOOD, "nothing found");
	else
		out_note(out, "%zu finding%s, %zu repaired", a->n, PLURAL(a->n), a->n - a->open);
}

static int run(struct cli *cli, struct err *err)
{
	AUDIT a = { .cli = cli };
	int r = audit_integrity(&a, err);

	if (r == 0)
		r = blacklist_load(cli->db, cli->now, &a.blacklist, err);
	/* Rows that nobody can read any more: what is wrong with them is what was asked. */
	if (r == -ERR_INVALID && a.n) {
		damaged(&a, err->msg);
		show_findings(&a);
		return EXIT_YES;
	}
	if (r == 0)
		r = audit_products(&a, err);
	if (r == 0)
		r = audit_sightings(&a, err);
	if (r == 0)
		r = audit_entries(&a, err);
	if (r == 0)
		r = audit_manifest(&a, err);
	if (r == 0) {
		audit_names(&a);
		r = audit_xenstore(&a, err);
	}
	if (r < 0)
		return r;
	exceptions_note(cli->out, a.blacklist);
	show_findings(&a);
	if (a.unreachable)
		return a.unreachable;
	return a.open ? EXIT_YES : 0;
}

const struct verb verb_audit = {
	.section = "Xenstore",
	.name = "audit",
	.args_doc = "",
	.summary = "find what is not as the registry means it",
	.help = "Leaves with 1 when something is found and not repaired. Classes: missing, extra, foreign, "
		"wrong-access, wrong-spelling, wrong-value, unpublishable; integrity; conflict, "
		"collision; expiring, expired, overdue; unenforced, unseen; unreachable.",
	.needs = NEED_CONFIG | NEED_DB_READ,
	.options = options,
	.option = option,
	.args_size = sizeof(struct audit_args),
	.run = run,
};
