/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Scan, expression and two BUILDS texts, one a line. The sets keep the laws of sets, their members
 * are found one after the other, and a text that was printed whole means the same set.
 */
#include "registry/builds.h"
#include "tests/fuzz.h"

/* The next line of *TEXT, which moves on. */
static char *line(char **text)
{
	char *start = *text;

	*text += strcspn(*text, "\n");
	if (**text)
		*(*text)++ = '\0';
	return start;
}

static void check(const struct builds *b)
{
	CLEANUP(free) char *text = builds_text(b, 100);
	CLEANUP(builds_free) struct builds *again = NULL;
	uint32_t at = 0, n = 0;
	struct err err;

	for (; n < 300 && builds_next(b, &at); n++) {
		assert(builds_contains(b, at));
		if (at++ == UINT32_MAX)
			break;
	}
	assert(builds_count(b) >= n);
	if (!*text || strchr(text, '.') != strstr(text, "..") || strstr(text, "..."))
		return;
	assert(builds_parse(text, NULL, 0, &again, NULL, &err) == 0);
	assert(builds_count(again) == builds_count(b));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	CLEANUP(free) char *text = xcalloc(n + 1, 1);
	char *at = text, *scan, *expression;
	CLEANUP(encoding_free) struct encoding *e = NULL;
	CLEANUP(builds_free) struct builds *a = NULL, *b = NULL, *both = NULL, *common = NULL;
	CLEANUP(builds_free) struct builds *rest = NULL;
	struct encoding_use use = { .from = 0, .to = UINT32_MAX, .user = "somebody" };
	const struct builds *sets[2];
	struct builds_notes notes;
	struct err err = { 0 };

	if (n > 0)
		memcpy(text, bytes, n);
	scan = line(&at);
	expression = line(&at);
	if (encoding_compile("fuzz", scan, expression, &e, &err) == 0)
		use.encoding = e;
	if (builds_parse(line(&at), &use, e != NULL, &a, &notes, &err) < 0 ||
	    builds_parse(line(&at), &use, e != NULL, &b, &notes, &err) < 0) {
		assert(err.msg[0]);
		return 0;
	}
	check(a);
	sets[0] = a;
	sets[1] = b;
	if (builds_union(sets, 2, &both, &err) < 0 || builds_intersect(a, b, &common, &err) < 0 ||
	    builds_subtract(a, b, &rest, &err) < 0) {
		assert(err.refusal == REFUSAL_BUDGET);
		return 0;
	}
	assert(builds_count(both) == builds_count(a) + builds_count(b) - builds_count(common));
	assert(builds_count(rest) == builds_count(a) - builds_count(common));
	check(both);
	check(common);
	check(rest);
	return 0;
}
