/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_DIGEST_H
#define REGISTRY_DIGEST_H

/* BLAKE2b-256 (RFC 7693) over pieces of bytes: history chain, plans, manifests. */
#include "registry/base.h"

#define DIGEST_BYTES 32
#define DIGEST_HEX (2 * DIGEST_BYTES + 1)

struct digest; /* a running digest */

struct digest *digest_new(void);
void digest_free(struct digest *d);
DEFINE_CLEANUP(struct digest *, digest_free)
void digest_bytes(struct digest *d, const void *p, size_t n);
/* Length first, then the bytes, so that neighbours cannot run into each other; NULL is its own. */
void digest_text(struct digest *d, const char *s);
void digest_u64(struct digest *d, uint64_t v);
void digest_hex(struct digest *d, char ret[static DIGEST_HEX]); /* ends it */

#endif
