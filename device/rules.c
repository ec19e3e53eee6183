/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Turns the tree's names into the arrays of a snapshot, seals it in memory, and asks it.
 */
#include "device/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "device/snapshot-write.h"
#include "device/snapshot.h"
#include "sync/lookup.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* ---- making ---- */

struct making {
	struct snapshot_source source;
	size_t cap_products, cap_builds, cap_ranges;
};

static void making_free(struct making *m)
{
	if (!m)
		return;
	free(m->source.product);
	free(m->source.build);
	free(m->source.range);
	free(m);
}
DEFINE_CLEANUP(struct making *, making_free)

static size_t lower_bound(const struct tree *t, const char *path)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(t->node[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void add_product(struct making *m, const struct tree *t, uint16_t number, const char *node)
{
	CLEANUP(free) char *prefix = xasprintf("%s/", node);
	struct snapshot_source *s = &m->source;
	size_t len = strlen(prefix);

	GROW(s->product, s->n_products, m->cap_products);
	s->product[s->n_products++] = (struct snapshot_source_product){ number, node, node };
	for (size_t i = lower_bound(t, prefix);
	     i < t->n && strncmp(t->node[i].path, prefix, len) == 0; i++) {
		const char *name = t->node[i].path + len;
		uint32_t from, to;

		if (strncmp(name, "_ranges/", 8) == 0) {
			if (!lookup_range_parse(name + 8, &from, &to))
				continue;
			GROW(s->range, s->n_ranges, m->cap_ranges);
			s->range[s->n_ranges++] =
				(struct snapshot_source_range){ number, from, to };
		} else if (lookup_leaf_parse(name, &from) && (name[0] != '-' || from > INT32_MAX)) {
			GROW(s->build, s->n_builds, m->cap_builds);
			s->build[s->n_builds++] = (struct snapshot_source_build){ number, from };
		}
	}
}

/* What _products says of NUMBER, else what is built in; NULL: nobody knows it. */
static const char *product_node(const struct tree *t, uint16_t number)
{
	char path[sizeof("_products/65535")];
	size_t i;

	snprintf(path, sizeof(path), "_products/%u", number);
	i = lower_bound(t, path);
	if (i < t->n && strcmp(t->node[i].path, path) == 0 && lookup_node_valid(t->node[i].value))
		return t->node[i].value;
	return lookup_builtin_node(number);
}

static int write_all(int fd, const void *p, size_t n, struct err *err)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = write(fd, (const char *)p + done, n - done);

		if (r < 0 && errno != EINTR)
			return err_set(err, ERR_IO, "cannot write the rules: %s", strerror(errno));
		if (r > 0)
			done += (size_t)r;
	}
	return 0;
}

int rules_make(const struct tree *tree, int *ret_fd, size_t *ret_count, struct err *err)
{
	CLEANUP(close_fd) int fd = memfd_create("blacklist", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CLEANUP(making_free) struct making *m = xcalloc(1, sizeof(*m));
	CLEANUP(free) unsigned char *image = NULL;
	size_t n, count;
	int r;

	if (fd < 0)
		return err_set(err, ERR_INTERNAL, "cannot make memory: %s", strerror(errno));
	for (uint32_t number = 0; number <= UINT16_MAX; number++) {
		const char *node = product_node(tree, (uint16_t)number);

		if (node)
			add_product(m, tree, (uint16_t)number, node);
	}
	count = m->source.n_builds + m->source.n_ranges;
	r = snapshot_write(&m->source, &image, &n, err);
	if (r == 0)
		r = write_all(fd, image, n, err);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return err_set(err, ERR_INTERNAL, "cannot seal the rules: %s", strerror(errno));
	*ret_fd = fd;
	fd = -1;
	*ret_count = count;
	return 0;
}

/* ---- asking ---- */

struct rules {
	void *addr;
	size_t size;
	struct snapshot snapshot;
};

int rules_open(int fd, struct rules **ret, struct err *err)
{
	CLEANUP(rules_close) struct rules *r = xcalloc(1, sizeof(*r));
	const char *bad;
	struct stat st;

	r->addr = MAP_FAILED;
	if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &st) < 0)
		return err_set(err, ERR_INVALID, "the rules are not sealed memory");
	r->size = (size_t)st.st_size;
	r->addr = mmap(NULL, r->size, PROT_READ, MAP_SHARED, fd, 0);
	if (r->addr == MAP_FAILED)
		return err_set(err, ERR_INVALID, "cannot map the rules: %s", strerror(errno));
	bad = snapshot_open(r->addr, r->size, &r->snapshot);
	if (bad)
		return err_set(err, ERR_INVALID, "the rules are no snapshot: %s", bad);
	*ret = TAKE(r);
	return 0;
}

void rules_close(struct rules *r)
{
	if (!r)
		return;
	if (r->addr != MAP_FAILED)
		munmap(r->addr, r->size);
	free(r);
}

enum verdict_kind rules_ask(const struct rules *r, uint16_t product, uint32_t build)
{
	if (!r)
		return VERDICT_NO_RULES;
	switch (snapshot_lookup(&r->snapshot, product, build)) {
	case SNAPSHOT_BLACKLISTED:
		return VERDICT_BLACKLISTED;
	case SNAPSHOT_ALLOWED:
		return VERDICT_ALLOWED;
	default:
		return VERDICT_UNKNOWN_PRODUCT;
	}
}
