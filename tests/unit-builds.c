/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets of builds: the algebra against a bitmap, BUILDS texts, version ranges against all versions. */
#include "tests/unit.h"

#include "registry/builds.h"
#include "tests/model.h"

#include <inttypes.h>
#include <string.h>

#define UNIVERSE 1024

/* A set beside its bitmap; builds are BASE + 0 to UNIVERSE - 1. */
struct pair {
	struct builds *set;
	bool bit[UNIVERSE];
};

static void check_pair(const struct pair *p, uint32_t base)
{
	const struct builds_piece *piece;
	size_t n = builds_pieces(p->set, &piece);
	unsigned seen[UNIVERSE] = { 0 };
	uint64_t count = 0;
	uint32_t next = base, before = 0;

	for (size_t i = 0; i < n; i++) {
		assert_true(piece[i].stride >= 1 && piece[i].first <= piece[i].last);
		assert_int_equal((piece[i].last - piece[i].first) % piece[i].stride, 0);
		assert_true(i == 0 || piece[i].first > before);
		before = piece[i].first;
		for (uint64_t b = piece[i].first; b <= piece[i].last; b += piece[i].stride)
			seen[b - base]++;
	}
	for (uint32_t i = 0; i < UNIVERSE; i++) {
		assert_int_equal(seen[i], p->bit[i]);
		assert_int_equal(builds_contains(p->set, base + i), p->bit[i]);
		count += p->bit[i];
	}
	assert_int_equal(builds_count(p->set), count);
	for (uint32_t i = 0; i < UNIVERSE; i++) {
		if (!p->bit[i])
			continue;
		assert_true(builds_next(p->set, &next));
		assert_int_equal(next, base + i);
		if (next == UINT32_MAX)
			return;
		next++;
	}
	assert_false(builds_next(p->set, &next));
}

/* The text that a set with these bits has to have. */
static char *text_of(const struct pair *p, uint32_t base)
{
	size_t size;
	char *text;
	FILE *f = open_memstream(&text, &size);
	const char *comma = "";

	for (uint32_t i = 0; i < UNIVERSE; i++) {
		uint32_t first = i;

		if (!p->bit[i])
			continue;
		while (i + 1 < UNIVERSE && p->bit[i + 1])
			i++;
		fprintf(f, first < i ? "%s%" PRIu32 "..%" PRIu32 : "%s%" PRIu32, comma,
			base + first, base + i);
		comma = ",";
	}
	fclose(f);
	return text;
}

static void random_pair(struct pair *p, uint32_t base, uint64_t *seed)
{
	struct builds_piece piece[12];
	size_t n = model_below(seed, ARRAY_SIZE(piece) + 1);
	struct err err;

	memset(p, 0, sizeof(*p));
	for (size_t i = 0; i < n; i++) {
		uint32_t from = model_below(seed, UNIVERSE), to = model_below(seed, UNIVERSE);
		uint32_t stride = model_below(seed, 3) ? 1 + model_below(seed, 12) : 1;

		if (from > to) {
			uint32_t t = from;

			from = to;
			to = t;
		}
		if (stride == 1 && model_below(seed, 2) && to > from + 30)
			to = from + 30;
		piece[i] = (struct builds_piece){ base + from, base + to, stride };
		for (uint32_t b = from; b <= to; b += stride)
			p->bit[b] = true;
	}
	assert_int_equal(builds_make(piece, n, &p->set, &err), 0);
}

static void algebra(void **state)
{
	static const uint32_t bases[] = { 0, 0x7ffffe00, UINT32_MAX - UNIVERSE + 1 };
	uint64_t seed = 0x9e3779b97f4a7c15u;
	struct err err;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		uint32_t base = bases[round % ARRAY_SIZE(bases)];
		struct pair a, b, got = { 0 };
		const struct builds *both[2];
		char *text, *want;

		random_pair(&a, base, &seed);
		random_pair(&b, base, &seed);
		check_pair(&a, base);
		both[0] = a.set;
		both[1] = b.set;
		assert_int_equal(builds_union(both, 2, &got.set, &err), 0);
		for (size_t i = 0; i < UNIVERSE; i++)
			got.bit[i] = a.bit[i] || b.bit[i];
		check_pair(&got, base);
		text = builds_text(got.set, SIZE_MAX);
		want = text_of(&got, base);
		assert_string_equal(text, want);
		free(text);
		free(want);
		builds_free(got.set);
		assert_int_equal(builds_subtract(a.set, b.set, &got.set, &err), 0);
		for (size_t i = 0; i < UNIVERSE; i++)
			got.bit[i] = a.bit[i] && !b.bit[i];
		check_pair(&got, base);
		builds_free(got.set);
		assert_int_equal(builds_intersect(a.set, b.set, &got.set, &err), 0);
		for (size_t i = 0; i < UNIVERSE; i++)
			got.bit[i] = a.bit[i] && b.bit[i];
		check_pair(&got, base);
		builds_free(got.set);
		builds_free(a.set);
		builds_free(b.set);
	}
}

