/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The port-0x10 handshake: its table row by row, real drivers, and hostile guests by the million. */
#include "tests/unit.h"

#include "device/handshake.h"
#include "registry/base.h"
#include "tests/guest-model.h"

static const struct handshake_policy full = { .model = HANDSHAKE_FULL };
static const struct handshake_policy full_refuse = { .model = HANDSHAKE_FULL,
						     .unplug = HANDSHAKE_UNPLUG_REFUSE };
static const struct handshake_policy full_delay = { .model = HANDSHAKE_FULL,
						    .throttle = HANDSHAKE_THROTTLE_DELAY };
static const struct handshake_policy traditional = { .model = HANDSHAKE_TRADITIONAL,
						     .throttle = HANDSHAKE_THROTTLE_DELAY };
static const struct handshake_policy qemu = { .model = HANDSHAKE_QEMU };

static const struct handshake_policy *const policies[] = { &full, &full_refuse, &full_delay,
							   &traditional, &qemu };

static struct handshake_result access_at(struct handshake *hs, uint64_t now, bool write,
					 uint32_t port, uint8_t width, uint32_t value)
{
	struct handshake_access a = {
		.port = port, .width = width, .write = write, .value = value, .now_ms = now
	};
	struct handshake_result r;

	handshake_step(hs, &a, &r);
	return r;
}

static struct handshake_result in(struct handshake *hs, uint32_t port, uint8_t width)
{
	return access_at(hs, 0, false, port, width, 0);
}

static struct handshake_result out(struct handshake *hs, uint32_t port, uint8_t width,
				   uint32_t value)
{
	return access_at(hs, 0, true, port, width, value);
}

/* Writes TEXT to the log port and returns the last result. */
static struct handshake_result say(struct handshake *hs, uint64_t now, const char *text)
{
	struct handshake_result r = { 0 };

	for (; *text; text++)
		r = access_at(hs, now, true, 0x12, 1, (uint8_t)*text);
	return r;
}

static void assert_ports(const struct handshake *hs, uint16_t first, uint16_t last)
{
	assert_int_equal(handshake_ports(hs).first, first);
	assert_int_equal(handshake_ports(hs).last, last);
}

