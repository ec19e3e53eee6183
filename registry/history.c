/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The history: who did what to which row, and why. Hides the chain (each row's hash covers the
 * one before), the seal over its end (so that cutting rows off shows, too), and the canonical
 * JSON that stands for the state of a row.
 */
#include "registry/history.h"

#include <inttypes.h>

#include "registry/digest.h"
#include "registry/stmt.h"

#define GENESIS "xenblacklist history 1"
#define SEAL_KEY "history-seal"

/* ---- states of rows ---- */

/* Columns: row id, subject, canonical JSON. */
#define ENCODING_STATE                                                            \
	"SELECT id, 'encoding ' || name, json_object('name', name, 'scan', scan," \
	" 'expression', expression, 'origin', origin, 'created', created) FROM encoding"
#define PRODUCT_STATE                                                                          \
	"SELECT p.id, 'product ' || p.number, json_object('number', p.number, 'name', p.name," \
	" 'node', p.node, 'status', p.status, 'origin', p.origin, 'vendor', p.vendor,"         \
	" 'contact', p.contact, 'reference', p.reference, 'deadline', p.deadline,"             \
	" 'conflict', p.conflict, 'created', p.created, 'encodings', json(("                   \
	"SELECT json_group_array(json_object('encoding', u.encoding, 'from', u.from_build,"    \
	" 'to', u.to_build, 'user', u.user)) FROM (SELECT * FROM product_encoding"             \
	" WHERE product_id = p.id ORDER BY from_build) u))) FROM product p"
#define RESERVATION_STATE                                                                      \
	"SELECT id, 'reservation ' || first || '-' || last, json_object('first', first,"       \
	" 'last', last, 'kind', kind, 'origin', origin, 'reason', reason, 'created', created)" \
	" FROM reservation"
#define ENTRY_JSON                                                                               \
	"json_object('id', e.id, 'origin', e.origin,"                                            \
	" 'product', (SELECT number FROM product WHERE id = e.product_id),"                      \
	" 'product_id', e.product_id, 'builds', e.builds, 'mode', e.mode, 'publish', e.publish," \
	" 'whole_family', e.whole_family, 'reason', e.reason, 'references', json(("              \
	"SELECT json_group_array(r.url) FROM (SELECT url FROM entry_reference"                   \
	" WHERE entry = e.row ORDER BY position) r)), 'not_before', e.not_before,"               \
	" 'expires', e.expires, 'created', e.created)"
/* What was accepted for it is a member more, so that the others look as they always did. */
#define ENTRY_STATE                                                                  \
	"SELECT e.row, 'entry ' || e.id, CASE WHEN a.entry IS NULL THEN " ENTRY_JSON \
	" ELSE json_insert(" ENTRY_JSON ", '$." HISTORY_ACCEPTED "',"                \
	" json_object('covers', a.covers, 'accepted', a.accepted)) END"              \
	" FROM entry e LEFT JOIN impact_accepted a ON a.entry = e.row"
#define EXCEPTION_STATE                                                        \
	"SELECT x.row, 'exception ' || x.id, json_object('id', x.id,"          \
	" 'product', (SELECT number FROM product WHERE id = x.product_id),"    \
	" 'product_id', x.product_id, 'builds', x.builds, 'reason', x.reason," \
	" 'owner', x.owner, 'expires', x.expires, 'created', x.created) FROM exception x"

static const struct {
	const char *name; /* history.kind */
	const char *one;  /* the state of row ?1 */
	const char *all;  /* every state, by row */
} kinds[HISTORY_KINDS] = {
	[HISTORY_ENCODING] = { "encoding", ENCODING_STATE " WHERE id = ?1",
			       ENCODING_STATE " ORDER BY id" },
	[HISTORY_PRODUCT] = { "product", PRODUCT_STATE " WHERE p.id = ?1",
			      PRODUCT_STATE " ORDER BY p.id" },
	[HISTORY_RESERVATION] = { "reservation", RESERVATION_STATE " WHERE id = ?1",
				  RESERVATION_STATE " ORDER BY id" },
	[HISTORY_ENTRY] = { "entry", ENTRY_STATE " WHERE e.row = ?1",
			    ENTRY_STATE " ORDER BY e.row" },
	[HISTORY_EXCEPTION] = { "exception", EXCEPTION_STATE " WHERE x.row = ?1",
				EXCEPTION_STATE " ORDER BY x.row" },
};

