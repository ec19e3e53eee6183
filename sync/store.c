/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides how a xenstore is reached: where the daemon listens, which of the two ways (libxenstore,
 * wire protocol) serves which call, connections that break, and libxenstore's habit of waiting
 * for ever: its calls run in a thread that is left behind when its time is over.
 */
#include "sync/store-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <xenstore.h>

#define TIMEOUT_MS 10000
#define STUCK_MAX 16 /* threads left behind before no more are made */

/* ---- where -------------------------------------------------------------------------------------- */

static int connect_wire(struct store *s, struct wire **w, struct err *err)
{
	static const char *const devices[] = { "/dev/xen/xenbus", "/proc/xen/xenbus" };
	const char *env = getenv("XENSTORED_PATH"), *dir = getenv("XENSTORED_RUNDIR");
	CLEANUP(free) char *path = NULL;
	bool absent = false;
	int r;

	if (*w)
		return 0;
	path = env ? xstrdup(env) : xasprintf("%s/socket", dir ? dir : "/var/run/xenstored");
	r = wire_open(path, s->timeout_ms, w, &absent, err);
	for (size_t i = 0; !env && absent && i < ARRAY_SIZE(devices); i++) {
		if (access(devices[i], F_OK) == 0)
			return wire_open(devices[i], s->timeout_ms, w, NULL, err);
	}
	return r;
}

int store_ask(struct store *s, uint32_t tx, struct wire_request *req, size_t n, struct err *err)
{
	struct err e; /* ERR is untouched when the second chance is taken */

	if (tx)
		return wire_call(s->wire, req, n, err);
	for (bool used = s->wire;; used = false) {
		int r = connect_wire(s, &s->wire, &e);

		if (r == 0)
			r = wire_call(s->wire, req, n, &e);
		if (r == 0)
			return 0;
		wire_requests_clear(req, n);
		used = used && r == -ERR_UNREACHABLE && !wire_timed_out(s->wire);
		if (r == -ERR_UNREACHABLE)
			wire_close(TAKE(s->wire));
		if (!used) {
			*err = e;
			return r;
		}
	}
}

int store_answers(struct store *s, struct err *err)
{
	struct wire_request ping = { .type = XS_GET_PERMS, .path = "/" };
	int r = store_ask(s, 0, &ping, 1, err);

	wire_requests_clear(&ping, 1);
	return r;
}

static void unwatch(struct store *s)
{
	close_fd(s->watch_fd);
	s->watch_fd = -1;
	wire_close(TAKE(s->canary));
	if (s->watch)
		xs_close(TAKE(s->watch));
}

int store_open(const struct store_options *options, struct store **ret, struct err *err)
{
	CLEANUP(store_close) struct store *s = xcalloc(1, sizeof(*s));
	struct wire_request req = { .type = XS_READ, .path = "/tool/xenstored" };
	int r;

	s->watch_fd = -1;
	s->timeout_ms = options && options->timeout_ms ? options->timeout_ms : TIMEOUT_MS;
	r = store_ask(s, 0, &req, 1, err);
	if (r < 0)
		return r;
	if (req.error && req.error != ENOENT)
		s->daemon = xstrdup("unknown");
	else
		s->daemon = xstrdup(req.data && strstr(req.data, "oxenstored") ? "oxenstored"
									       : "xenstored");
	wire_requests_clear(&req, 1);
	*ret = TAKE(s);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	wire_close(s->wire);
	if (s->xs)
		xs_close(s->xs);
	unwatch(s);
	free(s->daemon);
	free(s);
}

const char *store_daemon(struct store *s)
{
	return s->daemon;
}

/* ---- libxenstore, bounded ------------------------------------------------------------------- */

enum job_kind { JOB_READ, JOB_WATCH, JOB_UNWATCH };
enum job_state { JOB_RUNS, JOB_DONE, JOB_ABANDONED };

struct job {
	enum job_kind what;
	struct xs_handle *xs; /* opened when NULL */
	char *path;
	char *value;
	unsigned value_n;
	int error;
	int done; /* an eventfd */
	atomic_int state;
};

static atomic_int stuck;

static void job_free(struct job *j)
{
	if (!j)
		return;
	close_fd(j->done);
	free(j->value);
	free(j->path);
	free(j);
}
DEFINE_CLEANUP(struct job *, job_free)

static void *job_run(void *arg)
{
	struct job *j = arg;
	int running = JOB_RUNS;

	if (!j->xs)
		j->xs = xs_open(0);
	if (j->xs && j->what == JOB_READ)
		j->value = xs_read(j->xs, XBT_NULL, j->path, &j->value_n);
	else if (j->xs && (j->what == JOB_WATCH ? xs_watch(j->xs, j->path, j->path)
						: xs_unwatch(j->xs, j->path, j->path)))
		j->value = xstrdup("");
	j->error = j->value ? 0 : errno;
	if (atomic_compare_exchange_strong(&j->state, &running, JOB_DONE)) {
		eventfd_write(j->done, 1);
		return NULL;
	}
	/* Nobody waits any more. */
	if (j->xs)
		xs_close(j->xs);
	job_free(j);
	atomic_fetch_sub(&stuck, 1);
	return NULL;
}

/* Does one thing with *XS, opening it when it is NULL. *ret keeps the result and errno. */
static int bounded(struct store *s, struct xs_handle **xs, enum job_kind what, const char *path,
		   struct job **ret, struct err *err)
{
	CLEANUP(job_free) struct job *j = xcalloc(1, sizeof(*j));
	struct pollfd p;
	int running = JOB_RUNS;
	sigset_t all, old;
	pthread_t thread;

