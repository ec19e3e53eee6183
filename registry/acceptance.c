/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table impact_accepted. Hides what makes an acceptance lapse.
 */
#include "registry/acceptance.h"

#include "registry/history.h"
#include "registry/stmt.h"

/* What an acceptance is about, as text. */
#define COVERS "e.product_id || ' ' || e.mode || ' ' || e.builds"

void acceptances_free(struct acceptances *as)
{
	if (!as)
		return;
	free(as->row);
	free(as);
}

int acceptance_list(struct db *db, struct acceptances **ret, struct err *err)
{
	CLEANUP(acceptances_free) struct acceptances *as = xcalloc(1, sizeof(*as));
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db,
			   "SELECT e.row FROM impact_accepted a JOIN entry e ON e.row = a.entry"
			   " WHERE a.covers = " COVERS " ORDER BY e.row",
			   err);

	if (r < 0)
		return r;
	while ((r = stmt_step(&q, err)) > 0) {
		GROW(as->row, as->n, as->cap);
		as->row[as->n++] = stmt_get_int(&q, 0);
	}
	if (r < 0)
		return r;
	*ret = TAKE(as);
	return 0;
}

bool acceptance_holds(const struct acceptances *as, int64_t row)
{
	size_t lo = 0, hi = as->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (as->row[mid] < row)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < as->n && as->row[lo] == row;
}

/* How many entries have the id, and how many of them want an acceptance. */
static int count(struct db *db, const char *id, int64_t *ret_all, int64_t *ret_open,
		 struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db,
			   "SELECT count(*), count(*) - count(a.entry) FROM entry e"
			   " LEFT JOIN impact_accepted a ON a.entry = e.row AND a.covers = " COVERS
			   " WHERE e.id = ?1",
			   err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, id);
	if ((r = stmt_step(&q, err)) < 0)
		return r;
	*ret_all = stmt_get_int(&q, 0);
	*ret_open = stmt_get_int(&q, 1);
	return 0;
}

int acceptance_add(struct db *db, const char *id, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	CLEANUP(free) char *shown = NULL, *subject = NULL;
	int64_t all, open;
	int r = count(db, id, &all, &open, err);

	if (r < 0)
		return r;
	if (all == 0) {
		shown = escape_text(id);
		return err_set(err, ERR_NOT_FOUND, "no entry '%.200s' whose impact to accept",
			       shown);
	}
	if (open == 0)
		return 0;
	r = stmt_begin(&q, db,
		       "INSERT OR REPLACE INTO impact_accepted (entry, covers, accepted)"
		       " SELECT e.row, " COVERS ", ?2 FROM entry e WHERE e.id = ?1",
		       err);
	if (r < 0)
		return r;
	stmt_text(&q, 1, id);
	stmt_int(&q, 2, db_now(db));
	if ((r = stmt_run(&q, err)) < 0)
		return r;
	subject = xasprintf("entry %s", id);
	return history_add(db, "accept-impact", subject, NULL, NULL, err);
}
