/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides how a xenstore is reached: where the daemon listens, which of the two ways (libxenstore,
 * wire protocol) serves which call, connections that break, and libxenstore's habit of waiting
 * for ever: its calls run in a thread that is left behind when its time is over.
 */
#include "sync/store.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <xenstore.h>

#include "sync/wire.h"

#define TIMEOUT_MS 10000
#define NAMES_MAX (16u << 20) /* bytes of names in one directory */
#define NODES_MAX (1u << 20)  /* nodes in one tree */
#define PART_RESTARTS 100
#define STUCK_MAX 16 /* threads left behind before no more are made */

struct store {
	uint32_t timeout_ms;
	char *daemon;
	struct wire *wire;
	struct xs_handle *xs;	 /* for single reads */
	struct xs_handle *watch; /* for watches */
	struct wire *canary;	 /* idle: libxenstore does not tell that a daemon has died */
	int watch_fd;		 /* an epoll of both */
};

/* ---- where -------------------------------------------------------------------------------------- */

static int connect_wire(struct store *s, struct wire **w, struct err *err)
{
	static const char *const devices[] = { "/dev/xen/xenbus", "/proc/xen/xenbus" };
	const char *env = getenv("XENSTORED_PATH"), *dir = getenv("XENSTORED_RUNDIR");
	CLEANUP(free) char *path = NULL;
	bool absent = false;
	int r;

	if (*w)
		return 0;
	path = env ? xstrdup(env) : xasprintf("%s/socket", dir ? dir : "/var/run/xenstored");
	r = wire_open(path, s->timeout_ms, w, &absent, err);
	for (size_t i = 0; !env && absent && i < ARRAY_SIZE(devices); i++) {
		if (access(devices[i], F_OK) == 0)
			return wire_open(devices[i], s->timeout_ms, w, NULL, err);
	}
	return r;
}

/* One round of requests; a connection that broke since its last use gets a second chance. */
static int ask(struct store *s, struct wire_request *req, size_t n, struct err *err)
{
	struct err e; /* ERR is untouched when the second chance is taken */

	for (bool used = s->wire;; used = false) {
		int r = connect_wire(s, &s->wire, &e);

		if (r == 0)
			r = wire_call(s->wire, req, n, &e);
		if (r == 0)
			return 0;
		wire_requests_clear(req, n);
		used = used && r == -ERR_UNREACHABLE && !wire_timed_out(s->wire);
		if (r == -ERR_UNREACHABLE)
			wire_close(TAKE(s->wire));
		if (!used) {
			*err = e;
			return r;
		}
	}
}

/* libxenstore connects without a time limit: only to a daemon that answers just now. */
static int answers(struct store *s, struct err *err)
{
	struct wire_request ping = { .type = XS_GET_PERMS, .path = "/" };
	int r = ask(s, &ping, 1, err);

	wire_requests_clear(&ping, 1);
	return r;
}

static void unwatch(struct store *s)
{
	close_fd(s->watch_fd);
	s->watch_fd = -1;
	wire_close(TAKE(s->canary));
	if (s->watch)
		xs_close(TAKE(s->watch));
}

int store_open(const struct store_options *options, struct store **ret, struct err *err)
{
	CLEANUP(store_close) struct store *s = xcalloc(1, sizeof(*s));
	struct wire_request req = { .type = XS_READ, .path = "/tool/xenstored" };
	int r;

	s->watch_fd = -1;
	s->timeout_ms = options && options->timeout_ms ? options->timeout_ms : TIMEOUT_MS;
	r = ask(s, &req, 1, err);
	if (r < 0)
		return r;
	if (req.error && req.error != ENOENT)
		s->daemon = xstrdup("unknown");
	else
		s->daemon = xstrdup(req.data && strstr(req.data, "oxenstored") ? "oxenstored"
									       : "xenstored");
	wire_requests_clear(&req, 1);
	*ret = TAKE(s);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	wire_close(s->wire);
	if (s->xs)
		xs_close(s->xs);
	unwatch(s);
	free(s->daemon);
	free(s);
}

const char *store_daemon(struct store *s)
{
	return s->daemon;
}

/* ---- libxenstore, bounded ------------------------------------------------------------------- */

enum job_kind { JOB_READ, JOB_WATCH };
enum job_state { JOB_RUNS, JOB_DONE, JOB_ABANDONED };

