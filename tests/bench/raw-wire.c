/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The limit that apply and audit are measured against: the bare wire protocol, 64 requests in
 * flight, no transaction, nothing checked but that the daemon said yes. `raw-wire write DIR N`
 * writes N nodes, `raw-wire read DIR N` reads their values and permissions, `raw-wire list DIR N`
 * also the names of their children.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "registry/base.h"

#include <xen/io/xs_wire.h>

#define WINDOW 64
#define FIRST 590080
#define VALUE "xb1:bench"
#define MESSAGE_MAX (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)

static void die(const char *what)
{
	fprintf(stderr, "raw-wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int dial(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = getenv("XENSTORED_PATH");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path ? path : "/var/run/xenstored/socket");
	if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		die(un.sun_path);
	return fd;
}

/* What is asked of every node. */
static const struct mode {
	const char *name;
	uint32_t types[3], n;
} modes[] = {
	{ "write", { XS_WRITE }, 1 },
	{ "read", { XS_READ, XS_GET_PERMS }, 2 },
	{ "list", { XS_READ, XS_GET_PERMS, XS_DIRECTORY }, 3 },
};

/* Request number I of a run. */
static size_t put(char *out, const char *dir, const struct mode *m, uint32_t i)
{
	struct xsd_sockmsg h = { .type = m->types[i % m->n], .req_id = i };
	char *body = out + sizeof(h);
	int n = snprintf(body, XENSTORE_PAYLOAD_MAX, "%s/%u", dir, FIRST + i / m->n) + 1;

	h.len = (uint32_t)n;
	if (h.type == XS_WRITE) {
		memcpy(body + n, VALUE, strlen(VALUE));
		h.len += (uint32_t)strlen(VALUE);
	}
	memcpy(out, &h, sizeof(h));
	return sizeof(h) + h.len;
}

int main(int argc, char **argv)
{
	static char out[WINDOW * MESSAGE_MAX], in[1 << 16];
	uint32_t sent = 0, done = 0, count;
	size_t have = 0;
	const struct mode *m = NULL;
	int fd = dial();

	for (size_t i = 0; argc == 4 && i < ARRAY_SIZE(modes); i++)
		m = strcmp(argv[1], modes[i].name) == 0 ? &modes[i] : m;
	if (!m || strlen(argv[2]) > 1000 || !parse_u32(span_str(argv[3]), &count) ||
	    count > UINT32_MAX / 3) {
		fprintf(stderr, "usage: raw-wire write|read|list DIR N\n");
		return 64;
	}
	count *= m->n;
	while (done < count) {
		size_t n = 0, at = 0;
		ssize_t r;

		if (sent - done <= WINDOW / 2) {
			while (sent < count && sent - done < WINDOW)
				n += put(out + n, argv[2], m, sent++);
		}
		for (size_t w = 0; w < n; w += (size_t)r) {
			r = write(fd, out + w, n - w);
			if (r <= 0)
				die("write");
		}
		r = read(fd, in + have, sizeof(in) - have);
		if (r <= 0)
			die("read");
		have += (size_t)r;
		for (struct xsd_sockmsg h; have - at >= sizeof(h);
		     at += sizeof(h) + h.len, done++) {
			memcpy(&h, in + at, sizeof(h));
			if (have - at < sizeof(h) + h.len)
				break;
			if (h.type == XS_ERROR) {
				fprintf(stderr, "raw-wire: refused\n");
				return 1;
			}
		}
		memmove(in, in + at, have - at);
		have -= at;
	}
	return 0;
}
