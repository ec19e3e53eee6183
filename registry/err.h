/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef REGISTRY_ERR_H
#define REGISTRY_ERR_H

/*
 * The one shape of failure. A fallible function takes a caller-owned struct err as its last
 * argument and returns 0 or -kind; the struct is untouched on success, and has nothing to free.
 * Only cli/ and xenblacklistd.c turn it into text on stderr and an exit status.
 */

/* What callers branch on. Each kind has one exit status (contract in xenblacklist(8)). */
enum err_kind {
	ERR_USAGE = 1,	 /* the command line itself is wrong                        64 */
	ERR_INVALID,	 /* data that cannot be taken: malformed, out of range      65 */
	ERR_REFUSED,	 /* well formed and refused, with a stable code             65 */
	ERR_NOT_FOUND,	 /* no such product, encoding, entry, file, xenstore node   66 */
	ERR_EXISTS,	 /* a name, number or id is taken                           65 */
	ERR_UNREACHABLE, /* xenstore or network: absent, hung, broken               69 */
	ERR_INTERNAL,	 /* a bug of ours                                           70 */
	ERR_CREATE,	 /* cannot create an output file or the registry            73 */
	ERR_IO,		 /* read, write or disk failed                              74 */
	ERR_BUSY,	 /* locked or transient: the same command may succeed later 75 */
	ERR_DENIED,	 /* not permitted                                           77 */
	ERR_CONFIG,	 /* the configuration or the trusted keys are wrong         78 */
};

/* Stable codes of ERR_REFUSED (and LOCKED of ERR_BUSY); printed in capitals, never renamed. */
enum refusal {
	REFUSAL_NONE,
	REFUSAL_BADSIG,
	REFUSAL_THRESHOLD,
	REFUSAL_ROLLBACK,
	REFUSAL_SAMEVERSION,
	REFUSAL_EXPIRED,
	REFUSAL_FUTURE,
	REFUSAL_TOOBIG,
	REFUSAL_REDIRECT,
	REFUSAL_SCHEMA,
	REFUSAL_CRITICAL,
	REFUSAL_TRIPWIRE,
	REFUSAL_IMPACT,
	REFUSAL_UNPUBLISHABLE,
	REFUSAL_BUDGET,
	REFUSAL_STALE,
	REFUSAL_LOCKED,
};

#define ERR_MSG_MAX 1024

struct err {
	enum err_kind kind;
	enum refusal refusal;
	char msg[ERR_MSG_MAX]; /* lower case, no full stop, subject in single quotes */
};

/* Fills err and returns -kind, so that a failure is one return statement. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_set(), kind ERR_REFUSED with the stable code (REFUSAL_LOCKED: kind ERR_BUSY). */
int err_refuse(struct err *err, enum refusal code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "CONTEXT: " before the message; kind and code stay. Returns -kind. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * The three return a negative number, and these lines tell it to compilers and analyzers, which
 * cannot see it from here: after a failure nobody looks at a result that was not set.
 */
static inline int err_negative(int r)
{
	return r < 0 ? r : -ERR_INTERNAL;
}
#define err_set(...) err_negative(err_set(__VA_ARGS__))
#define err_refuse(...) err_negative(err_refuse(__VA_ARGS__))
#define err_wrap(...) err_negative(err_wrap(__VA_ARGS__))

/* "BADSIG" and so on; "" for REFUSAL_NONE. Static storage. */
const char *refusal_name(enum refusal code);

#endif