/* What each single access of a fresh domain does, per model. */
static void port_table(void **state)
{
	enum { R, W };
	const unsigned pass = HANDSHAKE_PASS, unplug = HANDSHAKE_UNPLUG;
	const struct {
		uint32_t port;
		uint8_t width;
		bool write;
		uint32_t value; /* written */
		enum handshake_event event;
		uint32_t want[3]; /* FULL, TRADITIONAL, QEMU */
		unsigned actions[3];
	} cases[] = {
		{ 0x10, 2, R, 0, HANDSHAKE_EVENT_MAGIC, { 0x49d2, 0x49d2, 0x49d2 }, { pass } },
		{ 0x10, 1, R, 0, HANDSHAKE_EVENT_FLAGS, { 0xff, 0, 0 }, { pass } },
		{ 0x10, 1, W, 1, HANDSHAKE_EVENT_FLAGS, { 0 }, { pass } },
		{ 0x10, 4, R, 0, 0, { ~0u, ~0u, ~0u }, { 0 } },
		{ 0x10, 4, W, 1, HANDSHAKE_EVENT_BUILD_EARLY, { 0 }, { 0 } },
		{ 0x10, 2, W, 3, HANDSHAKE_EVENT_UNPLUG, { 0 }, { unplug | pass, unplug, unplug } },
		{ 0x11, 1, R, 0, 0, { 0xff, 0xff, 0xff }, { 0 } },
		{ 0x11, 1, W, 9, 0, { 0 }, { 0 } },
		{ 0x11, 2, R, 0, 0, { 0xffff, 0xffff, 0xffff }, { 0 } },
		{ 0x11, 2, W, 3, 0, { 0 }, { 0 } },
		{ 0x11, 4, R, 0, 0, { ~0u, ~0u, ~0u }, { pass } },
		{ 0x11, 4, W, 3, 0, { 0 }, { pass } },
		{ 0x12, 1, R, 0, HANDSHAKE_EVENT_VERSION, { 1, 1, 1 }, { 0 } },
		{ 0x12, 1, W, 'x', HANDSHAKE_EVENT_TEXT, { 0 }, { 0 } },
		{ 0x12, 2, R, 0, 0, { 0xffff, 0xffff, 0xffff }, { 0 } },
		{ 0x12, 2, W, 3, HANDSHAKE_EVENT_PRODUCT, { 0 }, { 0 } },
		{ 0x12, 4, R, 0, 0, { ~0u, ~0u, ~0u }, { pass } },
		{ 0x12, 4, W, 3, 0, { 0 }, { pass } },
		{ 0x13, 1, R, 0, 0, { 0xff, 0xff, 0xff }, { 0 } },
		{ 0x13, 1, W, 2, 0, { 0 }, { 0 } },
		{ 0x13, 2, R, 0, 0, { 0xffff, 0xffff, 0xffff }, { pass } },
		{ 0x14, 4, W, 1, 0, { 0 }, { pass } },
		{ 0x1f, 1, R, 0, 0, { 0xff, 0xff, 0xff }, { pass } },
		{ 0x1f, 2, R, 0, 0, { 0xffff, 0xffff, 0xffff }, { pass, pass, pass } },
		{ 0x20, 1, R, 0, 0, { 0xff, 0xff, 0xff }, { pass, pass, pass } },
		{ 0x0f, 2, W, 0, 0, { 0 }, { pass, pass, pass } },
		{ UINT32_MAX, 4, R, 0, 0, { ~0u, ~0u, ~0u }, { pass, pass, pass } },
		{ 0x10, 0, R, 0, 0, { 0 }, { 0 } },
		{ 0x10, 3, R, 0, 0, { 0xffffff, 0xffffff, 0xffffff }, { 0 } },
		{ 0x10, 8, W, 0, 0, { 0 }, { pass } },
		{ 0x10, 255, W, 0, 0, { 0 }, { pass, pass, pass } },
	};
	const struct handshake_policy *const models[] = { &full, &traditional, &qemu };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t m = 0; m < ARRAY_SIZE(models); m++) {
			struct handshake hs;
			struct handshake_result r;

			handshake_init(&hs, models[m]);
			r = access_at(&hs, 0, cases[i].write, cases[i].port, cases[i].width,
				      cases[i].value);
			assert_int_equal(r.event, cases[i].event);
			assert_int_equal(r.value, cases[i].want[m]);
			assert_int_equal(r.actions, cases[i].actions[m]);
			assert_true(handshake_valid(&hs));
		}
	}
}

static void an_allowed_driver(void **state)
{
	struct handshake hs;
	struct handshake_result r;

	(void)state;
	handshake_init(&hs, &full);
	assert_ports(&hs, 0x12, 0x13);
	out(&hs, 0x12, 2, 0x1234cafe); /* bits beyond the width do not count */
	assert_ports(&hs, 0x10, 0x13);
	r = out(&hs, 0x10, 4, 0xfffffffe);
	assert_int_equal(r.actions, HANDSHAKE_ASK);
	assert_int_equal(r.product, 0xcafe);
	assert_int_equal(r.build, 0xfffffffe);
	handshake_decide(&hs, false);
	assert_ports(&hs, 0x12, 0x13);
	handshake_decide(&hs, true); /* nothing is asked any more */
	assert_false(hs.blacklisted);
	assert_int_equal(in(&hs, 0x10, 2).value, HANDSHAKE_MAGIC);
}

static void a_blacklisted_driver(void **state)
{
	struct handshake hs;
	struct handshake_result r;

	(void)state;
	handshake_init(&hs, &full);
	out(&hs, 0x12, 2, 3);
	assert_int_equal(in(&hs, 0x10, 2).value, HANDSHAKE_MAGIC);
	assert_int_equal(out(&hs, 0x10, 4, 1).actions, HANDSHAKE_ASK);
	handshake_decide(&hs, true);
	assert_ports(&hs, 0x10, 0x13);
	say(&hs, 0, "too early\n"); /* it has not looked at the magic yet */
	r = in(&hs, 0x10, 2);
	assert_int_equal(r.value, HANDSHAKE_MAGIC_BLACKLISTED);
	assert_int_equal(r.actions, 0);
	assert_ports(&hs, 0x12, 0x13);
	r = say(&hs, 0, "now it may\n");
	assert_int_equal(r.actions, HANDSHAKE_LOG);
	assert_string_equal(r.line, "now it may");
	assert_int_equal(r.dropped, strlen("too early\n"));
	/* Another vcpu's read that was under way when the ports were given back. */
	assert_int_equal(in(&hs, 0x10, 2).value, HANDSHAKE_MAGIC_BLACKLISTED);
	/* The handshake again, after a resume or by a better driver. */
	out(&hs, 0x12, 2, 3);
	assert_ports(&hs, 0x10, 0x13);
	out(&hs, 0x10, 4, 2);
	handshake_decide(&hs, false);
	assert_ports(&hs, 0x12, 0x13);
	assert_int_equal(in(&hs, 0x10, 2).value, HANDSHAKE_MAGIC);
}

