/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest drivers as tables of accesses, from what their sources do; and the rules of the protocol
 * as checks on what can be seen from outside.
 */
#include "tests/guest-model.h"

#include <stddef.h>
#include <string.h>

enum then {
	GO_ON,
	NEED_MAGIC,	/* stop when it is not there */
	NEED_VERSION_1, /* Linux takes no other */
	NEED_VERSION_2,
	NEED_VERSION, /* not 0 */
	OBEY,	      /* stop when the magic has changed */
	NOTE,	      /* remember that it has changed and go on */
};

struct op {
	bool write;
	uint16_t port;
	uint8_t width;
	uint32_t value;
	enum then then;
	const char *text; /* written to VALUE's place byte by byte */
};

#define IN(port, width, then)                     \
	{                                         \
		false, port, width, 0, then, NULL \
	}
#define OUT(port, width, value)                       \
	{                                             \
		true, port, width, value, GO_ON, NULL \
	}
#define SAY(text)                             \
	{                                     \
		true, 0x12, 1, 0, GO_ON, text \
	}
#define OPS_MAX 8

static const struct driver {
	const char *name;
	uint16_t product;
	uint32_t build;
	bool obeys;
	struct op op[OPS_MAX]; /* width 0 ends */
} drivers[GUEST_KINDS] = {
	[GUEST_LINUX] = { "linux",
			  3,
			  1,
			  true,
			  { IN(0x10, 2, NEED_MAGIC), IN(0x12, 1, NEED_VERSION_1), OUT(0x12, 2, 3),
			    OUT(0x10, 4, 1), IN(0x10, 2, OBEY), OUT(0x10, 2, 3) } },
	[GUEST_UNMODIFIED] = { "unmodified_drivers",
			       0xffff,
			       33952256,
			       true,
			       { IN(0x10, 2, NEED_MAGIC), IN(0x12, 1, NEED_VERSION),
				 OUT(0x12, 2, 0xffff), OUT(0x10, 4, 33952256), IN(0x10, 2, OBEY),
				 OUT(0x10, 2, 3) } },
	[GUEST_WIN_XENBUS] = { "win-xenbus",
			       0xffff,
			       590080,
			       false,
			       { IN(0x10, 2, NEED_MAGIC), IN(0x12, 1, NEED_VERSION),
				 OUT(0x12, 2, 0xffff), OUT(0x10, 4, 590080), IN(0x10, 2, NOTE),
				 SAY("XENBUS|UNPLUG: PRE-AMBLE\r\n"), OUT(0x10, 2, 3) } },
	[GUEST_GPLPV] = { "gplpv",
			  2,
			  1,
			  true,
			  { IN(0x10, 2, NEED_MAGIC), IN(0x12, 1, NEED_VERSION), OUT(0x12, 2, 2),
			    OUT(0x10, 4, 1), IN(0x10, 2, OBEY), SAY("disabled qemu devices 03\n"),
			    OUT(0x10, 2, 3) } },
	[GUEST_VMDP] = { "vmdp",
			 205,
			 20505,
			 false,
			 { IN(0x10, 2, NEED_MAGIC), IN(0x12, 1, NEED_VERSION), OUT(0x12, 2, 205),
			   OUT(0x10, 4, 20505), IN(0x10, 2, NOTE), OUT(0x10, 2, 3) } },
	[GUEST_BSD] = { "bsd", 0, 0, true, { IN(0x10, 2, NEED_MAGIC), OUT(0x10, 2, 3) } },
	[GUEST_OSV] = { "osv",
			0,
			0,
			true,
			{ IN(0x10, 2, NEED_MAGIC), IN(0x12, 2, NEED_VERSION), OUT(0x10, 2, 0xffff),
			  OUT(0x10, 4, 0), IN(0x10, 2, OBEY), OUT(0x10, 2, 3) } },
	[GUEST_JINY] = { "jiny",
			 0,
			 0,
			 true,
			 { IN(0x10, 2, NEED_MAGIC), IN(0x12, 1, NEED_VERSION), OUT(0xffff, 2, 0x12),
			   OUT(0x100, 4, 0x10), IN(0x10, 2, OBEY), OUT(3, 2, 0x10) } },
	[GUEST_XENSERVER_7] = { "xenserver-7",
				0,
				0,
				true,
				{ IN(0x10, 2, NEED_MAGIC), OUT(0x13, 1, 2),
				  IN(0x12, 1, NEED_VERSION_2), OUT(0x12, 2, 3), OUT(0x10, 4, 514),
				  IN(0x10, 2, OBEY), OUT(0x10, 2, 3) } },
};

