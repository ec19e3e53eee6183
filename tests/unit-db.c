/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The registry file: creation, opening what is no registry, transactions, tampering. */
#include "tests/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <sqlite3.h>

#include "registry/acceptance.h"
#include "registry/connection.h"
#include "registry/db.h"
#include "registry/digest.h"
#include "registry/entry.h"
#include "registry/history.h"
#include "registry/stmt.h"
#include "tests/registry.h"

#define NOBODY 65534

static void created_with_seed(void **state)
{
	CLEANUP(db_close) struct db *db = NULL;
	CLEANUP(history_rows_free) struct history_rows *rows = NULL;
	struct err err = { 0 };
	struct stat st;
	uint64_t generation = 0;
	char *path = *state;
	mode_t mask = umask(077);

	ok(db_open(path, DB_WRITE, &test_actor, 1000, &db, &err), &err);
	umask(mask);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	ok(db_generation(db, &generation, &err), &err);
	assert_int_equal(generation, 1);
	ok(history_list(db, TIME_NONE, NULL, &rows, &err), &err);
	assert_true(rows->n > 10);
	for (size_t i = 0; i < rows->n; i++) {
		assert_string_equal(rows->row[i].act, "create");
		assert_string_equal(rows->row[i].reason, "");
		assert_int_equal(rows->row[i].time, 1000);
		assert_null(rows->row[i].before);
		assert_non_null(rows->row[i].after);
	}
	assert_int_equal(findings(db), 0);
}

static void created_in_a_new_directory(void **state)
{
	CLEANUP(free) char *path = xasprintf("%s.d/registry.db", (char *)*state);
	CLEANUP(free) char *deep = xasprintf("%s.d/no/such/registry.db", (char *)*state);
	CLEANUP(db_close) struct db *db = NULL;
	struct err err = { 0 };

	ok(db_open(path, DB_READ, NULL, 1000, &db, &err), &err);
	assert_int_equal(findings(db), 0);
	db_close(TAKE(db));
	fails(db_open(deep, DB_WRITE, NULL, 1000, &db, &err), ERR_CREATE, "cannot create", &err);
	fails(db_open(deep, DB_READ, NULL, 1000, &db, &err), ERR_NOT_FOUND, "no registry", &err);
	fails(db_open("", DB_READ, NULL, 1000, &db, &err), ERR_USAGE, "empty", &err);
}

static size_t files_beside(const char *path)
{
	CLEANUP(free) char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	DIR *d = opendir(dir);
	const struct dirent *e;
	size_t n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.' || (e->d_name[1] && e->d_name[1] != '.');
	closedir(d);
	return n;
}

static void created_by_many_at_once(void **state)
{
	int start[2], status;
	const char *path = *state;
	pid_t pid[20];

	assert_int_equal(pipe(start), 0);
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			struct err err = { 0 };
			struct db *db = NULL;
			char go;

			close(start[1]);
			if (read(start[0], &go, 1) != 0)
				_exit(2);
			_exit(db_open(path, i % 2 ? DB_READ : DB_WRITE, NULL, 1000, &db, &err) < 0);
		}
	}
	close(start[0]);
	close(start[1]);
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(files_beside(path), 1);
}

static void write_file(const char *path, const char *bytes, size_t n)
{
	CLEANUP(close_file) FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
}

