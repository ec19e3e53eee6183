/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sync/apply against a real daemon: run by apply-live.bats inside a sandbox, one case a run. The
 * registry is a real one too.
 */
#include "sync/apply.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <xenstore.h>

#include "registry/entry.h"
#include "tests/registry.h"
#include "tests/unit.h"

#define BIG 10000

struct bed {
	struct db *db;
	struct store *s;
	struct xs_handle *xs;
	struct apply_options o;
};

static void bed_free(struct bed *t)
{
	db_close(t->db);
	store_close(t->s);
	if (t->xs)
		xs_close(t->xs);
}
#define BED __attribute__((cleanup(bed_free))) struct bed

static struct store *open_store(void)
{
	struct store *s = NULL;
	struct err err;

	ok(store_open(&(struct store_options){ .timeout_ms = 30000 }, &s, &err), &err);
	return s;
}

static struct bed bed_new(void **state)
{
	return (struct bed){ .db = registry_open(*state), .s = open_store(), .xs = xs_open(0) };
}

static void add(struct bed *t, const char *id, const char *builds)
{
	struct entry e = {
		.id = xstrdup(id),
		.product = 65535,
		.builds = xstrdup(builds),
		.whole_family = true,
		.reason = xstrdup("test"),
		.not_before = TIME_NONE,
		.expires = TIME_NONE,
	};
	struct err err;
	DB_TX tx = { 0 };

	ok(db_begin(t->db, &tx, &err), &err);
	ok(entry_add(t->db, &e, &err), &err);
	ok(db_commit(&tx, &err), &err);
	free(e.id);
	free(e.builds);
	free(e.reason);
}

static void drop(struct bed *t, const char *id)
{
	struct err err;
	DB_TX tx = { 0 };

	ok(db_begin(t->db, &tx, &err), &err);
	ok(entry_remove(t->db, id, &err), &err);
	ok(db_commit(&tx, &err), &err);
}

static struct apply_plan *plan(struct bed *t)
{
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	struct apply_plan *p = NULL;
	struct err err;

	ok(blacklist_load(t->db, 2000, &b, &err), &err);
	ok(apply_plan(b, t->s, &t->o, &p, &err), &err);
	return p;
}

/* Plans and runs; *ret_changes (may be NULL) is what the plan was to do. */
static int apply(struct bed *t, size_t *ret_changes, struct err *err)
{
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	CLEANUP(apply_plan_free) struct apply_plan *p = NULL;
	int r = blacklist_load(t->db, 2000, &b, err);

	if (r == 0)
		r = apply_plan(b, t->s, &t->o, &p, err);
	if (r == 0 && ret_changes)
		*ret_changes = p->plan->n_acts;
	return r == 0 ? apply_run(b, t->s, &t->o, p, err) : r;
}

static size_t applied(struct bed *t)
{
	struct err err;
	size_t n = 0;

	ok(apply(t, &n, &err), &err);
	return n;
}

/* Nothing differs any more, foreign nodes aside. */
static void settled(struct bed *t)
{
	CLEANUP(apply_plan_free) struct apply_plan *p = plan(t);

	for (size_t i = 0; i < p->plan->n; i++) {
		if (p->plan->change[i].acts)
			fail_msg("%s %s", change_class_name(p->plan->change[i].class),
				 p->plan->change[i].path);
	}
}

static void put(struct bed *t, const char *path, const char *value)
{
	assert_true(xs_write(t->xs, XBT_NULL, path, value, (unsigned)strlen(value)));
}

