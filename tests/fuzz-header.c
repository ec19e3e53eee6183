/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pvdrivers.h from anywhere: its own rows written back are its own bytes, and with one product
 * more it is a header again.
 */
#include <string.h>

#include "sync/header.h"
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	CLEANUP(header_free) struct header *h = NULL, *h2 = NULL;
	CLEANUP(header_changes_free) struct header_changes *changes = NULL;
	CLEANUP(free) struct product *row = NULL;
	CLEANUP(free) struct product **list = NULL;
	CLEANUP(free) char *text = NULL, *more = NULL;
	struct products ps = { 0 };
	struct err err = { 0 };
	size_t text_n, more_n;

	if (header_parse((const char *)bytes, n, &h, &err) < 0) {
		assert(err.kind == ERR_INVALID && err.msg[0] && !h);
		return 0;
	}
	row = xcalloc(h->n + 1, sizeof(*row));
	list = xcalloc(h->n + 1, sizeof(struct product *));
	for (size_t i = 0; i < h->n; i++) {
		row[i] = (struct product){ .number = h->row[i].number,
					   .name = h->row[i].name,
					   .vendor = h->row[i].comment };
		list[ps.n++] = &row[i];
	}
	ps.product = list;
	header_write(h, &ps, &text, &text_n);
	assert(text_n == n && memcmp(text, bytes, n) == 0);
	changes = header_diff(h, &ps);
	for (size_t i = 0; i < changes->n; i++) {
		assert(changes->change[i].class == HEADER_SAME);
		if (h->row[i].number == 77 || strcmp(h->row[i].name, "one more") == 0)
			return 0;
	}
	row[ps.n] = (struct product){ .number = 77, .name = (char *)(uintptr_t) "one more" };
	list[ps.n] = &row[ps.n];
	ps.n++;
	header_write(h, &ps, &more, &more_n);
	if (header_parse(more, more_n, &h2, &err) < 0)
		abort();
	assert(h2->n == h->n + 1);
	return 0;
}
