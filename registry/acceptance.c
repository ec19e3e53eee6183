/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table impact_accepted. Hides what makes an acceptance lapse, and how it stands in the
 * history: as a part of its entry, so that nobody adds or mends one unseen.
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

/* Every entry that has the id, and whether it wants an acceptance. */
static int find_open(struct db *db, const char *id, struct acceptances *ret_open, bool *ret_any,
		     struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db,
			   "SELECT e.row, a.entry IS NULL FROM entry e"
			   " LEFT JOIN impact_accepted a ON a.entry = e.row AND a.covers = " COVERS
			   " WHERE e.id = ?1 ORDER BY e.row",
			   err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, id);
	while ((r = stmt_step(&q, err)) > 0) {
		*ret_any = true;
		if (!stmt_get_int(&q, 1))
			continue;
		GROW(ret_open->row, ret_open->n, ret_open->cap);
		ret_open->row[ret_open->n++] = stmt_get_int(&q, 0);
	}
	return r;
}

static int accept_row(struct db *db, int64_t row, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	CLEANUP(free) char *before = NULL;
	int r = history_state(db, HISTORY_ENTRY, row, &before, err);

	if (r < 0 ||
	    (r = stmt_begin(&q, db,
			    "INSERT OR REPLACE INTO impact_accepted (entry, covers, accepted)"
			    " SELECT e.row, " COVERS ", ?2 FROM entry e WHERE e.row = ?1",
			    err)) < 0)
		return r;
	stmt_int(&q, 1, row);
	stmt_int(&q, 2, db_now(db));
	r = stmt_run(&q, err);
	return r < 0 ? r : history_change(db, HISTORY_ENTRY, row, "accept-impact", before, err);
}

int acceptance_add(struct db *db, const char *id, struct err *err)
{
	CLEANUP(acceptances_free) struct acceptances *open = xcalloc(1, sizeof(*open));
	CLEANUP(free) char *shown = NULL;
	bool any = false;
	int r = find_open(db, id, open, &any, err);

	if (r < 0)
		return r;
	if (!any) {
		shown = escape_text(id);
		return err_set(err, ERR_NOT_FOUND, "no entry '%.200s' whose impact to accept",
			       shown);
	}
	for (size_t i = 0; i < open->n && r == 0; i++)
		r = accept_row(db, open->row[i], err);
	return r;
}

/* ---- schema 4 ---- */

/*
 * Schema 3 recorded that an entry was accepted, in a row of the history that names no state.
 * Columns: the entry, its last recorded state. What was accepted has to be what the history says
 * that the entry covered then.
 */
#define RECORDED                                                                                 \
	"SELECT a.entry, (SELECT s.after FROM history s WHERE s.kind = 'entry'"                  \
	" AND s.row = a.entry ORDER BY s.seq DESC LIMIT 1)"                                      \
	" FROM impact_accepted a JOIN entry e ON e.row = a.entry WHERE EXISTS ("                 \
	"SELECT 1 FROM history h WHERE h.act = 'accept-impact' AND h.kind IS NULL"               \
	" AND h.subject = 'entry ' || e.id AND h.time = a.accepted AND a.covers = ("             \
	"SELECT CASE WHEN json_valid(s.after) THEN json_extract(s.after, '$.product_id')"        \
	" || ' ' || json_extract(s.after, '$.mode') || ' ' || json_extract(s.after, '$.builds')" \
	" END FROM history s WHERE s.kind = 'entry' AND s.row = a.entry AND s.seq < h.seq"       \
	" ORDER BY s.seq DESC LIMIT 1)) ORDER BY a.entry"

/* Whether NOW is RECORDED but for what was accepted. */
static int is_all_else_equal(struct db *db, const char *now, const char *recorded, bool *ret,
			     struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db, "SELECT json_remove(?1, '$." HISTORY_ACCEPTED "') = ?2", err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, now);
	stmt_text(&q, 2, recorded);
	if ((r = stmt_step(&q, err)) < 0)
		return r;
	*ret = r && stmt_get_int(&q, 0);
	return 0;
}

int acceptance_adopt(struct db *db, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db, RECORDED, err);

	if (r < 0)
		return r;
	while ((r = stmt_step(&q, err)) > 0) {
		CLEANUP(free) char *before = stmt_take_text(&q, 1), *now = NULL;
		int64_t row = stmt_get_int(&q, 0);
		bool equal = false;

		r = history_state(db, HISTORY_ENTRY, row, &now, err);
		if (r == 0)
			r = is_all_else_equal(db, now, before, &equal, err);
		if (r == 0 && equal)
			r = history_change(db, HISTORY_ENTRY, row, "migrate", before, err);
		if (r < 0)
			return r;
	}
	return r;
}
