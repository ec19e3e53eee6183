/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From argv to a verb and from what it returns to an exit status. Knows the global options, the
 * order of precedence (options, environment, defaults) and the only table of exit statuses.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sysexits.h>

#include "cli/find.h"
#include "cli/mistake.h"
#include "cli/verb.h"
#include "cli/version.h"

#define DEFAULT_REGISTRY LOCALSTATEDIR "/lib/xenblacklist/registry.db"
#define DEFAULT_CONFIG SYSCONFDIR "/xenblacklist/xenblacklist.conf"

enum {
	OPT_REGISTRY = 0x1000,
	OPT_CONFIG,
	OPT_JSON,
	OPT_COLOR,
	OPT_LIST_VERBS,
};

struct globals {
	const char *registry, *config; /* NULL: not given */
	struct out_options out;
	struct err err; /* the first thing on the command line that cannot be taken */
};

/* One run with what verbs do not see. */
struct run {
	struct cli cli;
	struct globals globals;
	struct config *config;
	struct db *db;
	enum db_mode db_mode;
	struct actor actor;
	struct store *store;
	int first; /* index of the verb in argv */
};

static void flush_stdout(void)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return;
	if (errno != EPIPE)
		fprintf(stderr, "xenblacklist: cannot write to standard output: %s\n",
			errno ? strerror(errno) : "write error");
	_exit(EX_IOERR);
}

static int exit_status(const struct err *err)
{
	static const int status[] = {
		[ERR_USAGE] = EX_USAGE,	      [ERR_INVALID] = EX_DATAERR,
		[ERR_REFUSED] = EX_DATAERR,   [ERR_NOT_FOUND] = EX_NOINPUT,
		[ERR_EXISTS] = EX_DATAERR,    [ERR_UNREACHABLE] = EX_UNAVAILABLE,
		[ERR_INTERNAL] = EX_SOFTWARE, [ERR_CREATE] = EX_CANTCREAT,
		[ERR_IO] = EX_IOERR,	      [ERR_BUSY] = EX_TEMPFAIL,
		[ERR_DENIED] = EX_NOPERM,     [ERR_CONFIG] = EX_CONFIG,
	};

	return err->kind && err->kind < ARRAY_SIZE(status) ? status[err->kind] : EX_SOFTWARE;
}

/* ---- what verbs need ---- */

static int open_config(struct run *run, struct err *err)
{
	const char *path = run->globals.config;
	int r;

	if (!path)
		path = getenv("XENBLACKLIST_CONFIG");
	r = config_load(path && *path ? path : DEFAULT_CONFIG, path && *path, &run->config, err);
	if (r < 0)
		return r;
	run->cli.config = run->config;
	out_detail(run->cli.out, "configuration '%s'", path && *path ? path : DEFAULT_CONFIG);
	return 0;
}

static int open_db(struct run *run, enum db_mode mode, struct err *err)
{
	const char *path = run->globals.registry;
	int r;

	if (run->db && run->db_mode >= mode)
		return 0;
	run->cli.db = NULL;
	db_close(TAKE(run->db));
	if (!path)
		path = getenv("XENBLACKLIST_REGISTRY");
	run->actor = (struct actor){ .verb = run->cli.verb->name, .reason = run->cli.reason };
	r = db_open(path && *path ? path : DEFAULT_REGISTRY, mode, &run->actor, run->cli.now,
		    &run->db, err);
	if (r < 0)
		return r;
	run->db_mode = mode;
	run->cli.db = run->db;
	out_detail(run->cli.out, "registry '%s'%s", db_path(run->db),
		   mode == DB_WRITE ? ", for writing" : "");
	return 0;
}

int cli_need(struct cli *cli, unsigned needs, struct err *err)
{
	struct run *run = (struct run *)cli;
	int r = 0;

	if (needs & NEED_CONFIG && !run->config)
		r = open_config(run, err);
	if (r == 0 && needs & (NEED_DB_READ | NEED_DB_WRITE))
		r = open_db(run, needs & NEED_DB_WRITE ? DB_WRITE : DB_READ, err);
	if (r == 0 && needs & NEED_STORE && !run->store) {
		r = store_open(&(struct store_options){ 0 }, &run->store, err);
		if (r < 0)
			return r;
		cli->store = run->store;
		out_detail(cli->out, "xenstore of '%s'", store_daemon(cli->store));
	}
	return r;
}

