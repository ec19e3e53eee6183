/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Registries as older releases wrote them, kept under tests/data/registry/schema-N.db, opened by
 * this program. Each holds the same content: what content() looks for.
 */
#include "tests/unit.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "registry/acceptance.h"
#include "registry/blacklist.h"
#include "registry/history.h"
#include "registry/schema.h"
#include "registry/sighting.h"
#include "tests/registry.h"

#define SAVED_TIME 1763650000

static void copy_saved(size_t schema, const char *to)
{
	const char *srcdir = getenv("SRCDIR");
	CLEANUP(free)
	char *from =
		xasprintf("%s/tests/data/registry/schema-%zu.db", srcdir ? srcdir : ".", schema);
	CLEANUP(close_file) FILE *in = fopen(from, "r");
	CLEANUP(close_file) FILE *out = fopen(to, "w");
	char buf[4096];
	size_t n;

	if (!in || !out)
		fail_msg("cannot copy '%s'", from);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		assert_int_equal(fwrite(buf, 1, n, out), n);
	assert_int_equal(chmod(to, 0644), 0);
}

static void content(struct db *db)
{
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	CLEANUP(product_free) struct product *p = NULL;
	CLEANUP(entry_free) struct entry *e = NULL;
	CLEANUP(free) char *value = NULL;
	struct err err = { 0 };
	struct verdict v;

	ok(product_find(db, "saved.driver", &p, &err), &err);
	assert_int_equal(p->number, 6);
	assert_int_equal(p->status, STATUS_PROVISIONAL);
	assert_true(p->deadline == 1900000000);
	assert_string_equal(p->node, "saved-driver");
	assert_string_equal(p->vendor, "Saved Vendor");
	assert_int_equal(p->n_encodings, 1);
	assert_string_equal(p->encoding[0].encoding, "saved-encoding");
	ok(entry_find(db, "SAVED-1", &e, &err), &err);
	assert_int_equal(e->n_references, 2);
	assert_string_equal(e->references[1], "https://example.org/b");
	ok(db_meta_get(db, "saved-key", &value, &err), &err);
	assert_string_equal(value, "saved value");
	ok(blacklist_load(db, SAVED_TIME, &b, &err), &err);
	blacklist_verdict(b, 6, 0x104, &v);
	assert_true(v.blacklisted);
	blacklist_verdict(b, 6, 0x105, &v);
	assert_false(v.blacklisted);
	assert_string_equal(v.exception->id, "saved-exception");
	blacklist_verdict(b, 65535, 524800, &v);
	assert_string_equal(v.audit->id, "SAVED-2");
}

/* Schema 2 brought sightings. */
static void observations(struct db *db)
{
	CLEANUP(sightings_free) struct sightings *seen = NULL;
	struct err err = { 0 };

	ok(sighting_list(db, 6, "saved guest", &seen, &err), &err);
	assert_int_equal(seen->n, 1);
	assert_int_equal(seen->sighting[0]->build, 260);
	assert_int_equal(seen->sighting[0]->verdict, SIGHTING_ALLOWED);
	assert_int_equal(seen->sighting[0]->count, 3);
}

/* Schema 3 brought acceptances; schema 4 has them in the history. */
static void acceptance(struct db *db)
{
	CLEANUP(acceptances_free) struct acceptances *as = NULL;
	CLEANUP(history_rows_free) struct history_rows *rows = NULL;
	CLEANUP(entry_free) struct entry *e = NULL;
	struct err err = { 0 };

	ok(acceptance_list(db, &as, &err), &err);
	assert_int_equal(as->n, 1);
	ok(entry_find(db, "SAVED-3", &e, &err), &err);
	assert_true(acceptance_holds(as, e->row));
	ok(history_list(db, SAVED_TIME + 1, "entry SAVED-3", &rows, &err), &err);
	assert_int_equal(rows->n, 1);
	assert_string_equal(rows->row[0].act, "migrate");
	assert_null(strstr(rows->row[0].before, "impact_accepted"));
	assert_non_null(strstr(rows->row[0].after,
			       ",\"impact_accepted\":{\"covers\":\"8 enforce 0x200\","
			       "\"accepted\":1763650000}}"));
}

