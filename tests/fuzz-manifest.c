/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes that the publisher has signed. What is taken has a canonical form, and that form is taken
 * again and is its own canonical form.
 */
#include "sync/manifest.h"
#include "tests/fuzz.h"
#include "tests/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	CLEANUP(verified_free) struct verified *v = sign_bytes((const char *)bytes, n);
	CLEANUP(verified_free) struct verified *v2 = NULL;
	CLEANUP(manifest_free) struct manifest *m = NULL, *m2 = NULL;
	CLEANUP(free) char *first = NULL, *second = NULL;
	struct err err = { 0 };
	size_t first_n, second_n;

	if (manifest_parse(v, &m, &err) < 0) {
		assert(err.kind == ERR_REFUSED && err.msg[0] && !m);
		return 0;
	}
	manifest_write(m, &first, &first_n);
	v2 = sign_bytes(first, first_n);
	if (manifest_parse(v2, &m2, &err) < 0)
		abort();
	manifest_write(m2, &second, &second_n);
	assert(first_n == second_n && memcmp(first, second, first_n) == 0);
	return 0;
}
