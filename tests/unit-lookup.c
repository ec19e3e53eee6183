/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a device model reads and concludes. */
#include "tests/unit.h"

#include <inttypes.h>

#include "registry/base.h"
#include "sync/lookup.h"
#include "tests/table-store.h"

#define ROOT "/mh/driver-blacklist"

static const struct table_node some[] = {
	{ ROOT "/_products/1", "xensource-windows" },
	{ ROOT "/_products/205", "suse-vmdp" },
	{ ROOT "/_products/7", "not/a/name" },
	{ ROOT "/_products/8", "_products" },
	{ ROOT "/_products/9", "" },
	{ ROOT "/_products/4", "v7" },
	{ ROOT "/xensource-windows/0", "" },
	{ ROOT "/xensource-windows/7", "foreign" },
	{ ROOT "/xensource-windows/-2147483648", "xb1:a" },
	{ ROOT "/xensource-windows/4294967295", "xb1:a" },
	{ ROOT "/experimental/590080", "xb1:b" },
	{ ROOT "/experimental/-1", "xb1:b" },
	{ ROOT "/experimental/2147483647", "xb1:b" },
	{ ROOT "/experimental/0x90200", "xb1:b" },
	{ ROOT "/experimental/007", "xb1:b" },
	{ ROOT "/suse-vmdp/_ranges/20503-20505", "xb1:c" },
	{ ROOT "/suse-vmdp/_ranges/9-3", "xb1:c" },
	{ ROOT "/suse-vmdp/_ranges/1-2-3", "xb1:c" },
	{ ROOT "/suse-vmdp/_ranges/-5-9", "xb1:c" },
	{ ROOT "/suse-vmdp/_ranges/05-9", "xb1:c" },
	{ ROOT "/suse-vmdp/_ranges/4294967290-4294967295", "xb1:c" },
	{ ROOT "/linux/1", "xb1:d" },
	{ ROOT "/v7/514", "xb1:e" },
	{ ROOT "/xenserver-windows-v7-2-/514", "xb1:e" },
	{ NULL, NULL },
};

static void verdicts(void **state)
{
	static const struct {
		uint16_t product;
		uint32_t build;
		const char *full, *traditional; /* what decides, below ROOT; NULL: allowed */
	} cases[] = {
		{ 1, 0, "/xensource-windows/0", "/xensource-windows/0" },
		{ 1, 7, "/xensource-windows/7", "/xensource-windows/7" },
		{ 1, 1, NULL, NULL },
		{ 1, 0x80000000, "/xensource-windows/-2147483648",
		  "/xensource-windows/-2147483648" },
		{ 1, UINT32_MAX, "/xensource-windows/4294967295", NULL },
		{ 0xffff, 590080, "/experimental/590080", "/experimental/590080" },
		{ 0xffff, UINT32_MAX, "/experimental/-1", "/experimental/-1" },
		{ 0xffff, 0x7fffffff, "/experimental/2147483647", "/experimental/2147483647" },
		{ 0xffff, 0x90200, NULL, NULL },
		{ 0xffff, 7, NULL, NULL },
		{ 2, 1, NULL, NULL },
		{ 3, 1, "/linux/1", NULL },
		{ 4, 514, "/v7/514", NULL },
		{ 5, 514, "/xenserver-windows-v7-2-/514", NULL },
		{ 205, 20502, NULL, NULL },
		{ 205, 20503, "/suse-vmdp/_ranges/20503-20505", NULL },
		{ 205, 20505, "/suse-vmdp/_ranges/20503-20505", NULL },
		{ 205, 20506, NULL, NULL },
		{ 205, 5, NULL, NULL },
		{ 205, UINT32_MAX, "/suse-vmdp/_ranges/4294967290-4294967295", NULL },
		{ 0, 0, NULL, NULL },
		{ 6, 1, NULL, NULL },
		{ 7, 1, NULL, NULL },
		{ 8, 1, NULL, NULL },
		{ 9, 1, NULL, NULL },
	};

	(void)state;
	table_store.node = some;
	table_store.broken = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (int rule = LOOKUP_FULL; rule <= LOOKUP_TRADITIONAL; rule++) {
			CLEANUP(lookup_free) struct lookup *l = NULL;
			const char *want =
				rule == LOOKUP_FULL ? cases[i].full : cases[i].traditional;
			struct err err;

			assert_int_equal(lookup(NULL, (enum lookup_rule)rule, cases[i].product,
						cases[i].build, &l, &err),
					 0);
			assert_int_equal(l->blacklisted, want != NULL);
			assert_int_equal(l->path != NULL, want != NULL);
			if (want)
				assert_string_equal(l->path + strlen(ROOT), want);
		}
	}
}

