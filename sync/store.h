/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_STORE_H
#define SYNC_STORE_H

/*
 * A xenstore behind a few calls: the only user of xenstore.h. Every call is bounded in time; a
 * connection that broke or timed out is reopened once by the next call. Single reads, watches and
 * hosts without a socket go through libxenstore; bulk work (a whole tree read, a batch written)
 * speaks the wire protocol of xen/io/xs_wire.h pipelined over the daemon's socket.
 */
#include "registry/base.h"
#include "registry/err.h"

struct store;

struct store_options {
	uint32_t timeout_ms; /* for one call; 0 means 10 s */
};

/* ERR_UNREACHABLE: no daemon, no answer, refused; the message says what was tried. */
int store_open(const struct store_options *options, struct store **ret, struct err *err);
void store_close(struct store *s);
DEFINE_CLEANUP(struct store *, store_close)

/* "xenstored", "oxenstored" or "unknown". */
const char *store_daemon(struct store *s);

/*
 * Reads one node as any client would: value (the caller frees, always terminated, may hold NUL
 * bytes before n) or ERR_NOT_FOUND. ERR_UNREACHABLE when that cannot be known.
 */
int store_read(struct store *s, const char *path, char **ret, size_t *ret_n, struct err *err);

/* Names below PATH in byte order; ERR_NOT_FOUND. Works for directories of any size. */
int store_list(struct store *s, const char *path, char ***ret, size_t *ret_n, struct err *err);
void store_list_free(char **names, size_t n);

/* One node with everything: PERMS is "r0", "n0,r5", ... as xenstore-ls -p prints it. */
struct node {
	char *path; /* relative to the root of its tree; "" is the root itself */
	char *value;
	char *perms;
};
struct tree {
	struct node *node; /* ascending by path, bytewise */
	size_t n, cap;
};
void tree_free(struct tree *t);
DEFINE_CLEANUP(struct tree *, tree_free)

/* The whole subtree of PATH with values and permissions; an empty tree when PATH is missing. */
int store_tree(struct store *s, const char *path, struct tree **ret, struct err *err);

enum store_op_kind {
	STORE_WRITE,	/* creates missing parents, keeps permissions of an existing node */
	STORE_SETPERMS, /* PERMS */
	STORE_RM,	/* a leaf or an empty directory; refuses "/" and what has children */
};
struct store_op {
	enum store_op_kind kind;
	const char *path; /* absolute */
	const char *text; /* value or permissions */
};
/*
 * All operations in one transaction: all or nothing. ERR_BUSY: somebody else changed something
 * it stands on (EAGAIN), nothing was done, try again from the start. ERR_UNREACHABLE: the
 * connection broke; whether it was committed is not known, read back.
 */
int store_commit(struct store *s, const struct store_op *ops, size_t n, struct err *err);
/* The same operations one after the other without a transaction. */
int store_write_each(struct store *s, const struct store_op *ops, size_t n, struct err *err);

/* Watches, for xenblacklistd. store_event(): 1 and a path (caller frees) or 0 when none waits. */
int store_watch(struct store *s, const char *path, struct err *err);
int store_watch_fd(struct store *s);
int store_event(struct store *s, char **ret_path, struct err *err);

#endif
