/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * BLAKE2b-256 by libsodium. Texts and numbers go in with their length and in little-endian, so
 * that a digest is the same on every machine and no two sequences of fields look alike.
 */
#include "registry/digest.h"

#include <sodium.h>

struct digest {
	crypto_generichash_state state;
};

struct digest *digest_new(void)
{
	struct digest *d = NULL;

	/* The state wants its alignment of 64 bytes. */
	if (posix_memalign((void **)&d, 64, sizeof(*d)) != 0)
		abort();
	crypto_generichash_init(&d->state, NULL, 0, DIGEST_BYTES);
	return d;
}

void digest_free(struct digest *d)
{
	free(d);
}

void digest_bytes(struct digest *d, const void *p, size_t n)
{
	crypto_generichash_update(&d->state, p, n);
}

void digest_u64(struct digest *d, uint64_t v)
{
	unsigned char le[8];

	for (unsigned i = 0; i < sizeof(le); i++)
		le[i] = (unsigned char)(v >> (8 * i));
	digest_bytes(d, le, sizeof(le));
}

void digest_text(struct digest *d, const char *s)
{
	if (!s) {
		digest_u64(d, UINT64_MAX);
		return;
	}
	digest_u64(d, strlen(s));
	digest_bytes(d, s, strlen(s));
}

void digest_hex(struct digest *d, char ret[static DIGEST_HEX])
{
	unsigned char sum[DIGEST_BYTES];

	crypto_generichash_final(&d->state, sum, sizeof(sum));
	sodium_bin2hex(ret, DIGEST_HEX, sum, sizeof(sum));
}