struct job {
	enum job_kind what;
	struct xs_handle *xs; /* opened when NULL */
	char *path;
	char *value;
	unsigned value_n;
	int error;
	int done; /* an eventfd */
	atomic_int state;
};

static atomic_int stuck;

static void job_free(struct job *j)
{
	if (!j)
		return;
	close_fd(j->done);
	free(j->value);
	free(j->path);
	free(j);
}
DEFINE_CLEANUP(struct job *, job_free)

static void *job_run(void *arg)
{
	struct job *j = arg;
	int running = JOB_RUNS;

	if (!j->xs)
		j->xs = xs_open(0);
	if (j->xs && j->what == JOB_READ)
		j->value = xs_read(j->xs, XBT_NULL, j->path, &j->value_n);
	else if (j->xs && xs_watch(j->xs, j->path, j->path))
		j->value = xstrdup("");
	j->error = j->value ? 0 : errno;
	if (atomic_compare_exchange_strong(&j->state, &running, JOB_DONE)) {
		eventfd_write(j->done, 1);
		return NULL;
	}
	/* Nobody waits any more. */
	if (j->xs)
		xs_close(j->xs);
	job_free(j);
	atomic_fetch_sub(&stuck, 1);
	return NULL;
}

/* Does one thing with *XS, opening it when it is NULL. *ret keeps the result and errno. */
static int bounded(struct store *s, struct xs_handle **xs, enum job_kind what, const char *path,
		   struct job **ret, struct err *err)
{
	CLEANUP(job_free) struct job *j = xcalloc(1, sizeof(*j));
	struct pollfd p;
	int running = JOB_RUNS;
	sigset_t all, old;
	pthread_t thread;

	if (atomic_load(&stuck) >= STUCK_MAX)
		return err_set(err, ERR_UNREACHABLE, "xenstore does not answer");
	j->what = what;
	j->path = xstrdup(path);
	j->done = eventfd(0, EFD_CLOEXEC);
	if (j->done < 0)
		return err_set(err, ERR_IO, "cannot make an event descriptor: %s", strerror(errno));
	j->xs = TAKE(*xs);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&thread, NULL, job_run, j) != 0) {
		*xs = TAKE(j->xs);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		return err_set(err, ERR_IO, "cannot make a thread");
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	p = (struct pollfd){ .fd = j->done, .events = POLLIN };
	while (poll(&p, 1, (int)s->timeout_ms) < 0 && errno == EINTR)
		continue;
	if (!p.revents && atomic_compare_exchange_strong(&j->state, &running, JOB_ABANDONED)) {
		atomic_fetch_add(&stuck, 1);
		pthread_detach(thread);
		TAKE(j);
		return err_set(err, ERR_UNREACHABLE,
			       "xenstore does not answer (waited %" PRIu32 " ms)", s->timeout_ms);
	}
	pthread_join(thread, NULL);
	*xs = j->xs;
	*ret = TAKE(j);
	return 0;
}

static bool connection_lost(int error)
{
	return error == EBADF || error == EPIPE || error == ECONNRESET || error == EAGAIN ||
	       error == ECONNREFUSED || error == EIO || error == ENOTCONN;
}

static int refusal(int error, const char *path, struct err *err)
{
	switch (error) {
	case ENOENT:
		return err_set(err, ERR_NOT_FOUND, "no xenstore node '%s'", path);
	case EINVAL:
		return err_set(err, ERR_INVALID, "xenstore takes no such path: '%s'", path);
	case E2BIG:
		return err_set(err, ERR_INVALID, "too long for xenstore: '%s'", path);
	case EACCES:
	case EPERM:
	case EROFS:
		return err_set(err, ERR_DENIED, "xenstore denies access to '%s'", path);
	default:
		return err_set(err, ERR_IO, "xenstore refuses '%s': %s", path, strerror(error));
	}
}

int store_read(struct store *s, const char *path, char **ret, size_t *ret_n, struct err *err)
{
	for (bool used = s->xs;; used = false) {
		CLEANUP(job_free) struct job *j = NULL;
		int r = 0;

		if (!s->xs)
			r = answers(s, err);
		if (r == 0)
			r = bounded(s, &s->xs, JOB_READ, path, &j, err);
		if (r < 0)
			return r;
		if (j->value) {
			*ret = TAKE(j->value);
			if (ret_n)
				*ret_n = j->value_n;
			return 0;
		}
		if (!s->xs || connection_lost(j->error)) {
			if (s->xs)
				xs_close(TAKE(s->xs));
			if (used)
				continue;
			return err_set(err, ERR_UNREACHABLE, "cannot read xenstore: %s",
				       strerror(j->error));
		}
		return refusal(j->error, path, err);
	}
}

