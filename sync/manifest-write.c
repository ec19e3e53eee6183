/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows to canonical manifest bytes: fixed order of members, rows sorted by their key, one row a
 * line so that two versions can be compared with diff, no choice left anywhere.
 */
#include <string.h>

#include "sync/manifest.h"

static void put_string(FILE *f, const char *s)
{
	putc('"', f);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20)
			fprintf(f, "\\u%04x", c);
		else
			putc(c, f);
	}
	putc('"', f);
}

static void put_text(FILE *f, const char *before, const char *s)
{
	fputs(before, f);
	put_string(f, s ? s : "");
}

static void put_date(FILE *f, const char *before, int64_t t)
{
	char buf[TIME_TEXT_MAX];

	if (t == TIME_NONE)
		fprintf(f, "%snull", before);
	else
		put_text(f, before, time_text(t, buf));
}

static void put_strings(FILE *f, const char *before, char *const *list, size_t n)
{
	fprintf(f, "%s[", before);
	for (size_t i = 0; i < n; i++)
		put_text(f, i ? ", " : "", list[i]);
	putc(']', f);
}

static void put_encoding(FILE *f, const struct encoding_row *e)
{
	put_text(f, "{ \"name\": ", e->name);
	put_text(f, ", \"scan\": ", e->scan);
	put_text(f, ", \"expression\": ", e->expression);
	fputs(" }", f);
}

static int use_order(const void *a, const void *b)
{
	const struct product_encoding *const *x = a, *const *y = b;

	return ((*x)->from > (*y)->from) - ((*x)->from < (*y)->from);
}

static void put_product(FILE *f, const struct product *p)
{
	CLEANUP(free)
	const struct product_encoding **use = xcalloc(p->n_encodings, sizeof(*use));

	fprintf(f, "{ \"number\": %u", p->number);
	put_text(f, ", \"name\": ", p->name);
	put_text(f, ", \"status\": ", product_status_name(p->status));
	put_text(f, ", \"vendor\": ", p->vendor);
	put_text(f, ", \"contact\": ", p->contact);
	put_text(f, ", \"reference\": ", p->reference);
	put_text(f, ", \"node\": ", p->node);
	if (p->deadline != TIME_NONE)
		put_date(f, ", \"deadline\": ", p->deadline);
	for (size_t i = 0; i < p->n_encodings; i++)
		use[i] = &p->encoding[i];
	qsort(use, p->n_encodings, sizeof(struct product_encoding *), use_order);
	fputs(", \"encodings\": [", f);
	for (size_t i = 0; i < p->n_encodings; i++) {
		put_text(f, i ? ", { \"name\": " : "{ \"name\": ", use[i]->encoding);
		fprintf(f, ", \"from\": %u, \"to\": %u", use[i]->from, use[i]->to);
		if (use[i]->user && *use[i]->user)
			put_text(f, ", \"user\": ", use[i]->user);
		fputs(" }", f);
	}
	fputs("] }", f);
}

static void put_entry(FILE *f, const struct entry *e)
{
	put_text(f, "{ \"id\": ", e->id);
	fprintf(f, ", \"product\": %u", e->product);
	put_text(f, ", \"builds\": ", e->builds);
	put_text(f, ", \"mode\": ", entry_mode_name(e->mode));
	put_text(f, ", \"publish\": ", entry_publish_name(e->publish));
	put_text(f, ", \"reason\": ", e->reason);
	put_strings(f, ", \"references\": ", e->references, e->n_references);
	put_date(f, ", \"not_before\": ", e->not_before);
	put_date(f, ", \"expires\": ", e->expires);
	fputs(" }", f);
}

static int encoding_order(const void *a, const void *b)
{
	const struct encoding_row *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int product_order(const void *a, const void *b)
{
	const struct product *const *x = a, *const *y = b;

	return (*x)->number - (*y)->number;
}

static int entry_order(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

static void row_begin(FILE *f, size_t i)
{
	fputs(i ? ",\n    " : "\n    ", f);
}

static void rows_end(FILE *f, size_t n)
{
	fputs(n ? "\n  ]" : "]", f);
}

static void put_encodings(FILE *f, const struct encoding_rows *rows)
{
	size_t n = rows ? rows->n : 0;
	CLEANUP(free) const struct encoding_row **row = xcalloc(n, sizeof(*row));

	for (size_t i = 0; i < n; i++)
		row[i] = &rows->row[i];
	qsort(row, n, sizeof(struct encoding_row *), encoding_order);
	for (size_t i = 0; i < n; i++) {
		row_begin(f, i);
		put_encoding(f, row[i]);
	}
	rows_end(f, n);
}

static void put_products(FILE *f, const struct products *ps)
{
	size_t n = ps ? ps->n : 0;
	CLEANUP(free) const struct product **row = xcalloc(n, sizeof(*row));

	for (size_t i = 0; i < n; i++)
		row[i] = ps->product[i];
	qsort(row, n, sizeof(struct product *), product_order);
	for (size_t i = 0; i < n; i++) {
		row_begin(f, i);
		put_product(f, row[i]);
	}
	rows_end(f, n);
}

static void put_entries(FILE *f, const struct entries *es)
{
	size_t n = es ? es->n : 0;
	CLEANUP(free) const struct entry **row = xcalloc(n, sizeof(*row));

	for (size_t i = 0; i < n; i++)
		row[i] = es->entry[i];
	qsort(row, n, sizeof(struct entry *), entry_order);
	for (size_t i = 0; i < n; i++) {
		row_begin(f, i);
		put_entry(f, row[i]);
	}
	rows_end(f, n);
}

void manifest_write(const struct manifest *m, char **ret, size_t *ret_n)
{
	FILE *f;

	*ret = NULL;
	f = open_memstream(ret, ret_n);
	if (!f)
		abort();
	fprintf(f, "{\n  \"format\": \"%s\",\n  \"spec\": %d,\n  \"version\": %llu",
		MANIFEST_FORMAT, MANIFEST_SPEC, (unsigned long long)m->version);
	put_date(f, ",\n  \"issued\": ", m->issued);
	put_date(f, ",\n  \"expires\": ", m->expires);
	fputs(",\n  \"critical\": [],\n  \"encodings\": [", f);
	put_encodings(f, m->encodings);
	fputs(",\n  \"products\": [", f);
	put_products(f, m->products);
	fputs(",\n  \"entries\": [", f);
	put_entries(f, m->entries);
	fputs(",\n  \"keys\": ", f);
	if (m->keys) {
		fprintf(f, "{ \"threshold\": %u", m->keys->threshold);
		put_strings(f, ", \"keys\": ", m->keys->key, m->keys->n);
		put_strings(f, ", \"revoked\": ", m->keys->revoked, m->keys->n_revoked);
		fputs(" }", f);
	} else {
		fputs("null", f);
	}
	fputs("\n}\n", f);
	if (ferror(f) || fclose(f) != 0)
		abort();
}
