/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_PRODUCT_H
#define REGISTRY_PRODUCT_H

/*
 * Products: 16-bit numbers and their names, with RFC 8126 statuses, and the encodings that each
 * uses for which builds. Numbers are never freed.
 */
#include "registry/builds.h"
#include "registry/db.h"

enum product_status {
	STATUS_ASSIGNED,
	STATUS_PROVISIONAL,
	STATUS_RESERVED,
	STATUS_EXPERIMENTAL,
	STATUS_DEPRECATED,
	STATUS_RETIRED,
	STATUS_UNREGISTERED_USE, /* RFC 8126 "Known Unregistered Use" */
};
const char *product_status_name(enum product_status s); /* "unregistered-use" */
bool product_status_parse(const char *name, enum product_status *ret);

enum origin {
	ORIGIN_SHIPPED,
	ORIGIN_UPSTREAM,
	ORIGIN_LOCAL,
};
const char *origin_name(enum origin o);
bool origin_parse(const char *name, enum origin *ret);

struct product_encoding {
	char *encoding; /* its name */
	uint32_t from, to;
	char *user; /* "Xen Project Windows PV drivers 7.2 and later", or "" */
};

struct product {
	int64_t id; /* row id, stable */
	uint16_t number;
	char *name; /* as announced to people; any printable UTF-8 without '/' */
	char *node; /* its directory in xenstore: [A-Za-z0-9@_-]+ */
	enum product_status status;
	enum origin origin;
	char *vendor, *contact, *reference; /* never NULL, "" when not known */
	int64_t deadline;		    /* provisional until, or TIME_NONE */
	bool conflict;			   /* a local row whose number or name upstream gave away */
	struct product_encoding *encoding; /* ascending by from */
	size_t n_encodings;
};
void product_free(struct product *p);
DEFINE_CLEANUP(struct product *, product_free)

struct products {
	struct product **product; /* ascending by number */
	size_t n;
};
void products_free(struct products *ps);
DEFINE_CLEANUP(struct products *, products_free)

/* Name or number ("3", "0x3"). ERR_NOT_FOUND (with a near name when there is one). */
int product_find(struct db *db, const char *name_or_number, struct product **ret, struct err *err);
int product_list(struct db *db, struct products **ret, struct err *err);

/*
 * True when a stock device model that prints "%s/%d" with the registered NAME can reach the
 * product's nodes: the name itself is a legal xenstore path component and is the node.
 */
bool product_publishable_name(const char *name);

/* The encodings of a product, compiled, ready for builds_parse(). Owns the encodings. */
struct product_uses {
	struct encoding_use *use;
	size_t n;
	struct encoding **owned;
	size_t n_owned;
};
int product_uses(struct db *db, const struct product *p, struct product_uses **ret,
		 struct err *err);
void product_uses_free(struct product_uses *u);
DEFINE_CLEANUP(struct product_uses *, product_uses_free)

/* Named encodings of the registry. */
struct encoding_row {
	char *name, *scan, *expression;
	enum origin origin;
};
struct encoding_rows {
	struct encoding_row *row; /* ascending by name */
	size_t n;
};
void encoding_rows_free(struct encoding_rows *rows);
DEFINE_CLEANUP(struct encoding_rows *, encoding_rows_free)
int encoding_list(struct db *db, struct encoding_rows **ret, struct err *err);
/* Also accepts "const:K", which needs no row. */
int encoding_find(struct db *db, const char *name, struct encoding **ret, struct err *err);
/* Adds a local encoding. ERR_EXISTS when the name is taken; same text again is no change. */
int encoding_define(struct db *db, const char *name, const char *scan, const char *expression,
		    struct err *err);

#endif
