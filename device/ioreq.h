/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEVICE_IOREQ_H
#define DEVICE_IOREQ_H

/*
 * A second IOREQ server for one HVM domain: it owns the handshake ports that it asks for, dynamically,
 * and leaves everything else to the domain's own device model. The only user of the Xen
 * device-model libraries. A handle that may touch every domain creates and destroys servers (the
 * supervisor's); a server is opened from one domain's process and can be locked to that domain.
 */
#include "registry/base.h"
#include "registry/err.h"

struct ioreq_access {
	uint32_t vcpu;
	uint16_t port;
	uint8_t width; /* 1, 2 or 4 bytes */
	bool write;
	uint32_t value; /* what is written */
};
/*
 * Called for each access, one by one also for a repeated instruction; returns what a read gives.
 * The guest waits meanwhile; the ports may be changed before it goes on.
 */
typedef uint32_t ioreq_handler(void *ctx, const struct ioreq_access *a);

/* The id that Xen gave a server; unique within its domain as long as the server lives. */
typedef uint16_t ioreq_id;

struct ioreq_host; /* creates and destroys; privileged */

/* ERR_UNREACHABLE: no Xen, or not dom0. */
int ioreq_host_open(struct ioreq_host **ret, struct err *err);
void ioreq_host_close(struct ioreq_host *h);
DEFINE_CLEANUP(struct ioreq_host *, ioreq_host_close)

/* A server that owns nothing and is asleep. ERR_INVALID: no HVM domain; ERR_NOT_FOUND: gone. */
int ioreq_create(struct ioreq_host *h, uint16_t domid, ioreq_id *ret, struct err *err);
/*
 * Ends a server whose process has died: gives its ports back to the domain's device model, and
 * has HANDLER answer what is under way, for Xen would leave a vcpu that waits for an answer
 * waiting for ever. A server or domain that is gone is no error.
 */
int ioreq_destroy(struct ioreq_host *h, uint16_t domid, ioreq_id id, ioreq_handler *handler,
		  void *ctx, struct err *err);
/* False when the server is gone: destroyed, or its domain is dying. */
bool ioreq_alive(struct ioreq_host *h, uint16_t domid, ioreq_id id);
/* False when the domain is gone. */
bool ioreq_domain_alive(struct ioreq_host *h, uint16_t domid);

struct ioreq_server; /* one server, mapped and bound: its domain's process */

/* Maps the request page, wakes the server and binds each vcpu's event channel. Owns no port yet. */
int ioreq_open(uint16_t domid, ioreq_id id, struct ioreq_server **ret, struct err *err);
void ioreq_close(struct ioreq_server *s);
DEFINE_CLEANUP(struct ioreq_server *, ioreq_close)

/* From here on no handle of S can touch another domain than its own. There is no way back. */
int ioreq_restrict(struct ioreq_server *s, struct err *err);

/* Ports FIRST to LAST inclusive. An access reaches the server only when it owns all its bytes. */
int ioreq_own(struct ioreq_server *s, uint16_t first, uint16_t last, struct err *err);
int ioreq_disown(struct ioreq_server *s, uint16_t first, uint16_t last, struct err *err);

/*
 * Gives every port back, serves what was under way, and ends the server: the domain is as if S had
 * never been. Works when restricted.
 */
void ioreq_leave(struct ioreq_server *s, ioreq_handler *handler, void *ctx);

/* Readable when a request waits. */
int ioreq_fd(const struct ioreq_server *s);
/* Serves what waits, never blocks. Requests that are no port access are completed unseen. */
int ioreq_serve(struct ioreq_server *s, ioreq_handler *handler, void *ctx, struct err *err);

#endif
