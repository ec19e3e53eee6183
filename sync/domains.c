/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who runs, and what can be learnt of them without their logs. Hides sockets' names and the shape
 * of xenstore's domain directories.
 */
#include "sync/domains.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "registry/product.h"
#include "sync/qmp.h"

#define QMP_TIMEOUT_MS 1000
#define DRIVERS_MAX 32 /* lines read of one guest */
#define UUID_LENGTH 36

struct scan {
	struct db *db;
	struct store *store;
	const char *run_dir;
	void (*warn)(void *ctx, const char *text);
	void *ctx;
	struct encoding *windows; /* how XENBUS makes its build */
	struct sighting **seen;
	size_t n, cap;
};

bool domains_hint(struct span line, struct span *ret_version)
{
	struct span vendor, name, rest, version, attributes;

	if (!span_cut(line, " ", &vendor, &rest) || !span_cut(rest, " ", &name, &version) ||
	    vendor.n == 0 || name.n != strlen("XENBUS") ||
	    strncasecmp(name.p, "XENBUS", name.n) != 0)
		return false;
	if (span_cut(version, " ", &rest, &attributes))
		version = rest;
	*ret_version = version;
	return version.n > 0;
}

static bool looks_like_uuid(const char *text)
{
	return strlen(text) == UUID_LENGTH &&
	       strspn(text, "0123456789abcdefABCDEF-") == UUID_LENGTH;
}

struct domain {
	uint32_t id;
	char *name, *uuid;
};

static void domain_end(struct domain *d)
{
	free(d->name);
	free(d->uuid);
}

static int identify(struct scan *scan, uint32_t id, struct domain *ret, struct err *err)
{
	CLEANUP(free) char *vm = NULL, *name = NULL;
	const char *slash;
	int r = store_text(scan->store, &name, err, "/local/domain/%" PRIu32 "/name", id);

	if (r == 0)
		r = store_text(scan->store, &vm, err, "/local/domain/%" PRIu32 "/vm", id);
	if (r < 0)
		return r;
	slash = strrchr(vm, '/');
	ret->id = id;
	ret->uuid = xstrdup(slash && looks_like_uuid(slash + 1) ? slash + 1 : "");
	ret->name = *name && strlen(name) <= SIGHTING_GUEST_MAX ? TAKE(name)
								: xasprintf("domain-%" PRIu32, id);
	return 0;
}

static void saw(struct scan *scan, const struct domain *d, enum sighting_source source,
		uint16_t product, uint32_t build, char *origin)
{
	struct sighting *s = xcalloc(1, sizeof(*s));

	s->guest = xstrdup(d->name);
	s->uuid = xstrdup(d->uuid);
	s->source = source;
	s->product = product;
	s->build = build;
	s->first_seen = s->last_seen = db_now(scan->db);
	s->count = 1;
	s->origin = origin;
	GROW(scan->seen, scan->n, scan->cap);
	scan->seen[scan->n++] = s;
}

static void ask_qmp(struct scan *scan, const struct domain *d)
{
	static const char *const sockets[] = { "qmp-libxl", "qmp-event" };

	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		CLEANUP(free)
		char *path = xasprintf("%s/%s-%" PRIu32, scan->run_dir, sockets[i], d->id);
		struct err why = { 0 };
		uint16_t product;
		uint32_t build;

		if (access(path, F_OK) < 0)
			continue;
		if (qmp_driver(path, QMP_TIMEOUT_MS, &product, &build, &why) == 0)
			saw(scan, d, SIGHTING_QMP, product, build, TAKE(path));
		else if (why.kind != ERR_NOT_FOUND)
			scan->warn(scan->ctx, why.msg);
		return;
	}
}

static int read_hints(struct scan *scan, const struct domain *d, struct err *err)
{
	CLEANUP(free) char *dir = xasprintf("/local/domain/%" PRIu32 "/drivers", d->id);
	struct err why = { 0 };
	char **names;
	size_t n;
	int r = store_list(scan->store, dir, &names, &n, &why);

	if (r < 0 && why.kind == ERR_NOT_FOUND)
		return 0;
	if (r < 0) {
		*err = why;
		return r;
	}
	for (size_t i = 0; i < n && i < DRIVERS_MAX && r == 0; i++) {
		CLEANUP(free) char *line = NULL;
		struct span version;
		uint32_t build;

		r = store_text(scan->store, &line, err, "%s/%s", dir, names[i]);
		if (r == 0 && domains_hint(span_str(line), &version) &&
		    encoding_encode(scan->windows, version, &build, &why) == 0)
			saw(scan, d, SIGHTING_XENSTORE, UINT16_MAX, build,
			    xasprintf("%s/%s", dir, names[i]));
	}
	store_list_free(names, n);
	return r;
}

static int scan_domain(struct scan *scan, uint32_t id, struct err *err)
{
	struct domain d = { 0 };
	int r = identify(scan, id, &d, err);

	if (r == 0) {
		ask_qmp(scan, &d);
		r = read_hints(scan, &d, err);
	}
	domain_end(&d);
	return r;
}

static int scan_all(struct scan *scan, size_t *ret_domains, struct err *err)
{
	struct err why = { 0 };
	char **names;
	size_t n;
	int r = store_list(scan->store, "/local/domain", &names, &n, &why);

	*ret_domains = 0;
	if (r < 0 && why.kind == ERR_NOT_FOUND)
		return 0;
	if (r < 0) {
		*err = why;
		return r;
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		uint32_t id;

		if (!parse_u32(span_str(names[i]), &id) || id == 0)
			continue;
		++*ret_domains;
		r = scan_domain(scan, id, err);
	}
	store_list_free(names, n);
	return r;
}

static int record_all(const struct scan *scan, struct err *err)
{
	DB_TX tx = { 0 };
	int r = db_begin(scan->db, &tx, err);

	for (size_t i = 0; i < scan->n && r == 0; i++)
		r = sighting_record(scan->db, scan->seen[i], err);
	return r < 0 ? r : db_commit(&tx, err);
}

int domains_scan(struct db *db, struct store *s, const char *run_dir,
		 void (*warn)(void *ctx, const char *text), void *ctx, struct domains_report *ret,
		 struct err *err)
{
	struct scan scan = { .db = db, .store = s, .run_dir = run_dir, .warn = warn, .ctx = ctx };
	struct domains_report report = { 0 };
	int r = encoding_find(db, "xen-win", &scan.windows, err);

	if (r == 0)
		r = scan_all(&scan, &report.domains, err);
	report.answers = scan.n;
	if (r == 0 && scan.n > 0)
		r = record_all(&scan, err);
	for (size_t i = 0; i < scan.n; i++)
		sighting_free(scan.seen[i]);
	free(scan.seen);
	encoding_free(scan.windows);
	if (r == 0)
		*ret = report;
	return r;
}
