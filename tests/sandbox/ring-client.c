/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Speaks to a sandbox's daemon as a guest or stub domain: through the shared ring of the domain
 * DOMID, so with that domain's rights and no other. It introduces the domain when the daemon does
 * not know it yet; the page and the events are those of preload.c.
 *
 *   ring-client DOMID introduce          make the domain known, nothing else
 *   ring-client DOMID target TARGET      DOMID is the stub domain of TARGET (XS_SET_TARGET)
 *   ring-client DOMID read PATH          print the value
 *   ring-client DOMID list PATH          print the names, one a line
 *   ring-client DOMID perms PATH         print the permissions, one a line
 *   ring-client DOMID write PATH VALUE
 *   ring-client DOMID rm PATH
 *
 * Exit status 0, or 1 with the daemon's word for the error (ENOENT, EACCES ...) on stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <xenstore.h>

#include "registry/base.h"
#include "tests/sandbox/event.h"

#include <xen/io/xs_wire.h>

#define PORT 7
#define PAGE 4096
#define TIMEOUT_MS 10000

struct ring {
	uint32_t domid;
	struct xenstore_domain_interface *page;
	int to_daemon, from_daemon;
};

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "ring-client: %s%s%s\n", what, errno ? ": " : "",
		errno ? strerror(errno) : "");
	exit(2);
}

static char *in_sandbox(const char *name, uint32_t domid)
{
	const char *dir = getenv("SANDBOX_DIR");

	errno = 0;
	if (!dir)
		die("SANDBOX_DIR is not set");
	return name[strlen(name) - 1] == '.' ? xasprintf("%s/%s%u", dir, name, domid)
					     : xasprintf("%s/%s", dir, name);
}

static struct ring ring_open(uint32_t domid)
{
	CLEANUP(free)
	char *page = in_sandbox("ring.", domid), *to = in_sandbox("events", 0),
	     *from = in_sandbox("events.", domid);
	CLEANUP(close_fd) int fd = open(page, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct ring r = { .domid = domid };

	if (fd < 0 || ftruncate(fd, PAGE) < 0)
		die(page);
	r.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r.page == MAP_FAILED)
		die(page);
	if (mkfifo(from, 0600) < 0 && errno != EEXIST)
		die(from);
	r.from_daemon = open(from, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	r.to_daemon = open(to, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (r.from_daemon < 0 || r.to_daemon < 0)
		die("no daemon in the sandbox");
	return r;
}

static void ring_bell(const struct ring *r)
{
	struct event e = { r->domid, PORT };

	if (write(r->to_daemon, &e, sizeof(e)) != sizeof(e))
		die("cannot send an event");
}

static void wait_bell(const struct ring *r)
{
	struct pollfd p = { .fd = r->from_daemon, .events = POLLIN };
	char drain[64];

	errno = 0;
	if (poll(&p, 1, TIMEOUT_MS) != 1)
		die("the daemon does not answer");
	while (read(r->from_daemon, drain, sizeof(drain)) > 0)
		continue;
}

static void ring_write(const struct ring *r, const void *data, size_t n)
{
	const char *p = data;

	for (size_t i = 0; i < n;) {
		uint32_t prod = r->page->req_prod;

		if (prod - __atomic_load_n(&r->page->req_cons, __ATOMIC_ACQUIRE) ==
		    XENSTORE_RING_SIZE) {
			ring_bell(r);
			wait_bell(r);
			continue;
		}
		r->page->req[MASK_XENSTORE_IDX(prod)] = p[i++];
		__atomic_store_n(&r->page->req_prod, prod + 1, __ATOMIC_RELEASE);
	}
}

static void ring_read(const struct ring *r, void *data, size_t n)
{
	char *p = data;

	for (size_t i = 0; i < n;) {
		uint32_t cons = r->page->rsp_cons;

		if (cons == __atomic_load_n(&r->page->rsp_prod, __ATOMIC_ACQUIRE)) {
			ring_bell(r);
			wait_bell(r);
			continue;
		}
		p[i++] = r->page->rsp[MASK_XENSTORE_IDX(cons)];
		__atomic_store_n(&r->page->rsp_cons, cons + 1, __ATOMIC_RELEASE);
	}
}

/* One request and its answer; the answer's length, its bytes in BODY. */
static uint32_t talk(const struct ring *r, uint32_t type, const char *path, const char *value,
		     char body[static XENSTORE_PAYLOAD_MAX + 1])
{
	size_t n = strlen(path) + 1;
	struct xsd_sockmsg h = { .type = type, .req_id = 1 };

	h.len = (uint32_t)(n + (value ? strlen(value) : 0));
	ring_write(r, &h, sizeof(h));
	ring_write(r, path, n);
	if (value)
		ring_write(r, value, strlen(value));
	ring_bell(r);
	do {
		ring_read(r, &h, sizeof(h));
		errno = 0;
		if (h.len > XENSTORE_PAYLOAD_MAX)
			die("an answer of unreasonable size");
		ring_read(r, body, h.len);
	} while (h.type == XS_WATCH_EVENT);
	body[h.len] = 0;
	if (h.type == XS_ERROR) {
		fprintf(stderr, "%s\n", body);
		exit(1);
	}
	return h.len;
}

static void introduce(struct xs_handle *xs, uint32_t domid)
{
	errno = 0;
	if (!xs_is_domain_introduced(xs, domid) && !xs_introduce_domain(xs, domid, 1, PORT))
		die("cannot introduce the domain");
}

static void print_lines(const char *body, uint32_t n)
{
	for (uint32_t at = 0; at < n; at += (uint32_t)strlen(body + at) + 1)
		printf("%s\n", body + at);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *verb;
		uint32_t type;
		bool lines;
		int argc;
	} verbs[] = {
		{ "read", XS_READ, false, 4 },	    { "list", XS_DIRECTORY, true, 4 },
		{ "perms", XS_GET_PERMS, true, 4 }, { "write", XS_WRITE, false, 5 },
		{ "rm", XS_RM, false, 4 },
	};
	static char body[XENSTORE_PAYLOAD_MAX + 1];
	struct xs_handle *xs;
	uint32_t domid, target, n;
	struct ring r;

	if (argc < 3 || !parse_u32(span_str(argv[1]), &domid) || !domid || domid >= 0x7ff0) {
		fprintf(stderr, "usage: ring-client DOMID VERB [PATH [VALUE]]\n");
		return 64;
	}
	xs = xs_open(0);
	if (!xs)
		die("xs_open");
	r = ring_open(domid);
	introduce(xs, domid);
	if (strcmp(argv[2], "introduce") == 0)
		return 0;
	if (strcmp(argv[2], "target") == 0 && argc == 4 && parse_u32(span_str(argv[3]), &target)) {
		introduce(xs, target);
		return xs_set_target(xs, domid, target) ? 0 : 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].verb, argv[2]) != 0 || argc != verbs[i].argc)
			continue;
		n = talk(&r, verbs[i].type, argv[3], argc == 5 ? argv[4] : NULL, body);
		if (verbs[i].lines)
			print_lines(body, n);
		else if (verbs[i].type == XS_READ)
			printf("%s\n", body);
		return 0;
	}
	fprintf(stderr, "ring-client: unknown verb '%s'\n", argv[2]);
	return 64;
}
