/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store.h against a real daemon: run by store.bats inside a sandbox ($SANDBOX_DIR,
 * $XENSTORED_PATH), one case a run. libxenstore itself is the other client.
 */
#include "sync/store.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <xenstore.h>

#include "tests/unit.h"

static struct store *open_store(uint32_t timeout_ms)
{
	struct store *s = NULL;
	struct err err;

	if (store_open(&(struct store_options){ .timeout_ms = timeout_ms }, &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

static void commit(struct store *s, const struct store_op *ops, size_t n)
{
	struct err err;

	if (store_commit(s, ops, n, NULL, &err) < 0)
		fail_msg("%s", err.msg);
}

static pid_t daemon_pid(void)
{
	CLEANUP(free) char *path = xasprintf("%s/pid", getenv("SANDBOX_DIR"));
	CLEANUP(close_file) FILE *f = fopen(path, "r");
	int pid = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	return pid;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const struct node *find(const struct tree *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->node[i].path, path) == 0)
			return &t->node[i];
	}
	return NULL;
}

static void daemon_kind(void **state)
{
	CLEANUP(store_close) struct store *s = open_store(0);

	(void)state;
	assert_string_equal(store_daemon(s), getenv("XB_DAEMON"));
}

/* Every byte that a value can hold survives, in both directions, by both ways of reading. */
static void all_bytes(void **state)
{
	CLEANUP(store_close) struct store *s = open_store(0);
	struct xs_handle *xs = xs_open(0);
	CLEANUP(tree_free) struct tree *t = NULL;
	CLEANUP(free) char *value = NULL;
	char bytes[257];
	struct err err;
	size_t n;

	(void)state;
	for (int i = 0; i < 256; i++)
		bytes[i] = (char)(i + 1);
	bytes[256] = 0;
	assert_true(xs_write(xs, XBT_NULL, "/t/zero", bytes, 256)); /* its last byte is NUL */
	bytes[255] = 0;
	commit(s, &(struct store_op){ STORE_WRITE, "/t/text", bytes, NULL }, 1);
	assert_int_equal(store_read(s, "/t/text", &value, &n, &err), 0);
	assert_int_equal(n, 255);
	assert_memory_equal(value, bytes, 256);
	assert_int_equal(store_tree(s, "/t", &t, &err), 0);
	assert_int_equal(t->n, 3);
	assert_int_equal(find(t, "zero")->value_n, 256);
	assert_memory_equal(find(t, "zero")->value, bytes, 256);
	assert_int_equal(find(t, "text")->value_n, 255);
	xs_close(xs);
}

static void missing_and_empty(void **state)
{
	CLEANUP(store_close) struct store *s = open_store(0);
	CLEANUP(tree_free) struct tree *none = NULL, *one = NULL;
	CLEANUP(free) char *value = NULL;
	char **names;
	struct err err;
	size_t n = 9;

	(void)state;
	assert_int_equal(store_read(s, "/t/no", &value, &n, &err), -ERR_NOT_FOUND);
	assert_int_equal(store_list(s, "/t/no", &names, &n, &err), -ERR_NOT_FOUND);
	assert_int_equal(store_tree(s, "/t/no", &none, &err), 0);
	assert_int_equal(none->n, 0);
	assert_int_equal(store_read(s, "/t/a.b", &value, &n, &err), -ERR_INVALID);
	commit(s, &(struct store_op){ STORE_WRITE, "/t/e", "", NULL }, 1);
	assert_int_equal(store_read(s, "/t/e", &value, &n, &err), 0);
	assert_int_equal(n, 0);
	assert_string_equal(value, "");
	assert_int_equal(store_list(s, "/t/e", &names, &n, &err), 0);
	assert_int_equal(n, 0);
	store_list_free(names, n);
	assert_int_equal(store_tree(s, "/t/e", &one, &err), 0);
	assert_int_equal(one->n, 1);
	assert_string_equal(one->node[0].path, "");
}

static void permissions(void **state)
{
	CLEANUP(store_close) struct store *s = open_store(0);
	CLEANUP(tree_free) struct tree *t = NULL;
	const struct store_op ops[] = {
		{ STORE_WRITE, "/t/p", "xb1:", NULL },	   { STORE_SETPERMS, "/t/p", "r0", NULL },
		{ STORE_WRITE, "/t/p/child", "x", NULL },  { STORE_WRITE, "/t/q", "", NULL },
		{ STORE_SETPERMS, "/t/q", "n0,r5", NULL }, { STORE_WRITE, "/t/q", "again", NULL },
	};
	struct err err;

	(void)state;
	commit(s, ops, ARRAY_SIZE(ops));
	assert_int_equal(store_tree(s, "/t", &t, &err), 0);
	assert_string_equal(find(t, "p")->perms, "r0");
	assert_string_equal(find(t, "p/child")->perms, "r0");
	assert_string_equal(find(t, "q")->perms, "n0,r5");
	assert_string_equal(find(t, "q")->value, "again");
	assert_string_equal(find(t, "")->perms, "n0");
}

#define MANY 10000

/* A directory that libxenstore cannot list on an oxenstored, in every operation. */
static void ten_thousand(void **state)
{
	CLEANUP(store_close) struct store *s = open_store(0);
	CLEANUP(free) struct store_op *ops = xcalloc(MANY, sizeof(*ops));
	struct err err;
	char **names;
	size_t n;

	(void)state;
	commit(s, &(struct store_op){ STORE_WRITE, "/t/many", "", NULL }, 1);
	for (size_t i = 0; i < MANY; i++)
		ops[i] = (struct store_op){ STORE_WRITE, xasprintf("/t/many/%zu", 590080 + i),
					    "xb1:a", NULL };
	for (size_t i = 0; i < MANY; i += 500)
		commit(s, ops + i, 500);
	for (int round = 0; round < 2; round++) {
		CLEANUP(tree_free) struct tree *t = NULL;

		assert_int_equal(store_list(s, "/t/many", &names, &n, &err), 0);
		assert_int_equal(n, MANY);
		assert_string_equal(names[0], "590080");
		store_list_free(names, n);
		assert_int_equal(store_tree(s, "/t/many", &t, &err), 0);
		assert_int_equal(t->n, MANY + 1);
		assert_string_equal(t->node[MANY].value, round ? "xb1:b" : "xb1:a");
		for (size_t i = 0; i < MANY; i++)
			ops[i].text = "xb1:b";
		assert_int_equal(store_write_each(s, ops, MANY, &err), 0);
	}
	for (size_t i = 0; i < MANY; i++)
		ops[i].kind = STORE_RM;
	for (size_t i = 0; i < MANY; i += 500)
		commit(s, ops + i, 500);
	assert_int_equal(store_list(s, "/t/many", &names, &n, &err), 0);
	assert_int_equal(n, 0);
	store_list_free(names, n);
	for (size_t i = 0; i < MANY; i++)
		free((char *)ops[i].path);
}

static void all_or_nothing(void **state)
{
	CLEANUP(store_close) struct store *s = open_store(0);
	const struct store_op ops[] = {
		{ STORE_WRITE, "/t/before", "", NULL },
		{ STORE_WRITE, "/t/not.legal", "", NULL },
		{ STORE_WRITE, "/t/after", "", NULL },
	};
	struct err err;
	char **names;
	size_t n;
	bool known = false;

	(void)state;
	assert_int_equal(store_commit(s, ops, 3, &known, &err), -ERR_INVALID);
	assert_true(known);
	assert_int_equal(store_list(s, "/t", &names, &n, &err), -ERR_NOT_FOUND);
	commit(s, ops, 1);
}

static void removal_is_leaf_by_leaf(void **state)
{
	CLEANUP(store_close) struct store *s = open_store(0);
	const struct store_op make[] = {
		{ STORE_WRITE, "/t/d/a", "", NULL },
		{ STORE_WRITE, "/t/d/b", "", NULL },
	};
	const struct store_op rm[] = {
		{ STORE_RM, "/t/d/a", NULL, NULL },
		{ STORE_RM, "/t/d/b", NULL, NULL },
		{ STORE_RM, "/t/d", NULL, NULL },
	};
	static const char *const never[] = { "/", "", "t", "/t/", "//t" };
	struct err err;
	char **names;
	size_t n;

	(void)state;
	commit(s, make, 2);
	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		struct store_op op = { STORE_RM, never[i], NULL, NULL };

		assert_int_equal(store_commit(s, &op, 1, NULL, &err), -ERR_INVALID);
		assert_int_equal(store_write_each(s, &op, 1, &err), -ERR_INVALID);
	}
	assert_int_equal(store_commit(s, rm + 2, 1, NULL, &err), -ERR_BUSY);
	assert_int_equal(store_write_each(s, rm + 1, 2, &err), -ERR_BUSY);
	assert_int_equal(store_list(s, "/t/d", &names, &n, &err), 0);
	assert_int_equal(n, 2);
	store_list_free(names, n);
	commit(s, rm, 3);
	commit(s, rm, 3); /* what is gone may go again */
	assert_int_equal(store_list(s, "/t/d", &names, &n, &err), -ERR_NOT_FOUND);
}

