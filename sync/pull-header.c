/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen's own register of product numbers over https. TLS is its only proof, so it may fill numbers
 * that nobody has, and everything else that it says is only told.
 */
#include <string.h>

#include "sync/header.h"
#include "sync/pull-state.h"

/* Six products in fifteen years: a header with more new ones than this is not Xen's. */
#define NEW_MAX 64

void pull_header_result_free(struct pull_header_result *r)
{
	if (!r)
		return;
	free(r->source);
	pull_strings_free(r->notices, r->n_notices);
	free(r);
}

static bool is_reserved(const struct reservations *rs, uint16_t number)
{
	for (size_t i = 0; i < rs->n; i++) {
		if (rs->row[i].kind == RESERVED_CLOSED && number >= rs->row[i].first &&
		    number <= rs->row[i].last)
			return true;
	}
	return false;
}

/* Adds one product, unless that would touch any other row. 1: added. */
static int add_from_header(struct db *db, const struct header_change *c, const char *source,
			   bool dry_run, char **ret_why, struct err *err)
{
	struct product p = { .number = c->number,
			     .name = c->name,
			     .status = c->number == UINT16_MAX ? STATUS_EXPERIMENTAL
							       : STATUS_ASSIGNED,
			     .vendor = c->comment,
			     .reference = (char *)(uintptr_t)source,
			     .deadline = TIME_NONE };
	struct product_notes notes = { 0 };
	struct err why = { 0 };
	enum put_result put;
	DB_TX tx = { 0 };
	int r = db_begin(db, &tx, err);

	if (r < 0)
		return r;
	r = product_put_upstream(db, &p, &put, &notes, &why);
	if (r < 0 && why.kind != ERR_INVALID && why.kind != ERR_EXISTS) {
		*err = why;
		return r;
	}
	if (r < 0 || *notes.text || put != PUT_ADDED) {
		*ret_why = xstrdup(r < 0	 ? why.msg
				   : *notes.text ? notes.text
						 : "the number is there already");
		return 0;
	}
	r = dry_run ? 0 : db_commit(&tx, err);
	return r < 0 ? r : 1;
}

static int take_header(struct db *db, const struct header *h, const char *source, bool dry_run,
		       struct pull_header_result *to, struct err *err)
{
	CLEANUP(products_free) struct products *ps = NULL;
	CLEANUP(reservations_free) struct reservations *rs = NULL;
	CLEANUP(header_changes_free) struct header_changes *changes = NULL;
	size_t n_new = 0;
	int r;

	if ((r = product_list(db, &ps, err)) < 0 || (r = reservation_list(db, &rs, err)) < 0)
		return r;
	changes = header_diff(h, ps);
	for (size_t i = 0; i < changes->n; i++)
		n_new += changes->change[i].class == HEADER_NEW;
	if (n_new > NEW_MAX)
		return err_refuse(err, REFUSAL_TRIPWIRE,
				  "'%s' has %zu products that are new, more than %d ('xenblacklist "
				  "import' takes the file after a look at it)",
				  source, n_new, NEW_MAX);
	for (size_t i = 0; i < changes->n; i++) {
		const struct header_change *c = &changes->change[i];
		CLEANUP(free) char *text = NULL, *why = NULL;

		if (c->class == HEADER_SAME || c->class == HEADER_MISSING)
			continue;
		if (c->class == HEADER_RENAMED) {
			text = xasprintf("product %u is '%s' in the header and '%s' here",
					 c->number, c->name, c->have_name);
		} else if (c->class == HEADER_RENUMBERED) {
			text = xasprintf("'%s' has the number %u in the header and %u here",
					 c->name, c->number, c->have_number);
		} else if (is_reserved(rs, c->number)) {
			text = xasprintf("product %u, '%s', of the header is in a reserved range",
					 c->number, c->name);
		} else {
			r = add_from_header(db, c, source, dry_run, &why, err);
			if (r < 0)
				return r;
			to->added += (size_t)r;
			text = r ? xasprintf("product %u, '%s', is new", c->number, c->name)
				 : xasprintf("product %u, '%s', of the header was not added: %s",
					     c->number, c->name, why);
		}
		pull_notice(&to->notices, &to->n_notices, span_str(text));
	}
	return 0;
}

int pull_header(struct db *db, const struct pull_options *o, struct pull_header_result **ret,
		struct err *err)
{
	CLEANUP(pull_header_result_free)
	struct pull_header_result *to = xcalloc(1, sizeof(*to));
	CLEANUP(fetcher_close) struct fetcher *fetcher = NULL;
	CLEANUP(header_free) struct header *h = NULL;
	const char *url = o->config->header_url;
	uint64_t max = o->config->max_size;
	int r;

	to->source = fetch_url_text(url);
	r = pull_fetcher(o, &fetcher, err);
	if (r < 0)
		return r;
	r = fetch_header(fetcher, url, max < HEADER_SIZE_MAX ? max : HEADER_SIZE_MAX, &h, err);
	if (r < 0) {
		if (err->kind == ERR_USAGE)
			err->kind = ERR_CONFIG;
		if (err->kind == ERR_NOT_FOUND)
			err->kind = ERR_UNREACHABLE;
		return -(int)err->kind;
	}
	r = take_header(db, h, to->source, o->dry_run, to, err);
	if (r < 0)
		return r;
	*ret = TAKE(to);
	return 0;
}
