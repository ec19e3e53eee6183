/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides how many sightings of one guest become one line, and how each is looked up before and
 * after: one logarithmic look into sets or a sorted tree a sighting, whatever the list's size.
 */
#include "sync/impact.h"

#include <inttypes.h>
#include <string.h>

#include "registry/acceptance.h"
#include "sync/lookup.h"
#include "sync/nodes.h"

/* By what a build is blacklisted: not every device model knows ranges. */
struct impact_cover {
	bool leaf, range, audit;
};

void impact_free(struct impact *i)
{
	if (!i)
		return;
	for (size_t k = 0; k < i->n; k++) {
		free(i->guest[k].guest);
		free(i->guest[k].uuid);
	}
	free(i->guest);
	free(i->cover);
	free(i);
}

/* ---- sightings ---- */

static int by_guest(const void *a, const void *b)
{
	const struct sighting *const *x = a, *const *y = b;
	int c = strcmp((*x)->guest, (*y)->guest);

	if (c == 0)
		c = (*x)->product - (*y)->product;
	if (c == 0)
		c = ((*x)->build > (*y)->build) - ((*x)->build < (*y)->build);
	if (c == 0)
		c = sighting_trusted((*y)->source) - sighting_trusted((*x)->source);
	if (c == 0)
		c = ((*x)->last_seen < (*y)->last_seen) - ((*x)->last_seen > (*y)->last_seen);
	return c;
}

/* S is of the same guest and build as G, and less trustworthy or older. */
static void merge(struct impact_guest *g, struct sighting *s)
{
	if (s->last_seen > g->last_said)
		g->last_said = s->last_seen;
	if (sighting_trusted(s->source) == sighting_trusted(g->source)) {
		if (s->first_seen < g->first_seen)
			g->first_seen = s->first_seen;
		if (s->last_seen > g->last_seen)
			g->last_seen = s->last_seen;
	}
	if (!*g->uuid && *s->uuid) {
		free(g->uuid);
		g->uuid = TAKE(s->uuid);
	}
}

/*
 * GUEST[0..n) is one guest and product. No guest's own word outdates what is known for sure, but
 * that it went back to an older build is taken for possible.
 */
static void supersede(struct impact_guest *guest, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct impact_guest *newest = NULL;

		for (size_t k = 0; k < n; k++) {
			if (guest[k].last_seen > guest[i].last_said &&
			    (sighting_trusted(guest[k].source) ||
			     !sighting_trusted(guest[i].source)) &&
			    (!newest || guest[k].last_seen > newest->last_seen))
				newest = &guest[k];
		}
		guest[i].superseded = newest;
		guest[i].newer = newest ? newest->build : 0;
	}
}

static void gather(struct impact *i, struct sightings *seen)
{
	i->guest = xcalloc(seen->n, sizeof(*i->guest));
	for (size_t k = 0; k < seen->n; k++) {
		struct sighting *s = seen->sighting[k];
		struct impact_guest *last = i->n ? &i->guest[i->n - 1] : NULL;
		bool same = last && strcmp(last->guest, s->guest) == 0;

		i->n_guests += !same;
		if (same && last->product == s->product && last->build == s->build) {
			merge(last, s);
			continue;
		}
		i->guest[i->n++] = (struct impact_guest){
			.guest = TAKE(s->guest),
			.uuid = TAKE(s->uuid),
			.product = s->product,
			.build = s->build,
			.source = s->source,
			.first_seen = s->first_seen,
			.last_seen = s->last_seen,
			.last_said = s->last_seen,
			.was_blocked =
				s->verdict == SIGHTING_BLACKLISTED && sighting_trusted(s->source),
		};
	}
	for (size_t k = 0, end; k < i->n; k = end) {
		for (end = k + 1; end < i->n; end++) {
			if (i->guest[end].product != i->guest[k].product ||
			    strcmp(i->guest[end].guest, i->guest[k].guest) != 0)
				break;
		}
		supersede(&i->guest[k], end - k);
	}
}

