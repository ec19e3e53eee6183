/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories, shorthand assertions and a tamperer for the registry's unit tests. */
#include "tests/unit.h"

#include <string.h>

#include <sqlite3.h>

#include "registry/digest.h"
#include "tests/registry.h"

const struct actor test_actor = { .verb = "test", .reason = "a test" };

static char text[4096];

int registry_setup(void **state)
{
	char dir[] = "/tmp/xb-registry.XXXXXX";

	if (!mkdtemp(dir))
		return -1;
	*state = xasprintf("%s/registry.db", dir);
	return 0;
}

int registry_teardown(void **state)
{
	char *path = *state, *slash = strrchr(path, '/');
	CLEANUP(free) char *command = NULL;

	*slash = '\0';
	command = xasprintf("chmod -R u+w '%s' && rm -rf '%s'", path, path);
	free(path);
	return system(command) == 0 ? 0 : -1;
}

void ok(int r, const struct err *err)
{
	if (r < 0)
		fail_msg("failed with %d: %s", r, err->msg);
}

void fails(int r, enum err_kind kind, const char *what, const struct err *err)
{
	if (r != -(int)kind)
		fail_msg("returned %d, not %d: %s", r, -(int)kind, r < 0 ? err->msg : "");
	if (!strstr(err->msg, what))
		fail_msg("'%s' does not say '%s'", err->msg, what);
}

struct db *registry_open(const char *path)
{
	struct err err = { 0 };
	struct db *db = NULL;

	ok(db_open(path, DB_WRITE, &test_actor, 1000, &db, &err), &err);
	return db;
}

static void found(void *ctx, const char *what)
{
	size_t used = strlen(text);

	++*(size_t *)ctx;
	snprintf(text + used, sizeof(text) - used, "%s\n", what);
}

size_t findings(struct db *db)
{
	struct err err = { 0 };
	size_t n = 0;

	text[0] = '\0';
	ok(db_integrity(db, found, &n, &err), &err);
	return n;
}

const char *findings_text(void)
{
	return text;
}

void tamper(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("'%s': %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

char *file_digest(const char *path)
{
	CLEANUP(digest_free) struct digest *d = digest_new();
	CLEANUP(close_file) FILE *f = fopen(path, "r");
	char *hex = xcalloc(1, DIGEST_HEX), buf[4096];
	size_t n;

	assert_non_null(f);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		digest_bytes(d, buf, n);
	digest_hex(d, hex);
	return hex;
}
