/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sync/wire and sync/store against a daemon that lies: a process that answers each request with
 * the bytes of a script. Whatever it sends, the call ends in time, with ERR_UNREACHABLE or with
 * an answer that is well formed.
 */
#include "sync/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>

#include "sync/wire.h"
#include "tests/unit.h"

#define LIMIT 300 /* ms */

enum act {
	ANSWER, /* type and payload as given */
	WRONG_ID,
	WRONG_TX,
	WRONG_TYPE,
	HUGE_SIZE, /* claims 2^32 - 1 bytes */
	BIG_SIZE,  /* claims a byte more than a message may have */
	HALF,	   /* half of a header, then nothing */
	SHORT,	   /* fewer bytes than it claims, then nothing */
	HANG_UP,
	SILENCE,
	DRIP,	 /* one byte at a time, for ever */
	TWICE,	 /* the same answer two times */
	UNASKED, /* a watch event */
	END,	 /* of the script: honest answers (an empty node) from here on */
};

struct step {
	enum act act;
	uint32_t type; /* XS_ERROR; 0: that of the request */
	const char *data;
	uint32_t n;
};

struct liar {
	pid_t pid;
	char *dir, *path;
};

static void say(int fd, const void *p, size_t n)
{
	if (send(fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
		_exit(0);
}

static void hear(int fd, void *p, size_t n)
{
	if (n && recv(fd, p, n, MSG_WAITALL) != (ssize_t)n)
		_exit(0);
}

static void honest(int fd, struct xsd_sockmsg h)
{
	h.len = h.type == XS_DIRECTORY || h.type == XS_READ ? 0 : 3;
	say(fd, &h, sizeof(h));
	say(fd,
	    h.type == XS_GET_PERMS	     ? "n0"
	    : h.type == XS_TRANSACTION_START ? "12"
					     : "OK",
	    h.len);
}

static void lie(int fd, const struct step *step, const struct xsd_sockmsg *asked)
{
	struct xsd_sockmsg h = *asked;

	if (step->type)
		h.type = step->type;
	h.len = step->n;
	h.req_id += step->act == WRONG_ID;
	h.tx_id += step->act == WRONG_TX;
	h.type = step->act == WRONG_TYPE ? XS_MKDIR
		 : step->act == UNASKED	 ? XS_WATCH_EVENT
					 : h.type;
	h.len = step->act == HUGE_SIZE	? UINT32_MAX
		: step->act == BIG_SIZE ? XENSTORE_PAYLOAD_MAX + 1
					: h.len;
	h.len += step->act == SHORT;
	switch (step->act) {
	case HANG_UP:
		_exit(0);
	case SILENCE:
		break;
	case HALF:
		say(fd, &h, sizeof(h) / 2);
		break;
	case DRIP:
		h.len = XENSTORE_PAYLOAD_MAX;
		say(fd, &h, sizeof(h));
		for (;; usleep(20000))
			say(fd, "x", 1);
	case TWICE:
		say(fd, &h, sizeof(h));
		say(fd, step->data, step->n);
		/* fall through */
	default:
		say(fd, &h, sizeof(h));
		say(fd, step->data, step->n);
	}
	if (step->act == SILENCE || step->act == HALF || step->act == SHORT)
		pause();
}

static struct liar liar_start(const struct step *script)
{
	char dir[] = "/tmp/xb-liar.XXXXXX";
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct liar l;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_non_null(mkdtemp(dir));
	l.dir = xstrdup(dir);
	l.path = xasprintf("%s/socket", dir);
	memcpy(un.sun_path, l.path, strlen(l.path));
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 8), 0);
	l.pid = fork();
	assert_true(l.pid >= 0);
	if (!l.pid) {
		int c = accept(fd, NULL, NULL);

		close(fd);
		for (;;) {
			struct xsd_sockmsg h;
			char body[XENSTORE_PAYLOAD_MAX];

			hear(c, &h, sizeof(h));
			hear(c, body, h.len);
			if (script->act == END)
				honest(c, h);
			else
				lie(c, script++, &h);
		}
	}
	close(fd);
	setenv("XENSTORED_PATH", l.path, 1);
	return l;
}

