/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a verdict of xenblacklistd costs: a lookup in the image that its processes decide from.
 * `verdict N` makes one of N builds, asks for builds that are there and that are not, and prints
 * microseconds a lookup.
 */
#include "device/snapshot-write.h"
#include "device/snapshot.h"

#define LOOKUPS 10000000

int main(int argc, char **argv)
{
	CLEANUP(free) struct snapshot_source_build *build = NULL;
	CLEANUP(free) unsigned char *image = NULL;
	struct snapshot_source_product product = { 65535, "experimental", "experimental" };
	struct snapshot_source source = { .product = &product, .n_products = 1 };
	struct timespec start, end;
	struct snapshot s;
	struct err err;
	uint32_t n, x = 1, hits = 0;
	size_t size;

	if (argc != 2 || !parse_u32(span_str(argv[1]), &n) || !n || n > 1000000) {
		fprintf(stderr, "usage: verdict N\n");
		return 64;
	}
	build = xcalloc(n, sizeof(*build));
	for (uint32_t i = 0; i < n; i++)
		build[i] = (struct snapshot_source_build){ 65535, 2 * i };
	source.build = build;
	source.n_builds = n;
	if (snapshot_write(&source, &image, &size, &err) < 0 || snapshot_open(image, size, &s)) {
		fprintf(stderr, "verdict: no image\n");
		return 70;
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		x = x * 1664525 + 1013904223;
		hits += snapshot_lookup(&s, 65535, (x >> 8) % (2 * n)) == SNAPSHOT_BLACKLISTED;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (hits < LOOKUPS / 3 || hits > LOOKUPS / 3 * 2) {
		fprintf(stderr, "verdict: %u of %u lookups found something\n", hits, LOOKUPS);
		return 70;
	}
	printf("%.3f\n",
	       ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) /
		       1e3 / LOOKUPS);
	return 0;
}
