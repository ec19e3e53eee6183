/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two processes and a socket between them. The child speaks to the network: nobody's uid when we
 * are root, no new privileges, no descriptor but the socket, no file to write. The parent takes
 * nothing for granted that comes back: it counts the bytes and the time itself.
 */
#include "sync/fetch-child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define CA_FILE_MAX (16 * 1024 * 1024)
#define GRACE_MS 5000
#define NOBODY 65534

struct fetcher {
	pid_t pid;
	int fd;
	int64_t deadline_ms;
	struct fetch_options options;
};

static int read_ca(const char *path, char **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(close_file) FILE *f = NULL;
	CLEANUP(free) char *bytes = NULL;
	size_t n = 0, cap = 0, got;

	if (!path || !*path)
		return 0;
	f = fopen(path, "re");
	if (!f)
		return err_set(err, ERR_CONFIG, "cannot open ca-file '%s': %s", path,
			       strerror(errno));
	do {
		cap = cap ? 2 * cap : FETCH_CHUNK;
		bytes = xreallocarray(bytes, cap, 1);
		got = fread(bytes + n, 1, cap - n, f);
		n += got;
	} while (n == cap && n <= CA_FILE_MAX);
	if (ferror(f))
		return err_set(err, ERR_CONFIG, "cannot read ca-file '%s': %s", path,
			       strerror(errno));
	if (n > CA_FILE_MAX)
		return err_set(err, ERR_CONFIG, "ca-file '%s' is larger than %d bytes", path,
			       CA_FILE_MAX);
	if (!memmem(bytes, n, "-----BEGIN", 10))
		return err_set(err, ERR_CONFIG, "ca-file '%s' holds no certificate in PEM", path);
	*ret = TAKE(bytes);
	*ret_n = n;
	return 0;
}

static void give_up_privileges(void)
{
	static const struct rlimit none = { 0, 0 };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &none);
	/* A root that may not change its uid (a unit without capabilities) has less to give up. */
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	     setresuid(NOBODY, NOBODY, NOBODY) < 0) &&
	    errno != EPERM)
		_exit(1);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of uid would have cleared it */
}

static _Noreturn void child_main(const struct fetch_task *task, int fd, pid_t parent)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	/* Descriptor 3 is the socket; no lock, registry or log of ours goes along. */
	if (fd != 3 && dup2(fd, 3) < 0)
		_exit(1);
	close_range(4, ~0u, 0);
	give_up_privileges();
	if (getppid() != parent)
		_exit(1);
	fetch_serve(task, 3);
}

int fetcher_open(const struct fetch_options *o, struct fetcher **ret, struct err *err)
{
	struct fetch_task task = { .options = o };
	pid_t parent = getpid(), pid;
	struct fetcher *f;
	int pair[2], r;

	if (!fetch_ready())
		return err_set(err, ERR_INTERNAL, "cannot load libcurl: is it installed?");
	task.deadline_ms = fetch_clock_ms() + (int64_t)o->budget * 1000;
	r = read_ca(o->ca_file, &task.ca, &task.ca_n, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		free(task.ca);
		return err_set(err, ERR_IO, "cannot make a socket pair: %s", strerror(errno));
	}
	pid = fork();
	if (pid == 0) {
		child_main(&task, pair[1], parent);
	}
	close(pair[1]);
	free(task.ca);
	if (pid < 0) {
		close(pair[0]);
		return err_set(err, ERR_IO, "cannot start a process: %s", strerror(errno));
	}
	f = xcalloc(1, sizeof(*f));
	*f = (struct fetcher){
		.pid = pid, .fd = pair[0], .deadline_ms = task.deadline_ms, .options = *o
	};
	*ret = f;
	return 0;
}

void fetcher_close(struct fetcher *f)
{
	if (!f)
		return;
	close(f->fd);
	kill(f->pid, SIGKILL);
	while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(f);
}

static int no_answer(struct fetcher *f, const char *url, struct err *err)
{
	CLEANUP(free) char *text = fetch_url_text(url);

	(void)f;
	return err_set(err, ERR_UNREACHABLE, "cannot fetch '%s': no answer within the time limit",
		       text);
}

