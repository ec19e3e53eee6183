/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_BASE_H
#define REGISTRY_BASE_H

/*
 * The small things every module stands on: cleanup by attribute, allocation that aborts when
 * memory is out (all state lives in transactions, so a death loses nothing), borrowed spans,
 * the one gate through which text becomes numbers, and dates.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * CLEANUP(thing_free) struct thing *t = NULL;   frees t when it leaves the scope.
 * DEFINE_CLEANUP(struct thing *, thing_free) goes beside the declaration of thing_free(), which
 * has to take NULL. TAKE(t) hands the pointer over and leaves NULL behind.
 */
#define CLEANUP(fn) __attribute__((__cleanup__(fn##_cleanup)))
#define DEFINE_CLEANUP(type, fn)                 \
	static inline void fn##_cleanup(type *p) \
	{                                        \
		fn(*p);                          \
	}
#define TAKE(p)                             \
	__extension__({                     \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})

/* For any pointer that came from the malloc family. */
static inline void free_cleanup(void *p)
{
	free(*(void **)p);
}

static inline void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}
DEFINE_CLEANUP(int, close_fd)

static inline void close_file(FILE *f)
{
	if (f)
		fclose(f);
}
DEFINE_CLEANUP(FILE *, close_file)

/*
 * First of all in main(): standard streams that the caller closed must not become the descriptors
 * of a registry, a lock or a socket. They lead nowhere then; reading the first and writing the
 * second stay errors.
 */
void fill_standard_streams(void);

/* Never NULL: out of memory aborts the process. The caller frees. */
void *xcalloc(size_t n, size_t size);
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
void *xmemdup(const void *p, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *xvasprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

/*
 * Makes room for one more element in a growing array: GROW(v->item, v->n, v->cap); then
 * v->item[v->n++] = x. All three are lvalues; the array is freed with free().
 */
#define GROW(array, n, cap)                                                        \
	do {                                                                       \
		if ((n) == (cap)) {                                                \
			(cap) = (cap) ? 2 * (cap) : 8;                             \
			(array) = xreallocarray((array), (cap), sizeof(*(array))); \
		}                                                                  \
	} while (0)

/* A borrowed piece of text: not terminated, not owned, valid while its source is. */
struct span {
	const char *p;
	size_t n;
};

static inline struct span span_of(const char *p, size_t n)
{
	return (struct span){ p, n };
}
struct span span_str(const char *s);	      /* the whole string */
bool span_eq(struct span s, const char *str); /* byte for byte */
bool span_cut(struct span s, const char *sep, struct span *ret_left, struct span *ret_right);
struct span span_trim(struct span s); /* without spaces and tabs at the ends */

/*
 * Text to numbers. Strict: decimal digits only, no sign, no space, no leading zero, no overflow.
 * parse_number() also takes 0x and hexadecimal digits. *ret is untouched on failure.
 */
bool parse_u64(struct span s, uint64_t *ret);
bool parse_u32(struct span s, uint32_t *ret);
bool parse_u16(struct span s, uint16_t *ret);
bool parse_number(struct span s, uint64_t max, uint64_t *ret);

/* True for well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool utf8_valid(const char *p, size_t n);

/*
 * Bytes from outside made safe for a terminal or a log: control characters (C0, DEL, C1), invisible
 * and reordering ones, malformed UTF-8 and the backslash become \xNN. The caller frees.
 */
char *escape_bytes(const char *p, size_t n);
char *escape_text(const char *s);
/* Length of the control, invisible or reordering character at P, 0 when there is another. */
size_t hostile_char(const char *p, size_t n, uint32_t *ret);

/* Seconds since 1970 UTC. TIME_NONE stands for "no limit" / "never". */
#define TIME_NONE INT64_MIN
#define TIME_TEXT_MAX 32

/* "2026-11-20T00:00:00Z" for years 0000 to 9999; else, and for TIME_NONE, "". Returns buf. */
const char *time_text(int64_t t, char buf[static TIME_TEXT_MAX]);

/*
 * RFC 3339 date-time with Z or an offset, seconds precision (a fraction is dropped). Takes what
 * time_text() writes, and yields nothing that it could not write: no year but 0000 to 9999 in UTC.
 */
bool time_parse(struct span s, int64_t *ret);

/*
 * A DATE of the command line: "2026-12-31" (00:00:00Z), RFC 3339, or "+N" or "-N" with a unit s, m,
 * h, d or w counted from now.
 */
bool date_parse(struct span s, int64_t now, int64_t *ret);

/* The clock, read once by a program's main and passed down. */
int64_t time_now(void);

#endif
