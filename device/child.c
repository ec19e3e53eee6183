/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides the loop between one guest's port accesses, the handshake's state machine and the
 * supervisor: which ports are owned when, what is reported and how often.
 */
#include "device/child.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>

#include "device/rules.h"
#include "device/packet.h"

/* Reports of a guest that does nothing but shake hands: a burst, then one now and then. */
#define REPORT_BURST 64
#define REPORT_EVERY_MS 250

struct child {
	const struct child_options *o;
	struct handshake *hs; /* in memory that the supervisor keeps */
	struct ioreq_server *server;
	struct rules *rules;
	struct handshake_ports ports; /* what the server owns now */
	bool owned;
	unsigned credit;
	uint64_t credit_ms;
	uint32_t untold; /* reports not sent */
	bool broken, leaving;
	struct err why; /* when broken */
};

int child_state_make(void)
{
	int fd = memfd_create("handshake", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, sizeof(struct handshake)) < 0)
		abort();
	return fd;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Never waits for the supervisor: the guest would wait too. */
static void report(struct child *c, struct packet *m)
{
	uint64_t now = now_ms(), earned = (now - c->credit_ms) / REPORT_EVERY_MS;

	if (earned) {
		c->credit = earned > REPORT_BURST - c->credit ? REPORT_BURST
							      : c->credit + (unsigned)earned;
		c->credit_ms = now;
	}
	m->domid = c->o->domid;
	if (m->kind == PACKET_VERDICT)
		m->count = c->untold;
	if (c->credit && packet_send(c->o->sock, m, -1)) {
		c->credit--;
		if (m->kind == PACKET_VERDICT)
			c->untold = 0;
		return;
	}
	if (m->kind == PACKET_VERDICT && c->untold < UINT32_MAX)
		c->untold++;
}

static void talk(struct child *c, int priority, const char *text)
{
	struct packet m = { .kind = PACKET_TALK,
			    .domid = c->o->domid,
			    .value = (uint32_t)priority };

	snprintf(m.text, sizeof(m.text), "%s", text);
	packet_send(c->o->sock, &m, -1);
}

/*
 * Makes the owned ports those that the handshake wants. In two pieces, because Xen refuses a
 * range that overlaps an owned one.
 */
static int own_ports(struct child *c, struct err *err)
{
	struct handshake_ports want = handshake_ports(c->hs);
	int r = 0;

	if (c->owned && want.first == c->ports.first && want.last == c->ports.last)
		return 0;
	if (!c->owned)
		r = ioreq_own(c->server, 0x12, 0x13, err);
	if (r == 0)
		r = want.first == 0x10 ? ioreq_own(c->server, 0x10, 0x11, err)
				       : ioreq_disown(c->server, 0x10, 0x11, err);
	if (r < 0)
		return r;
	c->ports = want;
	c->owned = true;
	return 0;
}

static void decide(struct child *c, const struct handshake_result *res)
{
	enum verdict_kind v = rules_ask(c->rules, res->product, res->build);
	bool known = v == VERDICT_ALLOWED || v == VERDICT_BLACKLISTED;
	struct packet m = {
		.kind = PACKET_VERDICT,
		.product = res->product,
		.build = res->build,
		.verdict = (uint8_t)v,
		.flag = known ? v == VERDICT_BLACKLISTED : c->o->fail_closed,
	};

	handshake_decide(c->hs, m.flag);
	report(c, &m);
}

static void guest_text(struct child *c, const struct handshake_result *res)
{
	struct packet m = { .kind = PACKET_GUEST, .count = res->dropped, .flag = res->line_cut };

	if (res->line_n >= sizeof(m.text))
		return;
	memcpy(m.text, res->line, res->line_n);
	m.domid = c->o->domid;
	packet_send(c->o->sock, &m, -1); /* the handshake's limiter has let it through */
}

