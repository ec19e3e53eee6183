/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_HEADER_H
#define SYNC_HEADER_H

/*
 * Xen's register of product numbers, pvdrivers.h: text to rows and back. Pure. Text around the
 * rows is kept as it came, so that reading and writing gives the same bytes.
 */
#include "registry/product.h"

#define HEADER_SIZE_MAX (1024 * 1024)

/* Where the registry keeps the text of the header that was imported last (db_meta_get()). */
#define HEADER_META "header.text"

struct header_row {
	uint16_t number;
	char *name;
	char *comment; /* what stands behind it in a comment ("Citrix"), or "" */
	char *line;    /* its line without the continuation; NULL when it shares one */
};

struct header {
	struct header_row *row; /* in the order of the file */
	size_t n;
	char *text; /* the whole file */
	size_t text_n;
	size_t body, body_n; /* where the rows are in it: whole lines */
};
void header_free(struct header *h);
DEFINE_CLEANUP(struct header *, header_free)

/*
 * ERR_INVALID with the line: no PVDRIVERS_PRODUCT_LIST, a row that does not parse, a number or
 * name given twice, bytes that are not UTF-8 or hold control characters, more than
 * HEADER_SIZE_MAX.
 */
int header_parse(const char *bytes, size_t n, struct header **ret, struct err *err);

/*
 * The rows alone, without the text around them, from one process to another. Packed rows are not
 * trusted: unpacked they are texts in UTF-8, and anything else about them is to be looked at
 * again. False when they are none.
 */
void header_pack(const struct header *h, char **ret, size_t *ret_n);
bool header_unpack(const char *bytes, size_t n, struct header **ret);

/*
 * A header that lists PRODUCTS (those of status assigned, deprecated and experimental). BASE gives
 * the text around the rows and the rows that did not change, byte for byte; NULL for a plain one.
 * The caller frees *ret.
 */
void header_write(const struct header *base, const struct products *ps, char **ret, size_t *ret_n);

/* One difference between a header and registry rows. */
enum header_class {
	HEADER_NEW,	   /* number and name are free here: could be added */
	HEADER_SAME,	   /* same number, same name */
	HEADER_RENAMED,	   /* the number is here with another name */
	HEADER_RENUMBERED, /* the name is here with another number */
	HEADER_MISSING,	   /* here, would be exported, and not in the header */
};
const char *header_class_name(enum header_class c); /* "new", "same", ... */

struct header_change {
	enum header_class class;
	uint16_t number;
	char *name;	      /* the header's (the registry's for HEADER_MISSING) */
	char *comment;	      /* as in the row */
	uint16_t have_number; /* the registry's, for RENUMBERED */
	char *have_name;      /* the registry's, for RENAMED; or NULL */
};
struct header_changes {
	struct header_change *change; /* in the order of the header, then the missing */
	size_t n, cap;
};
void header_changes_free(struct header_changes *c);
DEFINE_CLEANUP(struct header_changes *, header_changes_free)

struct header_changes *header_diff(const struct header *h, const struct products *ps);

#endif