static void steps_are_told(void **state)
{
	CLEANUP(lookup_free) struct lookup *l = NULL;
	struct err err;

	(void)state;
	table_store.node = some;
	assert_int_equal(lookup(NULL, LOOKUP_FULL, 0xffff, 0xfffffffe, &l, &err), 0);
	assert_int_equal(l->n, 4);
	assert_string_equal(l->step[0].path, ROOT "/_products/65535");
	assert_false(l->step[0].found);
	assert_string_equal(l->step[1].path, ROOT "/experimental/4294967294");
	assert_string_equal(l->step[2].path, ROOT "/experimental/-2");
	assert_string_equal(l->step[3].path, ROOT "/experimental/_ranges");
	assert_string_equal(l->node, "experimental");
	lookup_free(TAKE(l));
	table_store.reads = 0;
	assert_int_equal(lookup(NULL, LOOKUP_TRADITIONAL, 205, 1, &l, &err), 0);
	assert_int_equal(table_store.reads, 0);
	assert_int_equal(l->n, 0);
	assert_null(l->node);
}

/* Not being able to ask is an error, never an answer. */
static void a_store_that_breaks(void **state)
{
	static const char *const broken[] = {
		ROOT "/_products/205",
		ROOT "/suse-vmdp/4294967290",
		ROOT "/suse-vmdp/-6",
		ROOT "/suse-vmdp/_ranges",
		ROOT "/suse-vmdp/_ranges/4294967290-4294967295",
	};

	(void)state;
	table_store.node = some;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct lookup *l = NULL;
		struct err err = { 0 };

		table_store.broken = broken[i];
		assert_int_equal(lookup(NULL, LOOKUP_FULL, 205, 4294967290, &l, &err),
				 -ERR_UNREACHABLE);
		assert_null(l);
		assert_non_null(strstr(err.msg, broken[i]));
		assert_non_null(strstr(err.msg, "no answer"));
	}
	table_store.broken = NULL;
}

static void names(void **state)
{
	static const struct {
		const char *name;
		bool ok;
		uint32_t want;
	} leaves[] = {
		{ "0", true, 0 },
		{ "4294967295", true, UINT32_MAX },
		{ "4294967296", false, 0 },
		{ "-1", true, UINT32_MAX },
		{ "-2147483648", true, 0x80000000 },
		{ "-2147483649", false, 0 },
		{ "-0", false, 0 },
		{ "-01", false, 0 },
		{ "--1", false, 0 },
		{ "007", false, 0 },
		{ "+7", false, 0 },
		{ "0x7", false, 0 },
		{ "_ranges", false, 0 },
		{ "", false, 0 },
		{ "-", false, 0 },
	};
	char big[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		uint32_t got = 5;

		assert_int_equal(lookup_leaf_parse(leaves[i].name, &got), leaves[i].ok);
		assert_int_equal(got, leaves[i].ok ? leaves[i].want : 5);
	}
	memset(big, 'a', sizeof(big));
	big[256] = '\0';
	assert_false(lookup_node_valid(big));
	big[255] = '\0';
	assert_true(lookup_node_valid(big));
	assert_true(lookup_node_valid("a-Z_9@"));
	assert_false(lookup_node_valid("a.b"));
	assert_false(lookup_node_valid("a/b"));
	assert_false(lookup_node_valid("_ranges"));
	assert_false(lookup_node_valid(""));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(verdicts),
	cmocka_unit_test(steps_are_told),
	cmocka_unit_test(a_store_that_breaks),
	cmocka_unit_test(names),
};

UNIT_MAIN(tests)
