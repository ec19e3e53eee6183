/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_MANIFEST_H
#define SYNC_MANIFEST_H

/*
 * The upstream manifest, spec 1 (xenblacklist-manifest(5)): verified bytes to a struct and back.
 * Pure: no clock, no registry. The only user of jansson.h in sync/.
 */
#include "registry/entry.h"
#include "sync/verify.h"

#define MANIFEST_FORMAT "xenblacklist-manifest"
#define MANIFEST_SPEC 1

struct manifest_keys {
	uint32_t threshold;
	char **key; /* base64 lines */
	size_t n;
	char **revoked;
	size_t n_revoked;
};

/* The rows are those of the registry; what only a registry knows (id, origin) is left at zero. */
struct manifest {
	uint64_t version; /* 1 to 2^63-1 */
	int64_t issued, expires;
	struct encoding_rows *encodings; /* ascending by name */
	struct products *products;	 /* ascending by number */
	struct entries *entries;	 /* ascending by id */
	struct manifest_keys *keys;	 /* NULL: no change of keys */
	/* Where each row stood in the document, for messages; NULL when not parsed from one. */
	uint32_t *encoding_at, *product_at, *entry_at;
	char **notices; /* sentences: members that were skipped; foreign text is in them as it came */
	size_t n_notices;
};
void manifest_free(struct manifest *m);
DEFINE_CLEANUP(struct manifest *, manifest_free)

/*
 * ERR_REFUSED/SCHEMA: not a manifest of spec 1; the message has line and column for syntax and
 * the JSON path (entries[3].builds) for everything else. ERR_REFUSED/CRITICAL: "critical" names
 * what this program does not know. What needs a registry (do the builds parse?) is not checked.
 */
int manifest_parse(const struct verified *in, struct manifest **ret, struct err *err);

/*
 * Canonical bytes: the same content gives the same bytes, whatever the order of the rows; ends
 * with a newline. encodings, products, entries and keys may be NULL. The caller frees *ret.
 */
void manifest_write(const struct manifest *m, char **ret, size_t *ret_n);

/* jansson's version, for --version. */
const char *manifest_library_version(void);

#endif