static void unplug_when_blacklisted(void **state)
{
	static const struct {
		const struct handshake_policy *policy;
		bool refused;
		unsigned actions;
		uint16_t first; /* of the ports after the magic was read */
	} cases[] = {
		{ &full, false, HANDSHAKE_UNPLUG | HANDSHAKE_PASS, 0x12 },
		{ &full_refuse, true, HANDSHAKE_UNPLUG, 0x10 },
		{ &traditional, false, HANDSHAKE_UNPLUG, 0x10 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct handshake hs;
		struct handshake_result r;

		handshake_init(&hs, cases[i].policy);
		out(&hs, 0x12, 2, 1);
		assert_false(out(&hs, 0x10, 2, 7).refused);
		out(&hs, 0x10, 4, 7);
		handshake_decide(&hs, true);
		in(&hs, 0x10, 2);
		assert_int_equal(handshake_ports(&hs).first, cases[i].first);
		r = out(&hs, 0x10, 2, 0xfff7);
		assert_int_equal(r.actions, cases[i].actions);
		assert_int_equal(r.unplug, 0xfff7);
		assert_int_equal(r.refused, cases[i].refused);
	}
}

static void wrong_order(void **state)
{
	struct handshake hs;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		handshake_init(&hs, policies[i]);
		assert_int_equal(out(&hs, 0x10, 4, 5).event, HANDSHAKE_EVENT_BUILD_EARLY);
		out(&hs, 0x12, 2, 1);
		out(&hs, 0x12, 2, 0); /* takes it back */
		assert_int_equal(out(&hs, 0x10, 4, 5).actions, 0);
		assert_int_equal(handshake_ports(&hs).first,
				 policies[i]->model == HANDSHAKE_FULL ? 0x12 : 0x10);
	}
	/* The last product counts; a question that nobody answers is a no. */
	handshake_init(&hs, &full);
	out(&hs, 0x12, 2, 1);
	out(&hs, 0x12, 2, 2);
	assert_int_equal(out(&hs, 0x10, 4, 5).product, 2);
	assert_int_equal(in(&hs, 0x10, 2).value, HANDSHAKE_MAGIC);
	assert_ports(&hs, 0x12, 0x13);
	handshake_decide(&hs, true);
	assert_int_equal(in(&hs, 0x10, 2).value, HANDSHAKE_MAGIC);
}

static void models_that_know_less(void **state)
{
	static const struct {
		uint16_t product;
		bool asked;
	} cases[] = {
		{ 1, true },  { 2, true },    { 3, false },	 { 4, false },
		{ 5, false }, { 205, false }, { 0xfffe, false }, { 0xffff, true },
	};
	struct handshake hs;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		handshake_init(&hs, &traditional);
		out(&hs, 0x12, 2, cases[i].product);
		assert_int_equal(out(&hs, 0x10, 4, 5).actions, cases[i].asked ? HANDSHAKE_ASK : 0);
		handshake_decide(&hs, true);
		assert_int_equal(in(&hs, 0x10, 2).value, cases[i].asked ? 0xd249 : 0x49d2);
		/* Sticky: a later build that is allowed changes nothing. */
		out(&hs, 0x12, 2, 1);
		out(&hs, 0x10, 4, 6);
		handshake_decide(&hs, false);
		assert_int_equal(in(&hs, 0x10, 2).value, cases[i].asked ? 0xd249 : 0x49d2);
		handshake_init(&hs, &qemu);
		out(&hs, 0x12, 2, cases[i].product);
		assert_int_equal(out(&hs, 0x10, 4, 5).actions, 0);
		assert_int_equal(in(&hs, 0x10, 2).value, 0x49d2);
	}
}

