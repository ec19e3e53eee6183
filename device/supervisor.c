/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides the loop that waits for everybody and for nobody in particular, signals, the two helper
 * processes that may hang, and the order in which all of it begins and ends.
 */
#include "device/supervisor-impl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <inttypes.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <syslog.h>

#include "device/records.h"

#define HELPER_RESTART_MS 1000

static const char *const helper_name[HELPERS] = { "keeper", "registrar" };
static const char *const helper_comm[HELPERS] = { "xenblacklistd-k", "xenblacklistd-r" };

int64_t supervisor_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void supervisor_say(const struct supervisor *s, int priority, const char *fmt, ...)
{
	CLEANUP(free) char *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	line = xvasprintf(fmt, ap);
	va_end(ap);
	if (priority != LOG_DEBUG || s->o->verbose)
		s->o->say(priority, line);
}

/* ---- keeper and registrar ---- */

void supervisor_ask_keeper(const struct supervisor *s)
{
	const struct packet m = { .kind = PACKET_RELOAD };

	if (s->helper[KEEPER].sock >= 0)
		packet_send(s->helper[KEEPER].sock, &m, -1);
}

static int run_helper(const struct supervisor *s, enum helper_kind kind, int sock)
{
	struct keeper_options keeper = s->o->keeper;
	struct registrar_options registrar = s->o->registrar;
	const int keep[] = { sock }; /* not the lock: a successor waits for no xenstored */

	keeper.sock = registrar.sock = sock;
	prctl(PR_SET_NAME, helper_comm[kind]);
	jail_close_others(keep, ARRAY_SIZE(keep));
	return kind == KEEPER ? keeper_run(&keeper) : registrar_run(&registrar);
}

static void end_helper(struct helper *h)
{
	close_fd(h->sock);
	h->sock = -1;
	h->pid = 0;
	h->at = supervisor_now_ms() + HELPER_RESTART_MS;
}

static void start_helper(struct supervisor *s, enum helper_kind kind)
{
	struct helper *h = &s->helper[kind];
	int pair[2];

	packet_pair(pair);
	h->sock = pair[0];
	h->pid = fork();
	if (h->pid == 0)
		_exit(run_helper(s, kind, pair[1]));
	close(pair[1]);
	if (h->pid < 0) {
		supervisor_say(s, LOG_ERR, "cannot start the %s: %s", helper_name[kind],
			       strerror(errno));
		end_helper(h);
	}
}

static void bury_helper(struct supervisor *s, enum helper_kind kind, int status)
{
	end_helper(&s->helper[kind]);
	if (!s->stop)
		supervisor_say(s, LOG_ERR, "the %s ended (%s %d); starting it again",
			       helper_name[kind], WIFSIGNALED(status) ? "signal" : "status",
			       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void take_rules(struct supervisor *s, const struct packet *m, int fd)
{
	if (fd < 0) {
		supervisor_say(s, LOG_WARNING, "the blacklist cannot be read: %s",
			       s->rules >= 0	   ? "the last one stays in force"
			       : s->o->fail_closed ? "every driver counts as blacklisted"
						   : "every driver is allowed");
		return;
	}
	close_fd(s->rules);
	s->rules = fd;
	supervisor_say(s, LOG_INFO, "the blacklist has %" PRIu32 " builds and ranges", m->count);
	for (size_t i = 0; i < s->n; i++)
		s->domain[i]->rules_due = s->domain[i]->sock >= 0 && !s->domain[i]->leaving;
}

static void pass_rules(struct supervisor *s)
{
	const struct packet m = { .kind = PACKET_RULES };

	for (size_t i = 0; i < s->n; i++)
		if (s->domain[i]->rules_due && packet_send(s->domain[i]->sock, &m, s->rules))
			s->domain[i]->rules_due = false;
}

static void take_from_keeper(struct supervisor *s, const struct packet *m)
{
	if (m->kind == PACKET_DOMAIN)
		domain_take(s, m);
	else if (m->kind == PACKET_GONE)
		domains_look_after(s);
	else if (m->kind == PACKET_LISTED)
		s->listed = true;
}

static void listen_helper(struct supervisor *s, enum helper_kind kind)
{
	struct helper *h = &s->helper[kind];
	struct packet m;
	int fd, r;

	while ((r = packet_recv(h->sock, &m, &fd)) > 0) {
		if (m.kind == PACKET_RULES && kind == KEEPER) {
			take_rules(s, &m, fd);
			continue;
		}
		close_fd(fd);
		if (m.kind == PACKET_TALK) {
			CLEANUP(free) char *text = escape_text(m.text);

			supervisor_say(s, (int)(m.value & LOG_PRIMASK), "%s", text);
		} else if (kind == KEEPER) {
			take_from_keeper(s, &m);
		}
	}
	if (r < 0) {
		close(h->sock);
		h->sock = -1;
	}
}

/* ---- signals and the loop ---- */

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (enum helper_kind k = 0; k < HELPERS; k++)
			if (s->helper[k].pid == pid)
				bury_helper(s, k, status);
		for (size_t i = 0; i < s->n; i++)
			if (s->domain[i]->pid == pid) {
				s->domain[i]->pid = 0;
				if (s->domain[i]->sock >= 0)
					hear_child(s, s->domain[i], true);
				domain_bury(s, s->domain[i], status);
				break;
			}
	}
}

