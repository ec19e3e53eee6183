/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_BLACKLIST_H
#define REGISTRY_BLACKLIST_H

/*
 * What the registry means at one moment: products, entries and exceptions loaded in one read
 * transaction and expanded into sets. The truth table of origins, modes, dates and exceptions
 * lives here and nowhere else (xenblacklist(8), "What decides"):
 *   an entry is active when not_before <= now < expires;
 *   a build is blacklisted when an active enforce entry covers it and no active exception does.
 */
#include "registry/entry.h"

struct blacklist;

int blacklist_load(struct db *db, int64_t now, struct blacklist **ret, struct err *err);
/* With the entries of one product only: good for verdicts about it, and quick. */
int blacklist_load_of(struct db *db, int64_t now, uint16_t product, struct blacklist **ret,
		      struct err *err);
void blacklist_free(struct blacklist *b);
DEFINE_CLEANUP(struct blacklist *, blacklist_free)

uint64_t blacklist_generation(const struct blacklist *b);
int64_t blacklist_now(const struct blacklist *b);
const struct products *blacklist_products(const struct blacklist *b);
const struct entries *blacklist_entries(const struct blacklist *b);
const struct exceptions *blacklist_exceptions(const struct blacklist *b);
/* The builds that an entry covers (index into blacklist_entries()), exceptions not subtracted. */
const struct builds *blacklist_entry_builds(const struct blacklist *b, size_t entry);
bool blacklist_entry_active(const struct blacklist *b, size_t entry);

struct verdict {
	bool blacklisted;
	const struct entry *entry;	   /* the one that decides (lowest id), or NULL */
	const struct exception *exception; /* the one that allows it, or NULL */
	const struct entry *audit;	   /* an active audit-mode entry that covers it, or NULL */
};
void blacklist_verdict(const struct blacklist *b, uint16_t product, uint32_t build,
		       struct verdict *ret);

/* What to publish of one product, exceptions subtracted. Borrowed from B. */
struct blacklist_product {
	const struct product *product;
	const struct builds *nodes;  /* builds that get a node each */
	const struct builds *ranges; /* numbers covered by _ranges */
};
size_t blacklist_published(const struct blacklist *b, const struct blacklist_product **ret);
/* The entry whose id a node or range piece carries as its value: lowest id that covers BUILD. */
const struct entry *blacklist_owner(const struct blacklist *b, uint16_t product, uint32_t build,
				    enum entry_publish how);

#endif
