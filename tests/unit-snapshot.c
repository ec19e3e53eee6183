/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blacklist images: the ones frozen in tests/data/snapshot, hostile ones, and random ones. */
#include "tests/unit.h"

#include "device/snapshot-write.h"
#include "device/snapshot.h"
#include "tests/model.h"

#include <string.h>

static unsigned char *load(const char *name, size_t *ret_n)
{
	const char *top = getenv("SRCDIR");
	CLEANUP(free)
	char *path = xasprintf("%s/tests/data/snapshot/%s", top ? top : ".", name);
	CLEANUP(close_file) FILE *f = fopen(path, "re");
	unsigned char *p = xcalloc(1, 65536);

	if (!f)
		fail_msg("cannot open '%s'", path);
	*ret_n = fread(p, 1, 65536, f);
	return p;
}

/* What the frozen images were made of. */
static struct snapshot_source_product products[] = {
	{ 65535, "experimental", "experimental" },
	{ 1, "xensource-windows", "xensource-windows" },
	{ 3, "linux", "linux" },
	{ 4, "xenserver-windows-v7.0+", "xenserver-windows-v7-0-" },
};
static struct snapshot_source_build builds[] = {
	{ 65535, 0x7fffffff },
	{ 65535, 0x80000000 },
	{ 65535, UINT32_MAX },
	{ 65535, 590080 },
	{ 1, 99999 },
	{ 1, 86451 },
	{ 3, 0 },
	{ 1, 86451 },
	{ 65535, 500000 },
	{ 4, UINT32_MAX },
};
static struct snapshot_source_range ranges[] = {
	{ 65535, 0x8000000a, 0x80000014 }, { 65535, 459264, 500000 }, { 4, 49155, UINT32_MAX },
	{ 65535, 500001, 524800 },	   { 65535, 459264, 459264 },
};

static void answers(const struct snapshot *s)
{
	static const struct {
		uint16_t product;
		uint32_t build;
		enum snapshot_answer want;
	} cases[] = {
		{ 0, 0, SNAPSHOT_UNKNOWN_PRODUCT },
		{ 2, 1, SNAPSHOT_UNKNOWN_PRODUCT },
		{ 65534, 590080, SNAPSHOT_UNKNOWN_PRODUCT },
		{ 1, 0, SNAPSHOT_ALLOWED },
		{ 1, 86450, SNAPSHOT_ALLOWED },
		{ 1, 86451, SNAPSHOT_BLACKLISTED },
		{ 1, 99999, SNAPSHOT_BLACKLISTED },
		{ 1, UINT32_MAX, SNAPSHOT_ALLOWED },
		{ 3, 0, SNAPSHOT_BLACKLISTED },
		{ 3, 1, SNAPSHOT_ALLOWED },
		{ 4, 49154, SNAPSHOT_ALLOWED },
		{ 4, 49155, SNAPSHOT_BLACKLISTED },
		{ 4, UINT32_MAX, SNAPSHOT_BLACKLISTED },
		{ 65535, 0, SNAPSHOT_ALLOWED },
		{ 65535, 459263, SNAPSHOT_ALLOWED },
		{ 65535, 459264, SNAPSHOT_BLACKLISTED },
		{ 65535, 524800, SNAPSHOT_BLACKLISTED },
		{ 65535, 524801, SNAPSHOT_ALLOWED },
		{ 65535, 590080, SNAPSHOT_BLACKLISTED },
		{ 65535, 0x7ffffffe, SNAPSHOT_ALLOWED },
		{ 65535, 0x7fffffff, SNAPSHOT_BLACKLISTED },
		{ 65535, 0x80000000, SNAPSHOT_BLACKLISTED },
		{ 65535, 0x80000009, SNAPSHOT_ALLOWED },
		{ 65535, 0x80000014, SNAPSHOT_BLACKLISTED },
		{ 65535, 0x80000015, SNAPSHOT_ALLOWED },
		{ 65535, UINT32_MAX, SNAPSHOT_BLACKLISTED },
	};
	struct snapshot_text name, node;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (snapshot_lookup(s, cases[i].product, cases[i].build) != cases[i].want)
			fail_msg("product %u, build %u", cases[i].product, cases[i].build);
	assert_true(snapshot_product(s, 4, &name, &node));
	assert_true(span_eq(span_of(name.p, name.n), "xenserver-windows-v7.0+"));
	assert_true(span_eq(span_of(node.p, node.n), "xenserver-windows-v7-0-"));
	assert_true(snapshot_product(s, 65535, NULL, NULL));
	assert_false(snapshot_product(s, 2, &name, &node));
	assert_int_equal(s->generation, 42);
	assert_int_equal(s->made, 1795132800);
}

