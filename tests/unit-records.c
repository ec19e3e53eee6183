/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What xenblacklistd remembers of its servers over its own death, and the lock of its processes. */
#include "tests/unit.h"

#include "device/records.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "%s/xb-records-XXXXXX", "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	(void)state;
	while (d && (e = readdir(d))) {
		CLEANUP(free) char *path = xasprintf("%s/%s", dir, e->d_name);

		unlink(path);
	}
	if (d)
		closedir(d);
	return rmdir(dir);
}

struct found {
	struct record record[8];
	size_t n;
};

static void collect(void *ctx, const struct record *r)
{
	struct found *f = ctx;

	if (f->n < ARRAY_SIZE(f->record))
		f->record[f->n++] = *r;
}

static void put(const char *name, const char *text)
{
	CLEANUP(free) char *path = xasprintf("%s/%s", dir, name);
	CLEANUP(close_file) FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
}

static void remembers(void **state)
{
	const struct record r = {
		.domid = 12, .server = 3, .pid = 4711, .attached = true, .uuid = "a-b-c"
	};
	struct found f = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(record_write(dir, &r, &err), 0);
	assert_int_equal(record_each(dir, collect, &f, &err), 0);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.record[0].domid, 12);
	assert_int_equal(f.record[0].server, 3);
	assert_int_equal(f.record[0].pid, 4711);
	assert_true(f.record[0].attached);
	assert_string_equal(f.record[0].uuid, "a-b-c");
	record_remove(dir, 12);
	f.n = 0;
	assert_int_equal(record_each(dir, collect, &f, &err), 0);
	assert_int_equal(f.n, 0);
}

/* Half files, other people's files, numbers that are none. */
static void survives_damage(void **state)
{
	struct found f = { 0 };
	struct err err;

	(void)state;
	put("1.server", "");
	put("2.server", "server 99999\n");
	put("3.server", "pid 5\nuuid x\n");
	put("4.server.new", "server 1\n");
	put("notes", "server 1\n");
	put("5.server", "server 2\npid 99999999999\nuuid "
			"0123456789012345678901234567890123456789012345678901234567890123456789\n");
	assert_int_equal(record_each(dir, collect, &f, &err), 0);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.record[0].domid, 5);
	assert_int_equal(f.record[0].pid, 0);
	assert_string_equal(f.record[0].uuid, "");
	f.n = 0;
	assert_int_equal(record_each("/nonexistent/dir", collect, &f, &err), -ERR_IO);
}

/* What is no file of ours is neither waited for nor followed. */
static void survives_strangers(void **state)
{
	const struct record r = { .domid = 8, .server = 3 };
	CLEANUP(free) char *fifo = xasprintf("%s/6.server", dir);
	CLEANUP(free) char *link = xasprintf("%s/7.server", dir);
	CLEANUP(free) char *half = xasprintf("%s/8.server.new", dir);
	struct found f = { 0 };
	struct err err;

	(void)state;
	put("notes", "server 1\n");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(symlink("notes", link), 0);
	assert_int_equal(symlink("notes", half), 0);
	alarm(60);
	assert_false(record_guarded(dir, 6));
	assert_int_equal(record_write(dir, &r, &err), 0);
	assert_int_equal(record_each(dir, collect, &f, &err), 0);
	alarm(0);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.record[0].domid, 8);
	assert_true(access(fifo, F_OK) < 0 && access(link, F_OK) < 0);
}

/* The lock is held as long as one of the processes that inherited it lives. */
static void locks_together(void **state)
{
	CLEANUP(close_fd) int fd = -1, again = -1, pipe_end = -1;
	int fds[2];
	struct err err;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(record_lock(dir, &fd, &err), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		close(fds[1]);
		_exit(read(fds[0], &c, 1) != 0);
	}
	close(fds[0]);
	pipe_end = fds[1];
	close(fd);
	fd = -1;
	close(pipe_end); /* it leaves some moments later: the next one waits for it */
	pipe_end = -1;
	assert_int_equal(record_lock(dir, &again, &err), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(remembers, make_dir, remove_dir),
	cmocka_unit_test_setup_teardown(survives_damage, make_dir, remove_dir),
	cmocka_unit_test_setup_teardown(survives_strangers, make_dir, remove_dir),
	cmocka_unit_test_setup_teardown(locks_together, make_dir, remove_dir),
};
UNIT_MAIN(tests)
