/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_APPLY_H
#define SYNC_APPLY_H

/*
 * Registry to xenstore: list, diff, apply, read back, again on EAGAIN.
 */
#include "registry/digest.h"
#include "sync/nodes.h"

struct apply_options {
	struct nodes_options nodes;
	bool prune;
	bool exact; /* this very plan or nothing: REFUSED/STALE when xenstore moves meanwhile */
	void (*progress)(void *ctx, size_t done, size_t all); /* in changes; may be NULL */
	void *ctx;
};

/*
 * What there is to do, at one moment. A saved plan is the same plan while the generation and both
 * digests are: REGISTRY_DIGEST is of the desired tree and the options that make it, TREE_DIGEST
 * of every path, value and permission that is there.
 */
struct apply_plan {
	struct plan *plan;
	struct tree *live; /* what is there, of NODES_ROOT */
	uint64_t generation;
	char registry_digest[DIGEST_HEX], tree_digest[DIGEST_HEX];
};
int apply_plan(const struct blacklist *b, struct store *s, const struct apply_options *o,
	       struct apply_plan **ret, struct err *err);
void apply_plan_free(struct apply_plan *p);
DEFINE_CLEANUP(struct apply_plan *, apply_plan_free)

/*
 * Carries a plan out and reads back; with nothing to do it writes nothing. A plan that fits one
 * batch is one transaction, a larger one is batches in the order of the plan: parents before
 * children, adds before removals. Interrupted anywhere, the same call again completes it. When
 * somebody else writes at the same time it plans anew (not with EXACT) and gives up after some
 * tries with ERR_BUSY. On failure ERR tells whether the tree is the old one or how far it came.
 */
int apply_run(const struct blacklist *b, struct store *s, const struct apply_options *o,
	      const struct apply_plan *plan, struct err *err);

/*
 * The expectation (struct store_op) that the first operation on C's node stands on, so that a node
 * which somebody else has made or changed since the plan is not overwritten. NULL for a directory,
 * which is taken over whoever made it. Valid as long as C.
 */
const char *apply_expectation(const struct change *c);

#endif
