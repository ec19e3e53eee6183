/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * explain: everything that bears on one build of one product, and what decides.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/enforcement.h"
#include "cli/subject.h"
#include "registry/blacklist.h"
#include "registry/sighting.h"
#include "sync/lookup.h"
#include "sync/nodes.h"

#define MAGIC 0x49d2u		  /* what port 0x10 answers an allowed driver */
#define MAGIC_BLACKLISTED 0xd249u /* and a blacklisted one */

enum { OPT_RUN_DIR = 0x100 };

struct explain_args {
	const char *run_dir;
};

static const struct argp_option options[] = {
	{ "run-directory", OPT_RUN_DIR, "DIR", 0,
	  "Where xenblacklistd remembers what it guards (default " ENFORCEMENT_RUN_DIR ")", 0 },
	{ 0 },
};

static int option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct explain_args *a = cli->args;

	(void)key;
	if (!*arg)
		return err_set(err, ERR_USAGE, "empty directory name");
	a->run_dir = arg;
	return 0;
}

/* ---- entries and exceptions ---- */

static const char *span_of_time(int64_t from, int64_t to, int64_t now)
{
	if (to != TIME_NONE && to <= now)
		return "expired";
	return from != TIME_NONE && from > now ? "waiting" : "active";
}

static void show_dates(struct out *out, int64_t from, int64_t to)
{
	char a[TIME_TEXT_MAX], b[TIME_TEXT_MAX];

	if (from != TIME_NONE)
		out_line(out, "    not before %s", time_text(from, a));
	if (to != TIME_NONE)
		out_line(out, "    expires %s", time_text(to, b));
}

static void show_entry(struct out *out, const struct entry *e, const struct verdict *v, int64_t now)
{
	const char *phase = span_of_time(e->not_before, e->expires, now);
	bool decides = v->entry == e && v->blacklisted;

	out_line(out, "  entry %s: %s, %s, %s, %s%s", e->id, origin_name(e->origin),
		 entry_mode_name(e->mode), e->publish == PUBLISH_RANGE ? "as a range" : "as nodes",
		 phase, decides ? "; it decides" : "");
	out_line(out, "    covers %s", e->builds);
	out_line(out, "    because %s", e->reason);
	for (size_t i = 0; i < e->n_references; i++)
		out_line(out, "    see %s", e->references[i]);
	show_dates(out, e->not_before, e->expires);
	out_object(out, NULL);
	out_str(out, "id", e->id);
	out_str(out, "origin", origin_name(e->origin));
	out_str(out, "mode", entry_mode_name(e->mode));
	out_str(out, "publish", entry_publish_name(e->publish));
	out_str(out, "builds", e->builds);
	out_str(out, "reason", e->reason);
	out_list(out, "references");
	for (size_t i = 0; i < e->n_references; i++)
		out_str(out, NULL, e->references[i]);
	out_close(out);
	out_str(out, "phase", phase);
	out_time(out, "not_before", e->not_before);
	out_time(out, "expires", e->expires);
	out_bool(out, "decides", decides);
	out_close(out);
}

static void show_exception(struct out *out, const struct exception *x, const struct verdict *v,
			   int64_t now)
{
	const char *phase = span_of_time(TIME_NONE, x->expires, now);
	bool decides = v->exception == x && v->entry && !v->blacklisted;

	out_line(out, "  exception %s: owner %s, %s%s", x->id, x->owner, phase,
		 decides ? "; it decides" : "");
	out_line(out, "    allows %s", x->builds);
	out_line(out, "    because %s", x->reason);
	show_dates(out, TIME_NONE, x->expires);
	out_object(out, NULL);
	out_str(out, "id", x->id);
	out_str(out, "owner", x->owner);
	out_str(out, "builds", x->builds);
	out_str(out, "reason", x->reason);
	out_str(out, "phase", phase);
	out_time(out, "expires", x->expires);
	out_bool(out, "decides", decides);
	out_close(out);
}

