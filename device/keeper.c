/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides what of xenstore tells that a domain needs guarding, and when the tree is read again. What
 * is taken away waits a moment for the registrar, who may bring it back.
 */
#include "device/keeper.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "device/mirror.h"
#include "device/packet.h"
#include "device/platform.h"
#include "device/rules.h"
#include "sync/nodes.h"
#include "sync/store.h"

#define STORE_TIMEOUT_MS 5000
#define RETRY_MS 1000 /* after a failure */
#define RECONNECT_MS 250
#define SETTLE_MS 50 /* a burst of changes is read once */
#define HOLD_MS 500  /* for what is healed at once the rules need not change */
#define PING_MS 5000 /* a daemon that was restarted or hangs is noticed */

struct keeper {
	const struct keeper_options *o;
	struct store *store;
	struct mirror *mirror;
	struct tree *sent; /* the rules were made of this one */
	bool tree_due, domains_due, listed;
	bool complained;    /* about an unreachable store, once a time */
	int64_t tree_at;    /* when the tree is to be read */
	int64_t hold_until; /* 0: nothing is held back */
	int64_t retry_at, ping_at;
	bool named[UINT16_MAX + 1]; /* the name of this domain is watched */
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The supervisor reads fast and this process may wait for it. */
static void tell(struct keeper *k, const struct packet *m, int fd)
{
	if (!packet_push(k->o->sock, m, fd))
		_exit(0);
}

/* ---- domains ---- */

/* The text of a node, "" when it is missing; -1 when that cannot be known. */
static int read_text(struct keeper *k, const char *path, char **ret, struct err *err)
{
	size_t n;
	int r = store_read(k->store, path, ret, &n, err);

	if (r < 0 && err->kind == ERR_NOT_FOUND) {
		*ret = xstrdup("");
		return 0;
	}
	return r < 0 ? r : 0;
}

static int read_domain_text(struct keeper *k, const char *fmt, uint16_t domid, char **ret,
			    struct err *err) __attribute__((format(printf, 2, 0)));
static int read_domain_text(struct keeper *k, const char *fmt, uint16_t domid, char **ret,
			    struct err *err)
{
	CLEANUP(free) char *path = NULL;
	char number[8];
	const char *at = strchr(fmt, '#');

	snprintf(number, sizeof(number), "%u", domid);
	path = xasprintf("%.*s%s%s", (int)(at - fmt), fmt, number, at + 1);
	return read_text(k, path, ret, err);
}

/*
 * Why a domain is not to be guarded, or NULL. Borrowed. Only what no guest can write counts:
 * vm-data/disable_pf, where XenServer has it, is the guest's own.
 */
static int why_not(struct keeper *k, uint16_t domid, const char **ret, struct err *err)
{
	CLEANUP(free) char *type = NULL, *model = NULL, *disabled = NULL, *pid = NULL;
	int r;

	*ret = NULL;
	if ((r = read_domain_text(k, "/libxl/#/type", domid, &type, err)) < 0 ||
	    (r = read_domain_text(k, "/libxl/#/dm-version", domid, &model, err)) < 0 ||
	    (r = read_domain_text(k, "/local/domain/0/device-model/#/disable_pf", domid, &disabled,
				  err)) < 0 ||
	    (r = read_domain_text(k, "/local/domain/#/image/device-model-pid", domid, &pid, err)) <
		    0)
		return r;
	if (*type && strcmp(type, "hvm") != 0)
		*ret = "no HVM domain";
	else if (strcmp(model, "qemu_xen_traditional") == 0)
		*ret = "its device model looks for itself";
	else if (strcmp(disabled, "1") == 0 || platform_lacking(pid))
		*ret = "it has no platform device";
	return 0;
}

/* "/vm/UUID" */
static const char *uuid_of(const char *vm)
{
	return strncmp(vm, "/vm/", 4) == 0 ? vm + 4 : "";
}

/* "xl rename" changes a name, and so does the end of a migration ("web--incoming"). */
static int watch_name(struct keeper *k, uint16_t domid, bool watch, struct err *err)
{
	CLEANUP(free) char *path = NULL;
	int r;

	if (k->named[domid] == watch)
		return 0;
	path = xasprintf("/local/domain/%u/name", domid);
	r = watch ? store_watch(k->store, path, err) : store_unwatch(k->store, path, err);
	if (r == 0)
		k->named[domid] = watch;
	return r;
}

static int tell_domain(struct keeper *k, uint16_t domid, struct err *err)
{
	CLEANUP(free) char *name = NULL, *vm = NULL;
	struct packet m = { .kind = PACKET_DOMAIN, .domid = domid };
	const char *why;
	int r = why_not(k, domid, &why, err);

	if (r == 0)
		r = watch_name(k, domid, why == NULL, err);
	if (r == 0)
		r = read_domain_text(k, "/local/domain/#/name", domid, &name, err);
	if (r == 0)
		r = read_domain_text(k, "/local/domain/#/vm", domid, &vm, err);
	if (r < 0)
		return r;
	m.flag = why == NULL;
	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.text, sizeof(m.text), "%s", why ? why : uuid_of(vm));
	tell(k, &m, -1);
	return 0;
}