static void what_is_no_registry(void **state)
{
	static const char garbage[] = "# not a database, but long enough to be looked at as one "
				      "----------------------------------------------------------";
	char *path = *state;
	CLEANUP(free) char *target = xasprintf("%s.target", path);
	CLEANUP(db_close) struct db *db = NULL;
	CLEANUP(free) char *before = NULL;
	CLEANUP(free) char *after = NULL;
	struct err err = { 0 };

	assert_int_equal(mkdir(path, 0755), 0);
	fails(db_open(path, DB_WRITE, NULL, 0, &db, &err), ERR_INVALID, "not a regular file", &err);
	assert_int_equal(rmdir(path), 0);

	write_file(path, "", 0);
	fails(db_open(path, DB_WRITE, NULL, 0, &db, &err), ERR_INVALID, "empty file", &err);
	fails(db_open(path, DB_READ, NULL, 0, &db, &err), ERR_INVALID, "empty file", &err);

	write_file(path, garbage, sizeof(garbage));
	before = file_digest(path);
	fails(db_open(path, DB_WRITE, NULL, 0, &db, &err), ERR_INVALID, "not a registry", &err);
	fails(db_open(path, DB_READ, NULL, 0, &db, &err), ERR_INVALID, "not a registry", &err);
	after = file_digest(path);
	assert_string_equal(before, after);
	unlink(path);

	tamper(path, "CREATE TABLE t (a)");
	fails(db_open(path, DB_WRITE, NULL, 0, &db, &err), ERR_INVALID, "not a registry", &err);
	unlink(path);

	assert_int_equal(symlink(target, path), 0);
	fails(db_open(path, DB_WRITE, NULL, 0, &db, &err), ERR_NOT_FOUND, "leads nowhere", &err);
	if (geteuid() == 0) {
		assert_int_equal(lchown(path, NOBODY, NOBODY), 0);
		fails(db_open(path, DB_WRITE, NULL, 0, &db, &err), ERR_DENIED, "another user",
		      &err);
	}
	assert_int_equal(access(target, F_OK), -1);
	unlink(path);

	assert_int_equal(mkfifo(path, 0600), 0);
	fails(db_open(path, DB_READ, NULL, 0, &db, &err), ERR_INVALID, "not a regular file", &err);
	unlink(path);

	/* A link of our own to a registry is fine. */
	db_close(registry_open(target));
	assert_int_equal(symlink(target, path), 0);
	ok(db_open(path, DB_WRITE, NULL, 0, &db, &err), &err);
	db_close(TAKE(db));
	unlink(path);

	ok(rename(target, path), &err);
	tamper(path, "PRAGMA user_version = 99");
	fails(db_open(path, DB_WRITE, NULL, 0, &db, &err), ERR_INVALID, "newer program", &err);
	fails(db_open(path, DB_READ, NULL, 0, &db, &err), ERR_INVALID, "schema 99", &err);
}

static void truncated(void **state)
{
	char *path = *state;
	struct stat st;

	db_close(registry_open(path));
	assert_int_equal(stat(path, &st), 0);
	for (off_t n = st.st_size - 1; n > 0; n -= 4096 + 100) {
		CLEANUP(db_close) struct db *db = NULL;
		struct err err = { 0 };
		int r;

		assert_int_equal(truncate(path, n), 0);
		r = db_open(path, DB_READ, NULL, 0, &db, &err);
		if (r == 0) {
			/* The damage is deeper than what opening reads. */
			if (n < st.st_size - 4096)
				assert_true(findings(db) > 0);
		} else {
			assert_int_equal(r, -ERR_INVALID);
		}
	}
}

/* Runs BODY(path) as an unprivileged user; true when it says so. */
static bool as_nobody(bool (*body)(const char *path), const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
			_exit(2);
		_exit(body(path) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static bool reads_and_cannot_write(const char *path)
{
	CLEANUP(db_close) struct db *db = NULL;
	struct err err = { 0 };
	char *value = NULL;

	if (db_open(path, DB_READ, NULL, 1000, &db, &err) < 0 || findings(db) != 0 ||
	    db_meta_set(db, "a", "b", &err) != -ERR_DENIED ||
	    db_meta_get(db, "a", &value, &err) < 0 || value)
		return false;
	db_close(TAKE(db));
	return db_open(path, DB_WRITE, NULL, 1000, &db, &err) == -ERR_DENIED;
}

static bool finds_none(const char *path)
{
	struct db *db = NULL;
	struct err err = { 0 };

	return db_open(path, DB_READ, NULL, 1000, &db, &err) == -ERR_NOT_FOUND &&
	       db_open(path, DB_WRITE, NULL, 1000, &db, &err) == -ERR_DENIED;
}

static void unprivileged_reader(void **state)
{
	char *path = *state;
	CLEANUP(free) char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));

	assert_int_equal(chmod(dir, 0555), 0);
	assert_true(as_nobody(finds_none, path));
	assert_int_equal(chmod(dir, 0755), 0);
	db_close(registry_open(path));
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(chmod(dir, 0555), 0);
	assert_true(as_nobody(reads_and_cannot_write, path));
}

