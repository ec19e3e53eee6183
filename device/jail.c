/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides the order in which privileges have to be given up and the list of permitted system calls.
 */
#include "device/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <linux/capability.h>
#include <linux/close_range.h>

#define MEMORY_MORE \
	((rlim_t)128 << 20) /* than at the start: for a new blacklist beside the old one */

int jail_find_user(const char *name, struct jail_user *ret, struct err *err)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (!pw)
		return err_set(err, ERR_CONFIG,
			       "no such user: '%s'; create it or name another with --user", name);
	if (pw->pw_uid == 0)
		return err_set(err, ERR_CONFIG, "user '%s' is root: name one without rights", name);
	*ret = (struct jail_user){ pw->pw_uid, pw->pw_gid };
	return 0;
}

static int int_order(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return x < y ? -1 : x > y;
}

void jail_close_others(const int *keep, size_t n)
{
	int sorted[16], next = 3;

	if (n > ARRAY_SIZE(sorted))
		abort();
	memcpy(sorted, keep, n * sizeof(*keep));
	qsort(sorted, n, sizeof(*sorted), int_order);
	for (size_t i = 0; i < n; i++) {
		if (sorted[i] > next)
			close_range((unsigned)next, (unsigned)sorted[i] - 1, 0);
		if (sorted[i] >= next)
			next = sorted[i] + 1;
	}
	close_range((unsigned)next, ~0u, 0);
}

/*
 * The requests of the Xen devices that a restricted process goes on using; everything else that
 * can be asked of them (hypercalls, new channels) is not on the list. Numbers: linux/xen/privcmd.h,
 * xen/sys/evtchn.h.
 */
#define XEN_REQUEST(type, nr) ((uint64_t)(((type) << 8) | (nr)))
#define XEN_REQUEST_MASK UINT64_C(0xffff)

static int allow_calls(scmp_filter_ctx ctx)
{
	static const int calls[] = {
		SCMP_SYS(read),
		SCMP_SYS(write),
		SCMP_SYS(recvmsg),
		SCMP_SYS(sendmsg),
		SCMP_SYS(poll),
		SCMP_SYS(ppoll),
		SCMP_SYS(munmap),
		SCMP_SYS(mremap),
		SCMP_SYS(brk),
		SCMP_SYS(madvise),
		SCMP_SYS(close),
		SCMP_SYS(fstat),
		SCMP_SYS(newfstatat),
		SCMP_SYS(clock_gettime),
		SCMP_SYS(nanosleep), /* until a page of the guest's is no longer paged out */
		SCMP_SYS(clock_nanosleep),
		SCMP_SYS(futex),
		SCMP_SYS(exit),
		SCMP_SYS(exit_group),
		SCMP_SYS(rt_sigreturn),
		SCMP_SYS(restart_syscall),
		SCMP_SYS(gettimeofday),
	};
	static const uint64_t requests[] = {
		XEN_REQUEST('P', 4), /* map guest memory, for string instructions */
		XEN_REQUEST('P', 5), /* device-model operations */
		XEN_REQUEST('E', 3), /* unbind */
		XEN_REQUEST('E', 4), /* notify */
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(calls); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(requests); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, XEN_REQUEST_MASK, requests[i]));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				     SCMP_A1(SCMP_CMP_EQ, F_GET_SEALS, 0));
	return r;
}

static int filter(struct err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!ctx)
		return err_set(err, ERR_INTERNAL, "cannot make a system call filter");
	r = allow_calls(ctx);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	if (r < 0)
		return err_set(err, ERR_INTERNAL, "cannot load the system call filter: %s",
			       strerror(-r));
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	return (int)syscall(SYS_capset, &head, none);
}

/* Whoever takes the process over can fill neither the memory, nor a file, nor somebody's log. */
static bool limit_use(void)
{
	const struct rlimit none = { 0, 0 };
	CLEANUP(close_file) FILE *f = fopen("/proc/self/statm", "re");
	CLEANUP(close_fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct rlimit memory;
	struct span now, rest;
	char line[128];
	uint64_t pages;

	if (!f || !fgets(line, sizeof(line), f) || !span_cut(span_str(line), " ", &now, &rest) ||
	    !parse_u64(now, &pages))
		return false;
	memory.rlim_cur = memory.rlim_max =
		(rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + MEMORY_MORE;
	return setrlimit(RLIMIT_AS, &memory) == 0 && setrlimit(RLIMIT_FSIZE, &none) == 0 &&
	       setrlimit(RLIMIT_CORE, &none) == 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 &&
	       dup2(null, 2) >= 0;
}

int jail_enter(const struct jail_user *user, struct err *err)
{
	if (!limit_use())
		return err_set(err, ERR_DENIED, "cannot limit memory and files: %s",
			       strerror(errno));
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0)
			return err_set(err, ERR_DENIED, "cannot drop capability %d: %s", cap,
				       strerror(errno));
	if (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return err_set(err, ERR_DENIED, "cannot become user %u: %s", (unsigned)user->uid,
			       strerror(errno));
	if (drop_capabilities() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_set(err, ERR_DENIED, "cannot give up privileges: %s", strerror(errno));
	return filter(err);
}