static void only_as_expected(void **state)
{
	CLEANUP(store_close) struct store *s = open_store(0);
	const struct store_op there[] = {
		{ STORE_WRITE, "/t/e/a", "mine", NULL },
		{ STORE_WRITE, "/t/e/b", "mine", NULL },
	};
	const struct {
		struct store_op op;
		bool passes;
	} cases[] = {
		{ { STORE_WRITE, "/t/e/a", "x", STORE_ABSENT }, false },
		{ { STORE_WRITE, "/t/e/a", "x", "" }, false },
		{ { STORE_WRITE, "/t/e/a", "x", "min" }, false },
		{ { STORE_SETPERMS, "/t/e/a", "r0", "min" }, false },
		{ { STORE_RM, "/t/e/a", NULL, "theirs" }, false },
		{ { STORE_WRITE, "/t/e/c", "x", "mine" }, false },
		{ { STORE_WRITE, "/t/e", "x", STORE_ABSENT }, false },
		{ { STORE_WRITE, "/t/e/a", "mine", "mine" }, true },
		{ { STORE_SETPERMS, "/t/e/b", "r0", "mine" }, true },
		{ { STORE_WRITE, "/t/e/c", "x", STORE_ABSENT }, true },
		{ { STORE_WRITE, "/t/new/c", "x", STORE_ABSENT }, true },
		{ { STORE_RM, "/t/e/d", NULL, "mine" }, true }, /* what is to go may be gone */
		{ { STORE_RM, "/t/e/b", NULL, "mine" }, true },
	};
	struct err err;

	(void)state;
	commit(s, there, 2);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct store_op ops[] = {
			{ STORE_WRITE, "/t/e/f", "", NULL },
			cases[i].op,
		};
		CLEANUP(free) char *value = NULL;
		int want = cases[i].passes ? 0 : -ERR_BUSY;
		bool known = false;

		if (!cases[i].passes) {
			assert_int_equal(store_write_each(s, ops, 2, &err), want);
			assert_non_null(strstr(err.msg, cases[i].op.path));
		}
		assert_int_equal(store_commit(s, ops, 2, &known, &err), want);
		assert_true(known);
		assert_int_equal(store_read(s, "/t/e/f", &value, NULL, &err),
				 cases[i].passes ? 0 : -ERR_NOT_FOUND);
	}
}

