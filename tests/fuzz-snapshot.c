/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A blacklist image from anywhere. What opens answers every question inside its bounds, also after
 * all its bytes have changed.
 */
#include "device/snapshot.h"

#include "registry/base.h"
#include "tests/fuzz.h"

static void ask(const struct snapshot *s)
{
	static const uint32_t build[] = { 0, 1, 590080, 0x7fffffff, 0x80000000, UINT32_MAX };
	struct snapshot_text name, node;
	unsigned sum = 0;

	for (unsigned product = 0; product <= UINT16_MAX; product += product < 8 ? 1 : 4093) {
		for (size_t i = 0; i < ARRAY_SIZE(build); i++)
			sum += snapshot_lookup(s, (uint16_t)product, build[i]);
		if (!snapshot_product(s, (uint16_t)product, &name, &node))
			continue;
		for (size_t i = 0; i < name.n; i++)
			sum += (unsigned char)name.p[i];
		for (size_t i = 0; i < node.n; i++)
			sum += (unsigned char)node.p[i];
	}
	assert(sum != UINT32_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	uint8_t *image = xcalloc(n ? n : 1, 1);
	struct snapshot s;

	if (n > 0)
		memcpy(image, bytes, n);
	if (!snapshot_open(image, n, &s)) {
		ask(&s);
		for (size_t i = 0; i < n; i++)
			image[i] = (uint8_t)~image[i];
		ask(&s);
	}
	free(image);
	return 0;
}
