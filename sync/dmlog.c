/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines of device models into products and builds. Hides the formats, which of them belong
 * together, and that one syslog file holds the lines of many domains, interleaved.
 */
#include "sync/dmlog.h"

#include <inttypes.h>
#include <string.h>

#include "sync/lookup.h"

#define LINE_MAX_BYTES 1024 /* longer lines are none of ours */
#define STREAMS 64	    /* domains whose announcements are kept apart in one file */
#define STATE_HEAD "dmlog1"

/* One domain's conversation. */
struct stream {
	uint32_t domid;
	uint64_t used; /* when it spoke last, in lines */
	bool open;     /* a build waits for its verdict */
	bool late;     /* the verdict comes for sure, perhaps not in the next line (XenServer) */
	bool settled;  /* told without one, which may still be the next line */
	uint16_t product;
	uint32_t build;
};

struct dmlog {
	dmlog_found_fn *found;
	void *ctx;
	uint64_t lines;
	struct stream stream[STREAMS];
	size_t n_streams;
	char half[LINE_MAX_BYTES];
	size_t half_n;
	bool skipping; /* within a line that is too long */
};

struct dmlog *dmlog_new(dmlog_found_fn *found, void *ctx)
{
	struct dmlog *d = xcalloc(1, sizeof(*d));

	d->found = found;
	d->ctx = ctx;
	return d;
}

void dmlog_free(struct dmlog *d)
{
	free(d);
}

static void tell(struct dmlog *d, uint32_t domid, uint16_t product, uint32_t build,
		 enum sighting_verdict verdict)
{
	d->found(d->ctx, &(struct dmlog_found){ product, build, verdict, domid });
}

/* The open build of S is done with. */
static void close_build(struct dmlog *d, struct stream *s, enum sighting_verdict verdict)
{
	bool open = s->open;

	s->open = s->late = s->settled = false;
	if (open)
		tell(d, s->domid, s->product, s->build, verdict);
}

/* The device model says its verdict. */
static void decide(struct dmlog *d, struct stream *s, enum sighting_verdict verdict)
{
	s->open |= s->settled;
	close_build(d, s, verdict);
}

static enum sighting_verdict silence(const struct stream *s)
{
	return s->late ? SIGHTING_UNKNOWN : SIGHTING_ALLOWED;
}

/* The stream of DOMID; the one that was silent longest makes room. */
static struct stream *stream_of(struct dmlog *d, uint32_t domid)
{
	struct stream *s = d->stream;

	for (size_t i = 0; i < d->n_streams; i++) {
		if (d->stream[i].domid == domid) {
			d->stream[i].used = d->lines;
			return &d->stream[i];
		}
		if (d->stream[i].used < s->used)
			s = &d->stream[i];
	}
	if (d->n_streams < STREAMS)
		s = &d->stream[d->n_streams++];
	else
		close_build(d, s, SIGHTING_UNKNOWN);
	*s = (struct stream){ .domid = domid, .used = d->lines };
	return s;
}

/* ---- pieces of text ---- */

static bool eat(struct span *s, const char *prefix)
{
	size_t n = strlen(prefix);

	if (s->n < n || memcmp(s->p, prefix, n) != 0)
		return false;
	*s = span_of(s->p + n, s->n - n);
	return true;
}