static void every_saved_schema(void **state)
{
	assert_true(schema_n_steps > 1);
	for (size_t schema = 1; schema < schema_n_steps; schema++) {
		CLEANUP(history_rows_free) struct history_rows *rows = NULL;
		CLEANUP(db_close) struct db *db = NULL;
		struct err err = { 0 };
		/* In schema 3 the acceptance was a change of its own. */
		uint64_t before = schema >= 3 ? 3 : 2, after = 0;

		copy_saved(schema, *state);
		ok(db_open(*state, DB_READ, &test_actor, SAVED_TIME + 1, &db, &err), &err);
		if (findings(db) != 0)
			fail_msg("schema %zu: %s", schema, findings_text());
		content(db);
		if (schema >= 2)
			observations(db);
		if (schema >= 3)
			acceptance(db);
		ok(db_generation(db, &after, &err), &err);
		assert_int_equal(after, before + 1);
		ok(history_list(db, SAVED_TIME + 1, "registry", &rows, &err), &err);
		assert_int_equal(rows->n, 1);
		assert_string_equal(rows->row[0].act, "migrate");
		db_close(TAKE(db));
		/* Once. */
		ok(db_open(*state, DB_WRITE, &test_actor, SAVED_TIME + 2, &db, &err), &err);
		ok(db_generation(db, &after, &err), &err);
		assert_int_equal(after, before + 1);
	}
}

static void migrated_by_many_at_once(void **state)
{
	CLEANUP(history_rows_free) struct history_rows *rows = NULL;
	CLEANUP(db_close) struct db *db = NULL;
	struct err err = { 0 };
	pid_t pid[20];
	int status;

	copy_saved(1, *state);
	fflush(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(db_open(*state, i % 2 ? DB_READ : DB_WRITE, &test_actor, SAVED_TIME,
				      &db, &err) < 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	ok(db_open(*state, DB_READ, NULL, SAVED_TIME, &db, &err), &err);
	ok(history_list(db, TIME_NONE, "registry", &rows, &err), &err);
	assert_int_equal(rows->n, 1);
	assert_int_equal(findings(db), 0);
}

static void not_by_a_reader(void **state)
{
	char *path = *state;
	CLEANUP(free) char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	int status;
	pid_t pid;

	copy_saved(1, path);
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(chmod(dir, 0555), 0);
	pid = fork();
	if (pid == 0) {
		struct err err = { 0 };
		struct db *db = NULL;

		if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(2);
		_exit(db_open(*state, DB_READ, NULL, SAVED_TIME, &db, &err) == -ERR_DENIED &&
				      strstr(err.msg, "older schema 1")
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Damage to the old file is not covered up by the migration. */
static void tampered_before(void **state)
{
	CLEANUP(db_close) struct db *db = NULL;
	struct err err = { 0 };

	copy_saved(1, *state);
	tamper(*state,
	       "UPDATE product SET vendor = 'x' WHERE number = 6;"
	       "DROP TRIGGER history_unchanged; UPDATE history SET reason = 'y' WHERE seq = 9");
	ok(db_open(*state, DB_WRITE, NULL, SAVED_TIME, &db, &err), &err);
	assert_true(findings(db) > 0);
	assert_non_null(strstr(findings_text(), "history 9: the row was edited"));
	assert_non_null(strstr(findings_text(), "product 6: changed"));
}

/* Only what the old history speaks of is taken over. */
static void acceptance_planted_before(void **state)
{
	static const struct {
		const char *sql, *finding;
	} cases[] = {
		{ "INSERT INTO impact_accepted SELECT row, product_id || ' ' || mode || ' ' || builds,"
		  " 1763650000 FROM entry WHERE id = 'SAVED-1'",
		  "entry SAVED-1: changed" },
		{ "UPDATE impact_accepted SET accepted = 1", "entry SAVED-3: changed" },
		{ "UPDATE impact_accepted SET covers = '8 enforce all'", "entry SAVED-3: changed" },
		{ "UPDATE entry SET builds = 'all' WHERE id = 'SAVED-3'",
		  "entry SAVED-3: changed" },
		{ "UPDATE entry SET builds = 'all' WHERE id = 'SAVED-3';"
		  "UPDATE impact_accepted SET covers = '8 enforce all'",
		  "entry SAVED-3: changed" },
		{ "DROP TRIGGER history_unchanged; UPDATE history SET after = '{' WHERE seq = 23",
		  "entry SAVED-3: changed" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(db_close) struct db *db = NULL;
		struct err err = { 0 };

		copy_saved(3, *state);
		tamper(*state, cases[i].sql);
		ok(db_open(*state, DB_WRITE, NULL, SAVED_TIME, &db, &err), &err);
		assert_true(findings(db) > 0);
		if (!strstr(findings_text(), cases[i].finding))
			fail_msg("%s: '%s'", cases[i].sql, findings_text());
	}
}

static const struct CMUnitTest tests[] = {
	registry_test(every_saved_schema),	  registry_test(migrated_by_many_at_once),
	registry_test(not_by_a_reader),		  registry_test(tampered_before),
	registry_test(acceptance_planted_before),
};

UNIT_MAIN(tests)
