/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mirror.h against a real daemon: run by mirror.bats inside a sandbox ($XENSTORED_PATH), one case
 * a run. libxenstore itself is the other client.
 */
#include "device/mirror.h"

#include <poll.h>

#include <xenstore.h>

#include "sync/nodes.h"
#include "tests/unit.h"

struct fixture {
	struct store *store;
	struct xs_handle *xs;
	struct mirror *mirror;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err;

	f->xs = xs_open(0);
	f->mirror = mirror_new();
	if (!f->xs || store_open(NULL, &f->store, &err) < 0 ||
	    store_watch(f->store, NODES_ROOT, &err) < 0)
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	mirror_free(f->mirror);
	store_close(f->store);
	xs_close(f->xs);
	free(f);
	return 0;
}

/* Every event so far: they come in order, so a change made now ends them. */
static size_t listen_events(struct fixture *f)
{
	static const char last[] = NODES_ROOT "/last";
	struct pollfd p = { .fd = store_watch_fd(f->store), .events = POLLIN };
	bool seen = false;
	struct err err;
	size_t n = 0;
	char *path;
	int r;

	assert_true(xs_write(f->xs, XBT_NULL, last, "x", 1));
	while (!seen) {
		assert_int_equal(poll(&p, 1, 60000), 1);
		while ((r = store_event(f->store, &path, &err)) > 0) {
			n += mirror_changed(f->mirror, path);
			seen = seen || strcmp(path, last) == 0;
			free(path);
		}
		assert_int_equal(r, 0);
	}
	return n;
}

static void same_as_whole(struct fixture *f)
{
	CLEANUP(tree_free) struct tree *whole = NULL;
	const struct tree *t;
	struct err err;

	if (mirror_look(f->mirror, f->store, &t, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(store_tree(f->store, NODES_ROOT, &whole, &err), 0);
	for (size_t i = 0; i < whole->n && i < t->n; i++) {
		assert_string_equal(t->node[i].path, whole->node[i].path);
		assert_string_equal(t->node[i].perms, whole->node[i].perms);
		assert_int_equal(t->node[i].value_n, whole->node[i].value_n);
		assert_memory_equal(t->node[i].value, whole->node[i].value, whole->node[i].value_n);
	}
	assert_int_equal(t->n, whole->n);
}

static uint32_t dice(uint32_t *seed, uint32_t sides)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 16) % sides;
}

/* One change by another client: paths are few and nested, so that changes meet. */
static void change(struct xs_handle *xs, uint32_t *seed)
{
	static const char *const names[] = { "a", "a-b", "b", "_ranges", "1" };
	char path[128], value[16];
	size_t n = (size_t)snprintf(path, sizeof(path), "%s", NODES_ROOT);
	uint32_t depth = dice(seed, 12) ? 1 + dice(seed, 3) : 0;
	struct xs_permissions perms = { .id = 0,
					.perms = dice(seed, 2) ? XS_PERM_READ : XS_PERM_NONE };

	for (uint32_t i = 0; i < depth; i++)
		n += (size_t)snprintf(path + n, sizeof(path) - n, "/%s",
				      names[dice(seed, ARRAY_SIZE(names))]);
	snprintf(value, sizeof(value), "%u", dice(seed, 1000));
	switch (dice(seed, 6)) {
	case 0:
	case 1:
	case 2:
		assert_true(xs_write(xs, XBT_NULL, path, value, (unsigned)strlen(value)));
		break;
	case 3:
		xs_set_permissions(xs, XBT_NULL, path, &perms, 1);
		break;
	case 4:
		xs_rm(xs, XBT_NULL, path);
		break;
	default:
		if (dice(seed, 10) == 0)
			xs_rm(xs, XBT_NULL, "/mh");
	}
}

/* Whatever others do, what is read in parts is what is read whole. */
static void parts_are_the_whole(void **state)
{
	struct fixture *f = *state;
	uint32_t seed = 1;

	for (int round = 0; round < 150; round++) {
		uint32_t n = 1 + dice(&seed, 8);

		for (uint32_t i = 0; i < n; i++)
			change(f->xs, &seed);
		listen_events(f);
		same_as_whole(f);
	}
}

/* More changes than are worth remembering, and all of them lost with the watches. */
static void many_changes(void **state)
{
	struct fixture *f = *state;
	char path[128];

	same_as_whole(f);
	for (int i = 0; i < 700; i++) {
		snprintf(path, sizeof(path), NODES_ROOT "/experimental/%d", i);
		assert_true(xs_write(f->xs, XBT_NULL, path, "x", 1));
	}
	assert_true(listen_events(f) >= 700);
	same_as_whole(f);
	assert_true(xs_rm(f->xs, XBT_NULL, NODES_ROOT "/experimental/3"));
	assert_true(mirror_changed(f->mirror, NULL));
	same_as_whole(f);
}

/* What is not told is not read again: the point of it. */
static void only_what_changed(void **state)
{
	struct fixture *f = *state;
	const struct tree *t;
	struct err err;

	assert_true(xs_write(f->xs, XBT_NULL, NODES_ROOT "/experimental/1", "x", 1));
	assert_true(xs_write(f->xs, XBT_NULL, NODES_ROOT "/experimental/2", "x", 1));
	listen_events(f);
	same_as_whole(f);
	assert_true(xs_write(f->xs, XBT_NULL, NODES_ROOT "/experimental/1", "told", 4));
	assert_true(xs_write(f->xs, XBT_NULL, NODES_ROOT "/experimental/2", "untold", 6));
	assert_true(mirror_changed(f->mirror, NODES_ROOT "/experimental/1"));
	assert_int_equal(mirror_look(f->mirror, f->store, &t, &err), 0);
	assert_int_equal(t->n, 5);
	assert_string_equal(t->node[2].value, "told");
	assert_string_equal(t->node[3].value, "x");
	listen_events(f);
	same_as_whole(f);
}

static void others_business(void **state)
{
	struct fixture *f = *state;

	assert_false(mirror_changed(f->mirror, "@releaseDomain"));
	assert_false(mirror_changed(f->mirror, "/mh/driver-blacklisted"));
	assert_false(mirror_changed(f->mirror, "/mh/driver"));
	assert_false(mirror_changed(f->mirror, "/mh/other/1"));
	assert_true(mirror_changed(f->mirror, "/mh"));
	assert_true(mirror_changed(f->mirror, NODES_ROOT "/experimental"));
	same_as_whole(f);
}

#define ON_A_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static const struct CMUnitTest tests[] = {
	ON_A_STORE(parts_are_the_whole),
	ON_A_STORE(many_changes),
	ON_A_STORE(only_what_changed),
	ON_A_STORE(others_business),
};

UNIT_MAIN(tests)
