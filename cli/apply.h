/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_APPLY_H
#define CLI_APPLY_H

/*
 * From the registry to xenstore, as several verbs do it: plan, tell, apply.
 */
#include "cli/verb.h"
#include "registry/blacklist.h"
#include "sync/apply.h"

/* Of the configuration; progress goes to stderr. NEED_CONFIG. */
struct apply_options cli_apply_options(struct cli *cli, bool prune);

/*
 * Can what the registry means at that moment be published at all? For verbs that change it: call
 * inside the transaction, before the commit.
 */
int cli_publishable(struct cli *cli, int64_t at, struct err *err);

/* Warns of each product that costs many nodes. */
void cli_warn_nodes(struct cli *cli, const struct blacklist *b);

/* Carries a plan out, if there is anything to do, and records that in the history. */
int cli_apply_plan(struct cli *cli, const struct blacklist *b, const struct apply_plan *plan,
		   bool prune, struct err *err);

/*
 * After a committed change: with APPLY applies it, else says how many nodes now wait. JSON member
 * "waiting" (null when xenstore cannot be asked) or "applied".
 */
int cli_apply_after(struct cli *cli, bool apply, struct err *err);

#endif
