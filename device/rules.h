/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_RULES_H
#define DEVICE_RULES_H

/*
 * The blacklist as one sealed piece of memory, a snapshot (snapshot.h): made from the tree of
 * xenstore by the keeper, asked by the domains' processes. Same rule as sync/lookup.h's LOOKUP_FULL.
 */
#include "device/packet.h"
#include "sync/store.h"

/*
 * A memory descriptor that can neither be written nor resized any more; the caller closes it.
 * TREE is that of NODES_ROOT. RET_COUNT: how many builds and ranges it holds.
 */
int rules_make(const struct tree *tree, int *ret_fd, size_t *ret_count, struct err *err);

struct rules;
/* Maps and checks it; FD stays the caller's. ERR_INVALID: not sealed, or not such a piece. */
int rules_open(int fd, struct rules **ret, struct err *err);
void rules_close(struct rules *r);
DEFINE_CLEANUP(struct rules *, rules_close)

/* R may be NULL: VERDICT_NO_RULES. Allocates nothing, waits for nobody; logarithmic. */
enum verdict_kind rules_ask(const struct rules *r, uint16_t product, uint32_t build);

#endif
