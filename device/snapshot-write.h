/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_SNAPSHOT_WRITE_H
#define DEVICE_SNAPSHOT_WRITE_H

/*
 * Writes the image that snapshot.h describes. The arrays may come in any order, with repetitions
 * and overlaps; builds that a range of the same product covers are left out.
 */
#include "registry/base.h"
#include "registry/err.h"

struct snapshot_source {
	struct snapshot_source_product {
		uint16_t number;
		const char *name, *node; /* borrowed; at most 65535 bytes each */
	} * product;
	size_t n_products;
	struct snapshot_source_build {
		uint16_t product;
		uint32_t build;
	} * build;
	size_t n_builds;
	struct snapshot_source_range {
		uint16_t product;
		uint32_t first, last; /* inclusive */
	} * range;
	size_t n_ranges;
	uint64_t generation;
	int64_t made; /* seconds since 1970, or 0 */
};

/*
 * The same source gives the same bytes. Sorts the arrays of SOURCE in place; RET is the caller's to
 * free. ERR_INVALID: a product twice, a build or range of a product that is not there, a reversed
 * range, a name that is too long; ERR_REFUSED/TOOBIG: more than 4 GiB.
 */
int snapshot_write(struct snapshot_source *source, unsigned char **ret, size_t *ret_n,
		   struct err *err);

#endif
