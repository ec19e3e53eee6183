/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_IMAGE_H
#define CLI_IMAGE_H

/*
 * The published blacklist as a memory image (device/snapshot.h), from the registry.
 */
#include "registry/blacklist.h"

/*
 * Every product that has its number to itself, and what is published of it; dated by
 * blacklist_now(). RET is the caller's. ERR_REFUSED/BUDGET: millions of builds that are no range.
 */
int image_make(const struct blacklist *b, char **ret, size_t *ret_n, struct err *err);

#endif