static bool cannot_repair(const char *path)
{
	struct db *db = NULL;
	struct err err = { 0 };

	return db_open(path, DB_READ, NULL, 1000, &db, &err) == -ERR_DENIED &&
	       strstr(err.msg, "was interrupted");
}

static void interrupted_write(void **state)
{
	char *path = *state;
	CLEANUP(free) char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	CLEANUP(free) char *journal = xasprintf("%s-journal", path);
	CLEANUP(db_close) struct db *db = NULL;
	struct err err = { 0 };
	char *value = NULL;
	int status;
	pid_t pid;

	db_close(registry_open(path));
	pid = fork();
	if (pid == 0) {
		struct db *mine = registry_open(path);

		/* A cache of two pages: the change reaches the file before the commit. */
		sqlite3_exec(
			mine->sqlite,
			"PRAGMA cache_size = 2; BEGIN IMMEDIATE;"
			"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 999)"
			"INSERT INTO meta SELECT 'torn' || i, hex(zeroblob(100)) FROM n",
			NULL, NULL, NULL);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(access(journal, F_OK), 0);
	assert_int_equal(chmod(journal, 0444), 0);
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(chmod(dir, 0555), 0);
	assert_true(as_nobody(cannot_repair, path));
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chmod(journal, 0644), 0);
	ok(db_open(path, DB_READ, NULL, 1000, &db, &err), &err);
	ok(db_meta_get(db, "torn1", &value, &err), &err);
	assert_null(value);
	assert_int_equal(findings(db), 0);
	fails(db_meta_set(db, "a", "b", &err), ERR_DENIED, "", &err);
	assert_int_equal(access(journal, F_OK), -1);
}

static void transactions(void **state)
{
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(db_close) struct db *reader = NULL;
	CLEANUP(free) char *value = NULL;
	CLEANUP(free) char *before = file_digest(*state);
	CLEANUP(free) char *after = NULL;
	struct err err = { 0 };
	uint64_t generation = 0;

	{
		DB_TX tx = { 0 };
		DB_TX second = { 0 };

		ok(db_begin(db, &tx, &err), &err);
		fails(db_begin(db, &second, &err), ERR_INTERNAL, "nest", &err);
		ok(history_add(db, "test", "x", NULL, "{}", &err), &err);
		ok(db_meta_set(db, "k", "v", &err), &err);
	}
	after = file_digest(*state);
	assert_string_equal(before, after);
	ok(db_meta_get(db, "k", &value, &err), &err);
	assert_null(value);
	fails(history_add(db, "test", "x", NULL, "{}", &err), ERR_INTERNAL, "outside", &err);

	ok(db_meta_set(db, "k", "v", &err), &err);
	ok(db_generation(db, &generation, &err), &err);
	assert_int_equal(generation, 1);
	{
		DB_TX tx = { 0 };

		ok(db_begin(db, &tx, &err), &err);
		ok(history_add(db, "test", "x", NULL, "{}", &err), &err);
		ok(db_commit(&tx, &err), &err);
	}
	ok(db_generation(db, &generation, &err), &err);
	assert_int_equal(generation, 2);
	assert_int_equal(findings(db), 0);

	ok(db_open(*state, DB_READ, NULL, 1000, &reader, &err), &err);
	{
		DB_TX tx = { 0 };

		fails(db_begin(reader, &tx, &err), ERR_INTERNAL, "for reading", &err);
	}
}

