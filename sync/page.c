/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry page. What is hidden here is HTML: escaping, the two tables, and the number space
 * drawn as squares. Style and script are data/page/, compiled in; the page's own policy lets
 * nothing else run.
 */
#include "sync/page.h"

#include <inttypes.h>

#include "page-data.h"

#define MAP_COLUMNS 32
#define MAP_ROWS 16 /* one square a number: 0 to 511 */
#define MAP_CELL 12

/* Text between tags or in a quoted attribute. */
static void text(FILE *out, const char *s)
{
	static const struct {
		char c;
		const char *as;
	} entities[] = {
		{ '&', "&amp;" },  { '<', "&lt;" },   { '>', "&gt;" },
		{ '"', "&quot;" }, { '\'', "&#39;" },
	};
	CLEANUP(free) char *safe = escape_text(s);

	for (const char *p = safe; *p; p++) {
		const char *as = NULL;

		for (size_t i = 0; i < ARRAY_SIZE(entities); i++)
			if (*p == entities[i].c)
				as = entities[i].as;
		if (as)
			fputs(as, out);
		else
			fputc(*p, out);
	}
}

/* A reference that begins with a URL becomes a link; what follows a space stays beside it. */
static void reference(FILE *out, const char *ref)
{
	size_t n = strcspn(ref, " ");

	if (strncmp(ref, "https://", 8) != 0 && strncmp(ref, "http://", 7) != 0)
		n = 0;
	fputs("<span>", out);
	if (n) {
		CLEANUP(free) char *url = xstrndup(ref, n);

		fputs("<a rel=\"noopener noreferrer nofollow\" href=\"", out);
		text(out, url);
		fputs("\">", out);
		text(out, url);
		fputs("</a>", out);
	}
	text(out, ref + n);
	fputs("</span>", out);
}

static void cell(FILE *out, const char *label, const char *s)
{
	fprintf(out, "<td data-label=\"%s\">", label);
	if (*s) {
		fputs("<span>", out);
		text(out, s);
		fputs("</span>", out);
	}
	fputs("</td>", out);
}

static void date(FILE *out, const char *label, int64_t t)
{
	char buf[TIME_TEXT_MAX];

	cell(out, label, time_text(t, buf));
}

static void head(FILE *out, const struct page_info *info)
{
	char buf[TIME_TEXT_MAX];

	fprintf(out,
		"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"style-src 'sha256-%s'; script-src 'sha256-%s'; base-uri 'none'; "
		"form-action 'none'\">\n"
		"<meta name=\"referrer\" content=\"no-referrer\">\n"
		"<title>Xen PV driver product numbers</title>\n<style>%s</style>\n</head>\n<body>\n",
		page_css_sha256, page_js_sha256, page_css);
	fputs("<h1>Xen PV driver product numbers and blacklist</h1>\n"
	      "<p>A guest's paravirtual drivers announce a 16-bit product number and a 32-bit build "
	      "number at IO ports 0x12 and 0x10 before they unplug emulated devices. This page lists "
	      "who uses which product number, and the builds that hosts are told to keep from "
	      "loading.</p>\n<dl class=\"facts\">\n",
	      out);
	if (info->version)
		fprintf(out,
			"<dt>Manifest</dt><dd><a href=\"manifest.json\">manifest.json</a>, version "
			"%" PRIu64 ", signed: <a href=\"manifest.json.minisig\">"
			"manifest.json.minisig</a></dd>\n",
			info->version);
	if (info->issued != TIME_NONE)
		fprintf(out, "<dt>Issued</dt><dd>%s</dd>\n", time_text(info->issued, buf));
	if (info->expires != TIME_NONE)
		fprintf(out, "<dt>Expires</dt><dd>%s</dd>\n", time_text(info->expires, buf));
	fputs("<dt>Also as</dt><dd><a href=\"registry.csv\">registry.csv</a>, "
	      "<a href=\"pvdrivers.h\">pvdrivers.h</a></dd>\n</dl>\n"
	      "<nav><a href=\"#products\">Products</a><a href=\"#blacklist\">Blacklist</a>"
	      "<a href=\"#encodings\">Encodings</a><a href=\"#map\">Number space</a></nav>\n"
	      "<p id=\"tools\" hidden><label>Search <input type=\"search\" id=\"search\" "
	      "placeholder=\"name, number, reason, build\"></label> "
	      "<span id=\"count\" class=\"soft\" aria-live=\"polite\"></span></p>\n",
	      out);
}