/* Exactly n bytes from the child before the deadline. */
static bool receive(struct fetcher *f, void *p, size_t n)
{
	char *to = p;

	while (n) {
		struct pollfd pfd = { .fd = f->fd, .events = POLLIN };
		int64_t left = f->deadline_ms + GRACE_MS - fetch_clock_ms();
		ssize_t got;
		int r;

		if (left <= 0)
			return false;
		r = poll(&pfd, 1, left > INT32_MAX ? INT32_MAX : (int)left);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		got = read(f->fd, to, n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
	}
	return true;
}

static bool send_request(struct fetcher *f, const struct fetch_request *q)
{
	const char *at = (const char *)q;
	size_t n = sizeof(*q);

	while (n) {
		ssize_t done = send(f->fd, at, n, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}

static int take_result(struct fetch_result *result, struct fetched *to, struct err *err)
{
	if (result->failed) {
		result->err.msg[sizeof(result->err.msg) - 1] = '\0';
		*err = result->err;
		if (err->kind < ERR_USAGE || err->kind > ERR_CONFIG)
			err->kind = ERR_INTERNAL;
		if (err->refusal < REFUSAL_NONE || err->refusal > REFUSAL_LOCKED)
			err->refusal = REFUSAL_NONE;
		return -(int)err->kind;
	}
	to->not_modified = result->not_modified;
	to->validators = result->validators;
	to->validators.etag[FETCH_VALIDATOR_MAX - 1] = '\0';
	to->validators.last_modified[FETCH_VALIDATOR_MAX - 1] = '\0';
	return 0;
}

int fetch(struct fetcher *f, const char *url, uint64_t max_size,
	  const struct fetch_validators *known, struct fetched **ret, struct err *err)
{
	CLEANUP(fetched_free) struct fetched *to = xcalloc(1, sizeof(*to));
	CLEANUP(free) struct fetch_request *q = xcalloc(1, sizeof(*q));
	size_t cap = FETCH_CHUNK;

	if (strlen(url) >= sizeof(q->url) || !fetch_is_https(url)) {
		CLEANUP(free) char *text = fetch_url_text(url);

		return err_set(err, ERR_USAGE, "'%s' is not an https URL", text);
	}
	q->max_size = max_size;
	memcpy(q->url, url, strlen(url));
	if (known)
		q->known = *known;
	if (!send_request(f, q))
		return no_answer(f, url, err);
	to->bytes = xreallocarray(NULL, cap, 1);
	for (;;) {
		struct fetch_frame frame;
		struct fetch_progress p;
		struct fetch_result result;
		int r;

		if (!receive(f, &frame, sizeof(frame)))
			return no_answer(f, url, err);
		if (frame.type == FRAME_DATA && frame.n <= FETCH_CHUNK &&
		    frame.n <= max_size - to->n) {
			if (to->n + frame.n >= cap) {
				cap *= 2;
				to->bytes = xreallocarray(to->bytes, cap, 1);
			}
			if (!receive(f, to->bytes + to->n, frame.n))
				return no_answer(f, url, err);
			to->n += frame.n;
		} else if (frame.type == FRAME_FORGET && frame.n == 0) {
			to->n = 0;
		} else if (frame.type == FRAME_PROGRESS && frame.n == sizeof(p)) {
			if (!receive(f, &p, sizeof(p)))
				return no_answer(f, url, err);
			if (f->options.progress)
				f->options.progress(f->options.ctx, p.done, p.all);
		} else if (frame.type == FRAME_RESULT && frame.n == sizeof(result)) {
			if (!receive(f, &result, sizeof(result)))
				return no_answer(f, url, err);
			r = take_result(&result, to, err);
			if (r < 0)
				return r;
			break;
		} else {
			return err_set(err, ERR_INTERNAL, "the fetching process talks nonsense");
		}
	}
	to->bytes[to->n] = '\0';
	*ret = TAKE(to);
	return 0;
}

void fetched_free(struct fetched *f)
{
	if (!f)
		return;
	free(f->bytes);
	free(f);
}