static void liar_end(struct liar *l)
{
	kill(l->pid, SIGKILL);
	waitpid(l->pid, NULL, 0);
	unlink(l->path);
	rmdir(l->dir);
	free(l->path);
	free(l->dir);
}

#define TEXT(s) s, sizeof(s)	 /* with its NUL */
#define BARE(s) s, sizeof(s) - 1 /* without */

/* What a single XS_READ makes of it: 0, an errno of the daemon's, or -ERR_UNREACHABLE. */
static const struct {
	const char *what;
	struct step step;
	int want;
	const char *text;
} answers[] = {
	{ "a value", { ANSWER, 0, BARE("v") }, 0, NULL },
	{ "an empty value", { ANSWER, 0, BARE("") }, 0, NULL },
	{ "an error", { ANSWER, XS_ERROR, TEXT("ENOENT") }, ENOENT, NULL },
	{ "an error of oxenstored's own", { ANSWER, XS_ERROR, TEXT("EQUOTA") }, EIO, NULL },
	{ "an error without end",
	  { ANSWER, XS_ERROR, BARE("ENOENT") },
	  -ERR_UNREACHABLE,
	  "malformed" },
	{ "an empty error", { ANSWER, XS_ERROR, BARE("") }, -ERR_UNREACHABLE, "malformed" },
	{ "two errors", { ANSWER, XS_ERROR, TEXT("EIO\0EIO") }, -ERR_UNREACHABLE, "malformed" },
	{ "another request's answer", { WRONG_ID, 0, BARE("v") }, -ERR_UNREACHABLE, "no question" },
	{ "another transaction's", { WRONG_TX, 0, BARE("v") }, -ERR_UNREACHABLE, "no question" },
	{ "another type", { WRONG_TYPE, 0, BARE("v") }, -ERR_UNREACHABLE, "no question" },
	{ "an event that nobody asked for",
	  { UNASKED, 0, TEXT("/x\0y") },
	  -ERR_UNREACHABLE,
	  "no question" },
	{ "4 GiB", { HUGE_SIZE, 0, BARE("v") }, -ERR_UNREACHABLE, "unreasonable" },
	{ "4097 bytes", { BIG_SIZE, 0, BARE("v") }, -ERR_UNREACHABLE, "unreasonable" },
	{ "half a header", { HALF, 0, BARE("") }, -ERR_UNREACHABLE, "does not answer" },
	{ "a byte too few", { SHORT, 0, BARE("v") }, -ERR_UNREACHABLE, "does not answer" },
	{ "nothing", { SILENCE, 0, BARE("") }, -ERR_UNREACHABLE, "does not answer" },
	{ "a byte now and then", { DRIP, 0, BARE("") }, -ERR_UNREACHABLE, "does not answer" },
	{ "good-bye", { HANG_UP, 0, BARE("") }, -ERR_UNREACHABLE, NULL },
	{ "an answer twice", { TWICE, 0, BARE("v") }, -ERR_UNREACHABLE, NULL },
};

static void one_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		const struct step script[] = { answers[i].step, { .act = END } };
		struct liar l = liar_start(script);
		/* Two, so that an answer too many is noticed at the latest with the second. */
		struct wire_request req[2] = { { .type = XS_READ, .path = "/x" },
					       { .type = XS_READ, .path = "/y" } };
		struct wire *w = NULL;
		struct err err = { 0 };
		int r;

		assert_int_equal(wire_open(l.path, LIMIT, &w, NULL, &err), 0);
		r = wire_call(w, req, 2, &err);
		r = r ? r : req[0].error;
		if (r != answers[i].want || (answers[i].text && !strstr(err.msg, answers[i].text)))
			fail_msg("%s: %d '%s'", answers[i].what, r, err.msg);
		wire_requests_clear(req, 2);
		wire_close(w);
		liar_end(&l);
	}
}