static uint32_t access_port(void *ctx, const struct ioreq_access *a)
{
	struct child *c = ctx;
	struct handshake_access in = {
		.port = a->port,
		.width = a->width,
		.write = a->write,
		.value = a->value,
		.now_ms = now_ms(),
	};
	struct handshake_result res;

	handshake_step(c->hs, &in, &res);
	if (res.actions & HANDSHAKE_ASK)
		decide(c, &res);
	if (res.actions & HANDSHAKE_LOG)
		guest_text(c, &res);
	if (res.actions & HANDSHAKE_UNPLUG) {
		struct packet m = { .kind = PACKET_UNPLUG,
				    .value = res.unplug,
				    .flag = res.refused };

		report(c, &m);
	}
	if (!c->broken && !c->leaving && own_ports(c, &c->why) < 0)
		c->broken = true;
	return res.value;
}

/* New rules from the supervisor; false when it is gone. */
static bool listen_supervisor(struct child *c)
{
	struct packet m;
	int r;

	do {
		CLEANUP(close_fd) int fd = -1;
		struct rules *fresh;
		struct err err;

		r = packet_recv(c->o->sock, &m, &fd);
		if (r <= 0 || m.kind != PACKET_RULES || fd < 0)
			continue;
		if (rules_open(fd, &fresh, &err) < 0) {
			talk(c, LOG_ERR, err.msg);
			continue;
		}
		rules_close(c->rules);
		c->rules = fresh;
	} while (r > 0);
	return r == 0;
}

static int serve(struct child *c, struct err *err)
{
	struct pollfd fds[] = {
		{ .fd = ioreq_fd(c->server), .events = POLLIN },
		{ .fd = c->o->sock, .events = POLLIN },
	};

	while (!c->broken) {
		if (ioreq_serve(c->server, access_port, c, err) < 0)
			return -1;
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return err_set(err, ERR_INTERNAL, "poll: %s", strerror(errno));
		if (fds[1].revents && !listen_supervisor(c))
			return 0;
	}
	*err = c->why;
	return -1;
}

static int start(struct child *c, struct err *err)
{
	const struct child_options *o = c->o;
	struct packet attached = { .kind = PACKET_ATTACHED, .domid = o->domid };
	int r;

	c->hs = mmap(NULL, sizeof(*c->hs), PROT_READ | PROT_WRITE, MAP_SHARED, o->state, 0);
	if (c->hs == MAP_FAILED)
		return err_set(err, ERR_INTERNAL, "cannot map the state: %s", strerror(errno));
	if (!handshake_valid(c->hs))
		handshake_init(c->hs, &o->policy);
	c->hs->policy = o->policy;
	if (o->rules >= 0) {
		r = rules_open(o->rules, &c->rules, err);
		if (r < 0)
			return r;
	}
	r = ioreq_open(o->domid, o->server, &c->server, err);
	if (r == 0)
		r = ioreq_restrict(c->server, err);
	if (r == 0)
		r = jail_enter(&o->user, err);
	if (r == 0)
		r = own_ports(c, err);
	if (r == 0)
		packet_send(o->sock, &attached, -1);
	return r;
}

uint32_t child_last_answer(void *ctx, const struct ioreq_access *a)
{
	struct handshake_access in = {
		.port = a->port, .width = a->width, .write = a->write, .value = a->value
	};
	struct handshake_result res;

	handshake_step(ctx, &in, &res);
	return res.value;
}

int child_run(const struct child_options *o)
{
	struct child c = { .o = o, .credit = REPORT_BURST, .credit_ms = now_ms() };
	struct handshake_result rest;
	struct err err;
	int r = start(&c, &err);

	if (r == 0)
		r = serve(&c, &err);
	if (r < 0) {
		talk(&c, LOG_ERR, err.msg);
		return 1; /* the server stays for the successor, or for the supervisor to destroy */
	}
	c.leaving = true;
	ioreq_leave(c.server, access_port, &c);
	handshake_flush(c.hs, now_ms(), &rest);
	if (rest.actions & HANDSHAKE_LOG)
		guest_text(&c, &rest);
	return 0;
}