static int has_name(struct keeper *k, uint16_t domid, bool *ret, struct err *err)
{
	CLEANUP(free) char *name = NULL;
	int r = read_domain_text(k, "/local/domain/#/name", domid, &name, err);

	if (r == 0)
		*ret = *name != '\0';
	return r;
}

/* Domains that are no more have no name to watch. */
static int forget_names(struct keeper *k, char *const *names, size_t n, struct err *err)
{
	CLEANUP(free) bool *there = xcalloc(ARRAY_SIZE(k->named), sizeof(*there));
	uint16_t domid;
	int r = 0;

	for (size_t i = 0; i < n; i++)
		if (parse_u16(span_str(names[i]), &domid))
			there[domid] = true;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(k->named); i++)
		if (!there[i])
			r = watch_name(k, (uint16_t)i, false, err);
	return r;
}

static int tell_domains(struct keeper *k, struct err *err)
{
	struct packet m = { .kind = PACKET_GONE };
	char **names;
	size_t n;
	int r = store_list(k->store, "/local/domain", &names, &n, err);

	if (r < 0 && err->kind == ERR_NOT_FOUND)
		n = 0, names = NULL;
	else if (r < 0)
		return r;
	r = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		uint16_t domid;

		if (parse_u16(span_str(names[i]), &domid) && domid != 0)
			r = tell_domain(k, domid, err);
	}
	if (r == 0)
		r = forget_names(k, names, n, err);
	store_list_free(names, n);
	if (r < 0)
		return r;
	tell(k, &m, -1);
	m.kind = PACKET_LISTED;
	if (!k->listed)
		tell(k, &m, -1);
	k->listed = true;
	return 0;
}

/* ---- the blacklist ---- */

static int send_rules(struct keeper *k, const struct tree *tree, struct err *err)
{
	CLEANUP(close_fd) int fd = -1;
	struct packet m = { .kind = PACKET_RULES };
	size_t count;
	int r = rules_make(tree, &fd, &count, err);

	if (r < 0)
		return r;
	m.count = (uint32_t)count;
	tell(k, &m, fd);
	return 0;
}

static void look_again(struct keeper *k, int64_t after_ms)
{
	k->tree_due = true;
	k->tree_at = now_ms() + after_ms;
}

/* Something of A that is not in B. */
static bool lost_something(const struct tree *a, const struct tree *b)
{
	size_t k = 0;

	for (size_t i = 0; i < a->n; i++) {
		while (k < b->n && strcmp(b->node[k].path, a->node[i].path) < 0)
			k++;
		if (k == b->n || strcmp(b->node[k].path, a->node[i].path) != 0)
			return true;
	}
	return false;
}

/* True while the rules stay as they are, because the registrar may bring back what TREE lacks. */
static bool hold(struct keeper *k, const struct tree *tree)
{
	int64_t now = now_ms();

	if (!k->o->heal || !k->sent || !lost_something(k->sent, tree)) {
		k->hold_until = 0;
		return false;
	}
	if (!k->hold_until)
		k->hold_until = now + HOLD_MS;
	if (now < k->hold_until) {
		look_again(k, k->hold_until - now);
		return true;
	}
	k->hold_until = 0;
	return false;
}

static int look_at_tree(struct keeper *k, struct err *err)
{
	const struct tree *tree;
	int r;

	k->tree_due = false;
	r = mirror_look(k->mirror, k->store, &tree, err);
	if (r == 0 && hold(k, tree))
		return 0;
	if (r == 0)
		r = send_rules(k, tree, err);
	if (r < 0) {
		look_again(k, RETRY_MS);
		return r;
	}
	tree_free(k->sent);
	k->sent = tree_copy(tree);
	return 0;
}

/* ---- xenstore comes and goes ---- */

static void lose_store(struct keeper *k, const struct err *err)
{
	struct packet m = { .kind = PACKET_RULES };

	if (!k->complained &&
	    !packet_talk(k->o->sock, LOG_WARNING,
			 "%s; domains keep the blacklist that was read last", err->msg))
		_exit(0);
	if (!k->complained)
		tell(k, &m, -1);
	k->complained = true;
	store_close(k->store);
	k->store = NULL;
	memset(k->named, 0, sizeof(k->named));
	k->retry_at = now_ms() + RECONNECT_MS;
}

