/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_SCHEMA_H
#define REGISTRY_SCHEMA_H

/* data/schema/NNN-*.sql and data/seed.sql as text; schema-sql.c is made by the Makefile. */
#include <stddef.h>

extern const char *const schema_steps[]; /* step 0 makes schema 1, and so on */
extern const size_t schema_n_steps;
extern const char schema_seed[];

#endif
