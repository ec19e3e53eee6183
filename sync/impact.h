/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_IMPACT_H
#define SYNC_IMPACT_H

/*
 * Whom a change hits: guests that were seen with builds which were not blacklisted before it and
 * are after it. Only sightings tell, so a guest that was never seen is unknown, not safe.
 */
#include "registry/blacklist.h"
#include "registry/sighting.h"
#include "sync/store.h"

enum impact_effect {
	IMPACT_LOSES,	/* would be told that it is blacklisted */
	IMPACT_AUDITED, /* only an audit-mode entry covers it: would have been */
};

struct impact_guest {
	char *guest, *uuid; /* text of guests: hostile; uuid "" when not known */
	uint16_t product;
	uint32_t build;
	enum sighting_source source;   /* the most trustworthy that saw it */
	int64_t first_seen, last_seen; /* by sources as trustworthy as that */
	int64_t last_said;	       /* by any: that guest's own word may be true */
	bool was_blocked; /* a trusted source saw it blocked already; a claim does not count */
	bool superseded;  /* seen since then with another build of the product, NEWER */
	uint32_t newer;

	/* Set for those that are hit. */
	enum impact_effect effect;
	int64_t from;		   /* the moment of the blacklist that hits it */
	const struct entry *entry; /* the one that decides; borrowed from that blacklist */
	bool accepted;
};

struct impact {
	struct impact_guest *guest; /* hit ones first, then the others; by name in both */
	size_t n_hit, n;
	size_t n_guests;	    /* different guests that were seen, hit or not */
	size_t n_refused;	    /* hits that [policy] impact = refuse is about */
	struct impact_cover *cover; /* of each, before the change */
};

/* One consistent look at the sightings. */
int impact_new(struct db *db, struct impact **ret, struct err *err);
void impact_free(struct impact *i);
DEFINE_CLEANUP(struct impact *, impact_free)

/*
 * What was blacklisted before the change: as a registry means it, or as a live tree (of
 * NODES_ROOT) has it. DOM0_ONLY: a node that only dom0 can read counts. Without either, nothing
 * was. When there are no sightings both may be left out.
 */
void impact_before(struct impact *i, const struct blacklist *before);
void impact_before_live(struct impact *i, const struct tree *live, bool dom0_only,
			const struct blacklist *after);

/*
 * Compares with what is blacklisted after it; called again, with what will be at a later moment,
 * finds those who are hit only then. Each AFTER outlives I.
 */
int impact_after(struct impact *i, struct db *db, const struct blacklist *after, struct err *err);

/* Hits of the entry ID no longer count as refused. */
void impact_accept(struct impact *i, const char *id);
void impact_accept_all(struct impact *i);

/* ERR_REFUSED/IMPACT when there is a hit that nobody has accepted; HINT says how that is done. */
int impact_gate(const struct impact *i, const char *hint, struct err *err);

#endif
