/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_SIGN_H
#define TESTS_SIGN_H

/*
 * Signs bytes in memory as minisign would, with a key made on the spot, so that tests and fuzzers
 * of what comes after verify() can reach it.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "sync/verify.h"

static inline struct verified *sign_bytes(const char *bytes, size_t n)
{
	static unsigned char pk[crypto_sign_PUBLICKEYBYTES], sk[crypto_sign_SECRETKEYBYTES];
	static bool made;
	unsigned char key[42] = "EdNUMBERxx", raw[74] = "EDNUMBERxx", hash[64];
	unsigned char global[crypto_sign_BYTES], both[crypto_sign_BYTES + 1];
	char key_text[64], raw_text[128], global_text[128], file[512];
	struct keyring *k = keyring_new(1);
	struct signature_file sig = { file, 0, "signature" };
	struct verified *v = NULL;
	struct err err = { 0 };
	char *copy;

	if (!made)
		crypto_sign_keypair(pk, sk);
	made = true;
	memcpy(key + 10, pk, sizeof(pk));
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)bytes, n, NULL, 0);
	crypto_sign_detached(raw + 10, NULL, hash, sizeof(hash), sk);
	memcpy(both, raw + 10, crypto_sign_BYTES);
	both[crypto_sign_BYTES] = 't';
	crypto_sign_detached(global, NULL, both, sizeof(both), sk);
	sodium_bin2base64(key_text, sizeof(key_text), key, sizeof(key),
			  sodium_base64_VARIANT_ORIGINAL);
	sodium_bin2base64(raw_text, sizeof(raw_text), raw, sizeof(raw),
			  sodium_base64_VARIANT_ORIGINAL);
	sodium_bin2base64(global_text, sizeof(global_text), global, sizeof(global),
			  sodium_base64_VARIANT_ORIGINAL);
	snprintf(file, sizeof(file), "untrusted comment: u\n%s\ntrusted comment: t\n%s\n", raw_text,
		 global_text);
	sig.n = strlen(file);
	copy = xmemdup(bytes, n);
	if (keyring_add(k, key_text, "key", &err) < 0 || verify(k, &copy, n, &sig, 1, &v, &err) < 0)
		abort();
	keyring_free(k);
	return v;
}

#endif
