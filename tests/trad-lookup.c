/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What qemu-xen-traditional looks up, told again in a few lines: three products by name, the
 * build as "%d" prints it, xs_read, and every failure means "not blacklisted". The oracle that
 * other tests compare with. trad-lookup PRODUCT BUILD, or "-" for such lines on stdin; prints
 * "PRODUCT BUILD blacklisted" or "... allowed".
 */
#include <inttypes.h>

#include <xenstore.h>

#include "registry/base.h"

static const char *name_of(uint32_t product)
{
	switch (product) {
	case 1:
		return "xensource-windows";
	case 2:
		return "gplpv-windows";
	case 0xffff:
		return "experimental";
	default:
		return NULL;
	}
}

static bool blacklisted(struct xs_handle *xs, uint32_t product, uint32_t build)
{
	const char *name = name_of(product);
	CLEANUP(free) char *path = NULL, *value = NULL;

	if (!xs || !name)
		return false;
	path = xasprintf("/mh/driver-blacklist/%s/%" PRId32, name, (int32_t)build);
	value = xs_read(xs, XBT_NULL, path, NULL);
	return value != NULL;
}

static void look_up(struct xs_handle *xs, uint32_t product, uint32_t build)
{
	printf("%" PRIu32 " %" PRIu32 " %s\n", product, build,
	       blacklisted(xs, product, build) ? "blacklisted" : "allowed");
}

int main(int argc, char **argv)
{
	struct xs_handle *xs = xs_open(0);
	uint32_t product, build;

	if (argc == 3 && parse_u32(span_str(argv[1]), &product) &&
	    parse_u32(span_str(argv[2]), &build)) {
		look_up(xs, product, build);
	} else if (argc == 2 && strcmp(argv[1], "-") == 0) {
		while (scanf("%" SCNu32 " %" SCNu32, &product, &build) == 2)
			look_up(xs, product, build);
	} else {
		fprintf(stderr, "usage: trad-lookup PRODUCT BUILD | -\n");
		return 64;
	}
	if (xs)
		xs_close(xs);
	return 0;
}