static int ready_to_watch(struct store *s, struct err *err)
{
	struct epoll_event e = { .events = EPOLLIN };
	int r;

	if (s->watch_fd >= 0)
		return 0;
	r = connect_wire(s, &s->canary, err);
	if (r < 0)
		return r;
	s->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->watch_fd < 0 || epoll_ctl(s->watch_fd, EPOLL_CTL_ADD, xs_fileno(s->watch), &e) < 0 ||
	    epoll_ctl(s->watch_fd, EPOLL_CTL_ADD, wire_fd(s->canary), &e) < 0)
		return err_set(err, ERR_IO, "cannot wait for xenstore: %s", strerror(errno));
	return 0;
}

int store_watch(struct store *s, const char *path, struct err *err)
{
	CLEANUP(job_free) struct job *j = NULL;
	int r = s->watch ? 0 : answers(s, err);

	if (r == 0)
		r = bounded(s, &s->watch, JOB_WATCH, path, &j, err);
	if (r == 0 && s->watch && (j->value || j->error == EEXIST))
		r = ready_to_watch(s, err);
	else if (r == 0 && s->watch && !connection_lost(j->error))
		return refusal(j->error, path, err);
	else if (r == 0)
		r = err_set(err, ERR_UNREACHABLE, "cannot watch '%s' in xenstore: %s", path,
			    strerror(j->error));
	if (r < 0)
		unwatch(s);
	return r;
}

int store_watch_fd(struct store *s)
{
	return s->watch_fd;
}

int store_event(struct store *s, char **ret_path, struct err *err)
{
	char **event = s->watch ? xs_check_watch(s->watch) : NULL;

	if (event) {
		*ret_path = xstrdup(event[XS_WATCH_PATH]);
		free(event);
		return 1;
	}
	if (s->watch && errno == EAGAIN) {
		struct pollfd p = { .fd = wire_fd(s->canary), .events = POLLIN };

		if (poll(&p, 1, 0) == 0)
			return 0;
	}
	unwatch(s);
	return err_set(err, ERR_UNREACHABLE, "the connection that watches xenstore is gone");
}

/* ---- directories and trees ------------------------------------------------------------------ */

