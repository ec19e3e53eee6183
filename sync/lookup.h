/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_LOOKUP_H
#define SYNC_LOOKUP_H

/*
 * The question of a device model: is this build of this product blacklisted in xenstore? One
 * rule, used by `check --live` and `simulate`; xenblacklistd makes its snapshot with the same
 * parts. Layout: xenblacklist-xenstore(7).
 */
#include "sync/store.h"

enum lookup_rule {
	/*
	 * _products names the node, else the built-in table of the six upstream products; then the
	 * leaf in either spelling, then _ranges. What counts is that a node exists, never its value.
	 */
	LOOKUP_FULL,
	/* qemu-xen-traditional: products 1, 2 and 65535 by name, the leaf as "%d" prints it. */
	LOOKUP_TRADITIONAL,
};

struct lookup_step {
	char *path;
	bool found;
	char *value; /* NULL when not found; guests cannot write it, but escape it all the same */
};

struct lookup {
	bool blacklisted;
	char *node;	  /* the product's directory name, or NULL: nobody knows the product */
	const char *path; /* what decided: the leaf or the range, or NULL; borrowed */
	struct lookup_step *step; /* everything that was consulted, in order */
	size_t n, cap;
};

/* ERR_UNREACHABLE and the like when xenstore cannot be asked; a missing node is an answer. */
int lookup(struct store *s, enum lookup_rule rule, uint16_t product, uint32_t build,
	   struct lookup **ret, struct err *err);
void lookup_free(struct lookup *l);
DEFINE_CLEANUP(struct lookup *, lookup_free)

/* The parts of the rule. */

/* The node of a product when _products does not tell, or NULL. */
const char *lookup_builtin_node(uint16_t product);
/* A legal name of one xenstore node ([A-Za-z0-9@_-]+, at most 255), not reserved ("_..."). */
bool lookup_node_valid(const char *name);
/* A leaf that device models look up: "0" to "4294967295", or "-1" to "-2147483648". */
bool lookup_leaf_parse(const char *name, uint32_t *ret);
/* A child of _ranges: "FROM-TO", both unsigned decimal, FROM <= TO. */
bool lookup_range_parse(const char *name, uint32_t *ret_from, uint32_t *ret_to);

#endif
