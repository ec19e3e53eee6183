/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in for sync/pull.c until it is there: nothing was ever synced.
 */
#include "sync/pull.h"

#define WEAK __attribute__((weak))

WEAK int pull_state(struct db *db, struct pull_state **ret, struct err *err)
{
	struct pull_state *s = xcalloc(1, sizeof(*s));

	(void)db, (void)err;
	s->issued = s->expires = s->last_contact = s->last_change = TIME_NONE;
	s->digest = xstrdup("");
	s->source = xstrdup("");
	*ret = s;
	return 0;
}

WEAK void pull_state_free(struct pull_state *s)
{
	if (!s)
		return;
	free(s->digest);
	free(s->source);
	free(s);
}