static bool name_legal(const char *name)
{
	static const char legal[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_@";

	return *name && name[strspn(name, legal)] == 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void store_list_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

struct names {
	char **name;
	size_t n, cap;
};

static void names_free(struct names *names)
{
	store_list_free(names->name, names->n);
}
#define NAMES __attribute__((cleanup(names_free))) struct names

/* DATA: names, each with its NUL. They come from outside: anything odd is a broken answer. */
static int split_names(const char *data, size_t n, struct names *ret, struct err *err)
{
	NAMES names = { 0 };

	for (size_t at = 0; at < n; at += strlen(data + at) + 1) {
		if (data[n - 1] || !name_legal(data + at))
			return err_set(err, ERR_UNREACHABLE,
				       "xenstore sent a malformed list of names");
		GROW(names.name, names.n, names.cap);
		names.name[names.n++] = xstrdup(data + at);
	}
	if (names.n)
		qsort(names.name, names.n, sizeof(*names.name), by_name);
	for (size_t i = 1; i < names.n; i++) {
		if (strcmp(names.name[i - 1], names.name[i]) == 0)
			return err_set(err, ERR_UNREACHABLE, "xenstore listed '%s' twice",
				       names.name[i]);
	}
	*ret = names;
	names = (struct names){ 0 };
	return 0;
}

/*
 * A directory of more than one message: XS_DIRECTORY_PART answers with the directory's
 * generation, a NUL, and names from an offset on; an empty name ends the last part. Another
 * generation than before: it changed meanwhile, start again.
 */
static int list_parts(struct store *s, uint32_t tx, const char *path, struct names *ret,
		      struct err *err)
{
	CLEANUP(free) char *all = NULL, *generation = NULL;
	size_t n = 0;

	for (int restarts = 0; restarts < PART_RESTARTS;) {
		char offset[16];
		struct wire_request req = {
			.type = XS_DIRECTORY_PART, .tx = tx, .path = path, .rest = offset
		};
		CLEANUP(free) char *part = NULL;
		size_t skip, more;
		int r;

		req.rest_n = (size_t)snprintf(offset, sizeof(offset), "%zu", n) + 1;
		r = ask(s, &req, 1, err);
		if (r < 0)
			return r;
		part = req.data;
		if (req.error == ENOSYS)
			return err_set(err, ERR_IO,
				       "xenstore cannot list a directory this large: '%s'", path);
		if (req.error)
			return refusal(req.error, path, err);
		skip = strlen(part) + 1;
		if (skip >= req.n || part[req.n - 1])
			return err_set(err, ERR_UNREACHABLE,
				       "xenstore sent a malformed part of a directory");
		if (n && strcmp(generation, part) != 0) {
			n = 0;
			restarts++;
			continue;
		}
		free(generation);
		generation = xstrdup(part);
		more = req.n - skip;
		if (n + more > NAMES_MAX)
			return err_set(err, ERR_UNREACHABLE,
				       "xenstore sent a directory without an end: '%s'", path);
		all = xreallocarray(all, n + more, 1);
		memcpy(all + n, part + skip, more);
		n += more;
		if (n == 1 ? !all[0] : !all[n - 2])
			return split_names(all, n - 1, ret, err);
	}
	return err_set(err, ERR_BUSY, "'%s' changes faster than it can be listed", path);
}

/* What an XS_DIRECTORY request has brought, the rest of a large directory included. */
static int names_of(struct store *s, const struct wire_request *req, struct names *ret,
		    struct err *err)
{
	if (req->error == E2BIG)
		return list_parts(s, req->tx, req->path, ret, err);
	if (req->error)
		return refusal(req->error, req->path, err);
	return split_names(req->data, req->n, ret, err);
}

int store_list(struct store *s, const char *path, char ***ret, size_t *ret_n, struct err *err)
{
	struct wire_request req = { .type = XS_DIRECTORY, .path = path };
	NAMES names = { 0 };
	int r = ask(s, &req, 1, err);

	if (r == 0)
		r = names_of(s, &req, &names, err);
	wire_requests_clear(&req, 1);
	if (r < 0)
		return r;
	*ret = TAKE(names.name);
	*ret_n = names.n;
	names.n = 0;
	return 0;
}

struct tree *tree_copy(const struct tree *t)
{
	struct tree *copy = xcalloc(1, sizeof(*copy));

	copy->node = xcalloc(t->n + 1, sizeof(*copy->node));
	copy->n = copy->cap = t->n;
	for (size_t i = 0; i < t->n; i++) {
		const struct node *n = &t->node[i];

		copy->node[i] = (struct node){ xstrdup(n->path), xmemdup(n->value, n->value_n + 1),
					       n->value_n, xstrdup(n->perms) };
	}
	return copy;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++) {
		free(t->node[i].path);
		free(t->node[i].value);
		free(t->node[i].perms);
	}
	free(t->node);
	free(t);
}

/* "r0\0n5\0" as "r0,n5"; NULL when it is no list of permissions. */
static char *perms_text(const char *data, size_t n)
{
	CLEANUP(free) char *text = xmemdup(data, n + 1);
	uint32_t domid;

	if (!n || data[n - 1])
		return NULL;
	for (size_t at = 0; at < n; at += strlen(data + at) + 1) {
		if (!data[at] || !strchr("nrwb", data[at]) ||
		    !parse_u32(span_str(data + at + 1), &domid))
			return NULL;
	}
	for (size_t i = 0; i + 1 < n; i++) {
		if (!text[i])
			text[i] = ',';
	}
	return TAKE(text);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->path, ((const struct node *)b)->path);
}

struct level {
	struct wire_request *req; /* three for a node */
	char **path, **relative;
	size_t n, cap;
};

static void level_free(struct level *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->path[i]);
		free(l->relative[i]);
	}
	if (l->req)
		wire_requests_clear(l->req, 3 * l->n);
	free(l->req);
	free(l->path);
	free(l->relative);
	*l = (struct level){ 0 };
}
#define LEVEL __attribute__((cleanup(level_free))) struct level

