/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * publish: the directory for a static web server, and the line that signs it.
 */
#include "sync/publish.h"

#include <inttypes.h>

#include "cli/verb.h"

struct publish_args {
	int64_t expires;
	bool given;
};

enum { OPT_EXPIRES = 0x100 };

static const struct argp_option options[] = {
	{ "expires", OPT_EXPIRES, "DATE", 0, "hosts refuse the manifest from then on (required)",
	  0 },
	{ 0 },
};

static int option(struct cli *cli, int key, const char *arg, struct err *err)
{
	struct publish_args *args = cli->args;

	(void)key;
	args->given = true;
	return option_date(cli, "--expires", arg, &args->expires, err);
}

static int run(struct cli *cli, struct err *err)
{
	const struct publish_args *args = cli->args;
	const char *dir = cli->arg[0];
	struct publish_result result;
	CLEANUP(free) char *sign = NULL;
	char issued[TIME_TEXT_MAX], expires[TIME_TEXT_MAX];
	int r;

	if (!args->given)
		return err_set(
			err, ERR_USAGE,
			"'--expires' is required: a manifest that never expires could be replayed for ever");
	if (!*dir)
		return err_set(err, ERR_USAGE, "empty directory name");
	r = publish(cli->db, dir, args->expires, &result, err);
	if (r < 0)
		return r;
	sign = xasprintf("minisign -S -s KEY -m '%s/manifest.json'", dir);
	out_line(cli->out, "version   %" PRIu64 "%s", result.version,
		 result.raised ? "" : " (as before: nothing changed)");
	out_line(cli->out, "issued    %s", time_text(result.issued, issued));
	out_line(cli->out, "expires   %s", time_text(result.expires, expires));
	out_line(cli->out, "products  %zu", result.n_products);
	out_line(cli->out, "encodings %zu", result.n_encodings);
	out_line(cli->out, "entries   %zu", result.n_entries);
	out_line(cli->out, "sign with %s", sign);
	out_str(cli->out, "directory", dir);
	out_int(cli->out, "version", (int64_t)result.version);
	out_bool(cli->out, "raised", result.raised);
	out_time(cli->out, "issued", result.issued);
	out_time(cli->out, "expires", result.expires);
	out_int(cli->out, "products", (int64_t)result.n_products);
	out_int(cli->out, "encodings", (int64_t)result.n_encodings);
	out_int(cli->out, "entries", (int64_t)result.n_entries);
	out_str(cli->out, "sign_with", sign);
	return 0;
}

const struct verb verb_publish = {
	.section = "Registry",
	.name = "publish",
	.args_doc = "DIR --expires DATE",
	.summary = "write the directory that a web server offers",
	.help = "DIR gets manifest.json, pvdrivers.h, registry.csv and index.html, all of them or "
		"none. The manifest's version rises only when its content or its dates change. Sign "
		"it with the line that is printed, then copy the directory to any static web server.",
	.needs = NEED_DB_WRITE,
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.option = option,
	.args_size = sizeof(struct publish_args),
	.run = run,
};
