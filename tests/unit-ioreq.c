/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The IOREQ server against a Xen of paper: its libraries' functions are here, with the rules of
 * xen/common/ioreq.c and xen/arch/x86/hvm/emulate.c for who gets an access, when a vcpu goes on and
 * what it reads. What is checked: no access waits for ever, whatever a guest does.
 */
#include "tests/unit.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "device/handshake.h"
#include "device/ioreq.h"

#define __XEN_TOOLS__
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xen/hvm/ioreq.h>

#define DOMID 7
#define ID 1
#define VCPUS 3
#define FRAMES 4
#define FRAME 4096
#define HOLE 2 /* a frame that is not there: ballooned out */

static struct {
	bool there, awake, destroyed, paused;
	bool own[0x20];
	ioreq_t page[FRAME / sizeof(ioreq_t)];
	uint8_t ram[FRAMES][FRAME];
	int prot;
	unsigned mapped;		/* windows that are open now */
	unsigned dirty[FRAMES];		/* how often told to be modified */
	bool pending, untaken;		/* destroyed before an answer was taken */
	uint64_t got[VCPUS];		/* what the vcpu read last */
	unsigned notified, polls, lazy; /* takes its answer at the LAZYth poll */
	bool tireless;			/* asks again as soon as it is answered */
	int fd;
} xen;

static void take(uint32_t vcpu)
{
	ioreq_t *slot = &xen.page[vcpu];

	if (slot->state != STATE_IORESP_READY || xen.paused)
		return;
	xen.got[vcpu] = slot->data;
	slot->state = STATE_IOREQ_NONE;
}

/* The vcpu's instruction: true when the server gets it, else the domain's own device model. */
static bool ask(uint32_t vcpu, ioreq_t req)
{
	ioreq_t *slot = &xen.page[vcpu];

	assert_int_equal(slot->state, STATE_IOREQ_NONE);
	if (!xen.there || !xen.awake)
		return false;
	for (uint64_t port = req.addr; req.type == IOREQ_TYPE_PIO && port < req.addr + req.size;
	     port++)
		if (port >= ARRAY_SIZE(xen.own) || !xen.own[port])
			return false;
	req.vp_eport = slot->vp_eport;
	req.state = STATE_IOREQ_READY;
	*slot = req;
	xen.pending = true;
	return true;
}

static ioreq_t pio(uint16_t port, uint32_t size, bool write, uint32_t value)
{
	return (ioreq_t){ .type = IOREQ_TYPE_PIO,
			  .addr = port,
			  .size = size,
			  .dir = write ? IOREQ_WRITE : IOREQ_READ,
			  .count = 1,
			  .data = value };
}

static const ioreq_t invalidate = {
	.type = IOREQ_TYPE_INVALIDATE, .size = 4, .dir = IOREQ_WRITE, .data = ~UINT64_C(0)
};

/* ---- Xen's libraries ---- */

static int here; /* any handle */

xendevicemodel_handle *xendevicemodel_open(struct xentoollog_logger *logger, unsigned open_flags)
{
	(void)logger;
	(void)open_flags;
	return (xendevicemodel_handle *)&here;
}

int xendevicemodel_close(xendevicemodel_handle *h)
{
	(void)h;
	return 0;
}

static int server(domid_t domid, ioservid_t id)
{
	if (xen.there && domid == DOMID && id == ID)
		return 0;
	errno = ENOENT;
	return -1;
}

int xendevicemodel_create_ioreq_server(xendevicemodel_handle *h, domid_t domid, int buffered,
				       ioservid_t *id)
{
	(void)h;
	(void)domid;
	(void)buffered;
	*id = ID;
	xen.there = true;
	return 0;
}

int xendevicemodel_destroy_ioreq_server(xendevicemodel_handle *h, domid_t domid, ioservid_t id)
{
	(void)h;
	if (server(domid, id) < 0)
		return -1;
	for (size_t i = 0; i < VCPUS; i++)
		xen.untaken |= xen.page[i].state != STATE_IOREQ_NONE;
	xen.there = xen.awake = false;
	xen.destroyed = true;
	return 0;
}

int xendevicemodel_get_ioreq_server_info(xendevicemodel_handle *h, domid_t domid, ioservid_t id,
					 xen_pfn_t *gfn, xen_pfn_t *buffered_gfn,
					 evtchn_port_t *port)
{
	(void)h;
	(void)gfn;
	(void)buffered_gfn;
	(void)port;
	return server(domid, id);
}

