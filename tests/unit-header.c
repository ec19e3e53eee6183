/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pvdrivers.h: the real one byte for byte, changed ones, and everything that is not one. */
#include "tests/unit.h"

#include <string.h>

#include "sync/header.h"

#define REAL "/usr/include/xen/hvm/pvdrivers.h"
#define LIST "#define PVDRIVERS_PRODUCT_LIST(EACH)   \\\n"

static struct product *product(uint16_t number, const char *name, enum product_status status)
{
	struct product *p = xcalloc(1, sizeof(*p));

	p->number = number;
	p->name = xstrdup(name);
	p->vendor = xstrdup("");
	p->status = status;
	return p;
}

/* The rows of a header as products, plus EXTRA, ascending by number. */
static struct products *products(const struct header *h, struct product *extra)
{
	struct products *ps = xcalloc(1, sizeof(*ps));

	ps->product = xcalloc(h->n + 1, sizeof(*ps->product));
	for (size_t i = 0; i < h->n; i++) {
		if (extra && extra->number < h->row[i].number) {
			ps->product[ps->n++] = extra;
			extra = NULL;
		}
		ps->product[ps->n++] = product(h->row[i].number, h->row[i].name, STATUS_ASSIGNED);
	}
	if (extra)
		ps->product[ps->n++] = extra;
	return ps;
}

static struct header *real(void)
{
	struct header *h = NULL;
	struct err err = { 0 };
	char bytes[65536];
	FILE *f = fopen(REAL, "re");
	size_t n;

