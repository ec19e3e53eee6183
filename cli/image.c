/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gathers products and sets of builds into the plain arrays that the writer of images takes.
 */
#include "cli/image.h"

#include <inttypes.h>

#include "device/snapshot-write.h"

#define SNAPSHOT_BUILDS_MAX (UINT64_C(1) << 24) /* written one by one */

struct gathered {
	struct snapshot_source source;
	size_t cap_products, cap_builds, cap_ranges;
};

static void gathered_free(struct gathered *a)
{
	if (!a)
		return;
	free(a->source.product);
	free(a->source.build);
	free(a->source.range);
	free(a);
}
DEFINE_CLEANUP(struct gathered *, gathered_free)

/* Adds a set: what lies side by side as ranges, the rest build by build. */
static int add(struct gathered *a, uint16_t product, const struct builds *b, struct err *err)
{
	struct snapshot_source *s = &a->source;
	const struct builds_piece *piece;
	size_t n = builds_pieces(b, &piece);

	for (size_t i = 0; i < n; i++) {
		const struct builds_piece *p = &piece[i];

		if (p->stride == 1 && p->first != p->last) {
			GROW(s->range, s->n_ranges, a->cap_ranges);
			s->range[s->n_ranges++] =
				(struct snapshot_source_range){ product, p->first, p->last };
			continue;
		}
		if (s->n_builds + (p->last - p->first) / p->stride >= SNAPSHOT_BUILDS_MAX)
			return err_refuse(err, REFUSAL_BUDGET,
					  "more than %" PRIu64 " single builds in one snapshot: "
					  "publish some entries as ranges",
					  SNAPSHOT_BUILDS_MAX);
		for (uint64_t build = p->first; build <= p->last; build += p->stride) {
			GROW(s->build, s->n_builds, a->cap_builds);
			s->build[s->n_builds++] =
				(struct snapshot_source_build){ product, (uint32_t)build };
		}
	}
	return 0;
}

int image_make(const struct blacklist *b, char **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(gathered_free) struct gathered *a = xcalloc(1, sizeof(*a));
	struct snapshot_source *s = &a->source;
	const struct products *ps = blacklist_products(b);
	const struct blacklist_product *published;
	size_t n = blacklist_published(b, &published);
	unsigned char *image;
	int r;

	for (size_t i = 0; i < ps->n; i++) {
		const struct product *p = ps->product[i];

		if (p->conflict)
			continue;
		GROW(s->product, s->n_products, a->cap_products);
		s->product[s->n_products++] =
			(struct snapshot_source_product){ p->number, p->name, p->node };
	}
	for (size_t i = 0; i < n; i++) {
		uint16_t number = published[i].product->number;

		if ((r = add(a, number, published[i].nodes, err)) < 0 ||
		    (r = add(a, number, published[i].ranges, err)) < 0)
			return r;
	}
	s->generation = blacklist_generation(b);
	s->made = blacklist_now(b);
	r = snapshot_write(s, &image, ret_n, err);
	if (r == 0)
		*ret = (char *)image;
	return r;
}
