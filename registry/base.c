/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Allocation that aborts, spans, strict numbers, dates and the escaping of foreign bytes.
 */
#include "registry/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

static void *must(void *p)
{
	if (!p) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return p;
}

void fill_standard_streams(void)
{
	for (;;) {
		int fd = open("/dev/null", O_RDWR | O_NOCTTY);
		int mode;

		if (fd < 0 || fd > STDERR_FILENO) {
			close_fd(fd);
			return;
		}
		mode = fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY;
		close(fd);
		if (open("/dev/null", mode | O_NOCTTY) != fd)
			return;
	}
}

void *xcalloc(size_t n, size_t size)
{
	return must(calloc(n ? n : 1, size ? size : 1));
}

void *xreallocarray(void *p, size_t n, size_t size)
{
	return must(reallocarray(p, n ? n : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return must(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	return must(strndup(s, n));
}

void *xmemdup(const void *p, size_t n)
{
	void *copy = must(malloc(n ? n : 1));

	if (n)
		memcpy(copy, p, n);
	return copy;
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s = NULL;
	int n = vasprintf(&s, fmt, ap);

	return must(n < 0 ? NULL : s);
}

char *xasprintf(const char *fmt, ...)
{
	char *s;
	va_list ap;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

struct span span_str(const char *s)
{
	return span_of(s, strlen(s));
}

bool span_eq(struct span s, const char *str)
{
	return s.n == strlen(str) && memcmp(s.p, str, s.n) == 0;
}

bool span_cut(struct span s, const char *sep, struct span *ret_left, struct span *ret_right)
{
	size_t n = strlen(sep);

	for (size_t i = 0; i + n <= s.n; i++) {
		if (memcmp(s.p + i, sep, n) != 0)
			continue;
		*ret_left = span_of(s.p, i);
		*ret_right = span_of(s.p + i + n, s.n - i - n);
		return true;
	}
	return false;
}

struct span span_trim(struct span s)
{
	while (s.n && (*s.p == ' ' || *s.p == '\t'))
		s = span_of(s.p + 1, s.n - 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool parse_digits(struct span s, unsigned base, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10u;
		else if (c >= 'A' && c <= 'F')
			digit = c - 'A' + 10u;
		else
			return false;
		if (digit >= base || value > (max - digit) / base)
			return false;
		value = value * base + digit;
		if (value > max)
			return false;
	}
	*ret = value;
	return true;
}

static bool parse_decimal(struct span s, uint64_t max, uint64_t *ret)
{
	if (s.n > 1 && s.p[0] == '0')
		return false;
	return parse_digits(s, 10, max, ret);
}

bool parse_u64(struct span s, uint64_t *ret)
{
	return parse_decimal(s, UINT64_MAX, ret);
}

bool parse_u32(struct span s, uint32_t *ret)
{
	uint64_t v;

	if (!parse_decimal(s, UINT32_MAX, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

bool parse_u16(struct span s, uint16_t *ret)
{
	uint64_t v;

	if (!parse_decimal(s, UINT16_MAX, &v))
		return false;
	*ret = (uint16_t)v;
	return true;
}

bool parse_number(struct span s, uint64_t max, uint64_t *ret)
{
	if (s.n > 2 && s.p[0] == '0' && (s.p[1] == 'x' || s.p[1] == 'X'))
		return parse_digits(span_of(s.p + 2, s.n - 2), 16, max, ret);
	return parse_decimal(s, max, ret);
}

/* Length of the well-formed UTF-8 sequence at p and its character, or 0. */
static size_t utf8_sequence(const unsigned char *p, size_t n, uint32_t *ret)
{
	size_t len;
	uint32_t c, least;

	*ret = p[0];
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
		c = p[0] & 0x1fu;
		least = 0x80;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		len = 3;
		c = p[0] & 0x0fu;
		least = 0x800;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		c = p[0] & 0x07u;
		least = 0x10000;
	} else {
		return 0;
	}
	if (n < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return len;
}

bool utf8_valid(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;
	uint32_t c;

	for (size_t i = 0; i < n;) {
		size_t len = utf8_sequence(u + i, n - i, &c);

		if (!len)
			return false;
		i += len;
	}
	return true;
}

/*
 * Characters that a terminal acts upon or that reorder what a reader sees: C0, DEL, C1, and the
 * bidirectional and invisible format characters (Unicode U+061C, U+200B-U+200F, U+2028-U+202E,
 * U+2060-U+206F, U+FEFF).
 */
static bool is_hostile(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

size_t hostile_char(const char *p, size_t n, uint32_t *ret)
{
	size_t len = utf8_sequence((const unsigned char *)p, n, ret);

	return len && is_hostile(*ret) ? len : 0;
}

char *escape_bytes(const char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *u = (const unsigned char *)p;
	char *out = xreallocarray(NULL, n * 4 + 1, 1);
	size_t used = 0;

	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t len = utf8_sequence(u + i, n - i, &c);
		size_t step = len ? len : 1;
		bool raw = len && c != '\\' && !is_hostile(c);

		for (size_t k = i; k < i + step; k++) {
			if (raw) {
				out[used++] = p[k];
				continue;
			}
			out[used++] = '\\';
			out[used++] = 'x';
			out[used++] = hex[u[k] >> 4];
			out[used++] = hex[u[k] & 15];
		}
		i += step;
	}
	out[used] = '\0';
	return out;
}

char *escape_text(const char *s)
{
	return escape_bytes(s, strlen(s));
}

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar, and back. */
static int64_t days_from_civil(int64_t y, unsigned m, unsigned d)
{
	int64_t era, yoe, doy, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * ((int64_t)m + (m > 2 ? -3 : 9)) + 2) / 5 + (int64_t)d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

/* RFC 3339 has four digits for a year: no other time could be written and read again. */
static bool is_writable(int64_t t)
{
	return t >= days_from_civil(0, 1, 1) * 86400 && t < days_from_civil(10000, 1, 1) * 86400;
}

const char *time_text(int64_t t, char buf[static TIME_TEXT_MAX])
{
	struct tm tm;
	time_t tt = (time_t)t;

	buf[0] = '\0';
	if (!is_writable(t) || !gmtime_r(&tt, &tm))
		return buf;
	/* strftime's year has as few digits as it needs. */
	snprintf(buf, TIME_TEXT_MAX, "%04u", (unsigned)(tm.tm_year + 1900) % 10000);
	strftime(buf + 4, TIME_TEXT_MAX - 4, "-%m-%dT%H:%M:%SZ", &tm);
	return buf;
}

static bool parse_fixed(const char *p, size_t n, unsigned *ret)
{
	unsigned v = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (unsigned)(p[i] - '0');
	}
	*ret = v;
	return true;
}

static bool parse_day(struct span s, int64_t *ret)
{
	static const unsigned char length[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned y, m, d, last;

	if (s.n < 10 || s.p[4] != '-' || s.p[7] != '-' || !parse_fixed(s.p, 4, &y) ||
	    !parse_fixed(s.p + 5, 2, &m) || !parse_fixed(s.p + 8, 2, &d) || m < 1 || m > 12)
		return false;
	last = length[m - 1];
	if (m == 2 && (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)))
		last = 29;
	if (d < 1 || d > last)
		return false;
	*ret = days_from_civil(y, m, d) * 86400;
	return true;
}

/* "Z" or "+hh:mm", to seconds east of UTC. */
static bool parse_offset(struct span s, int64_t *ret)
{
	unsigned h, m;

	if (s.n == 1 && (s.p[0] == 'Z' || s.p[0] == 'z')) {
		*ret = 0;
		return true;
	}
	if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' ||
	    !parse_fixed(s.p + 1, 2, &h) || !parse_fixed(s.p + 4, 2, &m) || h > 23 || m > 59)
		return false;
	*ret = ((int64_t)h * 60 + m) * 60;
	if (s.p[0] == '-')
		*ret = -*ret;
	return true;
}

bool time_parse(struct span s, int64_t *ret)
{
	unsigned h, m, sec;
	int64_t t, offset;
	size_t at = 19;

	if (s.n < 20 || !parse_day(s, &t) || (s.p[10] != 'T' && s.p[10] != 't') || s.p[13] != ':' ||
	    s.p[16] != ':' || !parse_fixed(s.p + 11, 2, &h) || !parse_fixed(s.p + 14, 2, &m) ||
	    !parse_fixed(s.p + 17, 2, &sec) || h > 23 || m > 59 || sec > 60)
		return false;
	if (s.p[at] == '.') {
		size_t first = ++at;

		while (at < s.n && s.p[at] >= '0' && s.p[at] <= '9')
			at++;
		if (at == first)
			return false;
	}
	if (!parse_offset(span_of(s.p + at, s.n - at), &offset))
		return false;
	t += ((int64_t)h * 60 + m) * 60 + sec - offset;
	if (!is_writable(t))
		return false;
	*ret = t;
	return true;
}

bool date_parse(struct span s, int64_t now, int64_t *ret)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };

	if (s.n >= 3 && (s.p[0] == '+' || s.p[0] == '-')) {
		int64_t t;
		uint32_t n;

		if (!parse_u32(span_of(s.p + 1, s.n - 2), &n) || n > 1000000)
			return false;
		for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
			if (s.p[s.n - 1] != units[i].unit)
				continue;
			t = now + (s.p[0] == '-' ? -1 : 1) * (int64_t)n * units[i].seconds;
			if (!is_writable(t))
				return false;
			*ret = t;
			return true;
		}
		return false;
	}
	if (s.n == 10)
		return parse_day(s, ret);
	return time_parse(s, ret);
}

int64_t time_now(void)
{
	return (int64_t)time(NULL);
}
