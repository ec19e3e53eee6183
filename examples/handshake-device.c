/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A device model's side of the port-0x10 protocol, verdicts from a blacklist image:
 *   cc -o device handshake-device.c handshake.c snapshot.c
 *   printf '%s\n' 'out 12 2 ffff' 'out 10 4 90100' 'in 10 2' | ./device blacklist.img
 * Port, width and value are hexadecimal; each read prints its answer. A device model calls
 * access_port() from its port handlers, with its own clock and log.
 */
#include "handshake.h"
#include "snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static uint32_t access_port(struct handshake *hs, const struct snapshot *list,
			    const struct handshake_access *a)
{
	struct handshake_result r;

	handshake_step(hs, a, &r);
	if (r.actions & HANDSHAKE_ASK)
		handshake_decide(hs,
				 snapshot_lookup(list, r.product, r.build) == SNAPSHOT_BLACKLISTED);
	if (r.actions & HANDSHAKE_LOG)
		printf("guest: %s\n", r.line);
	if (r.actions & HANDSHAKE_UNPLUG)
		printf("unplug %x%s\n", r.unplug, r.refused ? ": refused" : "");
	return r.value;
}

int main(int argc, char **argv)
{
	const struct handshake_policy policy = { .model = HANDSHAKE_FULL,
						 .unplug = HANDSHAKE_UNPLUG_REFUSE };
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	struct snapshot list;
	struct handshake hs;
	unsigned port, width, value;
	char line[64], way[4];
	struct stat st;
	void *image;

	if (fd < 0 || fstat(fd, &st) < 0 ||
	    (image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED ||
	    snapshot_open(image, (size_t)st.st_size, &list)) {
		fprintf(stderr, "usage: device IMAGE, with a blacklist image\n");
		return 2;
	}
	handshake_init(&hs, &policy);
	while (fgets(line, sizeof(line), stdin)) {
		int n = sscanf(line, "%3s %x %x %x", way, &port, &width, &value);
		struct handshake_access a = { .port = port,
					      .width = (uint8_t)width,
					      .write = n == 4 };

		if (n < 3)
			return 2;
		a.value = n == 4 ? value : 0;
		value = access_port(&hs, &list, &a);
		if (!a.write)
			printf("%x\n", value);
	}
	return 0;
}
