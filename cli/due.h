/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_DUE_H
#define CLI_DUE_H

/*
 * Dates of entries and exceptions that come, or that came and wait for apply.
 */
#include "cli/output.h"
#include "registry/blacklist.h"

struct due {
	const char *kind, *what; /* "entry", "exception"; "begins", "expires" */
	char *id;
	char *owner; /* of an exception, else NULL */
	int64_t at;
	bool waits; /* it has come, and xenstore does not know yet */
};
struct dues {
	struct due *due; /* ascending by date */
	size_t n, cap;
};
void dues_free(struct dues *ds);
DEFINE_CLEANUP(struct dues *, dues_free)

/*
 * Up to and including UNTIL: what comes after now, and, when xenstore is BEHIND the registry,
 * what has come after APPLIED, the time of the last apply (TIME_NONE: there was none).
 */
struct dues *dues_new(const struct blacklist *b, bool behind, int64_t applied, int64_t until);

/* "entry 'a' begins 2026-...", the first few of them. The caller frees. */
char *dues_text(const struct dues *ds);
void dues_json(struct out *out, const char *key, const struct dues *ds);

#endif
