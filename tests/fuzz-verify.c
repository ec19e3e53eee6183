/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A signature file, and the same bytes as a public key file. No bytes are a signature of what the
 * key never signed.
 */
#include "sync/verify.h"
#include "tests/fuzz.h"

static const char key[] = "RWRfna3xGOaVi6U51zfy99q2D3IRkAhViX8+bHDmyNQTis7jNPXMVkHB";

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	CLEANUP(keyring_free) struct keyring *k = keyring_new(1);
	CLEANUP(keyring_free) struct keyring *other = keyring_new(1);
	CLEANUP(verified_free) struct verified *v = NULL;
	CLEANUP(free) char *document = xstrdup("not what was signed\n");
	struct signature_file sig = { .bytes = (const char *)bytes, .n = n, .where = "fuzz" };
	struct err err = { 0 };

	assert(keyring_add(k, key, "key", &err) == 0);
	assert(verify(k, &document, strlen(document), &sig, 1, &v, &err) < 0);
	assert(document && !v && err.msg[0]);
	(void)keyring_add_file_text(other, (const char *)bytes, n, "fuzz", &err);
	return 0;
}