static void hull_and_edges(void **state)
{
	static const struct builds_piece strided[] = { { 10, 50, 20 },
						       { 40, 60, 5 },
						       { 100, 100, 7 } };
	CLEANUP(builds_free)
	struct builds *all = builds_range(0, UINT32_MAX), *none = builds_empty();
	CLEANUP(builds_free) struct builds *odd = NULL, *hull = NULL, *rest = NULL, *back = NULL;
	const struct builds *both[2];
	const struct builds_piece *piece;
	CLEANUP(free) char *text = NULL, *few = NULL, *empty = builds_text(none, 5);
	uint32_t build = 0;
	struct err err;

	(void)state;
	assert_int_equal(builds_count(all), UINT64_C(1) << 32);
	assert_int_equal(builds_pieces(all, &piece), 1);
	assert_false(builds_next(none, &build));
	assert_string_equal(empty, "");
	assert_int_equal(builds_make(strided, ARRAY_SIZE(strided), &odd, &err), 0);
	assert_int_equal(builds_count(odd), 8);
	text = builds_text(odd, SIZE_MAX);
	assert_string_equal(text, "10,30,40,45,50,55,60,100");
	few = builds_text(odd, 3);
	assert_string_equal(few, "10,30,40,...");
	hull = builds_hull(odd);
	free(text);
	text = builds_text(hull, SIZE_MAX);
	assert_string_equal(text, "10..30,40..60,100");
	assert_int_equal(builds_subtract(all, odd, &rest, &err), 0);
	assert_int_equal(builds_count(rest), (UINT64_C(1) << 32) - 8);
	both[0] = rest;
	both[1] = odd;
	assert_int_equal(builds_union(both, 2, &back, &err), 0);
	free(text);
	text = builds_text(back, SIZE_MAX);
	assert_string_equal(text, "0..4294967295");
}

/* The encodings of facts and of product 65535. */
static struct encoding *xen_win, *kvc, *vmdp, *pci, *raw, *family, *holes, *backwards;
static struct encoding_use uses_65535[3], uses_3[2], use_kvc, use_vmdp, use_pci, use_raw, use_win;
static struct encoding_use use_holes, use_backwards;

static struct encoding *compile(const char *name, const char *scan, const char *expression)
{
	struct encoding *e = NULL;
	struct err err;

	if (encoding_compile(name, scan, expression, &e, &err) < 0)
		fail_msg("%s", err.msg);
	return e;
}

static int setup(void **state)
{
	(void)state;
	xen_win = compile("xen-win", "a.b.c?...", "a[255]<<16 | b[255]<<8 | c[65535~]");
	kvc = compile("linux-kvc8", "a.b.c?...", "a[127]<<24 + b[255]<<16 + c[255^]<<8");
	vmdp = compile("vmdp-dec", "a.b.c?...", "a[99]*10000 + b[99]*100 + c[99]");
	pci = compile("pci-id-rev", "d:x/r:x", "d[0xffff]<<8 | r[255]");
	raw = compile("raw", "n", "n[0xffffffff]");
	family = compile("const:1", "...", "1");
	holes = compile("holes", "a.b", "a[9]*1000 + b[9]*10");
	backwards = compile("backwards", "a.b", "a[9] + b[9]*10");
	uses_65535[0] =
		(struct encoding_use){ xen_win, 0, 16777215, "Xen Project Windows PV drivers" };
	uses_65535[1] = (struct encoding_use){ kvc, 33554432, UINT32_MAX, "unmodified_drivers" };
	uses_65535[2] = (struct encoding_use){ kvc, 16777216, 33554431, "" };
	uses_3[0] = (struct encoding_use){ family, 0, 255, "Linux 2.6.36 and later" };
	uses_3[1] = (struct encoding_use){ pci, 256, UINT32_MAX, "XenServer 6.1" };
	use_kvc = (struct encoding_use){ kvc, 0, UINT32_MAX, "" };
	use_vmdp = (struct encoding_use){ vmdp, 0, UINT32_MAX, "" };
	use_pci = (struct encoding_use){ pci, 0, UINT32_MAX, "" };
	use_raw = (struct encoding_use){ raw, 0, UINT32_MAX, "" };
	use_win = (struct encoding_use){ xen_win, 0, UINT32_MAX, "" };
	use_holes = (struct encoding_use){ holes, 0, UINT32_MAX, "" };
	use_backwards = (struct encoding_use){ backwards, 0, UINT32_MAX, "" };
	return 0;
}

