/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides that getopt and argp write to stderr and exit: when an object is wanted they write to memory
 * instead, and on the way out the first line of that becomes the object.
 */
#include "cli/mistake.h"

#include <stdarg.h>
#include <string.h>
#include <sysexits.h>

#include "cli/output.h"
#include "registry/base.h"

static struct {
	bool json; /* stands somewhere on the command line, also behind the mistake */
	const char *verb;
	FILE *stderr_real; /* NULL: nothing is caught */
	char *text;
	size_t size;
} talk = { .verb = "" };

static bool wants_json(int argc, char **argv)
{
	static const char json[] = "--json";

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		size_t n = strlen(argv[i]);

		if (n >= sizeof("--j") - 1 && strncmp(json, argv[i], n) == 0)
			return true;
	}
	return false;
}

int mistake_object(const char *verb, const char *message)
{
	const struct out_options o = { .json = true, .color = COLOR_NEVER };
	CLEANUP(out_free) struct out *out = NULL;
	struct err e = { 0 };
	bool pipe;

	if (!talk.json)
		return EX_USAGE;
	out = out_new(verb, &o);
	err_set(&e, ERR_USAGE, "%s", message);
	out_hush(out);
	out_fail(out, &e, EX_USAGE);
	if (out_finish(out, &pipe, &e) == 0)
		return EX_USAGE;
	if (!pipe)
		out_error(out, &e);
	return EX_IOERR;
}

static void catch (const char *verb)
{
	if (!talk.json)
		return;
	talk.verb = verb;
	talk.stderr_real = stderr;
	stderr = open_memstream(&talk.text, &talk.size);
	if (!stderr)
		abort();
}

/* What was caught goes where it belongs. The caller frees. */
static char *release(void)
{
	FILE *memory = stderr;

	if (!talk.stderr_real)
		return NULL;
	fclose(memory);
	stderr = TAKE(talk.stderr_real);
	fputs(talk.text, stderr);
	return TAKE(talk.text);
}

static void tell_caught(int status, void *unused)
{
	CLEANUP(free) char *text = release(), *message = NULL;
	struct span line, rest;

	(void)unused;
	if (!text || status != EX_USAGE)
		return;
	if (!span_cut(span_str(text), "\n", &line, &rest))
		line = span_str(text);
	if (line.n > 6 && strncmp(line.p, "Usage:", 6) == 0) {
		message = xstrdup("missing verb (see 'xenblacklist help')");
	} else {
		/* "xenblacklist VERB: " in front says what the object's verb says. */
		const char *colon = memmem(line.p, line.n, ": ", 2);

		if (colon)
			line = span_of(colon + 2, line.n - (size_t)(colon + 2 - line.p));
		message = xstrndup(line.p, line.n);
	}
	if (mistake_object(talk.verb, message) != EX_USAGE)
		_exit(EX_IOERR);
}

void mistake_start(int argc, char **argv)
{
	talk.json = wants_json(argc, argv);
	on_exit(tell_caught, NULL);
}

void mistake_parse(const struct argp *argp, int argc, char **argv, unsigned flags, int *ret_first,
		   const char *verb, void *input)
{
	catch (verb);
	argp_parse(argp, argc, argv, flags, ret_first, input);
	free(release());
}

int mistake_tell(const char *fmt, ...)
{
	CLEANUP(free) char *text = NULL, *safe = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	safe = escape_text(text);
	fprintf(stderr, "xenblacklist: %s\n", safe);
	return mistake_object("", text);
}