static void find_store(struct keeper *k)
{
	static const char *const watched[] = { "@introduceDomain", "@releaseDomain", NODES_ROOT,
					       "/local/domain/0/device-model" };
	struct store_options options = { .timeout_ms = STORE_TIMEOUT_MS };
	struct err err;
	int r = store_open(&options, &k->store, &err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(watched); i++)
		r = store_watch(k->store, watched[i], &err);
	if (r < 0) {
		lose_store(k, &err);
		return;
	}
	if (k->complained && !packet_talk(k->o->sock, LOG_NOTICE, "xenstore answers again"))
		_exit(0);
	k->complained = false;
	mirror_changed(k->mirror, NULL);
	k->tree_due = k->domains_due = true;
	k->tree_at = now_ms();
}

/* ".../device-model/N/...", "/local/domain/N/name" */
static bool domid_of(const char *path, uint16_t *ret)
{
	static const char model[] = "/local/domain/0/device-model/", domain[] = "/local/domain/";
	struct span rest, right;

	if (strncmp(path, model, sizeof(model) - 1) == 0) {
		rest = span_str(path + sizeof(model) - 1);
		return span_cut(rest, "/", &rest, &right) &&
		       (span_eq(right, "disable_pf") || span_eq(right, "state")) &&
		       parse_u16(rest, ret);
	}
	if (strncmp(path, domain, sizeof(domain) - 1) != 0)
		return false;
	rest = span_str(path + sizeof(domain) - 1);
	return span_cut(rest, "/", &rest, &right) && span_eq(right, "name") && parse_u16(rest, ret);
}

static int take_events(struct keeper *k, struct err *err)
{
	char *path;
	int r;

	while ((r = store_event(k->store, &path, err)) > 0) {
		CLEANUP(free) char *mine = path;
		uint16_t domid;
		bool there;

		if (mine[0] == '@') {
			k->domains_due = true;
		} else if (domid_of(mine, &domid)) {
			/* One that has lost its name is on its way out: the list of domains tells. */
			r = has_name(k, domid, &there, err);
			if (r == 0 && there)
				r = tell_domain(k, domid, err);
		} else if (mirror_changed(k->mirror, mine)) {
			int64_t at = now_ms() + SETTLE_MS;

			if (!k->tree_due || k->tree_at > at)
				k->tree_at = at;
			k->tree_due = true;
		}
		if (r < 0)
			return r;
	}
	return r;
}

/* ---- the supervisor ---- */

static void listen_supervisor(struct keeper *k)
{
	struct packet m;
	int r;

	do {
		CLEANUP(close_fd) int fd = -1;

		r = packet_recv(k->o->sock, &m, &fd);
		if (r <= 0)
			continue;
		if (m.kind == PACKET_RELOAD) {
			mirror_changed(k->mirror, NULL);
			k->tree_due = k->domains_due = true;
			k->tree_at = now_ms();
		}
	} while (r > 0);
	if (r < 0)
		_exit(0);
}

static int step(struct keeper *k, struct err *err)
{
	CLEANUP(free) char *value = NULL;
	int64_t now = now_ms();
	int r = take_events(k, err);

	if (r < 0)
		return r;
	if (k->tree_due && now >= k->tree_at && look_at_tree(k, err) < 0)
		return -1;
	if (k->domains_due) {
		r = tell_domains(k, err);
		if (r < 0)
			return r;
		k->domains_due = false;
	}
	if (now >= k->ping_at) {
		k->ping_at = now + PING_MS;
		r = read_text(k, "/local/domain/0/domid", &value, err);
	}
	return r;
}

static int wait_ms(const struct keeper *k)
{
	int64_t now = now_ms(), at = k->store ? k->ping_at : k->retry_at;

	if (k->store && k->tree_due && k->tree_at < at)
		at = k->tree_at;
	return at <= now ? 0 : (int)(at - now);
}

int keeper_run(const struct keeper_options *o)
{
	struct keeper k = { .o = o, .mirror = mirror_new() };

	for (;;) {
		struct pollfd fds[2] = { { .fd = o->sock, .events = POLLIN }, { .fd = -1 } };
		struct err err;

		if (!k.store && now_ms() >= k.retry_at)
			find_store(&k);
		if (k.store && step(&k, &err) < 0)
			lose_store(&k, &err);
		if (k.store)
			fds[1] = (struct pollfd){ .fd = store_watch_fd(k.store), .events = POLLIN };
		poll(fds, ARRAY_SIZE(fds), wait_ms(&k));
		if (fds[0].revents)
			listen_supervisor(&k);
	}
}
