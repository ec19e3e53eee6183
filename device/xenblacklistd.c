/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's command line: options, the background, the log, and telling whoever started it
 * that it is ready.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>

#include "device/supervisor.h"

#define DEFAULT_USER "xenblacklist"
#define FALLBACK_USER "nobody"

const char *argp_program_version = "xenblacklistd " PACKAGE_VERSION;

enum {
	OPT_REGISTRY = 0x100,
	OPT_CONFIG,
	OPT_FAIL,
	OPT_UNPLUG,
	OPT_USER,
	OPT_RUN_DIR,
	OPT_GUEST_LOGS,
	OPT_NO_HEAL,
};

static const struct argp_option options[] = {
	{ "foreground", 'f', NULL, 0, "stay in the foreground and log to standard error", 0 },
	{ "registry", OPT_REGISTRY, "FILE", 0, "registry that nodes are healed from", 0 },
	{ "config", OPT_CONFIG, "FILE", 0, "configuration file", 0 },
	{ "fail", OPT_FAIL, "open|closed", 0,
	  "whether a driver that nothing is known about is allowed (open, default) or blacklisted",
	  0 },
	{ "unplug", OPT_UNPLUG, "traditional|refuse", 0,
	  "whether a blacklisted driver may unplug all the same (traditional, default)", 0 },
	{ "user", OPT_USER, "NAME", 0,
	  "user of the domains' processes (default " DEFAULT_USER ", else " FALLBACK_USER ")", 0 },
	{ "run-directory", OPT_RUN_DIR, "DIR", 0, "where servers are remembered", 0 },
	{ "guest-logs", OPT_GUEST_LOGS, "DIR", 0, "a log file for each guest, not syslog", 0 },
	{ "no-heal", OPT_NO_HEAL, NULL, 0, "never write to xenstore", 0 },
	{ "verbose", 'v', NULL, 0, "log more", 0 },
	{ 0 },
};

struct arguments {
	struct supervisor_options o;
	const char *user;
	bool foreground;
};

static bool arg_foreground;
static int ready_pipe = -1;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'f':
		a->foreground = true;
		break;
	case 'v':
		a->o.verbose = true;
		break;
	case OPT_REGISTRY:
		a->o.registrar.registry = arg;
		break;
	case OPT_CONFIG:
		a->o.registrar.config = arg;
		break;
	case OPT_FAIL:
		if (strcmp(arg, "open") != 0 && strcmp(arg, "closed") != 0)
			argp_error(state, "--fail is open or closed, not '%s'", arg);
		a->o.fail_closed = strcmp(arg, "closed") == 0;
		break;
	case OPT_UNPLUG:
		if (strcmp(arg, "traditional") != 0 && strcmp(arg, "refuse") != 0)
			argp_error(state, "--unplug is traditional or refuse, not '%s'", arg);
		a->o.policy.unplug = strcmp(arg, "refuse") == 0 ? HANDSHAKE_UNPLUG_REFUSE
								: HANDSHAKE_UNPLUG_AS_TRADITIONAL;
		break;
	case OPT_USER:
		a->user = arg;
		break;
	case OPT_RUN_DIR:
		a->o.run_dir = arg;
		break;
	case OPT_GUEST_LOGS:
		a->o.guest_logs = arg;
		break;
	case OPT_NO_HEAL:
		a->o.keeper.heal = a->o.registrar.heal = false;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void say(int priority, const char *line)
{
	if (arg_foreground)
		fprintf(stderr, "xenblacklistd: %s\n", line);
	else
		syslog(priority, "%s", line);
}

