/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * URLs: what may be shown of them, where a suffix goes, and what is https.
 */
#include "tests/unit.h"

#include <string.h>

#include "sync/fetch.h"

static void text(void **state)
{
	static const char not_one[] = "(not a URL)";
	static const struct {
		const char *url, *want;
	} cases[] = {
		{ "https://host", "https://host/" },
		{ "https://host/", "https://host/" },
		{ "https://host:8443/a/b.json", "https://host:8443/a/b.json" },
		{ "https://user:s3cret@host/a", "https://host/a" },
		{ "https://s3cret@host/a", "https://host/a" },
		{ "https://user:s3@cret@host/a", "https://host/a" },
		{ "https://host/a?token=s3cret", "https://host/a" },
		{ "https://host/a#s3cret", "https://host/a" },
		{ "https://host?s3cret", "https://host/" },
		{ "https://host#s3cret", "https://host/" },
		{ "https://u:p@[::1]:8443/a?q", "https://[::1]:8443/a" },
		{ "https://[fe80::1%25eth0]/a", "https://[fe80::1%25eth0]/a" },
		{ "https://b\xc3\xbc.example/", "https://b\xc3\xbc.example/" },
		{ "http://host/a", "http://host/a" },
		{ "file:///etc/passwd", "file:///etc/passwd" },
		/* Nothing of a password that was cut in two. */
		{ "https://user:s3/cret@host/a", not_one },
		{ "https://user:s3#cret@host/a", not_one },
		{ "https://user:s3?cret@host/a", not_one },
		{ "user:s3cret@host/a", not_one },
		{ "", not_one },
		{ "host", not_one },
		{ "https:", not_one },
		{ "https:/host", not_one },
		{ "https://", not_one },
		{ "https://?q", not_one },
		{ "https://@", not_one },
		{ "https://:443/", not_one },
		{ "https://host:port/", not_one },
		{ "https://[::1/", not_one },
		{ "https://[]/", not_one },
		{ "https://[::1]x/", not_one },
		{ "https://ho st/", not_one },
		{ "https://host/\n", not_one },
		{ "https://host/\x1b[31m", not_one },
		{ "1https://host/", not_one },
		{ "://host/", not_one },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(free) char *got = fetch_url_text(cases[i].url);

		assert_string_equal(got, cases[i].want);
	}
}

static void suffix(void **state)
{
	static const struct {
		const char *url, *want;
	} cases[] = {
		{ "https://host/m.json", "https://host/m.json.sig" },
		{ "https://u:p@host/m.json?t=1&u=/", "https://u:p@host/m.json.sig?t=1&u=/" },
		{ "https://host/m.json#part", "https://host/m.json.sig" },
		{ "https://host/m.json?q#part", "https://host/m.json.sig?q" },
		{ "https://host", "https://host/.sig" },
		{ "https://host?q", "https://host/.sig?q" },
		{ "https://[::1]:1/a", "https://[::1]:1/a.sig" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(free) char *got = fetch_url_suffix(cases[i].url, ".sig");

		assert_non_null(got);
		assert_string_equal(got, cases[i].want);
	}
	assert_null(fetch_url_suffix("host/m.json", ".sig"));
}

static void https(void **state)
{
	static const char *const good[] = { "https://host", "HTTPS://host/a", "https://[::1]/",
					    "https://u@host:1/a?q#f" };
	static const char *const bad[] = {
		"http://host/", "httpss://host/", "file:///a", "https:///a",
		"https://",	"host",		  "",	       " https://h"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(fetch_is_https(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(fetch_is_https(bad[i]));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(text),
	cmocka_unit_test(suffix),
	cmocka_unit_test(https),
};
UNIT_MAIN(tests)
