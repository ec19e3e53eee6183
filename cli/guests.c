/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guests: which guest was seen with which driver, and how far that can be trusted.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/verb.h"
#include "registry/product.h"
#include "registry/sighting.h"
#include "sync/domains.h"
#include "sync/guests.h"

enum { OPT_SCAN = 0x100 };

struct guests_args {
	bool scan;
};

static const struct argp_option options[] = {
	{ "scan", OPT_SCAN, NULL, 0,
	  "First look through device-model logs, QMP sockets and xenstore", 0 },
	{ 0 },
};

static int option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct guests_args *a = cli->args;

	(void)key, (void)arg, (void)err;
	a->scan = true;
	return 0;
}

/* ---- --scan ---- */

static void warn(void *ctx, const char *text)
{
	out_warn(ctx, "%s", text);
}

static int scan_logs(struct cli *cli, struct guests_report *ret, struct err *err)
{
	/* Where libxl has them; Qubes' stub domains write to the second. */
	static char *const usual[] = { (char *)"/var/log/xen/qemu-dm-*.log*",
				       (char *)"/var/log/xen/console/guest-*-dm.log*" };
	const struct config *c = cli->config;

	if (c->n_logs > 0)
		return guests_scan(cli->db, c->logs, c->n_logs, warn, cli->out, ret, err);
	return guests_scan(cli->db, usual, ARRAY_SIZE(usual), warn, cli->out, ret, err);
}

/* Without xenstore the logs still tell something. */
static void scan_domains(struct cli *cli, struct domains_report *ret)
{
	struct err why = { 0 };

	if (cli_need(cli, NEED_STORE, &why) < 0 ||
	    domains_scan(cli->db, cli->store, DOMAINS_RUN_DIR, warn, cli->out, ret, &why) < 0)
		out_warn(cli->out, "running guests were not asked: %s", why.msg);
}

static int scan(struct cli *cli, struct err *err)
{
	struct guests_report logs = { 0 };
	struct domains_report domains = { 0 };
	struct out *out = cli->out;
	int r = cli_need(cli, NEED_CONFIG | NEED_DB_WRITE, err);

	if (r == 0)
		r = scan_logs(cli, &logs, err);
	if (r < 0)
		return r;
	scan_domains(cli, &domains);
	out_note(out, "%zu log files, %zu of them unchanged, %zu unreadable; %zu running guests",
		 logs.files, logs.unchanged, logs.failed, domains.domains);
	out_object(out, "scan");
	out_int(out, "files", (int64_t)logs.files);
	out_int(out, "unchanged", (int64_t)logs.unchanged);
	out_int(out, "failed", (int64_t)logs.failed);
	out_int(out, "bytes", (int64_t)logs.bytes);
	out_int(out, "announcements", (int64_t)logs.builds);
	out_int(out, "domains", (int64_t)domains.domains);
	out_int(out, "answers", (int64_t)domains.answers);
	out_close(out);
	return 0;
}

/* ---- the list ---- */

struct list {
	struct cli *cli;
	struct products *products;
	struct uses_cache *uses;
};

static const struct product *product_of(const struct list *l, uint16_t number)
{
	for (size_t i = 0; i < l->products->n; i++) {
		const struct product *p = l->products->product[i];

		if (p->number == number && !p->conflict)
			return p;
	}
	return NULL;
}

/* The version that BUILD stands for, or NULL. */
static int version_of(const struct list *l, const struct product *p, uint32_t build, char **ret,
		      struct err *err)
{
	const struct product_uses *uses;
	int r = uses_cache_get(l->uses, p->id, &uses, err);

	*ret = NULL;
	for (size_t i = 0; r == 0 && i < uses->n; i++) {
		struct encoding_version v;

		if (build < uses->use[i].from || build > uses->use[i].to)
			continue;
		encoding_decode(uses->use[i].encoding, build, &v);
		if (!v.impossible && *v.text)
			*ret = xstrdup(v.text);
		break;
	}
	return r;
}