/* The readiness protocol of sd_notify(3): one datagram. */
static void notify_manager(void)
{
	static const char text[] = "READY=1";
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (n < 2 || n >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, sizeof(text) - 1, MSG_NOSIGNAL, (struct sockaddr *)&to,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		say(LOG_WARNING, "cannot tell the service manager that all is ready");
	close(fd);
}

/* To the parent that waits in await(): the exit status, and with a failure what it was. */
static void tell_parent(int status, const char *why)
{
	CLEANUP(free) char *text = xasprintf("%c%s", status, why);

	if (ready_pipe < 0)
		return;
	if (write(ready_pipe, text, 1 + strlen(why)) < 0)
		syslog(LOG_WARNING, "whoever started this does not wait any more");
	close_fd(ready_pipe);
	ready_pipe = -1;
}

static void ready(void)
{
	say(LOG_INFO, "ready");
	notify_manager();
	tell_parent(0, "");
}

/* In the parent: the daemon's exit status, 0 as soon as it is ready. */
static int await(int fd)
{
	char text[1 + sizeof(((struct err *)NULL)->msg)] = { 70 };
	size_t n = 0;
	ssize_t r;

	do {
		r = read(fd, text + n, sizeof(text) - 1 - n);
		n += r > 0 ? (size_t)r : 0;
	} while ((r > 0 && text[0]) || (r < 0 && errno == EINTR));
	if (text[0])
		fprintf(stderr, "xenblacklistd: %s\n",
			n > 1 ? text + 1 : "ended before it was ready; see the log");
	return text[0];
}

/* The background has another working directory. */
static const char *absolute(const char *path)
{
	CLEANUP(free) char *here = NULL;

	if (!path || *path == '/')
		return path;
	here = getcwd(NULL, 0);
	return here ? xasprintf("%s/%s", here, path) : path; /* kept to the end */
}

/* Nothing of the caller's is kept: a pipe that stayed open would keep its reader waiting. */
static void go_to_background(void)
{
	int fds[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0 || null < 0) {
		fprintf(stderr, "xenblacklistd: cannot go to the background: %s\n",
			strerror(errno));
		exit(70);
	}
	pid = fork();
	if (pid < 0) {
		fprintf(stderr, "xenblacklistd: fork: %s\n", strerror(errno));
		exit(70);
	}
	if (pid > 0) {
		close(fds[1]);
		_exit(await(fds[0]));
	}
	ready_pipe = fds[1];
	setsid();
	if (chdir("/") < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		exit(70);
	jail_close_others(&ready_pipe, 1);
}

static int exit_status(enum err_kind kind)
{
	switch (kind) {
	case ERR_BUSY:
		return 75;
	case ERR_DENIED:
		return 77;
	case ERR_CONFIG:
		return 78;
	case ERR_CREATE:
		return 73;
	case ERR_IO:
		return 74;
	case ERR_UNREACHABLE:
		return 69;
	default:
		return 70;
	}
}

static int fail(const struct err *err)
{
	int status = exit_status(err->kind);

	fprintf(stderr, "xenblacklistd: %s\n", err->msg);
	if (!arg_foreground)
		syslog(LOG_ERR, "%s", err->msg);
	tell_parent(status, err->msg);
	return status;
}

static int find_user(const char *name, struct jail_user *ret, struct err *err)
{
	if (name)
		return jail_find_user(name, ret, err);
	if (jail_find_user(DEFAULT_USER, ret, err) == 0)
		return 0;
	return jail_find_user(FALLBACK_USER, ret, err);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Enforces Xen's driver blacklist for HVM guests whose device model does not look."
		       "\vSee xenblacklistd(8).",
	};
	const char *registry = getenv("XENBLACKLIST_REGISTRY");
	const char *config = getenv("XENBLACKLIST_CONFIG");
	struct arguments a = {
		.o = {
			.run_dir = "/run/xenblacklistd",
			.policy = { .model = HANDSHAKE_FULL },
			.keeper = { .heal = true },
			.registrar = {
				.registry = registry ? registry
						     : LOCALSTATEDIR "/lib/xenblacklist/registry.db",
				.config = config ? config
						 : SYSCONFDIR "/xenblacklist/xenblacklist.conf",
				.heal = true,
			},
			.say = say,
			.ready = ready,
		},
	};
	struct err err;

	fill_standard_streams();
	argv[0] = program_invocation_short_name;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	arg_foreground = a.foreground;
	if (find_user(a.user, &a.o.user, &err) < 0)
		return fail(&err);
	if (!a.foreground) {
		openlog("xenblacklistd", LOG_PID, LOG_DAEMON);
		a.o.run_dir = absolute(a.o.run_dir);
		a.o.guest_logs = absolute(a.o.guest_logs);
		a.o.registrar.registry = absolute(a.o.registrar.registry);
		a.o.registrar.config = absolute(a.o.registrar.config);
		go_to_background();
	}
	if (supervisor_run(&a.o, &err) < 0)
		return fail(&err);
	return 0;
}
