/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides what stands between a list of operations and the daemon: transactions, what has to be true
 * before anything is done, and that XS_RM takes whole subtrees.
 */
#include "sync/store-impl.h"

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
	r = store_ask(s, tx, req, k, err);
	for (size_t i = 0; r == 0 && i < k; i++) {
		if (op[i]->kind == STORE_RM && req[i].error == ENOENT)
			continue;
		if (req[i].error && req[i].error != ENOENT)
			r = store_refusal(req[i].error, req[i].path, err);
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
			r = store_ask(s, tx, &req, 1, err);
			if (r == 0 && req.error != ENOENT)
				r = store_names(s, &req, &names, err);
			wire_requests_clear(&req, 1);
		}
		if (r == 0 && names.n &&
		    bsearch(&name, names.name, names.n, sizeof(*names.name), store_by_name))
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
	r = store_ask(s, tx, req, k, err);
	qsort(gone, k, sizeof(*gone), store_by_name);
	for (size_t i = 0; r == 0 && i < k; i++) {
		NAMES names = { 0 };

		if (req[i].error == ENOENT || (!req[i].error && !req[i].n))
			continue;
		r = store_names(s, &req[i], &names, err);
		for (size_t c = 0; r == 0 && c < names.n; c++) {
			CLEANUP(free) char *child = xasprintf("%s/%s", req[i].path, names.name[c]);
			const char *key = child;

			if (!bsearch(&key, gone, k, sizeof(*gone), store_by_name))
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
			r = store_refusal(req[i].error, ops[i].path, err);
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
		r = store_ask(s, 0, &begin, 1, err);
	if (r < 0)
		return r;
	if (begin.error)
		return store_refusal(begin.error, "a transaction", err);
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
	return end.error ? store_refusal(end.error, "the end of a transaction", err) : 0;
}

int store_write_each(struct store *s, const struct store_op *ops, size_t n, struct err *err)
{
	int r = check_ops(ops, n, err);

	if (r == 0)
		r = store_answers(s, err); /* a stale connection may still be replaced */
	if (r == 0)
		r = check_expected(s, 0, ops, n, err);
	if (r == 0)
		r = check_removals(s, 0, ops, n, err);
	if (r == 0)
		r = do_ops(s, 0, ops, n, err);
	return r == -ERR_UNREACHABLE ? drop(s, r) : r;
}
