/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_GATES_H
#define SYNC_GATES_H

/*
 * The questions that a manifest has to answer before a row is written: versions and dates, and
 * what it would do to guests.
 */
#include "sync/pull.h"

/*
 * Version against the last trusted one. 0: newer, or ACCEPT names it; 1: the same bytes again;
 * ERR_REFUSED/ROLLBACK, SAMEVERSION.
 */
int gate_version(const struct pull_state *last, const struct manifest *m, const char *digest,
		 uint64_t accept, struct err *err);

/* ERR_REFUSED/FUTURE, EXPIRED. */
int gate_issued(int64_t issued, int64_t now, struct err *err);
int gate_expires(int64_t expires, int64_t now, struct err *err);

/* What enforced entries cover, product by product. */
struct coverage;
void coverage_free(struct coverage *c);
DEFINE_CLEANUP(struct coverage *, coverage_free)

/*
 * In the caller's transaction, with products and encodings as they are there. AT: the entries'
 * places in the manifest, or NULL for those that the registry has. ERR_REFUSED/SCHEMA: builds
 * that do not parse, no such product; TRIPWIRE: a whole family without FAMILY.
 */
int coverage_new(struct db *db, const struct entries *es, const uint32_t *at, bool family,
		 struct coverage **ret, struct err *err);
/* Builds that A covers and B does not. */
int coverage_minus(const struct coverage *a, const struct coverage *b, uint64_t *ret,
		   struct err *err);
uint64_t coverage_count(const struct coverage *c);

/*
 * What this host's own entries and exceptions cover, dates and modes aside. meaning_new() in the
 * caller's transaction; its rows must parse, else the error of builds_parse() with the row named.
 * meaning_kept(): 0 when B, read after A and with no row added or removed between, covers the
 * same; ERR_REFUSED/TRIPWIRE names the first row that does not.
 */
struct meaning;
void meaning_free(struct meaning *m);
DEFINE_CLEANUP(struct meaning *, meaning_free)
int meaning_new(struct db *db, struct meaning **ret, struct err *err);
int meaning_kept(const struct meaning *a, const struct meaning *b, struct err *err);

#endif
