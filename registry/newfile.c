/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file that appears whole: written without a name, or under a temporary one where the file
 * system cannot do that, synced, then linked to its name.
 */
#include "registry/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/base.h"

static bool write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		p += w;
		n -= (size_t)w;
	}
	return fchmod(fd, 0644) == 0 && fsync(fd) == 0;
}

static int link_new(const char *dir, const char *path, const char *p, size_t n)
{
	CLEANUP(free) char *name = NULL;
	CLEANUP(close_fd) int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	int saved = 0;

	if (fd >= 0) {
		CLEANUP(free) char *proc = xasprintf("/proc/self/fd/%d", fd);

		if (!write_all(fd, p, n))
			return errno;
		if (linkat(AT_FDCWD, proc, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (errno != ENOENT)
			return errno;
		close(fd); /* no /proc: by name then */
	} else if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL) {
		return errno;
	}
	name = xasprintf("%s/.registry.XXXXXX", dir);
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (!write_all(fd, p, n) || link(name, path) != 0)
		saved = errno;
	unlink(name);
	return saved;
}

int newfile_make(const char *path, const char *p, size_t n)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(free)
	char *dir =
		!slash ? xstrdup(".") : xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
	CLEANUP(close_fd) int fd = -1;
	int e;

	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return errno;
	if ((e = link_new(dir, path, p, n)) != 0)
		return e;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		fsync(fd);
	return 0;
}
