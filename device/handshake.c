/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The port table of handshake.h as code. It hides who owns which port when, the line buffer and
 * the token bucket of the log channel. Needs no other file of this project.
 */
#include "handshake.h"

#include <string.h>

#define LAYOUT 1u
#define PORT_FIRST 0x10u
#define PORT_LAST 0x1fu
#define FULL_LAST 0x13u
#define MILLI 1000

static uint32_t all_ones(uint8_t width)
{
	return width >= 4 ? UINT32_MAX : (1u << (8 * width)) - 1;
}

void handshake_init(struct handshake *hs, const struct handshake_policy *policy)
{
	memset(hs, 0, sizeof(*hs));
	hs->layout = LAYOUT;
	hs->policy = *policy;
	hs->level = (int64_t)HANDSHAKE_LOG_BURST * MILLI;
}

/* FULL: port 0x10 is ours from the product until the driver knows the verdict. */
static bool owns_magic(const struct handshake *hs)
{
	if (hs->announced || hs->asked)
		return true;
	if (!hs->blacklisted)
		return false;
	return hs->policy.unplug == HANDSHAKE_UNPLUG_REFUSE || !hs->answered;
}

struct handshake_ports handshake_ports(const struct handshake *hs)
{
	if (hs->policy.model != HANDSHAKE_FULL)
		return (struct handshake_ports){ PORT_FIRST, PORT_LAST };
	return (struct handshake_ports){ owns_magic(hs) ? 0x10 : 0x12, FULL_LAST };
}

void handshake_decide(struct handshake *hs, bool blacklisted)
{
	if (!hs->asked)
		return;
	hs->asked = false;
	if (hs->policy.model == HANDSHAKE_TRADITIONAL && hs->blacklisted)
		return;
	hs->blacklisted = blacklisted;
	hs->answered = false;
}

static void refill(struct handshake *hs, uint64_t now_ms)
{
	const int64_t full = (int64_t)HANDSHAKE_LOG_BURST * MILLI;
	uint64_t passed = now_ms > hs->filled_ms ? now_ms - hs->filled_ms : 0;

	hs->filled_ms = now_ms;
	if (passed > (uint64_t)((full - hs->level) / HANDSHAKE_LOG_RATE))
		hs->level = full;
	else
		hs->level += (int64_t)passed * HANDSHAKE_LOG_RATE;
}

static void drop(struct handshake *hs, uint32_t n)
{
	hs->dropped = n > UINT32_MAX - hs->dropped ? UINT32_MAX : hs->dropped + n;
}

static void clean(struct handshake *hs, bool cut)
{
	if (!cut && hs->line_n > 0 && hs->line[hs->line_n - 1] == '\r')
		hs->line_n--;
	for (uint32_t i = 0; i < hs->line_n; i++) {
		char c = hs->line[i];

		if (c == '\t')
			hs->line[i] = ' ';
		else if (c < 0x20 || c > 0x7e)
			hs->line[i] = '?';
	}
}

/* The line is whole: it leaves through the limiter. COST is what the guest wrote for it. */
static void deliver(struct handshake *hs, uint32_t cost, bool cut, uint64_t now_ms,
		    struct handshake_result *ret)
{
	refill(hs, now_ms);
	if (hs->level < (int64_t)cost * MILLI) {
		ret->actions |= HANDSHAKE_THROTTLED;
		if (hs->policy.throttle == HANDSHAKE_THROTTLE_DROP || hs->level < 0) {
			drop(hs, cost);
			hs->line_n = 0;
			return;
		}
	}
	hs->level -= (int64_t)cost * MILLI;
	if (hs->level < 0)
		ret->wait_ms =
			(uint32_t)((-hs->level + HANDSHAKE_LOG_RATE - 1) / HANDSHAKE_LOG_RATE);
	if (hs->policy.model == HANDSHAKE_FULL)
		clean(hs, cut);
	hs->line[hs->line_n] = '\0';
	ret->actions |= HANDSHAKE_LOG;
	ret->line = hs->line;
	ret->line_n = hs->line_n;
	ret->line_cut = cut;
	ret->dropped = hs->dropped;
	hs->dropped = 0;
	hs->line_n = 0;
}

static void text_byte(struct handshake *hs, uint8_t byte, uint64_t now_ms,
		      struct handshake_result *ret)
{
	ret->event = HANDSHAKE_EVENT_TEXT;
	if (hs->policy.model == HANDSHAKE_FULL && hs->blacklisted && !hs->answered) {
		drop(hs, 1);
		return;
	}
	if (byte == '\n') {
		deliver(hs, hs->line_n + 1, false, now_ms, ret);
		return;
	}
	hs->line[hs->line_n++] = (char)byte;
	if (hs->line_n == HANDSHAKE_LINE_MAX)
		deliver(hs, hs->line_n, true, now_ms, ret);
}

void handshake_flush(struct handshake *hs, uint64_t now_ms, struct handshake_result *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (hs->line_n > 0)
		deliver(hs, hs->line_n, false, now_ms, ret);
}

