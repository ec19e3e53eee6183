/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How exceptions in force are told.
 */
#include "cli/exceptions.h"

#include <inttypes.h>

#define TOLD_MAX 4

char *exception_terms(const struct exception *x)
{
	char date[TIME_TEXT_MAX];

	if (x->expires == TIME_NONE)
		return xasprintf("owner %s, for ever", x->owner);
	return xasprintf("owner %s, until %s", x->owner, time_text(x->expires, date));
}

static bool in_force(const struct blacklist *b, const struct exception *x)
{
	return x->expires == TIME_NONE || x->expires > blacklist_now(b);
}

size_t exceptions_count(const struct blacklist *b)
{
	const struct exceptions *xs = blacklist_exceptions(b);
	size_t n = 0;

	for (size_t i = 0; i < xs->n; i++)
		n += in_force(b, xs->exception[i]);
	return n;
}

void exceptions_json(struct out *out, const struct blacklist *b)
{
	const struct exceptions *xs = blacklist_exceptions(b);

	out_list(out, "exceptions_in_force");
	for (size_t i = 0; i < xs->n; i++) {
		const struct exception *x = xs->exception[i];

		if (!in_force(b, x))
			continue;
		out_object(out, NULL);
		out_str(out, "id", x->id);
		out_str(out, "owner", x->owner);
		out_int(out, "product", x->product);
		out_str(out, "builds", x->builds);
		out_str(out, "reason", x->reason);
		out_time(out, "expires", x->expires);
		out_close(out);
	}
	out_close(out);
}

void exceptions_note(struct out *out, const struct blacklist *b)
{
	const struct exceptions *xs = blacklist_exceptions(b);

	out_list(out, "exceptions");
	for (size_t i = 0; i < xs->n; i++) {
		const struct exception *x = xs->exception[i];
		char date[TIME_TEXT_MAX];

		if (!in_force(b, x))
			continue;
		out_str(out, NULL, x->id);
		out_note(out, "exception '%s' of %s: product %" PRIu16 ", %s%s%s", x->id, x->owner,
			 x->product, x->builds, x->expires == TIME_NONE ? "" : ", until ",
			 time_text(x->expires, date));
	}
	out_close(out);
	exceptions_json(out, b);
}

char *exceptions_text(const struct blacklist *b)
{
	const struct exceptions *xs = blacklist_exceptions(b);
	size_t n = exceptions_count(b), told = 0;
	char *text = xasprintf("%zu", n);

	for (size_t i = 0; i < xs->n && told <= TOLD_MAX; i++) {
		const struct exception *x = xs->exception[i];
		CLEANUP(free) char *terms = exception_terms(x), *before = NULL;

		if (!in_force(b, x))
			continue;
		before = text;
		if (++told > TOLD_MAX)
			text = xasprintf("%s, and %zu more", before, n - TOLD_MAX);
		else
			text = xasprintf("%s%s '%s' (%s)", before, told == 1 ? ":" : ",", x->id,
					 terms);
	}
	return text;
}