int xendevicemodel_nr_vcpus(xendevicemodel_handle *h, domid_t domid, unsigned int *vcpus)
{
	(void)h;
	(void)domid;
	*vcpus = VCPUS;
	return 0;
}

int xendevicemodel_set_ioreq_server_state(xendevicemodel_handle *h, domid_t domid, ioservid_t id,
					  int enabled)
{
	(void)h;
	if (server(domid, id) < 0)
		return -1;
	xen.awake = enabled;
	for (uint32_t i = 0; enabled && i < VCPUS; i++)
		xen.page[i].vp_eport = 100 + i;
	return 0;
}

int xendevicemodel_map_io_range_to_ioreq_server(xendevicemodel_handle *h, domid_t domid,
						ioservid_t id, int is_mmio, uint64_t first,
						uint64_t last)
{
	(void)h;
	assert_false(is_mmio);
	if (server(domid, id) < 0)
		return -1;
	for (uint64_t port = first; port <= last; port++)
		if (xen.own[port]) {
			errno = EEXIST;
			return -1;
		}
	for (uint64_t port = first; port <= last; port++)
		xen.own[port] = true;
	return 0;
}

int xendevicemodel_unmap_io_range_from_ioreq_server(xendevicemodel_handle *h, domid_t domid,
						    ioservid_t id, int is_mmio, uint64_t first,
						    uint64_t last)
{
	(void)h;
	assert_false(is_mmio);
	if (server(domid, id) < 0)
		return -1;
	for (uint64_t port = first; port <= last; port++)
		if (!xen.own[port]) {
			errno = ENOENT;
			return -1;
		}
	for (uint64_t port = first; port <= last; port++)
		xen.own[port] = false;
	return 0;
}

int xendevicemodel_modified_memory(xendevicemodel_handle *h, domid_t domid, uint64_t first,
				   uint32_t n)
{
	(void)h;
	assert_int_equal(domid, DOMID);
	assert_true(first < FRAMES);
	assert_int_equal(n, 1);
	xen.dirty[first]++;
	return 0;
}

int xendevicemodel_restrict(xendevicemodel_handle *h, domid_t domid)
{
	(void)h;
	(void)domid;
	return 0;
}

xenforeignmemory_handle *xenforeignmemory_open(struct xentoollog_logger *logger,
					       unsigned open_flags)
{
	(void)logger;
	(void)open_flags;
	return (xenforeignmemory_handle *)&here;
}

int xenforeignmemory_close(xenforeignmemory_handle *h)
{
	(void)h;
	return 0;
}

int xenforeignmemory_restrict(xenforeignmemory_handle *h, domid_t domid)
{
	(void)h;
	(void)domid;
	return 0;
}

xenforeignmemory_resource_handle *
xenforeignmemory_map_resource(xenforeignmemory_handle *h, domid_t domid, unsigned int type,
			      unsigned int id, unsigned long frame, unsigned long n, void **addr,
			      int prot, int flags)
{
	(void)h;
	(void)type;
	(void)frame;
	(void)n;
	(void)prot;
	(void)flags;
	if (server(domid, (ioservid_t)id) < 0)
		return NULL;
	*addr = xen.page;
	return (xenforeignmemory_resource_handle *)&here;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *h, xenforeignmemory_resource_handle *r)
{
	(void)h;
	(void)r;
	return 0;
}

/* As the library does it: a frame that is not there is an error beside the address. */
void *xenforeignmemory_map(xenforeignmemory_handle *h, uint32_t dom, int prot, size_t n,
			   const xen_pfn_t *pfn, int *bad)
{
	(void)h;
	assert_int_equal(dom, DOMID);
	assert_int_equal(n, 1);
	if (*pfn > UINT32_MAX) {
		errno = EINVAL;
		return NULL;
	}
	xen.prot = prot;
	xen.mapped++;
	*bad = *pfn >= FRAMES || *pfn == HOLE ? -EINVAL : 0;
	return *bad ? (void *)&here : xen.ram[*pfn];
}