static void flags_byte(void **state)
{
	struct handshake hs;

	(void)state;
	handshake_init(&hs, &traditional);
	out(&hs, 0x10, 1, 0xff);
	assert_int_equal(in(&hs, 0x10, 1).value, 1);
	out(&hs, 0x10, 1, 0xfe);
	assert_int_equal(in(&hs, 0x10, 1).value, 0);
}

static void guest_text(void **state)
{
	static const struct {
		const char *in, *full, *raw;
	} cases[] = {
		{ "plain\n", "plain", "plain" },
		{ "\n", "", "" },
		{ "dos\r\n", "dos", "dos\r" },
		{ "a\rb\tc\n", "a?b c", "a\rb\tc" },
		{ "\x1b[2J\x7f\x80\xff\n", "?[2J???", "\x1b[2J\x7f\x80\xff" },
	};
	struct handshake hs;
	struct handshake_result r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		handshake_init(&hs, &full);
		r = say(&hs, 0, cases[i].in);
		assert_int_equal(r.actions, HANDSHAKE_LOG);
		assert_string_equal(r.line, cases[i].full);
		assert_int_equal(r.line_n, strlen(cases[i].full));
		handshake_init(&hs, &traditional);
		r = say(&hs, 0, cases[i].in);
		assert_string_equal(r.line, cases[i].raw);
	}
	/* A NUL is a byte like others. */
	handshake_init(&hs, &full);
	out(&hs, 0x12, 1, 0);
	r = say(&hs, 0, "x\n");
	assert_string_equal(r.line, "?x");
	/* Text without an end. */
	say(&hs, 0, "last words");
	handshake_flush(&hs, 0, &r);
	assert_int_equal(r.actions, HANDSHAKE_LOG);
	assert_string_equal(r.line, "last words");
	handshake_flush(&hs, 0, &r);
	assert_int_equal(r.actions, 0);
}

static void long_lines(void **state)
{
	struct handshake hs;
	struct handshake_result r;

	(void)state;
	handshake_init(&hs, &full);
	for (int i = 1; i < HANDSHAKE_LINE_MAX; i++)
		assert_int_equal(say(&hs, 0, "a").actions, 0);
	r = say(&hs, 0, "b");
	assert_int_equal(r.actions, HANDSHAKE_LOG);
	assert_true(r.line_cut);
	assert_int_equal(r.line_n, HANDSHAKE_LINE_MAX);
	assert_int_equal(r.line[HANDSHAKE_LINE_MAX - 1], 'b');
	r = say(&hs, 0, "rest\n");
	assert_false(r.line_cut);
	assert_string_equal(r.line, "rest");
}

/* Writes lines of 64 bytes until the limiter refuses; returns how many got through. */
static unsigned lines_until_dry(struct handshake *hs, uint64_t now, uint32_t *ret_wait)
{
	char line[65];

	memset(line, 'x', 63);
	memcpy(line + 63, "\n", 2);
	for (unsigned n = 0;; n++) {
		struct handshake_result r = say(hs, now, line);

		assert_true(n <= HANDSHAKE_LOG_BURST / 64);
		if (r.actions & HANDSHAKE_THROTTLED) {
			*ret_wait = r.wait_ms;
			return n;
		}
		assert_int_equal(r.actions, HANDSHAKE_LOG);
	}
}

static void limiter_drops(void **state)
{
	struct handshake hs;
	struct handshake_result r;
	uint32_t wait;

	(void)state;
	handshake_init(&hs, &full);
	assert_int_equal(lines_until_dry(&hs, 1000, &wait), HANDSHAKE_LOG_BURST / 64);
	assert_int_equal(wait, 0);
	/* Empty lines cost too. */
	assert_int_equal(say(&hs, 1003, "\n").actions, HANDSHAKE_THROTTLED);
	/* 250 ms are 64 bytes; 65 of them were lost. */
	r = say(&hs, 1250, "0123456789\n");
	assert_int_equal(r.actions, HANDSHAKE_LOG);
	assert_int_equal(r.dropped, 65);
	assert_int_equal(say(&hs, 1250, "x\n").dropped, 0);
	/* Time that goes backwards brings nothing. */
	assert_int_equal(lines_until_dry(&hs, 1250, &wait), 0);
	assert_int_equal(lines_until_dry(&hs, 5, &wait), 0);
	/* It fills up again and not further. */
	assert_int_equal(lines_until_dry(&hs, UINT64_MAX, &wait), HANDSHAKE_LOG_BURST / 64);
}