	assert_non_null(f);
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	if (header_parse(bytes, n, &h, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(h->text_n, n);
	assert_memory_equal(h->text, bytes, n);
	return h;
}

static void the_real_one(void **state)
{
	static const struct {
		uint16_t number;
		const char *name, *comment;
	} want[] = {
		{ 1, "xensource-windows", "Citrix" },
		{ 2, "gplpv-windows", "James Harper" },
		{ 3, "linux", "" },
		{ 4, "xenserver-windows-v7.0+", "Citrix" },
		{ 5, "xenserver-windows-v7.2+", "Citrix" },
		{ 65535, "experimental", "" },
	};
	CLEANUP(header_free) struct header *h = real();
	CLEANUP(products_free) struct products *ps = products(h, NULL);
	CLEANUP(free) char *text = NULL;
	size_t n;

	(void)state;
	assert_int_equal(h->n, ARRAY_SIZE(want));
	for (size_t i = 0; i < h->n; i++) {
		assert_int_equal(h->row[i].number, want[i].number);
		assert_string_equal(h->row[i].name, want[i].name);
		assert_string_equal(h->row[i].comment, want[i].comment);
	}
	header_write(h, ps, &text, &n);
	assert_int_equal(n, h->text_n);
	assert_memory_equal(text, h->text, n);
}

/* A new product is one new line; everything else stays as it was, byte for byte. */
static void one_more(void **state)
{
	static const struct {
		uint16_t number;
		const char *name, *vendor, *line, *before;
	} cases[] = {
		{ 6, "new-thing", "A*/B\xc3\xbc",
		  "        EACH(\"new-thing\",               0x0006) /* A* /B\xc3\xbc */       \\\n",
		  "        EACH(\"experimental\"" },
		{ 0, "a-very-long-name-that-leaves-no-room-for-columns", "",
		  "        EACH(\"a-very-long-name-that-leaves-no-room-for-columns\", 0x0000) \\\n",
		  "        EACH(\"xensource-windows\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(header_free) struct header *h = real(), *again = NULL;
		CLEANUP(products_free) struct products *ps = NULL;
		CLEANUP(free) char *text = NULL, *want = NULL;
		struct product *p = product(cases[i].number, cases[i].name, STATUS_ASSIGNED);
		const char *at = strstr(h->text, cases[i].before);
		struct err err = { 0 };
		size_t n;

		free(p->vendor);
		p->vendor = xstrdup(cases[i].vendor);
		ps = products(h, p);
		want = xasprintf("%.*s%s%s", (int)(at - h->text), h->text, cases[i].line, at);
		header_write(h, ps, &text, &n);
		assert_string_equal(text, want);
		assert_int_equal(header_parse(text, n, &again, &err), 0);
		assert_int_equal(again->n, 7);
	}
}

/* The last row goes or a row comes after it: the continuation moves along. */
static void around_the_end(void **state)
{
	CLEANUP(header_free) struct header *h = NULL, *again = NULL;
	CLEANUP(products_free) struct products *ps = NULL;
	CLEANUP(free) char *text = NULL;
	static const char in[] = LIST "  EACH(\"a\", 1) \\\n  EACH(\"b\", 2) /* x */\nrest";
	struct err err = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(header_parse(in, strlen(in), &h, &err), 0);
	ps = products(h, product(3, "c\"\\", STATUS_DEPRECATED));
	ps->product[0]->status = STATUS_RETIRED;
	header_write(h, ps, &text, &n);
	assert_string_equal(text,
			    LIST "  EACH(\"b\", 2) /* x */                 \\\n"
				 "        EACH(\"c\\\"\\\\\",                   0x0003)\nrest");
	assert_int_equal(header_parse(text, n, &again, &err), 0);
	assert_string_equal(again->row[1].name, "c\"\\");
}

static void from_nothing(void **state)
{
	CLEANUP(header_free) struct header *h = real(), *again = NULL;
	CLEANUP(products_free) struct products *ps = products(h, NULL);
	CLEANUP(free) char *text = NULL;
	struct err err = { 0 };
	size_t n;

	(void)state;
	header_write(NULL, ps, &text, &n);
	if (header_parse(text, n, &again, &err) < 0)
		fail_msg("%s in %s", err.msg, text);
	assert_int_equal(again->n, h->n);
	for (size_t i = 0; i < h->n; i++)
		assert_string_equal(again->row[i].name, h->row[i].name);
}

static void refused(void **state)
{
	static const struct {
		const char *in, *says;
	} cases[] = {
		{ "", "no '#define PVDRIVERS_PRODUCT_LIST(EACH)'" },
		{ "#define PVDRIVERS_PRODUCT_LIST(EACH) EACH(\"a\", 1)\n", "no '#define" },
		{ " " LIST "EACH(\"a\", 1)\n", "no '#define" },
		{ LIST, "line 2: no product" },
		{ LIST "\n", "line 2: no product" },
		{ LIST "FACH(\"a\", 1)\n", "line 2: want 'EACH'" },
		{ LIST "EACH(\"a\" 1)\n", "line 2: want ','" },
		{ LIST "EACH(a, 1)\n", "want a name in double quotes" },
		{ LIST "EACH(\"\", 1)\n", "an empty name" },
		{ LIST "EACH(\"a/b\", 1)\n", "a name with '/'" },
		{ LIST "EACH(\"a\\n\", 1)\n", "an escape in a name" },
		{ LIST "EACH(\"a\n\", 1)\n", "a name that does not end" },
		{ LIST "EACH(\"a\", 65536)\n", "want a number from 0 to 0xffff" },
		{ LIST "EACH(\"a\", -1)\n", "want a number" },
		{ LIST "EACH(\"a\", 0x)\n", "want a number" },
		{ LIST "EACH(\"a\", 010)\n", "want a number" },
		{ LIST "EACH(\"a\", 1\n", "want ')'" },
		{ LIST "EACH(\"a\", 1) \\\nEACH(\"b\", 0x1)\n",
		  "line 3: a number that is there already" },
		{ LIST "EACH(\"a\", 1) \\\nEACH(\"a\", 2)\n",
		  "line 3: a name that is there already" },
		{ LIST "EACH(\"a\", 1) /* x\n", "a comment that does not end" },
		{ LIST "EACH(\"a\", 1) /* x \n */\n", "a comment over several lines" },
		{ LIST "EACH(\"a\xff\", 1)\n", "not UTF-8" },
		{ LIST "EACH(\"a\033\", 1)\n", "control characters" },
		{ LIST "EACH(\"a\", 1)\r\n", "control characters" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct header *h = NULL;
		struct err err = { 0 };

		if (header_parse(cases[i].in, strlen(cases[i].in), &h, &err) != -ERR_INVALID ||
		    !strstr(err.msg, cases[i].says))
			fail_msg("case %zu: '%s'", i, err.msg);
		assert_null(h);
	}
}

static void differences(void **state)
{
	CLEANUP(header_free) struct header *h = NULL;
	CLEANUP(products_free) struct products *ps = NULL;
	CLEANUP(header_changes_free) struct header_changes *c = NULL;
	static const char in[] = LIST "EACH(\"same\", 1) EACH(\"new\", 2) /* me */ \\\n"
				      "EACH(\"renamed\", 3) EACH(\"renumbered\", 4)\n";
	struct err err = { 0 };

	(void)state;
	assert_int_equal(header_parse(in, strlen(in), &h, &err), 0);
	assert_null(h->row[0].line);
	assert_string_equal(h->row[1].comment, "me");
	ps = xcalloc(1, sizeof(*ps));
	ps->product = xcalloc(5, sizeof(*ps->product));
	ps->product[ps->n++] = product(1, "same", STATUS_ASSIGNED);
	ps->product[ps->n++] = product(3, "old-name", STATUS_ASSIGNED);
	ps->product[ps->n++] = product(5, "renumbered", STATUS_ASSIGNED);
	ps->product[ps->n++] = product(6, "only-here", STATUS_ASSIGNED);
	ps->product[ps->n++] = product(7, "not-for-export", STATUS_RESERVED);
	c = header_diff(h, ps);
	assert_int_equal(c->n, 5);
	assert_string_equal(header_class_name(c->change[0].class), "same");
	assert_string_equal(header_class_name(c->change[1].class), "new");
	assert_string_equal(header_class_name(c->change[2].class), "renamed");
	assert_string_equal(c->change[2].have_name, "old-name");
	assert_string_equal(header_class_name(c->change[3].class), "renumbered");
	assert_int_equal(c->change[3].have_number, 5);
	assert_string_equal(header_class_name(c->change[4].class), "missing");
	assert_string_equal(c->change[4].name, "only-here");
}

static void packed_rows(void **state)
{
	CLEANUP(header_free) struct header *h = real();
	CLEANUP(free) char *bytes = NULL;
	size_t n = 0, whole = 0;

	(void)state;
	header_pack(h, &bytes, &n);
	for (size_t cut = 0; cut <= n; cut++) {
		CLEANUP(header_free) struct header *back = NULL;
		CLEANUP(free) char *part = xmemdup(bytes, cut);

		/* Cut between two rows it is a shorter list; within one it is nothing. */
		if (!header_unpack(part, cut, &back))
			continue;
		assert_int_equal(back->n, whole);
		whole++;
		for (size_t i = 0; i < back->n; i++) {
			assert_int_equal(back->row[i].number, h->row[i].number);
			assert_string_equal(back->row[i].name, h->row[i].name);
			assert_string_equal(back->row[i].comment, h->row[i].comment);
		}
	}
	assert_int_equal(whole, h->n + 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_real_one),	  cmocka_unit_test(one_more),
	cmocka_unit_test(around_the_end), cmocka_unit_test(from_nothing),
	cmocka_unit_test(refused),	  cmocka_unit_test(differences),
	cmocka_unit_test(packed_rows),
};

UNIT_MAIN(tests)
