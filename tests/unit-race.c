/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hundred real processes allocate at once, on a registry that the first of them creates, and
 * some of them are killed in the middle: no number twice, none half written, the chain whole.
 */
#include "tests/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "registry/history.h"
#include "registry/product.h"
#include "tests/registry.h"

#define PROCESSES 100

/* What a process tells after its commit: short enough to be written at once. */
struct told {
	uint32_t process;
	uint32_t number;
};

static int allocate(const char *path, uint32_t process, uint16_t *ret)
{
	static const struct product_encoding uses[] = {
		{ (char *)"xen-win", 0, 99, NULL },
		{ (char *)"raw", 100, UINT32_MAX, NULL },
	};
	CLEANUP(free) char *name = xasprintf("racer-%u", process);
	CLEANUP(db_close) struct db *db = NULL;
	struct product_request rq = { .name = name,
				      .number = -1,
				      .encoding = uses,
				      .n_encodings = ARRAY_SIZE(uses),
				      .provisional_until = TIME_NONE };
	struct product_notes notes;
	struct err err = { 0 };
	DB_TX tx = { 0 };
	int r;

	if ((r = db_open(path, DB_WRITE, &test_actor, 1000, &db, &err)) < 0 ||
	    (r = db_begin(db, &tx, &err)) < 0 ||
	    (r = product_allocate(db, &rq, ret, &notes, &err)) < 0 ||
	    (r = db_commit(&tx, &err)) < 0)
		fprintf(stderr, "racer %u: %s\n", process, err.msg);
	return r;
}

static void run(const char *path, uint32_t process, int go, int tell)
{
	struct told told = { .process = process };
	uint16_t number;
	char c;

	if (read(go, &c, 1) != 0 || allocate(path, process, &number) < 0)
		_exit(1);
	told.number = number;
	_exit(write(tell, &told, sizeof(told)) != sizeof(told));
}

/* Runs all processes; every KILL_EACH-th one is killed after a random while (0: none). */
static size_t race(const char *path, unsigned kill_each, struct told told[static PROCESSES],
		   size_t *ret_killed)
{
	pid_t pid[PROCESSES];
	int go[2], tell[2];
	size_t n = 0;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(tell), 0);
	fflush(NULL);
	for (uint32_t i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0) {
			close(go[1]);
			close(tell[0]);
			run(path, i, go[0], tell[1]);
		}
	}
	close(go[0]);
	close(go[1]);
	close(tell[1]);
	for (uint32_t i = 0; kill_each && i < PROCESSES; i += kill_each) {
		struct timespec while_ = { .tv_nsec = random() % 10000000 };

		nanosleep(&while_, NULL);
		kill(pid[i], SIGKILL);
	}
	for (;;) {
		ssize_t got = read(tell[0], &told[n], sizeof(*told));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		assert_int_equal(got, sizeof(*told));
		n++;
	}
	close(tell[0]);
	*ret_killed = 0;
	for (size_t i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		if (WIFSIGNALED(status))
			++*ret_killed;
		else
			assert_int_equal(status, 0);
	}
	return n;
}

/* What was told is there, what is there is whole, and nothing is there twice. */
static void check(const char *path, const struct told *told, size_t n, size_t killed)
{
	CLEANUP(products_free) struct products *ps = NULL;
	CLEANUP(db_close) struct db *db = NULL;
	struct err err = { 0 };
	size_t racers = 0;

	ok(db_open(path, DB_READ, NULL, 1000, &db, &err), &err);
	if (findings(db) != 0)
		fail_msg("%s", findings_text());
	ok(product_list(db, &ps, &err), &err);
	for (size_t i = 0; i < ps->n; i++) {
		const struct product *p = ps->product[i];

		assert_true(i == 0 || ps->product[i - 1]->number < p->number);
		if (p->origin != ORIGIN_LOCAL)
			continue;
		assert_int_equal(p->n_encodings, 2);
		racers++;
	}
	/* One that was killed may have committed without having told. */
	assert_true(racers >= n && racers <= n + killed);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(free) char *name = xasprintf("racer-%u", told[i].process);
		CLEANUP(product_free) struct product *p = NULL;

		ok(product_find(db, name, &p, &err), &err);
		assert_int_equal(p->number, told[i].number);
	}
}

static void all_get_a_number(void **state)
{
	struct told told[PROCESSES];
	size_t killed, n = race(*state, 0, told, &killed);

	assert_int_equal(n, PROCESSES);
	assert_int_equal(killed, 0);
	check(*state, told, n, 0);
}

static void some_are_killed(void **state)
{
	struct told told[PROCESSES];
	unsigned seed = (unsigned)time(NULL);
	size_t killed, n;

	print_message("# seed %u\n", seed);
	srandom(seed);
	for (unsigned round = 0; round < 3; round++) {
		CLEANUP(free) char *path = xasprintf("%s.%u", (char *)*state, round);

		n = race(path, 2, told, &killed);
		print_message("# %zu told, %zu killed\n", n, killed);
		check(path, told, n, killed);
	}
}

static const struct CMUnitTest tests[] = {
	registry_test(all_get_a_number),
	registry_test(some_are_killed),
};

UNIT_MAIN(tests)
