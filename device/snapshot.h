/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_SNAPSHOT_H
#define DEVICE_SNAPSHOT_H

/*
 * The published blacklist as one image in memory, for device models without xenstore. This file
 * and snapshot.c are the whole reader: C99 and its library, no allocation, no other file; a
 * device model can take the two. The writer is snapshot-write.h.
 *
 * The image. Numbers are little-endian, offsets count from the first byte of the image, so that it
 * means the same wherever it lies. Bytes named 0 are written as 0 and not looked at.
 *
 *   header, 16 bytes
 *     0   8   magic: 58 42 53 4e 41 50 0d 0a ("XBSNAP", CR, LF)
 *     8   4   size of the image in bytes; what a buffer holds behind it does not count
 *    12   4   offset of the first capability, 0 when there is none
 *
 *   capability, at an offset that is a multiple of 8
 *     0   2   id
 *     2   2   version, from 1; a later one has more behind what the earlier ones have
 *     4   4   offset of the next capability, greater than that of this one; 0 in the last
 *     8   ..  contents by id; they end where the next capability begins, or with the image
 *
 *   id 1, products                              id 2, exact builds
 *     8   4   how many                            8   4   how many
 *    12   4   0                                  12   4   0
 *    16  16   each, ascending by number:         16   8   each, ascending by product and build:
 *         0   2   product number                      0   2   product number
 *         2   2   length of the name                  2   2   0
 *         4   4   offset of the name                  4   4   build
 *         8   2   length of the node
 *        10   2   0                             id 3, ranges of builds
 *        12   4   offset of the node              8   4   how many
 *    ..  ..   names (UTF-8) and nodes            12   4   0
 *             (xenstore's characters), none      16  12   each, ascending, apart in a product:
 *             terminated, all within the              0   2   product number
 *             contents                                2   2   0
 *                                                     4   4   first build
 *   id 4, generation                                  8   4   last build
 *     8   8   of the registry or tree it is
 *             made from; rises with changes
 *    16   8   when: seconds since 1970 UTC
 *
 * A reader skips ids that it does not know; 0xff00 to 0xffff are never assigned and free for
 * private use, once or more often. An id never changes its meaning, so an image of today
 * is read by every later reader, and one of tomorrow by this one, as far as it knows it.
 *
 * Refused as a whole, and never looked at again: another magic; a size beyond the buffer; a chain
 * that is out of the image, not a multiple of 8, not ascending (so it cannot loop, and what two
 * capabilities hold cannot overlap) or longer than SNAPSHOT_CHAIN_MAX; a known id twice, in version
 * 0 or with contents that do not fit; records that are not strictly ascending, ranges that are
 * reversed or overlap; builds or ranges of a product that is not listed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_MAGIC "XBSNAP\r\n"
#define SNAPSHOT_CHAIN_MAX 256

enum snapshot_id {
	SNAPSHOT_PRODUCTS = 1,
	SNAPSHOT_BUILDS = 2,
	SNAPSHOT_RANGES = 3,
	SNAPSHOT_GENERATION = 4,
};

/* An image that was checked: filled by snapshot_open(), read only by the functions below. */
struct snapshot {
	const unsigned char *image;
	uint32_t size;
	struct {
		uint32_t at, n; /* offset of the first record, how many */
	} products, builds, ranges;
	uint64_t generation; /* 0 when the image does not tell */
	int64_t made;	     /* seconds since 1970, 0 when the image does not tell */
};

/*
 * Checks the image in SIZE bytes at IMAGE, which stay the caller's and have to outlive *RET. NULL
 * when it is good, else what is wrong with it (static text; *RET is untouched). Time grows with the
 * image. An image that changes afterwards gives wrong answers, never an access out of bounds.
 */
const char *snapshot_open(const void *image, size_t size, struct snapshot *ret);

enum snapshot_answer {
	SNAPSHOT_UNKNOWN_PRODUCT, /* the image does not list it: nothing can be blacklisted */
	SNAPSHOT_ALLOWED,
	SNAPSHOT_BLACKLISTED,
};
/* What the blacklist says of a guest driver; time grows with the logarithm of the image. */
enum snapshot_answer snapshot_lookup(const struct snapshot *s, uint16_t product, uint32_t build);

/* Text in the image, not terminated. */
struct snapshot_text {
	const char *p;
	size_t n;
};
/* False when the image does not list the product. Either RET may be NULL. */
bool snapshot_product(const struct snapshot *s, uint16_t product, struct snapshot_text *ret_name,
		      struct snapshot_text *ret_node);

#endif
