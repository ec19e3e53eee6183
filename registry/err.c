/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Error objects: fixed buffers, so that reporting a failure can itself not fail. Text that does
 * not fit is cut at the end; a wrap keeps its context and cuts the inner message.
 */
#include "registry/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct err *err, enum err_kind kind, enum refusal code, const char *fmt,
		 va_list ap) __attribute__((format(printf, 4, 0)));

static void fill(struct err *err, enum err_kind kind, enum refusal code, const char *fmt,
		 va_list ap)
{
	char msg[ERR_MSG_MAX];

	/* Formatted aside first: an argument may point into err->msg itself. */
	vsnprintf(msg, sizeof(msg), fmt, ap);
	err->kind = kind;
	err->refusal = code;
	memcpy(err->msg, msg, sizeof(msg));
}

int(err_set)(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, kind, REFUSAL_NONE, fmt, ap);
	va_end(ap);
	return -(int)kind;
}

int(err_refuse)(struct err *err, enum refusal code, const char *fmt, ...)
{
	enum err_kind kind = code == REFUSAL_LOCKED ? ERR_BUSY : ERR_REFUSED;
	va_list ap;

	va_start(ap, fmt);
	fill(err, kind, code, fmt, ap);
	va_end(ap);
	return -(int)kind;
}

int(err_wrap)(struct err *err, const char *fmt, ...)
{
	char msg[ERR_MSG_MAX];
	size_t used, inner = strlen(err->msg);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg) - 2, fmt, ap);
	va_end(ap);
	used = strlen(msg);
	memcpy(msg + used, ": ", 2);
	used += 2;
	if (inner > sizeof(msg) - 1 - used)
		inner = sizeof(msg) - 1 - used;
	memcpy(msg + used, err->msg, inner);
	msg[used + inner] = '\0';
	memcpy(err->msg, msg, sizeof(msg));
	return -(int)err->kind;
}

const char *refusal_name(enum refusal code)
{
	static const char *const names[] = {
		[REFUSAL_NONE] = "",
		[REFUSAL_BADSIG] = "BADSIG",
		[REFUSAL_THRESHOLD] = "THRESHOLD",
		[REFUSAL_ROLLBACK] = "ROLLBACK",
		[REFUSAL_SAMEVERSION] = "SAMEVERSION",
		[REFUSAL_EXPIRED] = "EXPIRED",
		[REFUSAL_FUTURE] = "FUTURE",
		[REFUSAL_TOOBIG] = "TOOBIG",
		[REFUSAL_REDIRECT] = "REDIRECT",
		[REFUSAL_SCHEMA] = "SCHEMA",
		[REFUSAL_CRITICAL] = "CRITICAL",
		[REFUSAL_TRIPWIRE] = "TRIPWIRE",
		[REFUSAL_IMPACT] = "IMPACT",
		[REFUSAL_UNPUBLISHABLE] = "UNPUBLISHABLE",
		[REFUSAL_BUDGET] = "BUDGET",
		[REFUSAL_STALE] = "STALE",
		[REFUSAL_LOCKED] = "LOCKED",
	};

	return names[code];
}
