/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides how a plan becomes xenstore's state: operations in their order, one transaction or
 * batches, how large a batch the daemon takes without harm, other writers, and what can be said
 * about the tree when it fails.
 */
#include "sync/apply.h"

#include <poll.h>

#define TRIES 8	      /* plans made anew before giving up */
#define BATCH_TRIES 5 /* of one batch, before it goes without a transaction */

/*
 * Batch sizes in operations, measured on both daemons. A xenstored walks a
 * list for every operation of a transaction, so small ones are fast; but with a long directory
 * each transaction copies its record once, so few are. An oxenstored with a watcher in the way
 * stops a writer for ever after 2048 changes in one commit. A guest that may not read the nodes
 * costs a xenstored one copy of the directory's record per guest and operation.
 */
#define BATCH_OXENSTORED 1000
#define BATCH_SHORT 250
#define BATCH_LONG 1000
#define LONG_DIRECTORY (64u << 10) /* bytes of names */
#define COMMIT_MEMORY (32u << 20)  /* bytes that one commit may cost the daemon */
#define BATCH_NOT_WORTH_IT 10

void apply_plan_free(struct apply_plan *p)
{
	if (!p)
		return;
	plan_free(p->plan);
	tree_free(p->live);
	free(p);
}

/* ---- planning ------------------------------------------------------------------------------- */

static void digest_tree(struct digest *d, const struct tree *t)
{
	digest_u64(d, t->n);
	for (size_t i = 0; i < t->n; i++) {
		digest_text(d, t->node[i].path);
		digest_u64(d, t->node[i].value_n);
		digest_bytes(d, t->node[i].value, t->node[i].value_n);
		digest_text(d, t->node[i].perms);
	}
}

int apply_plan(const struct blacklist *b, struct store *s, const struct apply_options *o,
	       struct apply_plan **ret, struct err *err)
{
	CLEANUP(apply_plan_free) struct apply_plan *p = xcalloc(1, sizeof(*p));
	CLEANUP(tree_free) struct tree *desired = NULL, *actual = NULL;
	CLEANUP(digest_free) struct digest *registry = digest_new(), *tree = digest_new();
	int r = nodes_desired(b, &o->nodes, &desired, err);

	if (r == 0)
		r = store_tree(s, NODES_ROOT, &actual, err);
	if (r < 0)
		return r;
	p->plan = nodes_diff(desired, actual, o->prune);
	p->generation = blacklist_generation(b);
	digest_u64(registry, o->prune);
	digest_tree(registry, desired);
	digest_hex(registry, p->registry_digest);
	digest_tree(tree, actual);
	digest_hex(tree, p->tree_digest);
	p->live = TAKE(actual);
	*ret = TAKE(p);
	return 0;
}

/* ---- operations ----------------------------------------------------------------------------- */

const char *apply_expectation(const struct change *c)
{
	if (c->directory)
		return NULL;
	return c->have_value ? c->have_value : STORE_ABSENT;
}

/* The operations of a plan, and for each the number of changes that are done with it. */
struct ops {
	struct store_op *op;
	size_t *changes;
	size_t n;
};

static void ops_free(struct ops *o)
{
	for (size_t i = 0; i < o->n; i++) {
		if (!i || o->op[i].path != o->op[i - 1].path)
			free((char *)o->op[i].path);
	}
	free(o->op);
	free(o->changes);
}
#define OPS __attribute__((cleanup(ops_free))) struct ops

static char *absolute(const char *path)
{
	return *path ? xasprintf("%s/%s", NODES_ROOT, path) : xstrdup(NODES_ROOT);
}

/*
 * A leaf that is made copies the permissions of its directory, which are right by then; an
 * existing node keeps its own.
 */
static bool sets_perms(const struct change *c)
{
	return c->have_perms ? strcmp(c->have_perms, c->want_perms) != 0 : c->directory;
}