static void limiter_delays(void **state)
{
	struct handshake hs;
	struct handshake_result r;
	uint32_t wait;

	(void)state;
	handshake_init(&hs, &full_delay);
	assert_int_equal(lines_until_dry(&hs, 0, &wait), HANDSHAKE_LOG_BURST / 64);
	assert_int_equal(wait, 250);
	/* Who does not wait loses the line. */
	assert_int_equal(say(&hs, 249, "x\n").actions, HANDSHAKE_THROTTLED);
	r = say(&hs, 500, "y\n");
	assert_int_equal(r.actions, HANDSHAKE_LOG);
	assert_int_equal(r.dropped, 2);
}

static void saved_state(void **state)
{
	struct handshake hs;

	(void)state;
	handshake_init(&hs, &full);
	assert_true(handshake_valid(&hs));
	hs.line_n = HANDSHAKE_LINE_MAX;
	assert_false(handshake_valid(&hs));
	handshake_init(&hs, &full);
	hs.answered = true;
	assert_false(handshake_valid(&hs));
	handshake_init(&hs, &full);
	hs.announced = true;
	assert_false(handshake_valid(&hs));
	handshake_init(&hs, &full);
	hs.level++;
	assert_false(handshake_valid(&hs));
	handshake_init(&hs, &full);
	hs.layout++;
	assert_false(handshake_valid(&hs));
	memset(&hs, 0xff, sizeof(hs));
	assert_false(handshake_valid(&hs));
	handshake_init(&hs, &full);
	memset(&hs.blacklisted, 2, 1);
	assert_false(handshake_valid(&hs));
}

/* A host: xenblacklistd's machine for the ports that it owns, a stock QEMU behind. */
struct host {
	struct handshake front, behind;
	struct watcher watcher;
	bool beside; /* FULL: QEMU is behind */
	bool blacklist;
	uint16_t unplugged; /* by QEMU */
};

static void host_init(struct host *h, const struct handshake_policy *policy, bool blacklist)
{
	memset(h, 0, sizeof(*h));
	handshake_init(&h->front, policy);
	handshake_init(&h->behind, &qemu);
	watcher_init(&h->watcher, policy);
	h->beside = policy->model == HANDSHAKE_FULL;
	h->blacklist = blacklist;
}

static void assert_kept(const char *broken)
{
	if (broken)
		fail_msg("broken: %s", broken);
}

/* As Xen does it: whole in the ports of the second server, or on to QEMU. */
static uint32_t host_access(struct host *h, const struct handshake_access *a)
{
	struct handshake_ports own = handshake_ports(&h->front);
	struct handshake_result r;

	if (h->beside && (a->port < own.first || a->port + a->width - 1 > own.last)) {
		handshake_step(&h->behind, a, &r);
		h->unplugged |= r.unplug;
		return r.value;
	}
	handshake_step(&h->front, a, &r);
	assert_kept(watcher_step(&h->watcher, a, &r, handshake_ports(&h->front)));
	if (r.actions & HANDSHAKE_ASK) {
		handshake_decide(&h->front, h->blacklist);
		assert_kept(watcher_decide(&h->watcher, h->blacklist, handshake_ports(&h->front)));
	}
	if (!h->beside)
		h->unplugged |= r.unplug;
	return r.value;
}

static void host_run(struct host *h, struct guest *g)
{
	struct handshake_access a;

	while (guest_next(g, &a))
		guest_answer(g, host_access(h, &a));
}

