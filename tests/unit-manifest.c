/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manifest: what is taken, what is refused and where the message points, canonical bytes. */
#include "tests/unit.h"

#include <string.h>

#include "sync/manifest.h"
#include "tests/sign.h"

static int parse(const char *bytes, size_t n, struct manifest **ret, struct err *err)
{
	struct verified *v = sign_bytes(bytes, n);
	int r = manifest_parse(v, ret, err);

	verified_free(v);
	return r;
}

#define KEY_A "RWRfna3xGOaVi6U51zfy99q2D3IRkAhViX8+bHDmyNQTis7jNPXMVkHB"
#define HEAD                                                                       \
	"{ \"format\": \"xenblacklist-manifest\", \"spec\": 1, \"version\": 42,\n" \
	"  \"issued\": \"2026-11-20T00:00:00Z\", \"expires\": \"2026-12-20T00:00:00Z\",\n"
#define ENCODING \
	"{ \"name\": \"xen-win\", \"scan\": \"a.b.c?...\", \"expression\": \"a[255]<<16\" }"
#define PRODUCT "{ \"number\": 65535, \"name\": \"experimental\", \"status\": \"experimental\" }"
#define ENTRY "{ \"id\": \"X-1\", \"product\": 65535, \"builds\": \"1..2\", \"reason\": \"r\" }"
#define DOC(encodings, products, entries, rest)                         \
	HEAD "\"encodings\": [" encodings "], \"products\": [" products \
	     "], \"entries\": [" entries "]" rest "}"