static void show_entries(struct cli *cli, const struct blacklist *b, const struct product *p,
			 uint32_t build, const struct verdict *v)
{
	const struct entries *es = blacklist_entries(b);
	size_t n = 0;

	out_line(cli->out, "Entries:");
	out_list(cli->out, "entries");
	for (size_t i = 0; i < es->n; i++) {
		if (es->entry[i]->product_id != p->id ||
		    !builds_contains(blacklist_entry_builds(b, i), build))
			continue;
		n++;
		show_entry(cli->out, es->entry[i], v, cli->now);
	}
	out_close(cli->out);
	if (!n)
		out_line(cli->out, "  none covers it");
}

static int show_exceptions(struct cli *cli, const struct blacklist *b, const struct subject *s,
			   uint32_t build, const struct verdict *v, struct err *err)
{
	const struct exceptions *xs = blacklist_exceptions(b);
	int r = 0;

	out_list(cli->out, "exceptions");
	for (size_t i = 0; i < xs->n && r == 0; i++) {
		const struct exception *x = xs->exception[i];
		CLEANUP(builds_free) struct builds *set = NULL;
		struct builds_notes notes = { 0 };

		if (x->product_id != s->product->id)
			continue;
		r = builds_parse(x->builds, s->uses->use, s->uses->n, &set, &notes, err);
		if (r == 0 && builds_contains(set, build))
			show_exception(cli->out, x, v, cli->now);
	}
	out_close(cli->out);
	return r;
}

static void show_verdict(struct out *out, const struct verdict *v)
{
	CLEANUP(free) char *why = NULL;

	if (v->blacklisted)
		why = xasprintf("entry %s covers it and no exception allows it", v->entry->id);
	else if (v->entry && v->exception)
		why = xasprintf("entry %s covers it, exception %s allows it", v->entry->id,
				v->exception->id);
	else if (v->audit)
		why = xasprintf("entry %s covers it in audit mode: counted, not enforced",
				v->audit->id);
	else
		why = xstrdup("no active entry covers it");
	out_paint_line(out, v->blacklisted ? PAINT_BAD : PAINT_GOOD, "Meant: %s: %s",
		       v->blacklisted ? "blacklisted" : "allowed", why);
	out_bool(out, "blacklisted", v->blacklisted);
	out_str(out, "why", why);
}

/* ---- xenstore ---- */

/* Whether a domain that nothing is granted to by name may read: the first entry's letter. */
static bool others_read(const char *perms)
{
	return *perms == 'r' || *perms == 'b';
}

/* Who else reads a node with these permissions, after "readable by dom0". The caller frees. */
static char *readers(const char *perms)
{
	if (others_read(perms))
		return xstrdup(" and stub domains");
	if (strstr(perms, ",r") || strstr(perms, ",b"))
		return xasprintf(" and the domains that %s names", perms);
	return xstrdup(" only");
}

static int show_node(struct cli *cli, const char *path, bool wanted, struct err *err)
{
	CLEANUP(tree_free) struct tree *tree = NULL;
	CLEANUP(free) char *who = NULL;
	struct out *out = cli->out;
	bool there;
	int r = store_tree(cli->store, path, &tree, err);

	if (r < 0)
		return r;
	there = tree->n > 0;
	who = there ? readers(tree->node[0].perms) : xstrdup("");
	out_line(out, "  %s: %s%s%s%s", path, there ? "there" : "not there",
		 there == wanted ? "" : ", which is not what the registry means",
		 there ? "; readable by dom0" : "", who);
	out_object(out, NULL);
	out_str(out, "path", path);
	out_bool(out, "wanted", wanted);
	out_bool(out, "there", there);
	out_str(out, "value", there ? tree->node[0].value : NULL);
	out_str(out, "access", there ? tree->node[0].perms : NULL);
	out_bool(out, "stub_domains_read", there && others_read(tree->node[0].perms));
	out_close(out);
	return 0;
}