static bool there(struct xs_handle *xs, const char *path)
{
	CLEANUP(free) char *value = xs_read(xs, XBT_NULL, path, NULL);

	return value;
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

static char *next_event(struct xs_handle *xs)
{
	struct pollfd p = { .fd = xs_fileno(xs), .events = POLLIN };
	char **event = NULL;
	char *path;
	unsigned n;

	assert_int_equal(poll(&p, 1, 5000), 1);
	event = xs_read_watch(xs, &n);
	assert_non_null(event);
	path = xstrdup(event[XS_WATCH_PATH]);
	free(event);
	return path;
}

/* No event of a watched tree waits: the next one is of the write made here. */
static bool silent(struct bed *t)
{
	bool first = true;

	put(t, "/end-of-test", "");
	for (;; first = false) {
		CLEANUP(free) char *path = next_event(t->xs);

		if (strcmp(path, "/end-of-test") == 0)
			return first;
	}
}

static void first_and_again(void **state)
{
	BED t = bed_new(state);
	CLEANUP(free) char *value = NULL;

	add(&t, "edges", "0,1,2147483647,2147483648,4294967295");
	assert_int_equal(applied(&t), 4 + 7);
	assert_true(there(t.xs, "/mh/driver-blacklist/experimental/-2147483648"));
	assert_true(there(t.xs, "/mh/driver-blacklist/experimental/-1"));
	value = xs_read(t.xs, XBT_NULL, "/mh/driver-blacklist/_products/65535", NULL);
	assert_string_equal(value, "experimental");
	settled(&t);
	/* Again: nothing, and not one write. */
	assert_true(xs_watch(t.xs, "/mh", ""));
	assert_true(xs_watch(t.xs, "/end-of-test", ""));
	for (int i = 0; i < 2; i++) /* a watch fires when it is set */
		free(next_event(t.xs));
	assert_int_equal(applied(&t), 0);
	assert_true(silent(&t));
	put(&t, "/mh/x", "");
	assert_false(silent(&t)); /* this was seen */
}

static void every_way_to_differ(void **state)
{
	BED t = bed_new(state);
	struct xs_permissions nobody = { 0, XS_PERM_NONE },
			      all = { 0, XS_PERM_READ | XS_PERM_WRITE };

	/* Somebody has /mh already: it stays as it is. */
	put(&t, "/mh/other", "theirs");
	add(&t, "a", "1..5,4294967295");
	applied(&t);
	assert_true(xs_rm(t.xs, XBT_NULL, "/mh/driver-blacklist/experimental/1"));
	put(&t, "/mh/driver-blacklist/experimental/2", "xb1:b");
	assert_true(xs_set_permissions(t.xs, XBT_NULL, "/mh/driver-blacklist/experimental/3",
				       &nobody, 1));
	assert_true(
		xs_set_permissions(t.xs, XBT_NULL, "/mh/driver-blacklist/experimental/5", &all, 1));
	assert_true(xs_set_permissions(t.xs, XBT_NULL, "/mh/driver-blacklist", &nobody, 1));
	assert_true(xs_rm(t.xs, XBT_NULL, "/mh/driver-blacklist/experimental/-1"));
	put(&t, "/mh/driver-blacklist/experimental/007", "xb1:a");
	put(&t, "/mh/driver-blacklist/experimental/9", "xb1:a");
	put(&t, "/mh/driver-blacklist/gone/1", "xb1:a");
	put(&t, "/mh/driver-blacklist/gone/2", "theirs");
	put(&t, "/mh/driver-blacklist/experimental/4", "theirs");
	put(&t, "/mh/driver-blacklist/experimental/5/below", "theirs");
	assert_int_equal(applied(&t), 9);
	settled(&t);
	assert_true(there(t.xs, "/mh/driver-blacklist/gone/2"));
	assert_true(there(t.xs, "/mh/driver-blacklist/experimental/5/below"));
	assert_true(there(t.xs, "/mh/other"));
	t.o.prune = true;
	applied(&t);
	settled(&t);
	assert_false(there(t.xs, "/mh/driver-blacklist/gone"));
	assert_true(there(t.xs, "/mh/driver-blacklist/experimental/4"));
	assert_false(there(t.xs, "/mh/driver-blacklist/experimental/5/below"));
	drop(&t, "a");
	applied(&t);
	assert_false(there(t.xs, "/mh/driver-blacklist"));
	assert_true(there(t.xs, "/mh/other"));
}

static void readable_by_whom(void **state)
{
	BED t = bed_new(state);

	add(&t, "a", "1..600");
	t.o.nodes.dom0_only = true;
	applied(&t);
	settled(&t);
	t.o.nodes.dom0_only = false;
	assert_int_equal(applied(&t), 604);
	settled(&t);
}

/* A process that says with its exit status whether a node was ever missing. */
static pid_t guard(const char *path)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		struct xs_handle *xs;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGTERM, SIG_IGN);
		xs = xs_open(0);
		while (there(xs, path) && !there(xs, "/end-of-guard"))
			continue;
		_exit(!there(xs, path));
	}
	return pid;
}