static int state(struct db *db, enum history_kind kind, int64_t id, char **ret_subject, char **ret,
		 struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db, kinds[kind].one, err);

	if (r < 0)
		return r;
	stmt_int(&q, 1, id);
	if ((r = stmt_step(&q, err)) < 0)
		return r;
	*ret_subject = r ? stmt_take_text(&q, 1) : NULL;
	*ret = r ? stmt_take_text(&q, 2) : NULL;
	return 0;
}

int history_state(struct db *db, enum history_kind kind, int64_t id, char **ret, struct err *err)
{
	CLEANUP(free) char *subject = NULL;

	return state(db, kind, id, &subject, ret, err);
}

/* ---- the chain ---- */

/* Columns of a row in the order in which they are hashed and stored. */
#define ROW_COLUMNS                                                                              \
	"seq, time, verb, act, subject, kind, row, reason, uid, sudo_user, host, before, after," \
	" hash"
#define ROW_HASHED 13

/* The hash of the row that Q stands on, after the row whose hash is PREV. */
static void row_hash(struct stmt *q, const char *prev, char ret[static DIGEST_HEX])
{
	CLEANUP(digest_free) struct digest *d = digest_new();

	digest_text(d, prev);
	for (int i = 0; i < ROW_HASHED; i++)
		digest_text(d, stmt_get_text(q, i));
	digest_hex(d, ret);
}

static void seal_text(int64_t seq, const char *hash, char ret[static DIGEST_HEX])
{
	CLEANUP(digest_free) struct digest *d = digest_new();

	digest_text(d, "xenblacklist history seal 1");
	digest_u64(d, (uint64_t)seq);
	digest_text(d, hash);
	digest_hex(d, ret);
}

static int head(struct db *db, int64_t *ret_seq, char ret_hash[static DIGEST_HEX], struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	int r = stmt_begin(&q, db, "SELECT seq, hash FROM history ORDER BY seq DESC LIMIT 1", err);

	if (r < 0 || (r = stmt_step(&q, err)) < 0)
		return r;
	*ret_seq = r ? stmt_get_int(&q, 0) : 0;
	snprintf(ret_hash, DIGEST_HEX, "%s", r ? stmt_get_text(&q, 1) : "");
	return 0;
}

int history_seal(struct db *db, struct err *err)
{
	char hash[DIGEST_HEX], seal[DIGEST_HEX];
	int64_t seq;
	int r = head(db, &seq, hash, err);

	if (r < 0)
		return r;
	seal_text(seq, hash, seal);
	return db_meta_set(db, SEAL_KEY, seal, err);
}

struct change {
	const char *act, *subject;
	const char *kind; /* NULL: of no row */
	int64_t row;
	const char *before, *after;
};

static void bind_row(struct stmt *q, struct db *db, int64_t seq, const struct change *c,
		     const char *host, const char *sudo_user)
{
	const struct actor *a = db_actor(db);

	stmt_int(q, 1, seq);
	stmt_int(q, 2, db_now(db));
	stmt_text(q, 3, a->verb);
	stmt_text(q, 4, c->act);
	stmt_text(q, 5, c->subject);
	stmt_text(q, 6, c->kind);
	stmt_time(q, 7, c->kind ? c->row : TIME_NONE);
	stmt_text(q, 8, a->reason);
	stmt_int(q, 9, (int64_t)getuid());
	stmt_text(q, 10, sudo_user);
	stmt_text(q, 11, host);
	stmt_text(q, 12, c->before);
	stmt_text(q, 13, c->after);
}