static void level_add(struct level *l, const char *root, const char *parent, const char *name)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->path = xreallocarray(l->path, l->cap, sizeof(*l->path));
		l->relative = xreallocarray(l->relative, l->cap, sizeof(*l->relative));
	}
	l->relative[l->n] = *parent ? xasprintf("%s/%s", parent, name) : xstrdup(name);
	l->path[l->n] = *name ? xasprintf("%s/%s", root, l->relative[l->n]) : xstrdup(root);
	l->n++;
}

static void level_prepare(struct level *l)
{
	static const uint32_t types[] = { XS_READ, XS_GET_PERMS, XS_DIRECTORY };

	l->req = xcalloc(3 * l->n, sizeof(*l->req));
	for (size_t i = 0; i < 3 * l->n; i++)
		l->req[i] = (struct wire_request){ .type = types[i % 3], .path = l->path[i / 3] };
}

/* A node into the tree from its XS_READ and the XS_GET_PERMS after it: 0 when it is gone. */
static int take_node(struct tree *t, struct wire_request *read, const char *path, struct err *err)
{
	struct wire_request *perms = read + 1;
	char *text;

	if (read->error == ENOENT || perms->error == ENOENT)
		return 0;
	if (read->error || perms->error)
		return refusal(read->error ? read->error : perms->error, read->path, err);
	text = perms_text(perms->data, perms->n);
	if (!text)
		return err_set(err, ERR_UNREACHABLE, "xenstore sent malformed permissions of '%s'",
			       read->path);
	GROW(t->node, t->n, t->cap);
	t->node[t->n++] = (struct node){
		.path = xstrdup(path),
		.value = TAKE(read->data),
		.value_n = read->n,
		.perms = text,
	};
	return 1;
}

/* One node of a level into the tree, its children into the next level. */
static int level_take(struct store *s, struct level *l, size_t i, const char *root, struct tree *t,
		      struct level *next, struct err *err)
{
	struct wire_request *req = &l->req[3 * i];
	NAMES names = { 0 };
	int r = req[2].error == ENOENT ? 0 : take_node(t, req, l->relative[i], err);

	if (r <= 0)
		return r;
	r = names_of(s, &req[2], &names, err);
	if (r == -ERR_NOT_FOUND) /* gone while its names were fetched */
		return 0;
	if (r == 0 && t->n + next->n + names.n > NODES_MAX)
		return err_set(err, ERR_UNREACHABLE, "more than %u nodes under '%s'", NODES_MAX,
			       root);
	for (size_t k = 0; r == 0 && k < names.n; k++)
		level_add(next, root, l->relative[i], names.name[k]);
	return r;
}

int store_nodes(struct store *s, const char *const *paths, size_t n, struct tree **ret,
		struct err *err)
{
	CLEANUP(tree_free) struct tree *t = xcalloc(1, sizeof(*t));
	CLEANUP(free) struct wire_request *req = xcalloc(2 * n + 1, sizeof(*req));
	int r;

	for (size_t i = 0; i < n; i++) {
		req[2 * i] = (struct wire_request){ .type = XS_READ, .path = paths[i] };
		req[2 * i + 1] = (struct wire_request){ .type = XS_GET_PERMS, .path = paths[i] };
	}
	r = ask(s, req, 2 * n, err);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = take_node(t, &req[2 * i], paths[i], err);
	wire_requests_clear(req, 2 * n);
	if (r < 0)
		return r;
	if (t->n)
		qsort(t->node, t->n, sizeof(*t->node), by_path);
	*ret = TAKE(t);
	return 0;
}

int store_tree(struct store *s, const char *path, struct tree **ret, struct err *err)
{
	CLEANUP(tree_free) struct tree *t = xcalloc(1, sizeof(*t));
	LEVEL level = { 0 };

	level_add(&level, path, "", "");
	while (level.n) {
		LEVEL next = { 0 };
		int r;

		level_prepare(&level);
		r = ask(s, level.req, 3 * level.n, err);
		for (size_t i = 0; r == 0 && i < level.n; i++)
			r = level_take(s, &level, i, path, t, &next, err);
		if (r < 0)
			return r;
		level_free(&level);
		level = next;
		next = (struct level){ 0 };
	}
	if (t->n)
		qsort(t->node, t->n, sizeof(*t->node), by_path);
	*ret = TAKE(t);
	return 0;
}

/* ---- writing -------------------------------------------------------------------------------- */

const char STORE_ABSENT[] = "";

