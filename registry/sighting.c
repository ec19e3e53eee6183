/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables sighting and scan_state. Hides how repeated sightings merge and how many are kept: a
 * guest may announce whatever it likes as often as it likes, so each has a limited number of rows.
 */
#include "registry/sighting.h"

#include <string.h>

#include "registry/stmt.h"

/* Distinct builds kept of one guest and source; the longest unseen goes first. */
#define PER_GUEST 64

static const char *const source_names[] = {
	[SIGHTING_LOG] = "log",
	[SIGHTING_QMP] = "qmp",
	[SIGHTING_XENSTORE] = "xenstore",
	[SIGHTING_DAEMON] = "daemon",
};

static const char *const verdict_names[] = {
	[SIGHTING_UNKNOWN] = "unknown",
	[SIGHTING_ALLOWED] = "allowed",
	[SIGHTING_BLACKLISTED] = "blacklisted",
	[SIGHTING_AUDIT] = "audit",
};

const char *sighting_source_name(enum sighting_source s)
{
	return source_names[s];
}

const char *sighting_verdict_name(enum sighting_verdict v)
{
	return verdict_names[v];
}

bool sighting_trusted(enum sighting_source s)
{
	return s == SIGHTING_QMP || s == SIGHTING_DAEMON;
}

/* The place of TEXT in NAMES; the table allows no other text, so 0 stands for damage only. */
static size_t name_index(const char *const *names, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (text && strcmp(names[i], text) == 0)
			return i;
	return 0;
}

void sighting_free(struct sighting *s)
{
	if (!s)
		return;
	free(s->guest);
	free(s->uuid);
	free(s->origin);
	free(s);
}

void sightings_free(struct sightings *ss)
{
	if (!ss)
		return;
	for (size_t i = 0; i < ss->n; i++)
		sighting_free(ss->sighting[i]);
	free(ss->sighting);
	free(ss);
}

static char *clean(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return escape_text(text);
	return utf8_valid(text, n) ? xstrdup(text) : escape_text(text);
}

static int forget_oldest(struct db *db, const char *guest, enum sighting_source source,
			 struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db,
			   "DELETE FROM sighting WHERE id IN ("
			   "SELECT id FROM sighting WHERE guest = ?1 AND source = ?2"
			   " ORDER BY last_seen DESC, id DESC LIMIT -1 OFFSET ?3)",
			   err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, guest);
	stmt_text(&q, 2, source_names[source]);
	stmt_int(&q, 3, PER_GUEST);
	return stmt_run(&q, err);
}

int sighting_record(struct db *db, const struct sighting *s, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	CLEANUP(free) char *guest = NULL, *origin = NULL;
	size_t n = strlen(s->guest);
	int r;

	if (n == 0 || n > SIGHTING_GUEST_MAX)
		return err_set(err, ERR_INVALID, "guest name of %zu bytes, not 1 to %d", n,
			       SIGHTING_GUEST_MAX);
	guest = clean(s->guest);
	origin = clean(s->origin ? s->origin : "");
	r = stmt_begin(&q, db,
		       "INSERT INTO sighting (guest, uuid, product, build, source, verdict,"
		       " first_seen, last_seen, count, origin)"
		       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
		       " ON CONFLICT (guest, uuid, product, build, source) DO UPDATE SET"
		       " verdict = CASE WHEN excluded.verdict = 'unknown'"
		       " OR excluded.last_seen < last_seen THEN verdict ELSE excluded.verdict END,"
		       " origin = CASE WHEN excluded.last_seen < last_seen"
		       " THEN origin ELSE excluded.origin END,"
		       " first_seen = min(first_seen, excluded.first_seen),"
		       " last_seen = max(last_seen, excluded.last_seen),"
		       " count = count + excluded.count",
		       err);
	if (r < 0)
		return r;
	stmt_text(&q, 1, guest);
	stmt_text(&q, 2, s->uuid ? s->uuid : "");
	stmt_int(&q, 3, s->product);
	stmt_int(&q, 4, s->build);
	stmt_text(&q, 5, source_names[s->source]);
	stmt_text(&q, 6, verdict_names[s->verdict]);
	stmt_int(&q, 7, s->first_seen);
	stmt_int(&q, 8, s->last_seen);
	stmt_int(&q, 9, s->count ? (int64_t)s->count : 1);
	stmt_text(&q, 10, origin);
	r = stmt_run(&q, err);
	return r < 0 ? r : forget_oldest(db, guest, s->source, err);
}

