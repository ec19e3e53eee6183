/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks up one driver in a blacklist image, as a device model without xenstore would:
 *   cc -o lookup snapshot-lookup.c snapshot.c
 *   xenblacklist export --format snapshot -o blacklist.img
 *   ./lookup blacklist.img 65535 590080
 */
#include "snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	static const char *const answers[] = { "unknown product", "allowed", "blacklisted" };
	int fd = argc == 4 ? open(argv[1], O_RDONLY) : -1;
	const char *bad = "cannot open or map it";
	struct snapshot s;
	struct stat st;
	void *image;

	if (fd >= 0 && fstat(fd, &st) == 0) {
		image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (image != MAP_FAILED)
			bad = snapshot_open(image, (size_t)st.st_size, &s);
	}
	if (bad) {
		fprintf(stderr, "usage: lookup IMAGE PRODUCT BUILD; %s\n", bad);
		return 2;
	}
	puts(answers[snapshot_lookup(&s, (uint16_t)strtoul(argv[2], NULL, 10),
				     (uint32_t)strtoul(argv[3], NULL, 10))]);
	return 0;
}