int xenforeignmemory_unmap(xenforeignmemory_handle *h, void *addr, size_t n)
{
	(void)h;
	(void)addr;
	assert_int_equal(n, 1);
	xen.mapped--;
	return 0;
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger;
	(void)flags;
	xen.fd = eventfd(0, EFD_CLOEXEC);
	return (xenevtchn_handle *)&here;
}

int xenevtchn_close(xenevtchn_handle *h)
{
	(void)h;
	return close(xen.fd);
}

int xenevtchn_fd(xenevtchn_handle *h)
{
	(void)h;
	return xen.fd;
}

int xenevtchn_restrict(xenevtchn_handle *h, domid_t domid)
{
	(void)h;
	(void)domid;
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *h, uint32_t domid,
						     evtchn_port_t port)
{
	(void)h;
	assert_int_equal(domid, DOMID);
	assert_in_range(port, 100, 100 + VCPUS - 1);
	return (xenevtchn_port_or_error_t)port;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *h)
{
	(void)h;
	if (xen.pending)
		return 100;
	errno = EAGAIN;
	return -1;
}

int xenevtchn_unmask(xenevtchn_handle *h, evtchn_port_t port)
{
	(void)h;
	(void)port;
	xen.pending = false;
	return 0;
}

int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
	(void)h;
	assert_in_range(port, 100, 100 + VCPUS - 1);
	xen.notified++;
	if (xen.lazy)
		return 0;
	take(port - 100);
	if (xen.tireless)
		ask(port - 100, invalidate);
	return 0;
}

/* The test's time: nobody sleeps. */
int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	(void)timeout;
	if (++xen.polls > 10000)
		fail_msg("waits for ever");
	if (xen.lazy && xen.polls >= xen.lazy)
		for (uint32_t i = 0; i < VCPUS; i++)
			take(i);
	if (n && xen.pending)
		fds[0].revents = POLLIN;
	return n && xen.pending;
}

/* ---- the tests ---- */

struct seen {
	struct ioreq_access a[8];
	size_t n;
	uint32_t value; /* of reads, counted up */
};

static uint32_t see(void *ctx, const struct ioreq_access *a)
{
	struct seen *seen = ctx;

	if (seen->n < ARRAY_SIZE(seen->a))
		seen->a[seen->n] = *a;
	seen->n++;
	return seen->value++;
}

static struct ioreq_server *open_server(void)
{
	struct ioreq_server *s;
	struct err err;

	memset(&xen, 0, sizeof(xen));
	xen.there = true;
	assert_int_equal(ioreq_open(DOMID, ID, &s, &err), 0);
	assert_int_equal(ioreq_restrict(s, &err), 0);
	assert_int_equal(ioreq_own(s, 0x12, 0x13, &err), 0);
	assert_int_equal(ioreq_own(s, 0x10, 0x11, &err), 0);
	return s;
}

static void serve(struct ioreq_server *s, ioreq_handler *handler, void *ctx)
{
	struct err err;

	assert_int_equal(ioreq_serve(s, handler, ctx, &err), 0);
	for (size_t i = 0; i < VCPUS; i++)
		assert_int_equal(xen.page[i].state, STATE_IOREQ_NONE);
	assert_int_equal(xen.mapped, 0);
}

static void single_accesses(void **state)
{
	CLEANUP(ioreq_close) struct ioreq_server *s = open_server();
	struct seen seen = { .value = 0x87654321 };
	ioreq_t odd = pio(0x10, 1, false, 0);

	(void)state;
	assert_true(ask(1, pio(0x10, 4, true, 0xfffffffe)));
	assert_true(ask(2, pio(0x12, 2, false, 0)));
	serve(s, see, &seen);
	assert_int_equal(seen.n, 2);
	assert_true(seen.a[0].write && seen.a[0].port == 0x10 && seen.a[0].width == 4);
	assert_int_equal(seen.a[0].value, 0xfffffffe);
	assert_int_equal(seen.a[1].vcpu, 2);
	assert_int_equal(xen.got[2], 0x4322); /* no bits beyond its width */
	/* What is no port access, or none that a processor makes, is completed unseen. */
	assert_true(ask(0, invalidate));
	serve(s, see, &seen);
	for (odd.size = 0; odd.size < 9; odd.size++) {
		if (odd.size == 1 || odd.size == 2 || odd.size == 4)
			continue;
		xen.page[0] = odd;
		xen.page[0].vp_eport = 100;
		xen.page[0].state = STATE_IOREQ_READY;
		serve(s, see, &seen);
		assert_true(xen.got[0] == UINT64_MAX);
	}
	xen.page[0].addr = 0x10010;
	xen.page[0].size = 1;
	xen.page[0].state = STATE_IOREQ_READY;
	serve(s, see, &seen);
	assert_int_equal(seen.n, 2);
	/* Taken by a process that died over it. */
	assert_true(ask(0, pio(0x12, 1, false, 0)));
	xen.page[0].state = STATE_IOREQ_INPROCESS;
	serve(s, see, &seen);
	assert_int_equal(seen.n, 3);
}

