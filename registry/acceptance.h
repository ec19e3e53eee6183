/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_ACCEPTANCE_H
#define REGISTRY_ACCEPTANCE_H

/*
 * Entries of which somebody has said that their impact on this host's guests is meant ([policy]
 * impact = refuse). It holds for what the entry covers: when its builds, product or mode change,
 * it has lapsed.
 */
#include "registry/db.h"

/*
 * Accepts the entries with this id, of any origin, in the caller's transaction, with a history row
 * each; nothing for those that are accepted already. ERR_NOT_FOUND.
 */
int acceptance_add(struct db *db, const char *id, struct err *err);
/*
 * For the migration to schema 4, inside its transaction: records in the state of their entries the
 * acceptances that the history of schema 3 speaks of. Others are left to be found.
 */
int acceptance_adopt(struct db *db, struct err *err);

struct acceptances {
	int64_t *row; /* of entries, ascending */
	size_t n, cap;
};
void acceptances_free(struct acceptances *as);
DEFINE_CLEANUP(struct acceptances *, acceptances_free)
int acceptance_list(struct db *db, struct acceptances **ret, struct err *err);
bool acceptance_holds(const struct acceptances *as, int64_t row);

#endif
