/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_REGISTRY_H
#define TESTS_REGISTRY_H

/*
 * A fresh directory for each case, with the path of a registry that does not exist yet as state,
 * and what every registry test asks.
 */
#include "registry/db.h"

#define registry_test(f) cmocka_unit_test_setup_teardown(f, registry_setup, registry_teardown)
int registry_setup(void **state);
int registry_teardown(void **state);

extern const struct actor test_actor;

/* Fails with the message of ERR unless R is 0. */
void ok(int r, const struct err *err);
/* Fails unless R is -KIND and the message holds TEXT. */
void fails(int r, enum err_kind kind, const char *text, const struct err *err);

/* Opens for writing at time 1000. */
struct db *registry_open(const char *path);
/* Findings of db_integrity(): how many; the first, and all, by findings_text(). */
size_t findings(struct db *db);
const char *findings_text(void);
/* Runs SQL on the file as somebody with the stock sqlite3 tool would. */
void tamper(const char *path, const char *sql);
/* The file as one digest; the caller frees. */
char *file_digest(const char *path);

#endif
