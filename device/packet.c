/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages over a SOCK_SEQPACKET pair. Hides the packing of descriptors and that only the used
 * part of the text travels.
 */
#include "device/packet.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

const char *verdict_name(enum verdict_kind v)
{
	static const char *const name[VERDICTS] = {
		[VERDICT_ALLOWED] = "allowed",
		[VERDICT_BLACKLISTED] = "blacklisted",
		[VERDICT_UNKNOWN_PRODUCT] = "unknown product",
		[VERDICT_NO_RULES] = "blacklist not readable",
	};

	return v < VERDICTS ? name[v] : "unknown";
}

void packet_pair(int ret[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret) < 0)
		abort();
}

union control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

bool packet_send(int fd, const struct packet *m, int pass_fd)
{
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)m,
		.iov_len = offsetof(struct packet, text) + strlen(m->text) + 1,
	};
	union control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (pass_fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(int));
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n >= 0;
}

bool packet_push(int fd, const struct packet *m, int pass_fd)
{
	while (!packet_send(fd, m, pass_fd)) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (errno != EAGAIN)
			return false;
		poll(&p, 1, -1);
	}
	return true;
}

bool packet_talk(int fd, int priority, const char *fmt, ...)
{
	struct packet m = { .kind = PACKET_TALK, .value = (uint32_t)priority };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m.text, sizeof(m.text), fmt, ap);
	va_end(ap);
	return packet_push(fd, &m, -1);
}

/* Every descriptor that came is either handed out or closed. */
static int take_fds(struct msghdr *msg)
{
	int got = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (got < 0)
				got = fd;
			else
				close(fd);
		}
	}
	return got;
}

int packet_recv(int fd, struct packet *ret, int *ret_fd)
{
	struct iovec iov = { .iov_base = ret, .iov_len = sizeof(*ret) };
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	unsigned char flag;
	ssize_t n;
	int got;

	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	got = take_fds(&msg);
	if (n < (ssize_t)offsetof(struct packet, text) || ret->kind >= PACKET_KINDS) {
		close_fd(got);
		return -1; /* also the end of file: a packet of nothing */
	}
	/* A byte that is no bool must not be looked at as one. */
	memcpy(&flag, &ret->flag, 1);
	ret->flag = flag != 0;
	ret->name[PACKET_NAME_MAX - 1] = '\0';
	ret->text[n == (ssize_t)sizeof(*ret) ? PACKET_TEXT_MAX - 1
					     : (size_t)n - offsetof(struct packet, text)] = '\0';
	*ret_fd = got;
	return 1;
}
