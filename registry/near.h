/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_NEAR_H
#define REGISTRY_NEAR_H

/* "Did you mean ...?": the nearest of some names to a mistyped one. Pure. */
#include "registry/base.h"

struct near {
	const char *word; /* what was typed; borrowed */
	const char *best; /* the nearest so far, NULL when nothing is near; borrowed */
	size_t distance;  /* of best */
};

/* Looks at one more candidate. Case does not count; far ones never become best. */
void near_offer(struct near *n, const char *candidate);

/* ", did you mean 'best'?" or "". The caller frees. */
char *near_text(const struct near *n);

#endif
