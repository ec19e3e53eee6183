/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tree of xenstore as sealed memory, and what it answers; memory that is something else. */
#include "tests/unit.h"

#include "device/rules.h"

#include <fcntl.h>
#include <sys/mman.h>

#define NODE(at, text)                                                               \
	{                                                                            \
		.path = (char *)(at), .value = (char *)(text), .perms = (char *)"r0" \
	}

static struct node nodes[] = {
	NODE("", ""),
	NODE("_products", ""),
	NODE("_products/205", "suse-vmdp"),
	NODE("_products/7", "not/a/node"),
	NODE("experimental", ""),
	NODE("experimental/-1", "xb1:a"),
	NODE("experimental/-2147483648", "xb1:a"),
	NODE("experimental/007", "xb1:a"),
	NODE("experimental/4294967296", "xb1:a"),
	NODE("experimental/590080", "xb1:a"),
	NODE("experimental/_ranges", ""),
	NODE("experimental/_ranges/459264-524800", "xb1:b"),
	NODE("experimental/_ranges/9-8", ""),
	NODE("experimental/_ranges/x", ""),
	NODE("nobody", ""),
	NODE("nobody/1", "xb1:a"),
	NODE("suse-vmdp", ""),
	NODE("suse-vmdp/20505", "xb1:c"),
};

static void answers(void **state)
{
	static const struct {
		uint16_t product;
		uint32_t build;
		enum verdict_kind want;
	} cases[] = {
		{ 65535, 590080, VERDICT_BLACKLISTED },
		{ 65535, 590081, VERDICT_ALLOWED },
		{ 65535, 7, VERDICT_ALLOWED },
		{ 65535, 0, VERDICT_ALLOWED },
		{ 65535, 1, VERDICT_ALLOWED },
		{ 65535, 8, VERDICT_ALLOWED },
		{ 65535, 459263, VERDICT_ALLOWED },
		{ 65535, 459264, VERDICT_BLACKLISTED },
		{ 65535, 524800, VERDICT_BLACKLISTED },
		{ 65535, 524801, VERDICT_ALLOWED },
		{ 65535, 0x7fffffff, VERDICT_ALLOWED },
		{ 65535, 0x80000000, VERDICT_BLACKLISTED },
		{ 65535, UINT32_MAX, VERDICT_BLACKLISTED },
		{ 205, 20505, VERDICT_BLACKLISTED },
		{ 205, 20504, VERDICT_ALLOWED },
		{ 1, 1, VERDICT_ALLOWED },
		{ 7, 1, VERDICT_UNKNOWN_PRODUCT },
		{ 206, 20505, VERDICT_UNKNOWN_PRODUCT },
	};
	const struct tree tree = { .node = nodes, .n = ARRAY_SIZE(nodes) };
	CLEANUP(rules_close) struct rules *r = NULL;
	CLEANUP(close_fd) int fd = -1;
	struct err err;
	size_t count;

	(void)state;
	assert_int_equal(rules_make(&tree, &fd, &count, &err), 0);
	assert_int_equal(count, 5);
	assert_int_equal(rules_open(fd, &r, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (rules_ask(r, cases[i].product, cases[i].build) != cases[i].want)
			fail_msg("product %u, build %u", cases[i].product, cases[i].build);
	assert_int_equal(rules_ask(NULL, 65535, 590080), VERDICT_NO_RULES);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
}

static void refuses(void **state)
{
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	struct rules *r = NULL;
	struct err err;

	(void)state;
	for (int i = 0; i < 3; i++) {
		CLEANUP(close_fd) int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		if (i == 1)
			assert_int_equal(write(fd, "XBSNAP\r\n\0\1\0\0\0\0\0\0", 16), 16);
		if (i < 2)
			assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
		assert_int_equal(rules_open(fd, &r, &err), -ERR_INVALID);
		assert_null(r);
	}
	assert_int_equal(rules_open(-1, &r, &err), -ERR_INVALID);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(answers),
	cmocka_unit_test(refuses),
};
UNIT_MAIN(tests)
