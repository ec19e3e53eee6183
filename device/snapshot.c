/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reader of the blacklist image that snapshot.h lays out. Everything is read byte by byte at
 * offsets that were checked against the size when the image was opened, so that neither the
 * alignment of the memory nor the machine's byte order matter.
 */
#include "snapshot.h"

#include <string.h>

#define HEADER 16
#define CAPABILITY 8
#define ARRAY 16 /* a capability's own header, a count and four bytes of nothing */

enum { PRODUCT_RECORD = 16, BUILD_RECORD = 8, RANGE_RECORD = 12 };

static uint16_t get16(const struct snapshot *s, uint32_t at)
{
	const unsigned char *p = s->image + at;

	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const struct snapshot *s, uint32_t at)
{
	return get16(s, at) | (uint32_t)get16(s, at + 2) << 16;
}

static uint64_t get64(const struct snapshot *s, uint32_t at)
{
	return get32(s, at) | (uint64_t)get32(s, at + 4) << 32;
}

/* The array of RECORD bytes each in the contents of the capability at AT, which end at END. */
static const char *open_array(const struct snapshot *s, uint32_t at, uint32_t end, uint32_t record,
			      uint32_t *ret_at, uint32_t *ret_n)
{
	uint32_t n;

	if (*ret_at)
		return "a capability is there twice";
	if (end - at < ARRAY)
		return "the contents of a capability are cut off";
	n = get32(s, at + CAPABILITY);
	if ((uint64_t)n * record > end - at - ARRAY)
		return "more records than fit into their capability";
	*ret_at = at + ARRAY;
	*ret_n = n;
	return NULL;
}

static const char *open_generation(struct snapshot *s, uint32_t at, uint32_t end, bool *seen)
{
	if (*seen)
		return "a capability is there twice";
	if (end - at < CAPABILITY + 16)
		return "the contents of a capability are cut off";
	*seen = true;
	s->generation = get64(s, at + CAPABILITY);
	s->made = (int64_t)get64(s, at + CAPABILITY + 8);
	return NULL;
}

/* The text whose length is in two bytes at LENGTH and whose offset in four at OFFSET. */
static bool get_text(const struct snapshot *s, uint32_t length, uint32_t offset, uint32_t begin,
		     uint32_t end, struct snapshot_text *ret)
{
	uint32_t n = get16(s, length), at = get32(s, offset);

	if (at < begin || at > end || n > end - at)
		return false;
	if (ret) {
		ret->p = (const char *)s->image + at;
		ret->n = n;
	}
	return true;
}

static const char *check_products(const struct snapshot *s, uint32_t end)
{
	uint32_t at = s->products.at, texts = at + s->products.n * PRODUCT_RECORD;

	for (uint32_t i = 0; i < s->products.n; i++, at += PRODUCT_RECORD) {
		if (i && get16(s, at) <= get16(s, at - PRODUCT_RECORD))
			return "products are not in ascending order";
		if (!get_text(s, at + 2, at + 4, texts, end, NULL) ||
		    !get_text(s, at + 8, at + 12, texts, end, NULL))
			return "a name is outside of its capability";
	}
	return NULL;
}

static const char *open_capability(struct snapshot *s, uint32_t at, uint32_t end, bool *seen)
{
	uint16_t id = get16(s, at), version = get16(s, at + 2);
	const char *bad = NULL;

	if (id >= SNAPSHOT_PRODUCTS && id <= SNAPSHOT_GENERATION && version == 0)
		return "a capability has version 0";
	switch (id) {
	case SNAPSHOT_PRODUCTS:
		bad = open_array(s, at, end, PRODUCT_RECORD, &s->products.at, &s->products.n);
		return bad ? bad : check_products(s, end);
	case SNAPSHOT_BUILDS:
		return open_array(s, at, end, BUILD_RECORD, &s->builds.at, &s->builds.n);
	case SNAPSHOT_RANGES:
		return open_array(s, at, end, RANGE_RECORD, &s->ranges.at, &s->ranges.n);
	case SNAPSHOT_GENERATION:
		return open_generation(s, at, end, seen);
	default:
		return NULL;
	}
}

static const char *open_chain(struct snapshot *s)
{
	uint32_t at = get32(s, 12), next;
	bool generation = false;
	unsigned length = 0;
	const char *bad;

	if (at && at < HEADER)
		return "the first capability lies in the header";
	for (; at; at = next) {
		uint32_t end = s->size;

		if (at % 8)
			return "a capability is not at a multiple of 8";
		if (at > s->size || s->size - at < CAPABILITY)
			return "the chain leaves the image";
		if (++length > SNAPSHOT_CHAIN_MAX)
			return "the chain is too long";
		next = get32(s, at + 4);
		if (next && (next <= at || next - at < CAPABILITY))
			return "the chain does not ascend";
		if (next > s->size)
			return "the chain leaves the image";
		if (next)
			end = next;
		bad = open_capability(s, at, end, &generation);
		if (bad)
			return bad;
	}
	return NULL;
}

