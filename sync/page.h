/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_PAGE_H
#define SYNC_PAGE_H

/*
 * The registry as one web page, as IANA's registries are: no foreign request, readable on a
 * phone, in dark mode and without JavaScript. Pure: same content, same bytes.
 */
#include "registry/blacklist.h"

struct page_info {
	uint64_t version;	 /* of the manifest that lies beside the page; 0: none */
	int64_t issued, expires; /* TIME_NONE: not told */
};

/*
 * Writes index.html. Names, reasons and references come from outside: every byte is escaped, and
 * only http and https references become links. Errors of OUT are the caller's to check.
 */
void page_write(const struct blacklist *b, const struct encoding_rows *encodings,
		const struct page_info *info, FILE *out);

#endif