/* The range of P that holds BUILD, as a path, or NULL. The caller frees. */
static char *range_of(const struct product *p, uint32_t build, const struct builds *ranges)
{
	const struct builds_piece *piece;
	size_t n = ranges ? builds_pieces(ranges, &piece) : 0;

	for (size_t i = 0; i < n; i++) {
		if (build >= piece[i].first && build <= piece[i].last)
			return xasprintf(NODES_ROOT "/%s/_ranges/%" PRIu32 "-%" PRIu32, p->node,
					 piece[i].first, piece[i].last);
	}
	return NULL;
}

static const struct blacklist_product *published_of(const struct blacklist *b,
						    const struct product *p)
{
	const struct blacklist_product *bp;
	size_t n = blacklist_published(b, &bp);

	for (size_t i = 0; i < n; i++)
		if (bp[i].product->id == p->id)
			return &bp[i];
	return NULL;
}

/* FOUND: what decides by the full rule as the tree is now, or NULL; it may be anywhere in it. */
static int show_nodes(struct cli *cli, const struct blacklist *b, const struct product *p,
		      uint32_t build, const char *found, struct err *err)
{
	const struct blacklist_product *bp = published_of(b, p);
	bool leaf = bp && builds_contains(bp->nodes, build);
	CLEANUP(free) char *plain = xasprintf(NODES_ROOT "/%s/%" PRIu32, p->node, build);
	CLEANUP(free)
	char *negative =
		xasprintf(NODES_ROOT "/%s/%" PRId64, p->node, (int64_t)build - ((int64_t)1 << 32));
	CLEANUP(free) char *range = range_of(p, build, bp ? bp->ranges : NULL);
	int r;

	out_line(cli->out, "Nodes:");
	out_list(cli->out, "nodes");
	r = show_node(cli, plain, leaf, err);
	if (r == 0 && build > INT32_MAX)
		r = show_node(cli, negative, leaf, err);
	if (r == 0 && range)
		r = show_node(cli, range, true, err);
	if (r == 0 && found && strcmp(found, plain) != 0 && strcmp(found, negative) != 0 &&
	    !(range && strcmp(found, range) == 0))
		r = show_node(cli, found, false, err);
	out_close(cli->out);
	return r;
}

/* The second read of port 0x10, step 5 of the protocol. */
static void show_answers(struct out *out, bool full, bool traditional)
{
	const struct {
		const char *model;
		bool blacklisted;
	} models[] = { { "xenblacklistd", full }, { "traditional", traditional }, { "qemu", 0 } };

	out_line(out, "A driver reads from port 0x10 after its build:");
	out_object(out, "answers");
	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		unsigned answer = models[i].blacklisted ? MAGIC_BLACKLISTED : MAGIC;

		out_line(out, "  %s: 0x%04x, %s", models[i].model, answer,
			 models[i].blacklisted ? "blacklisted" : "go on");
		out_int(out, models[i].model, answer);
	}
	out_close(out);
}

static int show_enforcement(struct cli *cli, struct err *err)
{
	const struct explain_args *a = cli->args;
	CLEANUP(enforcements_free) struct enforcements *es = NULL;
	int r = enforcement_list(cli->store, a->run_dir ? a->run_dir : ENFORCEMENT_RUN_DIR,
				 cli->config->nodes_dom0_only, &es, err);

	if (r < 0)
		return r;
	out_line(cli->out, "%s",
		 es->n ? "Enforcement on this host:"
		       : "Enforcement on this host: no HVM guest runs");
	enforcement_show(cli->out, es);
	return 0;
}

/* ---- guests ---- */