	if (atomic_load(&stuck) >= STUCK_MAX)
		return err_set(err, ERR_UNREACHABLE, "xenstore does not answer");
	j->what = what;
	j->path = xstrdup(path);
	j->done = eventfd(0, EFD_CLOEXEC);
	if (j->done < 0)
		return err_set(err, ERR_IO, "cannot make an event descriptor: %s", strerror(errno));
	j->xs = TAKE(*xs);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&thread, NULL, job_run, j) != 0) {
		*xs = TAKE(j->xs);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		return err_set(err, ERR_IO, "cannot make a thread");
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	p = (struct pollfd){ .fd = j->done, .events = POLLIN };
	while (poll(&p, 1, (int)s->timeout_ms) < 0 && errno == EINTR)
		continue;
	if (!p.revents && atomic_compare_exchange_strong(&j->state, &running, JOB_ABANDONED)) {
		atomic_fetch_add(&stuck, 1);
		pthread_detach(thread);
		TAKE(j);
		return err_set(err, ERR_UNREACHABLE,
			       "xenstore does not answer (waited %" PRIu32 " ms)", s->timeout_ms);
	}
	pthread_join(thread, NULL);
	*xs = j->xs;
	*ret = TAKE(j);
	return 0;
}

static bool connection_lost(int error)
{
	return error == EBADF || error == EPIPE || error == ECONNRESET || error == EAGAIN ||
	       error == ECONNREFUSED || error == EIO || error == ENOTCONN;
}

int store_refusal(int error, const char *path, struct err *err)
{
	switch (error) {
	case ENOENT:
		return err_set(err, ERR_NOT_FOUND, "no xenstore node '%s'", path);
	case EINVAL:
		return err_set(err, ERR_INVALID, "xenstore takes no such path: '%s'", path);
	case E2BIG:
		return err_set(err, ERR_INVALID, "too long for xenstore: '%s'", path);
	case EACCES:
	case EPERM:
	case EROFS:
		return err_set(err, ERR_DENIED, "xenstore denies access to '%s'", path);
	default:
		return err_set(err, ERR_IO, "xenstore refuses '%s': %s", path, strerror(error));
	}
}

int store_read(struct store *s, const char *path, char **ret, size_t *ret_n, struct err *err)
{
	for (bool used = s->xs;; used = false) {
		CLEANUP(job_free) struct job *j = NULL;
		int r = 0;

		if (!s->xs)
			r = store_answers(s, err);
		if (r == 0)
			r = bounded(s, &s->xs, JOB_READ, path, &j, err);
		if (r < 0)
			return r;
		if (j->value) {
			*ret = TAKE(j->value);
			if (ret_n)
				*ret_n = j->value_n;
			return 0;
		}
		if (!s->xs || connection_lost(j->error)) {
			if (s->xs)
				xs_close(TAKE(s->xs));
			if (used)
				continue;
			return err_set(err, ERR_UNREACHABLE, "cannot read xenstore: %s",
				       strerror(j->error));
		}
		return store_refusal(j->error, path, err);
	}
}

static int ready_to_watch(struct store *s, struct err *err)
{
	struct epoll_event e = { .events = EPOLLIN };
	int r;

	if (s->watch_fd >= 0)
		return 0;
	r = connect_wire(s, &s->canary, err);
	if (r < 0)
		return r;
	s->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->watch_fd < 0 || epoll_ctl(s->watch_fd, EPOLL_CTL_ADD, xs_fileno(s->watch), &e) < 0 ||
	    epoll_ctl(s->watch_fd, EPOLL_CTL_ADD, wire_fd(s->canary), &e) < 0)
		return err_set(err, ERR_IO, "cannot wait for xenstore: %s", strerror(errno));
	return 0;
}

int store_watch(struct store *s, const char *path, struct err *err)
{
	CLEANUP(job_free) struct job *j = NULL;
	int r = s->watch ? 0 : store_answers(s, err);

	if (r == 0)
		r = bounded(s, &s->watch, JOB_WATCH, path, &j, err);
	if (r == 0 && s->watch && (j->value || j->error == EEXIST))
		r = ready_to_watch(s, err);
	else if (r == 0 && s->watch && !connection_lost(j->error))
		return store_refusal(j->error, path, err);
	else if (r == 0)
		r = err_set(err, ERR_UNREACHABLE, "cannot watch '%s' in xenstore: %s", path,
			    strerror(j->error));
	if (r < 0)
		unwatch(s);
	return r;
}

int store_unwatch(struct store *s, const char *path, struct err *err)
{
	CLEANUP(job_free) struct job *j = NULL;
	int r;

	if (!s->watch)
		return 0;
	r = bounded(s, &s->watch, JOB_UNWATCH, path, &j, err);
	if (r == 0 && (j->value || j->error == ENOENT))
		return 0;
	if (r == 0)
		r = err_set(err, ERR_UNREACHABLE, "cannot end the watch of '%s' in xenstore: %s",
			    path, strerror(j->error));
	unwatch(s);
	return r;
}

int store_watch_fd(struct store *s)
{
	return s->watch_fd;
}

int store_event(struct store *s, char **ret_path, struct err *err)
{
	char **event = s->watch ? xs_check_watch(s->watch) : NULL;

	if (event) {
		*ret_path = xstrdup(event[XS_WATCH_PATH]);
		free(event);
		return 1;
	}
	if (s->watch && errno == EAGAIN) {
		struct pollfd p = { .fd = wire_fd(s->canary), .events = POLLIN };

		if (poll(&p, 1, 0) == 0)
			return 0;
	}
	unwatch(s);
	return err_set(err, ERR_UNREACHABLE, "the connection that watches xenstore is gone");
}