static size_t digits(struct span s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

static bool eat_u32(struct span *s, uint32_t *ret)
{
	size_t n = digits(*s);

	if (!parse_u32(span_of(s->p, n), ret))
		return false;
	*s = span_of(s->p + n, s->n - n);
	return true;
}

/* A number as "%d" prints an uint32_t, or as an honest one would. */
static bool eat_build(struct span *s, uint32_t *ret)
{
	char text[16];
	size_t n = s->n > 0 && s->p[0] == '-';

	n += digits(span_of(s->p + n, s->n - n));
	if (n >= sizeof(text))
		return false;
	memcpy(text, s->p, n);
	text[n] = '\0';
	if (!lookup_leaf_parse(text, ret))
		return false;
	*s = span_of(s->p + n, s->n - n);
	return true;
}

static bool eat_product(struct span *s, uint16_t *ret)
{
	uint32_t v;

	if (!eat_u32(s, &v) || v > UINT16_MAX)
		return false;
	*ret = (uint16_t)v;
	return true;
}

static bool qmp_number(struct span text, const char *key, uint64_t max, uint64_t *ret)
{
	const char *p = memmem(text.p, text.n, key, strlen(key));
	struct span rest;

	if (!p)
		return false;
	rest = span_of(p + strlen(key), text.n - (size_t)(p - text.p) - strlen(key));
	rest = span_trim(rest);
	if (!eat(&rest, ":"))
		return false;
	rest = span_trim(rest);
	return parse_number(span_of(rest.p, digits(rest)), max, ret);
}

bool dmlog_qmp_numbers(struct span text, uint16_t *ret_product, uint32_t *ret_build)
{
	uint64_t product, build;

	if (!qmp_number(text, "\"product-num\"", UINT16_MAX, &product) ||
	    !qmp_number(text, "\"build-num\"", UINT32_MAX, &build))
		return false;
	*ret_product = (uint16_t)product;
	*ret_build = (uint32_t)build;
	return true;
}

/* ---- prefixes ---- */

/* PATTERN against the start of S: 'd' a digit, 'a' a letter, '_' a digit or space, else itself. */
static bool looks_like(struct span s, const char *pattern)
{
	size_t i;

	for (i = 0; pattern[i] && i < s.n; i++) {
		char c = s.p[i];
		bool digit = c >= '0' && c <= '9';

		if (pattern[i] == 'd'	? !digit
		    : pattern[i] == '_' ? !digit && c != ' '
		    : pattern[i] == 'a' ? !((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
					: c != pattern[i])
			return false;
	}
	return !pattern[i];
}

static bool eat_word(struct span *s)
{
	const char *space = memchr(s->p, ' ', s->n);

	if (!space)
		return false;
	*s = span_of(space + 1, s->n - (size_t)(space + 1 - s->p));
	return true;
}

/*
 * Takes off "[date time] " or a syslog head ("Jan 10 12:00:00 host tag: " or "2026-01-10T... host
 * tag: "). False for a syslog line of another program.
 */
static bool eat_prefix(struct span *s, uint32_t *ret_domid)
{
	*ret_domid = DMLOG_NO_DOMID;
	if (looks_like(*s, "[dddd-dd-dd dd:dd:dd] ")) {
		*s = span_of(s->p + 22, s->n - 22);
		return true;
	}
	if (looks_like(*s, "aaa _d dd:dd:dd "))
		*s = span_of(s->p + 16, s->n - 16);
	else if (!looks_like(*s, "dddd-dd-ddTdd:dd:dd") || !eat_word(s))
		return true;
	if (!eat_word(s) || !eat(s, "qemu-dm-") || !eat_u32(s, ret_domid) ||
	    *ret_domid >= DMLOG_DOMIDS)
		return false;
	if (eat(s, "[")) {
		*s = span_of(s->p + digits(*s), s->n - digits(*s));
		if (!eat(s, "]"))
			return false;
	}
	return eat(s, ": ");
}

/* ---- lines ---- */

static void announce(struct stream *s, uint16_t product, uint32_t build, bool late)
{
	s->product = product;
	if (product == 0)
		return; /* a build without a product is ignored by every device model */
	s->build = build;
	s->open = true;
	s->late = late;
}

/* What qemu-xen-traditional says. True when the line is one of its. */
static bool traditional_line(struct dmlog *d, uint32_t domid, struct span line)
{
	struct span s = line;
	struct stream *st;
	uint32_t build;
	uint16_t product;

	if (span_eq(s, "Citrix Windows PV drivers loaded in guest")) {
		product = 1;
	} else if (span_eq(s, "Guest claimed to be running PV product 0?")) {
		product = 0;
	} else if (eat(&s, "Unknown PV product ")) {
		if (!eat_product(&s, &product) || !span_eq(s, " loaded in guest"))
			return false;
	} else if (eat(&s, "PV driver build ")) {
		if (!eat_build(&s, &build) || s.n > 0)
			return false;
		st = stream_of(d, domid);
		close_build(d, st, SIGHTING_ALLOWED);
		announce(st, st->product, build, false);
		return true;
	} else if (span_eq(s, "Drivers are blacklisted!")) {
		decide(d, stream_of(d, domid), SIGHTING_BLACKLISTED);
		return true;
	} else if (eat(&s, "Drivers tried to set their version number (")) {
		product = 0;
	} else {
		return false;
	}
	st = stream_of(d, domid);
	close_build(d, st, SIGHTING_ALLOWED);
	st->product = product;
	return true;
}

/* What XenServer's qemu-xen-traditional says. */
static bool xenserver_line(struct dmlog *d, uint32_t domid, struct span line)
{
	struct span s = line;
	struct stream *st;
	uint16_t product;
	uint32_t build;

	if (!eat(&s, "UNPLUG: "))
		return false;
	if (span_eq(s, "drivers blacklisted")) {
		decide(d, stream_of(d, domid), SIGHTING_BLACKLISTED);
		return true;
	}
	if (span_eq(s, "drivers not blacklisted")) {
		decide(d, stream_of(d, domid), SIGHTING_ALLOWED);
		return true;
	}
	if (!eat(&s, "product_id: ") || !eat_product(&s, &product) || !eat(&s, " build_number: ") ||
	    !eat_build(&s, &build) || s.n > 0)
		return false;
	st = stream_of(d, domid);
	close_build(d, st, SIGHTING_UNKNOWN);
	announce(st, product, build, true);
	return true;
}

/* mini-os prints a failed lookup of the stub domain's device model: product, build and verdict. */
static bool stubdom_line(struct dmlog *d, uint32_t domid, struct span line)
{
	static const uint16_t known[] = { 1, 2, 0xffff };
	struct span node, rest, s = line;
	struct stream *st;
	uint32_t build;

	if (!eat(&s, "xs_read(/mh/driver-blacklist/") || !span_cut(s, "/", &node, &rest) ||
	    !eat_build(&rest, &build) ||
	    !(span_eq(rest, "): ENOENT") || span_eq(rest, "): EACCES")))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!span_eq(node, lookup_builtin_node(known[i])))
			continue;
		st = stream_of(d, domid);
		if (!st->open || st->product != known[i] || st->build != build) {
			close_build(d, st, SIGHTING_ALLOWED);
			announce(st, known[i], build, false);
		}
		close_build(d, st, SIGHTING_ALLOWED);
		return true;
	}
	return false;
}

static bool qmp_line(struct dmlog *d, uint32_t domid, struct span line)
{
	static const char event[] = "\"XEN_PLATFORM_PV_DRIVER_INFO\"";
	uint16_t product;
	uint32_t build;

	if (!memmem(line.p, line.n, event, sizeof(event) - 1) ||
	    !dmlog_qmp_numbers(line, &product, &build))
		return false;
	if (product != 0)
		tell(d, domid, product, build, SIGHTING_UNKNOWN);
	return true;
}

static void line_done(struct dmlog *d, struct span line)
{
	uint32_t domid;

	d->lines++;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (!eat_prefix(&line, &domid))
		return;
	if (traditional_line(d, domid, line) || xenserver_line(d, domid, line) ||
	    stubdom_line(d, domid, line) || qmp_line(d, domid, line))
		return;
	/* Silence is consent: qemu-xen-traditional says its verdict at once or not at all. */
	for (size_t i = 0; i < d->n_streams; i++)
		if (d->stream[i].domid == domid && !d->stream[i].late)
			close_build(d, &d->stream[i], SIGHTING_ALLOWED);
}

/* A piece of a line whose end has not come. */
static void keep_half(struct dmlog *d, const char *bytes, size_t n)
{
	if (d->skipping)
		return;
	if (n > sizeof(d->half) - d->half_n) {
		d->skipping = true;
		d->half_n = 0;
		return;
	}
	memcpy(d->half + d->half_n, bytes, n);
	d->half_n += n;
}

void dmlog_feed(struct dmlog *d, const char *bytes, size_t n)
{
	while (n > 0) {
		const char *end = memchr(bytes, '\n', n);
		size_t len = end ? (size_t)(end - bytes) : n;

		if (end && d->half_n == 0 && !d->skipping) {
			if (len <= LINE_MAX_BYTES)
				line_done(d, span_of(bytes, len));
			else
				d->lines++;
		} else {
			keep_half(d, bytes, len);
		}
		if (!end)
			return;
		if (d->half_n > 0)
			line_done(d, span_of(d->half, d->half_n));
		d->half_n = 0;
		d->skipping = false;
		bytes += len + 1;
		n -= len + 1;
	}
}

/* The streams in the order in which they spoke last. */
static void by_use(struct dmlog *d, struct stream *ret[static STREAMS])
{
	for (size_t n = 0; n < d->n_streams; n++) {
		size_t at = n;

		while (at > 0 && ret[at - 1]->used > d->stream[n].used) {
			ret[at] = ret[at - 1];
			at--;
		}
		ret[at] = &d->stream[n];
	}
}

void dmlog_end(struct dmlog *d)
{
	struct stream *order[STREAMS];

	if (d->half_n > 0)
		line_done(d, span_of(d->half, d->half_n));
	d->half_n = 0;
	d->skipping = false;
	by_use(d, order);
	for (size_t i = 0; i < d->n_streams; i++)
		close_build(d, order[i], silence(order[i]));
	d->n_streams = 0;
}

void dmlog_settle(struct dmlog *d)
{
	for (size_t i = 0; i < d->n_streams; i++) {
		struct stream *s = &d->stream[i];
		bool told = s->open || s->settled, late = s->late;

		close_build(d, s, silence(s));
		s->settled = told;
		s->late = late;
	}
}

size_t dmlog_half(const struct dmlog *d)
{
	return d->half_n;
}

/* "dmlog1 SKIPPING [DOMID:PRODUCT:BUILD:FLAGS ...]", streams in the order in which they spoke. */
char *dmlog_state(struct dmlog *d)
{
	struct stream *order[STREAMS];
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	by_use(d, order);
	fprintf(f, STATE_HEAD " %d", d->skipping);
	for (size_t n = 0; n < d->n_streams; n++) {
		const struct stream *s = order[n];

		fprintf(f, " %" PRIu32 ":%" PRIu16 ":%" PRIu32 ":%d", s->domid, s->product,
			s->build, s->open + 2 * s->late + 4 * s->settled);
	}
	fclose(f);
	return text;
}

static bool restore_stream(struct dmlog *d, struct span *s)
{
	struct stream *st = &d->stream[d->n_streams];
	uint32_t flags;

	if (d->n_streams == STREAMS)
		return false;
	*st = (struct stream){ .used = d->lines++ };
	if (!eat_u32(s, &st->domid) || !eat(s, ":") || !eat_product(s, &st->product) ||
	    !eat(s, ":") || !eat_u32(s, &st->build) || !eat(s, ":") || !eat_u32(s, &flags) ||
	    flags > 7)
		return false;
	st->open = flags & 1;
	st->late = flags & 2;
	st->settled = flags & 4;
	d->n_streams++;
	return true;
}

bool dmlog_restore(struct dmlog *d, const char *state)
{
	struct dmlog fresh = { .found = d->found, .ctx = d->ctx };
	struct span s = span_str(state);
	uint32_t skipping;

	if (!eat(&s, STATE_HEAD " ") || !eat_u32(&s, &skipping) || skipping > 1)
		return false;
	fresh.skipping = skipping;
	while (s.n > 0)
		if (!eat(&s, " ") || !restore_stream(&fresh, &s))
			return false;
	*d = fresh;
	return true;
}