static void encodings_of(FILE *out, const struct product *p)
{
	fputs("<td data-label=\"Encodings\">", out);
	for (size_t i = 0; i < p->n_encodings; i++) {
		const struct product_encoding *e = &p->encoding[i];

		fputs("<div><code>", out);
		text(out, e->encoding);
		fprintf(out, "</code> <span class=\"soft\">%" PRIu32 " to %" PRIu32 "</span> ",
			e->from, e->to);
		text(out, e->user);
		fputs("</div>", out);
	}
	fputs("</td>", out);
}

static void products(FILE *out, const struct products *ps)
{
	fputs("<h2 id=\"products\">Products</h2>\n<table>\n<thead><tr><th>Number</th><th>Name</th>"
	      "<th>Status</th><th>Vendor</th><th>Contact</th><th>Xenstore node</th>"
	      "<th>Encodings</th><th>Reference</th></tr></thead>\n<tbody>\n",
	      out);
	for (size_t i = 0; i < ps->n; i++) {
		const struct product *p = ps->product[i];
		const char *status = product_status_name(p->status);

		if (p->conflict)
			continue;
		fprintf(out,
			"<tr id=\"product-%" PRIu16
			"\"><td data-label=\"Number\" data-sort=\"%" PRIu16
			"\"><span class=\"num\">%" PRIu16 " <span class=\"soft\">0x%04" PRIx16
			"</span></span></td>",
			p->number, p->number, p->number, p->number);
		cell(out, "Name", p->name);
		fprintf(out, "<td data-label=\"Status\"><span class=\"tag %s\">%s</span>", status,
			status);
		if (p->deadline != TIME_NONE) {
			char buf[TIME_TEXT_MAX];

			fprintf(out, " <span class=\"soft\">until %s</span>",
				time_text(p->deadline, buf));
		}
		fputs("</td>", out);
		cell(out, "Vendor", p->vendor);
		cell(out, "Contact", p->contact);
		fputs("<td data-label=\"Node\"><code>", out);
		text(out, p->node);
		fputs("</code></td>", out);
		encodings_of(out, p);
		fputs("<td data-label=\"Reference\">", out);
		if (*p->reference)
			reference(out, p->reference);
		fputs("</td></tr>\n", out);
	}
	fputs("</tbody>\n</table>\n", out);
}

static const char *product_name(const struct products *ps, int64_t id)
{
	for (size_t i = 0; i < ps->n; i++)
		if (ps->product[i]->id == id)
			return ps->product[i]->name;
	return "";
}

static void entry(FILE *out, const struct products *ps, const struct entry *e)
{
	const char *mode = entry_mode_name(e->mode);

	fputs("<tr id=\"entry-", out);
	text(out, e->id);
	fputs("\"><td data-label=\"Id\"><code>", out);
	text(out, e->id);
	fprintf(out,
		"</code></td><td data-label=\"Product\" data-sort=\"%" PRIu16
		"\"><a href=\"#product-%" PRIu16 "\">",
		e->product, e->product);
	text(out, product_name(ps, e->product_id));
	fputs("</a></td><td data-label=\"Builds\"><code>", out);
	text(out, e->builds);
	fprintf(out, "</code></td><td data-label=\"Mode\"><span class=\"tag %s\">%s</span>%s</td>",
		mode, mode,
		e->publish == PUBLISH_RANGE ? " <span class=\"soft\">as range</span>" : "");
	cell(out, "Reason", e->reason);
	fputs("<td data-label=\"References\">", out);
	for (size_t i = 0; i < e->n_references; i++) {
		fputs("<div>", out);
		reference(out, e->references[i]);
		fputs("</div>", out);
	}
	fputs("</td>", out);
	date(out, "From", e->not_before);
	date(out, "Until", e->expires);
	fputs("</tr>\n", out);
}

static void blacklist(FILE *out, const struct blacklist *b)
{
	const struct entries *es = blacklist_entries(b);

	fputs("<h2 id=\"blacklist\">Blacklist</h2>\n", out);
	if (es->n == 0) {
		fputs("<p>No build is blacklisted.</p>\n", out);
		return;
	}
	fputs("<table>\n<thead><tr><th>Id</th><th>Product</th><th>Builds</th><th>Mode</th>"
	      "<th>Reason</th><th>References</th><th>From</th><th>Until</th></tr></thead>\n<tbody>\n",
	      out);
	for (size_t i = 0; i < es->n; i++)
		entry(out, blacklist_products(b), es->entry[i]);
	fputs("</tbody>\n</table>\n", out);
}

