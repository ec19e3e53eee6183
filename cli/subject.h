/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_SUBJECT_H
#define CLI_SUBJECT_H

/*
 * What PRODUCT, BUILD and BUILDS on the command line mean: a product with its encodings.
 */
#include "cli/verb.h"
#include "registry/builds.h"
#include "registry/product.h"

struct subject {
	struct product *product;
	struct product_uses *uses;
};

/* ERR_USAGE for what can be no name, ERR_NOT_FOUND with a near name; NEED_DB_READ. */
int subject_find(struct cli *cli, const char *product, struct subject *ret, struct err *err);
/*
 * The product that a guest means by that number: for a row in conflict with upstream, which is not
 * published, the one that has its number now. Says so.
 */
int subject_find_current(struct cli *cli, const char *product, struct subject *ret,
			 struct err *err);
/* Says so when nothing of it is published because of a conflict. */
void subject_warn_conflict(struct cli *cli, const struct subject *s);
void subject_end(struct subject *s);
#define SUBJECT __attribute__((__cleanup__(subject_end))) struct subject

/* One build. What builds.h wants to be told goes to stderr. */
int subject_build(struct cli *cli, const struct subject *s, const char *text, uint32_t *ret,
		  struct err *err);

/* The version that BUILD stands for in the encoding that the product uses there, or NULL. */
char *subject_version(const struct subject *s, uint32_t build);
/* The encoding that the product uses for BUILD, or NULL. Borrowed. */
const struct encoding_use *subject_use(const struct subject *s, uint32_t build);

/* Prints each line of TEXT as a note. */
void note_lines(struct cli *cli, const char *text);

#endif