/*
 * Somebody else adds and removes in the directory that a transaction writes to. xenstored says
 * EAGAIN, oxenstored replays; either way a batch is there as a whole or not at all.
 */
static void conflicts(void **state)
{
	CLEANUP(store_close) struct store *s = open_store(0);
	struct store_op ops[500];
	size_t busy = 0, done = 0;
	struct err err;
	pid_t other;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = (struct store_op){ STORE_WRITE, xasprintf("/t/c/%zu", i), "", NULL };
	commit(s, &(struct store_op){ STORE_WRITE, "/t/c", "", NULL }, 1);
	other = fork();
	assert_true(other >= 0);
	if (!other) {
		struct xs_handle *xs;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		xs = xs_open(0);
		while (xs_write(xs, XBT_NULL, "/t/c/other", "", 0) &&
		       xs_rm(xs, XBT_NULL, "/t/c/other"))
			continue;
		_exit(1);
	}
	while (done + busy < 200 && !(done && busy)) {
		char **names;
		size_t n, ours = 0;
		int r = store_commit(s, ops, ARRAY_SIZE(ops), NULL, &err);

		if (r == -ERR_BUSY)
			busy++;
		else if (r == 0)
			done++;
		else
			fail_msg("%s", err.msg);
		assert_int_equal(store_list(s, "/t/c", &names, &n, &err), 0);
		for (size_t i = 0; i < n; i++)
			ours += strcmp(names[i], "other") != 0;
		assert_int_equal(ours, done ? ARRAY_SIZE(ops) : 0);
		store_list_free(names, n);
	}
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	if (strcmp(store_daemon(s), "xenstored") == 0)
		assert_true(busy > 0);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		free((char *)ops[i].path);
}