int impact_new(struct db *db, struct impact **ret, struct err *err)
{
	CLEANUP(impact_free) struct impact *i = xcalloc(1, sizeof(*i));
	CLEANUP(sightings_free) struct sightings *seen = NULL;
	int r = sighting_list(db, -1, NULL, &seen, err);

	if (r < 0)
		return r;
	if (seen->n)
		qsort(seen->sighting, seen->n, sizeof(*seen->sighting), by_guest);
	gather(i, seen);
	i->cover = xcalloc(i->n, sizeof(*i->cover));
	*ret = TAKE(i);
	return 0;
}

/* ---- before and after ---- */

static struct impact_cover cover_of(const struct blacklist *b, const struct impact_guest *g,
				    const struct entry **ret_entry)
{
	const struct blacklist_product *p;
	size_t lo = 0, hi = blacklist_published(b, &p), n = hi;
	struct impact_cover c = { 0 };
	struct verdict v;

	blacklist_verdict(b, g->product, g->build, &v);
	c.audit = v.audit && !v.blacklisted && !v.exception;
	if (ret_entry)
		*ret_entry = v.blacklisted ? v.entry : v.audit;
	while (v.blacklisted && lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p[mid].product->number < g->product)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!v.blacklisted || lo == n || p[lo].product->number != g->product)
		return c;
	c.leaf = builds_contains(p[lo].nodes, g->build);
	c.range = builds_contains(p[lo].ranges, g->build);
	return c;
}

void impact_before(struct impact *i, const struct blacklist *before)
{
	for (size_t k = 0; k < i->n; k++)
		i->cover[k] = cover_of(before, &i->guest[k], NULL);
}

static int by_path(const void *path, const void *node)
{
	return strcmp(path, ((const struct node *)node)->path);
}

static bool can_be_read(const struct node *n, bool dom0_only)
{
	return n && (dom0_only || n->perms[0] == 'r' || n->perms[0] == 'b');
}

static bool live_leaf(const struct tree *t, bool dom0_only, const char *node, uint32_t build)
{
	CLEANUP(free) char *plain = xasprintf("%s/%" PRIu32, node, build);
	CLEANUP(free)
	char *negative = xasprintf("%s/%" PRId64, node, (int64_t)build - ((int64_t)1 << 32));

	if (!t->n)
		return false;
	return can_be_read(bsearch(plain, t->node, t->n, sizeof(*t->node), by_path), dom0_only) &&
	       (build < 1u << 31 ||
		can_be_read(bsearch(negative, t->node, t->n, sizeof(*t->node), by_path),
			    dom0_only));
}

static bool live_range(const struct tree *t, bool dom0_only, const char *node, uint32_t build)
{
	CLEANUP(free) char *dir = xasprintf("%s/_ranges/", node);
	size_t lo = 0, hi = t->n, length = strlen(dir);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(t->node[mid].path, dir) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < t->n && strncmp(t->node[lo].path, dir, length) == 0; lo++) {
		uint32_t from, to;

		if (lookup_range_parse(t->node[lo].path + length, &from, &to) && from <= build &&
		    build <= to && can_be_read(&t->node[lo], dom0_only))
			return true;
	}
	return false;
}

static const char *node_of(const struct blacklist *b, uint16_t number)
{
	const struct products *ps = blacklist_products(b);

	for (size_t i = 0; i < ps->n; i++) {
		if (ps->product[i]->number == number && !ps->product[i]->conflict)
			return ps->product[i]->node;
	}
	return NULL;
}

void impact_before_live(struct impact *i, const struct tree *live, bool dom0_only,
			const struct blacklist *after)
{
	for (size_t k = 0; k < i->n; k++) {
		const struct impact_guest *g = &i->guest[k];
		struct impact_cover want = cover_of(after, g, NULL);
		const char *node = want.leaf || want.range ? node_of(after, g->product) : NULL;

		/* Only what is blacklisted afterwards is worth a look; audit leaves no trace. */
		i->cover[k] = (struct impact_cover){
			.leaf = node && live_leaf(live, dom0_only, node, g->build),
			.range = node && live_range(live, dom0_only, node, g->build),
			.audit = true,
		};
	}
}

