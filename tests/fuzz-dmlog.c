/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device-model logs: the first byte cuts the rest into pieces. What is found must not depend on
 * the pieces, nor on whether the parser was saved and restored between them.
 */
#include "tests/fuzz.h"

#include <string.h>

#include "sync/dmlog.h"

#define FOUND_MAX 4096

struct found {
	struct dmlog_found row[FOUND_MAX];
	size_t n;
};

static void found(void *ctx, const struct dmlog_found *f)
{
	struct found *all = ctx;

	assert(f->product != 0 && f->verdict <= SIGHTING_BLACKLISTED);
	if (all->n < FOUND_MAX)
		all->row[all->n++] = *f;
}

static void in_pieces(const char *p, size_t n, size_t piece, struct found *ret)
{
	struct dmlog *d = dmlog_new(found, ret);

	for (size_t at = 0; at < n; at += piece)
		dmlog_feed(d, p + at, n - at < piece ? n - at : piece);
	dmlog_end(d);
	dmlog_free(d);
}

static void with_saves(const char *p, size_t n, size_t piece, struct found *ret)
{
	struct dmlog *d = dmlog_new(found, ret);
	size_t at = 0;

	while (at < n) {
		size_t len = n - at < piece ? n - at : piece;
		size_t half;
		char *state;

		dmlog_feed(d, p + at, len);
		half = dmlog_half(d);
		assert(half <= at + len);
		state = dmlog_state(d);
		dmlog_free(d);
		d = dmlog_new(found, ret);
		assert(dmlog_restore(d, state));
		free(state);
		dmlog_feed(d, p + at + len - half, half);
		assert(dmlog_half(d) == half);
		at += len;
	}
	dmlog_end(d);
	dmlog_free(d);
}

static void assert_same(const struct found *a, const struct found *b)
{
	assert(a->n == b->n);
	for (size_t i = 0; i < a->n; i++) {
		assert(a->row[i].product == b->row[i].product);
		assert(a->row[i].build == b->row[i].build);
		assert(a->row[i].verdict == b->row[i].verdict);
		assert(a->row[i].domid == b->row[i].domid);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static struct found whole, pieces, saved;
	const char *p = (const char *)bytes + 1;
	size_t piece;

	if (n < 2)
		return 0;
	piece = bytes[0] % 64 + 1u;
	whole.n = pieces.n = saved.n = 0;
	in_pieces(p, n - 1, n - 1, &whole);
	in_pieces(p, n - 1, piece, &pieces);
	with_saves(p, n - 1, piece * 16, &saved);
	assert_same(&whole, &pieces);
	assert_same(&whole, &saved);
	return 0;
}