static void frozen(void **state)
{
	static const char *const names[] = { "1.img", "1-with-unknown.img" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t n;
		CLEANUP(free) unsigned char *image = load(names[i], &n);
		CLEANUP(free) unsigned char *askew = xcalloc(n + 1, 1);
		struct snapshot s;

		assert_null(snapshot_open(image, n, &s));
		answers(&s);
		memcpy(askew + 1, image, n); /* no machine word is where it would like to be */
		assert_null(snapshot_open(askew + 1, n, &s));
		answers(&s);
	}
}

static void writes_what_is_frozen(void **state)
{
	struct snapshot_source source = {
		.product = products,
		.n_products = ARRAY_SIZE(products),
		.build = builds,
		.n_builds = ARRAY_SIZE(builds),
		.range = ranges,
		.n_ranges = ARRAY_SIZE(ranges),
		.generation = 42,
		.made = 1795132800,
	};
	size_t n, n_frozen;
	CLEANUP(free) unsigned char *image = NULL, *frozen_image = load("1.img", &n_frozen);
	struct err err;

	(void)state;
	assert_int_equal(snapshot_write(&source, &image, &n, &err), 0);
	assert_int_equal(n, n_frozen);
	assert_memory_equal(image, frozen_image, n);
}

static void refuses_sources(void **state)
{
	struct snapshot_source_product two[] = { { 1, "a", "a" }, { 1, "b", "b" } };
	struct snapshot_source_build build = { 2, 7 };
	struct snapshot_source_range range = { 1, 8, 7 };
	struct snapshot_source source = { .product = two, .n_products = 2 };
	unsigned char *image = NULL;
	size_t n;
	struct err err;

	(void)state;
	assert_int_equal(snapshot_write(&source, &image, &n, &err), -ERR_INVALID);
	assert_string_equal(err.msg, "product 1 is there twice");
	source.n_products = 1;
	source.build = &build;
	source.n_builds = 1;
	assert_int_equal(snapshot_write(&source, &image, &n, &err), -ERR_INVALID);
	assert_string_equal(err.msg, "build 7 is of product 2, which is not listed");
	source.n_builds = 0;
	source.range = &range;
	source.n_ranges = 1;
	assert_int_equal(snapshot_write(&source, &image, &n, &err), -ERR_INVALID);
	assert_string_equal(err.msg, "range 8-7 is reversed");
	assert_null(image);
	source.n_ranges = 0;
	source.n_products = 0;
	assert_int_equal(snapshot_write(&source, &image, &n, &err), 0);
	free(image);
}

/* Offsets in 1.img. */
#define GENERATION 16
#define PRODUCTS 40
#define BUILDS 240
#define RANGES 312

