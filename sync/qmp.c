/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One question over a QMP socket. The other end may be a device model that a guest has taken over:
 * the time is limited as a whole, replies in size.
 */
#include "sync/qmp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sync/dmlog.h"

#define QMP_REPLY_MAX (64 * 1024)

struct qmp {
	const char *path;
	int fd;
	int64_t deadline_ms;
	char buf[QMP_REPLY_MAX];
	size_t n, line; /* bytes in BUF; of the line that was handed out last */
};

static int64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static int qmp_wait(struct qmp *q, short events, struct err *err)
{
	struct pollfd p = { .fd = q->fd, .events = events };
	int64_t left = q->deadline_ms - monotonic_ms();
	int r = left > 0 ? poll(&p, 1, (int)left) : 0;

	if (r < 0 && errno == EINTR)
		return 0;
	if (r <= 0)
		return err_set(err, ERR_UNREACHABLE, "no answer in time from '%s'", q->path);
	return 0;
}

static int qmp_connect(struct qmp *q, struct err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(q->path);

	if (n >= sizeof(a.sun_path))
		return err_set(err, ERR_INVALID, "socket path '%.64s...' is too long", q->path);
	memcpy(a.sun_path, q->path, n);
	q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (q->fd >= 0 && connect(q->fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return 0;
	return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNREACHABLE,
		       "cannot connect to '%s': %s", q->path, strerror(errno));
}

static int qmp_send(struct qmp *q, const char *text, struct err *err)
{
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t sent = send(q->fd, text, n, MSG_NOSIGNAL);
		int r;

		if (sent >= 0) {
			text += sent;
			n -= (size_t)sent;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return err_set(err, ERR_UNREACHABLE, "cannot write to '%s': %s", q->path,
				       strerror(errno));
		r = qmp_wait(q, POLLOUT, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The next line, without its newline; valid until the next call. */
static int qmp_line(struct qmp *q, struct span *ret, struct err *err)
{
	memmove(q->buf, q->buf + q->line, q->n - q->line);
	q->n -= q->line;
	q->line = 0;
	for (;;) {
		const char *end = memchr(q->buf, '\n', q->n);
		ssize_t got;
		int r;

		if (end) {
			q->line = (size_t)(end - q->buf) + 1;
			*ret = span_of(q->buf, q->line - 1);
			return 0;
		}
		if (q->n == sizeof(q->buf))
			return err_set(err, ERR_UNREACHABLE, "'%s' does not speak QMP", q->path);
		r = qmp_wait(q, POLLIN, err);
		if (r < 0)
			return r;
		got = recv(q->fd, q->buf + q->n, sizeof(q->buf) - q->n, 0);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return err_set(err, ERR_UNREACHABLE, "'%s' closed the connection", q->path);
		if (got > 0)
			q->n += (size_t)got;
	}
}

static bool says(struct span line, const char *word)
{
	return memmem(line.p, line.n, word, strlen(word)) != NULL;
}

/* The reply to a command: events in between do not count. */
static int qmp_reply(struct qmp *q, const char *command, struct span *ret, struct err *err)
{
	int r = qmp_send(q, command, err);

	while (r == 0) {
		r = qmp_line(q, ret, err);
		if (r < 0 || says(*ret, "\"event\""))
			continue;
		if (says(*ret, "\"return\""))
			return 0;
		if (says(*ret, "\"error\""))
			return err_set(err, ERR_NOT_FOUND, "'%s' does not tell about PV drivers",
				       q->path);
	}
	return r;
}

static int qmp_ask(struct qmp *q, uint16_t *ret_product, uint32_t *ret_build, struct err *err)
{
	struct span line;
	uint16_t product;
	uint32_t build;
	int r = qmp_connect(q, err);

	if (r == 0)
		r = qmp_line(q, &line, err);
	if (r == 0 && !says(line, "\"QMP\""))
		r = err_set(err, ERR_UNREACHABLE, "'%s' does not speak QMP", q->path);
	if (r == 0)
		r = qmp_reply(q, "{\"execute\": \"qmp_capabilities\"}\r\n", &line, err);
	if (r == 0)
		r = qmp_reply(q, "{\"execute\": \"query-xen-platform-pv-driver-info\"}\r\n", &line,
			      err);
	if (r < 0)
		return r;
	if (!dmlog_qmp_numbers(line, &product, &build))
		return err_set(err, ERR_UNREACHABLE, "'%s' tells no product and build", q->path);
	if (product == 0)
		return err_set(err, ERR_NOT_FOUND, "no driver has spoken to '%s'", q->path);
	*ret_product = product;
	*ret_build = build;
	return 0;
}

int qmp_driver(const char *socket_path, uint32_t timeout_ms, uint16_t *ret_product,
	       uint32_t *ret_build, struct err *err)
{
	struct qmp *q = xcalloc(1, sizeof(*q));
	int r;

	q->path = socket_path;
	q->fd = -1;
	q->deadline_ms = monotonic_ms() + timeout_ms;
	r = qmp_ask(q, ret_product, ret_build, err);
	close_fd(q->fd);
	free(q);
	return r;
}
