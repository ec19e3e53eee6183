/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in for libFuzzer where the compiler has none: replays the corpus of a fuzzer, each file as
 * it is, cut off at every length and with bytes flipped, always the same way. With file names as
 * arguments it replays these alone, which is how a crash that a fuzzer found is looked at.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>

#include "registry/base.h"
#include "tests/fuzz.h"

#define FLIPS 400
#define CUTS 400

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint8_t *read_whole(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "re");
	uint8_t *bytes = NULL;
	size_t n = 0, got;

	if (!f)
		return NULL;
	do {
		bytes = xreallocarray(bytes, n + 4096, 1);
		got = fread(bytes + n, 1, 4096, f);
		n += got;
	} while (got > 0);
	fclose(f);
	*ret_n = n;
	return bytes;
}

/* A copy of exactly N bytes, so that a sanitizer sees the first byte read too many. */
static void run(const uint8_t *bytes, size_t n)
{
	uint8_t *exact = xcalloc(n ? n : 1, 1);

	if (n > 0)
		memcpy(exact, bytes, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

static bool replay(const char *path, bool vary)
{
	uint64_t random = 0x9e3779b97f4a7c15;
	size_t n = 0;
	uint8_t *bytes = read_whole(path, &n);

	if (!bytes) {
		printf("# cannot read '%s': %s\n", path, strerror(errno));
		return false;
	}
	printf("# %s\n", path);
	fflush(stdout);
	run(bytes, n);
	for (size_t i = 0; vary && i < CUTS && i < n; i++)
		run(bytes, n <= CUTS ? i : (size_t)(next_random(&random) % n));
	for (size_t i = 0; vary && n > 0 && i < FLIPS; i++) {
		size_t at = (size_t)(next_random(&random) % n);
		uint8_t was = bytes[at];

		bytes[at] = (uint8_t)(was ^ (next_random(&random) % 255 + 1));
		run(bytes, n);
		if (i % 4 == 0) /* three of four changes pile up */
			bytes[at] = was;
	}
	free(bytes);
	return true;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/'), *top = getenv("SRCDIR");
	CLEANUP(free) char *dir = NULL;
	struct dirent *entry;
	size_t files = 0;
	bool good = true;
	DIR *corpus;

	for (int i = 1; i < argc; i++)
		good = replay(argv[i], false) && good;
	if (argc > 1)
		return good ? 0 : 1;
	name = name ? name + 1 : argv[0];
	if (strncmp(name, "fuzz-", 5) == 0)
		name += 5;
	dir = xasprintf("%s/tests/corpus/%s", top ? top : ".", name);
	corpus = opendir(dir);
	if (!corpus) {
		printf("Bail out! cannot open '%s': %s\n", dir, strerror(errno));
		return 1;
	}
	while ((entry = readdir(corpus))) {
		CLEANUP(free) char *path = xasprintf("%s/%s", dir, entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		good = replay(path, true) && good;
		files++;
	}
	closedir(corpus);
	printf("%s 1 - %zu files of the corpus, each with its variations\n1..1\n",
	       good && files > 0 ? "ok" : "not ok", files);
	return good && files > 0 ? 0 : 1;
}
