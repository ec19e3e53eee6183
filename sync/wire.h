/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_WIRE_H
#define SYNC_WIRE_H

/*
 * The xenstore wire protocol (xen/io/xs_wire.h; docs/misc/xenstore.txt) with many requests in
 * flight on one connection to a daemon's socket, and one on the kernel's device. Only store.c uses it. No call waits longer than it was told to.
 */
#include "registry/base.h"
#include "registry/err.h"

#include <errno.h> /* before xs_wire.h: it lists error names only then */
#include <xen/io/xs_wire.h>

struct wire;

/*
 * Connects to PATH: a daemon's socket or the kernel's xenbus device. ERR_UNREACHABLE,
 * ERR_DENIED; *ret_absent (may be NULL) tells that nobody listens there.
 */
int wire_open(const char *path, uint32_t timeout_ms, struct wire **ret, bool *ret_absent,
	      struct err *err);
void wire_close(struct wire *w);
DEFINE_CLEANUP(struct wire *, wire_close)

struct wire_request {
	uint32_t type; /* XS_READ ... */
	uint32_t tx;   /* transaction, 0 for none */
	const char *path;
	const char *rest; /* what follows the path's NUL; NULL for nothing */
	size_t rest_n;
	/* The answer. */
	int error;  /* 0, or the errno that the daemon named */
	char *data; /* payload with a NUL after it; NULL for acknowledgements; caller frees */
	size_t n;
};

/* The largest path and value together that the protocol carries. */
#define WIRE_PAYLOAD_MAX XENSTORE_PAYLOAD_MAX

/*
 * Sends all requests and collects their answers. Fails with ERR_UNREACHABLE
 * when the connection breaks, no answer comes for the time-out, the whole takes longer than the
 * time-out and 10 ms a request, or an answer violates the protocol; the connection is of no use
 * then. ERR_INVALID: a request that does not fit; nothing was sent. A daemon's refusal of one
 * request is in its error, not a failure of the call.
 */
int wire_call(struct wire *w, struct wire_request *req, size_t n, struct err *err);
/* An idle connection's descriptor: readable means that the daemon is gone. */
int wire_fd(const struct wire *w);
bool wire_timed_out(const struct wire *w);		      /* why the last call failed */
void wire_requests_clear(struct wire_request *req, size_t n); /* frees the answers */

#endif