static void real_drivers(void **state)
{
	static const struct {
		enum guest_kind kind;
		bool told[4];	    /* full, refuse, traditional, qemu */
		uint16_t unplug[4]; /* what QEMU unplugs */
	} cases[] = {
		{ GUEST_LINUX, { true, true, false, false }, { 0, 0, 3, 3 } },
		{ GUEST_UNMODIFIED, { true, true, true, false }, { 0, 0, 0, 3 } },
		{ GUEST_WIN_XENBUS, { true, true, true, false }, { 3, 0, 3, 3 } },
		{ GUEST_GPLPV, { true, true, true, false }, { 0, 0, 0, 3 } },
		{ GUEST_VMDP, { true, true, false, false }, { 3, 0, 3, 3 } },
		{ GUEST_BSD, { 0 }, { 3, 3, 3, 3 } },
		{ GUEST_OSV, { 0 }, { 0xffff, 0xffff, 0xffff, 0xffff } },
		{ GUEST_JINY, { 0 }, { 0 } },
		{ GUEST_XENSERVER_7, { 0 }, { 0 } },
	};
	const struct handshake_policy *const models[] = { &full, &full_refuse, &traditional,
							  &qemu };
	struct host h;
	struct guest g;

	(void)state;
	assert_int_equal(ARRAY_SIZE(cases), GUEST_KINDS);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t m = 0; m < ARRAY_SIZE(models); m++) {
			host_init(&h, models[m], true);
			guest_init(&g, cases[i].kind);
			host_run(&h, &g);
			assert_int_equal(g.told, cases[i].told[m]);
			if (cases[i].kind == GUEST_XENSERVER_7)
				assert_true(g.gave_up);
			assert_int_equal(h.unplugged, cases[i].unplug[m]);
			/* Allowed: nobody notices that we are there. */
			host_init(&h, models[m], false);
			guest_init(&g, cases[i].kind);
			host_run(&h, &g);
			assert_false(g.told);
			assert_int_equal(h.unplugged, g.unplug);
		}
	}
}

/* xorshift64*: the same sequence everywhere. */
static uint64_t seed;

static uint32_t dice(uint32_t sides)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * UINT64_C(0x2545f4914f6cdd1d)) >> 32) % sides;
}

static uint64_t some_time_later(uint64_t now)
{
	switch (dice(64)) {
	case 0:
		return now + dice(100000);
	case 1:
		return now - (now < 1000 ? now : dice(1000));
	default:
		return now + dice(2);
	}
}

/* An access that no driver would make, mostly near those that they do. */
static void hostile_access(struct handshake_access *a)
{
	static const uint32_t values[] = { 0,	       1,	2,	    3,
					   0xffff,     0x10000, 0x7fffffff, 0x80000000,
					   0xffffffff, '\n',	'\r',	    0x1b };
	static const uint8_t widths[] = { 1, 1, 2, 2, 2, 4, 4, 0, 3, 8 };

	a->port = dice(8) ? 0x10 + dice(4) : dice(0x24);
	a->width = widths[dice(ARRAY_SIZE(widths))];
	a->write = dice(2);
	a->value = dice(2) ? values[dice(ARRAY_SIZE(values))] : dice(UINT32_MAX);
}

static void hostile_step(struct handshake *hs, struct watcher *w, struct handshake_access *a)
{
	struct handshake_result r;
	struct handshake before;

	hostile_access(a);
	a->now_ms = some_time_later(a->now_ms);
	if (dice(512) == 0) { /* saved and restored in between */
		before = *hs;
		memset(hs, 0x5a, sizeof(*hs));
		assert_true(handshake_valid(&before));
		*hs = before;
	}
	handshake_step(hs, a, &r);
	assert_kept(watcher_step(w, a, &r, handshake_ports(hs)));
	a->now_ms += r.wait_ms;
	if ((r.actions & HANDSHAKE_ASK) && dice(4)) {
		bool no = dice(2);

		handshake_decide(hs, no);
		assert_kept(watcher_decide(w, no, handshake_ports(hs)));
	}
}

static void hostile_guests(void **state)
{
	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(policies); p++) {
		for (uint64_t round = 1; round <= 40; round++) {
			struct handshake_access a = { 0 };
			struct handshake hs;
			struct watcher w;

			seed = round * 0x9e3779b97f4a7c15;
			handshake_init(&hs, policies[p]);
			watcher_init(&w, policies[p]);
			for (int i = 0; i < 20000; i++)
				hostile_step(&hs, &w, &a);
		}
	}
}

