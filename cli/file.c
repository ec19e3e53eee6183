/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Output files that are never half written, input files that are never too large.
 */
#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -1;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static int write_in_place(const char *path, const char *bytes, size_t n, struct err *err)
{
	CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_set(err, ERR_CREATE, "cannot write '%s': %s", path, strerror(errno));
	if (write_all(fd, bytes, n) < 0)
		return err_set(err, ERR_IO, "cannot write '%s': %s", path, strerror(errno));
	return 0;
}

/* The permissions of the file that is replaced, or those of a new one. */
static mode_t wanted_mode(const char *path)
{
	struct stat st;
	mode_t mask;

	if (stat(path, &st) == 0)
		return st.st_mode & 0777;
	mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

static int write_and_rename(const char *path, const char *bytes, size_t n, struct err *err)
{
	CLEANUP(free) char *temporary = xasprintf("%s.XXXXXX", path);
	int fd = mkostemp(temporary, O_CLOEXEC);
	int bad;

	if (fd < 0)
		return err_set(err, ERR_CREATE, "cannot create '%s': %s", path, strerror(errno));
	bad = write_all(fd, bytes, n) < 0 || fchmod(fd, wanted_mode(path)) < 0 || fsync(fd) < 0;
	if (bad)
		err_set(err, ERR_IO, "cannot write '%s': %s", path, strerror(errno));
	if (close(fd) < 0 && !bad) {
		err_set(err, ERR_IO, "cannot write '%s': %s", path, strerror(errno));
		bad = 1;
	}
	if (!bad && rename(temporary, path) < 0) {
		err_set(err, ERR_CREATE, "cannot create '%s': %s", path, strerror(errno));
		bad = 1;
	}
	if (!bad)
		return 0;
	unlink(temporary);
	return -(int)err->kind;
}

int file_write(const char *path, const char *bytes, size_t n, struct err *err)
{
	CLEANUP(free) char *real = realpath(path, NULL);
	struct stat st;

	if (real && stat(real, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return write_in_place(path, bytes, n, err);
	return write_and_rename(real ? real : path, bytes, n, err);
}

static int read_fd(int fd, const char *name, size_t max, char **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(free) char *bytes = NULL;
	size_t n = 0, cap = 0;

	for (;;) {
		ssize_t got;

		if (cap - n < 2) {
			cap = cap ? 2 * cap : 65536;
			bytes = xreallocarray(bytes, cap, 1);
		}
		got = read(fd, bytes + n, cap - n - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(err, errno == EISDIR ? ERR_NOT_FOUND : ERR_IO,
				       "cannot read '%s': %s", name, strerror(errno));
		if (got == 0)
			break;
		n += (size_t)got;
		if (n > max)
			return err_refuse(err, REFUSAL_TOOBIG, "'%s' is larger than %zu bytes",
					  name, max);
	}
	bytes[n] = '\0';
	*ret = TAKE(bytes);
	*ret_n = n;
	return 0;
}

int file_read(const char *path, size_t max, char **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(close_fd) int fd = -1;

	if (strcmp(path, "-") == 0)
		return read_fd(STDIN_FILENO, "standard input", max, ret, ret_n, err);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		enum err_kind kind = errno == EACCES || errno == EPERM ? ERR_DENIED : ERR_NOT_FOUND;

		return err_set(err, kind, "cannot open '%s': %s", path, strerror(errno));
	}
	return read_fd(fd, path, max, ret, ret_n, err);
}