static void product(struct handshake *hs, uint16_t number, struct handshake_result *ret)
{
	ret->event = HANDSHAKE_EVENT_PRODUCT;
	hs->product = number;
	if (hs->policy.model == HANDSHAKE_FULL)
		hs->announced = number != 0;
}

static bool asks(const struct handshake *hs)
{
	switch (hs->policy.model) {
	case HANDSHAKE_FULL:
		return true;
	case HANDSHAKE_TRADITIONAL:
		return hs->product == 1 || hs->product == 2 || hs->product == 0xffff;
	case HANDSHAKE_QEMU:
		break;
	}
	return false;
}

static void build(struct handshake *hs, uint32_t number, struct handshake_result *ret)
{
	if (hs->product == 0) {
		ret->event = HANDSHAKE_EVENT_BUILD_EARLY;
		return;
	}
	ret->event = HANDSHAKE_EVENT_BUILD;
	hs->announced = false;
	if (!asks(hs))
		return;
	hs->build = number;
	hs->asked = true;
	ret->actions |= HANDSHAKE_ASK;
	ret->product = hs->product;
	ret->build = number;
}

static void unplug(const struct handshake *hs, uint16_t mask, struct handshake_result *ret)
{
	ret->event = HANDSHAKE_EVENT_UNPLUG;
	ret->actions |= HANDSHAKE_UNPLUG;
	ret->unplug = mask;
	if (hs->policy.model != HANDSHAKE_FULL)
		return;
	if (hs->blacklisted && hs->policy.unplug == HANDSHAKE_UNPLUG_REFUSE)
		ret->refused = true;
	else
		ret->actions |= HANDSHAKE_PASS;
}

static void magic(struct handshake *hs, struct handshake_result *ret)
{
	ret->event = HANDSHAKE_EVENT_MAGIC;
	if (hs->policy.model == HANDSHAKE_FULL && !owns_magic(hs))
		ret->actions |= HANDSHAKE_PASS;
	ret->value = hs->blacklisted ? HANDSHAKE_MAGIC_BLACKLISTED : HANDSHAKE_MAGIC;
	hs->answered = hs->blacklisted;
}

static void flags(struct handshake *hs, const struct handshake_access *a,
		  struct handshake_result *ret)
{
	ret->event = HANDSHAKE_EVENT_FLAGS;
	if (hs->policy.model == HANDSHAKE_FULL)
		ret->actions |= HANDSHAKE_PASS;
	else if (a->write)
		hs->flags = a->value & 1;
	else
		ret->value = hs->flags;
}

void handshake_step(struct handshake *hs, const struct handshake_access *a,
		    struct handshake_result *ret)
{
	uint32_t last = hs->policy.model == HANDSHAKE_FULL ? FULL_LAST : PORT_LAST;

	handshake_decide(hs, false);
	memset(ret, 0, sizeof(*ret));
	if (!a->write)
		ret->value = all_ones(a->width);
	if (a->port < PORT_FIRST || a->port > last || a->width > last - a->port + 1) {
		ret->actions |= HANDSHAKE_PASS;
		return;
	}
	switch (a->port << 8 | (uint32_t)a->width << 4 | a->write) {
	case 0x1010:
	case 0x1011:
		flags(hs, a, ret);
		break;
	case 0x1020:
		magic(hs, ret);
		break;
	case 0x1021:
		unplug(hs, (uint16_t)a->value, ret);
		break;
	case 0x1041:
		build(hs, a->value, ret);
		break;
	case 0x1210:
		ret->event = HANDSHAKE_EVENT_VERSION;
		ret->value = HANDSHAKE_VERSION;
		break;
	case 0x1211:
		text_byte(hs, (uint8_t)a->value, a->now_ms, ret);
		break;
	case 0x1221:
		product(hs, (uint16_t)a->value, ret);
		break;
	default:
		break;
	}
}

/* A byte that a bool may hold; looked at as a byte, because any other is no value of the type. */
static bool is_bool(const bool *b)
{
	unsigned char byte;

	memcpy(&byte, b, 1);
	return byte <= 1;
}

bool handshake_valid(const struct handshake *hs)
{
	const struct handshake_policy *p = &hs->policy;

	/* An answer was given only to a blacklisted driver; a product in waiting is not 0. */
	return hs->layout == LAYOUT && is_bool(&hs->announced) && is_bool(&hs->asked) &&
	       is_bool(&hs->blacklisted) && is_bool(&hs->answered) &&
	       (unsigned)p->model <= HANDSHAKE_QEMU &&
	       (unsigned)p->unplug <= HANDSHAKE_UNPLUG_REFUSE &&
	       (unsigned)p->throttle <= HANDSHAKE_THROTTLE_DELAY &&
	       hs->line_n < HANDSHAKE_LINE_MAX && hs->flags <= 1 &&
	       hs->level <= (int64_t)HANDSHAKE_LOG_BURST * MILLI &&
	       hs->level >= -(int64_t)HANDSHAKE_LINE_MAX * MILLI &&
	       !(hs->answered && !hs->blacklisted) && !(hs->announced && hs->product == 0);
}
