/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hides when the tree is compared with the registry, and when sightings are written. */
#include "device/registrar.h"

#include <inttypes.h>
#include <poll.h>
#include <syslog.h>
#include <time.h>

#include "device/heal.h"
#include "device/mirror.h"
#include "device/witness.h"
#include "sync/nodes.h"
#include "sync/store.h"

#define STORE_TIMEOUT_MS 5000
#define RETRY_MS 1000 /* after a failure */
#define RECONNECT_MS 250
#define SETTLE_MS 50	    /* a burst of changes is looked at once */
#define PING_MS 5000	    /* a daemon that was restarted or hangs is noticed */
#define WRITE_EVERY_MS 1000 /* sightings of guests that do nothing but shake hands */

struct registrar {
	const struct registrar_options *o;
	struct store *store;
	struct mirror *mirror;
	struct heal *heal;
	struct witness *witness;
	bool tree_due;
	bool heal_complained, write_complained; /* once a time */
	int64_t tree_at;			/* when the tree is to be read */
	int64_t retry_at, ping_at, write_at;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

#define talk(r, ...)                                         \
	do {                                                 \
		if (!packet_talk((r)->o->sock, __VA_ARGS__)) \
			_exit(0);                            \
	} while (0)

/* ---- the blacklist ---- */

static void look_in(struct registrar *r, int64_t ms)
{
	int64_t at = now_ms() + ms;

	if (!r->tree_due || r->tree_at > at)
		r->tree_at = at;
	r->tree_due = true;
}

static void complain(struct registrar *r, const struct err *why)
{
	if (!r->heal_complained)
		talk(r, LOG_WARNING, "cannot heal the nodes: %s", why->msg);
	r->heal_complained = true;
	look_in(r, RETRY_MS);
}

static int look_at_tree(struct registrar *r, struct err *err)
{
	const struct tree *tree;
	struct err why;
	size_t written;

	r->tree_due = false;
	if (mirror_look(r->mirror, r->store, &tree, err) < 0)
		return -1;
	if (heal_look(r->heal, r->store, tree, &written, &why) < 0) {
		complain(r, &why);
		return 0;
	}
	r->heal_complained = false;
	if (!written) {
		heal_settled(r->heal, tree_copy(tree));
		return 0;
	}
	/* Not in order before it is seen to be: something else may have vanished meanwhile. */
	talk(r, LOG_NOTICE, "wrote %zu nodes again that were missing or changed", written);
	mirror_changed(r->mirror, NULL);
	look_in(r, 0);
	return 0;
}

/* ---- xenstore comes and goes; the keeper says so ---- */

static void lose_store(struct registrar *r)
{
	store_close(r->store);
	r->store = NULL;
	r->retry_at = now_ms() + RECONNECT_MS;
}

static void find_store(struct registrar *r)
{
	struct store_options options = { .timeout_ms = STORE_TIMEOUT_MS };
	struct err err;

	if (store_open(&options, &r->store, &err) < 0 ||
	    store_watch(r->store, NODES_ROOT, &err) < 0) {
		lose_store(r);
		return;
	}
	r->ping_at = now_ms() + PING_MS;
	mirror_changed(r->mirror, NULL);
	look_in(r, 0);
}

static int step(struct registrar *r, struct err *err)
{
	CLEANUP(free) char *value = NULL;
	char *path;
	int got;

	while ((got = store_event(r->store, &path, err)) > 0) {
		if (mirror_changed(r->mirror, path))
			look_in(r, SETTLE_MS);
		free(path);
	}
	if (got < 0)
		return got;
	if (r->tree_due && now_ms() >= r->tree_at && look_at_tree(r, err) < 0)
		return -1;
	if (now_ms() < r->ping_at)
		return 0;
	r->ping_at = now_ms() + PING_MS;
	return store_text(r->store, &value, err, "/local/domain/0/domid");
}

/* ---- sightings ---- */

/* They wait while the registry is locked or cannot be written. */
static void write_sightings(struct registrar *r)
{
	struct err why;
	uint64_t lost;

	if (!witness_waits(r->witness) || now_ms() < r->write_at)
		return;
	if (witness_write(r->witness, &why) < 0) {
		if (!r->write_complained)
			talk(r, LOG_WARNING, "cannot record which guests were seen: %s", why.msg);
		r->write_complained = true;
		r->write_at = now_ms() + RETRY_MS;
		return;
	}
	lost = witness_lost(r->witness);
	if (lost)
		talk(r, LOG_WARNING,
		     "%" PRIu64
		     " sightings of guests were lost while the registry could not be written",
		     lost);
	r->write_complained = false;
	r->write_at = now_ms() + WRITE_EVERY_MS;
}

/* ---- the supervisor ---- */

static void listen_supervisor(struct registrar *r)
{
	struct packet m;
	int got;

	do {
		CLEANUP(close_fd) int fd = -1;

		got = packet_recv(r->o->sock, &m, &fd);
		if (got > 0 && m.kind == PACKET_SIGHTING)
			witness_saw(r->witness, &m);
		if (got > 0 && m.kind == PACKET_RELOAD) {
			mirror_changed(r->mirror, NULL);
			look_in(r, 0);
		}
	} while (got > 0);
	if (got < 0)
		_exit(0);
}

static int wait_ms(const struct registrar *r)
{
	int64_t now = now_ms(), at = r->store ? r->ping_at : r->retry_at;

	if (!r->o->heal)
		at = now + PING_MS;
	if (r->store && r->tree_due && r->tree_at < at)
		at = r->tree_at;
	if (witness_waits(r->witness) && r->write_at < at)
		at = r->write_at;
	return at <= now ? 0 : (int)(at - now);
}

int registrar_run(const struct registrar_options *o)
{
	struct registrar r = {
		.o = o,
		.mirror = mirror_new(),
		.heal = heal_new(o->registry, o->config),
		.witness = witness_new(o->registry),
	};

	for (;;) {
		struct pollfd fds[2] = { { .fd = o->sock, .events = POLLIN }, { .fd = -1 } };
		struct err err;

		if (o->heal && !r.store && now_ms() >= r.retry_at)
			find_store(&r);
		if (r.store && step(&r, &err) < 0)
			lose_store(&r);
		if (r.store)
			fds[1] = (struct pollfd){ .fd = store_watch_fd(r.store), .events = POLLIN };
		poll(fds, ARRAY_SIZE(fds), wait_ms(&r));
		if (fds[0].revents)
			listen_supervisor(&r);
		write_sightings(&r);
	}
}