static bool sets_value(const struct change *c)
{
	return !c->have_value || (!c->directory && strcmp(c->have_value, c->want_value) != 0);
}

static struct ops ops_of(const struct plan *p)
{
	struct ops o = { xcalloc(2 * p->n + 1, sizeof(*o.op)),
			 xcalloc(2 * p->n + 1, sizeof(*o.changes)), 0 };
	size_t changes = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct change *c = &p->change[i];
		size_t first = o.n;
		char *path;

		if (!c->acts)
			continue;
		path = absolute(c->path);
		changes++;
		if (!c->want_value)
			o.op[o.n++] = (struct store_op){ STORE_RM, path, NULL, NULL };
		if (c->want_value && sets_value(c))
			o.op[o.n++] = (struct store_op){ STORE_WRITE, path, c->want_value, NULL };
		if (c->want_value && sets_perms(c))
			o.op[o.n++] =
				(struct store_op){ STORE_SETPERMS, path, c->want_perms, NULL };
		o.op[first].expect = apply_expectation(c);
		o.changes[o.n - 1] = changes;
	}
	return o;
}

/* ---- batches -------------------------------------------------------------------------------- */

/* Bytes of the longest list of children that the plan's nodes are in. */
static size_t longest_directory(struct store *s, const struct plan *p)
{
	size_t longest = 0, added = 0;
	CLEANUP(free) char *last = xstrdup("");

	for (size_t i = 0; i < p->n; i++) {
		const char *path = p->change[i].path, *slash = strrchr(path, '/');
		size_t n = slash ? (size_t)(slash - path) : 0;
		struct err ignored;
		char **names;
		size_t count;

		if (!p->change[i].acts)
			continue;
		if (!slash || strncmp(last, path, n) != 0 || last[n]) {
			CLEANUP(free) char *dir = NULL;

			free(last);
			last = xstrndup(path, n);
			dir = absolute(last);
			added = 0;
			if (store_list(s, dir, &names, &count, &ignored) == 0) {
				for (size_t k = 0; k < count; k++)
					added += strlen(names[k]) + 1;
				store_list_free(names, count);
			}
		}
		added += p->change[i].have_value ? 0 : strlen(path + n);
		longest = added > longest ? added : longest;
	}
	return longest;
}

static size_t count_guests(struct store *s)
{
	struct err ignored;
	char **names;
	size_t n = 0;

	if (store_list(s, "/local/domain", &names, &n, &ignored) == 0)
		store_list_free(names, n);
	return n;
}

/* Operations in one transaction; 0: better without. */
static size_t batch_size(struct store *s, const struct apply_options *o, const struct plan *p)
{
	size_t bytes, batch, guests, limit;

	if (strcmp(store_daemon(s), "oxenstored") == 0)
		return BATCH_OXENSTORED;
	if (p->n_acts <= BATCH_NOT_WORTH_IT)
		return BATCH_SHORT;
	bytes = longest_directory(s, p);
	batch = bytes < LONG_DIRECTORY ? BATCH_SHORT : BATCH_LONG;
	guests = o->nodes.dom0_only ? count_guests(s) : 0;
	limit = guests && bytes ? COMMIT_MEMORY / guests / bytes : batch;
	if (limit < BATCH_NOT_WORTH_IT)
		return 0;
	return limit < batch ? limit : batch;
}

static void back_off(int attempt)
{
	struct timespec t;

	/* The clock's low bits keep two writers from staying in step. */
	clock_gettime(CLOCK_MONOTONIC, &t);
	poll(NULL, 0, (2 << attempt) + (int)(t.tv_nsec / 1000 % 5));
}

/* One batch of a larger plan. Every operation may be repeated, so a conflict is tried again. */
static int run_batch(struct store *s, const struct store_op *op, size_t n, bool *ret_known,
		     struct err *err)
{
	for (int attempt = 0; attempt < BATCH_TRIES; attempt++) {
		int r = store_commit(s, op, n, ret_known, err);

		if (r != -ERR_BUSY)
			return r;
		back_off(attempt);
	}
	*ret_known = false;
	return store_write_each(s, op, n, err);
}