static void locked(void **state)
{
	CLEANUP(db_close) struct db *a = registry_open(*state);
	CLEANUP(db_close) struct db *b = registry_open(*state);
	struct err err = { 0 };
	DB_TX first = { 0 };
	DB_TX second = { 0 };

	b->busy_ms = 20;
	ok(db_begin(a, &first, &err), &err);
	fails(db_begin(b, &second, &err), ERR_BUSY, "locked by another process", &err);
	assert_int_equal(err.refusal, REFUSAL_LOCKED);
	db_tx_end(&first);
	ok(db_begin(b, &second, &err), &err);
}

static void bad_reasons(void **state)
{
	static const char *const bad[] = { "a\nb", "\x1b[31m", "\xff", "\xe2\x80\xae", "\x7f" };

	db_close(registry_open(*state));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct actor actor = { .verb = "test", .reason = bad[i] };
		CLEANUP(db_close) struct db *db = NULL;
		struct err err = { 0 };
		DB_TX tx = { 0 };

		ok(db_open(*state, DB_WRITE, &actor, 1000, &db, &err), &err);
		fails(db_begin(db, &tx, &err), ERR_INVALID, "the reason", &err);
	}
}

static void count(void *ctx, int64_t seq, const char *what)
{
	assert_true(seq >= 0);
	assert_non_null(what);
	++*(size_t *)ctx;
}

#define FREE_HISTORY \
	"DROP TRIGGER history_kept; DROP TRIGGER history_unchanged; DROP TRIGGER history_in_order;"