static void taken(void **state)
{
	static const char text[] = HEAD
		"\"critical\": [\"entries\", \"entries.mode\", \"keys\"],"
		"\"encodings\": [" ENCODING "],"
		"\"products\": [ { \"number\": 3, \"name\": \"linux\", \"status\": \"assigned\","
		" \"vendor\": \"gr\xc3\xbc\xc3\x9f\", \"contact\": null, \"node\": \"\","
		" \"encodings\": [ { \"name\": \"const:1\", \"to\": 255, \"user\": \"pvops\" },"
		" { \"name\": \"pci-id-rev\", \"from\": 256 } ] }," PRODUCT "],"
		"\"entries\": [ { \"id\": \"Z\", \"product\": 3, \"builds\": \"all\","
		" \"mode\": \"audit\", \"publish\": \"range\", \"reason\": \"\\\"why\\\"\","
		" \"references\": [\"https://a/\", \"b\"], \"severity\": 9,"
		" \"not_before\": \"2026-11-20T01:00:00+01:00\", \"expires\": null }," ENTRY "],"
		"\"keys\": { \"threshold\": 1, \"keys\": [\"" KEY_A "\"], \"revoked\": [] },"
		"\"x-new\\u001b\": [[[{}]]] }\n";
	CLEANUP(manifest_free) struct manifest *m = NULL;
	struct err err = { 0 };
	struct entry *e;

	(void)state;
	if (parse(text, strlen(text), &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(m->version, 42);
	assert_int_equal(m->expires - m->issued, 30 * 86400);
	assert_int_equal(m->products->n, 2);
	assert_int_equal(m->products->product[0]->number, 3);
	assert_string_equal(m->products->product[0]->contact, "");
	assert_int_equal(m->products->product[0]->n_encodings, 2);
	assert_int_equal(m->products->product[0]->encoding[1].to, UINT32_MAX);
	assert_string_equal(m->products->product[0]->encoding[0].user, "pvops");
	assert_int_equal(m->entries->n, 2);
	e = m->entries->entry[0];
	assert_string_equal(e->id, "X-1");
	assert_int_equal(e->mode, MODE_ENFORCE);
	assert_int_equal(e->publish, PUBLISH_NODES);
	assert_true(e->not_before == TIME_NONE && e->expires == TIME_NONE);
	e = m->entries->entry[1];
	assert_int_equal(e->mode, MODE_AUDIT);
	assert_int_equal(e->publish, PUBLISH_RANGE);
	assert_string_equal(e->reason, "\"why\"");
	assert_int_equal(e->n_references, 2);
	assert_true(e->not_before == m->issued);
	assert_int_equal(m->keys->threshold, 1);
	assert_int_equal(m->n_notices, 2);
	assert_non_null(strstr(m->notices[0], "'entries.severity' (1 time)"));
	assert_non_null(strstr(m->notices[1], "'x-new\033'"));
}

static void refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		/* syntax, with its place */
		{ "", "line 1, column 1: the text ends too early" },
		{ "\n\n  ", "line 3, column 3: the text ends too early" },
		{ "[]", "line 1, column 1: want '{'" },
		{ "{", "line 1, column 2: want the name of a member" },
		{ "{ \"format\" }", "line 1, column 12: want ':'" },
		{ "{ \"format\": \"xenblacklist-manifest\",\n }",
		  "line 2, column 2: want the name" },
		{ "{ \"format\": \"xenblacklist-manifest\"\n \"spec\": 1 }",
		  "line 2, column 2: want '}'" },
		{ "{ \"version\": 01 }", "line 1, column" },
		{ HEAD "\"entries\": [ {\n  \"id\": \"a\",, } ] }", "line 4, column" },
		{ HEAD "\"entries\": [ {} {} ] }", "entries[0].id: is missing" },
		{ DOC("", "", "", "") "x", "there is more after the end" },
		{ DOC("", "", "", "") "\n{}", "line 4, column 1: there is more after the end" },
		{ "\xef\xbb\xbf{}", "line 1, column 1: a byte order mark in front" },
		{ "{ \"a\": \"\xff\" }", "line 1, column 9: is not UTF-8" },
		{ "{ \"\xc3\xa4\":\n \"\xc3\xa4\xe2\x82\" }", "line 2, column 4: is not UTF-8" },
		{ "{ \"a\": \"\xc3", "line 1, column 9: is not UTF-8" },
		{ HEAD "\"entries\": [" ENTRY " " ENTRY "] }", "want ','" },
		{ HEAD "\"entries\": [" ENTRY ",] }", "unexpected token near" },
		{ HEAD "\"entries\": {} }", "entries: want a list" },
		{ "<html>login</html>", "line 1, column 1: want '{'" },

		/* members */
		{ "{}", "format: is missing" },
		{ "{ \"format\": \"other\" }", "format: want \"xenblacklist-manifest\"" },
		{ "{ \"format\": 1 }", "format: want" },
		{ "{ \"spec\": 2 }", "spec: this program knows 1 only, not 2" },
		{ "{ \"spec\": \"1\" }", "spec: want a whole number" },
		{ "{ \"spec\": 1.0 }", "spec: want a whole number" },
		{ "{ \"version\": 0 }", "version: 0 is not between 1 and" },
		{ "{ \"version\": -1 }", "version: -1 is not between" },
		{ "{ \"version\": 9223372036854775808 }", "too big integer" },
		{ "{ \"version\": 1, \"version\": 2 }", "version: is there twice" },
		{ "{ \"x\": 1, \"x\": 2 }", "x: is there twice" },
		{ "{ \"issued\": \"yesterday\" }", "issued: want a date" },
		{ "{ \"issued\": null }", "issued: want a date" },
		{ "{ \"expires\": 7 }", "expires: want a date" },
		{ "{ \"critical\": \"x\" }", "critical: want a list" },
		{ "{ \"critical\": [1] }", "critical[0]: want a string" },
		{ "{ \"entries\": [1] }", "entries[0]: want an object" },
		{ "{ \"format\": \"xenblacklist-manifest\", \"spec\": 1, \"version\": 1,"
		  " \"issued\": \"2026-11-20T00:00:00Z\", \"expires\": \"2026-11-20T00:00:00Z\","
		  " \"encodings\": [], \"products\": [], \"entries\": [] }",
		  "expires: is not later than 'issued'" },
		{ HEAD "\"encodings\": [], \"products\": [] }", "entries: is missing" },
		{ HEAD "\"entries\": [], \"products\": [] }", "encodings: is missing" },

		/* encodings */
		{ DOC("{}", "", "", ""), "encodings[0].name: is missing" },
		{ DOC(ENCODING ", { \"name\": \"a b\" }", "", "", ""),
		  "encodings[1].name: want letters, digits and '-._:' only" },
		{ DOC(ENCODING "," ENCODING, "", "", ""),
		  "encodings[1].name: is the same as in encodings[0]" },
		{ DOC("{ \"name\": \"a\", \"name\": \"b\" }", "", "", ""), "duplicate object key" },

		/* entries */
		{ DOC("", "",
		      ENTRY ", { \"id\": \"a\", \"product\": 1, \"builds\": \"1\","
			    " \"reason\": \"a\\u202eb\" }",
		      ""),
		  "entries[1].reason: holds control or invisible characters: 'a\\xe2\\x80\\xaeb'" },

		/* products */
		{ DOC("", "{ \"number\": 65536 }", "", ""),
		  "products[0].number: 65536 is not between 0 and 65535" },
		{ DOC("", "{ \"number\": \"3\" }", "", ""),
		  "products[0].number: want a whole number" },
		{ DOC("", "{ \"number\": 3, \"name\": \"\" }", "", ""),
		  "products[0].name: is empty" },
		{ DOC("", "{ \"number\": 3, \"name\": \"a/b\", \"status\": \"assigned\" }", "", ""),
		  "products[0].name: holds a '/'" },
		{ DOC("", "{ \"number\": 3, \"name\": \"a\\u001b[2J\" }", "", ""),
		  "products[0].name: holds control or invisible characters" },
		{ DOC("", "{ \"number\": 3, \"name\": \"a\\u0085\" }", "", ""),
		  "products[0].name: holds control or invisible characters" },
		{ DOC("", "{ \"number\": 3, \"name\": \"a\\u0000\" }", "", ""),
		  "u0000 is not allowed" },
		{ DOC("", "{ \"number\": 3, \"name\": \"a\", \"status\": \"best\" }", "", ""),
		  "products[0].status: is not a status" },
		{ DOC("",
		      "{ \"number\": 3, \"name\": \"a\", \"status\": \"assigned\", \"node\": \"_x\" }",
		      "", ""),
		  "products[0].node: must not begin with '_'" },
		{ DOC("",
		      "{ \"number\": 3, \"name\": \"a\", \"status\": \"assigned\", \"node\": \"a.b\" }",
		      "", ""),
		  "products[0].node: want letters" },
		{ DOC("",
		      "{ \"number\": 3, \"name\": \"a\", \"status\": \"assigned\", \"encodings\": [ {"
		      " \"name\": \"raw\", \"from\": 5, \"to\": 4 } ] }",
		      "", ""),
		  "products[0].encodings[0].to: is smaller than 'from'" },
		{ DOC("", PRODUCT "," PRODUCT, "", ""),
		  "products[1].name: is the same as in products[0]" },
		{ DOC("",
		      PRODUCT ", { \"number\": 65535, \"name\": \"b\", \"status\": \"assigned\" }",
		      "", ""),
		  "products[1].number: is the same as in products[0]" },

		/* entries */
		{ DOC("", "", "{ \"id\": \"a b\" }", ""), "entries[0].id: want letters" },
		{ DOC("", "", "{ \"id\": \"a\", \"product\": -1 }", ""),
		  "entries[0].product: -1 is not" },
		{ DOC("", "", "{ \"id\": \"a\", \"product\": 1 }", ""),
		  "entries[0].builds: is missing" },
		{ DOC("", "", "{ \"id\": \"a\", \"product\": 1, \"builds\": 5 }", ""),
		  "entries[0].builds: want a string" },
		{ DOC("", "",
		      "{ \"id\": \"a\", \"product\": 1, \"builds\": \"1\", \"mode\": \"off\" }",
		      ""),
		  "entries[0].mode: want \"enforce\" or \"audit\"" },
		{ DOC("", "",
		      "{ \"id\": \"a\", \"product\": 1, \"builds\": \"1\", \"reason\": \"\" }", ""),
		  "entries[0].reason: is empty" },
		{ DOC("", "",
		      "{ \"id\": \"a\", \"product\": 1, \"builds\": \"1\", \"reason\": \"r\","
		      " \"references\": [\"a\", null] }",
		      ""),
		  "entries[0].references[1]: want a string" },
		{ DOC("", "",
		      ENTRY
		      ", { \"id\": \"a\", \"product\": 1, \"builds\": \"1\", \"reason\": \"r\","
		      " \"not_before\": \"2026-01-02T00:00:00Z\", \"expires\": \"2026-01-01T00:00:00Z\" }",
		      ""),
		  "entries[1].expires: is not later than 'not_before'" },
		{ DOC("", "", ENTRY "," ENTRY, ""), "entries[1].id: is the same as in entries[0]" },

		/* keys */
		{ DOC("", "", "", ", \"keys\": []"), "keys: want an object" },
		{ DOC("", "", "", ", \"keys\": { \"threshold\": 1, \"keys\": [] }"),
		  "no key is left" },
		{ DOC("", "", "", ", \"keys\": { \"threshold\": 1, \"keys\": [\"x\"] }"),
		  "'keys.keys[0]' is not a minisign public key" },
		{ DOC("", "", "", ", \"keys\": { \"threshold\": 2, \"keys\": [\"" KEY_A "\"] }"),
		  "keys.threshold: is not between 1 and the number of keys" },
		{ DOC("", "", "",
		      ", \"keys\": { \"threshold\": 1, \"keys\": [\"" KEY_A "\", \"" KEY_A "\"] }"),
		  "is there already" },
		{ DOC("", "", "",
		      ", \"keys\": { \"threshold\": 1, \"keys\": [\"" KEY_A "\"],"
		      " \"revoked\": [\"" KEY_A "\"] }"),
		  "no key is left" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct manifest *m = NULL;
		struct err err = { 0 };
		int r = parse(cases[i].text, strlen(cases[i].text), &m, &err);

		assert_null(m);
		if (r != -ERR_REFUSED || err.refusal != REFUSAL_SCHEMA ||
		    !strstr(err.msg, cases[i].says))
			fail_msg("case %zu '%s': %d '%s'", i, cases[i].text, r, err.msg);
	}
}

static void critical(void **state)
{
	static const struct {
		const char *list, *rest;
		bool ok;
	} cases[] = {
		{ "[]", "", true },
		{ "null", "", true },
		{ "[]", ", \"new\": 1", true },
		{ "[\"entries\"]", "", true },
		{ "[\"reason\", \"products.encodings.user\"]", "", true },
		{ "[\"new\"]", ", \"new\": 1", false },
		{ "[\"new\"]", "", false },
		{ "[\"entries\", \"entries.new\"]", "", false },
		{ "[\"products.\"]", "", false },
		/* known elsewhere, unknown here */
		{ "[\"entries.scan\"]", "", false },
		{ "[\"threshold\"]", ", \"threshold\": 2", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(manifest_free) struct manifest *m = NULL;
		CLEANUP(free)
		char *text = xasprintf(
			HEAD
			"\"encodings\": [], \"products\": [], \"entries\": [], \"critical\": %s%s }",
			cases[i].list, cases[i].rest);
		struct err err = { 0 };
		int r = parse(text, strlen(text), &m, &err);

		if ((r == 0) != cases[i].ok || (r < 0 && err.refusal != REFUSAL_CRITICAL))
			fail_msg("case %zu: %d '%s'", i, r, err.msg);
	}
}

static void canonical(void **state)
{
	/* Rows in the wrong order, members in the wrong order, dates with offsets, escapes. */
	static const char messy[] =
		"{\"keys\":null,\"entries\":[" ENTRY
		",{\"reason\":\"t\\u00e4b\\\\\",\"builds\":\"7\",\"product\":3,\"id\":\"A\"}],"
		"\"products\":[" PRODUCT
		",{\"encodings\":[{\"name\":\"b\",\"from\":9},{\"to\":8,\"name\":\"a\"}],"
		"\"status\":\"provisional\",\"deadline\":\"2027-01-01T01:00:00+01:00\","
		"\"name\":\"linux\",\"number\":3}],\"encodings\":[" ENCODING "],\"version\":7,"
		"\"issued\":\"2026-11-20T00:00:00Z\",\"expires\":\"2026-12-20T00:00:00Z\","
		"\"spec\":1,\"format\":\"xenblacklist-manifest\"}";
	static const char want[] =
		"{\n"
		"  \"format\": \"xenblacklist-manifest\",\n"
		"  \"spec\": 1,\n"
		"  \"version\": 7,\n"
		"  \"issued\": \"2026-11-20T00:00:00Z\",\n"
		"  \"expires\": \"2026-12-20T00:00:00Z\",\n"
		"  \"critical\": [],\n"
		"  \"encodings\": [\n"
		"    { \"name\": \"xen-win\", \"scan\": \"a.b.c?...\", \"expression\": \"a[255]<<16\" }\n"
		"  ],\n"
		"  \"products\": [\n"
		"    { \"number\": 3, \"name\": \"linux\", \"status\": \"provisional\", \"vendor\": \"\","
		" \"contact\": \"\", \"reference\": \"\", \"node\": \"\","
		" \"deadline\": \"2027-01-01T00:00:00Z\", \"encodings\": ["
		"{ \"name\": \"a\", \"from\": 0, \"to\": 8 },"
		" { \"name\": \"b\", \"from\": 9, \"to\": 4294967295 }] },\n"
		"    { \"number\": 65535, \"name\": \"experimental\", \"status\": \"experimental\","
		" \"vendor\": \"\", \"contact\": \"\", \"reference\": \"\", \"node\": \"\","
		" \"encodings\": [] }\n"
		"  ],\n"
		"  \"entries\": [\n"
		"    { \"id\": \"A\", \"product\": 3, \"builds\": \"7\", \"mode\": \"enforce\","
		" \"publish\": \"nodes\", \"reason\": \"t\xc3\xa4"
		"b\\\\\", \"references\": [], \"not_before\": null, \"expires\": null },\n"
		"    { \"id\": \"X-1\", \"product\": 65535, \"builds\": \"1..2\", \"mode\": \"enforce\","
		" \"publish\": \"nodes\", \"reason\": \"r\", \"references\": [],"
		" \"not_before\": null, \"expires\": null }\n"
		"  ],\n"
		"  \"keys\": null\n"
		"}\n";
	CLEANUP(manifest_free) struct manifest *m = NULL, *again = NULL;
	CLEANUP(free) char *first = NULL, *second = NULL;
	struct err err = { 0 };
	size_t n;

	(void)state;
	if (parse(messy, strlen(messy), &m, &err) < 0)
		fail_msg("%s", err.msg);
	manifest_write(m, &first, &n);
	assert_string_equal(first, want);
	assert_int_equal(n, strlen(want));
	assert_int_equal(parse(first, n, &again, &err), 0);
	manifest_write(again, &second, &n);
	assert_string_equal(second, want);
}

static void empty_and_keys(void **state)
{
	char *revoked[] = { (char *)"RWQ..." }, *key[] = { (char *)"RWRf" };
	struct manifest_keys k = { 1, key, 1, revoked, 1 };
	struct manifest m = { .version = 1, .issued = 0, .expires = 86400, .keys = &k };
	CLEANUP(free) char *text = NULL;
	size_t n;

	(void)state;
	manifest_write(&m, &text, &n);
	assert_non_null(
		strstr(text, "\"encodings\": [],\n  \"products\": [],\n  \"entries\": [],\n"));
	assert_non_null(strstr(text, "\"keys\": { \"threshold\": 1, \"keys\": [\"RWRf\"], "
				     "\"revoked\": [\"RWQ...\"] }\n}\n"));
}

/* What would eat stack or memory ends early, with a message. */
static void bombs(void **state)
{
	struct manifest *m = NULL;
	struct err err = { 0 };
	size_t n = 200000, used = 0;
	char *deep = xcalloc(1, n + 64), *wide;
	FILE *f;

	(void)state;
	used = (size_t)snprintf(deep, 16, "{ \"x\": ");
	memset(deep + used, '[', n);
	assert_int_equal(parse(deep, used + n, &m, &err), -ERR_REFUSED);
	assert_non_null(strstr(err.msg, "maximum parsing depth"));
	free(deep);

	f = open_memstream(&wide, &n);
	assert_non_null(f);
	fputs(HEAD, f);
	for (unsigned i = 0; i < 300; i++)
		fprintf(f, "\"x%u\": 0, ", i);
	fputs("\"spec\": 1 }", f);
	fclose(f);
	assert_int_equal(parse(wide, n, &m, &err), -ERR_REFUSED);
	assert_non_null(strstr(err.msg, "more than 256 different members"));
	free(wide);
	assert_null(m);
}

/* Every truncation and every changed byte ends in an answer, and never in a crash. */
static void mutations(void **state)
{
	static const char text[] = DOC(ENCODING, PRODUCT, ENTRY, ", \"keys\": null");
	char copy[sizeof(text)];

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		static const char with[] = "\"{}[]:,\\\n0e\xff";
		struct manifest *cut = NULL;
		struct err why = { 0 };

		assert_int_equal(parse(text, i, &cut, &why), -ERR_REFUSED);
		assert_null(cut);
		for (size_t k = 0; k < sizeof(with); k++) {
			struct manifest *m = NULL;
			struct err err = { 0 };

			memcpy(copy, text, sizeof(text));
			copy[i] = with[k];
			parse(copy, sizeof(text) - 1, &m, &err);
			manifest_free(m);
		}
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(taken),     cmocka_unit_test(refused),	       cmocka_unit_test(critical),
	cmocka_unit_test(canonical), cmocka_unit_test(empty_and_keys), cmocka_unit_test(bombs),
	cmocka_unit_test(mutations),
};

UNIT_MAIN(tests)