/* rep outs and rep ins, up and down, over the border of a page, into what is no memory. */
static void string_instructions(void **state)
{
	CLEANUP(ioreq_close) struct ioreq_server *s = open_server();
	struct seen seen = { 0 };
	ioreq_t req = pio(0x12, 2, true, 0);

	(void)state;
	req.data_is_ptr = 1;
	req.count = 3;
	req.data = FRAME - 3; /* the second element lies in both pages */
	memcpy(&xen.ram[0][FRAME - 3], "abc", 3);
	memcpy(xen.ram[1], "def", 3);
	assert_true(ask(0, req));
	serve(s, see, &seen);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.a[0].value, 'a' | 'b' << 8);
	assert_int_equal(seen.a[1].value, 'c' | 'd' << 8);
	assert_int_equal(seen.a[2].value, 'e' | 'f' << 8);
	assert_int_equal(xen.prot, PROT_READ);
	assert_int_equal(xen.dirty[0] + xen.dirty[1], 0);
	seen.n = 0;
	req.df = 1;
	req.data = FRAME + 1;
	assert_true(ask(0, req));
	serve(s, see, &seen);
	assert_int_equal(seen.a[0].value, 'e' | 'f' << 8);
	assert_int_equal(seen.a[2].value, 'a' | 'b' << 8);
	/* Into memory; a migration under way has to know. */
	seen = (struct seen){ .value = 0x4142 };
	req.dir = IOREQ_READ;
	req.df = 0;
	req.data = FRAME - 3;
	assert_true(ask(0, req));
	serve(s, see, &seen);
	assert_memory_equal(&xen.ram[0][FRAME - 3], "BAC", 3);
	assert_memory_equal(xen.ram[1], "ADA", 3);
	assert_true(xen.dirty[0] > 0 && xen.dirty[1] > 0);
	/* No memory: reads vanish, writes are all ones. */
	seen = (struct seen){ 0 };
	for (size_t i = 0; i < 3; i++) {
		static const uint64_t where[] = { (uint64_t)HOLE * FRAME, UINT64_MAX - 2,
						  UINT64_C(1) << 40 };

		req.data = where[i];
		req.dir = IOREQ_READ;
		assert_true(ask(0, req));
		serve(s, see, &seen);
		req.dir = IOREQ_WRITE;
		seen.n = 0;
		assert_true(ask(0, req));
		serve(s, see, &seen);
		assert_int_equal(seen.a[0].value, 0xffff);
	}
	assert_int_equal(xen.dirty[HOLE], 0);
	/* More elements than a page has are no answer of Xen's: an end comes all the same. */
	seen = (struct seen){ 0 };
	req.count = UINT32_MAX;
	assert_true(ask(0, req));
	serve(s, see, &seen);
	assert_true(seen.n <= 65536);
}

/* Leaves while vcpus ask: each gets its answer, before the server is gone, and none asks again. */
static void leaves(void **state)
{
	struct seen seen = { .value = 0x49d2 };

	(void)state;
	for (int round = 0; round < 4; round++) {
		CLEANUP(ioreq_close) struct ioreq_server *s = open_server();

		assert_true(ask(0, pio(0x10, 2, false, 0)));
		assert_true(ask(1, invalidate));
		xen.tireless = round == 1;
		xen.lazy = round == 2 ? 30 : 0;
		xen.paused = round == 3;
		seen.value = 0x49d2;
		ioreq_leave(s, see, &seen);
		assert_true(xen.destroyed);
		assert_false(xen.own[0x10] || xen.own[0x12]);
		assert_int_equal(xen.untaken, round == 3);
		if (round < 3)
			assert_int_equal(xen.got[0], 0x49d2);
		assert_false(xen.there && ask(2, pio(0x12, 1, false, 0)));
	}
}

