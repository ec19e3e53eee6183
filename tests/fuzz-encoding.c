/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Scan, expression and version, one a line. What an encoding makes of a version it takes back as
 * possible, and the version that decoding prints has the same build.
 */
#include "registry/encoding.h"
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	CLEANUP(free) char *text = xcalloc(n + 1, 1);
	char *expression, *version;
	CLEANUP(encoding_free) struct encoding *e = NULL;
	struct encoding_version decoded;
	struct encoding_facts facts;
	struct err err = { 0 };
	uint32_t build, again;

	if (n > 0)
		memcpy(text, bytes, n);
	expression = strchr(text, '\n');
	if (!expression)
		return 0;
	*expression++ = '\0';
	version = strchr(expression, '\n');
	if (!version)
		return 0;
	*version++ = '\0';
	version[strcspn(version, "\n")] = '\0';
	if (encoding_compile("fuzz", text, expression, &e, &err) < 0) {
		assert(err.msg[0]);
		return 0;
	}
	facts = encoding_facts(e);
	if (encoding_encode(e, span_str(version), &build, &err) < 0)
		return 0;
	assert(build >= facts.least && build <= facts.largest);
	encoding_decode(e, build, &decoded);
	assert(!decoded.impossible);
	if (decoded.text[0]) {
		assert(encoding_encode(e, span_str(decoded.text), &again, &err) == 0);
		assert(again == build);
	}
	return 0;
}
