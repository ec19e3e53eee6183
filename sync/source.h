/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_SOURCE_H
#define SYNC_SOURCE_H

/*
 * Where a manifest comes from: a URL or a file, with its signatures beside it. Both take the same
 * road from here to verified bytes.
 */
#include "sync/fetch.h"
#include "sync/verify.h"

struct signature_set {
	struct signature_file *file;
	size_t n, cap;
};

struct source {
	struct fetcher *fetcher; /* NULL: WHERE is a file */
	const char *where;
	uint64_t max_size;
	const char *const *signatures; /* files instead of those beside WHERE */
	size_t n_signatures;
	struct signature_set found; /* by source_signatures() */
};
void source_end(struct source *s);

/* WHERE without what must not be shown. The caller frees. */
char *source_text(const struct source *s);

/*
 * First the signatures: small, and what they say decides whether an older copy of the manifest
 * will do. Errors of fetch(); ERR_NOT_FOUND: a file that was named is not there; ERR_IO.
 */
int source_signatures(struct source *s, const struct keyring *k, struct err *err);
/* Of all bytes of the signatures, in hexadecimal. The caller frees. */
char *source_signature_digest(const struct source *s);

/*
 * Then the manifest, and both against K. With 304 *ret_verified is NULL. Errors of fetch() and
 * verify(); ERR_NOT_FOUND, ERR_IO.
 */
int source_get(const struct source *s, const struct keyring *k,
	       const struct fetch_validators *known, struct verified **ret_verified,
	       struct fetch_validators *ret_validators, struct err *err);

/* The same manifest also against K: fetches signatures by keys of K. ERR_REFUSED as verify(). */
int source_verify_again(const struct source *s, const struct verified *v, const struct keyring *k,
			struct err *err);

#endif
