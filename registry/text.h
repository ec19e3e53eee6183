/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_TEXT_H
#define REGISTRY_TEXT_H

/* The one gate for text that goes into the registry. */
#include "registry/base.h"
#include "registry/err.h"

#define TEXT_NAME_MAX 128  /* names, vendors, owners */
#define TEXT_LONG_MAX 4096 /* reasons, references */

/*
 * ERR_INVALID unless TEXT is UTF-8 of at most MAX bytes without control characters and invisible
 * or reordering ones; NULL counts as empty, and empty is fine only with MAY_BE_EMPTY.
 */
int text_check(const char *what, const char *text, size_t max, bool may_be_empty, struct err *err);

#endif
