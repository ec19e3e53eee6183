/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_STORE_IMPL_H
#define SYNC_STORE_IMPL_H

/*
 * What the three files behind store.h share: store.c (where a xenstore is, single reads, watches),
 * store-tree.c (directories and trees), store-write.c (batches of changes).
 */
#include "sync/store.h"
#include "sync/wire.h"

struct xs_handle;

struct store {
	uint32_t timeout_ms;
	char *daemon;
	struct wire *wire;
	struct xs_handle *xs;	 /* for single reads */
	struct xs_handle *watch; /* for watches */
	struct wire *canary;	 /* idle: libxenstore does not tell that a daemon has died */
	int watch_fd;		 /* an epoll of both */
};

/*
 * One round of requests; a connection that broke since its last use gets a second chance, but not
 * within a transaction (TX), which is gone with it. As wire_call().
 */
int store_ask(struct store *s, uint32_t tx, struct wire_request *req, size_t n, struct err *err);
/* That the daemon answers just now, by a connection that may be a new one. */
int store_answers(struct store *s, struct err *err);
/* An errno by which the daemon refused something about PATH, as an error. */
int store_refusal(int error, const char *path, struct err *err);

/* Names in byte order. */
struct names {
	char **name;
	size_t n, cap;
};
static inline void names_free(struct names *names)
{
	store_list_free(names->name, names->n);
}
#define NAMES __attribute__((cleanup(names_free))) struct names
/*
 * What an XS_DIRECTORY request has brought, the rest of a large directory included. Errors as of
 * store_list().
 */
int store_names(struct store *s, const struct wire_request *req, struct names *ret,
		struct err *err);
/* For bsearch() and qsort() of arrays of names. */
int store_by_name(const void *a, const void *b);

#endif