const char *guest_name(enum guest_kind kind)
{
	return drivers[kind].name;
}

void guest_init(struct guest *g, enum guest_kind kind)
{
	const struct driver *d = &drivers[kind];

	*g = (struct guest){
		.kind = kind, .product = d->product, .build = d->build, .obeys = d->obeys
	};
}

static const struct op *current(const struct guest *g)
{
	const struct op *op = &drivers[g->kind].op[g->pc];

	return g->pc < OPS_MAX && op->width > 0 ? op : NULL;
}

bool guest_next(struct guest *g, struct handshake_access *ret)
{
	const struct op *op = current(g);

	if (!op || g->gave_up)
		return false;
	*ret = (struct handshake_access){
		.port = op->port, .width = op->width, .write = op->write, .value = op->value
	};
	if (op->text)
		ret->value = (uint8_t)op->text[g->letter];
	return true;
}

void guest_answer(struct guest *g, uint32_t value)
{
	const struct op *op = current(g);

	if (op->text && op->text[++g->letter] != '\0')
		return;
	g->letter = 0;
	g->pc++;
	if (op->write && op->port == 0x10 && op->width == 2)
		g->unplug |= (uint16_t)op->value;
	switch (op->then) {
	case GO_ON:
		break;
	case NEED_MAGIC:
		g->gave_up = value != HANDSHAKE_MAGIC;
		break;
	case NEED_VERSION_1:
		g->gave_up = value != 1;
		break;
	case NEED_VERSION_2:
		g->gave_up = value < 2;
		break;
	case NEED_VERSION:
		g->gave_up = value == 0;
		break;
	case OBEY:
	case NOTE:
		g->told = value == HANDSHAKE_MAGIC_BLACKLISTED;
		if (g->told && op->then == OBEY)
			g->pc = OPS_MAX;
		break;
	}
}

void watcher_init(struct watcher *w, const struct handshake_policy *policy)
{
	*w = (struct watcher){ .policy = *policy };
}

static bool full(const struct watcher *w)
{
	return w->policy.model == HANDSHAKE_FULL;
}

static const char *check_ports(const struct watcher *w, struct handshake_ports after)
{
	bool wide = w->announced || w->asking ||
		    (w->blacklisted && (!w->read || w->policy.unplug == HANDSHAKE_UNPLUG_REFUSE));

	if (!full(w))
		return after.first == 0x10 && after.last == 0x1f ? NULL : "ports";
	return after.first == (wide ? 0x10 : 0x12) && after.last == 0x13 ? NULL : "ports";
}

static const char *check_log(struct watcher *w, const struct handshake_access *a,
			     const struct handshake_result *r)
{
	bool text = a->write && a->width == 1 && a->port == 0x12;
	bool hushed = full(w) && w->blacklisted && !w->read;

	w->text_in += text;
	w->waited_ms += r->wait_ms;
	if (!(r->actions & HANDSHAKE_LOG))
		return NULL;
	if (!text)
		return "log without text";
	if (hushed)
		return "log before the magic was read";
	if (r->line_n > HANDSHAKE_LINE_MAX || r->line[r->line_n] != '\0')
		return "line";
	w->text_out += r->line_n + !r->line_cut;
	w->text_lost += r->dropped;
	if (w->text_out + w->text_lost > w->text_in)
		return "text invented";
	if (w->text_out * 1000 > HANDSHAKE_LOG_BURST * UINT64_C(1000) +
					 (w->passed_ms + w->waited_ms) * HANDSHAKE_LOG_RATE)
		return "log budget";
	for (uint32_t i = 0; full(w) && i < r->line_n; i++)
		if (r->line[i] < 0x20 || r->line[i] > 0x7e)
			return "line not clean";
	return NULL;
}

