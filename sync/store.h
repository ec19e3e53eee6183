/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_STORE_H
#define SYNC_STORE_H

/*
 * A xenstore behind a few calls: the only user of xenstore.h. Every call is bounded in time. A
 * connection that broke since the last call is reopened, once. Single reads (the very call of a
 * device model) and watches go through libxenstore; bulk work (a whole tree read, a batch
 * written) speaks the wire protocol of xen/io/xs_wire.h pipelined. Both find the daemon as
 * libxenstore does: XENSTORED_PATH, XENSTORED_RUNDIR, /var/run/xenstored/socket, and without a
 * daemon's socket the kernel's xenbus device. One store is for one thread.
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

/* As text, by a path that is printed; "" when there is no such node. The caller frees. */
int store_text(struct store *s, char **ret, struct err *err, const char *path_fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Names below PATH in byte order; ERR_NOT_FOUND. Works for directories of any size. */
int store_list(struct store *s, const char *path, char ***ret, size_t *ret_n, struct err *err);
void store_list_free(char **names, size_t n);

/* One node with everything: PERMS is "r0", "n0,r5", ... as xenstore-ls -p prints it. */
struct node {
	char *path; /* relative to the root of its tree; "" is the root itself */
	char *value;
	size_t value_n; /* VALUE may hold NUL bytes before its end */
	char *perms;
};
struct tree {
	struct node *node; /* ascending by path, bytewise */
	size_t n, cap;
};
struct tree *tree_copy(const struct tree *t); /* the caller frees */
void tree_free(struct tree *t);
DEFINE_CLEANUP(struct tree *, tree_free)

/* The whole subtree of PATH with values and permissions; an empty tree when PATH is missing. */
int store_tree(struct store *s, const char *path, struct tree **ret, struct err *err);

/* Value and permissions of N nodes by their absolute paths; what is missing is left out. */
int store_nodes(struct store *s, const char *const *paths, size_t n, struct tree **ret,
		struct err *err);

enum store_op_kind {
	STORE_WRITE,	/* creates missing parents, keeps permissions of an existing node */
	STORE_SETPERMS, /* PERMS */
	STORE_RM,	/* a leaf or an empty directory; refuses "/" and what has children */
};
struct store_op {
	enum store_op_kind kind;
	const char *path; /* absolute */
	const char *text; /* value or permissions */
	/* What has to be there before: a value, STORE_ABSENT for no node, or NULL: whatever. */
	const char *expect;
};
extern const char STORE_ABSENT[];
/*
 * All operations in one transaction: all or nothing. *ret_known (may be NULL) is false only when
 * the connection broke while the daemon was told to commit: read back to learn what happened; in
 * every other failure nothing was done. ERR_BUSY: somebody else changed something it stands on
 * (EAGAIN), or the tree is not as expected: try again from the start. ERR_INVALID: the daemon refuses an operation, or one is
 * refused here (a path that is not absolute, "/", a node to remove that has children).
 */
int store_commit(struct store *s, const struct store_op *ops, size_t n, bool *ret_known,
		 struct err *err);
/*
 * The same operations one after the other without a transaction, pipelined, when the tree is as
 * expected just before. On failure any of them may have been done.
 */
int store_write_each(struct store *s, const struct store_op *ops, size_t n, struct err *err);

/*
 * Watches, for xenblacklistd, on a connection of their own. store_event(): 1 and a path (caller
 * frees) or 0 when none waits; ERR_UNREACHABLE when the connection is gone, and with it all
 * watches: watch everything anew (the descriptor is another one then). The first event of a
 * watch fires at once. Ending a watch that there is not is no failure. store_watch_fd() is -1 when
 * nothing is watched.
 */
int store_watch(struct store *s, const char *path, struct err *err);
int store_unwatch(struct store *s, const char *path, struct err *err);
int store_watch_fd(struct store *s);
int store_event(struct store *s, char **ret_path, struct err *err);

#endif
