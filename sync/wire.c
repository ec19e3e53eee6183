/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides the bytes of the xenstore wire protocol: framing, request ids, the window of requests in
 * flight, deadlines, and the distrust of whoever answers.
 */
#include "sync/wire.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/*
 * Requests in flight. On the kernel's device one: Linux (drivers/xen/xenbus/xenbus_dev_frontend.c)
 * takes a message without a copy of its body, so that the next write(2) before the answer puts its
 * own body into the message that is still waiting to be sent.
 */
#define WINDOW 64
#define WINDOW_DEVICE 1
#define CHUNK 65536
#define REPLY_MAX (16u << 20) /* an oxenstored sends a whole directory in one reply */
#define MS_PER_REQUEST 10

struct bytes {
	char *p;
	size_t at, n, cap; /* P[AT..N) is waiting */
};

struct wire {
	int fd;
	bool device; /* takes one message per write */
	bool timed_out;
	uint32_t timeout_ms, next_id;
	char *path;
	struct bytes in, out;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void room(struct bytes *b, size_t more)
{
	if (b->at) {
		memmove(b->p, b->p + b->at, b->n - b->at);
		b->n -= b->at;
		b->at = 0;
	}
	if (b->cap - b->n < more) {
		b->cap = b->n + more > 2 * b->cap ? b->n + more : 2 * b->cap;
		b->p = xreallocarray(b->p, b->cap, 1);
	}
}

static void append(struct bytes *b, const void *p, size_t n)
{
	if (b->cap - b->n < n)
		room(b, n + CHUNK);
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

static int dial(int fd, const char *path, int64_t deadline)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(un.sun_path))
		return ENAMETOOLONG;
	memcpy(un.sun_path, path, strlen(path));
	/* EAGAIN: the daemon lives and its queue of connections is full. */
	while (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return errno;
		if (now_ms() >= deadline)
			return ETIMEDOUT;
		poll(NULL, 0, 10);
	}
	return 0;
}

int wire_open(const char *path, uint32_t timeout_ms, struct wire **ret, bool *ret_absent,
	      struct err *err)
{
	CLEANUP(wire_close) struct wire *w = xcalloc(1, sizeof(*w));
	struct stat st;
	int e = 0;

	w->fd = -1;
	w->timeout_ms = timeout_ms;
	w->path = xstrdup(path);
	if (stat(path, &st) < 0) {
		e = errno;
	} else if (S_ISSOCK(st.st_mode)) {
		w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		e = w->fd < 0 ? errno : dial(w->fd, path, now_ms() + timeout_ms);
	} else {
		w->device = true;
		w->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		e = w->fd < 0 ? errno : 0;
	}
	if (ret_absent)
		*ret_absent = e == ENOENT || e == ECONNREFUSED || e == ENOTDIR;
	if (e == EACCES || e == EPERM)
		return err_set(err, ERR_DENIED,
			       "cannot connect to xenstore at '%s': %s; run as root", path,
			       strerror(e));
	if (e)
		return err_set(err, ERR_UNREACHABLE, "cannot connect to xenstore at '%s': %s", path,
			       e == ETIMEDOUT ? "it takes no connections" : strerror(e));
	*ret = TAKE(w);
	return 0;
}

void wire_close(struct wire *w)
{
	if (!w)
		return;
	close_fd(w->fd);
	free(w->path);
	free(w->in.p);
	free(w->out.p);
	free(w);
}

static size_t body_size(const struct wire_request *r)
{
	return strlen(r->path) + 1 + r->rest_n;
}

static void put_request(struct wire *w, const struct wire_request *r)
{
	struct xsd_sockmsg h = {
		.type = r->type,
		.req_id = w->next_id++,
		.tx_id = r->tx,
		.len = (uint32_t)body_size(r),
	};

	append(&w->out, &h, sizeof(h));
	append(&w->out, r->path, strlen(r->path) + 1);
	append(&w->out, r->rest, r->rest_n);
}

/* How much of what is waiting one write may take. */
static size_t write_size(const struct wire *w)
{
	struct xsd_sockmsg h;

	if (!w->device)
		return w->out.n - w->out.at;
	memcpy(&h, w->out.p + w->out.at, sizeof(h));
	return sizeof(h) + h.len;
}

static int broken(const struct wire *w, struct err *err, const char *what)
{
	return err_set(err, ERR_UNREACHABLE, "xenstore at '%s': %s", w->path, what);
}