static struct sighting *read_row(struct stmt *q)
{
	struct sighting *s = xcalloc(1, sizeof(*s));

	s->guest = stmt_take_text(q, 0);
	s->uuid = stmt_take_text(q, 1);
	s->product = (uint16_t)stmt_get_int(q, 2);
	s->build = (uint32_t)stmt_get_int(q, 3);
	s->source = (enum sighting_source)name_index(source_names, ARRAY_SIZE(source_names),
						     stmt_get_text(q, 4));
	s->verdict = (enum sighting_verdict)name_index(verdict_names, ARRAY_SIZE(verdict_names),
						       stmt_get_text(q, 5));
	s->first_seen = stmt_get_int(q, 6);
	s->last_seen = stmt_get_int(q, 7);
	s->count = (uint64_t)stmt_get_int(q, 8);
	s->origin = stmt_take_text(q, 9);
	return s;
}

int sighting_list(struct db *db, int32_t product, const char *guest, struct sightings **ret,
		  struct err *err)
{
	CLEANUP(sightings_free) struct sightings *ss = xcalloc(1, sizeof(*ss));
	CLEANUP_STMT struct stmt q = STMT_INIT;
	size_t cap = 0;
	int r = stmt_begin(&q, db,
			   "SELECT guest, uuid, product, build, source, verdict, first_seen,"
			   " last_seen, count, origin FROM sighting"
			   " WHERE (?1 < 0 OR product = ?1) AND (?2 IS NULL OR guest = ?2)"
			   " ORDER BY last_seen DESC, guest, product, build, source, uuid",
			   err);

	if (r < 0)
		return r;
	stmt_int(&q, 1, product);
	stmt_text(&q, 2, guest);
	while ((r = stmt_step(&q, err)) > 0) {
		GROW(ss->sighting, ss->n, cap);
		ss->sighting[ss->n++] = read_row(&q);
	}
	if (r < 0)
		return r;
	*ret = TAKE(ss);
	return 0;
}

int sighting_scan_get(struct db *db, const char *key, char **ret_state, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db, "SELECT state FROM scan_state WHERE key = ?1", err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, key);
	r = stmt_step(&q, err);
	if (r < 0)
		return r;
	*ret_state = r > 0 ? stmt_take_text(&q, 0) : NULL;
	return 0;
}

int sighting_scan_set(struct db *db, const char *key, const char *state, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db,
			   "INSERT INTO scan_state (key, state) VALUES (?1, ?2)"
			   " ON CONFLICT (key) DO UPDATE SET state = excluded.state",
			   err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, key);
	stmt_text(&q, 2, state);
	return stmt_run(&q, err);
}

static int scan_forget(struct db *db, const char *key, struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db, "DELETE FROM scan_state WHERE key = ?1", err);

	if (r < 0)
		return r;
	stmt_text(&q, 1, key);
	return stmt_run(&q, err);
}

static bool is_among(char *const *keys, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

int sighting_scan_keep(struct db *db, char *const *keys, size_t n, struct err *err)
{
	char **gone = NULL;
	size_t n_gone = 0, cap = 0;
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db, "SELECT key FROM scan_state", err);

	if (r < 0)
		return r;
	while ((r = stmt_step(&q, err)) > 0) {
		if (is_among(keys, n, stmt_get_text(&q, 0)))
			continue;
		GROW(gone, n_gone, cap);
		gone[n_gone++] = stmt_take_text(&q, 0);
	}
	for (size_t i = 0; i < n_gone; i++) {
		if (r == 0)
			r = scan_forget(db, gone[i], err);
		free(gone[i]);
	}
	free(gone);
	return r;
}
