/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_APPLIED_H
#define DEVICE_APPLIED_H

/*
 * What the last apply published, as far as the registry and its history can tell: for a start,
 * when nobody has seen the tree before.
 */
#include "registry/db.h"
#include "sync/nodes.h"

/*
 * The tree of the last apply without all that depends on a row changed since. Nothing when there
 * never was an apply, or when an encoding has changed. Permissions are those that O means now.
 * The caller frees. Errors as of blacklist_load() and nodes_desired().
 */
int applied_tree(struct db *db, const struct nodes_options *o, struct tree **ret, struct err *err);

#endif