/* ---- help ---- */

static char *outer_help_filter(int key, const char *text, void *input)
{
	CLEANUP(free) char *list = NULL;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	list = find_list();
	return xasprintf("%s\n'xenblacklist help VERB' tells more about a verb.", list);
}

static void list_verbs(void)
{
	for (const struct verb *const *v = verbs; *v; v++)
		puts((*v)->name);
}

static void print_version(FILE *f, struct argp_state *state)
{
	(void)state;
	version_print(f);
}

/* ---- global options ---- */

static const struct argp_option global_options[] = {
	{ NULL, 0, NULL, 0, "Global options, before or after the verb:", -2 },
	{ "registry", OPT_REGISTRY, "FILE", 0, "The registry (default " DEFAULT_REGISTRY ")", -2 },
	{ "config", OPT_CONFIG, "FILE", 0, "The configuration (default " DEFAULT_CONFIG ")", -2 },
	{ "json", OPT_JSON, NULL, 0, "Print one JSON object", -2 },
	{ "quiet", 'q', NULL, 0, "Say nothing on stderr but errors", -2 },
	{ "verbose", 'v', NULL, 0, "Say more on stderr", -2 },
	{ "color", OPT_COLOR, "WHEN", 0, "auto (default), always or never", -2 },
	{ 0 },
};

/* Remembers what is wrong; the first mistake is the one to tell, and --help after it still helps. */
static __attribute__((format(printf, 2, 3))) void usage(struct globals *g, const char *fmt, ...)
{
	CLEANUP(free) char *text = NULL;
	va_list ap;

	if (g->err.kind)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	err_set(&g->err, ERR_USAGE, "%s", text);
}

