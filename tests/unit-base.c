/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers, spans, UTF-8, escaping, dates and error objects. */
#include "tests/unit.h"

#include "registry/base.h"
#include "registry/err.h"

static void numbers(void **state)
{
	static const struct {
		const char *in;
		bool ok;
		uint32_t want;
	} cases[] = {
		{ "0", true, 0 },
		{ "1", true, 1 },
		{ "4294967295", true, UINT32_MAX },
		{ "4294967296", false, 0 },
		{ "", false, 0 },
		{ "-1", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "01", false, 0 },
		{ "0x1", false, 0 },
		{ "1a", false, 0 },
		{ "99999999999999999999", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t got = 77;

		assert_int_equal(parse_u32(span_str(cases[i].in), &got), cases[i].ok);
		assert_int_equal(got, cases[i].ok ? cases[i].want : 77);
	}
}

static void numbers_of_any_base(void **state)
{
	static const struct {
		const char *in;
		uint64_t max;
		bool ok;
		uint64_t want;
	} cases[] = {
		{ "0x90100", UINT32_MAX, true, 0x90100 },
		{ "0XfF", 255, true, 255 },
		{ "0x100", 255, false, 0 },
		{ "0x", 255, false, 0 },
		{ "0xg", 255, false, 0 },
		{ "0xffffffffffffffff", UINT64_MAX, true, UINT64_MAX },
		{ "0x10000000000000000", UINT64_MAX, false, 0 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "5", 4, false, 0 },
		{ "0", 0, true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t got = 77;

		assert_int_equal(parse_number(span_str(cases[i].in), cases[i].max, &got),
				 cases[i].ok);
		assert_true(got == (cases[i].ok ? cases[i].want : 77));
	}
}

static void escaping(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "plain text", "plain text" },
		{ "esc \033[31m", "esc \\x1b[31m" },
		{ "tab\tnl\n", "tab\\x09nl\\x0a" },
		{ "back\\slash", "back\\x5cslash" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "c1 \xc2\x9b", "c1 \\xc2\\x9b" },
		{ "bad \xff\xc3", "bad \\xff\\xc3" },
		{ "overlong \xc0\xaf", "overlong \\xc0\\xaf" },
		{ "surrogate \xed\xa0\x80", "surrogate \\xed\\xa0\\x80" },
		{ "bidi \xe2\x80\xae", "bidi \\xe2\\x80\\xae" },
		{ "arabic \xd8\x9b mark \xd8\x9c", "arabic \xd8\x9b mark \\xd8\\x9c" },
		{ "unseen \xe2\x80\x8b\xe2\x81\xa0\xef\xbb\xbf",
		  "unseen \\xe2\\x80\\x8b\\xe2\\x81\\xa0\\xef\\xbb\\xbf" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(free) char *got = escape_text(cases[i].in);

		assert_string_equal(got, cases[i].want);
	}
}

static void dates(void **state)
{
	static const struct {
		const char *in;
		bool ok;
		const char *want;
	} cases[] = {
		{ "2026-12-31", true, "2026-12-31T00:00:00Z" },
		{ "2024-02-29", true, "2024-02-29T00:00:00Z" },
		{ "2026-02-29", false, "" },
		{ "1900-02-29", false, "" },
		{ "2026-13-01", false, "" },
		{ "2026-11-20T12:34:56Z", true, "2026-11-20T12:34:56Z" },
		{ "2026-11-20T12:34:56.789Z", true, "2026-11-20T12:34:56Z" },
		{ "2026-11-20T00:30:00+01:00", true, "2026-11-19T23:30:00Z" },
		{ "2026-11-20T12:34:56", false, "" },
		{ "2026-11-20 12:34:56Z", false, "" },
		{ "2026-11-20T24:00:00Z", false, "" },
		{ "+30d", true, "1970-01-31T00:00:00Z" },
		{ "+2w", true, "1970-01-15T00:00:00Z" },
		{ "+0s", true, "1970-01-01T00:00:00Z" },
		{ "+d", false, "" },
		{ "30d", false, "" },
		{ "-1d", true, "1969-12-31T00:00:00Z" },
		{ "-2h", true, "1969-12-31T22:00:00Z" },
		{ "-d", false, "" },
		{ "--1d", false, "" },
		{ "-1000001d", false, "" },
		{ "0001-01-01T00:00:00Z", true, "0001-01-01T00:00:00Z" },
		{ "0000-01-01", true, "0000-01-01T00:00:00Z" },
		{ "0000-01-01T00:59:59+01:00", false, "" },
		{ "9999-12-31T23:59:59Z", true, "9999-12-31T23:59:59Z" },
		{ "9999-12-31T23:59:60Z", false, "" },
		{ "9999-12-31T23:00:00-01:00", false, "" },
		{ "+1000000w", false, "" },
		{ "-1000000w", false, "" },
		{ "tomorrow", false, "" },
		{ "", false, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char buf[TIME_TEXT_MAX];
		int64_t t = TIME_NONE;

		assert_int_equal(date_parse(span_str(cases[i].in), 0, &t), cases[i].ok);
		assert_string_equal(time_text(t, buf), cases[i].want);
	}
}

static void errors(void **state)
{
	struct err err = { 0 };
	char *big;

	(void)state;
	assert_int_equal(err_set(&err, ERR_NOT_FOUND, "no product '%s'", "x"), -ERR_NOT_FOUND);
	assert_int_equal(err_wrap(&err, "cannot add '%s'", "y"), -ERR_NOT_FOUND);
	assert_string_equal(err.msg, "cannot add 'y': no product 'x'");
	assert_int_equal(err_refuse(&err, REFUSAL_BADSIG, "%s", err.msg), -ERR_REFUSED);
	assert_string_equal(err.msg, "cannot add 'y': no product 'x'");
	assert_string_equal(refusal_name(err.refusal), "BADSIG");
	assert_int_equal(err_refuse(&err, REFUSAL_LOCKED, "busy"), -ERR_BUSY);
	big = xcalloc(1, 5000);
	memset(big, 'a', 4999);
	err_set(&err, ERR_IO, "%s", big);
	err_wrap(&err, "ctx");
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 1);
	assert_memory_equal(err.msg, "ctx: aaa", 8);
	free(big);
}

static void spans(void **state)
{
	struct span left, right;

	(void)state;
	assert_true(span_cut(span_str("a..b..c"), "..", &left, &right));
	assert_true(span_eq(left, "a"));
	assert_true(span_eq(right, "b..c"));
	assert_false(span_cut(span_str("a.b"), "..", &left, &right));
	assert_true(span_eq(span_trim(span_str(" \tx y ")), "x y"));
	assert_true(span_eq(span_trim(span_str("  ")), ""));
	assert_true(utf8_valid("gr\xc3\xbc", 4));
	assert_false(utf8_valid("gr\xc3", 3));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(numbers),  cmocka_unit_test(numbers_of_any_base),
	cmocka_unit_test(escaping), cmocka_unit_test(dates),
	cmocka_unit_test(errors),   cmocka_unit_test(spans),
};

UNIT_MAIN(tests)
