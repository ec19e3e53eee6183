/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Products as comma-separated values: quoting by RFC 4180, and names from outside kept from
 * becoming formulas in the spreadsheet that opens the file.
 */
#include "sync/csv.h"

#include <inttypes.h>

static void field(FILE *out, const char *text, const char *end)
{
	fputc('"', out);
	if (*text && strchr("=+-@\t\r", *text))
		fputc('\'', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fprintf(out, "\"%s", end);
}

static char *encodings_text(const struct product *p)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	for (size_t i = 0; i < p->n_encodings; i++)
		fprintf(f, "%s%s@%" PRIu32 "..%" PRIu32, i ? "; " : "", p->encoding[i].encoding,
			p->encoding[i].from, p->encoding[i].to);
	fclose(f);
	return text;
}

void csv_write(const struct products *products, FILE *out)
{
	fputs("number,hex,name,node,status,origin,vendor,contact,reference,deadline,encodings\r\n",
	      out);
	for (size_t i = 0; i < products->n; i++) {
		const struct product *p = products->product[i];
		CLEANUP(free) char *encodings = encodings_text(p);
		char deadline[TIME_TEXT_MAX];

		fprintf(out, "%" PRIu16 ",0x%04" PRIx16 ",", p->number, p->number);
		field(out, p->name, ",");
		field(out, p->node, ",");
		field(out, product_status_name(p->status), ",");
		field(out, p->conflict ? "local, conflict" : origin_name(p->origin), ",");
		field(out, p->vendor, ",");
		field(out, p->contact, ",");
		field(out, p->reference, ",");
		field(out, time_text(p->deadline, deadline), ",");
		field(out, encodings, "\r\n");
	}
}
