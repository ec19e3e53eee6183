/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into a stock xenstored or oxenstored, this stands in for the hypervisor, so that the
 * packaged daemon runs on any Linux machine, in a directory of its own ($XB_SANDBOX). The daemon's
 * well-known paths lead into that directory. A guest's ring is the file ring.DOMID there (shared
 * memory), an event to the daemon is a record in the pipe "events", one to guest N a byte in the
 * pipe events.N: ring-client.c is the other side. Every domain that is introduced exists.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/domctl.h>

#include "event.h"

#define EXPORT __attribute__((visibility("default")))
#define PAGE 4096
#define PORTS 1024

/* ---- paths ---------------------------------------------------------------------------------- */

static const struct {
	const char *from, *to;
} moved[] = {
	{ "/var/run/xenstored", "run" }, { "/run/xenstored", "run" },
	{ "/var/lib/xenstored", "lib" }, { "/var/log/xen", "log" },
	{ "/proc/xen", "dev" },		 { "/dev/xen", "dev" },
};

static const char *home(void)
{
	const char *dir = getenv("XB_SANDBOX");

	if (!dir || strlen(dir) > 60) {
		fprintf(stderr,
			"sandbox: XB_SANDBOX is not set, or too long for a socket's path\n");
		abort();
	}
	return dir;
}

/* PATH itself, or where it leads in the sandbox (in BUF). */
static const char *move(const char *path, char buf[static PATH_MAX])
{
	for (size_t i = 0; path && i < sizeof(moved) / sizeof(moved[0]); i++) {
		size_t n = strlen(moved[i].from);

		if (strncmp(path, moved[i].from, n) == 0 && (!path[n] || path[n] == '/')) {
			snprintf(buf, PATH_MAX, "%s/%s%s", home(), moved[i].to, path + n);
			return buf;
		}
	}
	return path;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

EXPORT int access(const char *path, int mode)
{
	char buf[PATH_MAX];

	return NEXT(access)(move(path, buf), mode);
}

EXPORT int chmod(const char *path, mode_t mode)
{
	char buf[PATH_MAX];

	return NEXT(chmod)(move(path, buf), mode);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	char buf[PATH_MAX];

	return NEXT(mkdir)(move(path, buf), mode);
}

EXPORT int stat(const char *restrict path, struct stat *restrict st)
{
	char buf[PATH_MAX];

	return NEXT(stat)(move(path, buf), st);
}

EXPORT int stat64(const char *restrict path, struct stat64 *restrict st)
{
	char buf[PATH_MAX];

	return NEXT(stat64)(move(path, buf), st);
}

EXPORT int unlink(const char *path)
{
	char buf[PATH_MAX];

	return NEXT(unlink)(move(path, buf));
}

EXPORT int rename(const char *from, const char *to)
{
	char a[PATH_MAX], b[PATH_MAX];

	return NEXT(rename)(move(from, a), move(to, b));
}

EXPORT DIR *opendir(const char *path)
{
	char buf[PATH_MAX];

	return NEXT(opendir)(move(path, buf));
}

EXPORT FILE *fopen(const char *restrict path, const char *restrict mode)
{
	char buf[PATH_MAX];

	return NEXT(fopen)(move(path, buf), mode);
}

EXPORT int open(const char *path, int flags, ...)
{
	char buf[PATH_MAX];
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return NEXT(open)(move(path, buf), flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
	char buf[PATH_MAX];
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return NEXT(open64)(move(path, buf), flags, mode);
}

EXPORT int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_un un;
	char buf[PATH_MAX];

	if (addr->sa_family != AF_UNIX || len > sizeof(un))
		return NEXT(bind)(fd, addr, len);
	memset(&un, 0, sizeof(un));
	memcpy(&un, addr, len);
	un.sun_path[sizeof(un.sun_path) - 1] = 0;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", move(strdupa(un.sun_path), buf));
	return NEXT(bind)(fd, (struct sockaddr *)&un, sizeof(un));
}

/* oxenstored raises limits, which a container may not. */
EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	(void)resource, (void)limit;
	return 0;
}

/* ---- domains and their pages ---------------------------------------------------------------- */

static void *new_handle(void)
{
	return calloc(1, 64);
}

static int free_handle(void *handle)
{
	free(handle);
	return 0;
}

static void *map_ring(uint32_t domid)
{
	char path[PATH_MAX];
	void *page;
	int fd;

	snprintf(path, sizeof(path), "%s/ring.%u", home(), domid);
	fd = NEXT(open)(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, PAGE) < 0)
		return NULL;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return page == MAP_FAILED ? NULL : page;
}

EXPORT void *xc_interface_open(void *logger, void *builder, unsigned flags)
{
	(void)logger, (void)builder, (void)flags;
	return new_handle();
}

EXPORT int xc_interface_close(void *xch)
{
	return free_handle(xch);
}

/* The leading members of xc_dominfo_t, all that xenstored 4.17 looks at. */
struct dominfo {
	uint32_t domid, ssidref;
	unsigned flags;
};

EXPORT int xc_domain_getinfo(void *xch, uint32_t first, unsigned max, struct dominfo *info)
{
	(void)xch;
	if (max)
		*info = (struct dominfo){ .domid = first };
	return max != 0;
}

