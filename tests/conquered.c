/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loaded into xenblacklist-fetch by tests/fetch.bats: libcurl, conquered by a server. Tries what
 * an attacker would, and tells what went through as the reason why the fetch failed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int curl_easy_perform(void *curl);
const char *curl_easy_strerror(int code);

static char went[256];

static void tried(const char *what, long r)
{
	if (r >= 0) {
		strncat(went, " ", sizeof(went) - strlen(went) - 1);
		strncat(went, what, sizeof(went) - strlen(went) - 1);
	}
}

int curl_easy_perform(void *curl)
{
	static char *const none[] = { NULL };

	(void)curl;
	tried("read", open("/etc/passwd", O_RDONLY));
	tried("inet", socket(AF_INET, SOCK_STREAM, 0));
	tried("unix", socket(AF_UNIX, SOCK_STREAM, 0));
	tried("write", open("/dev/null", O_WRONLY));
	tried("create", open("/tmp", O_TMPFILE | O_RDWR, 0600));
	tried("creat", creat("/dev/shm/xb-conquered", 0600));
	tried("mkdir", mkdir("/tmp/xb-conquered", 0700));
	tried("symlink", symlink("x", "/tmp/xb-conquered"));
	tried("unlink", unlink("/tmp/xb-conquered"));
	tried("chmod", chmod("/proc/self/cwd", 0700));
	tried("exec", execve("/bin/true", none, none));
	tried("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
	tried("kill", kill(getppid(), 0));
	tried("root", setuid(0));
	tried("groups", setgid(0));
	return 2;
}

const char *curl_easy_strerror(int code)
{
	(void)code;
	return went;
}
