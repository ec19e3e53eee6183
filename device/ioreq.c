/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides Xen's side of a port access: which library call does what, the request page and its
 * states, event channels, repeated string instructions that point into guest memory.
 */
#include "device/ioreq.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#define __XEN_TOOLS__
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/ioreq.h>
#include <xen/memory.h>

#define FRAME_SHIFT 12
#define FRAME_SIZE (1u << FRAME_SHIFT)
#define LAST_CALL_MS 200
#define REP_MAX 65536u /* Xen splits at page borders, so that a real request stays far below */

struct ioreq_host {
	xendevicemodel_handle *dm;
};

struct ioreq_server {
	uint16_t domid;
	ioreq_id id;
	xendevicemodel_handle *dm;
	xenforeignmemory_handle *fm;
	xenevtchn_handle *evtchn;
	xenforeignmemory_resource_handle *resource;
	shared_iopage_t *page;
	uint32_t n_vcpus;
	evtchn_port_t *port; /* by vcpu */
};

/* Which kind of failure an errno of a device-model call stands for. */
static int dm_error(struct err *err, const char *what, uint16_t domid)
{
	int e = errno;
	enum err_kind kind = ERR_UNREACHABLE;

	if (e == ESRCH || e == ENOENT)
		kind = ERR_NOT_FOUND;
	else if (e == EINVAL || e == EOPNOTSUPP)
		kind = ERR_INVALID;
	else if (e == EPERM || e == EACCES)
		kind = ERR_DENIED;
	return err_set(err, kind, "cannot %s of domain %u: %s", what, domid, strerror(e));
}

int ioreq_host_open(struct ioreq_host **ret, struct err *err)
{
	xendevicemodel_handle *dm = xendevicemodel_open(NULL, 0);
	struct ioreq_host *h;

	if (!dm)
		return err_set(
			err, ERR_UNREACHABLE,
			"cannot open the device-model interface of Xen: %s; is this dom0, is "
			"xen-privcmd loaded?",
			strerror(errno));
	h = xcalloc(1, sizeof(*h));
	h->dm = dm;
	*ret = h;
	return 0;
}

void ioreq_host_close(struct ioreq_host *h)
{
	if (!h)
		return;
	xendevicemodel_close(h->dm);
	free(h);
}

int ioreq_create(struct ioreq_host *h, uint16_t domid, ioreq_id *ret, struct err *err)
{
	ioservid_t id, higher;
	int r = 0;

	if (xendevicemodel_create_ioreq_server(h->dm, domid, HVM_IOREQSRV_BUFIOREQ_OFF, &id) < 0)
		return dm_error(err, "create an ioreq server", domid);
	/*
	 * Where ranges overlap Xen asks the server with the higher id. The lowest one is for the
	 * device model, which may not have started yet.
	 */
	if (id == 0) {
		r = xendevicemodel_create_ioreq_server(h->dm, domid, HVM_IOREQSRV_BUFIOREQ_OFF,
						       &higher);
		if (r < 0)
			dm_error(err, "create a second ioreq server", domid);
		xendevicemodel_destroy_ioreq_server(h->dm, domid, id);
		if (r < 0)
			return -(int)err->kind;
		id = higher;
	}
	*ret = id;
	return 0;
}

bool ioreq_alive(struct ioreq_host *h, uint16_t domid, ioreq_id id)
{
	return xendevicemodel_get_ioreq_server_info(h->dm, domid, id, NULL, NULL, NULL) == 0 ||
	       (errno != ENOENT && errno != ESRCH);
}

bool ioreq_domain_alive(struct ioreq_host *h, uint16_t domid)
{
	unsigned int n;

	return xendevicemodel_nr_vcpus(h->dm, domid, &n) == 0 || errno != ESRCH;
}

