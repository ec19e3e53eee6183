/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_COVER_H
#define REGISTRY_COVER_H

/*
 * Which of many sets of builds holds a given build, lowest set first, in logarithmic time. Pure.
 */
#include "registry/builds.h"

struct cover;

/* The sets may be freed afterwards. NULL ones are empty. */
struct cover *cover_new(const struct builds *const *sets, size_t n);
void cover_free(struct cover *c);
DEFINE_CLEANUP(struct cover *, cover_free)
/* The lowest index of a set that holds BUILD, or false. */
bool cover_find(const struct cover *c, uint32_t build, size_t *ret);

#endif
