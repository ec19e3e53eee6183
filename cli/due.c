/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which dates matter now, in their order.
 */
#include "cli/due.h"

#include <string.h>

#define TOLD_MAX 4

struct window {
	int64_t now, applied, until;
	bool behind;
};

void dues_free(struct dues *ds)
{
	if (!ds)
		return;
	for (size_t i = 0; i < ds->n; i++) {
		free(ds->due[i].id);
		free(ds->due[i].owner);
	}
	free(ds->due);
	free(ds);
}

static void offer(struct dues *ds, const struct window *w, const char *kind, const char *id,
		  const char *owner, const char *what, int64_t at)
{
	bool waits = w->behind && at <= w->now && (w->applied == TIME_NONE || at > w->applied);

	if (at == TIME_NONE || at > w->until || (at <= w->now && !waits))
		return;
	GROW(ds->due, ds->n, ds->cap);
	ds->due[ds->n++] = (struct due){
		.kind = kind,
		.what = what,
		.id = xstrdup(id),
		.owner = owner ? xstrdup(owner) : NULL,
		.at = at,
		.waits = waits,
	};
}

static int by_date(const void *a, const void *b)
{
	const struct due *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return strcmp(x->id, y->id);
}

struct dues *dues_new(const struct blacklist *b, bool behind, int64_t applied, int64_t until)
{
	struct dues *ds = xcalloc(1, sizeof(*ds));
	struct window w = { blacklist_now(b), applied, until, behind };
	const struct entries *es = blacklist_entries(b);
	const struct exceptions *xs = blacklist_exceptions(b);

	for (size_t i = 0; i < es->n; i++) {
		offer(ds, &w, "entry", es->entry[i]->id, NULL, "begins", es->entry[i]->not_before);
		offer(ds, &w, "entry", es->entry[i]->id, NULL, "expires", es->entry[i]->expires);
	}
	for (size_t i = 0; i < xs->n; i++)
		offer(ds, &w, "exception", xs->exception[i]->id, xs->exception[i]->owner, "expires",
		      xs->exception[i]->expires);
	if (ds->n)
		qsort(ds->due, ds->n, sizeof(*ds->due), by_date);
	return ds;
}

char *dues_text(const struct dues *ds)
{
	char *text = xstrdup("");

	for (size_t i = 0; i < ds->n && i < TOLD_MAX; i++) {
		const struct due *d = &ds->due[i];
		char date[TIME_TEXT_MAX], *longer;

		longer = xasprintf("%s%s%s '%s'%s%s %s %s%s", text, *text ? ", " : "", d->kind,
				   d->id, d->owner ? " of " : "", d->owner ? d->owner : "", d->what,
				   time_text(d->at, date), d->waits ? " (waits for apply)" : "");
		free(text);
		text = longer;
	}
	if (ds->n > TOLD_MAX) {
		char *longer = xasprintf("%s, and %zu more", text, ds->n - TOLD_MAX);

		free(text);
		text = longer;
	}
	return text;
}

void dues_json(struct out *out, const char *key, const struct dues *ds)
{
	out_list(out, key);
	for (size_t i = 0; i < ds->n; i++) {
		const struct due *d = &ds->due[i];

		out_object(out, NULL);
		out_str(out, "kind", d->kind);
		out_str(out, "id", d->id);
		out_str(out, "owner", d->owner);
		out_str(out, "what", d->what);
		out_time(out, "at", d->at);
		out_bool(out, "waits", d->waits);
		out_close(out);
	}
	out_close(out);
}