static int check_ops(const struct store_op *ops, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const char *p = ops[i].path;

		if (p[0] != '/' || !p[1] || p[strlen(p) - 1] == '/' || strstr(p, "//"))
			return err_set(err, ERR_INVALID, "refusing to change '%s' in xenstore", p);
	}
	return 0;
}

static void op_request(const struct store_op *op, uint32_t tx, struct wire_request *req,
		       char **ret_rest)
{
	static const uint32_t types[] = {
		[STORE_WRITE] = XS_WRITE,
		[STORE_SETPERMS] = XS_SET_PERMS,
		[STORE_RM] = XS_RM,
	};

	*req = (struct wire_request){ .type = types[op->kind], .tx = tx, .path = op->path };
	if (op->kind == STORE_RM)
		return;
	req->rest = op->text;
	req->rest_n = strlen(op->text);
	if (op->kind == STORE_SETPERMS) {
		char *p = *ret_rest = xstrdup(op->text);

		while ((p = strchr(p, ',')))
			*p++ = 0;
		req->rest = *ret_rest;
		req->rest_n++;
	}
}

/* In a transaction a connection that broke is not replaced: the transaction is gone with it. */
static int ask_within(struct store *s, uint32_t tx, struct wire_request *req, size_t n,
		      struct err *err)
{
	return tx ? wire_call(s->wire, req, n, err) : ask(s, req, n, err);
}

static int not_as_expected(const char *path, struct err *err)
{
	return err_set(err, ERR_BUSY, "somebody else has changed '%s' in xenstore", path);
}

static int check_values(struct store *s, uint32_t tx, const struct store_op *ops, size_t n,
			struct err *err)
{
	CLEANUP(free) struct wire_request *req = xcalloc(n + 1, sizeof(*req));
	CLEANUP(free) const struct store_op **op = xcalloc(n + 1, sizeof(*op));
	size_t k = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		if (!ops[i].expect || ops[i].expect == STORE_ABSENT)
			continue;
		op[k] = &ops[i];
		req[k++] = (struct wire_request){ .type = XS_READ, .tx = tx, .path = ops[i].path };
	}
	r = ask_within(s, tx, req, k, err);
	for (size_t i = 0; r == 0 && i < k; i++) {
		if (op[i]->kind == STORE_RM && req[i].error == ENOENT)
			continue;
		if (req[i].error && req[i].error != ENOENT)
			r = refusal(req[i].error, req[i].path, err);
		else if (req[i].error || strcmp(req[i].data, op[i]->expect) != 0)
			r = not_as_expected(req[i].path, err);
	}
	wire_requests_clear(req, k);
	return r;
}

/*
 * What is expected to be absent, by one list of names for all that is made in a directory: a read
 * of each would cost a xenstored more than the writes do.
 */
static int check_absent(struct store *s, uint32_t tx, const struct store_op *ops, size_t n,
			struct err *err)
{
	CLEANUP(free) char *dir = NULL;
	NAMES names = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		const char *path = ops[i].path, *name = strrchr(path, '/') + 1;
		size_t length = (size_t)(name - path);

		if (ops[i].expect != STORE_ABSENT)
			continue;
		if (!dir || strlen(dir) + 1 != length || strncmp(dir, path, length - 1) != 0) {
			struct wire_request req = { .type = XS_DIRECTORY, .tx = tx };

			names_free(&names);
			names = (struct names){ 0 };
			free(dir);
			req.path = dir = xstrndup(path, length - 1);
			r = ask_within(s, tx, &req, 1, err);
			if (r == 0 && req.error != ENOENT)
				r = names_of(s, &req, &names, err);
			wire_requests_clear(&req, 1);
		}
		if (r == 0 && names.n &&
		    bsearch(&name, names.name, names.n, sizeof(*names.name), by_name))
			r = not_as_expected(path, err);
	}
	return r;
}

static int check_expected(struct store *s, uint32_t tx, const struct store_op *ops, size_t n,
			  struct err *err)
{
	int r = check_values(s, tx, ops, n, err);

	return r < 0 ? r : check_absent(s, tx, ops, n, err);
}

/*
 * XS_RM takes whole subtrees, which is never meant here: every child of what goes has to go in
 * the same batch.
 */
