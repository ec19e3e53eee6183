/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_MIRROR_H
#define DEVICE_MIRROR_H

/*
 * The published blacklist as it was read last, brought up to date by what watches tell: after a
 * change of a few nodes only these are read again, so that the change of a large tree reaches the
 * domains' processes as fast as that of a small one.
 */
#include "sync/store.h"

struct mirror;

struct mirror *mirror_new(void);
void mirror_free(struct mirror *m);
DEFINE_CLEANUP(struct mirror *, mirror_free)

/*
 * Something changed at PATH (absolute, as a watch on NODES_ROOT tells it) or below; NULL: perhaps
 * everything, as after watches were lost. False when PATH has nothing to do with the blacklist.
 */
bool mirror_changed(struct mirror *m, const char *path);

/*
 * The tree of NODES_ROOT, after what changed was read again; it stays the mirror's and is good
 * until the next call. Errors as store_tree(): everything counts as changed then.
 */
int mirror_look(struct mirror *m, struct store *s, const struct tree **ret, struct err *err);

#endif
