/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hides the queue, and how a verdict of the tree and the registry's modes become one sighting. */
#include "device/witness.h"

#include <string.h>

#include "registry/blacklist.h"
#include "registry/sighting.h"

struct seen {
	int64_t when;
	uint16_t product;
	uint32_t build;
	bool blacklisted;
	char *guest, *uuid;
};

struct witness {
	const char *registry;
	struct seen *seen;
	size_t n, cap;
	uint64_t lost;
};

struct witness *witness_new(const char *registry)
{
	struct witness *w = xcalloc(1, sizeof(*w));

	w->registry = registry;
	return w;
}

static void seen_end(struct seen *s)
{
	free(s->guest);
	free(s->uuid);
}

void witness_saw(struct witness *w, const struct packet *m)
{
	if (w->n == WITNESS_MAX) {
		seen_end(&w->seen[0]);
		memmove(w->seen, w->seen + 1, --w->n * sizeof(*w->seen));
		w->lost++;
	}
	GROW(w->seen, w->n, w->cap);
	w->seen[w->n++] = (struct seen){
		.when = time_now(),
		.product = m->product,
		.build = m->build,
		.blacklisted = m->flag,
		.guest = *m->name ? xstrndup(m->name, SIGHTING_GUEST_MAX)
				  : xasprintf("domain-%u", m->domid),
		.uuid = xstrdup(m->text),
	};
}

bool witness_waits(const struct witness *w)
{
	return w->n > 0;
}

uint64_t witness_lost(struct witness *w)
{
	uint64_t lost = w->lost;

	w->lost = 0;
	return lost;
}

static int write_one(struct db *db, const struct blacklist *b, const struct seen *seen,
		     struct err *err)
{
	struct sighting s = {
		.guest = seen->guest,
		.uuid = seen->uuid,
		.product = seen->product,
		.build = seen->build,
		.source = SIGHTING_DAEMON,
		.verdict = seen->blacklisted ? SIGHTING_BLACKLISTED : SIGHTING_ALLOWED,
		.first_seen = seen->when,
		.last_seen = seen->when,
		.count = 1,
		.origin = (char *)(uintptr_t) "xenblacklistd",
	};
	struct verdict v;

	blacklist_verdict(b, seen->product, seen->build, &v);
	if (!seen->blacklisted && v.audit)
		s.verdict = SIGHTING_AUDIT;
	return sighting_record(db, &s, err);
}

int witness_write(struct witness *w, struct err *err)
{
	CLEANUP(db_close) struct db *db = NULL;
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	const struct actor actor = { .verb = "xenblacklistd" };
	DB_TX tx = { 0 };
	int64_t now = time_now();
	int r = db_open(w->registry, DB_WRITE, &actor, now, &db, err);

	if (r == 0)
		r = blacklist_load(db, now, &b, err);
	if (r == 0)
		r = db_begin(db, &tx, err);
	for (size_t i = 0; r == 0 && i < w->n; i++)
		r = write_one(db, b, &w->seen[i], err);
	if (r == 0)
		r = db_commit(&tx, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < w->n; i++)
		seen_end(&w->seen[i]);
	w->n = 0;
	return 0;
}
