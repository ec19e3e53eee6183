/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides how an impact is worded, how much of it a person is shown, and how it is found out which
 * of the running guests nobody has ever seen with a driver.
 */
#include "cli/impact.h"

#include <inttypes.h>
#include <string.h>

#include "cli/enforcement.h"

#define LINES_MAX 20 /* guests told one by one; --verbose and --json tell all */
#define NAMES_MAX 5  /* running guests named that were never seen */

struct telling {
	struct cli *cli;
	const struct impact *impact;
	const struct blacklist *after;
	struct uses_cache *uses;
};

static const struct product *product_of(const struct blacklist *b, uint16_t number)
{
	const struct products *ps = blacklist_products(b);

	for (size_t i = 0; i < ps->n; i++) {
		if (ps->product[i]->number == number && !ps->product[i]->conflict)
			return ps->product[i];
	}
	return NULL;
}

/* The version that the build stands for, or NULL. */
static char *version_of(const struct telling *t, const struct product *p, uint32_t build)
{
	const struct product_uses *uses;
	struct err ignored;

	if (!p || uses_cache_get(t->uses, p->id, &uses, &ignored) < 0)
		return NULL;
	for (size_t i = 0; i < uses->n; i++) {
		struct encoding_version v;

		if (build < uses->use[i].from || build > uses->use[i].to)
			continue;
		encoding_decode(uses->use[i].encoding, build, &v);
		return v.impossible || !*v.text ? NULL : xstrdup(v.text);
	}
	return NULL;
}

static const char *trust(const struct impact_guest *g)
{
	return sighting_trusted(g->source) ? "trusted" : "claimed";
}

static char *way_out(const struct impact_guest *g)
{
	return xasprintf("xenblacklist exception add %" PRIu16 " %" PRIu32
			 " --owner OWNER --reason REASON",
			 g->product, g->build);
}

static int64_t from(const struct telling *t)
{
	int64_t at = blacklist_now(t->after);

	return at > t->cli->now ? at : TIME_NONE;
}

static char *fate(const struct telling *t, const struct impact_guest *g)
{
	char date[TIME_TEXT_MAX];

	if (g->effect == IMPACT_AUDITED)
		return xstrdup("would have been blocked (audit only)");
	if (g->was_blocked)
		return xstrdup("was without its driver when last seen and stays so");
	if (g->superseded)
		return xasprintf("would lose a driver that it had before build %" PRIu32, g->newer);
	if (g->from > t->cli->now)
		return xasprintf("would lose its driver from %s on", time_text(g->from, date));
	return xstrdup("would lose its driver");
}

static bool is_grave(const struct impact_guest *g)
{
	return g->effect == IMPACT_LOSES && !g->was_blocked && !g->superseded;
}

static void say_guest(const struct telling *t, const struct impact_guest *g)
{
	const struct product *p = product_of(t->after, g->product);
	CLEANUP(free) char *version = version_of(t, p, g->build), *what = fate(t, g);
	char first[TIME_TEXT_MAX], last[TIME_TEXT_MAX];
	CLEANUP(free)
	char *line = xasprintf("guest '%s' %s: %s%s%s, product %" PRIu16 " build %" PRIu32
			       ", seen since %s, last %s (%s, %s), entry '%s'%s",
			       g->guest, what, p ? p->name : "unknown", version ? " " : "",
			       version ? version : "", g->product, g->build,
			       time_text(g->first_seen, first), time_text(g->last_seen, last),
			       sighting_source_name(g->source), trust(g), g->entry->id,
			       g->accepted && g->effect == IMPACT_LOSES ? ", accepted" : "");

	if (is_grave(g) && !g->accepted)
		out_warn(t->cli->out, "%s", line);
	else
		out_note(t->cli->out, "%s", line);
}

static int by_build(const void *a, const void *b)
{
	const struct impact_guest *const *x = a, *const *y = b;

	if ((*x)->product != (*y)->product)
		return (*x)->product - (*y)->product;
	return ((*x)->build > (*y)->build) - ((*x)->build < (*y)->build);
}

/* One line for each build that somebody would lose. */
static void say_ways_out(const struct telling *t)
{
	const struct impact *im = t->impact;
	CLEANUP(free) char *memory = xcalloc(im->n_hit, sizeof(struct impact_guest *));
	const struct impact_guest **grave = (const struct impact_guest **)(void *)memory;
	size_t n = 0, lines = 0;

	for (size_t i = 0; i < im->n_hit; i++) {
		if (is_grave(&im->guest[i]))
			grave[n++] = &im->guest[i];
	}
	qsort(grave, n, sizeof(*grave), by_build);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(free) char *command = NULL;

		if (i && by_build(&grave[i - 1], &grave[i]) == 0)
			continue;
		if (++lines > LINES_MAX && !out_is_verbose(t->cli->out))
			return;
		command = way_out(grave[i]);
		out_note(t->cli->out, "update the driver in the guest, or allow it here: %s",
			 command);
	}
}

static void say_guests(const struct telling *t)
{
	const struct impact *im = t->impact;
	size_t said = 0;

	/* The grave ones first. */
	for (int grave = 1; grave >= 0; grave--) {
		for (size_t i = 0; i < im->n_hit; i++) {
			if (is_grave(&im->guest[i]) != grave)
				continue;
			if (said++ < LINES_MAX || out_is_verbose(t->cli->out))
				say_guest(t, &im->guest[i]);
		}
	}
	if (said > LINES_MAX && !out_is_verbose(t->cli->out))
		out_warn(t->cli->out, "and %zu more (--verbose or --json names them)",
			 said - LINES_MAX);
	say_ways_out(t);
}

