/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding products and builds by what was typed.
 */
#include "cli/subject.h"

#include <inttypes.h>
#include <string.h>

#define NAME_BYTES_MAX 255

int subject_find(struct cli *cli, const char *product, struct subject *ret, struct err *err)
{
	SUBJECT s = { 0 };
	int r;

	if (!*product)
		return err_set(err, ERR_USAGE, "empty product, expected a name or a number");
	if (strlen(product) > NAME_BYTES_MAX)
		return err_set(err, ERR_USAGE, "product name '%.64s...' is longer than %d bytes",
			       product, NAME_BYTES_MAX);
	r = product_find(cli->db, product, &s.product, err);
	if (r == 0)
		r = product_uses(cli->db, s.product, &s.uses, err);
	if (r < 0)
		return r;
	ret->product = TAKE(s.product);
	ret->uses = TAKE(s.uses);
	return 0;
}

void subject_warn_conflict(struct cli *cli, const struct subject *s)
{
	if (s->product->conflict)
		out_warn(cli->out,
			 "product '%s' is in conflict with upstream: nothing of it is published "
			 "(see 'xenblacklist audit')",
			 s->product->name);
}

int subject_find_current(struct cli *cli, const char *product, struct subject *ret, struct err *err)
{
	SUBJECT s = { 0 };
	CLEANUP(free) char *number = NULL;
	int r = subject_find(cli, product, ret, err);

	if (r < 0 || !ret->product->conflict)
		return r;
	subject_warn_conflict(cli, ret);
	number = xasprintf("%" PRIu16, ret->product->number);
	r = subject_find(cli, number, &s, err);
	if (r < 0 || s.product->conflict)
		return r;
	out_note(cli->out, "number %s is that of product '%s', which is looked at", number,
		 s.product->name);
	subject_end(ret);
	ret->product = TAKE(s.product);
	ret->uses = TAKE(s.uses);
	return 0;
}

void subject_end(struct subject *s)
{
	product_free(TAKE(s->product));
	product_uses_free(TAKE(s->uses));
}

void note_lines(struct cli *cli, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		if (n)
			out_note(cli->out, "%.*s", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

int subject_build(struct cli *cli, const struct subject *s, const char *text, uint32_t *ret,
		  struct err *err)
{
	struct builds_notes notes = { 0 };
	int r = build_parse(text, s->uses->use, s->uses->n, ret, &notes, err);

	if (r < 0)
		return r;
	note_lines(cli, notes.text);
	return 0;
}

const struct encoding_use *subject_use(const struct subject *s, uint32_t build)
{
	for (size_t i = 0; i < s->uses->n; i++)
		if (build >= s->uses->use[i].from && build <= s->uses->use[i].to)
			return &s->uses->use[i];
	return NULL;
}

char *subject_version(const struct subject *s, uint32_t build)
{
	const struct encoding_use *use = subject_use(s, build);
	struct encoding_version v;

	if (!use)
		return NULL;
	encoding_decode(use->encoding, build, &v);
	return v.impossible || !*v.text ? NULL : xstrdup(v.text);
}
