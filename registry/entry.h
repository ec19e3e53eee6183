/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_ENTRY_H
#define REGISTRY_ENTRY_H

/*
 * Blacklist entries and exceptions as rows. What they mean together is blacklist.h.
 */
#include "registry/product.h"

enum entry_mode {
	MODE_ENFORCE,
	MODE_AUDIT, /* counted and reported, never published */
};
enum entry_publish {
	PUBLISH_NODES, /* one node a build, for every device model */
	PUBLISH_RANGE, /* under _ranges, for consumers that know it; covers every number between */
};
const char *entry_mode_name(enum entry_mode m);
const char *entry_publish_name(enum entry_publish p);

struct entry {
	int64_t row; /* row id */
	char *id;    /* [A-Za-z0-9._-]+, at most 64 bytes, unique among the entries of one origin */
	enum origin origin;
	int64_t product_id;
	uint16_t product; /* its number */
	char *builds;	  /* BUILDS text, as given */
	enum entry_mode mode;
	enum entry_publish publish;
	bool whole_family; /* whoever wrote it confirmed that */
	char *reason;
	char **references;
	size_t n_references;
	int64_t not_before, expires; /* TIME_NONE: no limit */
	int64_t created;
};
void entry_free(struct entry *e);
DEFINE_CLEANUP(struct entry *, entry_free)

struct entries {
	struct entry **entry; /* ascending by id */
	size_t n;
};
void entries_free(struct entries *es);
DEFINE_CLEANUP(struct entries *, entries_free)

/*
 * The builds that E covers with the encodings USES of its product: for PUBLISH_RANGE every number
 * between. ERR_INVALID or ERR_REFUSED/BUDGET, the entry's id in front.
 */
int entry_builds(const struct entry *e, const struct product_uses *uses, struct builds **ret,
		 struct builds_notes *ret_notes, struct err *err);

struct exception {
	int64_t row;
	char *id;
	int64_t product_id;
	uint16_t product;
	char *builds;
	char *reason, *owner;
	int64_t expires, created;
};
void exception_free(struct exception *x);
DEFINE_CLEANUP(struct exception *, exception_free)

struct exceptions {
	struct exception **exception; /* ascending by id */
	size_t n;
};
void exceptions_free(struct exceptions *xs);
DEFINE_CLEANUP(struct exceptions *, exceptions_free)

/*
 * Adds a local entry in the caller's transaction, for e->product_id or, when that is 0, for the
 * product with the number e->product (not one in conflict). A NULL or empty id gets one
 * ("local-1", ..., never used twice), written back to E. ERR_EXISTS: id taken (by an upstream
 * entry too); ERR_NOT_FOUND: no such product; ERR_INVALID: bad id, empty reason, dates in the
 * wrong order, builds that do not parse; ERR_REFUSED/TRIPWIRE: a whole family without
 * e->whole_family.
 */
int entry_add(struct db *db, struct entry *e, struct err *err);
/* The local one when both origins have it. */
int entry_find(struct db *db, const char *id, struct entry **ret, struct err *err);
int entry_list(struct db *db, struct entries **ret, struct err *err);
int entry_list_of(struct db *db, uint16_t product, struct entries **ret, struct err *err);
/* Removes a local entry. ERR_NOT_FOUND; ERR_DENIED for an upstream one (use an exception). */
int entry_remove(struct db *db, const char *id, struct err *err);

/*
 * Makes LIST (any order; origin and created not read) the whole list of upstream entries, in the
 * caller's transaction: adds, changes and removes only what differs, one history row for each.
 * A local entry with the same id stays beside it. Errors as entry_add(); ids twice: ERR_INVALID;
 * also when a local entry or exception no longer parses with the encodings as they are now.
 */
struct entries_change {
	size_t added, changed, removed, unchanged;
};
int entries_replace_upstream(struct db *db, struct entry *const *list, size_t n,
			     struct entries_change *ret, struct err *err);
/*
 * 0 when every entry and exception still parses with the products and encodings as they are now
 * in the transaction; ERR_INVALID names the first that does not. product_update() and
 * entries_replace_upstream() have looked already.
 */
int entries_check(struct db *db, struct err *err);

/*
 * Adds an exception; id, product, errors as entry_add() ("exception-1", ...); owner and reason
 * must not be empty.
 */
int exception_add(struct db *db, struct exception *x, struct err *err);
int exception_list(struct db *db, struct exceptions **ret, struct err *err);
int exception_remove(struct db *db, const char *id, struct err *err);

#endif
