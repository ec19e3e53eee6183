/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starts xenblacklist-fetch, which speaks to the network, and talks to it over a socket. The
 * helper counts as conquered by whatever server it spoke to: bytes, time, lengths and texts are
 * checked here again, every message is worded here, and one that does not behave is killed. The
 * next fetch starts another.
 */
#include "sync/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "sync/fetch-wire.h"

#define HELPER "xenblacklist-fetch"
#define GRACE_MS 5000 /* for the helper to tell itself that the time is over */
#define HELLO_MS 30000
#define REAP_MS 2000

struct fetcher {
	pid_t pid; /* 0: none runs */
	int fd;
	int64_t deadline_ms;
	struct fetch_options options;
	char *pin, *ca, *path;
	size_t ca_n;
	struct fetch_hello hello;
};

static int64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- starting it ---- */

/* Beside this program in a build tree, else where it is installed. The caller frees. */
static char *helper_path(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self));
	char *slash = n > 0 ? memrchr(self, '/', (size_t)n) : NULL;
	CLEANUP(free) char *beside = NULL;

	if (slash) {
		beside = xasprintf("%.*s/" HELPER, (int)(slash - self), self);
		if (access(beside, F_OK) == 0)
			return TAKE(beside);
	}
	return xstrdup(LIBEXECDIR "/" PACKAGE_NAME "/" HELPER);
}

/*
 * Proxies and the language. The rest of the list is for tests and sanitizers: who sets these
 * drives this program by them, too. OpenSSL's variables (other authorities, a configuration that
 * loads modules) are not on it.
 */
static bool goes_along(const char *variable)
{
	static const char *const names[] = {
		"https_proxy", "HTTPS_PROXY",  "all_proxy",	"ALL_PROXY",
		"no_proxy",    "NO_PROXY",     "LANG",		"LD_PRELOAD",
		"FAKETIME",    "ASAN_OPTIONS", "UBSAN_OPTIONS", "FAKETIME_DONT_FAKE_MONOTONIC",
	};
	size_t n = strcspn(variable, "=");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (span_eq(span_of(variable, n), names[i]))
			return true;
	return false;
}

/* Borrowed strings in an array that the caller frees. */
static char **environment(void)
{
	char **list = NULL;
	size_t n = 0, cap = 0;

	for (char **e = environ; e && *e; e++) {
		if (goes_along(*e)) {
			GROW(list, n, cap);
			list[n++] = *e;
		}
	}
	GROW(list, n, cap);
	list[n] = NULL;
	return list;
}