/* A flood of text at full speed: the watcher holds the budget to the byte. */
static void floods(void **state)
{
	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(policies); p++) {
		struct handshake_access a = { .port = 0x12, .width = 1, .write = true };
		struct handshake_result r;
		struct handshake hs;
		struct watcher w;

		seed = 42;
		handshake_init(&hs, policies[p]);
		watcher_init(&w, policies[p]);
		for (int i = 0; i < 1000000; i++) {
			a.value = dice(20) ? 'a' : '\n';
			a.now_ms += dice(100) == 0;
			handshake_step(&hs, &a, &r);
			assert_kept(watcher_step(&w, &a, &r, handshake_ports(&hs)));
			a.now_ms += r.wait_ms;
		}
		assert_true(w.text_out > HANDSHAKE_LOG_BURST);
	}
}

/*
 * One driver that announces something and others, on other vcpus, that do not, their accesses in
 * any order. It is told and allowed as if it were alone, except that 0xd249 is read once where the
 * ports go back after that: another vcpu may have been first.
 */
static void several_vcpus(void **state)
{
	(void)state;
	for (uint64_t round = 1; round <= 20000; round++) {
		struct guest g[4];
		struct host h;
		unsigned alive = ARRAY_SIZE(g);
		enum guest_kind lead;
		bool blacklist;

		seed = round * 0x9e3779b97f4a7c15;
		lead = dice(GUEST_KINDS);
		blacklist = dice(2);
		host_init(&h, dice(2) ? &full : &full_refuse, blacklist);
		guest_init(&g[0], lead);
		for (size_t i = 1; i < ARRAY_SIZE(g); i++)
			guest_init(&g[i], dice(2) ? GUEST_JINY : GUEST_XENSERVER_7);
		while (alive > 0) {
			struct guest *next = &g[dice(ARRAY_SIZE(g))];
			struct handshake_access a;

			if (guest_next(next, &a))
				guest_answer(next, host_access(&h, &a));
			alive = 0;
			for (size_t i = 0; i < ARRAY_SIZE(g); i++)
				alive += guest_next(&g[i], &a);
		}
		blacklist &= g[0].product != 0;
		assert_true(blacklist || !g[0].told);
		if (h.front.policy.unplug == HANDSHAKE_UNPLUG_REFUSE)
			assert_int_equal(g[0].told, blacklist);
		else if (blacklist)
			assert_true(h.watcher.read);
		else
			assert_int_equal(h.unplugged & 3, g[0].unplug & 3);
	}
}

/* Everything random at once: drivers of all kinds and a hostile vcpu beside them. */
static void a_crowd(void **state)
{
	(void)state;
	for (uint64_t round = 1; round <= 20000; round++) {
		struct handshake_access a = { 0 }, b;
		struct guest g[3];
		struct host h;

		seed = round * 0xd1342543de82ef95;
		host_init(&h, policies[dice(ARRAY_SIZE(policies))], dice(2));
		for (size_t i = 0; i < ARRAY_SIZE(g); i++)
			guest_init(&g[i], dice(GUEST_KINDS));
		for (int i = 0; i < 64; i++) {
			struct guest *next = &g[dice(ARRAY_SIZE(g))];

			a.now_ms = some_time_later(a.now_ms);
			if (dice(3) && guest_next(next, &b)) {
				b.now_ms = a.now_ms;
				guest_answer(next, host_access(&h, &b));
			} else {
				hostile_access(&a);
				host_access(&h, &a);
			}
			h.blacklist = dice(8) ? h.blacklist : !h.blacklist;
		}
	}
}

