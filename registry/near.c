/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Edit distance with transpositions (optimal string alignment), over bytes, on words short
 * enough for three rows on the stack; longer ones are never near anything.
 */
#include "registry/near.h"

#include <string.h>
#include <strings.h>

#define WORD_MAX 64
#define PREFIX_MIN 3 /* that much of a name, and nothing wrong, is near */

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
	size_t row[3][WORD_MAX + 1];
	size_t *before = row[0], *last = row[1], *now = row[2];

	for (size_t j = 0; j <= nb; j++)
		last[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			bool same = fold(a[i - 1]) == fold(b[j - 1]);

			now[j] = least(last[j - 1] + !same, least(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
			    fold(a[i - 2]) == fold(b[j - 1]))
				now[j] = least(now[j], before[j - 2] + 1);
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[nb];
}

void near_offer(struct near *n, const char *candidate)
{
	size_t na = strlen(n->word), nb = strlen(candidate), d;

	if (!na || !nb || na > WORD_MAX || nb > WORD_MAX)
		return;
	d = na >= PREFIX_MIN && na < nb && strncasecmp(n->word, candidate, na) == 0
		    ? 1
		    : distance(n->word, na, candidate, nb);
	if (d > 1 + least(na, nb) / 3 || d >= nb || (n->best && d >= n->distance))
		return;
	n->best = candidate;
	n->distance = d;
}

char *near_text(const struct near *n)
{
	return n->best ? xasprintf(", did you mean '%s'?", n->best) : xstrdup("");
}