static int server_map(struct ioreq_server *s, struct err *err)
{
	unsigned int vcpus = 0;
	void *addr = NULL;

	if (xendevicemodel_nr_vcpus(s->dm, s->domid, &vcpus) < 0)
		return dm_error(err, "count the vcpus", s->domid);
	if (vcpus == 0 || vcpus > FRAME_SIZE / sizeof(ioreq_t))
		return err_set(err, ERR_INVALID,
			       "domain %u has %u vcpus, at most %zu can be served", s->domid, vcpus,
			       FRAME_SIZE / sizeof(ioreq_t));
	s->n_vcpus = vcpus;
	s->port = xcalloc(vcpus, sizeof(*s->port));
	s->resource = xenforeignmemory_map_resource(
		s->fm, s->domid, XENMEM_resource_ioreq_server, s->id,
		XENMEM_resource_ioreq_server_frame_ioreq(0), 1, &addr, PROT_READ | PROT_WRITE, 0);
	if (!s->resource)
		return dm_error(err, "map the request page", s->domid);
	s->page = addr;
	return 0;
}

/* The channels' far ends are only there once the server is awake. */
static int server_bind(struct ioreq_server *s, struct err *err)
{
	if (xendevicemodel_set_ioreq_server_state(s->dm, s->domid, s->id, 1) < 0)
		return dm_error(err, "wake the ioreq server", s->domid);
	for (uint32_t i = 0; i < s->n_vcpus; i++) {
		xenevtchn_port_or_error_t port = xenevtchn_bind_interdomain(
			s->evtchn, s->domid, s->page->vcpu_ioreq[i].vp_eport);

		if (port < 0)
			return dm_error(err, "bind an event channel", s->domid);
		s->port[i] = (evtchn_port_t)port;
	}
	return 0;
}