/* Directories: what store_list() makes of the answers that follow the one to store_open(). */
static const struct {
	const char *what;
	struct step step[4];
	int want;
	size_t n;
} lists[] = {
	{ "none", { { ANSWER, 0, BARE("") }, { END, 0, BARE("") } }, 0, 0 },
	{ "two", { { ANSWER, 0, TEXT("b\0a") }, { END, 0, BARE("") } }, 0, 2 },
	{ "without end",
	  { { ANSWER, 0, BARE("a\0b") }, { END, 0, BARE("") } },
	  -ERR_UNREACHABLE,
	  0 },
	{ "an empty name",
	  { { ANSWER, 0, TEXT("a\0\0b") }, { END, 0, BARE("") } },
	  -ERR_UNREACHABLE,
	  0 },
	{ "a path for a name",
	  { { ANSWER, 0, TEXT("../a") }, { END, 0, BARE("") } },
	  -ERR_UNREACHABLE,
	  0 },
	{ "a name with a newline",
	  { { ANSWER, 0, TEXT("a\nb") }, { END, 0, BARE("") } },
	  -ERR_UNREACHABLE,
	  0 },
	{ "a name twice",
	  { { ANSWER, 0, TEXT("a\0a") }, { END, 0, BARE("") } },
	  -ERR_UNREACHABLE,
	  0 },
	{ "parts",
	  { { ANSWER, XS_ERROR, TEXT("E2BIG") },
	    { ANSWER, 0, TEXT("1\0a\0b") },
	    { ANSWER, 0, TEXT("1\0c\0") },
	    { END, 0, BARE("") } },
	  0,
	  3 },
	{ "an empty directory in parts",
	  { { ANSWER, XS_ERROR, TEXT("E2BIG") }, { ANSWER, 0, TEXT("1\0") }, { END, 0, BARE("") } },
	  0,
	  0 },
	{ "a part without a generation",
	  { { ANSWER, XS_ERROR, TEXT("E2BIG") }, { ANSWER, 0, BARE("") }, { END, 0, BARE("") } },
	  -ERR_UNREACHABLE,
	  0 },
	{ "a generation and no more",
	  { { ANSWER, XS_ERROR, TEXT("E2BIG") }, { ANSWER, 0, TEXT("1") }, { END, 0, BARE("") } },
	  -ERR_UNREACHABLE,
	  0 },
	{ "a part without end",
	  { { ANSWER, XS_ERROR, TEXT("E2BIG") },
	    { ANSWER, 0, BARE("1\0a") },
	    { END, 0, BARE("") } },
	  -ERR_UNREACHABLE,
	  0 },
	{ "a daemon that cannot do parts",
	  { { ANSWER, XS_ERROR, TEXT("E2BIG") },
	    { ANSWER, XS_ERROR, TEXT("ENOSYS") },
	    { END, 0, BARE("") } },
	  -ERR_IO,
	  0 },
	{ "a directory that goes meanwhile",
	  { { ANSWER, XS_ERROR, TEXT("E2BIG") },
	    { ANSWER, XS_ERROR, TEXT("ENOENT") },
	    { END, 0, BARE("") } },
	  -ERR_NOT_FOUND,
	  0 },
};

static void directories(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct step script[5] = { { ANSWER, XS_ERROR, TEXT("ENOENT") } };
		CLEANUP(store_close) struct store *s = NULL;
		struct err err = { 0 };
		struct liar l;
		char **names = NULL;
		size_t n = 0;
		int r;

		memcpy(script + 1, lists[i].step, sizeof(lists[i].step));
		l = liar_start(script);
		assert_int_equal(
			store_open(&(struct store_options){ .timeout_ms = LIMIT }, &s, &err), 0);
		r = store_list(s, "/x", &names, &n, &err);
		if (r != lists[i].want || n != lists[i].n)
			fail_msg("%s: %d, %zu names, '%s'", lists[i].what, r, n, err.msg);
		for (size_t k = 1; k < n; k++)
			assert_true(strcmp(names[k - 1], names[k]) < 0);
		store_list_free(names, n);
		liar_end(&l);
	}
}

