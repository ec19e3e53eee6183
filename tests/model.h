/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

/*
 * Small random encodings with a second, naive evaluator, so that encoding.c and builds.c can be
 * held against all their versions one by one.
 */
#include "registry/encoding.h"

/* Repeatable randomness: the same numbers in every run. */
uint32_t model_random(uint64_t *state);
uint32_t model_below(uint64_t *state, uint32_t n); /* 0 to n-1 */

struct model {
	struct encoding *e;
	size_t n;
	bool is_or;
	uint32_t base;
	uint32_t max[4], weight[4];
	char policy[4];
	char scan[64], expression[256];
};
/* One to four fields, maxima up to 7, weights up to 40 (or shifts up to 5). */
void model_make(struct model *m, uint64_t *state);
void model_free(struct model *m);
uint32_t model_eval(const struct model *m, const uint32_t v[4]);
/* Versions in order: the largest value of field I (a clamped one counts two past its maximum). */
uint32_t model_top(const struct model *m, size_t i);
bool model_next(const struct model *m, uint32_t v[4]);
void model_text(const struct model *m, const uint32_t v[4], char text[static 64]);

#endif
