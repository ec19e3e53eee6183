/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides the format of the run directory's files and how leftovers of a killed daemon are told from
 * a second daemon: a daemon's own process id stands in the lock file.
 */
#include "device/records.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define PATIENCE_MS 3000 /* for processes whose supervisor has died */
#define STEP_MS 20

int record_write(const char *run_dir, const struct record *r, struct err *err)
{
	CLEANUP(free) char *path = xasprintf("%s/%u.server", run_dir, r->domid);
	CLEANUP(free) char *temporary = xasprintf("%s/%u.server.new", run_dir, r->domid);
	int fd;
	FILE *f;

	unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return err_set(err, ERR_CREATE, "cannot create '%s': %s", temporary,
			       strerror(errno));
	fprintf(f, "server %u\npid %" PRId32 "\nattached %d\nuuid %s\n", r->server, r->pid,
		r->attached, r->uuid);
	if (fclose(f) != 0 || rename(temporary, path) < 0)
		return err_set(err, ERR_IO, "cannot write '%s': %s", path, strerror(errno));
	return 0;
}

void record_remove(const char *run_dir, uint16_t domid)
{
	CLEANUP(free) char *path = xasprintf("%s/%u.server", run_dir, domid);

	unlink(path);
}

static bool record_read(const char *path, struct record *ret)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	CLEANUP(close_file) FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	bool found = false;
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		struct span key, value;
		uint32_t n;

		line[strcspn(line, "\n")] = '\0';
		if (!span_cut(span_str(line), " ", &key, &value))
			continue;
		if (span_eq(key, "server") && parse_u16(value, &ret->server))
			found = true;
		else if (span_eq(key, "pid") && parse_u32(value, &n) && n <= INT32_MAX)
			ret->pid = (int32_t)n;
		else if (span_eq(key, "attached"))
			ret->attached = span_eq(value, "1");
		else if (span_eq(key, "uuid") && value.n < sizeof(ret->uuid))
			memcpy(ret->uuid, value.p, value.n);
	}
	return found;
}

int record_each(const char *run_dir, void (*each)(void *ctx, const struct record *r), void *ctx,
		struct err *err)
{
	DIR *dir = opendir(run_dir);
	const struct dirent *e;

	if (!dir)
		return err_set(err, ERR_IO, "cannot read '%s': %s", run_dir, strerror(errno));
	while ((e = readdir(dir))) {
		CLEANUP(free) char *path = xasprintf("%s/%s", run_dir, e->d_name);
		struct record r = { 0 };
		struct span number, rest;

		if (!span_cut(span_str(e->d_name), ".", &number, &rest) ||
		    !parse_u16(number, &r.domid))
			continue;
		if (span_eq(rest, "server") && record_read(path, &r))
			each(ctx, &r);
		else
			unlink(path);
	}
	closedir(dir);
	return 0;
}

static void pause_ms(long ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* Only a process that is one of ours: numbers are used again. */
static bool is_ours(int32_t pid)
{
	CLEANUP(free) char *path = xasprintf("/proc/%" PRId32 "/comm", pid);
	CLEANUP(close_file) FILE *f = fopen(path, "re");
	char name[32] = "";

	return pid > 1 && f && fgets(name, sizeof(name), f) &&
	       strncmp(name, "xenblacklistd", sizeof("xenblacklistd") - 1) == 0;
}

bool record_guarded(const char *run_dir, uint16_t domid)
{
	CLEANUP(free) char *path = xasprintf("%s/%u.server", run_dir, domid);
	struct record r = { .domid = domid };

	return record_read(path, &r) && r.attached && is_ours(r.pid);
}

static void kill_leftover(void *ctx, const struct record *r)
{
	(void)ctx;
	if (is_ours(r->pid))
		kill(r->pid, SIGKILL);
}

static int32_t read_owner(int fd)
{
	char text[16] = "";
	uint32_t pid;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	return n > 0 && parse_u32(span_of(text, (size_t)n), &pid) && pid <= INT32_MAX ? (int32_t)pid
										      : 0;
}

static bool lock_within(int fd, long ms)
{
	for (; flock(fd, LOCK_EX | LOCK_NB) < 0; ms -= STEP_MS) {
		if (ms <= 0 || (errno != EWOULDBLOCK && errno != EINTR))
			return false;
		pause_ms(STEP_MS);
	}
	return true;
}

int record_lock(const char *run_dir, int *ret_fd, struct err *err)
{
	CLEANUP(free) char *path = xasprintf("%s/lock", run_dir);
	CLEANUP(close_fd) int fd = -1;
	char text[16];

	if (mkdir(run_dir, 0755) < 0 && errno != EEXIST)
		return err_set(err, ERR_CREATE, "cannot create '%s': %s", run_dir, strerror(errno));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return err_set(err, ERR_CREATE, "cannot open '%s': %s", path, strerror(errno));
	if (!lock_within(fd, 0)) {
		if (is_ours(read_owner(fd)))
			return err_set(err, ERR_BUSY,
				       "another xenblacklistd runs as process %" PRId32,
				       read_owner(fd));
		if (!lock_within(fd, PATIENCE_MS)) {
			record_each(run_dir, kill_leftover, NULL, err);
			if (!lock_within(fd, PATIENCE_MS))
				return err_set(err, ERR_BUSY,
					       "processes of an earlier xenblacklistd hold '%s'",
					       path);
		}
	}
	snprintf(text, sizeof(text), "%d", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0)
		return err_set(err, ERR_IO, "cannot write '%s': %s", path, strerror(errno));
	*ret_fd = fd;
	fd = -1;
	return 0;
}
