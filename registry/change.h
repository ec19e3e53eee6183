/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_CHANGE_H
#define REGISTRY_CHANGE_H

/*
 * Private to act.c, change.c and upstream.c: one product row, whoever decided on it.
 */
#include "registry/product.h"

#define NODE_MAX 128

/* Adds P (its id is set) or writes all of it over row p->id; one history row, named ACT. */
int change_insert(struct db *db, struct product *p, const char *act, struct err *err);
int change_rewrite(struct db *db, const struct product *p, const char *act, struct err *err);

/* Encodings exist, ranges ascend and do not overlap; sorts LIST. */
int change_check_encodings(struct db *db, struct product_encoding *list, size_t n, struct err *err);
/* P's own copy of LIST instead of what it has. */
void change_set_encodings(struct product *p, const struct product_encoding *list, size_t n);

/* A legal node name that nobody but the row EXCEPT has, made of NAME. */
int change_derive_node(struct db *db, const char *name, int64_t except, char **ret,
		       struct err *err);
int change_check_node(const char *node, struct err *err);
/*
 * The node of the product NUMBER in stock device models, whose table of names is built in: no
 * registry can move it. NULL for what they do not know.
 */
const char *change_stock_node(uint16_t number);
/* ERR_INVALID when NODE is not where stock device models look. */
int change_keep_node(uint16_t number, const char *node, struct err *err);

/*
 * May a row of this host (EXCEPT, or a new one) be called NAME? ERR_INVALID, ERR_EXISTS; what is
 * legal and unwise becomes a note.
 */
int change_lint_name(struct db *db, const char *name, int64_t except, struct product_notes *notes,
		     struct err *err);
/* The node that a row is to have: NODE when it is free, or, for NULL, one made of NAME. */
int change_choose_node(struct db *db, const char *node, const char *name, int64_t except,
		       char **ret, struct err *err);

/* One more sentence. */
void change_note(struct product_notes *notes, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
