/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_TABLE_STORE_H
#define TESTS_TABLE_STORE_H

/*
 * A xenstore for unit tests that is a table of paths and values, ended by NULL, read only. One
 * path may fail. The store argument of every call is ignored.
 */
#include "registry/base.h"
#include "sync/store.h"

struct table_node {
	const char *path, *value;
};

extern struct table_store {
	const struct table_node *node;
	const char *broken; /* reading or listing this one: ERR_UNREACHABLE, "no answer" */
	size_t reads;
} table_store;

#endif
