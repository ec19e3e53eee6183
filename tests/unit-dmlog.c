/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Device-model logs: every known format, hostile lines, pieces of any size, much noise. */
#include "tests/unit.h"

#include <inttypes.h>

#include "registry/base.h"
#include "sync/dmlog.h"

/* Findings as text: "PRODUCT/BUILD VERDICT[@DOMID]\n". */
struct notes {
	char text[4096];
	size_t used;
};

static void note(void *ctx, const struct dmlog_found *f)
{
	struct notes *n = ctx;
	char at[16] = "";

	if (f->domid != DMLOG_NO_DOMID)
		snprintf(at, sizeof(at), "@%" PRIu32, f->domid);
	n->used += (size_t)snprintf(n->text + n->used, sizeof(n->text) - n->used,
				    "%" PRIu16 "/%" PRIu32 " %s%s\n", f->product, f->build,
				    sighting_verdict_name(f->verdict), at);
	assert_true(n->used < sizeof(n->text));
}

static char *read_data(const char *name, size_t *ret_n)
{
	const char *srcdir = getenv("SRCDIR");
	CLEANUP(free)
	char *path = xasprintf("%s/tests/data/logs/%s", srcdir ? srcdir : ".", name);
	FILE *f = fopen(path, "r");
	char *buf = xcalloc(1, 65536);

	if (!f)
		fail_msg("cannot open '%s'", path);
	*ret_n = fread(buf, 1, 65536, f);
	fclose(f);
	return buf;
}

static void assert_found(const char *bytes, size_t n, size_t piece, const char *want)
{
	struct notes notes = { .used = 0 };
	CLEANUP(dmlog_free) struct dmlog *d = dmlog_new(note, &notes);

	for (size_t at = 0; at < n; at += piece)
		dmlog_feed(d, bytes + at, n - at < piece ? n - at : piece);
	dmlog_end(d);
	assert_string_equal(notes.text, want);
}