static int append(struct db *db, const struct change *c, struct err *err)
{
	CLEANUP_STMT struct stmt echo = STMT_INIT;
	CLEANUP_STMT struct stmt q = STMT_INIT;
	CLEANUP(free) char *sudo_user = NULL;
	char host[256] = "", prev[DIGEST_HEX], hash[DIGEST_HEX];
	const char *env = getenv("SUDO_USER");
	int64_t seq;
	int r;

	if (!db_in_transaction(db))
		return err_set(err, ERR_INTERNAL, "a change outside of a transaction");
	if ((r = head(db, &seq, prev, err)) < 0)
		return r;
	if (seq == 0)
		snprintf(prev, sizeof(prev), "%s", GENESIS);
	if (gethostname(host, sizeof(host) - 1) != 0 || !utf8_valid(host, strlen(host)))
		snprintf(host, sizeof(host), "unknown");
	if (env && strlen(env) <= 256)
		sudo_user = escape_text(env);
	/* Hashed as SQLite spells the columns, so that the walk later sees the same text. */
	r = stmt_begin(&echo, db, "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13",
		       err);
	if (r < 0)
		return r;
	bind_row(&echo, db, seq + 1, c, host, sudo_user);
	if ((r = stmt_step(&echo, err)) < 0)
		return r;
	row_hash(&echo, prev, hash);
	r = stmt_begin(&q, db,
		       "INSERT INTO history (" ROW_COLUMNS ") VALUES"
		       " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
		       err);
	if (r < 0)
		return r;
	bind_row(&q, db, seq + 1, c, host, sudo_user);
	stmt_text(&q, 14, hash);
	if ((r = stmt_run(&q, err)) < 0)
		return r;
	db_mark_recorded(db);
	return 0;
}

int history_add(struct db *db, const char *act, const char *subject, const char *before,
		const char *after, struct err *err)
{
	struct change c = { .act = act, .subject = subject, .before = before, .after = after };

	return append(db, &c, err);
}

int history_change(struct db *db, enum history_kind kind, int64_t id, const char *act,
		   const char *before, struct err *err)
{
	CLEANUP(free) char *subject = NULL;
	CLEANUP(free) char *after = NULL;
	struct change c = { .act = act, .kind = kinds[kind].name, .row = id, .before = before };
	int r = state(db, kind, id, &subject, &after, err);

	if (r < 0 || (before && after && strcmp(before, after) == 0))
		return r;
	if (!before && !after)
		return err_set(err, ERR_INTERNAL, "a change of a row that never was");
	if (!subject) {
		CLEANUP_STMT struct stmt q = STMT_INIT;

		r = stmt_begin(&q, db,
			       "SELECT subject FROM history WHERE kind = ?1 AND row = ?2 "
			       "ORDER BY seq DESC LIMIT 1",
			       err);
		if (r < 0)
			return r;
		stmt_text(&q, 1, c.kind);
		stmt_int(&q, 2, id);
		if ((r = stmt_step(&q, err)) < 0)
			return r;
		subject = r ? stmt_take_text(&q, 0) : xstrdup(c.kind);
	}
	c.subject = subject;
	c.after = after;
	return append(db, &c, err);
}

int history_chain(struct db *db, void (*found)(void *ctx, int64_t seq, const char *what), void *ctx,
		  struct err *err)
{
	CLEANUP_STMT struct stmt q = STMT_INIT;
	CLEANUP(free) char *seal = NULL;
	char prev[DIGEST_HEX] = GENESIS, want[DIGEST_HEX];
	int64_t seq = 0;
	DB_TX tx = { 0 };
	int r;

