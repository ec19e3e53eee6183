/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The registry file: creation, opening what is no registry, transactions, the history's chain. */
#include "tests/unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "registry/db.h"
#include "registry/history.h"
#include "tests/registry.h"

static void created_with_seed(void **state)
{
	CLEANUP(db_close) struct db *db = NULL;
	CLEANUP(history_rows_free) struct history_rows *rows = NULL;
	struct err err = { 0 };
	struct stat st;
	uint64_t generation = 0;
	char *path = *state;

	ok(db_open(path, DB_WRITE, &test_actor, 1000, &db, &err), &err);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	ok(db_generation(db, &generation, &err), &err);
	assert_int_equal(generation, 1);
	ok(history_list(db, TIME_NONE, NULL, &rows, &err), &err);
	assert_true(rows->n > 10);
	assert_string_equal(rows->row[0].act, "create");
	assert_int_equal(rows->row[0].time, 1000);
	assert_int_equal(findings(db), 0);
}

static const struct CMUnitTest tests[] = {
	registry_test(created_with_seed),
};

UNIT_MAIN(tests)