static void guest_json(const struct telling *t, const struct impact_guest *g)
{
	const struct product *p = product_of(t->after, g->product);
	CLEANUP(free) char *version = version_of(t, p, g->build), *command = way_out(g);
	struct out *out = t->cli->out;

	out_object(out, NULL);
	out_str(out, "guest", g->guest);
	out_str(out, "uuid", *g->uuid ? g->uuid : NULL);
	out_int(out, "product", g->product);
	out_str(out, "name", p ? p->name : NULL);
	out_int(out, "build", g->build);
	out_str(out, "version", version);
	out_str(out, "effect", g->effect == IMPACT_LOSES ? "loses" : "audited");
	out_time(out, "from", g->from > t->cli->now ? g->from : TIME_NONE);
	out_bool(out, "was_blocked", g->was_blocked);
	if (g->superseded)
		out_int(out, "newer_build", g->newer);
	else
		out_null(out, "newer_build");
	out_str(out, "entry", g->entry->id);
	out_bool(out, "accepted", g->accepted);
	out_str(out, "source", sighting_source_name(g->source));
	out_str(out, "trust", trust(g));
	out_time(out, "first_seen", g->first_seen);
	out_time(out, "last_seen", g->last_seen);
	out_str(out, "exception", command);
	out_close(out);
}

/* ---- what is not known ---- */

static int by_text(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static bool was_seen(const char **names, size_t n, const struct enforcement *e)
{
	CLEANUP(free) char *number = xasprintf("domain-%" PRIu32, e->domid);
	const char *name = e->name, *log_name = number;

	return n && (bsearch(&name, names, n, sizeof(*names), by_text) ||
		     bsearch(&log_name, names, n, sizeof(*names), by_text));
}

/* JSON member "unseen", and one line. */
static void say_unseen(const struct telling *t, const struct enforcements *running)
{
	const struct impact *im = t->impact;
	CLEANUP(free) char *memory = xcalloc(im->n, sizeof(char *));
	const char **names = (const char **)(void *)memory;
	CLEANUP(free) char *list = xstrdup("");
	size_t unseen = 0;

	for (size_t i = 0; i < im->n; i++)
		names[i] = im->guest[i].guest;
	qsort(names, im->n, sizeof(*names), by_text);
	out_list(t->cli->out, "unseen");
	for (size_t i = 0; i < running->n; i++) {
		const struct enforcement *e = &running->guest[i];
		CLEANUP(free) char *name = NULL, *old = NULL;

		if (was_seen(names, im->n, e))
			continue;
		name = *e->name ? xstrdup(e->name) : xasprintf("domain-%" PRIu32, e->domid);
		out_str(t->cli->out, NULL, name);
		if (unseen++ >= NAMES_MAX)
			continue;
		old = TAKE(list);
		list = xasprintf("%s%s'%s'", old, *old ? ", " : "", name);
	}
	out_close(t->cli->out);
	if (unseen && im->n)
		out_note(
			t->cli->out,
			"whether this hits %zu of %zu running guests is not known, they were never "
			"seen with a driver: %s%s",
			unseen, running->n, list, unseen > NAMES_MAX ? ", ..." : "");
}

static void say_unknown(const struct telling *t, bool grows)
{
	CLEANUP(enforcements_free) struct enforcements *running = NULL;
	const struct impact *im = t->impact;
	struct err aside = { 0 };

	if (grows && cli_need(t->cli, NEED_STORE, &aside) == 0 &&
	    enforcement_list(t->cli->store, ENFORCEMENT_RUN_DIR, false, &running, &aside) == 0)
		say_unseen(t, running);
	else
		out_null(t->cli->out, "unseen");
	if (!grows)
		return;
	if (!im->n)
		out_note(t->cli->out, "no guest was ever seen with a driver: whom this hits is not "
				      "known (see 'xenblacklist guests --scan')");
	else if (!im->n_hit)
		out_note(t->cli->out, "of %zu guest%s seen with a driver none is newly hit",
			 im->n_guests, PLURAL(im->n_guests));
}

void impact_show(struct cli *cli, const struct impact *i, const struct blacklist *after, bool grows)
{
	CLEANUP(uses_cache_free) struct uses_cache *uses = uses_cache_new(cli->db);
	struct telling t = { .cli = cli, .impact = i, .after = after, .uses = uses };

	out_object(cli->out, "impact");
	out_str(cli->out, "policy", cli->config->impact_refuse ? "refuse" : "warn");
	out_int(cli->out, "refused", cli->config->impact_refuse ? (int64_t)i->n_refused : 0);
	out_time(cli->out, "from", from(&t));
	out_int(cli->out, "guests_seen", (int64_t)i->n_guests);
	out_list(cli->out, "guests");
	for (size_t k = 0; k < i->n_hit; k++)
		guest_json(&t, &i->guest[k]);
	out_close(cli->out);
	say_guests(&t);
	say_unknown(&t, grows);
	out_close(cli->out);
	cli->impact_shown = true;
	cli->impact_hits = i->n_hit;
}

int impact_policy(struct cli *cli, const struct impact *i, const char *hint, struct err *err)
{
	return cli->config->impact_refuse ? impact_gate(i, hint, err) : 0;
}
