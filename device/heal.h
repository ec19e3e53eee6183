/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_HEAL_H
#define DEVICE_HEAL_H

/*
 * Nodes that were there, that the registry still wants and that went missing or changed come
 * back. What was there is known from having seen it, and at the start from the registry's history:
 * what the last apply published and no change has touched since. What was never published is left
 * to `xenblacklist apply`, so that nobody's unfinished change takes effect behind his back; only
 * an empty tree (xenstore has just started) is filled with all that the registry means.
 */
#include "registry/base.h"
#include "registry/err.h"
#include "sync/store.h"

struct heal;

/* REGISTRY and CONFIG are borrowed file names. A registry that is not there heals nothing. */
struct heal *heal_new(const char *registry, const char *config);

/*
 * Compares TREE (of NODES_ROOT, as just read) with what was there before and with the registry, and
 * writes. *RET_WRITTEN: how many nodes; when there are any the tree has to be read again.
 * ERR_BUSY: more repairs than HEAL_BURST in a row and one in HEAL_EVERY_MS; try later.
 */
#define HEAL_BURST 5
#define HEAL_EVERY_MS 10000
int heal_look(struct heal *h, struct store *s, const struct tree *tree, size_t *ret_written,
	      struct err *err);

/* TREE is as it should be, as far as that can be known; it is taken. */
void heal_settled(struct heal *h, struct tree *tree);

#endif