int ioreq_open(uint16_t domid, ioreq_id id, struct ioreq_server **ret, struct err *err)
{
	CLEANUP(ioreq_close) struct ioreq_server *s = xcalloc(1, sizeof(*s));
	int r;

	s->domid = domid;
	s->id = id;
	s->dm = xendevicemodel_open(NULL, 0);
	if (!s->dm)
		return dm_error(err, "open the device-model interface", domid);
	s->fm = xenforeignmemory_open(NULL, 0);
	if (!s->fm)
		return dm_error(err, "open the foreign-memory interface", domid);
	s->evtchn = xenevtchn_open(NULL, 0);
	if (!s->evtchn)
		return dm_error(err, "open the event channels", domid);
	if (fcntl(xenevtchn_fd(s->evtchn), F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return dm_error(err, "make the event channels non-blocking", domid);
	r = server_map(s, err);
	if (r < 0)
		return r;
	r = server_bind(s, err);
	if (r < 0)
		return r;
	*ret = TAKE(s);
	return 0;
}

void ioreq_close(struct ioreq_server *s)
{
	if (!s)
		return;
	if (s->resource)
		xenforeignmemory_unmap_resource(s->fm, s->resource);
	if (s->evtchn)
		xenevtchn_close(s->evtchn);
	if (s->fm)
		xenforeignmemory_close(s->fm);
	if (s->dm)
		xendevicemodel_close(s->dm);
	free(s->port);
	free(s);
}

int ioreq_restrict(struct ioreq_server *s, struct err *err)
{
	if (xendevicemodel_restrict(s->dm, s->domid) < 0)
		return dm_error(err, "restrict the device-model handle", s->domid);
	if (xenevtchn_restrict(s->evtchn, s->domid) < 0)
		return dm_error(err, "restrict the event channels", s->domid);
	if (xenforeignmemory_restrict(s->fm, s->domid) < 0)
		return dm_error(err, "restrict the foreign-memory handle", s->domid);
	return 0;
}

/* Owning twice and giving back what is not owned are what the caller wanted already. */
int ioreq_own(struct ioreq_server *s, uint16_t first, uint16_t last, struct err *err)
{
	if (xendevicemodel_map_io_range_to_ioreq_server(s->dm, s->domid, s->id, 0, first, last) <
		    0 &&
	    errno != EEXIST)
		return dm_error(err, "take ports", s->domid);
	return 0;
}

int ioreq_disown(struct ioreq_server *s, uint16_t first, uint16_t last, struct err *err)
{
	if (xendevicemodel_unmap_io_range_from_ioreq_server(s->dm, s->domid, s->id, 0, first,
							    last) < 0 &&
	    errno != ENOENT)
		return dm_error(err, "give ports back", s->domid);
	return 0;
}

int ioreq_fd(const struct ioreq_server *s)
{
	return xenevtchn_fd(s->evtchn);
}

/* The frame of guest memory that a repeated instruction works on, mapped one at a time. */
struct window {
	struct ioreq_server *s;
	bool write; /* to guest memory */
	uint64_t frame;
	uint8_t *addr;
};

/* Xen does not see what is written through a mapping, and a migration that is under way has to. */
static void window_close(struct window *w)
{
	if (!w->addr)
		return;
	xenforeignmemory_unmap(w->s->fm, w->addr, 1);
	w->addr = NULL;
	if (w->write)
		xendevicemodel_modified_memory(w->s->dm, w->s->domid, w->frame, 1);
}

static uint8_t *window_byte(struct window *w, uint64_t gpa)
{
	uint64_t frame = gpa >> FRAME_SHIFT;

	if (!w->addr || frame != w->frame) {
		xen_pfn_t pfn = (xen_pfn_t)frame;
		int bad = 0;

		window_close(w);
		w->addr = xenforeignmemory_map(w->s->fm, w->s->domid,
					       w->write ? PROT_READ | PROT_WRITE : PROT_READ, 1,
					       &pfn, &bad);
		if (w->addr && bad) {
			xenforeignmemory_unmap(w->s->fm, w->addr, 1);
			w->addr = NULL;
		}
		w->frame = frame;
	}
	return w->addr ? w->addr + (gpa & (FRAME_SIZE - 1)) : NULL;
}

static uint32_t width_mask(uint32_t width)
{
	return width >= 4 ? UINT32_MAX : (1u << (8 * width)) - 1;
}

/* ins/outs: the data is in guest memory, element by element, up or down. */
static void serve_repeated(struct ioreq_server *s, const ioreq_t *req, struct ioreq_access *a,
			   ioreq_handler *handler, void *ctx)
{
	struct window w = { .s = s, .write = !a->write };
	uint64_t gpa = req->data;

	for (uint32_t i = 0; i < req->count && i < REP_MAX; i++) {
		uint32_t value = 0;

		for (uint32_t b = 0; a->write && b < a->width; b++) {
			uint8_t *p = window_byte(&w, gpa + b);

			value |= (p ? *p : 0xffu) << (8 * b);
		}
		a->value = value;
		value = handler(ctx, a);
		for (uint32_t b = 0; !a->write && b < a->width; b++) {
			uint8_t *p = window_byte(&w, gpa + b);

			if (p)
				*p = (uint8_t)(value >> (8 * b));
		}
		gpa = req->df ? gpa - a->width : gpa + a->width;
	}
	window_close(&w);
}

/* Returns what goes into the request's data. */
static uint64_t serve_port(struct ioreq_server *s, uint32_t vcpu, const ioreq_t *req,
			   ioreq_handler *handler, void *ctx)
{
	struct ioreq_access a = {
		.vcpu = vcpu,
		.port = (uint16_t)req->addr,
		.width = (uint8_t)req->size,
		.write = req->dir == IOREQ_WRITE,
		.value = (uint32_t)req->data & width_mask(req->size),
	};
	uint64_t data = req->data;

	if (req->addr > UINT16_MAX || (req->size != 1 && req->size != 2 && req->size != 4))
		return a.write ? data : UINT64_MAX;
	if (req->data_is_ptr) {
		serve_repeated(s, req, &a, handler, ctx);
		return data;
	}
	for (uint32_t i = 0; i < req->count && i < REP_MAX; i++) {
		uint32_t value = handler(ctx, &a);

		if (!a.write)
			data = value & width_mask(req->size);
	}
	return data;
}

/*
 * A request found in process was taken by an earlier process that died over it: serving it again
 * is what lets its guest go on.
 */
static void serve_vcpu(struct ioreq_server *s, uint32_t vcpu, ioreq_handler *handler, void *ctx)
{
	ioreq_t *slot = &s->page->vcpu_ioreq[vcpu], req;

	if (slot->state != STATE_IOREQ_READY && slot->state != STATE_IOREQ_INPROCESS)
		return;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	slot->state = STATE_IOREQ_INPROCESS;
	memcpy(&req, slot, sizeof(req));
	if (req.type == IOREQ_TYPE_PIO)
		req.data = serve_port(s, vcpu, &req, handler, ctx);
	else if (req.dir == IOREQ_READ && !req.data_is_ptr)
		req.data = UINT64_MAX;
	slot->data = req.data;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	slot->state = STATE_IORESP_READY;
	xenevtchn_notify(s->evtchn, s->port[vcpu]);
}

int ioreq_serve(struct ioreq_server *s, ioreq_handler *handler, void *ctx, struct err *err)
{
	xenevtchn_port_or_error_t port = xenevtchn_pending(s->evtchn);

	if (port < 0 && errno != EAGAIN && errno != EINTR)
		return dm_error(err, "read the event channels", s->domid);
	/* Unmasked first: a request that arrives during the walk raises the channel again. */
	if (port >= 0 && xenevtchn_unmask(s->evtchn, (evtchn_port_t)port) < 0)
		return dm_error(err, "unmask an event channel", s->domid);
	for (uint32_t i = 0; i < s->n_vcpus; i++)
		serve_vcpu(s, i, handler, ctx);
	return 0;
}

/* Has every vcpu taken its answer? Xen forgets the answers of a server that has ended. */
static bool answers_taken(const struct ioreq_server *s)
{
	for (uint32_t i = 0; i < s->n_vcpus; i++)
		if (s->page->vcpu_ioreq[i].state == STATE_IORESP_READY)
			return false;
	return true;
}

/*
 * Xen stops the domain while it puts a server to sleep: whatever is for us is on the page then, and
 * nothing can come after it, however much a guest asks. A paused vcpu takes no answer: it is
 * not waited for.
 */
void ioreq_leave(struct ioreq_server *s, ioreq_handler *handler, void *ctx)
{
	struct err ignored;

	ioreq_disown(s, 0x10, 0x11, &ignored);
	ioreq_disown(s, 0x12, 0x13, &ignored);
	xendevicemodel_set_ioreq_server_state(s->dm, s->domid, s->id, 0);
	for (uint32_t i = 0; i < s->n_vcpus; i++)
		serve_vcpu(s, i, handler, ctx);
	for (int ms = 0; ms < LAST_CALL_MS && !answers_taken(s); ms++)
		poll(NULL, 0, 1);
	xendevicemodel_destroy_ioreq_server(s->dm, s->domid, s->id);
}

int ioreq_destroy(struct ioreq_host *h, uint16_t domid, ioreq_id id, ioreq_handler *handler,
		  void *ctx, struct err *err)
{
	CLEANUP(ioreq_close) struct ioreq_server *s = NULL;

	if (!ioreq_alive(h, domid, id))
		return 0;
	if (ioreq_open(domid, id, &s, err) == 0)
		ioreq_leave(s, handler, ctx);
	if (xendevicemodel_destroy_ioreq_server(h->dm, domid, id) == 0 || errno == ENOENT ||
	    errno == ESRCH)
		return 0;
	return dm_error(err, "destroy the ioreq server", domid);
}
