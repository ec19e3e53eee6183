/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_APPLY_H
#define SYNC_APPLY_H

/*
 * Registry to xenstore: list, diff, apply, read back, again on EAGAIN.
 */
#include "sync/nodes.h"

struct apply_options {
	struct nodes_options nodes;
	bool prune;
	void (*progress)(void *ctx, size_t done, size_t all);
	void *ctx;
};

/* What there is to do, at one moment. TREE_DIGEST and GENERATION bind a saved plan. */
struct apply_plan {
	struct plan *plan;
	uint64_t generation;
	char registry_digest[65], tree_digest[65];
};
int apply_plan(const struct blacklist *b, struct store *s, const struct apply_options *o,
	       struct apply_plan **ret, struct err *err);
void apply_plan_free(struct apply_plan *p);
DEFINE_CLEANUP(struct apply_plan *, apply_plan_free)

/*
 * Carries a plan out and reads back. On failure ERR tells whether the tree is the old one, the
 * new one, or how far it came.
 */
int apply_run(const struct blacklist *b, struct store *s, const struct apply_options *o,
	      const struct apply_plan *plan, struct err *err);

#endif