static error_t parse_global(int key, char *arg, struct argp_state *state)
{
	static const char *const colors[] = {
		[COLOR_AUTO] = "auto",
		[COLOR_ALWAYS] = "always",
		[COLOR_NEVER] = "never",
	};
	struct globals *g = state->input;

	switch (key) {
	case OPT_REGISTRY:
	case OPT_CONFIG:
		if (!*arg)
			usage(g, "empty file name");
		*(key == OPT_REGISTRY ? &g->registry : &g->config) = arg;
		return 0;
	case OPT_JSON:
		g->out.json = true;
		return 0;
	case 'q':
		g->out.quiet = true;
		return 0;
	case 'v':
		g->out.verbose = true;
		return 0;
	case OPT_COLOR:
		for (size_t i = 0; i < ARRAY_SIZE(colors); i++) {
			if (strcmp(arg, colors[i]) == 0) {
				g->out.color = (enum out_color)i;
				return 0;
			}
		}
		usage(g, "bad value for '--color': '%.64s' is not auto, always or never", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp global_argp = { .options = global_options, .parser = parse_global };

/* ---- the outer call: global options up to the verb ---- */

static const struct argp_option outer_options[] = {
	{ "list-verbs", OPT_LIST_VERBS, NULL, 0, "Print the names of all verbs, one a line", -1 },
	{ 0 },
};

static error_t parse_outer(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &run->globals;
		return 0;
	case OPT_LIST_VERBS:
		list_verbs();
		exit(0);
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- the nested call: the verb's options and arguments, and global options again ---- */

static bool is_option_of(const struct verb *v, int key)
{
	for (const struct argp_option *o = v->options; o && (o->name || o->key || o->doc); o++)
		if (o->key == key && key)
			return true;
	return false;
}

static error_t parse_verb(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;
	struct cli *cli = &run->cli;
	const struct verb *v = cli->verb;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &run->globals;
		return 0;
	case ARGP_KEY_ARG:
		if (cli->n_args == v->max_args)
			usage(&run->globals, "too many arguments: '%.64s'", arg);
		else
			cli->arg[cli->n_args++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (cli->n_args < v->min_args)
			usage(&run->globals, "missing argument, expected %.*s",
			      (int)strcspn(v->args_doc, "\n"), v->args_doc);
		return 0;
	}
	if (!is_option_of(v, key))
		return ARGP_ERR_UNKNOWN;
	if (!run->globals.err.kind && v->option(cli, key, arg, &run->globals.err) < 0)
		run->globals.err.kind = ERR_USAGE;
	return 0;
}

static void parse_verb_line(struct run *run, int argc, char **argv)
{
	const struct verb *v = run->cli.verb;
	const struct argp_child children[] = { { .argp = &global_argp }, { 0 } };
	CLEANUP(free)
	char *doc = xasprintf("%c%s.%s%s", v->summary[0] & ~0x20, v->summary + 1,
			      v->help ? "\v" : "", v->help ? v->help : "");
	CLEANUP(free) char *name = xasprintf("xenblacklist %s", v->name);
	const struct argp argp = {
		.options = v->options,
		.parser = parse_verb,
		.args_doc = v->args_doc,
		.doc = doc,
		.children = children,
	};
	char *first = argv[0];

	argv[0] = name;
	mistake_parse(&argp, argc, argv, 0, NULL, v->name, run);
	argv[0] = first;
}

/* getopt prints an option that it does not know as it is: no bytes that a terminal acts upon. */
static bool options_are_text(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		CLEANUP(free) char *safe = NULL;
		size_t backslashes = 0;

		if (argv[i][0] != '-')
			continue;
		safe = escape_text(argv[i]);
		for (const char *c = argv[i]; *c; c++)
			backslashes += *c == '\\';
		if (strlen(safe) == strlen(argv[i]) + 3 * backslashes)
			continue;
		mistake_tell("control characters or malformed UTF-8 in option '%.64s'", argv[i]);
		return false;
	}
	return true;
}

/* ---- running it ---- */

static int run_verb(struct run *run)
{
	const struct verb *v = run->cli.verb;
	CLEANUP(out_free) struct out *out = out_new(v->name, &run->globals.out);
	struct err err = run->globals.err;
	bool pipe = false;
	int r = -(int)err.kind;

	run->cli.out = out;
	/* A file that is named has to be right, whether the verb wants it or not. */
	if (r == 0 && !(v->needs & NEED_NOTHING_YET))
		r = cli_need(&run->cli, v->needs | (run->globals.config ? NEED_CONFIG : 0), &err);
	if (r == 0)
		r = v->run(&run->cli, &err);
	store_close(TAKE(run->store));
	db_close(TAKE(run->db));
	config_free(TAKE(run->config));
	if (r < 0) {
		r = exit_status(&err);
		out_fail(out, &err, r);
	}
	if (out_finish(out, &pipe, &err) < 0) {
		if (!pipe)
			out_error(out, &err);
		return EX_IOERR;
	}
	return r;
}

int main(int argc, char **argv)
{
	const struct argp_child children[] = { { .argp = &global_argp }, { 0 } };
	const struct argp outer = {
		.options = outer_options,
		.parser = parse_outer,
		.args_doc = "VERB [ARGUMENT...]",
		.doc = "Keeps the registry of Xen PV driver products and blacklists their builds.\v",
		.children = children,
		.help_filter = outer_help_filter,
	};
	struct run run = { .cli = { .now = time_now() } };
	char **rest, *name[] = { "xenblacklist" };
	int words, n, status = 0;

	fill_standard_streams();
	signal(SIGPIPE, SIG_IGN);
	atexit(flush_stdout);
	argp_program_version_hook = print_version;
	argp_err_exit_status = EX_USAGE;
	if (argc < 1)
		argv = name, argc = 1;
	argv[0] = name[0];
	mistake_start(argc, argv); /* what it tells on the way out is flushed after it */
	if (!options_are_text(argc, argv))
		return EX_USAGE;
	mistake_parse(&outer, argc, argv, ARGP_IN_ORDER, &run.first, "", &run);
	rest = argv + run.first;
	n = argc - run.first;
	if (strcmp(rest[0], "help") == 0) {
		char *help[] = { name[0], (char *)"--help", NULL };

		if (n == 1)
			argp_parse(&outer, 2, help, 0, NULL, &run);
		rest++;
		n--;
		run.cli.verb = find_verb(n, rest, &words, &status);
		if (!run.cli.verb)
			return status;
		if (n > words)
			return mistake_tell("too many arguments: '%.64s'", rest[words]);
		parse_verb_line(&run, 2, help);
	}
	run.cli.verb = find_verb(n, rest, &words, &status);
	if (!run.cli.verb)
		return status;
	run.cli.args = xcalloc(1, run.cli.verb->args_size);
	run.cli.arg = xcalloc(run.cli.verb->max_args + 1, sizeof(*run.cli.arg));
	parse_verb_line(&run, n - words + 1, rest + words - 1);
	status = run_verb(&run);
	free(run.cli.args);
	free(run.cli.arg);
	return status;
}