static int show_guests(struct cli *cli, const struct product *p, uint32_t build, struct err *err)
{
	CLEANUP(sightings_free) struct sightings *ss = NULL;
	struct out *out = cli->out;
	size_t n = 0;
	int r = sighting_list(cli->db, p->number, NULL, &ss, err);

	if (r < 0)
		return r;
	out_line(out, "Guests seen with it:");
	out_list(out, "guests");
	for (size_t i = 0; i < ss->n; i++) {
		const struct sighting *s = ss->sighting[i];
		char first[TIME_TEXT_MAX], last[TIME_TEXT_MAX];

		if (s->build != build)
			continue;
		n++;
		out_line(out, "  %s, from %s to %s, %s, by %s%s", s->guest,
			 time_text(s->first_seen, first), time_text(s->last_seen, last),
			 sighting_verdict_name(s->verdict), sighting_source_name(s->source),
			 sighting_trusted(s->source) ? "" : " (claimed)");
		out_object(out, NULL);
		out_str(out, "guest", s->guest);
		out_str(out, "uuid", s->uuid);
		out_str(out, "source", sighting_source_name(s->source));
		out_bool(out, "trusted", sighting_trusted(s->source));
		out_str(out, "verdict", sighting_verdict_name(s->verdict));
		out_time(out, "first_seen", s->first_seen);
		out_time(out, "last_seen", s->last_seen);
		out_close(out);
	}
	out_close(out);
	if (!n)
		out_line(out, "  none, as far as it was looked for");
	return 0;
}

/* ---- the verb ---- */

static void show_subject(struct out *out, const struct subject *s, uint32_t build)
{
	CLEANUP(free) char *version = subject_version(s, build);
	const struct encoding_use *use = subject_use(s, build);

	out_line(out, "Product %" PRIu16 " '%s', build %" PRIu32 " (0x%" PRIx32 ")%s%s%s%s",
		 s->product->number, s->product->name, build, build, version ? ", version " : "",
		 version ? version : "", use && *use->user ? ", of " : "",
		 use && *use->user ? use->user : "");
	out_int(out, "product", s->product->number);
	out_str(out, "name", s->product->name);
	out_int(out, "build", build);
	out_str(out, "version", version);
	out_str(out, "user", use && *use->user ? use->user : NULL);
}

/* What xenstore has to tell; without it the rest is still worth reading. */
static int show_live(struct cli *cli, const struct blacklist *b, const struct product *p,
		     uint32_t build, struct err *err)
{
	CLEANUP(lookup_free) struct lookup *full = NULL, *traditional = NULL;
	struct err why = { 0 };
	int r = cli_need(cli, NEED_STORE, &why);

	if (r < 0) {
		out_line(cli->out, "Nodes: not known: %s", why.msg);
		out_str(cli->out, "xenstore_error", why.msg);
		return 0;
	}
	out_null(cli->out, "xenstore_error");
	r = lookup(cli->store, LOOKUP_FULL, p->number, build, &full, err);
	if (r == 0)
		r = lookup(cli->store, LOOKUP_TRADITIONAL, p->number, build, &traditional, err);
	if (r == 0)
		r = show_nodes(cli, b, p, build, full->path, err);
	if (r < 0)
		return r;
	show_answers(cli->out, full->blacklisted, traditional->blacklisted);
	return show_enforcement(cli, err);
}

static int run(struct cli *cli, struct err *err)
{
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	struct verdict v = { 0 };
	SUBJECT s = { 0 };
	uint32_t build;
	int r = subject_find_current(cli, cli->arg[0], &s, err);

	if (r == 0)
		r = subject_build(cli, &s, cli->arg[1], &build, err);
	if (r == 0)
		r = blacklist_load(cli->db, cli->now, &b, err);
	if (r < 0)
		return r;
	blacklist_verdict(b, s.product->number, build, &v);
	show_subject(cli->out, &s, build);
	show_verdict(cli->out, &v);
	show_entries(cli, b, s.product, build, &v);
	r = show_exceptions(cli, b, &s, build, &v, err);
	if (r == 0)
		r = show_guests(cli, s.product, build, err);
	return r == 0 ? show_live(cli, b, s.product, build, err) : r;
}

const struct verb verb_explain = {
	.section = "Blacklist",
	.name = "explain",
	.args_doc = "PRODUCT BUILD",
	.summary = "tell everything that decides about one build",
	.needs = NEED_CONFIG | NEED_DB_READ,
	.min_args = 2,
	.max_args = 2,
	.options = options,
	.option = option,
	.args_size = sizeof(struct explain_args),
	.run = run,
};