	if ((r = db_snapshot(db, &tx, err)) < 0 ||
	    (r = stmt_begin(&q, db, "SELECT " ROW_COLUMNS " FROM history ORDER BY seq", err)) < 0)
		return r;
	while ((r = stmt_step(&q, err)) > 0) {
		int64_t here = stmt_get_int(&q, 0);
		const char *hash = stmt_get_text(&q, ROW_HASHED);
		bool gap = here != seq + 1;

		if (gap) {
			CLEANUP(free)
			char *what = xasprintf("rows %" PRId64 " to %" PRId64 " are missing",
					       seq + 1, here - 1);

			found(ctx, here, what);
		}
		row_hash(&q, prev, want);
		if (!gap && strcmp(hash ? hash : "", want) != 0)
			found(ctx, here,
			      "the row was edited, inserted or moved: its hash does not follow from the row before");
		snprintf(prev, sizeof(prev), "%s", hash ? hash : "");
		seq = here;
	}
	if (r < 0 || (r = db_meta_get(db, SEAL_KEY, &seal, err)) < 0)
		return r;
	if (seq == 0)
		prev[0] = '\0';
	seal_text(seq, prev, want);
	if (!seal || strcmp(seal, want) != 0)
		found(ctx, seq,
		      "the seal over the last row does not fit: rows were cut off, added or edited at the end");
	return 0;
}

/* ---- rows against their last recorded state ---- */

/* Calls EACH for every row that is not what the history says of it. */
static int walk(struct db *db, enum history_kind kind,
		void (*each)(void *ctx, int64_t id, int64_t seq, const char *subject,
			     const char *recorded, const char *now),
		void *ctx, struct err *err)
{
	CLEANUP_STMT struct stmt last = STMT_INIT;
	CLEANUP_STMT struct stmt live = STMT_INIT;
	int a, b, r;

	/* max() picks the row that the bare columns come from. */
	r = stmt_begin(&last, db,
		       "SELECT row, subject, after, max(seq) FROM history WHERE kind = ?1 "
		       "GROUP BY row ORDER BY row",
		       err);
	if (r < 0 || (r = stmt_begin(&live, db, kinds[kind].all, err)) < 0)
		return r;
	stmt_text(&last, 1, kinds[kind].name);
	if ((a = stmt_step(&last, err)) < 0 || (b = stmt_step(&live, err)) < 0)
		return a < 0 ? a : b;
	while (a > 0 || b > 0) {
		int64_t ia = a > 0 ? stmt_get_int(&last, 0) : INT64_MAX;
		int64_t ib = b > 0 ? stmt_get_int(&live, 0) : INT64_MAX;
		bool use_a = a > 0 && ia <= ib, use_b = b > 0 && ib <= ia;
		const char *recorded = use_a ? stmt_get_text(&last, 2) : NULL;
		const char *now = use_b ? stmt_get_text(&live, 2) : NULL;
		const char *subject = use_b ? stmt_get_text(&live, 1) : stmt_get_text(&last, 1);

		if (strcmp(recorded ? recorded : "", now ? now : "") != 0)
			each(ctx, use_a ? ia : ib, use_a ? stmt_get_int(&last, 3) : 0, subject,
			     recorded, now);
		if ((use_a && (a = stmt_step(&last, err)) < 0) ||
		    (use_b && (b = stmt_step(&live, err)) < 0))
			return a < 0 ? a : b;
	}
	return 0;
}

struct comparison {
	void (*found)(void *ctx, int64_t seq, const char *what);
	void *ctx;
};

static void tell(void *ctx, int64_t id, int64_t seq, const char *subject, const char *recorded,
		 const char *now)
{
	const struct comparison *c = ctx;
	CLEANUP(free)
	char *what = xasprintf("%s: %s without a record in the history", subject,
			       !recorded ? "added"
			       : !now	 ? "removed"
					 : "changed");

	(void)id;
	c->found(c->ctx, seq, what);
}

int history_compare(struct db *db, void (*found)(void *ctx, int64_t seq, const char *what),
		    void *ctx, struct err *err)
{
	struct comparison c = { found, ctx };
	DB_TX tx = { 0 };
	int r = db_snapshot(db, &tx, err);

	for (size_t k = 0; r == 0 && k < HISTORY_KINDS; k++)
		r = walk(db, (enum history_kind)k, tell, &c, err);
	return r;
}

