/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hides where toolstacks write what they know of a domain's device model.
 */
#include "cli/enforcement.h"

#include <inttypes.h>
#include <string.h>

#include "device/platform.h"
#include "device/records.h"

const char *enforcer_name(enum enforcer e)
{
	static const char *const names[] = {
		[ENFORCER_TRADITIONAL] = "traditional",
		[ENFORCER_DAEMON] = "xenblacklistd",
		[ENFORCER_NONE] = "none",
		[ENFORCER_UNKNOWN] = "unknown",
	};

	return names[e];
}

void enforcements_free(struct enforcements *es)
{
	if (!es)
		return;
	for (size_t i = 0; i < es->n; i++) {
		free(es->guest[i].name);
		free(es->guest[i].why);
	}
	free(es->guest);
	free(es);
}

/*
 * What xenstore says of one domain, where only dom0 writes: not vm-data/disable_pf, which XenServer
 * leaves to the guest.
 */
struct domain_facts {
	char *type, *model, *disabled, *stub, *pid;
};

static void domain_facts_end(struct domain_facts *f)
{
	free(f->type);
	free(f->model);
	free(f->disabled);
	free(f->stub);
	free(f->pid);
}

static int read_facts(struct store *s, uint32_t id, struct domain_facts *f, struct err *err)
{
	int r = store_text(s, &f->type, err, "/libxl/%" PRIu32 "/type", id);

	if (r == 0)
		r = store_text(s, &f->model, err, "/libxl/%" PRIu32 "/dm-version", id);
	if (r == 0)
		r = store_text(s, &f->disabled, err,
			       "/local/domain/0/device-model/%" PRIu32 "/disable_pf", id);
	if (r == 0)
		r = store_text(s, &f->stub, err,
			       "/local/domain/%" PRIu32 "/image/device-model-domid", id);
	if (r == 0)
		r = store_text(s, &f->pid, err, "/local/domain/%" PRIu32 "/image/device-model-pid",
			       id);
	return r;
}

static void set(struct enforcement *e, enum enforcer by, bool gap, const char *why)
{
	e->enforcer = by;
	e->gap = gap;
	e->why = xstrdup(why);
}

static void judge(const struct domain_facts *f, bool guarded, bool dom0_only, struct enforcement *e)
{
	bool stub = *f->stub && strcmp(f->stub, "0") != 0;

	if (strcmp(f->disabled, "1") == 0 || platform_lacking(f->pid)) {
		set(e, ENFORCER_NONE, false, "it has no platform device, so no driver can ask");
	} else if (guarded) {
		set(e, ENFORCER_DAEMON, false, "a process of xenblacklistd answers for it");
	} else if (strcmp(f->model, "qemu_xen_traditional") == 0 && stub && dom0_only) {
		set(e, ENFORCER_TRADITIONAL, true,
		    "qemu-xen-traditional in a stub domain, which may not read nodes that are for "
		    "dom0 alone");
		e->unread = true;
	} else if (strcmp(f->model, "qemu_xen_traditional") == 0) {
		set(e, ENFORCER_TRADITIONAL, false,
		    stub ? "qemu-xen-traditional in a stub domain" : "qemu-xen-traditional");
	} else if (strcmp(f->model, "qemu_xen") == 0) {
		set(e, ENFORCER_NONE, true, "stock QEMU does not look, and no xenblacklistd does");
	} else {
		set(e, ENFORCER_UNKNOWN, true, "its toolstack does not tell its device model");
	}
}

static int look_at(struct store *s, const char *run_dir, bool dom0_only, uint32_t id,
		   struct enforcements *es, struct err *err)
{
	__attribute__((__cleanup__(domain_facts_end))) struct domain_facts f = { 0 };
	CLEANUP(free) char *name = NULL;
	struct enforcement e = { .domid = id };
	bool guarded = id <= UINT16_MAX && record_guarded(run_dir, (uint16_t)id);
	int r = read_facts(s, id, &f, err);

	if (r == 0)
		r = store_text(s, &name, err, "/local/domain/%" PRIu32 "/name", id);
	if (r < 0 || (*f.type && strcmp(f.type, "hvm") != 0))
		return r;
	judge(&f, guarded, dom0_only, &e);
	e.name = TAKE(name);
	GROW(es->guest, es->n, es->cap);
	es->guest[es->n++] = e;
	return 0;
}

static int by_domid(const void *a, const void *b)
{
	uint32_t x = ((const struct enforcement *)a)->domid;
	uint32_t y = ((const struct enforcement *)b)->domid;

	return x < y ? -1 : x > y;
}

int enforcement_list(struct store *s, const char *run_dir, bool dom0_only,
		     struct enforcements **ret, struct err *err)
{
	CLEANUP(enforcements_free) struct enforcements *es = xcalloc(1, sizeof(*es));
	struct err why = { 0 };
	char **names = NULL;
	size_t n = 0;
	int r = store_list(s, "/local/domain", &names, &n, &why);

	if (r < 0 && why.kind != ERR_NOT_FOUND) {
		*err = why;
		return r;
	}
	r = 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		uint32_t id;

		if (parse_u32(span_str(names[i]), &id) && id != 0)
			r = look_at(s, run_dir, dom0_only, id, es, err);
	}
	store_list_free(names, n);
	if (r < 0)
		return r;
	if (es->n)
		qsort(es->guest, es->n, sizeof(*es->guest), by_domid);
	*ret = TAKE(es);
	return 0;
}

void enforcement_show(struct out *out, const struct enforcements *es)
{
	out_table(out, ">DOMAIN|NAME|ENFORCED BY|WHY");
	out_list(out, "enforcement");
	for (size_t i = 0; i < es->n; i++) {
		const struct enforcement *e = &es->guest[i];

		out_cell(out, "%" PRIu32, e->domid);
		out_cell(out, "%s", e->name);
		out_paint_cell(out, e->gap ? PAINT_BAD : PAINT_GOOD, "%s",
			       enforcer_name(e->enforcer));
		out_cell(out, "%s", e->why);
		out_object(out, NULL);
		out_int(out, "domid", e->domid);
		out_str(out, "name", e->name);
		out_str(out, "enforcer", enforcer_name(e->enforcer));
		out_bool(out, "gap", e->gap);
		out_str(out, "why", e->why);
		out_close(out);
	}
	out_close(out);
	out_table_end(out);
}
