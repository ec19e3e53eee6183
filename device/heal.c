/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides how damage is told from a change that somebody has made in the registry and not applied
 * yet: by the tree as it was when it was last in order.
 */
#include "device/heal.h"

#include <string.h>
#include <time.h>

#include "device/applied.h"
#include "registry/config.h"
#include "sync/apply.h"

#define BATCH 1000 /* operations in one transaction */

struct heal {
	const char *registry, *config;
	struct tree *seen;
	bool absent; /* no registry: what was there is kept in mind for when it is back */
	bool told;   /* SEEN is what the history tells, nobody has seen it */
	unsigned credit;
	int64_t credit_ms;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct heal *heal_new(const char *registry, const char *config)
{
	struct heal *h = xcalloc(1, sizeof(*h));

	*h = (struct heal){
		.registry = registry, .config = config, .credit = HEAL_BURST, .credit_ms = now_ms()
	};
	return h;
}

void heal_settled(struct heal *h, struct tree *tree)
{
	if (h->absent) {
		tree_free(tree);
		return;
	}
	tree_free(h->seen);
	h->seen = tree;
	h->told = false;
}

static const struct node *seen_node(const struct heal *h, const char *path)
{
	size_t lo = 0, hi = h->seen ? h->seen->n : 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(h->seen->node[mid].path, path);

		if (c == 0)
			return &h->seen->node[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/*
 * Xenstore is not any more what it was. Where it still is, the registry or the configuration has
 * changed, and that is for apply. Of whose entry a node is the history tells nothing.
 */
static bool is_damage(const struct heal *h, const struct change *c)
{
	const struct node *was = seen_node(h, c->path);

	if (!was || !c->acts || !c->want_value)
		return false;
	if (!c->have_value || strcmp(c->have_perms, was->perms) != 0)
		return true;
	return strcmp(c->have_value, was->value) != 0 &&
	       !(h->told &&
		 strncmp(c->have_value, NODES_VALUE_PREFIX, strlen(NODES_VALUE_PREFIX)) == 0);
}

static int spend(struct heal *h, struct err *err)
{
	int64_t now = now_ms(), earned = (now - h->credit_ms) / HEAL_EVERY_MS;

	if (earned > 0) {
		h->credit = earned > HEAL_BURST - (int64_t)h->credit ? HEAL_BURST
								     : h->credit + (unsigned)earned;
		h->credit_ms = now;
	}
	if (h->credit == 0)
		return err_set(err, ERR_BUSY,
			       "the nodes were healed %d times in a row; who changes them?",
			       HEAL_BURST);
	h->credit--;
	return 0;
}

/* The two operations that make a node what it should be, while it is what it was seen to be. */
static void add_change(struct store_op *op, size_t *n, const struct change *c)
{
	const char *path = xasprintf("%s%s%s", NODES_ROOT, *c->path ? "/" : "", c->path);

	op[(*n)++] = (struct store_op){ STORE_WRITE, path, c->want_value, apply_expectation(c) };
	op[(*n)++] = (struct store_op){ STORE_SETPERMS, path, c->want_perms, NULL };
}

static int mend(struct heal *h, struct store *s, const struct plan *plan, size_t *ret_written,
		struct err *err)
{
	struct store_op *op = xcalloc(2 * plan->n + 1, sizeof(*op));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < plan->n; i++)
		if (is_damage(h, &plan->change[i]))
			add_change(op, &n, &plan->change[i]);
	if (n)
		r = spend(h, err);
	for (size_t done = 0; r == 0 && done < n; done += BATCH)
		r = store_commit(s, op + done, n - done < BATCH ? n - done : BATCH, NULL, err);
	for (size_t i = 0; i < n; i += 2)
		free((void *)(uintptr_t)op[i].path);
	free(op);
	if (r == 0)
		*ret_written = n / 2;
	return r;
}

static int fill(struct heal *h, struct store *s, const struct blacklist *b,
		const struct nodes_options *nodes, size_t *ret_written, struct err *err)
{
	struct apply_options o = { .nodes = *nodes };
	CLEANUP(apply_plan_free) struct apply_plan *plan = NULL;
	int r = apply_plan(b, s, &o, &plan, err);

	if (r == 0 && plan->plan->n_acts)
		r = spend(h, err);
	if (r == 0 && plan->plan->n_acts)
		r = apply_run(b, s, &o, plan, err);
	if (r == 0)
		*ret_written = plan->plan->n_acts;
	return r;
}

int heal_look(struct heal *h, struct store *s, const struct tree *tree, size_t *ret_written,
	      struct err *err)
{
	CLEANUP(config_free) struct config *config = NULL;
	CLEANUP(db_close) struct db *db = NULL;
	CLEANUP(blacklist_free) struct blacklist *b = NULL;
	CLEANUP(tree_free) struct tree *desired = NULL;
	CLEANUP(plan_free) struct plan *plan = NULL;
	const struct actor actor = { .verb = "xenblacklistd" };
	struct nodes_options nodes;
	int64_t now = time_now();
	int r;

	*ret_written = 0;
	h->absent = access(h->registry, F_OK) < 0;
	if (h->absent)
		return 0;
	r = config_load(h->config, false, &config, err);
	if (r == 0)
		r = db_open(h->registry, DB_READ, &actor, now, &db, err);
	if (r == 0)
		r = blacklist_load(db, now, &b, err);
	if (r < 0)
		return r;
	nodes = (struct nodes_options){ .dom0_only = config->nodes_dom0_only,
					.expand_limit = config->expand_limit,
					.total_limit = config->total_limit };
	if (tree->n == 0)
		return fill(h, s, b, &nodes, ret_written, err);
	r = nodes_desired(b, &nodes, &desired, err);
	if (r == 0 && !h->seen) {
		r = applied_tree(db, &nodes, &h->seen, err);
		h->told = r == 0;
	}
	if (r < 0)
		return r;
	plan = nodes_diff(desired, tree, false);
	return mend(h, s, plan, ret_written, err);
}