static int run_batches(struct store *s, const struct apply_options *o, const struct ops *ops,
		       size_t batch, size_t all, struct err *err)
{
	size_t step = batch ? batch : BATCH_LONG, done = 0;

	for (size_t i = 0, n; i < ops->n; i += n) {
		bool known = false;
		int r;

		n = ops->n - i < step ? ops->n - i : step;
		/* Never between a directory and its permissions. */
		if (i + n < ops->n && n > 1 && ops->op[i + n].path == ops->op[i + n - 1].path)
			n--;
		r = batch ? run_batch(s, &ops->op[i], n, &known, err)
			  : store_write_each(s, &ops->op[i], n, err);
		if (r < 0)
			return err_wrap(
				err,
				known ? "xenstore has the first %zu of %zu changes, apply again completes them"
				      : "xenstore has the first %zu of %zu changes and perhaps some more, apply again completes them",
				done, all);
		done = ops->changes[i + n - 1];
		if (o->progress)
			o->progress(o->ctx, done, all);
	}
	return 0;
}

/* ---- reading back --------------------------------------------------------------------------- */

/*
 * Value and permissions of what a plan touches are read again where it changed an existing node
 * or made a directory; made leaves have copied the directory's, so for them a sample and the
 * directory's list of names is enough. VERIFY_ALL: up to so many changes everything is read.
 */
#define VERIFY_ALL 256
#define VERIFY_SAMPLE 64

static bool as_wanted(const struct change *c, const struct node *n)
{
	if (!n || !c->want_value)
		return !n && !c->want_value;
	return strcmp(n->perms, c->want_perms) == 0 &&
	       (c->directory || strcmp(n->value, c->want_value) == 0);
}

static int by_node_path(const void *path, const void *node)
{
	return strcmp(path, ((const struct node *)node)->path);
}

static int verify_nodes(struct store *s, const struct plan *p, const struct change **ret_bad,
			struct err *err)
{
	CLEANUP(free) const struct change **change = xcalloc(p->n + 1, sizeof(*change));
	CLEANUP(free) char **path = xcalloc(p->n + 1, sizeof(*path));
	CLEANUP(tree_free) struct tree *t = NULL;
	size_t n = 0, every = p->n_acts > VERIFY_ALL ? p->n_acts / VERIFY_SAMPLE : 1;
	int r;

	for (size_t i = 0; i < p->n; i++) {
		const struct change *c = &p->change[i];

		if (!c->acts || (i % every && !c->directory && !(c->want_value && c->have_value)))
			continue;
		change[n] = c;
		path[n++] = absolute(c->path);
	}
	r = store_nodes(s, (const char *const *)path, n, &t, err);
	for (size_t i = 0; i < n; i++) {
		const struct node *node = r == 0 && t->n ? bsearch(path[i], t->node, t->n,
								   sizeof(*node), by_node_path)
							 : NULL;

		if (r == 0 && !*ret_bad && !as_wanted(change[i], node))
			*ret_bad = change[i];
		free(path[i]);
	}
	return r;
}

static int by_text(const void *key, const void *name)
{
	return strcmp(key, *(char *const *)name);
}

/* Every change of the plan against the list of names of its directory. */
static int verify_names(struct store *s, const struct plan *p, const struct change **ret_bad,
			struct err *err)
{
	CLEANUP(free) char *dir = NULL;
	char **names = NULL;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->n && !*ret_bad; i++) {
		const struct change *c = &p->change[i];
		const char *slash = strrchr(c->path, '/');
		size_t length = slash ? (size_t)(slash - c->path) : 0;

		if (!c->acts || !*c->path)
			continue;
		if (!dir || strncmp(dir, c->path, length) != 0 || dir[length]) {
			CLEANUP(free) char *path = NULL;

			store_list_free(names, n);
			names = NULL;
			n = 0;
			free(dir);
			dir = xstrndup(c->path, length);
			path = absolute(dir);
			r = store_list(s, path, &names, &n, err);
			if (r == -ERR_NOT_FOUND)
				r = 0;
		}
		if (r == 0 && (n && bsearch(slash ? slash + 1 : c->path, names, n, sizeof(*names),
					    by_text)) != (c->want_value != NULL))
			*ret_bad = c;
	}
	store_list_free(names, n);
	return r;
}