/* 0 or an errno. Standard streams lead nowhere, and there is no terminal to be typed into. */
static int spawn(const char *path, int fd, pid_t *ret)
{
	CLEANUP(free) char **envp = environment();
	char *argv[] = { (char *)HELPER, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int r;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSID);
	for (int i = 0; i < 3; i++)
		posix_spawn_file_actions_addopen(&files, i, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&files, fd, FETCH_WIRE_FD);
	posix_spawn_file_actions_addclosefrom_np(&files, FETCH_WIRE_FD + 1);
	r = posix_spawn(ret, path, &files, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

/* ---- ending it ---- */

/* Within MS; true when it has ended. */
static bool reap(struct fetcher *f, int64_t ms, int *ret_status)
{
	int64_t until = monotonic_ms() + ms;
	struct timespec nap = { .tv_nsec = 5000000 };
	pid_t got;

	while ((got = waitpid(f->pid, ret_status, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
		if (monotonic_ms() >= until)
			return false;
		nanosleep(&nap, NULL);
	}
	return true;
}

/*
 * A kill may not be permitted: root without CAP_KILL, as in a service's sandbox, and the helper is
 * somebody else. One that behaves leaves when its socket closes; for another nobody waits.
 */
static void stop(struct fetcher *f)
{
	int status;

	if (!f->pid)
		return;
	close(f->fd);
	kill(f->pid, SIGKILL);
	reap(f, REAP_MS, &status);
	f->pid = 0;
}

enum trouble { FINE, LATE, GONE, NONSENSE };

/* Why there is no answer, and an end to the helper that gave none. DOING: "cannot ...". */
static int give_up(struct fetcher *f, enum trouble trouble, const char *doing, struct err *err)
{
	int status = 0;
	bool ended = trouble == GONE && reap(f, REAP_MS, &status);

	if (ended) {
		close(f->fd);
		f->pid = 0;
	} else {
		stop(f);
	}
	if (trouble == LATE)
		return err_set(err, ERR_UNREACHABLE, "%s: no answer within the time limit", doing);
	if (trouble == NONSENSE)
		return err_set(err, ERR_UNREACHABLE, "%s: " HELPER " talks nonsense", doing);
	if (ended && WIFSIGNALED(status))
		return err_set(err, ERR_UNREACHABLE, "%s: " HELPER " was killed by signal %d",
			       doing, WTERMSIG(status));
	if (ended && WIFEXITED(status))
		return err_set(err, ERR_UNREACHABLE, "%s: " HELPER " ended with status %d", doing,
			       WEXITSTATUS(status));
	return err_set(err, ERR_UNREACHABLE, "%s: " HELPER " says no more", doing);
}

/* ---- talking to it ---- */

/* Waits until the socket is good for EVENTS. */
static enum trouble ready(const struct fetcher *f, short events, int64_t until)
{
	for (;;) {
		struct pollfd pfd = { .fd = f->fd, .events = events };
		int64_t left = until - monotonic_ms();
		int r;

		if (left <= 0)
			return LATE;
		r = poll(&pfd, 1, left > INT32_MAX ? INT32_MAX : (int)left);
		if (r > 0)
			return FINE;
		if (r < 0 && errno != EINTR)
			return GONE;
	}
}

/* Exactly N bytes before UNTIL. */
static enum trouble receive(const struct fetcher *f, void *p, size_t n, int64_t until)
{
	char *to = p;

	while (n) {
		enum trouble t = ready(f, POLLIN, until);
		ssize_t got;

		if (t != FINE)
			return t;
		got = recv(f->fd, to, n, MSG_DONTWAIT);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return GONE;
		to += got;
		n -= (size_t)got;
	}
	return FINE;
}

static enum trouble give(const struct fetcher *f, const void *p, size_t n, int64_t until)
{
	const char *at = p;

	while (n) {
		enum trouble t = ready(f, POLLOUT, until);
		ssize_t done;

		if (t != FINE)
			return t;
		done = send(f->fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (done < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (done <= 0)
			return GONE;
		at += done;
		n -= (size_t)done;
	}
	return FINE;
}

/* A text of the helper: ended, and of characters that may be printed and sent. */
static void tame(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

static bool is_tame(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!text[i])
			return true;
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	}
	return false;
}

/* ---- its life ---- */

static int start(struct fetcher *f, struct err *err)
{
	CLEANUP(free) char *doing = xasprintf("cannot start '%s'", f->path);
	int64_t until = monotonic_ms() + HELLO_MS;
	struct fetch_frame frame = { 0 };
	struct fetch_hello *hello = &f->hello;
	enum trouble t;
	int pair[2], e;

	if (until > f->deadline_ms + GRACE_MS)
		until = f->deadline_ms + GRACE_MS;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, ERR_IO, "cannot make a socket pair: %s", strerror(errno));
	e = spawn(f->path, pair[1], &f->pid);
	close(pair[1]);
	f->fd = pair[0];
	if (e) {
		close(f->fd);
		f->pid = 0;
		return err_set(err, ERR_INTERNAL, "%s: %s: it is a part of xenblacklist", doing,
			       strerror(e));
	}
	t = receive(f, &frame, sizeof(frame), until);
	if (t == FINE)
		t = frame.type == FETCH_HELLO && frame.n == sizeof(*hello)
			    ? receive(f, hello, sizeof(*hello), until)
			    : NONSENSE;
	if (t != FINE)
		return give_up(f, t, doing, err);
	tame(hello->library, sizeof(hello->library));
	tame(hello->trouble, sizeof(hello->trouble));
	if (hello->wire == FETCH_WIRE && !*hello->trouble)
		return 0;
	stop(f);
	if (hello->wire != FETCH_WIRE)
		return err_set(err, ERR_INTERNAL, "%s: it is of another version of xenblacklist",
			       doing);
	return err_set(err, ERR_DENIED, "%s: %s", doing, hello->trouble);
}

static enum trouble send_setup(struct fetcher *f)
{
	struct fetch_setup setup = { .retries = f->options.retries, .ca_n = (uint32_t)f->ca_n };
	enum trouble t;

	memcpy(setup.pinned_public_key, f->pin, strlen(f->pin));
	t = give(f, &setup, sizeof(setup), f->deadline_ms);
	return t == FINE ? give(f, f->ca, f->ca_n, f->deadline_ms) : t;
}

/* Started, greeted and set up. */
static int start_for_work(struct fetcher *f, struct err *err)
{
	enum trouble t;
	int r = start(f, err);

	if (r < 0)
		return r;
	t = send_setup(f);
	if (t != FINE) {
		CLEANUP(free) char *doing = xasprintf("cannot start '%s'", f->path);

		return give_up(f, t, doing, err);
	}
	return 0;
}

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
	} while (n == cap && n <= FETCH_CA_MAX);
	if (ferror(f))
		return err_set(err, ERR_CONFIG, "cannot read ca-file '%s': %s", path,
			       strerror(errno));
	if (n > FETCH_CA_MAX)
		return err_set(err, ERR_CONFIG, "ca-file '%s' is larger than %d bytes", path,
			       FETCH_CA_MAX);
	if (!memmem(bytes, n, "-----BEGIN", 10))
		return err_set(err, ERR_CONFIG, "ca-file '%s' holds no certificate in PEM", path);
	*ret = TAKE(bytes);
	*ret_n = n;
	return 0;
}

int fetcher_open(const struct fetch_options *o, struct fetcher **ret, struct err *err)
{
	CLEANUP(fetcher_close) struct fetcher *f = xcalloc(1, sizeof(*f));
	int r;

	f->options = *o;
	f->deadline_ms = monotonic_ms() + (int64_t)o->budget * 1000;
	f->path = helper_path();
	f->pin = xstrdup(o->pinned_public_key ? o->pinned_public_key : "");
	if (strlen(f->pin) >= FETCH_TEXT_MAX)
		return err_set(err, ERR_CONFIG, "pinned-public-key is longer than %d bytes",
			       FETCH_TEXT_MAX - 1);
	r = read_ca(o->ca_file, &f->ca, &f->ca_n, err);
	if (r == 0)
		r = start_for_work(f, err);
	if (r == 0)
		*ret = TAKE(f);
	return r;
}

void fetcher_close(struct fetcher *f)
{
	if (!f)
		return;
	stop(f);
	free(f->pin);
	free(f->ca);
	free(f->path);
	free(f);
}

/* ---- one fetch ---- */

static int refuse_size(const char *url_text, uint64_t max_size, struct err *err)
{
	return err_refuse(err, REFUSAL_TOOBIG, "'%s' is larger than %llu bytes", url_text,
			  (unsigned long long)max_size);
}

/* 0, or what the helper tells of a fetch that failed; NONSENSE in *ret_trouble. */
static int take_result(struct fetch_result *result, const struct fetch_request *q,
		       const char *url_text, struct fetched *to, enum trouble *ret_trouble,
		       struct err *err)
{
	tame(result->text, sizeof(result->text));
	switch (result->outcome) {
	case FETCH_NOT_MODIFIED:
		if (!*q->known.etag && !*q->known.last_modified)
			break;
		to->not_modified = true;
		to->n = 0;
		/* fallthrough */
	case FETCH_GOT:
		if (!is_tame(result->validators.etag, FETCH_VALIDATOR_MAX) ||
		    !is_tame(result->validators.last_modified, FETCH_VALIDATOR_MAX))
			break;
		to->validators = result->validators;
		return 0;
	case FETCH_NOT_THERE:
		return err_set(err, ERR_NOT_FOUND, "'%s' is not there: status %u", url_text,
			       (unsigned)result->status);
	case FETCH_TOO_BIG:
		return refuse_size(url_text, q->max_size, err);
	case FETCH_REDIRECT_SCHEME:
		return err_refuse(err, REFUSAL_REDIRECT,
				  "'%s' redirects to something that is not https", url_text);
	case FETCH_REDIRECT_MANY:
		return err_refuse(err, REFUSAL_REDIRECT, "'%s' redirects more than 3 times",
				  url_text);
	case FETCH_FAILED:
		return err_set(err, ERR_UNREACHABLE, "cannot fetch '%s': %s", url_text,
			       result->text);
	case FETCH_NO_HEADER:
		if (q->as != FETCH_AS_HEADER)
			break;
		return err_refuse(err, REFUSAL_SCHEMA, "'%s': %s", url_text, result->text);
	}
	*ret_trouble = NONSENSE;
	return 0;
}

/* One frame that is not the result. */
static enum trouble take_frame(struct fetcher *f, const struct fetch_frame *frame,
			       struct fetched *to, size_t *cap)
{
	int64_t until = f->deadline_ms + GRACE_MS;
	struct fetch_progress p;
	enum trouble t;

	if (frame->type == FETCH_FORGET && frame->n == 0) {
		to->n = 0;
		return FINE;
	}
	if (frame->type == FETCH_PROGRESS && frame->n == sizeof(p)) {
		t = receive(f, &p, sizeof(p), until);
		if (t == FINE && f->options.progress)
			f->options.progress(f->options.ctx, p.done, p.all);
		return t;
	}
	if (frame->type != FETCH_DATA || frame->n > FETCH_CHUNK)
		return NONSENSE;
	if (to->n + frame->n >= *cap) {
		*cap *= 2;
		to->bytes = xreallocarray(to->bytes, *cap, 1);
	}
	t = receive(f, to->bytes + to->n, frame->n, until);
	to->n += t == FINE ? frame->n : 0;
	return t;
}

static int fetch_as(struct fetcher *f, const char *url, uint64_t max_size, enum fetch_as as,
		    const struct fetch_validators *known, struct fetched **ret, struct err *err)
{
	CLEANUP(fetched_free) struct fetched *to = xcalloc(1, sizeof(*to));
	CLEANUP(free) struct fetch_request *q = xcalloc(1, sizeof(*q));
	CLEANUP(free) char *text = fetch_url_text(url);
	CLEANUP(free) char *doing = xasprintf("cannot fetch '%s'", text);
	int64_t left = f->deadline_ms - monotonic_ms();
	size_t cap = FETCH_CHUNK;
	struct fetch_result result;
	struct fetch_frame frame;
	enum trouble t;
	int r;

	if (strlen(url) >= sizeof(q->url) || !fetch_is_https(url))
		return err_set(err, ERR_USAGE, "'%s' is not an https URL", text);
	if (!f->pid && (r = start_for_work(f, err)) < 0)
		return r;
	q->max_size = max_size;
	q->as = as;
	q->left_ms = left > 0 ? (uint64_t)left : 0;
	memcpy(q->url, url, strlen(url));
	if (known)
		q->known = *known;
	to->bytes = xreallocarray(NULL, cap, 1);
	t = give(f, q, sizeof(*q), f->deadline_ms + GRACE_MS);
	while (t == FINE) {
		t = receive(f, &frame, sizeof(frame), f->deadline_ms + GRACE_MS);
		if (t == FINE && frame.type == FETCH_RESULT && frame.n == sizeof(result))
			break;
		if (t == FINE && frame.type == FETCH_DATA && frame.n > max_size - to->n) {
			stop(f);
			return refuse_size(text, max_size, err);
		}
		if (t == FINE)
			t = take_frame(f, &frame, to, &cap);
	}
	if (t == FINE)
		t = receive(f, &result, sizeof(result), f->deadline_ms + GRACE_MS);
	r = t == FINE ? take_result(&result, q, text, to, &t, err) : 0;
	if (t != FINE)
		return give_up(f, t, doing, err);
	if (r < 0)
		return r;
	to->bytes[to->n] = '\0';
	*ret = TAKE(to);
	return 0;
}

int fetch(struct fetcher *f, const char *url, uint64_t max_size,
	  const struct fetch_validators *known, struct fetched **ret, struct err *err)
{
	return fetch_as(f, url, max_size, FETCH_AS_BYTES, known, ret, err);
}

int fetch_header(struct fetcher *f, const char *url, uint64_t max_size, struct header **ret,
		 struct err *err)
{
	CLEANUP(fetched_free) struct fetched *rows = NULL;
	CLEANUP(free) char *text = fetch_url_text(url);
	CLEANUP(free) char *doing = xasprintf("cannot fetch '%s'", text);
	int r = fetch_as(f, url, max_size, FETCH_AS_HEADER, NULL, &rows, err);

	if (r < 0)
		return r;
	return header_unpack(rows->bytes, rows->n, ret) ? 0 : give_up(f, NONSENSE, doing, err);
}

void fetched_free(struct fetched *f)
{
	if (!f)
		return;
	free(f->bytes);
	free(f);
}

int fetch_library_version(char **ret, struct err *err)
{
	CLEANUP(fetcher_close) struct fetcher *f = xcalloc(1, sizeof(*f));
	int r;

	f->deadline_ms = monotonic_ms();
	f->path = helper_path();
	r = start(f, err);
	if (r == 0)
		*ret = xstrdup(f->hello.library);
	return r;
}