static void encodings(FILE *out, const struct encoding_rows *rows)
{
	fputs("<h2 id=\"encodings\">Encodings</h2>\n"
	      "<p>How a driver's version becomes its build number.</p>\n<table>\n<thead><tr>"
	      "<th>Name</th><th>Version text</th><th>Expression</th></tr></thead>\n<tbody>\n",
	      out);
	for (size_t i = 0; i < rows->n; i++) {
		fputs("<tr>", out);
		cell(out, "Name", rows->row[i].name);
		cell(out, "Text", rows->row[i].scan);
		fputs("<td data-label=\"Expression\"><code>", out);
		text(out, rows->row[i].expression);
		fputs("</code></td></tr>\n", out);
	}
	fputs("</tbody>\n</table>\n", out);
}

static void square(FILE *out, unsigned at, unsigned columns, const char *class)
{
	fprintf(out, "<rect class=\"%s\" x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\"", class,
		at % columns * MAP_CELL, at / columns * MAP_CELL, MAP_CELL - 1, MAP_CELL - 1);
}

/* The product of NUMBER, or NULL; *next walks the ascending list. */
static const struct product *at_number(const struct products *ps, uint32_t number, size_t *next)
{
	while (*next < ps->n &&
	       (ps->product[*next]->number < number || ps->product[*next]->conflict))
		(*next)++;
	return *next < ps->n && ps->product[*next]->number == number ? ps->product[*next] : NULL;
}

static void map_numbers(FILE *out, const struct products *ps)
{
	size_t next = 0;

	fprintf(out,
		"<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Product numbers 0 to %d, "
		"one square each\">\n",
		MAP_COLUMNS * MAP_CELL, MAP_ROWS * MAP_CELL, MAP_COLUMNS * MAP_ROWS - 1);
	for (unsigned n = 0; n < MAP_COLUMNS * MAP_ROWS; n++) {
		const struct product *p = at_number(ps, n, &next);

		square(out, n, MAP_COLUMNS, p ? product_status_name(p->status) : "free");
		if (!p) {
			fputs("/>\n", out);
			continue;
		}
		fprintf(out, "><title>%u: ", n);
		text(out, p->name);
		fprintf(out, " (%s)</title></rect>\n", product_status_name(p->status));
	}
	fprintf(out, "</svg><figcaption>Numbers 0 to %d, %d a row</figcaption></figure>\n",
		MAP_COLUMNS * MAP_ROWS - 1, MAP_COLUMNS);
}

static void map_blocks(FILE *out, const struct products *ps)
{
	size_t next = 0;

	fprintf(out,
		"<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"The whole number space, "
		"256 numbers a square\">\n",
		MAP_COLUMNS * MAP_CELL, 8 * MAP_CELL);
	for (unsigned block = 0; block < 256; block++) {
		const struct product *first = NULL;
		unsigned used = 0;

		for (; next < ps->n && ps->product[next]->number >> 8 == block; next++) {
			if (ps->product[next]->conflict)
				continue;
			first = first ? first : ps->product[next];
			used++;
		}
		square(out, block, MAP_COLUMNS,
		       first ? product_status_name(first->status) : "free");
		fprintf(out, "><title>0x%02x00 to 0x%02xff: %u in use</title></rect>\n", block,
			block, used);
	}
	fputs("</svg><figcaption>All 65536 numbers, 256 a square</figcaption></figure>\n", out);
}

static void map(FILE *out, const struct products *ps)
{
	fputs("<h2 id=\"map\">Number space</h2>\n<ul class=\"legend\">\n", out);
	for (int s = STATUS_ASSIGNED; s <= STATUS_UNREGISTERED_USE; s++) {
		const char *name = product_status_name((enum product_status)s);

		fprintf(out,
			"<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"%s\" "
			"width=\"10\" height=\"10\"/></svg>%s</li>\n",
			name, name);
	}
	fputs("<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"free\" width=\"10\" "
	      "height=\"10\"/></svg>unassigned</li>\n</ul>\n<div class=\"map\">\n",
	      out);
	map_numbers(out, ps);
	map_blocks(out, ps);
	fputs("</div>\n", out);
}

void page_write(const struct blacklist *b, const struct encoding_rows *rows,
		const struct page_info *info, FILE *out)
{
	head(out, info);
	products(out, blacklist_products(b));
	blacklist(out, b);
	encodings(out, rows);
	map(out, blacklist_products(b));
	fprintf(out, "<script>%s</script>\n</body>\n</html>\n", page_js);
}
