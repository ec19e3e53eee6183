/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rows of a header from the process that parsed it to one that has more to lose: numbers of a
 * fixed width, lengths and bytes, so that reading them takes no grammar.
 */
#include "sync/header.h"

#include <string.h>

struct packed {
	uint32_t number, name_n, comment_n; /* both texts follow */
};

void header_pack(const struct header *h, char **ret, size_t *ret_n)
{
	FILE *f = open_memstream(ret, ret_n);

	if (!f)
		abort();
	for (size_t i = 0; i < h->n; i++) {
		const struct header_row *row = &h->row[i];
		struct packed p = { .number = row->number,
				    .name_n = (uint32_t)strlen(row->name),
				    .comment_n = (uint32_t)strlen(row->comment) };

		fwrite(&p, sizeof(p), 1, f);
		fwrite(row->name, 1, p.name_n, f);
		fwrite(row->comment, 1, p.comment_n, f);
	}
	if (fclose(f) != 0)
		abort();
}

static bool take_text(const char **at, size_t *left, uint32_t n, char **ret)
{
	if (n > *left || memchr(*at, '\0', n) || !utf8_valid(*at, n))
		return false;
	*ret = xstrndup(*at, n);
	*at += n;
	*left -= n;
	return true;
}

bool header_unpack(const char *bytes, size_t n, struct header **ret)
{
	CLEANUP(header_free) struct header *h = xcalloc(1, sizeof(*h));
	size_t cap = 0;

	while (n) {
		struct packed p;

		if (n < sizeof(p))
			return false;
		memcpy(&p, bytes, sizeof(p));
		bytes += sizeof(p);
		n -= sizeof(p);
		if (p.number > UINT16_MAX)
			return false;
		GROW(h->row, h->n, cap);
		h->row[h->n] = (struct header_row){ .number = (uint16_t)p.number };
		h->n++;
		if (!take_text(&bytes, &n, p.name_n, &h->row[h->n - 1].name) ||
		    !take_text(&bytes, &n, p.comment_n, &h->row[h->n - 1].comment))
			return false;
	}
	*ret = TAKE(h);
	return true;
}