/* The watcher itself: every rule has something that breaks it. */
static void each_rule_can_break(void **state)
{
	static char text[] = "\x1b";
	static const struct handshake_ports narrow = { 0x12, 0x13 }, wide = { 0x10, 0x13 };
	const struct {
		const char *want;
		struct handshake_access a;
		struct handshake_result r;
		struct handshake_ports after;
		bool asked, blacklisted; /* before */
		uint64_t text_in;
	} cases[] = {
		{ "magic", { .port = 0x10, .width = 2 }, { .value = 0xd249 }, narrow, 0, 0, 0 },
		{ "magic", { .port = 0x10, .width = 2 }, { .value = 0x49d2 }, narrow, 0, 1, 0 },
		{ "version", { .port = 0x12, .width = 1 }, { .value = 0 }, narrow, 0, 0, 0 },
		{ "stray read", { .port = 0x11, .width = 2 }, { .value = 1 }, narrow, 0, 0, 0 },
		{ "a read that acts",
		  { .port = 0x10, .width = 4 },
		  { .value = ~0u, .actions = HANDSHAKE_ASK },
		  narrow,
		  0,
		  0,
		  0 },
		{ "ask",
		  { .port = 0x10, .width = 4, .write = true },
		  { .actions = HANDSHAKE_ASK },
		  narrow,
		  0,
		  0,
		  0 },
		{ "ask", { .port = 0x10, .width = 4, .write = true }, { 0 }, narrow, 1, 0, 0 },
		{ "ask",
		  { .port = 0x10, .width = 4, .write = true, .value = 9 },
		  { .actions = HANDSHAKE_ASK, .product = 7, .build = 8 },
		  wide,
		  1,
		  0,
		  0 },
		{ "unplug", { .port = 0x10, .width = 2, .write = true }, { 0 }, narrow, 0, 0, 0 },
		{ "unplug",
		  { .port = 0x10, .width = 2, .write = true },
		  { .actions = HANDSHAKE_UNPLUG, .refused = true },
		  narrow,
		  0,
		  0,
		  0 },
		{ "ports", { .port = 0x13, .width = 1, .write = true }, { 0 }, wide, 0, 0, 0 },
		{ "ports", { .port = 0x13, .width = 1, .write = true }, { 0 }, narrow, 0, 1, 0 },
		{ "log without text",
		  { .port = 0x13, .width = 1, .write = true },
		  { .actions = HANDSHAKE_LOG },
		  narrow,
		  0,
		  0,
		  0 },
		{ "log before the magic was read",
		  { .port = 0x12, .width = 1, .write = true },
		  { .actions = HANDSHAKE_LOG, .line = text },
		  narrow,
		  0,
		  1,
		  0 },
		{ "line",
		  { .port = 0x12, .width = 1, .write = true },
		  { .actions = HANDSHAKE_LOG, .line = text },
		  narrow,
		  0,
		  0,
		  9 },
		{ "line not clean",
		  { .port = 0x12, .width = 1, .write = true },
		  { .actions = HANDSHAKE_LOG, .line = text, .line_n = 1 },
		  narrow,
		  0,
		  0,
		  9 },
		{ "text invented",
		  { .port = 0x12, .width = 1, .write = true },
		  { .actions = HANDSHAKE_LOG, .line = text, .line_n = 1 },
		  narrow,
		  0,
		  0,
		  0 },
		{ "log budget",
		  { .port = 0x12, .width = 1, .write = true },
		  { .actions = HANDSHAKE_LOG, .line = text, .line_n = 1 },
		  narrow,
		  0,
		  0,
		  HANDSHAKE_LOG_BURST },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct watcher w;
		const char *got;

		watcher_init(&w, &full);
		w.product = cases[i].asked ? 7 : 0;
		w.blacklisted = cases[i].blacklisted;
		w.text_in = cases[i].text_in;
		if (w.text_in == HANDSHAKE_LOG_BURST)
			w.text_out = w.text_in - 1;
		got = watcher_step(&w, &cases[i].a, &cases[i].r, cases[i].after);
		assert_non_null(got);
		assert_string_equal(got, cases[i].want);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(port_table),
	cmocka_unit_test(an_allowed_driver),
	cmocka_unit_test(a_blacklisted_driver),
	cmocka_unit_test(unplug_when_blacklisted),
	cmocka_unit_test(wrong_order),
	cmocka_unit_test(models_that_know_less),
	cmocka_unit_test(flags_byte),
	cmocka_unit_test(guest_text),
	cmocka_unit_test(long_lines),
	cmocka_unit_test(limiter_drops),
	cmocka_unit_test(limiter_delays),
	cmocka_unit_test(saved_state),
	cmocka_unit_test(real_drivers),
	cmocka_unit_test(hostile_guests),
	cmocka_unit_test(floods),
	cmocka_unit_test(several_vcpus),
	cmocka_unit_test(a_crowd),
	cmocka_unit_test(each_rule_can_break),
};

UNIT_MAIN(tests)