static void watches(void **state)
{
	CLEANUP(store_close) struct store *s = open_store(0);
	struct pollfd p;
	struct err err;
	char *path;
	int r;

	(void)state;
	assert_int_equal(store_watch_fd(s), -1);
	assert_int_equal(store_watch(s, "/t/w", &err), 0);
	p = (struct pollfd){ .fd = store_watch_fd(s), .events = POLLIN };
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(store_event(s, &path, &err), 1);
	assert_string_equal(path, "/t/w");
	free(path);
	assert_int_equal(store_event(s, &path, &err), 0);
	commit(s, &(struct store_op){ STORE_WRITE, "/t/w/x", "", NULL }, 1);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(store_event(s, &path, &err), 1);
	assert_string_equal(path, "/t/w/x");
	free(path);
	/* Of two watches one ends. Ending it once more is nothing new. */
	assert_int_equal(store_watch(s, "/t/v", &err), 0);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(store_event(s, &path, &err), 1);
	free(path);
	assert_int_equal(store_unwatch(s, "/t/w", &err), 0);
	assert_int_equal(store_unwatch(s, "/t/w", &err), 0);
	commit(s, &(struct store_op){ STORE_WRITE, "/t/w/y", "", NULL }, 1);
	commit(s, &(struct store_op){ STORE_WRITE, "/t/v/y", "", NULL }, 1);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(store_event(s, &path, &err), 1);
	assert_string_equal(path, "/t/v/y");
	free(path);
	assert_int_equal(store_event(s, &path, &err), 0);
	/* The daemon dies: the descriptor tells, and so does the next call. */
	kill(daemon_pid(), SIGKILL);
	assert_int_equal(poll(&p, 1, 5000), 1);
	do {
		r = store_event(s, &path, &err);
		if (r == 1)
			free(path);
	} while (r >= 0);
	assert_int_equal(r, -ERR_UNREACHABLE);
	assert_int_equal(store_watch_fd(s), -1);
	assert_int_equal(store_watch(s, "/t/w", &err), -ERR_UNREACHABLE);
}