static void hostile(void **state)
{
	static const struct {
		size_t at;
		unsigned bytes;
		uint32_t value;
		const char *want;
	} cases[] = {
		{ 0, 1, 'x', "not a snapshot: another magic" },
		{ 8, 4, 0, "its size is not that of its memory" },
		{ 8, 4, 15, "its size is not that of its memory" },
		{ 8, 4, 365, "its size is not that of its memory" },
		{ 8, 4, UINT32_MAX, "its size is not that of its memory" },
		{ 8, 4, 363, "more records than fit into their capability" },
		{ 8, 4, 20, "the chain leaves the image" },
		{ 12, 4, 8, "the first capability lies in the header" },
		{ 12, 4, 17, "a capability is not at a multiple of 8" },
		{ 12, 4, 364, "a capability is not at a multiple of 8" },
		{ 12, 4, 360, "the chain leaves the image" },
		{ 12, 4, 368, "the chain leaves the image" },
		{ 12, 4, 0xfffffff8, "the chain leaves the image" },
		{ GENERATION + 4, 4, GENERATION, "the chain does not ascend" },
		{ RANGES + 4, 4, GENERATION, "the chain does not ascend" },
		{ RANGES + 4, 4, BUILDS, "the chain does not ascend" },
		{ GENERATION + 4, 4, GENERATION + 4, "the chain does not ascend" },
		{ GENERATION + 4, 4, GENERATION + 8, "the contents of a capability are cut off" },
		{ GENERATION + 4, 4, PRODUCTS + 4, "a capability is not at a multiple of 8" },
		{ RANGES + 4, 4, 0x80000000, "the chain leaves the image" },
		{ RANGES, 2, SNAPSHOT_BUILDS, "a capability is there twice" },
		{ BUILDS, 2, SNAPSHOT_GENERATION, "a capability is there twice" },
		{ RANGES, 2, SNAPSHOT_PRODUCTS, "a capability is there twice" },
		{ BUILDS + 2, 2, 0, "a capability has version 0" },
		{ PRODUCTS + 8, 4, 5, "a name is outside of its capability" },
		{ PRODUCTS + 8, 4, 12, "more records than fit into their capability" },
		{ PRODUCTS + 8, 4, 0x10000000, "more records than fit into their capability" },
		{ PRODUCTS + 8, 4, 3, "a build of a product that is not listed" },
		{ PRODUCTS + 16, 2, 3, "products are not in ascending order" },
		{ PRODUCTS + 16 + 2, 2, 65535, "a name is outside of its capability" },
		{ PRODUCTS + 16 + 4, 4, 16, "a name is outside of its capability" },
		{ PRODUCTS + 16 + 4, 4, UINT32_MAX, "a name is outside of its capability" },
		{ PRODUCTS + 16 + 12, 4, BUILDS, "a name is outside of its capability" },
		{ BUILDS + 8, 4, 8, "more records than fit into their capability" },
		{ BUILDS + 8, 4, UINT32_MAX, "more records than fit into their capability" },
		{ BUILDS + 16, 2, 0, "a build of a product that is not listed" },
		{ BUILDS + 16 + 4, 4, 99999, "builds are not in ascending order" },
		{ BUILDS + 16 + 8, 2, 0, "builds are not in ascending order" },
		{ RANGES + 8, 4, 4, "more records than fit into their capability" },
		{ RANGES + 16, 2, 2, "a range of a product that is not listed" },
		{ RANGES + 16 + 4, 4, UINT32_MAX, NULL },
		{ RANGES + 16 + 8, 4, 49154, "a range is reversed" },
		{ RANGES + 28 + 8, 4, 0x8000000a, "ranges overlap or are not in ascending order" },
		{ RANGES + 16, 2, 65535, "ranges overlap or are not in ascending order" },
		{ RANGES + 2, 2, 65535, NULL },
		{ RANGES, 2, 65535, NULL },
	};
	size_t n;
	CLEANUP(free) unsigned char *image = load("1.img", &n);
	CLEANUP(free) unsigned char *many = xcalloc(16 + 8 * (SNAPSHOT_CHAIN_MAX + 1), 1);
	struct snapshot s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(free) unsigned char *bad = xmemdup(image, n);
		const char *got;

		for (unsigned k = 0; k < cases[i].bytes; k++)
			bad[cases[i].at + k] = (unsigned char)(cases[i].value >> 8 * k);
		got = snapshot_open(bad, n, &s);
		if (!got != !cases[i].want || (got && strcmp(got, cases[i].want) != 0))
			fail_msg("case %zu: %s", i, got ? got : "taken");
	}
	for (size_t cut = 0; cut < n; cut++) {
		CLEANUP(free) unsigned char *bad = xmemdup(image, cut ? cut : 1);

		assert_non_null(snapshot_open(bad, cut, &s));
	}
	/* As long as a chain may be, and one more. */
	memcpy(many, SNAPSHOT_MAGIC, 8);
	for (size_t k = 0; k <= SNAPSHOT_CHAIN_MAX; k++) {
		size_t at = 16 + 8 * k;

		many[at] = many[at + 1] = 0xff;
		many[12] = 16;
		if (k) {
			many[at - 4] = (unsigned char)at;
			many[at - 3] = (unsigned char)(at >> 8);
		}
		many[8] = (unsigned char)(at + 8);
		many[9] = (unsigned char)((at + 8) >> 8);
		if (k < SNAPSHOT_CHAIN_MAX)
			assert_null(snapshot_open(many, at + 8, &s));
		else
			assert_string_equal(snapshot_open(many, at + 8, &s),
					    "the chain is too long");
	}
	assert_int_equal(snapshot_lookup(&s, 1, 1), SNAPSHOT_UNKNOWN_PRODUCT);
}