/* A directory that changes under the listing starts again; one that always does is given up. */
static void generations(void **state)
{
	struct step script[300] = { { ANSWER, XS_ERROR, TEXT("ENOENT") },
				    { ANSWER, XS_ERROR, TEXT("E2BIG") } };
	CLEANUP(store_close) struct store *s = NULL, *s2 = NULL;
	struct err err = { 0 };
	struct liar l;
	char **names;
	size_t n;

	(void)state;
	script[2] = (struct step){ ANSWER, 0, TEXT("1\0a\0b") };
	script[3] = (struct step){ ANSWER, 0, TEXT("2\0gone") };
	script[4] = (struct step){ ANSWER, 0, TEXT("2\0a\0c\0") };
	script[5] = (struct step){ .act = END };
	l = liar_start(script);
	assert_int_equal(store_open(&(struct store_options){ .timeout_ms = LIMIT }, &s, &err), 0);
	assert_int_equal(store_list(s, "/x", &names, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_string_equal(names[1], "c");
	store_list_free(names, n);
	liar_end(&l);

	for (size_t i = 2; i < ARRAY_SIZE(script); i += 2) {
		script[i] = (struct step){ ANSWER, 0, TEXT("1\0a") };
		script[i + 1] = (struct step){ ANSWER, 0, TEXT("2\0a") };
	}
	l = liar_start(script);
	assert_int_equal(store_open(&(struct store_options){ .timeout_ms = LIMIT }, &s2, &err), 0);
	assert_int_equal(store_list(s2, "/x", &names, &n, &err), -ERR_BUSY);
	liar_end(&l);
}

/* Trees, commits and reads against other lies; the script begins after the answer to store_open(). */
static void trees_and_commits(void **state)
{
	static const struct {
		const char *what;
		bool commit;
		struct step step[4];
		int want;
		bool known;
	} cases[] = {
		{ "honest", false, { { END, 0, BARE("") } }, 0, true },
		{ "permissions of another world",
		  false,
		  { { ANSWER, 0, BARE("v") }, { ANSWER, 0, TEXT("x0") } },
		  -ERR_UNREACHABLE,
		  true },
		{ "permissions without end",
		  false,
		  { { ANSWER, 0, BARE("v") }, { ANSWER, 0, BARE("r0") } },
		  -ERR_UNREACHABLE,
		  true },
		{ "no permissions",
		  false,
		  { { ANSWER, 0, BARE("v") }, { ANSWER, 0, BARE("") } },
		  -ERR_UNREACHABLE,
		  true },
		{ "a node that goes",
		  false,
		  { { ANSWER, XS_ERROR, TEXT("ENOENT") }, { END, 0, BARE("") } },
		  0,
		  true },
		{ "an honest commit", true, { { END, 0, BARE("") } }, 0, true },
		{ "a transaction that is no number",
		  true,
		  { { ANSWER, 0, TEXT("x") }, { END, 0, BARE("") } },
		  -ERR_UNREACHABLE,
		  true },
		{ "transaction 0",
		  true,
		  { { ANSWER, 0, TEXT("0") }, { END, 0, BARE("") } },
		  -ERR_UNREACHABLE,
		  true },
		{ "no transactions left",
		  true,
		  { { ANSWER, XS_ERROR, TEXT("ENOSPC") }, { END, 0, BARE("") } },
		  -ERR_IO,
		  true },
		{ "a write refused",
		  true,
		  { { ANSWER, 0, TEXT("1") },
		    { ANSWER, XS_ERROR, TEXT("EACCES") },
		    { END, 0, BARE("") } },
		  -ERR_DENIED,
		  true },
		{ "gone before the commit",
		  true,
		  { { ANSWER, 0, TEXT("1") }, { HANG_UP, 0, BARE("") } },
		  -ERR_UNREACHABLE,
		  true },
		{ "somebody else was faster",
		  true,
		  { { ANSWER, 0, TEXT("1") },
		    { ANSWER, 0, TEXT("OK") },
		    { ANSWER, XS_ERROR, TEXT("EAGAIN") },
		    { END, 0, BARE("") } },
		  -ERR_BUSY,
		  true },
		{ "gone while it commits",
		  true,
		  { { ANSWER, 0, TEXT("1") }, { ANSWER, 0, TEXT("OK") }, { HANG_UP, 0, BARE("") } },
		  -ERR_UNREACHABLE,
		  false },
		{ "silent while it commits",
		  true,
		  { { ANSWER, 0, TEXT("1") }, { ANSWER, 0, TEXT("OK") }, { SILENCE, 0, BARE("") } },
		  -ERR_UNREACHABLE,
		  false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct step script[6] = { { ANSWER, XS_ERROR, TEXT("ENOENT") } };
		const struct store_op op = { STORE_WRITE, "/x", "v", NULL };
		CLEANUP(store_close) struct store *s = NULL;
		CLEANUP(tree_free) struct tree *t = NULL;
		struct err err = { 0 };
		bool known = true;
		struct liar l;
		int r;

		memcpy(script + 1, cases[i].step, sizeof(cases[i].step));
		script[5].act = END;
		l = liar_start(script);
		assert_int_equal(
			store_open(&(struct store_options){ .timeout_ms = LIMIT }, &s, &err), 0);
		r = cases[i].commit ? store_commit(s, &op, 1, &known, &err)
				    : store_tree(s, "/x", &t, &err);
		if (r != cases[i].want || known != cases[i].known)
			fail_msg("%s: %d '%s'", cases[i].what, r, err.msg);
		liar_end(&l);
	}
}

static void nobody_there(void **state)
{
	char dir[] = "/tmp/xb-liar.XXXXXX";
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct store *s = NULL;
	struct err err = { 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/socket", dir);
	setenv("XENSTORED_PATH", un.sun_path, 1);
	assert_int_equal(store_open(NULL, &s, &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.msg, "No such file"));
	/* A socket that nobody listens on, and one whose queue is full. */
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(store_open(NULL, &s, &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.msg, "refused"));
	assert_int_equal(listen(fd, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(store_open(&(struct store_options){ .timeout_ms = 100 }, &s, &err),
				 -ERR_UNREACHABLE);
	close(fd);
	unlink(un.sun_path);
	rmdir(dir);
	setenv("XENSTORED_PATH",
	       "/a/path/that/is/longer/than/a/socket/address/can/hold/and/that/goes/on/and/on/for/more/than/one/hundred/and/eight/bytes",
	       1);
	assert_int_equal(store_open(NULL, &s, &err), -ERR_UNREACHABLE);
}

/* ---- the kernel's device ---- */

/* Answers on a terminal's master side; fails when a request comes before the last is answered. */
static int one_at_a_time(int fd, int n)
{
	for (int i = 0; i < n; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		struct xsd_sockmsg h;
		char body[64];
		size_t at = 0;

		for (ssize_t r; at < sizeof(h); at += (size_t)r)
			if ((r = read(fd, (char *)&h + at, sizeof(h) - at)) <= 0)
				return 1;
		if (h.len > sizeof(body))
			return 2;
		at = 0;
		for (ssize_t r; at < h.len; at += (size_t)r)
			if ((r = read(fd, body + at, h.len - at)) <= 0)
				return 3;
		if (poll(&p, 1, 20) != 0)
			return 4;
		if (write(fd, &h, sizeof(h)) != sizeof(h) || write(fd, body, h.len) != h.len)
			return 5;
	}
	return 0;
}

/* A character device gets a message when the one before is answered: see WINDOW_DEVICE. */
static void device(void **state)
{
	CLEANUP(wire_close) struct wire *w = NULL;
	struct wire_request req[9] = { 0 };
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave, status;
	struct termios raw;
	struct err err;
	char path[9][4];
	pid_t pid;

	(void)state;
	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	assert_int_equal(tcgetattr(slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
	assert_int_equal(wire_open(ptsname(master), 2000, &w, NULL, &err), 0);
	close(slave);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(one_at_a_time(master, (int)ARRAY_SIZE(req)));
	for (size_t i = 0; i < ARRAY_SIZE(req); i++) {
		snprintf(path[i], sizeof(path[i]), "/%zu", i);
		req[i] = (struct wire_request){ .type = XS_READ, .path = path[i] };
	}
	if (wire_call(w, req, ARRAY_SIZE(req), &err) < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		fail_msg("%s; the device ended with %d", err.msg, status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (size_t i = 0; i < ARRAY_SIZE(req); i++) /* each its own answer */
		assert_string_equal(req[i].data, path[i]);
	wire_requests_clear(req, ARRAY_SIZE(req));
	close(master);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(one_answer),	cmocka_unit_test(directories),
	cmocka_unit_test(generations),	cmocka_unit_test(trees_and_commits),
	cmocka_unit_test(nobody_there), cmocka_unit_test(device),
};

UNIT_MAIN(tests)
