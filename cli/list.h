/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_LIST_H
#define CLI_LIST_H

/* Entries and exceptions as members of the JSON object that is open. */
#include "cli/verb.h"
#include "registry/entry.h"

void list_entry_json(struct out *out, const struct entry *e, int64_t now);
void list_exception_json(struct out *out, const struct exception *x, int64_t now);

#endif