int history_verify(struct db *db, void (*found)(void *ctx, int64_t seq, const char *what),
		   void *ctx, struct err *err)
{
	DB_TX tx = { 0 };
	int r = db_snapshot(db, &tx, err);

	if (r < 0 || (r = history_chain(db, found, ctx, err)) < 0)
		return r;
	return history_compare(db, found, ctx, err);
}

struct todo {
	struct {
		int64_t id;
		char *before;
	} * row;
	size_t n, cap;
};

static void collect(void *ctx, int64_t id, int64_t seq, const char *subject, const char *recorded,
		    const char *now)
{
	struct todo *t = ctx;

	(void)seq;
	(void)subject;
	(void)now;
	GROW(t->row, t->n, t->cap);
	t->row[t->n].id = id;
	t->row[t->n++].before = recorded ? xstrdup(recorded) : NULL;
}

int history_adopt(struct db *db, const char *act, struct err *err)
{
	int r = 0;

	for (size_t k = 0; r == 0 && k < HISTORY_KINDS; k++) {
		struct todo t = { 0 };

		r = walk(db, (enum history_kind)k, collect, &t, err);
		for (size_t i = 0; i < t.n; i++) {
			if (r == 0)
				r = history_change(db, (enum history_kind)k, t.row[i].id, act,
						   t.row[i].before, err);
			free(t.row[i].before);
		}
		free(t.row);
	}
	return r;
}

/* ---- reading ---- */

void history_rows_free(struct history_rows *rows)
{
	if (!rows)
		return;
	for (size_t i = 0; i < rows->n; i++) {
		struct history_row *h = &rows->row[i];

		free(h->verb);
		free(h->act);
		free(h->subject);
		free(h->reason);
		free(h->sudo_user);
		free(h->host);
		free(h->before);
		free(h->after);
		free(h->hash);
		free(h->owner);
	}
	free(rows->row);
	free(rows);
}

static char *text_or_null(struct stmt *q, int col)
{
	return stmt_get_text(q, col) ? stmt_take_text(q, col) : NULL;
}

/* A row that somebody has edited is listed, too. */
#define EXCEPTION_MEMBER(name)                                                 \
	"CASE WHEN kind = 'exception' AND json_valid(coalesce(after, before))" \
	" THEN json_extract(coalesce(after, before), '$." name "') END"
#define LISTED_COLUMNS ROW_COLUMNS ", " EXCEPTION_MEMBER("owner") ", " EXCEPTION_MEMBER("expires")

int history_list(struct db *db, int64_t since, const char *subject, struct history_rows **ret,
		 struct err *err)
{
	CLEANUP(history_rows_free) struct history_rows *rows = xcalloc(1, sizeof(*rows));
	CLEANUP_STMT struct stmt q = STMT_INIT;
	size_t cap = 0;
	int r = stmt_begin(&q, db,
			   "SELECT " LISTED_COLUMNS " FROM history "
			   "WHERE (?1 IS NULL OR time >= ?1) "
			   "AND (?2 IS NULL OR subject = ?2) ORDER BY seq",
			   err);

	if (r < 0)
		return r;
	stmt_time(&q, 1, since);
	stmt_text(&q, 2, subject);
	while ((r = stmt_step(&q, err)) > 0) {
		GROW(rows->row, rows->n, cap);
		rows->row[rows->n++] = (struct history_row){
			.seq = stmt_get_int(&q, 0),
			.time = stmt_get_int(&q, 1),
			.verb = stmt_take_text(&q, 2),
			.act = stmt_take_text(&q, 3),
			.subject = stmt_take_text(&q, 4),
			.reason = stmt_take_text(&q, 7),
			.uid = stmt_get_int(&q, 8),
			.sudo_user = stmt_take_text(&q, 9),
			.host = stmt_take_text(&q, 10),
			.before = text_or_null(&q, 11),
			.after = text_or_null(&q, 12),
			.hash = stmt_take_text(&q, 13),
			.owner = text_or_null(&q, 14),
			.expires = stmt_get_time(&q, 15),
		};
	}
	if (r < 0)
		return r;
	*ret = TAKE(rows);
	return 0;
}