static void tampering(void **state)
{
	static const struct {
		const char *sql, *finding;
	} cases[] = {
		{ "UPDATE product SET vendor = 'x' WHERE number = 1", "product 1: changed" },
		{ "UPDATE product_encoding SET user = 'x' WHERE product_id = 3",
		  "product 3: changed" },
		{ "DELETE FROM product_encoding WHERE product_id = 7", "product 65535: changed" },
		{ "UPDATE encoding SET expression = '2' WHERE name = 'const:1'",
		  "encoding const:1: changed" },
		{ "DELETE FROM reservation", "reservation 100-299: removed" },
		{ "INSERT INTO reservation VALUES (9, 7, 8, 'closed', 'local', 'x', 0)",
		  "reservation 7-8: added" },
		{ "INSERT INTO entry VALUES (1, 'evil', 'local', 3, '1', 'enforce', 'nodes', 1, 'x', NULL, NULL, 0)",
		  "entry evil: added" },
		{ "INSERT INTO exception VALUES (1, 'evil', 3, '1', 'x', 'x', NULL, 0)",
		  "exception evil: added" },
		{ "DROP TRIGGER product_is_kept", "schema: trigger product_is_kept is missing" },
		{ "DROP TRIGGER product_is_kept; CREATE TRIGGER product_is_kept BEFORE DELETE ON product BEGIN SELECT 1; END",
		  "schema: trigger product_is_kept was changed" },
		{ "DROP INDEX product_number", "schema: index product_number is missing" },
		{ "CREATE TABLE mine (a)", "schema: table mine is not of this program" },
		{ "DROP TRIGGER product_is_kept; PRAGMA foreign_keys = OFF; DELETE FROM product WHERE id = 6",
		  "product 205: removed" },
		{ FREE_HISTORY "UPDATE history SET reason = 'x' WHERE seq = 3",
		  "history 3: the row was edited" },
		{ FREE_HISTORY "UPDATE history SET time = 5 WHERE seq = 4", "history 4: the row" },
		{ FREE_HISTORY "UPDATE history SET after = NULL WHERE seq = 1",
		  "history 1: the row" },
		{ FREE_HISTORY "UPDATE history SET hash = upper(hash) WHERE seq = 2",
		  "history 2: the row" },
		{ FREE_HISTORY "DELETE FROM history WHERE seq = 5",
		  "history 6: rows 5 to 5 are missing" },
		{ FREE_HISTORY
		  "DELETE FROM history WHERE seq = 5; UPDATE history SET seq = seq - 1 WHERE seq > 5",
		  "history 5: the row" },
		{ FREE_HISTORY "DELETE FROM history WHERE seq = (SELECT max(seq) FROM history)",
		  "the seal over the last row" },
		{ FREE_HISTORY "DELETE FROM history", "the seal over the last row" },
		{ FREE_HISTORY
		  "UPDATE history SET seq = 1000 WHERE seq = 2; UPDATE history SET seq = 2 WHERE seq = 3; UPDATE history SET seq = 3 WHERE seq = 1000",
		  "history 2: the row was edited, inserted or moved" },
		{ "INSERT INTO history SELECT max(seq) + 1, 1, 'v', 'a', 's', NULL, NULL, NULL, 0, NULL, 'h', NULL, NULL, hash FROM history",
		  "the seal over the last row" },
		{ "DELETE FROM meta WHERE key = 'history-seal'", "the seal over the last row" },
		{ "UPDATE meta SET value = 'x' WHERE key = 'history-seal'",
		  "the seal over the last row" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(db_close) struct db *db = registry_open(*state);

		db_close(TAKE(db));
		tamper(*state, cases[i].sql);
		db = registry_open(*state);
		assert_true(findings(db) > 0);
		if (!strstr(findings_text(), cases[i].finding))
			fail_msg("%s: '%s' does not say '%s'", cases[i].sql, findings_text(),
				 cases[i].finding);
		/* Without the schema, history_verify() sees the same. */
		if (strncmp(cases[i].finding, "schema", 6) != 0) {
			struct err err = { 0 };
			size_t n = 0;

			ok(history_verify(db, count, &n, &err), &err);
			assert_true(n > 0);
		}
		unlink(*state);
	}
}

/* An accepted entry in a new registry. */
static void make_accepted(const char *path)
{
	CLEANUP(db_close) struct db *db = registry_open(path);
	struct entry e = { .id = (char *)"E-1",
			   .origin = ORIGIN_LOCAL,
			   .product = 1,
			   .builds = (char *)"5",
			   .reason = (char *)"bad",
			   .not_before = TIME_NONE,
			   .expires = TIME_NONE };
	struct err err = { 0 };
	DB_TX tx = { 0 };

	ok(db_begin(db, &tx, &err), &err);
	ok(entry_add(db, &e, &err), &err);
	ok(acceptance_add(db, "E-1", &err), &err);
	ok(acceptance_add(db, "E-1", &err), &err);
	ok(db_commit(&tx, &err), &err);
	assert_int_equal(findings(db), 0);
}

static void tampered_acceptance(void **state)
{
	static const struct {
		const char *sql, *finding;
	} cases[] = {
		{ "DELETE FROM impact_accepted", "entry E-1: changed" },
		{ "UPDATE impact_accepted SET covers = 'x'", "entry E-1: changed" },
		{ "UPDATE impact_accepted SET accepted = 5", "entry E-1: changed" },
		{ "PRAGMA foreign_keys = OFF; UPDATE impact_accepted SET entry = 7",
		  "entry E-1: changed" },
		{ "PRAGMA foreign_keys = OFF; INSERT INTO impact_accepted VALUES (7, 'x', 1)",
		  "table impact_accepted, row 7" },
		{ "UPDATE entry SET builds = '6'; UPDATE impact_accepted SET covers = '3 enforce 6'",
		  "entry E-1: changed" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(db_close) struct db *db = NULL;

		make_accepted(*state);
		tamper(*state, cases[i].sql);
		db = registry_open(*state);
		assert_true(findings(db) > 0);
		if (!strstr(findings_text(), cases[i].finding))
			fail_msg("%s: '%s' does not say '%s'", cases[i].sql, findings_text(),
				 cases[i].finding);
		unlink(*state);
	}
}

/* One row for the acceptance; it goes with the entry, and the history knows. */
static void acceptance_in_the_history(void **state)
{
	CLEANUP(db_close) struct db *db = NULL;
	CLEANUP(history_rows_free) struct history_rows *rows = NULL;
	struct err err = { 0 };
	DB_TX tx = { 0 };

	make_accepted(*state);
	db = registry_open(*state);
	ok(db_begin(db, &tx, &err), &err);
	ok(entry_remove(db, "E-1", &err), &err);
	ok(db_commit(&tx, &err), &err);
	assert_int_equal(findings(db), 0);
	ok(history_list(db, TIME_NONE, "entry E-1", &rows, &err), &err);
	assert_int_equal(rows->n, 3);
	assert_string_equal(rows->row[1].act, "accept-impact");
	assert_string_equal(rows->row[1].before, rows->row[0].after);
	assert_non_null(strstr(rows->row[1].after, ",\"impact_accepted\":{\"covers\":\""));
	assert_string_equal(rows->row[2].before, rows->row[1].after);
	assert_null(rows->row[2].after);
}

/* What the tables themselves refuse, to anybody. */
static void schema_defends_itself(void **state)
{
	static const struct {
		const char *sql, *why;
	} cases[] = {
		{ "DELETE FROM history", "append-only" },
		{ "UPDATE history SET reason = 'x'", "append-only" },
		{ "INSERT INTO history SELECT 500, 1, 'v', 'a', 's', NULL, NULL, NULL, 0, NULL, 'h', NULL, NULL, hash FROM history LIMIT 1",
		  "grows at its end" },
		{ "REPLACE INTO history SELECT 1, 1, 'v', 'a', 's', NULL, NULL, NULL, 0, NULL, 'h', NULL, NULL, hash FROM history LIMIT 1",
		  "grows at its end" },
		{ "DELETE FROM product WHERE id = 1", "never deleted" },
		{ "UPDATE product SET number = 77 WHERE id = 1", "never changes" },
		{ "UPDATE product SET number = 70000 WHERE id = 1", "" },
		{ "UPDATE product SET node = 'a.b' WHERE id = 1", "CHECK" },
		{ "UPDATE product SET node = '_x' WHERE id = 1", "CHECK" },
		{ "UPDATE product SET node = 'a/b' WHERE id = 1", "CHECK" },
		{ "UPDATE product SET node = 'linux' WHERE id = 1", "UNIQUE" },
		{ "UPDATE product SET name = 'linux' WHERE id = 1", "UNIQUE" },
		{ "UPDATE product SET status = 'mine' WHERE id = 1", "CHECK" },
		{ "UPDATE product SET status = 'assigned' WHERE number = 65535", "CHECK" },
		{ "UPDATE product SET status = 'experimental' WHERE id = 1", "CHECK" },
		{ "UPDATE product SET conflict = 1, origin = 'upstream' WHERE id = 1", "CHECK" },
		{ "UPDATE product SET number = 'x' WHERE id = 1", "" },
		{ "UPDATE product SET status = 'retired' WHERE id = 1; UPDATE product SET status = 'assigned' WHERE id = 1",
		  "stays retired" },
		{ "UPDATE product SET status = 'retired' WHERE id = 1; UPDATE product SET name = 'y' WHERE id = 1",
		  "stays retired" },
		{ "INSERT INTO product VALUES (50, 0, 'z', 'z', 'assigned', 'local', '', '', '', NULL, 0, 0)",
		  "reserved range" },
		{ "INSERT INTO product VALUES (50, 3, 'z', 'z', 'assigned', 'local', '', '', '', NULL, 0, 0)",
		  "UNIQUE" },
		{ "INSERT INTO product VALUES (50, 9, 'z', 'z', 'provisional', 'local', '', '', '', NULL, 0, 0)",
		  "CHECK" },
		{ "INSERT INTO product_encoding VALUES (90, 3, 'raw', 255, 255, '')", "overlap" },
		{ "INSERT INTO product_encoding VALUES (90, 3, 'none', 1, 0, '')", "" },
		{ "DELETE FROM product_encoding; INSERT INTO product_encoding VALUES (90, 3, 'none', 0, 1, '')",
		  "no such encoding" },
		{ "DELETE FROM encoding WHERE name = 'raw'", "in use" },
		{ "INSERT INTO reservation VALUES (9, 3, 3, 'closed', 'local', 'x', 0)", "taken" },
		{ "INSERT INTO reservation VALUES (9, 0, 0, 'closed', 'local', 'x', 0)",
		  "overlap" },
		{ "UPDATE reservation SET last = 5", "does not change" },
		{ "INSERT INTO entry VALUES (1, 'a b', 'local', 3, '1', 'enforce', 'nodes', 1, 'x', NULL, NULL, 0)",
		  "CHECK" },
		{ "INSERT INTO entry VALUES (1, 'a', 'local', 3, '1', 'enforce', 'nodes', 1, '', NULL, NULL, 0)",
		  "CHECK" },
		{ "INSERT INTO entry VALUES (1, 'a', 'local', 3, '1', 'enforce', 'nodes', 1, 'x', 5, 5, 0)",
		  "CHECK" },
	};
	CLEANUP(db_close) struct db *db = registry_open(*state);
	CLEANUP(free) char *before = file_digest(*state);
	CLEANUP(free) char *after = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sqlite3_exec(db->sqlite, "BEGIN", NULL, NULL, NULL);
		if (sqlite3_exec(db->sqlite, cases[i].sql, NULL, NULL, NULL) == SQLITE_OK)
			fail_msg("'%s' was taken", cases[i].sql);
		if (!strstr(sqlite3_errmsg(db->sqlite), cases[i].why))
			fail_msg("'%s': '%s' does not say '%s'", cases[i].sql,
				 sqlite3_errmsg(db->sqlite), cases[i].why);
		sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
	}
	after = file_digest(*state);
	assert_string_equal(before, after);
}

static void statements_are_kept(void **state)
{
	static const char sql[] = "SELECT count(*) FROM meta WHERE key = ?1";
	CLEANUP(db_close) struct db *db = registry_open(*state);
	struct err err = { 0 };

	for (int i = 0; i < 3; i++) {
		CLEANUP_STMT struct stmt outer = STMT_INIT;
		CLEANUP_STMT struct stmt inner = STMT_INIT;

		ok(stmt_begin(&outer, db, sql, &err), &err);
		ok(stmt_begin(&inner, db, sql, &err), &err);
		assert_ptr_not_equal(outer.s, inner.s);
		stmt_text(&outer, 1, "generation");
		assert_int_equal(stmt_step(&outer, &err), 1);
		/* The binding of the last turn is gone. */
		assert_int_equal(stmt_step(&inner, &err), 1);
		assert_int_equal(stmt_get_int(&outer, 0), 1);
		assert_int_equal(stmt_get_int(&inner, 0), 0);
		stmt_text(&inner, 7, "no such parameter");
		fails(stmt_step(&inner, &err), ERR_INTERNAL, "", &err);
	}
}

static void digests(void **state)
{
	CLEANUP(digest_free) struct digest *a = digest_new();
	CLEANUP(digest_free) struct digest *b = digest_new();
	CLEANUP(digest_free) struct digest *c = digest_new();
	char ha[DIGEST_HEX], hb[DIGEST_HEX];

	(void)state;
	digest_bytes(c, "abc", 3);
	digest_hex(c, ha);
	/* b2sum -l 256 */
	assert_string_equal(ha, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
	digest_text(a, "ab");
	digest_text(a, "c");
	digest_text(b, "a");
	digest_text(b, "bc");
	digest_hex(a, ha);
	digest_hex(b, hb);
	assert_string_not_equal(ha, hb);
}

static const struct CMUnitTest tests[] = {
	registry_test(created_with_seed),
	registry_test(created_in_a_new_directory),
	registry_test(created_by_many_at_once),
	registry_test(what_is_no_registry),
	registry_test(truncated),
	registry_test(unprivileged_reader),
	registry_test(interrupted_write),
	registry_test(transactions),
	registry_test(locked),
	registry_test(bad_reasons),
	registry_test(tampering),
	registry_test(tampered_acceptance),
	registry_test(acceptance_in_the_history),
	registry_test(schema_defends_itself),
	registry_test(statements_are_kept),
	cmocka_unit_test(digests),
};

UNIT_MAIN(tests)
