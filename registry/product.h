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
	int64_t created;
	bool conflict; /* a local row whose number, name or node upstream gave to somebody else */
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

/*
 * Name or number ("3", "0x3"); of two rows with the same, the one not in conflict. ERR_NOT_FOUND
 * (with a near name when there is one).
 */
int product_find(struct db *db, const char *name_or_number, struct product **ret, struct err *err);
int product_get(struct db *db, int64_t id, struct product **ret, struct err *err);
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

/* Uses of many products, each compiled when first asked for. Lives no longer than DB. */
struct uses_cache;
struct uses_cache *uses_cache_new(struct db *db);
void uses_cache_free(struct uses_cache *c);
DEFINE_CLEANUP(struct uses_cache *, uses_cache_free)
/* By row id; borrowed from C. ERR_NOT_FOUND. */
int uses_cache_get(struct uses_cache *c, int64_t product_id, const struct product_uses **ret,
		   struct err *err);

/* Number ranges that are not handed out. */
enum reservation_kind {
	RESERVED_CLOSED, /* nobody gets a number in here */
	RESERVED_WARN,	 /* only by --number, with a warning that tells the reason */
};
const char *reservation_kind_name(enum reservation_kind k); /* "closed", "warn" */
struct reservation {
	uint16_t first, last;
	enum reservation_kind kind;
	enum origin origin;
	char *reason;
};
struct reservations {
	struct reservation *row; /* ascending by first; those of one kind never overlap */
	size_t n;
};
void reservations_free(struct reservations *rs);
DEFINE_CLEANUP(struct reservations *, reservations_free)
int reservation_list(struct db *db, struct reservations **ret, struct err *err);

/*
 * Everything below changes the registry inside the caller's transaction (db_begin()) and writes
 * one history row per changed row, with the act as its own word: allocate, update, transfer,
 * release, revoke, retire, reserve, define, add, remove, adopt, conflict. A rolled back
 * transaction leaves nothing. What is invalid UTF-8, holds control characters or is too long:
 * ERR_INVALID. Rows of origin upstream: ERR_DENIED (only sync changes them). A shipped row
 * stays shipped whatever is changed in it: sync may take it over. Acts that cannot be undone want
 * the actor's reason: ERR_USAGE without one.
 */

/* What the caller should be told although it worked: sentences, one a line, or "". */
struct product_notes {
	char text[2048];
};

struct product_request {
	const char *name;
	const char *node; /* NULL: the name, bad characters replaced by '-' */
	int32_t number;	  /* -1: the lowest free one from 6 up */
	const char *vendor, *contact, *reference; /* NULL: "" */
	const struct product_encoding *encoding;
	size_t n_encodings;
	int64_t provisional_until; /* TIME_NONE: assigned */
};
/*
 * Gives a number out; first come, first served. ERR_EXISTS: number, name or node is taken (who
 * has it is told) or burned, the name looks like an existing one (case, '-' and '_'), or no number
 * is left; ERR_INVALID: the number is 0, 65535 or closed, or the name is not fit for xenstore,
 * people and the command line. A number that was released may be allocated again, by --number.
 */
int product_allocate(struct db *db, const struct product_request *r, uint16_t *ret_number,
		     struct product_notes *ret_notes, struct err *err);

/* Closes FIRST to LAST for allocation; reason from the actor. ERR_EXISTS when one is taken. */
int product_reserve(struct db *db, uint16_t first, uint16_t last, struct err *err);

/* NULL and false leave a field as it is. */
struct product_change {
	const char *name, *node, *vendor, *contact, *reference;
	int32_t number;	     /* -1: as it is; others only for a row in conflict */
	bool drop_encodings; /* forget the uses there are first ... */
	const struct product_encoding *encoding; /* ... then add these; overlaps: ERR_INVALID */
	size_t n_encodings;
	bool set_deadline; /* of a provisional number: another date ... */
	int64_t deadline;  /* ... or TIME_NONE: it becomes assigned */
	bool deprecate;	   /* assigned -> deprecated */
};
#define PRODUCT_CHANGE_NONE ((struct product_change){ .number = -1 })
/* ERR_INVALID also when an entry or exception of the product would no longer parse. */
int product_update(struct db *db, const char *name_or_number, const struct product_change *c,
		   struct product_notes *ret_notes, struct err *err);

/* The product goes to another holder: vendor and contact (required). Wants a reason. */
int product_transfer(struct db *db, const char *name_or_number, const char *vendor,
		     const char *contact, struct err *err);
/*
 * The holder gives a provisional number back: reserved from then on (RFC 8126 section 6), its
 * name free again once allocate --number gives the number to somebody else. Wants a reason.
 */
int product_release(struct db *db, const char *name_or_number, struct err *err);
/*
 * The registry takes an assigned or provisional number away: deprecated; it stays known because
 * drivers may still announce it, and is never given out again. Wants a reason.
 */
int product_revoke(struct db *db, const char *name_or_number, struct err *err);
/* Number and name are burned for ever. Wants a reason. */
int product_retire(struct db *db, const char *name_or_number, struct err *err);

/* What sync did with one row. */
enum put_result {
	PUT_UNCHANGED,
	PUT_ADDED,
	PUT_CHANGED, /* also: took over a shipped row, or a local one with the same number and name */
};
/*
 * Adds or updates the upstream row of p->number (id, origin, conflict and created of P are not
 * read; an empty node is derived from the name; the encodings are the whole list). Local and
 * shipped rows in the way by number, name or node are kept and marked conflict: one sentence each
 * in NOTES. ERR_INVALID: clashes with another upstream row, leaves retired, encodings overlap or
 * are unknown (put encodings first).
 */
int product_put_upstream(struct db *db, const struct product *p, enum put_result *ret,
			 struct product_notes *ret_notes, struct err *err);

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
/* Also accepts "const:K", which needs no row. ERR_NOT_FOUND. */
int encoding_find(struct db *db, const char *name, struct encoding **ret, struct err *err);
/* Adds a local encoding. ERR_EXISTS when the name is taken; same text again is no change. */
int encoding_define(struct db *db, const char *name, const char *scan, const char *expression,
		    struct err *err);
/*
 * Adds or updates an upstream encoding. A local one of the same name with other text is kept as
 * "NAME-local" (its users follow) and NOTES says so. ERR_INVALID when it does not compile.
 */
int encoding_put_upstream(struct db *db, const struct encoding_row *row, enum put_result *ret,
			  struct product_notes *ret_notes, struct err *err);

#endif