static void known_formats(void **state)
{
	static const struct {
		const char *file, *want;
	} cases[] = {
		{ "traditional-gplpv", "2/1 allowed\n" },
		{ "traditional-many", "1/86451 blacklisted\n"
				      "65535/524801 allowed\n"
				      "3/1 allowed\n"
				      "3/2147483648 allowed\n"
				      "3/4294967295 blacklisted\n" },
		{ "stubdom", "2/1 allowed\n"
			     "65535/2147483648 allowed\n"
			     "1/86451 blacklisted\n" },
		{ "xenserver-syslog", "3/1 allowed@5\n"
				      "4/513 blacklisted@6\n"
				      "1/86451 blacklisted@7\n"
				      "2/1 unknown@8\n" },
		{ "stock-qemu", "" },
		{ "console-dated", "65535/590080 blacklisted\n" },
		{ "qmp-events", "3/1 unknown\n"
				"65535/4294967295 unknown\n" },
		{ "hostile", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n;
		CLEANUP(free) char *bytes = read_data(cases[i].file, &n);

		for (size_t piece = 1; piece < 200; piece += 13)
			assert_found(bytes, n, piece, cases[i].want);
		assert_found(bytes, n, n, cases[i].want);
	}
}

static void verdict_of_silence(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "Unknown PV product 7 loaded in guest\nPV driver build 8", "7/8 allowed\n" },
		{ "Unknown PV product 7 loaded in guest\nPV driver build 8\nx\n"
		  "Drivers are blacklisted!\n",
		  "7/8 allowed\n" },
		{ "Unknown PV product 7 loaded in guest\nPV driver build 8\nPV driver build 9\n",
		  "7/8 allowed\n7/9 allowed\n" },
		{ "UNPLUG: product_id: 7 build_number: 8\nx\nUNPLUG: drivers blacklisted\n",
		  "7/8 blacklisted\n" },
		{ "UNPLUG: product_id: 7 build_number: 8\nUNPLUG: product_id: 7 build_number: 9\n",
		  "7/8 unknown\n7/9 unknown\n" },
		{ "UNPLUG: product_id: 0 build_number: 8\nUNPLUG: drivers blacklisted\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_found(cases[i].in, strlen(cases[i].in), 1000, cases[i].want);
}

static void feed(struct dmlog *d, const char *text)
{
	dmlog_feed(d, text, strlen(text));
}

static void settled_and_then(void **state)
{
	struct notes notes = { .used = 0 };
	CLEANUP(dmlog_free) struct dmlog *d = dmlog_new(note, &notes);
	CLEANUP(free) char *text = NULL;

	(void)state;
	feed(d, "Unknown PV product 7 loaded in guest\nPV driver build 8\n");
	assert_string_equal(notes.text, "");
	dmlog_settle(d);
	assert_string_equal(notes.text, "7/8 allowed\n");
	dmlog_settle(d);
	text = dmlog_state(d);
	assert_true(dmlog_restore(d, text));
	feed(d, "Drivers are blacklisted!\nDrivers are blacklisted!\n");
	dmlog_end(d);
	assert_string_equal(notes.text, "7/8 allowed\n7/8 blacklisted\n");
}

static void half_lines(void **state)
{
	struct notes notes = { .used = 0 };
	CLEANUP(dmlog_free) struct dmlog *d = dmlog_new(note, &notes);

	(void)state;
	feed(d, "Unknown PV product 7 loaded in guest\nPV driver build 1");
	assert_int_equal(dmlog_half(d), strlen("PV driver build 1"));
	feed(d, "2\n");
	assert_int_equal(dmlog_half(d), 0);
	dmlog_end(d);
	assert_string_equal(notes.text, "7/12 allowed\n");
}

static void long_lines(void **state)
{
	static const char line[] = "PV driver build 5\n";
	struct notes notes = { .used = 0 };
	CLEANUP(dmlog_free) struct dmlog *d = dmlog_new(note, &notes);
	CLEANUP(free) char *big = xcalloc(1, 1 << 20), *text = NULL;

	(void)state;
	memset(big, 'a', 1 << 20);
	feed(d, "Unknown PV product 7 loaded in guest\n");
	dmlog_feed(d, big, 1 << 20);
	assert_int_equal(dmlog_half(d), 0); /* nothing of it is kept */
	text = dmlog_state(d);
	assert_true(dmlog_restore(d, text));
	feed(d, "PV driver build 4\n"); /* the end of the long line */
	feed(d, line);
	memcpy(big + 4096, line, strlen(line)); /* a long line whole in one piece */
	dmlog_feed(d, big, 4096 + strlen(line));
	dmlog_end(d);
	assert_string_equal(notes.text, "7/5 allowed\n");
}

/* More domains in one syslog than there is room for: the silent ones are told and forgotten. */
static void many_domains(void **state)
{
	struct notes notes = { .used = 0 };
	CLEANUP(dmlog_free) struct dmlog *d = dmlog_new(note, &notes);
	char line[128];

	(void)state;
	for (int i = 1; i <= 65; i++) {
		snprintf(
			line, sizeof(line),
			"Jan 10 12:00:00 h qemu-dm-%d[1]: UNPLUG: product_id: 1 build_number: %d\n",
			i, i);
		feed(d, line);
	}
	assert_string_equal(notes.text, "1/1 unknown@1\n");
	feed(d, "Jan 10 12:00:00 h qemu-dm-2[1]: UNPLUG: drivers blacklisted\n");
	assert_string_equal(notes.text, "1/1 unknown@1\n1/2 blacklisted@2\n");
}

static void states_that_are_none(void **state)
{
	static const char *const bad[] = {
		"",
		"dmlog1",
		"dmlog1 ",
		"dmlog1 2",
		"dmlog2 0",
		"dmlog1 0 ",
		"dmlog1 0 1:2:3",
		"dmlog1 0 1:2:3:8",
		"dmlog1 0 1:65536:3:0",
		"dmlog1 0 1:2:3:0x",
	};
	struct notes notes = { .used = 0 };
	CLEANUP(dmlog_free) struct dmlog *d = dmlog_new(note, &notes);
	CLEANUP(free) char *text = NULL;

	(void)state;
	feed(d, "Unknown PV product 7 loaded in guest\n");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(dmlog_restore(d, bad[i]));
	text = dmlog_state(d);
	assert_string_equal(text, "dmlog1 0 4294967295:7:0:0");
}

/* A hundred megabytes: in constant memory, and in no more passes than one. */
static void much_noise(void **state)
{
	struct notes notes = { .used = 0 };
	CLEANUP(dmlog_free) struct dmlog *d = dmlog_new(note, &notes);
	CLEANUP(free) char *noise = xcalloc(1, 1 << 20);

	(void)state;
	for (size_t i = 0; i < 1 << 20; i++)
		noise[i] = i % 61 == 60 ? '\n' : (char)(i * 2654435761u >> 11);
	feed(d, "Unknown PV product 7 loaded in guest\n");
	for (int i = 0; i < 100; i++)
		dmlog_feed(d, noise, 1 << 20);
	feed(d, "\nPV driver build 8\n");
	dmlog_end(d);
	assert_string_equal(notes.text, "7/8 allowed\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(known_formats),	cmocka_unit_test(verdict_of_silence),
	cmocka_unit_test(settled_and_then),	cmocka_unit_test(half_lines),
	cmocka_unit_test(long_lines),		cmocka_unit_test(many_domains),
	cmocka_unit_test(states_that_are_none), cmocka_unit_test(much_noise),
};

UNIT_MAIN(tests)
