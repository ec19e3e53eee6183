/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in for device/ioreq.c, and for the jail, where there is no hypervisor, so that the whole
 * xenblacklistd runs in a sandbox. In the directory $XB_FAKE_XEN, N.domain says that domain N
 * exists, N.server that it has our server, N.slow that it takes a while to end that, N.full that
 * there is no room for one, N.in is a fifo with port accesses ("w 12 2 65535", "r 10 2": port
 * hexadecimal, width, value), N.out gets what is read. A process that was taken over by its guest is
 * played by the words flood, mute, nonsense and stay.
 */
#include "device/ioreq.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "device/jail.h"
#include "device/packet.h"

struct ioreq_host {
	int nothing;
};

struct ioreq_server {
	int in;
	FILE *out;
	uint16_t domid;
	bool stays;
	char line[128];
	size_t n;
};

static char *path_of(uint16_t domid, const char *what)
{
	return xasprintf("%s/%u.%s", getenv("XB_FAKE_XEN"), domid, what);
}

int __wrap_jail_enter(const struct jail_user *user, struct err *err);
int __wrap_jail_enter(const struct jail_user *user, struct err *err)
{
	(void)user;
	(void)err;
	return 0;
}

int ioreq_host_open(struct ioreq_host **ret, struct err *err)
{
	(void)err;
	*ret = xcalloc(1, sizeof(**ret));
	return 0;
}

void ioreq_host_close(struct ioreq_host *h)
{
	free(h);
}

int ioreq_create(struct ioreq_host *h, uint16_t domid, ioreq_id *ret, struct err *err)
{
	CLEANUP(free) char *server = path_of(domid, "server"), *in = path_of(domid, "in");
	CLEANUP(free) char *full = path_of(domid, "full");
	CLEANUP(close_file) FILE *f = NULL;

	if (!ioreq_domain_alive(h, domid))
		return err_set(err, ERR_NOT_FOUND, "no domain");
	if (access(full, F_OK) == 0)
		return err_set(err, ERR_UNREACHABLE, "no room");
	f = fopen(server, "we");
	if (!f || (mkfifo(in, 0600) < 0 && errno != EEXIST))
		return err_set(err, ERR_CREATE, "cannot create a server");
	*ret = 1;
	return 0;
}

bool ioreq_alive(struct ioreq_host *h, uint16_t domid, ioreq_id id)
{
	CLEANUP(free) char *server = path_of(domid, "server");

	(void)h;
	(void)id;
	return access(server, F_OK) == 0;
}

bool ioreq_domain_alive(struct ioreq_host *h, uint16_t domid)
{
	CLEANUP(free) char *domain = path_of(domid, "domain");

	(void)h;
	return access(domain, F_OK) == 0;
}

int ioreq_destroy(struct ioreq_host *h, uint16_t domid, ioreq_id id, ioreq_handler *handler,
		  void *ctx, struct err *err)
{
	CLEANUP(free) char *server = path_of(domid, "server"), *slow = path_of(domid, "slow");

	if (access(slow, F_OK) == 0)
		sleep(1);
	(void)h;
	(void)id;
	(void)handler;
	(void)ctx;
	(void)err;
	unlink(server);
	return 0;
}

int ioreq_open(uint16_t domid, ioreq_id id, struct ioreq_server **ret, struct err *err)
{
	CLEANUP(free) char *in = path_of(domid, "in"), *out = path_of(domid, "out");
	struct ioreq_server *s = xcalloc(1, sizeof(*s));

	(void)id;
	s->domid = domid;
	s->in = open(in, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	s->out = fopen(out, "ae");
	*ret = s;
	return s->in >= 0 && s->out ? 0 : err_set(err, ERR_IO, "no domain");
}

void ioreq_close(struct ioreq_server *s)
{
	free(s);
}

int ioreq_restrict(struct ioreq_server *s, struct err *err)
{
	(void)s;
	(void)err;
	return 0;
}

int ioreq_own(struct ioreq_server *s, uint16_t first, uint16_t last, struct err *err)
{
	(void)first;
	(void)last;
	return ioreq_restrict(s, err);
}

int ioreq_disown(struct ioreq_server *s, uint16_t first, uint16_t last, struct err *err)
{
	return ioreq_own(s, first, last, err);
}

void ioreq_leave(struct ioreq_server *s, ioreq_handler *handler, void *ctx)
{
	CLEANUP(free) char *server = path_of(s->domid, "server");

	(void)handler;
	(void)ctx;
	while (s->stays)
		pause();
	unlink(server);
}

int ioreq_fd(const struct ioreq_server *s)
{
	return s->in;
}

/* Its socket to the supervisor. */
static int find_socket(void)
{
	for (int fd = 3; fd < 64; fd++) {
		int type = 0;
		socklen_t n = sizeof(type);

		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_SEQPACKET)
			return fd;
	}
	abort();
}

static void be_evil(struct ioreq_server *s, const char *word)
{
	struct packet m = { .kind = PACKET_VERDICT, .product = 3, .text = "\033[31mevil\n" };
	int fd = find_socket();

	if (strcmp(word, "flood") == 0) {
		for (time_t end = time(NULL) + 3; time(NULL) < end; m.build++)
			packet_send(fd, &m, -1);
	} else if (strcmp(word, "mute") == 0) {
		close(fd);
		for (;;)
			pause();
	} else if (strcmp(word, "nonsense") == 0) {
		send(fd, "x", 1, 0);
		for (;;)
			pause();
	} else if (strcmp(word, "stay") == 0) {
		s->stays = true;
	} else if (strcmp(word, "lie") == 0) {
		m.kind = PACKET_TALK;
		packet_send(fd, &m, -1);
		m.kind = PACKET_VERDICT;
		m.verdict = 200;
		packet_send(fd, &m, fd);
		m.kind = PACKET_DOMAIN;
		packet_send(fd, &m, -1);
		m.kind = PACKET_UNPLUG;
		memset(&m.flag, 0x7e, 1); /* no bool; what sanitizers see */
		packet_send(fd, &m, -1);
	}
}

static void obey(struct ioreq_server *s, ioreq_handler *handler, void *ctx)
{
	struct ioreq_access a = { 0 };
	unsigned port, width;
	char way;

	if (sscanf(s->line, "%c %x %u %" SCNu32, &way, &port, &width, &a.value) < 3) {
		be_evil(s, s->line);
		return;
	}
	a.port = (uint16_t)port;
	a.width = (uint8_t)width;
	a.write = way == 'w';
	a.value = handler(ctx, &a);
	if (!a.write)
		fprintf(s->out, "%" PRIx32 "\n", a.value);
	fflush(s->out);
}

int ioreq_serve(struct ioreq_server *s, ioreq_handler *handler, void *ctx, struct err *err)
{
	char c;

	(void)err;
	while (read(s->in, &c, 1) == 1) {
		if (c != '\n' && s->n < sizeof(s->line) - 1) {
			s->line[s->n++] = c;
			continue;
		}
		s->line[s->n] = '\0';
		s->n = 0;
		obey(s, handler, ctx);
	}
	return 0;
}
