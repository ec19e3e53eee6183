/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_NODES_H
#define SYNC_NODES_H

/*
 * The desired tree under /mh/driver-blacklist, and the difference to what is there. Pure.
 * Layout: contract in xenblacklist-xenstore(7).
 */
#include "registry/blacklist.h"
#include "sync/store.h"

#define NODES_ROOT "/mh/driver-blacklist"
#define NODES_VALUE_PREFIX "xb1:"

/*
 * The value of the root and of the directories in it. A leaf and a range have
 * NODES_VALUE_PREFIX and the id of an entry; what _products holds is the name of a node.
 */
#define NODES_DIRECTORY NODES_VALUE_PREFIX

struct nodes_options {
	bool dom0_only;	       /* n0 instead of r0 */
	uint32_t expand_limit; /* nodes an entry; 0: any number */
	uint32_t total_limit;  /* leaves and ranges in all; 0: any number */
};

/*
 * Root, product directories, leaves in both spellings from 2^31 up, _ranges, _products; nothing
 * at all when nothing is blacklisted. ERR_REFUSED/BUDGET names the entry, its cost and the two
 * ways out; ERR_REFUSED/UNPUBLISHABLE a product whose node xenstore cannot hold.
 */
int nodes_desired(const struct blacklist *b, const struct nodes_options *o, struct tree **ret,
		  struct err *err);
/* How many nodes BUILDS costs: one a build, two from 2^31 up. */
uint64_t nodes_cost(const struct builds *b);
/* True for the directories of a desired tree. */
bool nodes_is_directory(const struct node *n);

enum change_class {
	CHANGE_MISSING,	       /* wanted and not there */
	CHANGE_EXTRA,	       /* ours (value begins with xb1:) and not wanted */
	CHANGE_FOREIGN,	       /* somebody else's */
	CHANGE_WRONG_ACCESS,   /* there, but not readable as it should be */
	CHANGE_WRONG_SPELLING, /* a number that no device model looks up: "007", "0x7", "-0" ... */
	CHANGE_WRONG_VALUE,    /* ours, names another entry */
};
const char *change_class_name(enum change_class c);

struct change {
	enum change_class class;
	bool acts;		       /* false: reported only (foreign without prune) */
	bool directory;		       /* wanted, and may get children */
	char *path;		       /* relative to NODES_ROOT */
	char *want_value, *want_perms; /* NULL: the node goes */
	char *have_value, *have_perms; /* NULL: not there */
};
struct plan {
	struct change *change; /* adds parents first, then removals children first */
	size_t n, cap;
	size_t n_acts;
};
void plan_free(struct plan *p);
DEFINE_CLEANUP(struct plan *, plan_free)

/*
 * What makes ACTUAL (of NODES_ROOT) the DESIRED tree. Somebody else's nodes are reported and,
 * without PRUNE, left alone with the directories that hold them; a directory that is wanted is
 * taken over whoever made it.
 */
struct plan *nodes_diff(const struct tree *desired, const struct tree *actual, bool prune);

#endif