static bool asks(const struct watcher *w)
{
	switch (w->policy.model) {
	case HANDSHAKE_FULL:
		return w->product != 0;
	case HANDSHAKE_TRADITIONAL:
		return w->product == 1 || w->product == 2 || w->product == 65535;
	default:
		return false;
	}
}

static const char *check_read(struct watcher *w, const struct handshake_access *a,
			      const struct handshake_result *r)
{
	uint64_t ones = (UINT64_C(1) << 8 * (a->width < 4 ? a->width : 4)) - 1;

	if (r->actions & (HANDSHAKE_ASK | HANDSHAKE_UNPLUG | HANDSHAKE_LOG))
		return "a read that acts";
	if (a->port == 0x10 && a->width == 2) {
		w->read = w->blacklisted;
		return r->value == (w->blacklisted ? 0xd249u : 0x49d2u) ? NULL : "magic";
	}
	if (a->port == 0x12 && a->width == 1)
		return r->value == 1 ? NULL : "version";
	if (a->port == 0x10 && a->width == 1 && !full(w))
		return r->value <= 1 ? NULL : "flags";
	return r->value == ones ? NULL : "stray read";
}

static const char *check_write(struct watcher *w, const struct handshake_access *a,
			       const struct handshake_result *r)
{
	bool build = a->port == 0x10 && a->width == 4;
	bool unplug = a->port == 0x10 && a->width == 2;
	bool refuse = full(w) && w->blacklisted && w->policy.unplug == HANDSHAKE_UNPLUG_REFUSE;

	if (!!(r->actions & HANDSHAKE_ASK) != (build && asks(w)))
		return "ask";
	if (!!(r->actions & HANDSHAKE_UNPLUG) != unplug)
		return "unplug";
	if (unplug && (r->unplug != (uint16_t)a->value || r->refused != refuse))
		return "unplug";
	if (a->port == 0x12 && a->width == 2) {
		w->product = (uint16_t)a->value;
		w->announced = full(w) && w->product != 0;
	}
	if (!build)
		return NULL;
	w->builds++;
	if (w->product != 0)
		w->announced = false;
	if (!(r->actions & HANDSHAKE_ASK))
		return NULL;
	w->asking = true;
	w->asks++;
	return r->product == w->product && r->build == a->value && w->asks <= w->builds ? NULL
											: "ask";
}

const char *watcher_step(struct watcher *w, const struct handshake_access *a,
			 const struct handshake_result *r, struct handshake_ports after)
{
	const char *broken;

	if (w->started && a->now_ms > w->now)
		w->passed_ms += a->now_ms - w->now;
	w->started = true;
	w->now = a->now_ms;
	if (w->asking) /* nobody answered: not blacklisted */
		watcher_decide(w, false, after);
	broken = check_log(w, a, r);
	if (!broken)
		broken = a->write ? check_write(w, a, r) : check_read(w, a, r);
	return broken ? broken : check_ports(w, after);
}

const char *watcher_decide(struct watcher *w, bool blacklisted, struct handshake_ports after)
{
	if (!w->asking)
		return check_ports(w, after);
	w->asking = false;
	if (w->policy.model != HANDSHAKE_TRADITIONAL || !w->blacklisted) {
		w->blacklisted = blacklisted;
		w->read = false;
	}
	return check_ports(w, after);
}
