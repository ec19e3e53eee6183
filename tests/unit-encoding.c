/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The language of encodings: compile, encode, decode and what is derived. */
#include "tests/unit.h"

#include "registry/encoding.h"
#include "tests/model.h"

#include <string.h>

static const struct {
	const char *name, *scan, *expression;
} known[] = {
	{ "raw", "n", "n[0xffffffff]" },
	{ "const:1", "...", "1" },
	{ "linux-kvc8", "a.b.c?...", "a[127]<<24 + b[255]<<16 + c[255^]<<8" },
	{ "xen-win", "a.b.c?...", "a[255]<<16 | b[255]<<8 | c[65535~]" },
	{ "xen-win-strict", "a.b.c?...", "a[255]<<16 | b[255]<<8 | c[255!]" },
	{ "pci-id-rev", "d:x/r:x", "d[0xffff]<<8 | r[255]" },
	{ "vmdp-dec", "a.b.c?...", "a[99]*10000 + b[99]*100 + c[99]" },
};

static struct encoding *compiled(const char *name)
{
	struct encoding *e = NULL;
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i].name, name) == 0 &&
		    encoding_compile(name, known[i].scan, known[i].expression, &e, &err) < 0)
			fail_msg("%s: %s", name, err.msg);
	assert_non_null(e);
	return e;
}