EXPORT int xc_domain_getinfolist(void *xch, uint32_t first, unsigned max,
				 struct xen_domctl_getdomaininfo *info)
{
	(void)xch;
	if (max) {
		memset(info, 0, sizeof(*info));
		info->domain = (domid_t)first;
	}
	return max != 0;
}

/* What Xen 4.20's daemons ask. */
EXPORT int xc_domain_getinfo_single(void *xch, uint32_t domid,
				    struct xen_domctl_getdomaininfo *info)
{
	if (info)
		xc_domain_getinfolist(xch, domid, 1, info);
	return 0;
}

EXPORT void *xc_map_foreign_range(void *xch, uint32_t domid, int size, int prot, unsigned long mfn)
{
	(void)xch, (void)size, (void)prot, (void)mfn;
	return map_ring(domid);
}

EXPORT void *xengnttab_open(void *logger, unsigned flags)
{
	(void)logger, (void)flags;
	return new_handle();
}

EXPORT int xengnttab_close(void *xgt)
{
	return free_handle(xgt);
}

EXPORT int xengnttab_set_max_grants(void *xgt, uint32_t n)
{
	(void)xgt, (void)n;
	return 0;
}

EXPORT void *xengnttab_map_grant_ref(void *xgt, uint32_t domid, uint32_t ref, int prot)
{
	(void)xgt, (void)ref, (void)prot;
	return map_ring(domid);
}

EXPORT int xengnttab_unmap(void *xgt, void *page, uint32_t n)
{
	(void)xgt;
	return munmap(page, (size_t)n * PAGE);
}

/* Xen 4.21 and later ask this library instead of libxenctrl. */
EXPORT void *xenmanage_open(void *logger, unsigned flags)
{
	(void)logger, (void)flags;
	return new_handle();
}

EXPORT int xenmanage_close(void *hdl)
{
	return free_handle(hdl);
}

EXPORT int xenmanage_get_domain_info(void *hdl, unsigned domid, unsigned *state, unsigned *caps,
				     uint64_t *id)
{
	(void)hdl;
	if (state)
		*state = 1; /* XENMANAGE_GETDOMSTATE_STATE_EXIST */
	if (caps)
		*caps = 0;
	if (id)
		*id = domid;
	return 0;
}

EXPORT int xenmanage_poll_changed_domain(void *hdl, unsigned *domid, unsigned *state,
					 unsigned *caps, uint64_t *id)
{
	(void)hdl, (void)domid, (void)state, (void)caps, (void)id;
	errno = ENOENT;
	return -1;
}

/* ---- event channels ------------------------------------------------------------------------- */

static struct event port_of[PORTS]; /* local port P is port_of[P]; domid 0 port 0 is free */
static int events = -1;

EXPORT void *xenevtchn_open(void *logger, unsigned flags)
{
	char path[PATH_MAX];

	(void)logger, (void)flags;
	snprintf(path, sizeof(path), "%s/events", home());
	events = NEXT(open)(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return events < 0 ? NULL : new_handle();
}

EXPORT int xenevtchn_close(void *xce)
{
	close(events);
	return free_handle(xce);
}

EXPORT int xenevtchn_fd(void *xce)
{
	(void)xce;
	return events;
}

static int bind_port(struct event from)
{
	for (int port = 1; port < PORTS; port++) {
		if (!port_of[port].port) {
			port_of[port] = from;
			return port;
		}
	}
	errno = ENOSPC;
	return -1;
}

EXPORT int xenevtchn_bind_interdomain(void *xce, uint32_t domid, uint32_t port)
{
	(void)xce;
	return bind_port((struct event){ domid, port });
}

/* Bound, and never fires: no domain dies here but by XS_RELEASE. */
EXPORT int xenevtchn_bind_virq(void *xce, unsigned virq)
{
	(void)xce;
	return bind_port((struct event){ UINT32_MAX, virq + 1 });
}

EXPORT int xenevtchn_unbind(void *xce, uint32_t port)
{
	(void)xce;
	if (port < PORTS)
		port_of[port] = (struct event){ 0 };
	return 0;
}

EXPORT int xenevtchn_unmask(void *xce, uint32_t port)
{
	(void)xce, (void)port;
	return 0;
}

EXPORT int xenevtchn_pending(void *xce)
{
	struct event e;

	(void)xce;
	while (read(events, &e, sizeof(e)) == sizeof(e)) {
		for (int port = 1; port < PORTS; port++) {
			if (port_of[port].port == e.port && port_of[port].domid == e.domid)
				return port;
		}
	}
	errno = EAGAIN;
	return -1;
}

EXPORT int xenevtchn_notify(void *xce, uint32_t port)
{
	char path[PATH_MAX];
	int fd;

	(void)xce;
	if (port >= PORTS)
		return -1;
	snprintf(path, sizeof(path), "%s/events.%u", home(), port_of[port].domid);
	fd = NEXT(open)(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = write(fd, "", 1);

		(void)n; /* a full pipe wakes the guest as well */
		close(fd);
	}
	return 0;
}