static int show(const struct list *l, const struct sighting *s, struct err *err)
{
	const struct product *p = product_of(l, s->product);
	const char *trust = sighting_trusted(s->source) ? "trusted" : "claimed";
	CLEANUP(free) char *version = NULL;
	struct out *out = l->cli->out;
	char date[TIME_TEXT_MAX];
	int r = p ? version_of(l, p, s->build, &version, err) : 0;

	if (r < 0)
		return r;
	out_cell(out, "%s", s->guest);
	out_cell(out, p ? "%" PRIu16 " %s" : "%" PRIu16, s->product, p ? p->name : "");
	out_cell(out, "%" PRIu32, s->build);
	out_cell(out, "%s", version ? version : "");
	out_paint_cell(out, s->verdict == SIGHTING_BLACKLISTED ? PAINT_BAD : PAINT_NONE, "%s",
		       sighting_verdict_name(s->verdict));
	out_cell(out, "%s", sighting_source_name(s->source));
	out_paint_cell(out, sighting_trusted(s->source) ? PAINT_GOOD : PAINT_WARN, "%s", trust);
	out_cell(out, "%s", time_text(s->last_seen, date));
	out_object(out, NULL);
	out_str(out, "guest", s->guest);
	out_str(out, "uuid", *s->uuid ? s->uuid : NULL);
	out_int(out, "product", s->product);
	out_str(out, "name", p ? p->name : NULL);
	out_int(out, "build", s->build);
	out_str(out, "version", version);
	out_str(out, "verdict", sighting_verdict_name(s->verdict));
	out_str(out, "source", sighting_source_name(s->source));
	out_str(out, "trust", trust);
	out_time(out, "first_seen", s->first_seen);
	out_time(out, "last_seen", s->last_seen);
	out_int(out, "count", (int64_t)s->count);
	out_str(out, "origin", s->origin);
	out_close(out);
	return 0;
}

static int list(struct cli *cli, struct err *err)
{
	CLEANUP(sightings_free) struct sightings *seen = NULL;
	CLEANUP(products_free) struct products *products = NULL;
	CLEANUP(uses_cache_free) struct uses_cache *uses = uses_cache_new(cli->db);
	struct list l = { .cli = cli, .uses = uses };
	int r = sighting_list(cli->db, -1, cli->n_args ? cli->arg[0] : NULL, &seen, err);

	if (r == 0)
		r = product_list(cli->db, &products, err);
	if (r < 0)
		return r;
	l.products = products;
	if (cli->n_args && seen->n == 0)
		return err_set(err, ERR_NOT_FOUND, "guest '%s' was not seen", cli->arg[0]);
	out_table(cli->out, "GUEST|PRODUCT|>BUILD|VERSION|VERDICT|SOURCE|TRUST|LAST SEEN");
	out_list(cli->out, "sightings");
	for (size_t i = 0; i < seen->n && r == 0; i++)
		r = show(&l, seen->sighting[i], err);
	out_close(cli->out);
	out_table_end(cli->out);
	return r;
}

static int run(struct cli *cli, struct err *err)
{
	const struct guests_args *a = cli->args;
	int r = 0;

	if (a->scan)
		r = scan(cli, err);
	else
		out_null(cli->out, "scan");
	if (r == 0)
		r = cli_need(cli, NEED_DB_READ, err);
	return r < 0 ? r : list(cli, err);
}

const struct verb verb_guests = {
	.section = "Operations",
	.name = "guests",
	.args_doc = "[GUEST]",
	.summary = "list which guest was seen with which driver",
	.help = "A sighting is trusted when no guest could have made it up: what xenblacklistd "
		"heard on the ports, and what a QEMU of XenServer or XCP-ng tells over QMP. Logs of "
		"device models and a guest's own xenstore directory hold whatever the guest wrote "
		"into them: such sightings are claimed.\n\n"
		"--scan goes on where the last one stopped. Which logs it reads is said by 'logs' in "
		"section [observe] of the configuration.",
	.max_args = 1,
	.options = options,
	.option = option,
	.args_size = sizeof(struct guests_args),
	.run = run,
};