/* What an administrator asks for with SIGUSR1. */
static void tell_counts(const struct supervisor *s)
{
	size_t guarded = 0;

	for (size_t i = 0; i < s->n; i++)
		guarded += s->domain[i]->guarded && s->domain[i]->attached;
	supervisor_say(s, LOG_NOTICE, "%zu domains are guarded", guarded);
	for (enum verdict_kind v = 0; v < VERDICTS; v++)
		supervisor_say(s, LOG_NOTICE, "since the start: %" PRIu64 " handshakes: %s",
			       s->count.verdict[v], verdict_name(v));
	supervisor_say(s, LOG_NOTICE, "since the start: %" PRIu64 " handshakes were not reported",
		       s->count.unreported);
	supervisor_say(s, LOG_NOTICE,
		       "since the start: %" PRIu64 " bytes of guests' logs were dropped",
		       s->count.log_bytes);
	supervisor_say(s, LOG_NOTICE, "since the start: %" PRIu64 " sightings were lost",
		       s->count.sightings);
	supervisor_say(s, LOG_NOTICE,
		       "since the start: %" PRIu64 " processes of domains were replaced",
		       s->count.replaced);
}

static void take_signals(struct supervisor *s)
{
	struct signalfd_siginfo si;

	while (read(s->signals, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			s->stop = true;
		if (si.ssi_signo == SIGUSR1)
			tell_counts(s);
		if (si.ssi_signo == SIGHUP) {
			const struct packet m = { .kind = PACKET_RELOAD };

			for (size_t i = 0; i < s->n; i++) {
				close_fd(s->domain[i]->log);
				s->domain[i]->log = -1;
			}
			for (size_t i = 0; i < HELPERS; i++)
				if (s->helper[i].sock >= 0)
					packet_send(s->helper[i].sock, &m, -1);
		}
	}
	reap(s);
}

/* A guest takes up to three descriptors, and what is usual for one process does for 340 guests. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int open_signals(struct err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd >= 0 ? fd : err_set(err, ERR_INTERNAL, "signalfd: %s", strerror(errno));
}

static bool everyone_attached(const struct supervisor *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->domain[i]->guarded && !s->domain[i]->attached && !s->domain[i]->leaving)
			return false;
	return true;
}

static void wait_for_something(struct supervisor *s)
{
	size_t n = 0, guests = s->n;
	struct pollfd *fds = xcalloc(guests + 1 + HELPERS, sizeof(*fds)), *guest_fds;
	bool helpless = false;
	uint16_t *domid = xcalloc(guests + 1, sizeof(*domid));

	fds[n++] = (struct pollfd){ .fd = s->signals, .events = POLLIN };
	for (size_t i = 0; i < HELPERS; i++) {
		fds[n++] = (struct pollfd){ .fd = s->helper[i].sock, .events = POLLIN };
		helpless |= s->helper[i].sock < 0;
	}
	guest_fds = fds + n;
	for (size_t i = 0; i < guests; i++) {
		domid[i] = s->domain[i]->domid;
		fds[n++] = (struct pollfd){
			.fd = s->domain[i]->sock,
			.events = (short)((hear_allowed(s->domain[i]) ? POLLIN : 0) |
					  (s->domain[i]->rules_due ? POLLOUT : 0)),
		};
	}
	poll(fds, n, helpless ? HELPER_RESTART_MS / 4 : SUPERVISOR_LOOK_MS);
	if (fds[0].revents)
		take_signals(s);
	for (enum helper_kind k = 0; k < HELPERS; k++)
		if (fds[k + 1].revents && s->helper[k].sock == fds[k + 1].fd)
			listen_helper(s, k);
	for (size_t i = 0; i < guests; i++) {
		struct domain *d = domain_find(s, domid[i]);

		if (d && d->sock >= 0 && d->sock == guest_fds[i].fd &&
		    (guest_fds[i].revents & (POLLIN | POLLHUP | POLLERR)))
			hear_child(s, d, guest_fds[i].revents & POLLHUP);
	}
	free(fds);
	free(domid);
}

/* Ends everything in order; what does not end in time is killed and its ports taken away. */
static void leave(struct supervisor *s)
{
	int64_t end = supervisor_now_ms() + SUPERVISOR_LEAVE_MS;

	for (size_t i = 0; i < s->n; i++)
		domain_dismiss(s->domain[i]);
	for (size_t i = 0; i < HELPERS; i++) {
		close_fd(s->helper[i].sock);
		s->helper[i].sock = -1;
	}
	for (;;) {
		bool waiting = false;
		struct pollfd p = { .fd = s->signals, .events = POLLIN };

		for (size_t i = 0; i < HELPERS; i++)
			waiting |= s->helper[i].pid > 0;
		for (size_t i = 0; i < s->n; i++)
			waiting |= s->domain[i]->pid > 0;
		if (!waiting || supervisor_now_ms() >= end)
			break;
		poll(&p, 1, 50);
		take_signals(s);
	}
	for (size_t i = 0; i < HELPERS; i++)
		if (s->helper[i].pid > 0)
			kill(s->helper[i].pid, SIGKILL);
	while (s->n) {
		struct domain *d = s->domain[0];

		if (d->pid > 0) {
			kill(d->pid, SIGKILL);
			waitpid(d->pid, NULL, 0);
		}
		domain_unguard(s, d);
		domain_forget(s, d);
	}
}

static void destroy_leftover(void *ctx, const struct record *r)
{
	struct supervisor *s = ctx;

	supervisor_say(s, LOG_NOTICE, "destroying the server that was left behind in domain %u",
		       r->domid);
	domain_destroy_server(s, r->domid, r->server);
}

/* Told to stop, it stops when no domain waits any more for what an earlier one left behind. */
static int run(struct supervisor *s, struct err *err)
{
	int r = open_signals(err);

	if (r < 0)
		return r;
	s->signals = r;
	raise_descriptors();
	r = record_lock(s->o->run_dir, &s->lock, err);
	if (r == 0)
		r = ioreq_host_open(&s->host, err);
	if (r == 0)
		r = record_each(s->o->run_dir, destroy_leftover, s, err);
	if (r < 0)
		return r;
	while (!s->stop) {
		for (enum helper_kind k = 0; k < HELPERS; k++)
			if (!s->helper[k].pid && supervisor_now_ms() >= s->helper[k].at)
				start_helper(s, k);
		wait_for_something(s);
		domains_look_after(s);
		pass_rules(s);
		hear_tell_untold(s);
		if (s->listed && !s->ready && everyone_attached(s)) {
			s->ready = true;
			s->o->ready();
		}
	}
	leave(s);
	return 0;
}

int supervisor_run(const struct supervisor_options *o, struct err *err)
{
	struct supervisor s = { .o = o, .lock = -1, .signals = -1, .rules = -1 };
	int r;

	for (size_t i = 0; i < HELPERS; i++)
		s.helper[i].sock = -1;
	r = run(&s, err);
	close_fd(s.signals);
	close_fd(s.rules);
	ioreq_host_close(s.host);
	free(s.domain);
	close_fd(s.lock);
	return r;
}