static void guard_ends(struct bed *t, pid_t pid)
{
	int status;

	put(t, "/end-of-guard", "");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void ten_thousand(void **state)
{
	BED t = bed_new(state);
	pid_t pid;

	add(&t, "b", "1..10000");
	assert_int_equal(applied(&t), 4 + BIG);
	assert_int_equal(applied(&t), 0);
	settled(&t);
	/* Every value changes, then most go, and one that stays is never away. */
	pid = guard("/mh/driver-blacklist/experimental/77");
	add(&t, "a", "1..10000");
	assert_int_equal(applied(&t), BIG);
	settled(&t);
	add(&t, "c", "77,10001..10300");
	drop(&t, "a");
	drop(&t, "b");
	assert_int_equal(applied(&t), 300 + 1 + BIG - 1);
	settled(&t);
	guard_ends(&t, pid);
}

static void somebody_else_writes(void **state)
{
	BED t = bed_new(state);
	struct err err;
	pid_t other;
	int r;

	add(&t, "a", "1..3000");
	other = fork();
	assert_true(other >= 0);
	if (!other) {
		struct xs_handle *xs;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		xs = xs_open(0);
		for (;;) {
			xs_write(xs, XBT_NULL, "/mh/driver-blacklist/experimental/other", "x", 1);
			xs_rm(xs, XBT_NULL, "/mh/driver-blacklist/experimental/other");
		}
	}
	r = apply(&t, NULL, &err);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	if (r < 0)
		assert_int_equal(r, -ERR_BUSY);
	applied(&t);
	settled(&t);
}

/*
 * What somebody else writes between plan and run is his: neither overwritten nor removed, in one
 * transaction (a few builds) and in batches (many).
 */
static void somebody_else_was_first(void **state)
{
	static const char *const builds[] = { "1..9", "1..3000" };
	static const char *const made = "/mh/driver-blacklist/experimental/9",
				 *const changed = "/mh/driver-blacklist/experimental/4000",
				 *const kept = "/mh/driver-blacklist/experimental/4001",
				 *const gone = "/mh/driver-blacklist/experimental/4002";

	for (size_t i = 0; i < ARRAY_SIZE(builds); i++) {
		BED t = bed_new(state);
		CLEANUP(blacklist_free) struct blacklist *b = NULL;
		CLEANUP(apply_plan_free) struct apply_plan *p = NULL;
		struct xs_permissions nobody = { 0, XS_PERM_NONE };
		struct err err;

		add(&t, "old", "4000..4001,4002");
		applied(&t);
		assert_true(xs_set_permissions(t.xs, XBT_NULL, kept, &nobody, 1));
		drop(&t, "old");
		add(&t, "new", builds[i]);
		add(&t, "kept", "4001");
		ok(blacklist_load(t.db, 2000, &b, &err), &err);
		ok(apply_plan(b, t.s, &t.o, &p, &err), &err);
		put(&t, made, "theirs");
		put(&t, changed, "theirs");
		put(&t, kept, "theirs");
		assert_true(xs_rm(t.xs, XBT_NULL, gone));
		t.o.exact = true;
		assert_int_equal(apply_run(b, t.s, &t.o, p, &err), -ERR_REFUSED);
		assert_int_equal(err.refusal, REFUSAL_STALE);
		t.o.exact = false;
		ok(apply_run(b, t.s, &t.o, p, &err), &err);
		for (size_t k = 0; k < 3; k++) {
			const char *path = k == 0 ? made : k == 1 ? changed : kept;
			CLEANUP(free) char *value = xs_read(t.xs, XBT_NULL, path, NULL);

			assert_string_equal(value, "theirs");
		}
		settled(&t);
		t.o.prune = true;
		drop(&t, "new");
		drop(&t, "kept");
		applied(&t);
		assert_false(there(t.xs, "/mh/driver-blacklist"));
	}
}

/* ---- interruptions ---- */

static void die(void *ctx, size_t done, size_t all)
{
	(void)all;
	if (done >= *(size_t *)ctx)
		raise(SIGKILL);
}

/* The program is killed after each batch; the same command completes what it began. */
static void killed_anywhere(void **state)
{
	size_t at = 0, kills = 0;
	int status;

	do {
		BED t = { 0 };
		pid_t pid;

		if (!kills) {
			t = bed_new(state);
			add(&t, "a", "1..2000");
			add(&t, "b", "3000000000..3000000499");
			bed_free(&t);
			t = (struct bed){ 0 };
		}
		pid = fork();
		if (!pid) {
			struct bed mine = bed_new(state);

			mine.o.progress = die;
			mine.o.ctx = &at;
			_exit(apply(&mine, NULL, &(struct err){ 0 }) != 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		kills += WIFSIGNALED(status);
	} while (!WIFEXITED(status) && kills < 100);
	assert_int_equal(status, 0);
	assert_true(kills >= 2);
	BED t = bed_new(state);
	settled(&t);
}

static void kill_daemon(void *ctx, size_t done, size_t all)
{
	(void)all;
	if (done >= *(size_t *)ctx)
		kill(daemon_pid(), SIGKILL);
}

static void stop_daemon(void *ctx, size_t done, size_t all)
{
	(void)all;
	if (done >= *(size_t *)ctx)
		kill(daemon_pid(), SIGSTOP);
}

static void daemon_dies_half_way(void **state)
{
	BED t = bed_new(state);
	CLEANUP(free)
	char *again = xasprintf(
		"%s/tests/sandbox/sandbox kill %s && %s/tests/sandbox/sandbox start %s %s",
		getenv("SRCDIR"), getenv("SANDBOX_DIR"), getenv("SRCDIR"), getenv("XB_DAEMON"),
		getenv("SANDBOX_DIR"));
	size_t at = 3000;
	struct err err;

	add(&t, "a", "1..10000");
	t.o.progress = kill_daemon;
	t.o.ctx = &at;
	assert_int_equal(apply(&t, NULL, &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.msg, "xenstore has the first 3"));
	assert_non_null(strstr(err.msg, "of 10004 changes"));
	t.o.progress = NULL;
	assert_int_equal(apply(&t, NULL, &err), -ERR_UNREACHABLE);
	assert_int_equal(system(again), 0);
	assert_int_equal(applied(&t), 4 + BIG);
	settled(&t);
}

static void daemon_hangs_half_way(void **state)
{
	BED t = bed_new(state);
	size_t at = 3000;
	struct err err;

	store_close(t.s);
	ok(store_open(&(struct store_options){ .timeout_ms = 500 }, &t.s, &err), &err);
	add(&t, "a", "1..10000");
	t.o.progress = stop_daemon;
	t.o.ctx = &at;
	assert_int_equal(apply(&t, NULL, &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.msg, "xenstore has the first 3"));
	kill(daemon_pid(), SIGCONT);
	t.o.progress = NULL;
	applied(&t);
	settled(&t);
}

static void digests(void **state)
{
	BED t = bed_new(state);
	CLEANUP(apply_plan_free)
	struct apply_plan *empty = NULL, *one = NULL, *same = NULL, *moved = NULL;

	empty = plan(&t);
	add(&t, "a", "1");
	one = plan(&t);
	same = plan(&t);
	assert_string_equal(empty->tree_digest, one->tree_digest);
	assert_string_not_equal(empty->registry_digest, one->registry_digest);
	assert_true(one->generation > empty->generation);
	assert_string_equal(one->registry_digest, same->registry_digest);
	put(&t, "/mh/driver-blacklist/x", "theirs");
	moved = plan(&t);
	assert_string_not_equal(moved->tree_digest, one->tree_digest);
	assert_string_equal(moved->registry_digest, one->registry_digest);
}

static const struct CMUnitTest tests[] = {
	registry_test(first_and_again),	      registry_test(every_way_to_differ),
	registry_test(readable_by_whom),      registry_test(ten_thousand),
	registry_test(somebody_else_writes),  registry_test(somebody_else_was_first),
	registry_test(killed_anywhere),	      registry_test(daemon_dies_half_way),
	registry_test(daemon_hangs_half_way), registry_test(digests),
};

UNIT_MAIN(tests)
