/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides the layout of the sealed memory and how the tree's names become sorted spans of builds.
 */
#include "device/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "sync/lookup.h"

#define MAGIC UINT32_C(0x31526258)
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct span32 {
	uint32_t from, to;
};
struct product32 {
	uint32_t number, first, n;
};
struct image {
	uint32_t magic, n_products, n_spans;
	/* struct product32[n_products], struct span32[n_spans] */
};

struct rules {
	void *addr;
	size_t size;
	const struct product32 *product;
	const struct span32 *span;
	uint32_t n_products;
};

/* ---- making ---- */

struct making {
	struct product32 *product;
	size_t n_products, cap_products;
	struct span32 *span;
	size_t n_spans, cap_spans;
};

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

static int span_order(const void *a, const void *b)
{
	const struct span32 *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* Sorts the spans from FIRST on and joins those that touch. */
static void merge(struct making *m, size_t first)
{
	size_t out = first;

	qsort(m->span + first, m->n_spans - first, sizeof(*m->span), span_order);
	for (size_t i = first; i < m->n_spans; i++) {
		struct span32 *last = out > first ? &m->span[out - 1] : NULL;

		if (last && (last->to == UINT32_MAX || m->span[i].from <= last->to + 1)) {
			if (m->span[i].to > last->to)
				last->to = m->span[i].to;
			continue;
		}
		m->span[out++] = m->span[i];
	}
	m->n_spans = out;
}

/* Spans of one product; returns how many builds and ranges its directory names. */
static size_t add_product(struct making *m, const struct tree *t, uint16_t number, const char *node)
{
	CLEANUP(free) char *prefix = xasprintf("%s/", node);
	size_t len = strlen(prefix), first = m->n_spans, count;

	for (size_t i = lower_bound(t, prefix);
	     i < t->n && strncmp(t->node[i].path, prefix, len) == 0; i++) {
		const char *name = t->node[i].path + len;
		struct span32 s;

		if (strncmp(name, "_ranges/", 8) == 0) {
			if (!lookup_range_parse(name + 8, &s.from, &s.to))
				continue;
		} else {
			if (!lookup_leaf_parse(name, &s.from) ||
			    (name[0] == '-' && s.from <= INT32_MAX))
				continue;
			s.to = s.from;
		}
		GROW(m->span, m->n_spans, m->cap_spans);
		m->span[m->n_spans++] = s;
	}
	count = m->n_spans - first;
	if (count)
		merge(m, first);
	GROW(m->product, m->n_products, m->cap_products);
	m->product[m->n_products++] = (struct product32){ .number = number,
							  .first = (uint32_t)first,
							  .n = (uint32_t)(m->n_spans - first) };
	return count;
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
	struct making m = { 0 };
	struct image head;
	size_t count = 0;
	int r;

	if (fd < 0)
		return err_set(err, ERR_INTERNAL, "cannot make memory: %s", strerror(errno));
	for (uint32_t number = 0; number <= UINT16_MAX; number++) {
		const char *node = product_node(tree, (uint16_t)number);

		if (node)
			count += add_product(&m, tree, (uint16_t)number, node);
	}
	head = (struct image){ MAGIC, (uint32_t)m.n_products, (uint32_t)m.n_spans };
	r = write_all(fd, &head, sizeof(head), err);
	if (r == 0)
		r = write_all(fd, m.product, m.n_products * sizeof(*m.product), err);
	if (r == 0)
		r = write_all(fd, m.span, m.n_spans * sizeof(*m.span), err);
	free(m.product);
	free(m.span);
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

int rules_open(int fd, struct rules **ret, struct err *err)
{
	const struct image *head;
	struct rules *r;
	struct stat st;
	void *addr;
	uint64_t need;

	if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &st) < 0 ||
	    st.st_size < (off_t)sizeof(*head))
		return err_set(err, ERR_INVALID, "the rules are not sealed memory");
	addr = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (addr == MAP_FAILED)
		return err_set(err, ERR_INTERNAL, "cannot map the rules: %s", strerror(errno));
	head = addr;
	need = sizeof(*head) + (uint64_t)head->n_products * sizeof(struct product32) +
	       (uint64_t)head->n_spans * sizeof(struct span32);
	r = xcalloc(1, sizeof(*r));
	r->addr = addr;
	r->size = (size_t)st.st_size;
	r->n_products = head->n_products;
	r->product = (const void *)(head + 1);
	r->span = (const void *)(r->product + head->n_products);
	if (head->magic != MAGIC || need != r->size) {
		rules_close(r);
		return err_set(err, ERR_INVALID, "the rules have the wrong size");
	}
	for (uint32_t i = 0; i < r->n_products; i++)
		if ((uint64_t)r->product[i].first + r->product[i].n > head->n_spans) {
			rules_close(r);
			return err_set(err, ERR_INVALID, "the rules point outside themselves");
		}
	*ret = r;
	return 0;
}

void rules_close(struct rules *r)
{
	if (!r)
		return;
	munmap(r->addr, r->size);
	free(r);
}

static const struct product32 *find_product(const struct rules *r, uint16_t number)
{
	uint32_t lo = 0, hi = r->n_products;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (r->product[mid].number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->n_products && r->product[lo].number == number ? &r->product[lo] : NULL;
}

enum verdict_kind rules_ask(const struct rules *r, uint16_t product, uint32_t build)
{
	const struct product32 *p;
	const struct span32 *s;
	uint32_t lo = 0, hi;

	if (!r)
		return VERDICT_NO_RULES;
	p = find_product(r, product);
	if (!p)
		return VERDICT_UNKNOWN_PRODUCT;
	s = r->span + p->first;
	hi = p->n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (s[mid].to < build)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->n && s[lo].from <= build ? VERDICT_BLACKLISTED : VERDICT_ALLOWED;
}
