/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The jail of a domain's process: whatever its work needs goes on working, also where the C library
 * takes another way than usual; what would be a way out ends it.
 */
#include "tests/unit.h"

#include "device/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "device/packet.h"
#include "device/rules.h"

#define NOBODY 65534

static struct node nodes[] = {
	{ .path = (char *)"", .value = (char *)"", .perms = (char *)"r0" },
	{ .path = (char *)"linux", .value = (char *)"", .perms = (char *)"r0" },
	{ .path = (char *)"linux/1", .value = (char *)"xb1:a", .perms = (char *)"r0" },
};

static int sealed; /* the nodes as rules */
static int pair[2];

/* Only root can enter: what nobody else may do, the daemon cannot either. */
static int prepare(void **state)
{
	const struct tree tree = { .node = nodes, .n = ARRAY_SIZE(nodes) };
	struct err err;
	size_t count;

	(void)state;
	packet_pair(pair);
	return rules_make(&tree, &sealed, &count, &err);
}

/* WORK in a jailed process of its own; how that ended. */
static int jailed(int (*work)(int arg), int arg)
{
	const struct jail_user user = { NOBODY, NOBODY };
	struct err err;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGSYS, SIG_DFL);
		signal(SIGXFSZ, SIG_DFL);
		if (jail_enter(&user, &err) < 0)
			_exit(99);
		/* Before _exit() AddressSanitizer asks for the signal stack, as no jail allows. */
		syscall(SYS_exit_group, work(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* What a child does between two sleeps, by number of the step that failed. */
static int daily_work(int arg)
{
	struct pollfd p = { .fd = pair[0], .events = POLLIN };
	struct timespec ts = { .tv_nsec = 1000 };
	struct packet m = { .kind = PACKET_RULES };
	CLEANUP(rules_close) struct rules *r = NULL;
	char *grown = malloc(1);
	struct err err;
	int fd = -1;

	(void)arg;
	if (!packet_send(pair[1], &m, sealed) || poll(&p, 1, 1000) != 1 ||
	    packet_recv(pair[0], &m, &fd) != 1 || fd < 0)
		return 1;
	if (rules_open(fd, &r, &err) < 0 || rules_ask(r, 3, 1) != VERDICT_BLACKLISTED)
		return 2;
	if (close(fd) < 0)
		return 3;
	for (size_t n = 1; n < (size_t)32 << 20; n *= 3) {
		char *other = malloc(n);

		grown = realloc(grown, n);
		if (!other || !grown)
			return 4;
		memset(grown, 1, n);
		free(other);
	}
	free(grown);
	/* Where the clock cannot be read without the kernel: Xen's PV clock in a dom0 of old. */
	if (syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts) < 0)
		return 5;
	/* libxenforeignmemory waits like that for a page that was paged out. */
	ts = (struct timespec){ .tv_nsec = 1000 };
	if (nanosleep(&ts, NULL) < 0 || syscall(SYS_nanosleep, &ts, NULL) < 0)
		return 6;
	/* Requests to Xen's devices get through to the device, which here is none. */
	if (ioctl(pair[0], _IOC(_IOC_NONE, 'P', 5, 24)) == 0 || errno != ENOTTY ||
	    ioctl(pair[0], _IOC(_IOC_NONE, 'P', 4, 32)) == 0 || errno != ENOTTY ||
	    ioctl(pair[0], _IOC(_IOC_NONE, 'E', 4, 4)) == 0 || errno != ENOTTY)
		return 7;
	return 0;
}

static void work_goes_on(void **state)
{
	int status = jailed(daily_work, 0);

	(void)state;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("step %d, signal %d", WEXITSTATUS(status), WTERMSIG(status));
}

static int way_out(int arg)
{
	switch (arg) {
	case 0:
		return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
	case 1:
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
	case 2:
		return (int)syscall(SYS_execve, "/bin/true", NULL, NULL);
	case 3:
		return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	case 4:
		return kill(1, 0);
	case 5:
		return (int)ptrace(PTRACE_TRACEME, 0, 0, 0);
	case 6:
		return (int)syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != -1;
	case 7:
		return mprotect((void *)((uintptr_t)way_out & ~UINT64_C(4095)), 4096,
				PROT_READ | PROT_WRITE | PROT_EXEC);
	case 8: /* a hypercall */
		return ioctl(pair[0], _IOC(_IOC_NONE, 'P', 0, 48));
	case 9: /* another event channel */
		return ioctl(pair[0], _IOC(_IOC_NONE, 'E', 1, 8));
	case 10:
		return setuid(0);
	case 11:
		return ftruncate(sealed, 0);
	case 12:
		return fcntl(pair[0], F_SETFL, 0);
	default:
		return (int)syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
	}
}

static void no_way_out(void **state)
{
	(void)state;
	for (int i = 0; i < 14; i++) {
		int status = jailed(way_out, i);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("way %d is open", i);
	}
}

static int fill(int fd)
{
	static const char text[4096];
	unsigned n = 0;

	if (mmap(NULL, (size_t)1 << 30, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		 0) != MAP_FAILED)
		return 1;
	/* The log of the supervisor, of the service manager, of whoever started it. */
	for (int i = 0; i < 3; i++)
		n += write(i, "forged\n", 7) == 7;
	return n != 3 || write(fd, text, sizeof(text)) >= 0 ? 2 : 3;
}

static void fills_nothing(void **state)
{
	int file = memfd_create("state", MFD_CLOEXEC), log[2], saved[3], status;
	char c;

	(void)state;
	assert_int_equal(pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
	for (int i = 0; i < 3; i++) {
		saved[i] = dup(i);
		dup2(log[1], i);
	}
	status = jailed(fill, file);
	for (int i = 0; i < 3; i++) {
		dup2(saved[i], i);
		close(saved[i]);
	}
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGXFSZ)
		fail_msg("status %d", status);
	assert_int_equal(lseek(file, 0, SEEK_END), 0);
	assert_int_equal(read(log[0], &c, 1), -1);
	close(log[0]);
	close(log[1]);
	close(file);
}

/* Waits to be looked at. */
static int stand_still(int arg)
{
	char c;

	(void)arg;
	return (int)read(pair[0], &c, 1);
}

static void nothing_left(void **state)
{
	static const char *const want[] = { "Uid:\t65534\t65534\t65534\t65534",
					    "Gid:\t65534\t65534\t65534\t65534",
					    "Groups:\t ",
					    "CapInh:\t0000000000000000",
					    "CapPrm:\t0000000000000000",
					    "CapEff:\t0000000000000000",
					    "CapBnd:\t0000000000000000",
					    "CapAmb:\t0000000000000000",
					    "NoNewPrivs:\t1",
					    "Seccomp:\t2" };
	const struct jail_user user = { NOBODY, NOBODY };
	CLEANUP(free) char *path = NULL, *line = NULL;
	CLEANUP(close_file) FILE *f = NULL;
	int ready[2], status;
	unsigned found = 0;
	size_t size = 0;
	struct err err;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(fcntl(pair[0], F_SETFL, 0), 0);
	pid = fork();
	if (pid == 0) {
		close(pair[1]);
		_exit(jail_enter(&user, &err) < 0 || write(ready[1], "", 1) != 1 || stand_still(0));
	}
	assert_int_equal(read(ready[0], &status, 1), 1);
	path = xasprintf("/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && getline(&line, &size, f) > 0)
		for (size_t i = 0; i < ARRAY_SIZE(want); i++)
			found += strncmp(line, want[i], strlen(want[i])) == 0;
	assert_int_equal(found, ARRAY_SIZE(want));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(ready[0]);
	close(ready[1]);
}

static void users(void **state)
{
	struct jail_user user;
	struct err err;

	(void)state;
	assert_int_equal(jail_find_user("nobody", &user, &err), 0);
	assert_true(user.uid != 0);
	assert_int_equal(jail_find_user("root", &user, &err), -ERR_CONFIG);
	assert_int_equal(jail_find_user("no such user", &user, &err), -ERR_CONFIG);
}

static void keeps_what_it_is_told(void **state)
{
	int keep[3], other[3], status;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		keep[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		other[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	pid = fork();
	if (pid == 0) {
		const int order[] = { keep[2], -1, keep[0], keep[1], 1 };
		bool well = true;

		jail_close_others(order, ARRAY_SIZE(order));
		for (size_t i = 0; i < 3; i++)
			well &= fcntl(keep[i], F_GETFD) >= 0 && fcntl(other[i], F_GETFD) < 0;
		_exit(well && fcntl(1, F_GETFD) >= 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (size_t i = 0; i < 3; i++) {
		close(keep[i]);
		close(other[i]);
	}
}

static const struct CMUnitTest as_root[] = {
	cmocka_unit_test(work_goes_on),	 cmocka_unit_test(no_way_out),
	cmocka_unit_test(fills_nothing), cmocka_unit_test(nothing_left),
	cmocka_unit_test(users),	 cmocka_unit_test(keeps_what_it_is_told),
};
static const struct CMUnitTest as_anybody[] = {
	cmocka_unit_test(users),
	cmocka_unit_test(keeps_what_it_is_told),
};

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (geteuid() != 0)
		return cmocka_run_group_tests(as_anybody, prepare, NULL);
	return cmocka_run_group_tests(as_root, prepare, NULL);
}