static int check_removals(struct store *s, uint32_t tx, const struct store_op *ops, size_t n,
			  struct err *err)
{
	CLEANUP(free) struct wire_request *req = xcalloc(n + 1, sizeof(*req));
	CLEANUP(free) const char **gone = xcalloc(n + 1, sizeof(*gone));
	size_t k = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		if (ops[i].kind != STORE_RM)
			continue;
		gone[k] = ops[i].path;
		req[k++] = (struct wire_request){ .type = XS_DIRECTORY,
						  .tx = tx,
						  .path = ops[i].path };
	}
	if (!k)
		return 0;
	r = ask_within(s, tx, req, k, err);
	qsort(gone, k, sizeof(*gone), by_name);
	for (size_t i = 0; r == 0 && i < k; i++) {
		NAMES names = { 0 };

		if (req[i].error == ENOENT || (!req[i].error && !req[i].n))
			continue;
		r = names_of(s, &req[i], &names, err);
		for (size_t c = 0; r == 0 && c < names.n; c++) {
			CLEANUP(free) char *child = xasprintf("%s/%s", req[i].path, names.name[c]);
			const char *key = child;

			if (!bsearch(&key, gone, k, sizeof(*gone), by_name))
				r = err_set(err, ERR_BUSY, "'%s' has a child that is to stay: '%s'",
					    req[i].path, names.name[c]);
		}
	}
	wire_requests_clear(req, k);
	return r;
}

static int do_ops(struct store *s, uint32_t tx, const struct store_op *ops, size_t n,
		  struct err *err)
{
	CLEANUP(free) struct wire_request *req = xcalloc(n + 1, sizeof(*req));
	CLEANUP(free) char **rest = xcalloc(n + 1, sizeof(*rest));
	int r;

	for (size_t i = 0; i < n; i++)
		op_request(&ops[i], tx, &req[i], &rest[i]);
	r = wire_call(s->wire, req, n, err);
	for (size_t i = 0; i < n; i++) {
		/* What is to go may be gone. */
		if (r == 0 && req[i].error && !(ops[i].kind == STORE_RM && req[i].error == ENOENT))
			r = refusal(req[i].error, ops[i].path, err);
		free(rest[i]);
	}
	wire_requests_clear(req, n);
	return r;
}

/* After a failure the connection may have answers under way, or a transaction: start anew. */
static int drop(struct store *s, int r)
{
	wire_close(TAKE(s->wire));
	return r;
}

int store_commit(struct store *s, const struct store_op *ops, size_t n, bool *ret_known,
		 struct err *err)
{
	struct wire_request begin = { .type = XS_TRANSACTION_START, .path = "" };
	struct wire_request end = { .type = XS_TRANSACTION_END, .path = "T" };
	bool known_here;
	int r;

	if (!ret_known)
		ret_known = &known_here;
	*ret_known = true;
	r = check_ops(ops, n, err);
	if (r == 0)
		r = ask(s, &begin, 1, err);
	if (r < 0)
		return r;
	if (begin.error)
		return refusal(begin.error, "a transaction", err);
	if (!begin.n || begin.data[begin.n - 1] ||
	    !parse_u32(span_of(begin.data, begin.n - 1), &end.tx) || !end.tx)
		r = err_set(err, ERR_UNREACHABLE, "xenstore sent a malformed transaction number");
	wire_requests_clear(&begin, 1);
	if (r == 0)
		r = check_expected(s, end.tx, ops, n, err);
	if (r == 0)
		r = check_removals(s, end.tx, ops, n, err);
	if (r == 0)
		r = do_ops(s, end.tx, ops, n, err);
	if (r < 0)
		return drop(s, r);
	r = wire_call(s->wire, &end, 1, err);
	if (r < 0) {
		*ret_known = false;
		return drop(s, r);
	}
	if (end.error == EAGAIN)
		return err_set(err, ERR_BUSY,
			       "xenstore was changed by somebody else at the same time");
	return end.error ? refusal(end.error, "the end of a transaction", err) : 0;
}

int store_write_each(struct store *s, const struct store_op *ops, size_t n, struct err *err)
{
	int r = check_ops(ops, n, err);

	if (r == 0)
		r = answers(s, err); /* a stale connection may still be replaced */
	if (r == 0)
		r = check_expected(s, 0, ops, n, err);
	if (r == 0)
		r = check_removals(s, 0, ops, n, err);
	if (r == 0)
		r = do_ops(s, 0, ops, n, err);
	return r == -ERR_UNREACHABLE ? drop(s, r) : r;
}