/* What a dead process left: answered and gone, and no error when it is gone already. */
static void destroys(void **state)
{
	CLEANUP(ioreq_host_close) struct ioreq_host *h = NULL;
	struct seen seen = { .value = 0x49d2 };
	struct err err;
	ioreq_id id;

	(void)state;
	memset(&xen, 0, sizeof(xen));
	assert_int_equal(ioreq_host_open(&h, &err), 0);
	assert_int_equal(ioreq_create(h, DOMID, &id, &err), 0);
	assert_true(ioreq_alive(h, DOMID, id));
	xen.awake = xen.tireless = true;
	xen.own[0x12] = xen.own[0x13] = true;
	assert_true(ask(0, pio(0x12, 1, false, 0)));
	xen.page[0].state = STATE_IOREQ_INPROCESS;
	assert_true(ask(2, invalidate));
	assert_int_equal(ioreq_destroy(h, DOMID, id, see, &seen, &err), 0);
	assert_false(xen.untaken);
	assert_false(ioreq_alive(h, DOMID, id));
	assert_int_equal(ioreq_destroy(h, DOMID, id, see, &seen, &err), 0);
}

/* ---- the handshake and the server together, as a domain's process has them ---- */

struct process {
	struct ioreq_server *s;
	struct handshake hs;
	bool blacklist;
};

static uint32_t answer(void *ctx, const struct ioreq_access *a)
{
	struct process *p = ctx;
	const struct handshake_access in = {
		.port = a->port, .width = a->width, .write = a->write, .value = a->value
	};
	struct handshake_result res;
	struct err err;

	handshake_step(&p->hs, &in, &res);
	if (res.actions & HANDSHAKE_ASK)
		handshake_decide(&p->hs, p->blacklist);
	if (handshake_ports(&p->hs).first == 0x10)
		assert_int_equal(ioreq_own(p->s, 0x10, 0x11, &err), 0);
	else
		assert_int_equal(ioreq_disown(p->s, 0x10, 0x11, &err), 0);
	return res.value;
}

static uint64_t seed;

static uint32_t dice(uint32_t sides)
{
	seed = seed * UINT64_C(6364136223846793005) + 1;
	return (uint32_t)(seed >> 33) % sides;
}

/*
 * Any width, any repetition, any vcpu, also several at once, on ports in and around the range: each
 * is answered in one go, and afterwards we own what the handshake says, whole.
 */
static void any_guest(void **state)
{
	static const uint32_t widths[] = { 1, 2, 4, 2 };

	(void)state;
	for (uint64_t round = 1; round <= 200; round++) {
		CLEANUP(ioreq_close) struct ioreq_server *s = open_server();
		struct process p = { .s = s };
		const struct handshake_policy policy = { .model = HANDSHAKE_FULL,
							 .unplug = round & 1 };
		struct err err;

		seed = round;
		handshake_init(&p.hs, &policy);
		assert_int_equal(ioreq_disown(s, 0x10, 0x11, &err), 0);
		for (size_t i = 0; i < FRAME; i++)
			xen.ram[0][i] = (uint8_t)dice(8);
		for (int i = 0; i < 300; i++) {
			p.blacklist = dice(2);
			for (uint32_t vcpu = dice(VCPUS); vcpu < VCPUS; vcpu++) {
				ioreq_t req = pio((uint16_t)(0x0e + dice(8)), widths[dice(4)],
						  dice(2), dice(5));

				req.data_is_ptr = dice(4) == 0;
				req.df = req.data_is_ptr && dice(2);
				if (req.data_is_ptr) {
					req.count = 1 + dice(20);
					req.data = dice(FRAMES * FRAME);
				}
				ask(vcpu, dice(16) ? req : invalidate);
			}
			serve(s, answer, &p);
			assert_int_equal(xen.own[0x10], handshake_ports(&p.hs).first == 0x10);
			assert_int_equal(xen.own[0x11], xen.own[0x10]);
			assert_true(xen.own[0x12] && xen.own[0x13]);
			assert_false(xen.own[0x0f] || xen.own[0x14]);
		}
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(single_accesses), cmocka_unit_test(string_instructions),
	cmocka_unit_test(leaves),	   cmocka_unit_test(destroys),
	cmocka_unit_test(any_guest),
};
UNIT_MAIN(tests)
