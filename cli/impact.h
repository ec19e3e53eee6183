/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_IMPACT_H
#define CLI_IMPACT_H

/*
 * Whom a change hits, told before it is made, and what to do about it.
 */
#include "cli/verb.h"
#include "sync/impact.h"

/*
 * Warnings on stderr and the JSON member "impact". GROWS: the change blacklists something, so that
 * guests of which nothing is known deserve a word. When AFTER is about a date to come, the lines
 * tell the date.
 */
void impact_show(struct cli *cli, const struct impact *i, const struct blacklist *after,
		 bool grows);

/* As impact_gate(), if [policy] impact = refuse; NEED_CONFIG. */
int impact_policy(struct cli *cli, const struct impact *i, const char *hint, struct err *err);

#endif