static void encodes(void **state)
{
	static const struct {
		const char *encoding, *version;
		uint32_t want;
	} cases[] = {
		{ "raw", "0", 0 },
		{ "raw", "4294967295", UINT32_MAX },
		{ "raw", "0x90100", 0x90100 },
		{ "const:1", "5.10.0", 1 },
		{ "const:1", "anything-1.2~3", 1 },
		{ "linux-kvc8", "2.6.32", 33955840 },
		{ "linux-kvc8", "2.6.32-rc1", 33955840 },
		{ "linux-kvc8", "2.6.32.71", 33955840 },
		{ "linux-kvc8", "3.0.101", 50357504 },
		{ "linux-kvc8", "3.0.101-0.7.17-default", 50357504 },
		{ "linux-kvc8", "5.10", 84541440 },
		{ "linux-kvc8", "5.10-rc1", 84541440 },
		{ "linux-kvc8", "5.10.255", 84606720 },
		{ "linux-kvc8", "2.6.300", 0x0206ff00 },
		{ "linux-kvc8", "2.6.4294967295", 0x0206ff00 },
		{ "linux-kvc8", "127.255.255", 0x7fffff00 },
		{ "xen-win", "8.2.1", 524801 },
		{ "xen-win", "9.1.0", 590080 },
		{ "xen-win", "9.1.0.37", 590080 },
		{ "xen-win", "9.0.9001", 598825 },
		{ "xen-win", "9.0.9030", 598854 },
		{ "xen-win", "9.1.146", 590226 },
		{ "xen-win", "9.1.300", 590124 },
		{ "xen-win", "9.1.44", 590124 },
		{ "xen-win", "9.1.256", 590080 },
		{ "xen-win", "9.2.350", 590686 },
		{ "xen-win", "9.2.385", 590721 },
		{ "xen-win", "255.255.65535", 0xffffff },
		{ "pci-id-rev", "0002/02", 514 },
		{ "pci-id-rev", "c200/0A", 0xc2000a },
		{ "pci-id-rev", "0xc200/0x0a", 0xc2000a },
		{ "vmdp-dec", "2.5.5", 20505 },
		{ "vmdp-dec", "2.5.5.2", 20505 },
		{ "vmdp-dec", "2.5", 20500 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(encoding_free) struct encoding *e = compiled(cases[i].encoding);
		struct err err = { 0 };
		uint32_t got = 0;

		if (encoding_encode(e, span_str(cases[i].version), &got, &err) < 0)
			fail_msg("%s %s: %s", cases[i].encoding, cases[i].version, err.msg);
		assert_int_equal(got, cases[i].want);
	}
}

static void refuses_versions(void **state)
{
	static const struct {
		const char *encoding, *version, *want;
	} cases[] = {
		{ "xen-win", "", "version '' in xen-win: column 1: the version is empty" },
		{ "xen-win", "9",
		  "version '9' in xen-win: column 2: expected '.' and 'b' (the version reads "
		  "'a.b.c?...')" },
		{ "xen-win", "9.x",
		  "version '9.x' in xen-win: column 3: expected a digit of 'b', not 'x'" },
		{ "xen-win", "9.1.x",
		  "version '9.1.x' in xen-win: column 5: expected a digit of 'c', not 'x'" },
		{ "xen-win", "9.1.",
		  "version '9.1.' in xen-win: column 5: expected a digit of 'c', not the end" },
		{ "xen-win", "9.1.0.",
		  "version '9.1.0.' in xen-win: column 6: unexpected '.' in a version" },
		{ "xen-win", "9.1.0..4",
		  "version '9.1.0..4' in xen-win: column 6: unexpected '.' in a version" },
		{ "xen-win", "9.01.0",
		  "version '9.01.0' in xen-win: column 3: 'b' has a leading zero" },
		{ "xen-win", "-9.1.0",
		  "version '-9.1.0' in xen-win: column 1: expected a digit of 'a', not '-'" },
		{ "xen-win", "+9.1.0",
		  "version '+9.1.0' in xen-win: column 1: expected a digit of 'a', not '+'" },
		{ "xen-win", " 9.1.0",
		  "version ' 9.1.0' in xen-win: column 1: expected a digit of 'a', not byte 0x20" },
		{ "xen-win", "9.1.0 ",
		  "version '9.1.0 ' in xen-win: column 6: unexpected byte 0x20 after the version (it "
		  "reads 'a.b.c?...')" },
		{ "xen-win", "9.1.0-\x1b[31m",
		  "version '9.1.0-\\x1b[31m' in xen-win: column 7: unexpected byte 0x1b in a version" },
		{ "xen-win", "256.0.0",
		  "version '256.0.0' in xen-win: column 1: 'a' is 256, but at most 255" },
		{ "xen-win", "9.1.65536",
		  "version '9.1.65536' in xen-win: column 5: 'c' is 65536, but at most 65535" },
		{ "xen-win", "9.1.99999999999999999999",
		  "version '9.1.99999999999999999999' in xen-win: column 5: 'c' does not fit 32 "
		  "bits" },
		{ "xen-win", "9.1.*",
		  "version '9.1.*' in xen-win: column 5: expected a digit of 'c', not '*'" },
		{ "linux-kvc8", "2.6.4294967296",
		  "version '2.6.4294967296' in linux-kvc8: column 5: 'c' does not fit 32 bits" },
		{ "linux-kvc8", "128.0.0",
		  "version '128.0.0' in linux-kvc8: column 1: 'a' is 128, but at most 127" },
		{ "linux-kvc8", "5.10rc1",
		  "version '5.10rc1' in linux-kvc8: column 5: expected a digit of 'b', not 'r'" },
		{ "pci-id-rev", "0002",
		  "version '0002' in pci-id-rev: column 5: expected '/' and 'r' (the version reads "
		  "'d:x/r:x')" },
		{ "pci-id-rev", "0002/02/1",
		  "version '0002/02/1' in pci-id-rev: column 8: unexpected '/' after the version (it "
		  "reads 'd:x/r:x')" },
		{ "pci-id-rev", "g/1",
		  "version 'g/1' in pci-id-rev: column 1: expected a hexadecimal digit of 'd', not "
		  "'g'" },
		{ "pci-id-rev", "0x/1",
		  "version '0x/1' in pci-id-rev: column 3: expected a hexadecimal digit of 'd', not "
		  "'/'" },
		{ "pci-id-rev", "10000/1",
		  "version '10000/1' in pci-id-rev: column 1: 'd' is 65536, but at most 65535" },
		{ "raw", "0x100000000",
		  "version '0x100000000' in raw: column 1: 'n' does not fit 32 bits" },
		{ "const:1", "two words",
		  "version 'two words' in const:1: column 4: unexpected byte 0x20 in a version" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(encoding_free) struct encoding *e = compiled(cases[i].encoding);
		struct err err = { 0 };
		uint32_t got = 77;

		assert_int_equal(encoding_encode(e, span_str(cases[i].version), &got, &err),
				 -ERR_INVALID);
		assert_string_equal(err.msg, cases[i].want);
		assert_int_equal(got, 77);
	}
}

static void refuses_encodings(void **state)
{
	static const struct {
		const char *name, *scan, *expression, *want;
	} cases[] = {
		{ "e", "", "1",
		  "encoding 'e': scan column 1: expected a field or '...', not the end" },
		{ "e", "a", "",
		  "encoding 'e': expression column 1: expected the name of a field, not the end" },
		{ "e", "a", "b[1]",
		  "encoding 'e': expression column 1: field 'b' is not in the scan 'a'" },
		{ "e", "a.b", "a[1]",
		  "encoding 'e': scan: field 'b' is not in the expression; '...' stands for what does "
		  "not count" },
		{ "e", "a", "a[1] + a[1]",
		  "encoding 'e': expression column 8: field 'a' is there twice" },
		{ "e", "a.a", "a[1]", "encoding 'e': scan column 3: field 'a' is there twice" },
		{ "e", "a.b.c", "a[1] + b[1] | c[1]",
		  "encoding 'e': expression column 13: '+' and '|' cannot be mixed" },
		{ "e", "a", "a[1]*0",
		  "encoding 'e': expression column 6: '0' is not a number from 1 to 4294967295" },
		{ "e", "a", "a[1]<<32",
		  "encoding 'e': expression column 7: '32' is not a number from 0 to 31" },
		{ "e", "a", "a[2]<<31",
		  "encoding 'e': expression column 1: the largest 'a' does not fit 32 bits" },
		{ "e", "a.b", "a[0xffffffff] + b[1]",
		  "encoding 'e': expression: the largest build is 4294967296, which does not fit 32 "
		  "bits" },
		{ "e", "a", "a[4294967296]",
		  "encoding 'e': expression column 3: '4294967296' is not a number from 0 to "
		  "4294967295" },
		{ "e", "a", "a[]",
		  "encoding 'e': expression column 3: expected a number, not ']'" },
		{ "e", "a", "a[1?]",
		  "encoding 'e': expression column 4: expected '!', '^', '~' or ']', not '?'" },
		{ "e", "a", "a",
		  "encoding 'e': expression column 2: expected '[' and the largest value "
		  "of the field, not the end" },
		{ "e", "a", "a[1] +",
		  "encoding 'e': expression column 7: expected the name of a field, not the end" },
		{ "e", "a", "a[1] ; 1",
		  "encoding 'e': expression column 6: expected '+' or '|', not ';'" },
		{ "e", "a", "a[1]\t",
		  "encoding 'e': expression column 5: expected '+' or '|', not byte "
		  "0x09" },
		{ "e", "a", "a[9]*10 | 1",
		  "encoding 'e': expression: 'a' has the weight 10, but '|' joins bits: use a shift, or "
		  "'+'" },
		{ "e", "a?", "a[1]",
		  "encoding 'e': scan column 2: the first field cannot be optional" },
		{ "e", "a.b?.c", "a[1] + b[1] + c[1]",
		  "encoding 'e': scan column 6: 'c' follows an optional field and has to be optional "
		  "too" },
		{ "e", "a,b", "a[1]",
		  "encoding 'e': scan column 2: expected a separator (. / - _ +) or "
		  "'...', not ','" },
		{ "e", "a.B", "a[1]",
		  "encoding 'e': scan column 3: expected the name of a field, not 'B'" },
		{ "e", "a...b", "a[1]",
		  "encoding 'e': scan column 5: expected nothing after '...', not 'b'" },
		{ "e", "a.b.c.d.e.f.g.h.i", "a[1]",
		  "encoding 'e': scan column 17: more than 8 fields" },
		{ "e", "abcdefghijklmnop", "1",
		  "encoding 'e': scan column 1: the name of a field has at most 15 bytes" },
		{ "e", "...", "4294967295 + 1",
		  "encoding 'e': expression: the constants do not fit 32 bits" },
		{ "", "a", "a[1]", "encoding '': the name has to have 1 to 64 bytes" },
		{ "a b", "a", "a[1]",
		  "encoding 'a b': the name has byte 0x20 in column 2; letters, digits and, not in "
		  "front, '.', '_', '-' are possible" },
		{ "const:2", "...", "1",
		  "encoding 'const:2': a name that begins with 'const:' stands for the scan '...' and "
		  "the number after it" },
	};
	char longer[ENCODING_EXPRESSION_MAX + 2];
	struct encoding *e = NULL;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = encoding_compile(cases[i].name, cases[i].scan, cases[i].expression, &e,
					 &err);

		assert_int_equal(r, -ERR_INVALID);
		assert_null(e);
		assert_string_equal(err.msg, cases[i].want);
	}
	memset(longer, ' ', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(encoding_compile("e", "a", longer, &e, &err), -ERR_INVALID);
	assert_string_equal(err.msg, "encoding 'e': the expression is longer than 256 bytes");
}

static void derives(void **state)
{
	static const struct {
		const char *encoding;
		struct encoding_facts want;
	} cases[] = {
		{ "raw", { false, true, true, 1, 0, UINT32_MAX } },
		{ "const:1", { true, true, false, 0, 1, 1 } },
		{ "linux-kvc8", { false, true, false, 256, 0, 0x7fffff00 } },
		{ "xen-win", { false, false, false, 1, 0, 0xffffff } },
		{ "xen-win-strict", { false, true, true, 1, 0, 0xffffff } },
		{ "pci-id-rev", { false, true, true, 1, 0, 0xffffff } },
		{ "vmdp-dec", { false, true, true, 1, 0, 999999 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(encoding_free) struct encoding *e = compiled(cases[i].encoding);
		struct encoding_facts got = encoding_facts(e), want = cases[i].want;

		assert_int_equal(got.constant, want.constant);
		assert_int_equal(got.ordered, want.ordered);
		assert_int_equal(got.injective, want.injective);
		assert_int_equal(got.stride, want.stride);
		assert_int_equal(got.least, want.least);
		assert_int_equal(got.largest, want.largest);
	}
}

static void decodes(void **state)
{
	static const struct {
		const char *encoding;
		uint32_t build;
		const char *text;
		bool impossible, ambiguous;
		const char *why;
	} cases[] = {
		{ "raw", 590080, "590080", false, false, "" },
		{ "const:1", 1, "", false, true, "every version has the build 1" },
		{ "const:1", 2, "", true, false, "the build is always 1" },
		{ "linux-kvc8", 33955840, "2.6.32", false, false, "" },
		{ "linux-kvc8", 0x0206ff00, "2.6.255", false, true, "'c' is 255 or more" },
		{ "linux-kvc8", 0x02062001, "", true, false, "builds are multiples of 256" },
		{ "linux-kvc8", 0x80000000, "", true, false, "builds go from 0 to 2147483392" },
		{ "xen-win", 590080, "9.1.0", false, true, "9.1.256 has the same build" },
		{ "xen-win", 0x90005, "9.0.5", false, false, "" },
		{ "xen-win", 598825, "9.35.41", false, true, "9.35.297 has the same build" },
		{ "xen-win", 0x1000000, "", true, false, "no version has this build" },
		{ "xen-win-strict", 590080, "9.1.0", false, false, "" },
		{ "pci-id-rev", 514, "0002/02", false, false, "" },
		{ "vmdp-dec", 20505, "2.5.5", false, false, "" },
		{ "vmdp-dec", 1000000, "", true, false, "builds go from 0 to 999999" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(encoding_free) struct encoding *e = compiled(cases[i].encoding);
		struct encoding_version got;

		encoding_decode(e, cases[i].build, &got);
		assert_string_equal(got.text, cases[i].text);
		assert_int_equal(got.impossible, cases[i].impossible);
		assert_int_equal(got.ambiguous, cases[i].ambiguous);
		assert_string_equal(got.why, cases[i].why);
	}
}

#define UNIVERSE 16384

/* All versions of random encodings: what is derived and decoded is what is so. */
static void brute_force(void **state)
{
	static const char dense[] =
		"a[300]*100003 + b[300]*100019 + c[300]*100043 + d[300]*100049 + "
		"e[300]*100057 + f[300]*100069 + g[300]*100103 + h[300]*100109";
	uint64_t seed = 88172645463325252u;
	struct encoding *e = NULL;
	struct encoding_version got;
	struct err err;

	(void)state;
	for (unsigned round = 0; round < 1500; round++) {
		uint32_t count[UNIVERSE] = { 0 }, v[4] = { 0 }, before = 0, least = UINT32_MAX;
		uint32_t largest = 0, stride = 0, first;
		bool ordered = true, injective = true, exact;
		struct encoding_facts facts;
		struct model m;

		model_make(&m, &seed);
		facts = encoding_facts(m.e);
		first = model_eval(&m, v);
		do {
			uint32_t want = model_eval(&m, v), build = 0;
			char text[64];

			model_text(&m, v, text);
			assert_int_equal(encoding_encode(m.e, span_str(text), &build, &err), 0);
			assert_int_equal(build, want);
			assert_true(build < UNIVERSE);
			ordered = ordered && build >= before;
			injective = injective && count[build] == 0;
			before = build;
			count[build]++;
			least = build < least ? build : least;
			largest = build > largest ? build : largest;
			for (uint32_t a = build > first ? build - first : first - build; a;) {
				uint32_t t = stride % a;

				stride = a;
				a = t;
			}
		} while (model_next(&m, v));
		assert_int_equal(facts.least, least);
		assert_int_equal(facts.largest, largest);
		assert_int_equal(facts.constant, least == largest);
		if (facts.ordered && !ordered)
			fail_msg("%s is not ordered", m.expression);
		assert_true(!facts.injective || injective);
		if (!m.is_or) {
			assert_int_equal(facts.ordered, ordered);
			assert_int_equal(facts.stride, stride);
		}
		assert_true(stride == 0 || (facts.stride && stride % facts.stride == 0));
		/* '|' without shared bits and with plain maxima: exact too. */
		exact = m.is_or;
		for (size_t i = 0; i < m.n; i++)
			exact = exact && m.policy[i] == '!' && m.max[i];
		if (exact)
			assert_int_equal(facts.injective, injective);

		for (uint32_t build = 0; build < largest + 20; build++) {
			uint32_t again = 0;

			encoding_decode(m.e, build, &got);
			if (got.impossible != (count[build] == 0) ||
			    got.ambiguous != (count[build] > 1))
				fail_msg("%s: build %u has %u versions, decoded as '%s' %d %d",
					 m.expression, build, count[build], got.text,
					 got.impossible, got.ambiguous);
			assert_int_equal(got.impossible || got.ambiguous, got.why[0] != '\0');
			if (got.impossible)
				continue;
			assert_int_equal(encoding_encode(m.e, span_str(got.text), &again, &err), 0);
			assert_int_equal(again, build);
		}
		model_free(&m);
	}
	/* Too dense to search: told, within bounded time. */
	assert_int_equal(encoding_compile("dense", "a.b.c.d.e.f.g.h", dense, &e, &err), 0);
	for (uint32_t i = 0; i < 50; i++)
		encoding_decode(e, 100000000 + 7919 * i, &got);
	encoding_free(e);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(encodes),	     cmocka_unit_test(refuses_versions),
	cmocka_unit_test(refuses_encodings), cmocka_unit_test(derives),
	cmocka_unit_test(decodes),	     cmocka_unit_test(brute_force),
};
UNIT_MAIN(tests)