/* The daemon is replaced by another one behind the store's back. */
static void reopens_once(void **state)
{
	CLEANUP(store_close) struct store *s = open_store(0);
	CLEANUP(free)
	char *again = xasprintf(
		"%s/tests/sandbox/sandbox kill %s && %s/tests/sandbox/sandbox start %s %s",
		getenv("SRCDIR"), getenv("SANDBOX_DIR"), getenv("SRCDIR"), getenv("XB_DAEMON"),
		getenv("SANDBOX_DIR"));
	CLEANUP(tree_free) struct tree *t = NULL;
	char *value = NULL;
	struct err err;

	(void)state;
	commit(s, &(struct store_op){ STORE_WRITE, "/t/x", "old", NULL }, 1);
	assert_int_equal(store_read(s, "/t/x", &value, NULL, &err), 0);
	free(value);
	assert_int_equal(system(again), 0);
	assert_int_equal(store_read(s, "/t/x", &value, NULL, &err), -ERR_NOT_FOUND);
	assert_int_equal(store_tree(s, "/t", &t, &err), 0);
	assert_int_equal(t->n, 0);
	assert_int_equal(system(again), 0);
	commit(s, &(struct store_op){ STORE_WRITE, "/t/x", "new", NULL }, 1);
	assert_int_equal(system(again), 0);
	assert_int_equal(store_write_each(s, &(struct store_op){ STORE_WRITE, "/t/x", "new", NULL },
					  1, &err),
			 0);
}

/* A daemon that is stopped: every call comes back in time and says so. */
static void hangs(void **state)
{
	enum { LIMIT = 300, SLACK = 5000 };
	CLEANUP(store_close) struct store *s = open_store(LIMIT), *s2 = open_store(LIMIT);
	const struct store_op op = { STORE_WRITE, "/t/h", "", NULL };
	struct store *other = NULL;
	struct tree *t = NULL;
	char *value = NULL, **names;
	struct err err;
	size_t n;
	int64_t start;

	(void)state;
	assert_int_equal(store_read(s2, "/t/h", &value, NULL, &err), -ERR_NOT_FOUND);
	kill(daemon_pid(), SIGSTOP);
	start = now_ms();
	for (int i = 0; i < 3; i++) { /* the third does not even get a connection */
		assert_int_equal(
			store_open(&(struct store_options){ .timeout_ms = LIMIT }, &other, &err),
			-ERR_UNREACHABLE);
		assert_int_equal(store_list(s, "/t", &names, &n, &err), -ERR_UNREACHABLE);
		assert_int_equal(store_tree(s, "/t", &t, &err), -ERR_UNREACHABLE);
		assert_int_equal(store_read(s, "/t/h", &value, NULL, &err), -ERR_UNREACHABLE);
		assert_int_equal(store_read(s2, "/t/h", &value, NULL, &err), -ERR_UNREACHABLE);
		assert_int_equal(store_commit(s, &op, 1, NULL, &err), -ERR_UNREACHABLE);
		assert_int_equal(store_write_each(s, &op, 1, &err), -ERR_UNREACHABLE);
		assert_int_equal(store_watch(s, "/t", &err), -ERR_UNREACHABLE);
	}
	assert_in_range(now_ms() - start, 0, 3 * 8 * LIMIT + SLACK);
	kill(daemon_pid(), SIGCONT);
	assert_int_equal(store_write_each(s, &op, 1, &err), 0);
	assert_int_equal(store_read(s2, "/t/h", &value, NULL, &err), 0);
	free(value);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(daemon_kind),
	cmocka_unit_test(all_bytes),
	cmocka_unit_test(missing_and_empty),
	cmocka_unit_test(permissions),
	cmocka_unit_test(ten_thousand),
	cmocka_unit_test(all_or_nothing),
	cmocka_unit_test(removal_is_leaf_by_leaf),
	cmocka_unit_test(only_as_expected),
	cmocka_unit_test(conflicts),
	cmocka_unit_test(watches),
	cmocka_unit_test(reopens_once),
	cmocka_unit_test(hangs),
};

UNIT_MAIN(tests)
