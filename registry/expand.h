/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_EXPAND_H
#define REGISTRY_EXPAND_H

/*
 * A range of versions turned into pieces of builds without enumerating what can be counted.
 * Only builds-parse.c needs it.
 */
#include "registry/builds.h"

struct expansion {
	struct builds_piece *piece;
	size_t n, cap;
	unsigned stopped; /* bit per field (order of the scan) that stopped at its nominal width */
};
void expansion_free(struct expansion *x);
DEFINE_CLEANUP(struct expansion *, expansion_free)

/*
 * Adds the builds of all versions from FIRST to LAST (values as encoding_read() gives them, FIRST
 * not after LAST) to X. ERR_REFUSED/BUDGET: more than BUILDS_EXPAND_MAX pieces.
 */
int expand_versions(const struct encoding *e, const uint32_t first[static ENCODING_FIELDS_MAX],
		    const uint32_t last[static ENCODING_FIELDS_MAX], struct expansion *x,
		    struct err *err);

#endif