/* Random sources: every answer as a search through the arrays gives it. */
static void agrees(void **state)
{
	uint64_t seed = 0xd1342543de82ef95u;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct snapshot_source_product p[5];
		struct snapshot_source_build b[40], b0[40];
		struct snapshot_source_range r[10], r0[10];
		struct snapshot_source source = { .product = p, .build = b, .range = r };
		CLEANUP(free) unsigned char *image = NULL;
		struct snapshot s;
		struct err err;
		size_t n, n_builds, n_ranges;

		for (uint16_t i = 0; i < ARRAY_SIZE(p); i++)
			p[i] = (struct snapshot_source_product){ (uint16_t)(3 * i), "name",
								 "node" };
		source.n_products = ARRAY_SIZE(p);
		source.n_builds = model_below(&seed, ARRAY_SIZE(b) + 1);
		for (size_t i = 0; i < source.n_builds; i++)
			b[i] = b0[i] = (struct snapshot_source_build){
				(uint16_t)(3 * model_below(&seed, 5)), model_below(&seed, 100)
			};
		source.n_ranges = model_below(&seed, ARRAY_SIZE(r) + 1);
		for (size_t i = 0; i < source.n_ranges; i++) {
			uint32_t first = model_below(&seed, 100);

			r[i] = r0[i] = (struct snapshot_source_range){
				(uint16_t)(3 * model_below(&seed, 5)), first,
				first + model_below(&seed, 10)
			};
		}
		n_builds = source.n_builds;
		n_ranges = source.n_ranges;
		assert_int_equal(snapshot_write(&source, &image, &n, &err), 0);
		assert_null(snapshot_open(image, n, &s));
		for (uint16_t product = 0; product < 15; product++)
			for (uint32_t build = 0; build < 120; build++) {
				bool in = false;

				for (size_t i = 0; i < n_builds; i++)
					in = in ||
					     (b0[i].product == product && b0[i].build == build);
				for (size_t i = 0; i < n_ranges; i++)
					in = in || (r0[i].product == product &&
						    r0[i].first <= build && build <= r0[i].last);
				assert_int_equal(snapshot_lookup(&s, product, build),
						 product % 3 ? SNAPSHOT_UNKNOWN_PRODUCT
						 : in	     ? SNAPSHOT_BLACKLISTED
							     : SNAPSHOT_ALLOWED);
			}
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(frozen),	   cmocka_unit_test(writes_what_is_frozen),
	cmocka_unit_test(refuses_sources), cmocka_unit_test(hostile),
	cmocka_unit_test(agrees),
};
UNIT_MAIN(tests)