static int teardown(void **state)
{
	struct encoding *all[] = { xen_win, kvc, vmdp, pci, raw, family, holes, backwards };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		encoding_free(all[i]);
	return 0;
}

#define STOPS                                                                              \
	"in a range of versions 'c' of xen-win stops at 255, greater values share builds " \
	"with other versions: name such versions one by one"

static void parses(void **state)
{
	static const struct {
		const char *in;
		const struct encoding_use *uses;
		size_t n_uses;
		const char *want; /* up to four parts of the set */
		uint64_t count;
		bool versions, whole_family;
		const char *notes;
	} cases[] = {
		{ "0", NULL, 0, "0", 1, false, false, "" },
		{ "4294967295", NULL, 0, "4294967295", 1, false, false, "" },
		{ "0x90100", uses_65535, 3, "590080", 1, false, false, "" },
		{ "590080,1..3,2..5,7", uses_65535, 3, "1..5,7,590080", 7, false, false, "" },
		{ "0..0xffffffff", NULL, 0, "0..4294967295", UINT64_C(1) << 32, false, true, "" },
		{ "1", uses_3, 2, "1", 1, false, true, "every version has the build 1 in const:1" },
		{ "0..255", uses_3, 2, "0..255", 256, false, true,
		  "every version has the build 1 in const:1" },
		{ "0,2..300", uses_3, 2, "0,2..300", 300, false, false, "" },
		{ "all", uses_65535, 3, "0..4294967295", UINT64_C(1) << 32, false, true, "" },
		{ "all,5", NULL, 0, "0..4294967295", UINT64_C(1) << 32, false, true, "" },
		{ "5.10.0..5.10.255", &use_kvc, 1, "84541440,84541696,84541952,84542208,...", 256,
		  true, false, "" },
		{ "linux-kvc8:5.10.*", uses_65535, 3, "84541440,84541696,84541952,84542208,...",
		  256, true, false, "" },
		{ "5.*", &use_kvc, 1, "83886080,83886336,83886592,83886848,...", 65536, true, false,
		  "" },
		{ "2.6.18..2.6.39", &use_kvc, 1, "33952256,33952512,33952768,33953024,...", 22,
		  true, false, "" },
		{ "3.0.0..3.0.101", &use_kvc, 1, "50331648,50331904,50332160,50332416,...", 102,
		  true, false, "" },
		{ "2.6.300", &use_kvc, 1, "34012928", 1, true, false,
		  "2.6.300 has the same build as 2.6.255: 34012928" },
		{ "2.6.255", &use_kvc, 1, "34012928", 1, true, false,
		  "build 34012928 is not 2.6.255 alone: 'c' is 255 or more" },
		{ "2.6.254..2.6.300", &use_kvc, 1, "34012672,34012928", 2, true, false,
		  "2.6.300 counts as 'c' 255" },
		{ "2.6.32.*", &use_kvc, 1, "33955840", 1, true, false, "" },
		{ "2.6.32-rc1", &use_kvc, 1, "33955840", 1, true, false, "" },
		{ "xen-win:8.2.0..8.2.9", uses_65535, 3, "524800..524809", 10, true, false, "" },
		{ "xen-win:9.1.0", uses_65535, 3, "590080", 1, true, false, "" },
		{ "9.1.*", &use_win, 1, "590080..590335", 256, true, false, STOPS },
		{ "7.2.0..8.2.0", &use_win, 1, "459264..524800", 65537, true, false, STOPS },
		{ "9.0.9001", &use_win, 1, "598825", 1, true, false,
		  "9.0.9001 has the same build as 9.35.41: 598825" },
		{ "9.0.9001..9.0.9001", &use_win, 1, "598825", 1, true, false,
		  "9.0.9001 has the same build as 9.35.41: 598825" },
		{ "9.1.256", &use_win, 1, "590080", 1, true, false,
		  "9.1.256 has the same build as 9.1.0: 590080" },
		{ "9.1.0..9.1.999", &use_win, 1, "590080..590335", 256, true, false, STOPS },
		{ "9.0.9001..9.1.0", &use_win, 1, "590080", 1, true, false, STOPS },
		{ "const:1:5.10.0", uses_3, 2, "1", 1, true, true,
		  "every version has the build 1 in const:1" },
		{ "const:1:5.4.*", uses_3, 2, "1", 1, true, true,
		  "every version has the build 1 in const:1" },
		{ "pci-id-rev:0002/02", uses_3, 2, "514", 1, true, false, "" },
		{ "c000/*", &use_pci, 1, "12582912..12583167", 256, true, false, "" },
		{ "raw:5..9", &use_raw, 1, "5..9", 5, true, false, "" },
		{ "2.5.3..2.5.5,20600", &use_vmdp, 1, "20503..20505,20600", 4, true, false, "" },
		{ "1.98.97..2.0.1", &use_vmdp, 1, "19897..20001", 105, true, false, "" },
		{ "1.5..3.2", &use_holes, 1, "1050,1060,1070,1080,...", 18, true, false, "" },
		{ "1.5..1.7", &use_backwards, 1, "51,61,71", 3, true, false, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(builds_free) struct builds *b = NULL;
		CLEANUP(free) char *text = NULL;
		struct builds_notes notes;
		struct err err;

		if (builds_parse(cases[i].in, cases[i].uses, cases[i].n_uses, &b, &notes, &err) < 0)
			fail_msg("%s: %s", cases[i].in, err.msg);
		text = builds_text(b, 4);
		assert_string_equal(text, cases[i].want);
		assert_int_equal(builds_count(b), cases[i].count);
		assert_int_equal(notes.versions, cases[i].versions);
		assert_int_equal(notes.whole_family, cases[i].whole_family);
		assert_string_equal(notes.text, cases[i].notes);
	}
}

static void strides(void **state)
{
	static const struct {
		const char *in;
		const struct encoding_use *use;
		size_t n;
		struct builds_piece first;
	} cases[] = {
		{ "5.10.0..5.10.255", &use_kvc, 1, { 84541440, 84606720, 256 } },
		{ "5.4.3..5.10.7", &use_kvc, 1, { 0x05040300, 0x050a0700, 256 } },
		{ "4.19.0..5.10", &use_kvc, 1, { 0x04130000, 0x050a0000, 256 } },
		{ "1.*", &use_holes, 1, { 1000, 1090, 10 } },
		{ "1.0..3.9", &use_holes, 3, { 1000, 1090, 10 } },
		{ "1.0..9.9", &use_backwards, 1, { 1, 99, 1 } },
		{ "0.0..255.255.255", &use_win, 1, { 0, 0xffffff, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(builds_free) struct builds *b = NULL;
		const struct builds_piece *piece;
		struct err err;

		if (builds_parse(cases[i].in, cases[i].use, 1, &b, NULL, &err) < 0)
			fail_msg("%s: %s", cases[i].in, err.msg);
		if (cases[i].use == &use_backwards)
			continue;
		assert_int_equal(builds_pieces(b, &piece), cases[i].n);
		assert_int_equal(piece->first, cases[i].first.first);
		assert_int_equal(piece->last, cases[i].first.last);
		assert_int_equal(piece->stride, cases[i].first.stride);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *in;
		const struct encoding_use *uses;
		size_t n_uses;
		const char *want;
	} cases[] = {
		{ "", NULL, 0, "builds '': column 1: expected a build or a version" },
		{ ",", NULL, 0, "builds '': column 1: expected a build or a version" },
		{ "1,", NULL, 0, "builds '': column 3: expected a build or a version" },
		{ "1..", NULL, 0, "builds '1..': column 4: expected a build or a version" },
		{ "..5", NULL, 0, "builds '..5': column 1: expected a build or a version" },
		{ "5..3", NULL, 0,
		  "builds '5..3': column 1: the range is reversed: 5 is greater than 3" },
		{ "1, 2", NULL, 0, "builds ' 2': column 3: unexpected byte 0x20" },
		{ "1\n", NULL, 0, "builds '1\\x0a': column 2: unexpected byte 0x0a" },
		{ "4294967296", NULL, 0,
		  "builds '4294967296': column 1: not a build number (0 to 4294967295, decimal without "
		  "leading zeros or 0x)" },
		{ "007", &use_kvc, 1,
		  "builds '007': column 1: not a build number (0 to 4294967295, decimal without leading "
		  "zeros or 0x)" },
		{ "0xfg", &use_kvc, 1,
		  "builds '0xfg': column 1: not a build number (0 to 4294967295, decimal without leading "
		  "zeros or 0x)" },
		{ "-1", NULL, 0,
		  "builds '-1': column 1: not a number, and the product has no encoding for versions" },
		{ "9.1.0", NULL, 0,
		  "builds '9.1.0': column 1: not a number, and the product has no encoding for "
		  "versions" },
		{ "9.1.0", uses_65535, 2,
		  "builds '9.1.0': column 1: the product has several encodings, put one and ':' before "
		  "the version: xen-win (Xen Project Windows PV drivers), linux-kvc8 "
		  "(unmodified_drivers)" },
		{ "5,foo:9.1.0", uses_65535, 2,
		  "builds 'foo:9.1.0': column 3: the product has no encoding 'foo'; it has xen-win (Xen "
		  "Project Windows PV drivers), linux-kvc8 (unmodified_drivers)" },
		{ "foo:9.1.0", NULL, 0,
		  "builds 'foo:9.1.0': column 1: the product has no encoding 'foo'" },
		{ "xen-win:", uses_65535, 2,
		  "builds 'xen-win:': column 9: expected a build or a version" },
		{ "xen-win:all", uses_65535, 2,
		  "builds 'xen-win:all': column 9: expected a digit of 'a', not 'a'" },
		{ "xen-win:9.1.0..xen-win:9.2.0", uses_65535, 2,
		  "builds 'xen-win:9.1.0..xen-win:9.2.0': column 16: expected a digit of 'a', not 'x'" },
		{ "1,xen-win:9.1.x", uses_65535, 2,
		  "builds 'xen-win:9.1.x': column 15: expected a digit of 'c', not 'x'" },
		{ "9.2.0..9.1.0", &use_win, 1,
		  "builds '9.2.0..9.1.0': column 1: the range is reversed: its first version is later "
		  "than its last" },
		{ "2.6.300..2.6.260", &use_kvc, 1,
		  "builds '2.6.300..2.6.260': column 1: the range is reversed: its first version is "
		  "later than its last" },
		{ "9.1.0...9.2.0", &use_win, 1,
		  "builds '9.1.0...9.2.0': column 8: expected a digit of 'a', not '.'" },
		{ "9.1.*..9.2.0", &use_win, 1,
		  "builds '9.1.*..9.2.0': column 1: '*' cannot be an end of a range" },
		{ "9.*.1", &use_win, 1,
		  "builds '9.*.1': column 3: expected a digit of 'b', not '*'" },
		{ "*", &use_win, 1, "builds '*': column 1: expected a digit of 'a', not '*'" },
		{ "590080..9.2.0", &use_win, 1,
		  "builds '590080..9.2.0': column 1: one end of the range is a number and the other a "
		  "version" },
		{ "9.0.9001..9.0.9030", &use_win, 1,
		  "builds '9.0.9001..9.0.9030': column 1: the whole range is beyond the nominal width of "
		  "a field: name these versions one by one, or their builds" },
		{ "9.256.0", &use_win, 1,
		  "builds '9.256.0': column 3: 'b' is 256, but at most 255" },
		{ "linux-kvc8:0.9.0", uses_65535, 2,
		  "builds 'linux-kvc8:0.9.0': column 1: build 589824 is outside of what the product uses "
		  "linux-kvc8 for; such builds are in xen-win (Xen Project Windows PV drivers)" },
		{ "linux-kvc8:1.0.0..3.0.0", uses_65535, 2,
		  "builds 'linux-kvc8:1.0.0..3.0.0': column 1: build 16777216 is outside of what the "
		  "product uses linux-kvc8 for" },
		{ "pci-id-rev:0000/01", uses_3, 2,
		  "builds 'pci-id-rev:0000/01': column 1: build 1 is outside of what the product uses "
		  "pci-id-rev for; such builds are in const:1 (Linux 2.6.36 and later)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct builds *b = NULL;
		struct err err = { 0 };
		int r = builds_parse(cases[i].in, cases[i].uses, cases[i].n_uses, &b, NULL, &err);

		if (r == 0)
			fail_msg("'%s' was taken", cases[i].in);
		assert_string_equal(err.msg, cases[i].want);
		assert_int_equal(r, -ERR_INVALID);
		assert_null(b);
	}
}

static void parses_one(void **state)
{
	static const struct {
		const char *in;
		const struct encoding_use *uses;
		size_t n_uses;
		uint32_t want;
		const char *error;
	} cases[] = {
		{ "590080", uses_65535, 3, 590080, NULL },
		{ "0x90100", NULL, 0, 590080, NULL },
		{ "xen-win:9.1.0", uses_65535, 3, 590080, NULL },
		{ "2.5.5", &use_vmdp, 1, 20505, NULL },
		{ "linux-kvc8:1.2.3", uses_65535, 3, 0x01020300, NULL },
		{ "all", NULL, 0, 0, "builds 'all': column 1: one build is wanted here" },
		{ "1..2", NULL, 0, 0, "builds '1..2': column 1: one build is wanted here" },
		{ "1,2", NULL, 0, 0, "builds '1,2': column 1: one build is wanted here" },
		{ "9.1.*", &use_win, 1, 0, "builds '9.1.*': column 1: one build is wanted here" },
		{ "", NULL, 0, 0, "builds '': column 1: expected a build or a version" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t got = 77;
		struct err err = { 0 };
		int r = build_parse(cases[i].in, cases[i].uses, cases[i].n_uses, &got, NULL, &err);

		if (cases[i].error) {
			assert_int_equal(r, -ERR_INVALID);
			assert_string_equal(err.msg, cases[i].error);
			assert_int_equal(got, 77);
		} else {
			assert_int_equal(r, 0);
			assert_int_equal(got, cases[i].want);
		}
	}
}

/* Is V one of the versions that a range means: no spilling field beyond its nominal width? */
static bool nominal(const struct model *m, const uint32_t v[4])
{
	const struct encoding_field *f;

	encoding_fields(m->e, &f);
	for (size_t i = 0; i < m->n; i++) {
		uint32_t next = UINT32_MAX;

		if (m->policy[i] != '~')
			continue;
		for (size_t k = 0; k < m->n; k++)
			if (m->weight[k] > m->weight[i] && m->weight[k] < next)
				next = m->weight[k];
		if (next != UINT32_MAX && v[i] > next / m->weight[i] - 1)
			return false;
	}
	return true;
}

static int compare(const uint32_t a[4], const uint32_t b[4])
{
	for (size_t i = 0; i < 4; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

/* Random ranges in random encodings, held against every version one by one. */
static void version_ranges(void **state)
{
	enum { BUILDS = 16384 };
	static bool want[BUILDS];
	uint64_t seed = 0x2545f4914f6cdd1du;
	unsigned checked = 0;

	(void)state;
	for (unsigned round = 0; round < 6000; round++) {
		uint32_t from[4] = { 0 }, to[4] = { 0 }, v[4] = { 0 };
		struct encoding_use use = { .from = 0, .to = UINT32_MAX, .user = "" };
		char a[64], b[64], text[160];
		struct builds *set = NULL;
		bool star, empty = true;
		struct model m;
		struct err err;
		size_t given;
		int r;

		model_make(&m, &seed);
		use.encoding = m.e;
		for (size_t i = 0; i < m.n; i++) {
			/* One clamped value stays for what is later than the range. */
			uint32_t top = model_top(&m, i) + (m.policy[i] != '^');

			from[i] = model_below(&seed, top);
			to[i] = model_below(&seed, 2) ? model_below(&seed, top) : from[i];
		}
		if (compare(from, to) > 0) {
			memcpy(v, from, sizeof(v));
			memcpy(from, to, sizeof(v));
			memcpy(to, v, sizeof(v));
		}
		star = m.n > 1 && model_below(&seed, 4) == 0;
		given = star ? 1 + model_below(&seed, (uint32_t)m.n - 1) : m.n;
		for (size_t i = given; i < m.n; i++) {
			from[i] = 0;
			to[i] = model_top(&m, i);
		}
		if (star)
			memcpy(to, from, given * sizeof(*to));
		model_text(&m, from, a);
		model_text(&m, to, b);
		if (star) {
			for (size_t i = 0, dots = 0; dots < given; i++)
				if (a[i] == '.' && ++dots == given)
					a[i] = '\0';
			snprintf(text, sizeof(text), "model:%s.*", a);
		} else {
			snprintf(text, sizeof(text), "model:%s..%s", a, b);
		}
		memset(want, 0, sizeof(want));
		memset(v, 0, sizeof(v));
		do {
			bool in = compare(from, v) <= 0 && compare(v, to) <= 0;

			if (in && (nominal(&m, v) || compare(from, to) == 0)) {
				want[model_eval(&m, v)] = true;
				empty = false;
			}
		} while (model_next(&m, v));
		r = builds_parse(text, &use, 1, &set, NULL, &err);
		if (r < 0) {
			if (!empty)
				fail_msg("%s in %s: %s", text, m.expression, err.msg);
		} else {
			if (empty)
				fail_msg("%s in %s should be empty", text, m.expression);
			for (uint32_t i = 0; i < BUILDS; i++)
				if (builds_contains(set, i) != want[i])
					fail_msg("%s in %s: build %" PRIu32, text, m.expression, i);
			checked++;
		}
		builds_free(set);
		model_free(&m);
	}
	assert_true(checked > 5000);
}

/* Texts and sets made to be expensive end in a refusal, and soon. */
static void budgets(void **state)
{
	static const struct {
		const char *scan, *expression, *in;
	} cases[] = {
		{ "a.b.c.d.e.f.g.h",
		  "a[3]*10000000 + b[3]*1000000 + c[3]*100000 + d[3]*10000 + e[3]*1000 + "
		  "f[3]*100 + g[3]*10 + h[3]",
		  "0.0.0.0.0.0.0.0..3.3.3.3.3.3.3.3" },
		{ "a.b", "a[65535]<<8 | b[65535]", "0.0..65535.65535" },
		{ "a.b", "a[15]<<8 | b[65535]", "1.*" },
	};
	struct builds_piece piece[2048];
	struct builds *b = NULL;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(encoding_free)
		struct encoding *e = compile("e", cases[i].scan, cases[i].expression);
		struct encoding_use use = { e, 0, UINT32_MAX, "" };

		if (builds_parse(cases[i].in, &use, 1, &b, NULL, &err) != -ERR_REFUSED)
			fail_msg("%s: %s", cases[i].in, b ? "taken" : err.msg);
		assert_int_equal(err.refusal, REFUSAL_BUDGET);
		assert_null(b);
	}
	/* Strides without common divisors, all over each other. */
	for (uint32_t i = 0; i < 64; i++)
		piece[i] = (struct builds_piece){ i, UINT32_MAX, 2 * i + 101 };
	assert_int_equal(builds_make(piece, 64, &b, &err), -ERR_REFUSED);
	assert_int_equal(err.refusal, REFUSAL_BUDGET);
	assert_null(b);
	{
		CLEANUP(builds_free) struct builds *one = builds_range(5, 9);
		size_t total = BUILDS_TOTAL_MAX - 1;

		assert_int_equal(builds_charge(one, &total, &err), 0);
		assert_int_equal(builds_charge(one, &total, &err), -ERR_REFUSED);
		assert_int_equal(err.refusal, REFUSAL_BUDGET);
	}
	/* One stride, but every lookup would have to go through all of them. */
	for (uint32_t i = 0; i < ARRAY_SIZE(piece); i++)
		piece[i] = (struct builds_piece){ 2 * i, UINT32_MAX, 8192 };
	assert_int_equal(builds_make(piece, ARRAY_SIZE(piece), &b, &err), -ERR_REFUSED);
	assert_int_equal(err.refusal, REFUSAL_BUDGET);
	assert_null(b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(algebra),
	cmocka_unit_test(hull_and_edges),
	cmocka_unit_test_setup_teardown(parses, setup, teardown),
	cmocka_unit_test_setup_teardown(strides, setup, teardown),
	cmocka_unit_test_setup_teardown(refuses, setup, teardown),
	cmocka_unit_test_setup_teardown(parses_one, setup, teardown),
	cmocka_unit_test(version_ranges),
	cmocka_unit_test(budgets),
};
UNIT_MAIN(tests)