/*
 * Is the product listed? Asked in ascending order, so that *PRODUCT, an index, only moves on; a
 * number that goes back is found out by the check of the order.
 */
static bool listed(const struct snapshot *s, uint32_t *product, uint16_t number)
{
	while (*product < s->products.n &&
	       get16(s, s->products.at + *product * PRODUCT_RECORD) < number)
		++*product;
	return *product < s->products.n &&
	       get16(s, s->products.at + *product * PRODUCT_RECORD) == number;
}

static uint64_t build_key(const struct snapshot *s, uint32_t at)
{
	return (uint64_t)get16(s, at) << 32 | get32(s, at + 4);
}

static const char *check_builds(const struct snapshot *s)
{
	uint32_t at = s->builds.at, product = 0;

	for (uint32_t i = 0; i < s->builds.n; i++, at += BUILD_RECORD) {
		if (i && build_key(s, at) <= build_key(s, at - BUILD_RECORD))
			return "builds are not in ascending order";
		if (!listed(s, &product, get16(s, at)))
			return "a build of a product that is not listed";
	}
	return NULL;
}

static const char *check_ranges(const struct snapshot *s)
{
	uint32_t at = s->ranges.at, product = 0;

	for (uint32_t i = 0; i < s->ranges.n; i++, at += RANGE_RECORD) {
		uint32_t before = at - RANGE_RECORD;

		if (get32(s, at + 4) > get32(s, at + 8))
			return "a range is reversed";
		if (i &&
		    (get16(s, at) < get16(s, before) || (get16(s, at) == get16(s, before) &&
							 get32(s, at + 4) <= get32(s, before + 8))))
			return "ranges overlap or are not in ascending order";
		if (!listed(s, &product, get16(s, at)))
			return "a range of a product that is not listed";
	}
	return NULL;
}

const char *snapshot_open(const void *image, size_t size, struct snapshot *ret)
{
	struct snapshot s;
	const char *bad;

	memset(&s, 0, sizeof(s));
	s.image = image;
	if (size < HEADER)
		return "shorter than its header";
	if (memcmp(image, SNAPSHOT_MAGIC, 8) != 0)
		return "not a snapshot: another magic";
	s.size = get32(&s, 8);
	if (s.size < HEADER || s.size > size)
		return "its size is not that of its memory";
	bad = open_chain(&s);
	if (!bad)
		bad = check_builds(&s);
	if (!bad)
		bad = check_ranges(&s);
	if (!bad)
		*ret = s;
	return bad;
}

/* The offset of the record of a product, or 0. */
static uint32_t find_product(const struct snapshot *s, uint16_t product)
{
	uint32_t lo = 0, hi = s->products.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2, at = s->products.at + mid * PRODUCT_RECORD;

		if (get16(s, at) == product)
			return at;
		if (get16(s, at) < product)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

static bool find_build(const struct snapshot *s, uint64_t key)
{
	uint32_t lo = 0, hi = s->builds.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		uint64_t have = build_key(s, s->builds.at + mid * BUILD_RECORD);

		if (have == key)
			return true;
		if (have < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/* The last range that begins at or before the build is the only one that can hold it. */
static bool find_range(const struct snapshot *s, uint64_t key)
{
	uint32_t lo = 0, hi = s->ranges.n, at;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (build_key(s, s->ranges.at + mid * RANGE_RECORD) <= key)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return false;
	at = s->ranges.at + (lo - 1) * RANGE_RECORD;
	return get16(s, at) == key >> 32 && get32(s, at + 8) >= (uint32_t)key;
}

enum snapshot_answer snapshot_lookup(const struct snapshot *s, uint16_t product, uint32_t build)
{
	uint64_t key = (uint64_t)product << 32 | build;

	if (!find_product(s, product))
		return SNAPSHOT_UNKNOWN_PRODUCT;
	return find_build(s, key) || find_range(s, key) ? SNAPSHOT_BLACKLISTED : SNAPSHOT_ALLOWED;
}

bool snapshot_product(const struct snapshot *s, uint16_t product, struct snapshot_text *ret_name,
		      struct snapshot_text *ret_node)
{
	uint32_t at = find_product(s, product);

	/* Checked when it was opened; once more in case that the image has changed since. */
	return at && get_text(s, at + 2, at + 4, HEADER, s->size, ret_name) &&
	       get_text(s, at + 8, at + 12, HEADER, s->size, ret_node);
}