/* 0, 1 when xenstore is not as the plan wanted it (then ERR says what is not), or an error. */
static int verify(struct store *s, const struct plan *p, struct err *err)
{
	const struct change *bad = NULL;
	int r = verify_names(s, p, &bad, err);

	if (r == 0 && !bad)
		r = verify_nodes(s, p, &bad, err);
	if (r < 0)
		return err_wrap(err, "every change is made, reading back fails");
	if (!bad)
		return 0;
	err_set(err, ERR_BUSY, "somebody else keeps changing '%s/%s' in xenstore", NODES_ROOT,
		bad->path);
	return 1;
}

/* ---- running -------------------------------------------------------------------------------- */

/* A commit that did not happen. BEFORE: an earlier attempt of this run has changed nodes. */
static int as_before(bool before, struct err *err)
{
	return err_wrap(
		err, before ? "some nodes are changed in xenstore, the rest is to be applied again"
			    : "nothing is changed in xenstore");
}

/* The connection broke while the daemon was told to commit: what does it say now? */
static int find_out(struct store *s, const struct plan *p, bool before, struct err *err)
{
	const struct change *bad = NULL;
	struct err aside;
	int r = verify_names(s, p, &bad, &aside);

	if (r == 0 && !bad)
		r = verify_nodes(s, p, &bad, &aside);
	if (r < 0)
		return err_wrap(
			err,
			"it is not known whether the change is made, apply again completes it");
	return bad ? as_before(before, err) : 0;
}

/* *BEFORE, in and out: some attempt may have changed nodes. */
static int run_once(struct store *s, const struct apply_options *o, const struct plan *p,
		    bool *before, struct err *err)
{
	OPS ops = ops_of(p);
	size_t batch = batch_size(s, o, p);
	bool known;
	int r;

	if (ops.n > batch) {
		*before = true;
		return run_batches(s, o, &ops, batch, p->n_acts, err);
	}
	r = store_commit(s, ops.op, ops.n, &known, err);
	if (r < 0 && !known)
		r = find_out(s, p, *before, err);
	else if (r < 0)
		r = as_before(*before, err);
	*before = *before || r == 0;
	if (r == 0 && o->progress)
		o->progress(o->ctx, p->n_acts, p->n_acts);
	return r;
}

int apply_run(const struct blacklist *b, struct store *s, const struct apply_options *o,
	      const struct apply_plan *plan, struct err *err)
{
	CLEANUP(apply_plan_free) struct apply_plan *anew = NULL;
	bool before = false;

	for (int attempt = 0;; attempt++) {
		struct err e;
		int r;

		if (!plan->plan->n_acts)
			return 0;
		r = run_once(s, o, plan->plan, &before, &e);
		if (r == 0)
			r = verify(s, plan->plan, &e);
		if (r == 0)
			return 0;
		if ((r < 0 && r != -ERR_BUSY) || attempt + 1 == TRIES) {
			*err = e;
			return -(int)e.kind;
		}
		back_off(attempt);
		apply_plan_free(TAKE(anew));
		r = apply_plan(b, s, o, &anew, err);
		if (r < 0)
			return r;
		if (o->exact && strcmp(anew->tree_digest, plan->tree_digest) != 0)
			return err_refuse(
				err, REFUSAL_STALE,
				"xenstore was changed by somebody else while the plan was carried out");
		plan = anew;
	}
}