/* A leaf is seen by device models that do not see the range that was there. */
static bool is_hit(const struct impact_cover *before, const struct impact_cover *after)
{
	return (after->leaf && !before->leaf) ||
	       (after->range && !before->range && !before->leaf) ||
	       (after->audit && !before->audit && !before->leaf && !before->range);
}

static void count_refused(struct impact *i)
{
	i->n_refused = 0;
	for (size_t k = 0; k < i->n_hit; k++) {
		const struct impact_guest *g = &i->guest[k];

		i->n_refused += g->effect == IMPACT_LOSES && !g->accepted && !g->was_blocked &&
				!g->superseded;
	}
}

int impact_after(struct impact *i, struct db *db, const struct blacklist *after, struct err *err)
{
	CLEANUP(acceptances_free) struct acceptances *accepted = NULL;
	CLEANUP(free) struct impact_guest *missed = xcalloc(i->n, sizeof(*missed));
	CLEANUP(free) struct impact_cover *rest = xcalloc(i->n, sizeof(*rest));
	size_t n_hit = 0, n_missed = 0;
	int r = acceptance_list(db, &accepted, err);

	if (r < 0)
		return r;
	for (size_t k = 0; k < i->n; k++) {
		struct impact_guest g = i->guest[k];
		struct impact_cover before = i->cover[k], c;
		bool was_hit = k < i->n_hit;

		if (!was_hit || g.effect == IMPACT_AUDITED) {
			const struct entry *entry;

			c = cover_of(after, &g, &entry);
			if (is_hit(&before, &c) && (!was_hit || c.leaf || c.range)) {
				g.effect = c.leaf || c.range ? IMPACT_LOSES : IMPACT_AUDITED;
				g.entry = entry;
				g.accepted = acceptance_holds(accepted, entry->row);
				g.from = blacklist_now(after);
				was_hit = true;
			}
		}
		if (!was_hit) {
			rest[n_missed] = before;
			missed[n_missed++] = g;
			continue;
		}
		i->cover[n_hit] = before;
		i->guest[n_hit++] = g;
	}
	i->n_hit = n_hit;
	memcpy(i->guest + n_hit, missed, n_missed * sizeof(*missed));
	memcpy(i->cover + n_hit, rest, n_missed * sizeof(*rest));
	count_refused(i);
	return 0;
}

/* ---- the policy ---- */

void impact_accept(struct impact *i, const char *id)
{
	for (size_t k = 0; k < i->n_hit; k++) {
		if (strcmp(i->guest[k].entry->id, id) == 0)
			i->guest[k].accepted = true;
	}
	count_refused(i);
}

void impact_accept_all(struct impact *i)
{
	for (size_t k = 0; k < i->n_hit; k++)
		i->guest[k].accepted = true;
	count_refused(i);
}

int impact_gate(const struct impact *i, const char *hint, struct err *err)
{
	for (size_t k = 0; k < i->n_hit; k++) {
		const struct impact_guest *g = &i->guest[k];

		if (g->effect != IMPACT_LOSES || g->accepted || g->was_blocked || g->superseded)
			continue;
		if (i->n_refused == 1)
			return err_refuse(err, REFUSAL_IMPACT,
					  "guest '%.255s' would lose its driver to entry '%s', and "
					  "'[policy] impact = refuse': %s",
					  g->guest, g->entry->id, hint);
		return err_refuse(err, REFUSAL_IMPACT,
				  "%zu drivers of guests would be lost, the first of '%.255s' to "
				  "entry '%s', and '[policy] impact = refuse': %s",
				  i->n_refused, g->guest, g->entry->id, hint);
	}
	return 0;
}
