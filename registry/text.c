/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be written into the registry as text: what escape_text() would not have to change,
 * apart from the backslash.
 */
#include "registry/text.h"

#include <string.h>

int text_check(const char *what, const char *text, size_t max, bool may_be_empty, struct err *err)
{
	CLEANUP(free) char *escaped = NULL;
	size_t n = text ? strlen(text) : 0, backslashes = 0;

	if (!n)
		return may_be_empty ? 0 : err_set(err, ERR_INVALID, "%s is empty", what);
	if (n > max)
		return err_set(err, ERR_INVALID, "%s is longer than %zu bytes", what, max);
	if (!utf8_valid(text, n))
		return err_set(err, ERR_INVALID, "%s is not UTF-8", what);
	for (size_t i = 0; i < n; i++)
		backslashes += text[i] == '\\';
	escaped = escape_text(text);
	if (strlen(escaped) != n + 3 * backslashes)
		return err_set(err, ERR_INVALID,
			       "%s holds control or invisible characters: '%.200s'", what, escaped);
	return 0;
}