static int flush(struct wire *w, struct err *err)
{
	while (w->out.at < w->out.n) {
		size_t n = write_size(w);
		ssize_t r = w->device ? write(w->fd, w->out.p + w->out.at, n)
				      : send(w->fd, w->out.p + w->out.at, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			return 0;
		if (r < 0)
			return broken(w, err, "the connection broke");
		w->out.at += (size_t)r;
	}
	w->out.at = w->out.n = 0;
	return 0;
}

static int fill(struct wire *w, struct err *err)
{
	ssize_t r;

	room(&w->in, CHUNK);
	r = read(w->fd, w->in.p + w->in.n, w->in.cap - w->in.n);
	if (r > 0)
		w->in.n += (size_t)r;
	else if (r == 0)
		return broken(w, err, "the daemon closed the connection");
	else if (errno != EAGAIN && errno != EINTR)
		return broken(w, err, "the connection broke");
	return 0;
}

/* What a daemon calls an error, as errno; names that nobody knows (EQUOTA) are EIO. */
static int error_number(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(xsd_errors); i++) {
		if (span_eq(span_of(name, n), xsd_errors[i].errstring))
			return xsd_errors[i].errnum;
	}
	return EIO;
}

static bool carries_data(uint32_t type)
{
	switch (type) {
	case XS_WRITE:
	case XS_MKDIR:
	case XS_RM:
	case XS_SET_PERMS:
	case XS_TRANSACTION_END:
		return false;
	default:
		return true;
	}
}

/* Takes the answer to R out of what has arrived: 1, 0 when more has to come, or an error. */
static int take_reply(struct wire *w, struct wire_request *r, uint32_t id, struct err *err)
{
	size_t have = w->in.n - w->in.at;
	uint32_t limit = r->type == XS_DIRECTORY ? REPLY_MAX : XENSTORE_PAYLOAD_MAX;
	struct xsd_sockmsg h;
	const char *body;

	if (have < sizeof(h))
		return 0;
	memcpy(&h, w->in.p + w->in.at, sizeof(h));
	if (h.req_id != id || h.tx_id != r->tx || (h.type != r->type && h.type != XS_ERROR))
		return broken(w, err, "an answer that belongs to no question");
	if (h.len > limit)
		return broken(w, err, "an answer of unreasonable size");
	if (have < sizeof(h) + h.len) {
		if (w->in.cap < sizeof(h) + h.len)
			room(&w->in, h.len);
		return 0;
	}
	body = w->in.p + w->in.at + sizeof(h);
	if (h.type == XS_ERROR) {
		if (!h.len || body[h.len - 1] || memchr(body, 0, h.len - 1))
			return broken(w, err, "a malformed error");
		r->error = error_number(body, h.len - 1);
	} else if (carries_data(r->type)) {
		r->data = xcalloc(1, h.len + 1);
		memcpy(r->data, body, h.len);
		r->n = h.len;
	}
	w->in.at += sizeof(h) + h.len;
	if (w->in.at == w->in.n)
		w->in.at = w->in.n = 0;
	return 1;
}

int wire_call(struct wire *w, struct wire_request *req, size_t n, struct err *err)
{
	uint32_t first = w->next_id;
	size_t sent = 0, done = 0, window = w->device ? WINDOW_DEVICE : WINDOW;
	int64_t start = now_ms(), last = start;
	int64_t end = start + w->timeout_ms + (int64_t)n * MS_PER_REQUEST;
	int r;

	for (size_t i = 0; i < n; i++) {
		req[i].error = 0;
		req[i].data = NULL;
		req[i].n = 0;
		if (body_size(&req[i]) > XENSTORE_PAYLOAD_MAX)
			return err_set(
				err, ERR_INVALID,
				"path and value of %zu bytes do not fit into xenstore: '%.80s'",
				body_size(&req[i]), req[i].path);
	}
	while (done < n) {
		struct pollfd p = { .fd = w->fd, .events = POLLIN };
		int64_t now, wait;

		/* Half a window at a time: fewer wake-ups on both sides. */
		if (sent - done <= window / 2) {
			for (; sent < n && sent - done < window; sent++)
				put_request(w, &req[sent]);
		}
		r = flush(w, err);
		if (r < 0)
			return r;
		if (w->out.n)
			p.events |= POLLOUT;
		now = now_ms();
		wait = last + w->timeout_ms < end ? last + w->timeout_ms - now : end - now;
		w->timed_out = wait <= 0;
		if (w->timed_out)
			return err_set(err, ERR_UNREACHABLE,
				       "xenstore at '%s' does not answer (waited %" PRId64 " ms)",
				       w->path, now - last);
		if (poll(&p, 1, (int)wait) < 0 && errno != EINTR)
			return broken(w, err, strerror(errno));
		if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
			r = fill(w, err);
			if (r < 0)
				return r;
		}
		while (done < sent &&
		       (r = take_reply(w, &req[done], first + (uint32_t)done, err))) {
			if (r < 0)
				return r;
			done++;
			last = now_ms();
		}
		if (done == sent && w->in.n)
			return broken(w, err, "an answer that nobody asked for");
	}
	return 0;
}

int wire_fd(const struct wire *w)
{
	return w->fd;
}

bool wire_timed_out(const struct wire *w)
{
	return w->timed_out;
}

void wire_requests_clear(struct wire_request *req, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(req[i].data);
		req[i].data = NULL;
	}
}
