/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Manifest bytes to rows. The document itself is walked here, and jansson is given one element at
 * a time: a manifest of any size costs its bytes, its rows and one element in memory, and every
 * error still has the line and column, or the JSON path, of the whole document. What a row may
 * hold is in one table a kind of row; what is in no table is not known.
 */
#include "sync/manifest.h"

#include <jansson.h>
#include <string.h>

#include "registry/text.h"
#include "sync/manifest-order.h"

#define UNKNOWN_MAX 256 /* different members that we do not know; more is not growth but noise */
#define NAME_MAX_BYTES 128
#define TEXT_MAX_BYTES 4096
#define BUILDS_MAX_BYTES 65536
#define KEY_MAX_BYTES 64
#define LIST_MAX 1024
#define PATH_MAX_BYTES 160

/* ---- what there is ---- */

enum kind {
	TEXT,
	WORD, /* letters, digits and what MORE says */
	U16,
	U32,
	SERIAL,
	DATE,
	TEXTS, /* a list; its length goes to COUNT */
	STATUS,
	MODE,
	PUBLISH,
	USES,  /* encodings of a product; their number goes to COUNT */
	OTHER, /* of the document: has a function of its own */
};

struct field {
	const char *name;
	enum kind kind;
	bool required;
	size_t offset, count;
	size_t max; /* bytes of a text */
	const char *more;
};

#define AT(type, member) .offset = offsetof(struct type, member)
#define COUNT(type, member) .count = offsetof(struct type, member)
#define NEEDED .required = true

static const struct field encoding_members[] = {
	{ "name", WORD, NEEDED, AT(encoding_row, name), .max = ENCODING_NAME_MAX - 1,
	  .more = "-._:" },
	{ "scan", TEXT, NEEDED, AT(encoding_row, scan), .max = TEXT_MAX_BYTES },
	{ "expression", TEXT, NEEDED, AT(encoding_row, expression), .max = TEXT_MAX_BYTES },
	{ 0 },
};
static const struct field use_members[] = {
	{ "name", WORD, NEEDED, AT(product_encoding, encoding), .max = ENCODING_NAME_MAX - 1,
	  .more = "-._:" },
	{ "from", U32, AT(product_encoding, from) },
	{ "to", U32, AT(product_encoding, to) },
	{ "user", TEXT, AT(product_encoding, user), .max = TEXT_MAX_BYTES },
	{ 0 },
};
static const struct field product_members[] = {
	{ "number", U16, NEEDED, AT(product, number) },
	{ "name", TEXT, NEEDED, AT(product, name), .max = NAME_MAX_BYTES },
	{ "status", STATUS, NEEDED, AT(product, status) },
	{ "vendor", TEXT, AT(product, vendor), .max = TEXT_MAX_BYTES },
	{ "contact", TEXT, AT(product, contact), .max = TEXT_MAX_BYTES },
	{ "reference", TEXT, AT(product, reference), .max = TEXT_MAX_BYTES },
	{ "node", WORD, AT(product, node), .max = NAME_MAX_BYTES, .more = "-_@" },
	{ "deadline", DATE, AT(product, deadline) },
	{ "encodings", USES, AT(product, encoding), COUNT(product, n_encodings) },
	{ 0 },
};
static const struct field entry_members[] = {
	{ "id", WORD, NEEDED, AT(entry, id), .max = 64, .more = "-._" },
	{ "product", U16, NEEDED, AT(entry, product) },
	{ "builds", TEXT, NEEDED, AT(entry, builds), .max = BUILDS_MAX_BYTES },
	{ "mode", MODE, AT(entry, mode) },
	{ "publish", PUBLISH, AT(entry, publish) },
	{ "reason", TEXT, NEEDED, AT(entry, reason), .max = TEXT_MAX_BYTES },
	{ "references", TEXTS, AT(entry, references), COUNT(entry, n_references),
	  .max = TEXT_MAX_BYTES },
	{ "not_before", DATE, AT(entry, not_before) },
	{ "expires", DATE, AT(entry, expires) },
	{ 0 },
};
static const struct field keys_members[] = {
	{ "threshold", U32, NEEDED, AT(manifest_keys, threshold) },
	{ "keys", TEXTS, AT(manifest_keys, key), COUNT(manifest_keys, n), .max = KEY_MAX_BYTES },
	{ "revoked", TEXTS, AT(manifest_keys, revoked), COUNT(manifest_keys, n_revoked),
	  .max = KEY_MAX_BYTES },
	{ 0 },
};
static const struct field top_members[] = {
	{ "format", OTHER, NEEDED },
	{ "spec", OTHER, NEEDED },
	{ "version", SERIAL, NEEDED, AT(manifest, version) },
	{ "issued", DATE, NEEDED, AT(manifest, issued) },
	{ "expires", DATE, NEEDED, AT(manifest, expires) },
	{ .name = "critical", .kind = OTHER },
	{ "encodings", OTHER, NEEDED },
	{ "products", OTHER, NEEDED },
	{ "entries", OTHER, NEEDED },
	{ .name = "keys", .kind = OTHER },
	{ 0 },
};

static const struct {
	const char *prefix;
	const struct field *fields;
} known[] = {
	{ "", top_members },
	{ "encodings.", encoding_members },
	{ "products.", product_members },
	{ "products.encodings.", use_members },
	{ "entries.", entry_members },
	{ "keys.", keys_members },
};

static const struct field *find_field(const struct field *fields, const char *name)
{
	for (; fields->name; fields++) {
		if (strcmp(fields->name, name) == 0)
			return fields;
	}
	return NULL;
}

struct unknown {
	char *path; /* "entries.severity" */
	size_t count;
};

struct parser {
	const char *text;
	size_t n, at;
	struct manifest *m;
	uint32_t seen; /* bit i: top_members[i] */
	char **critical;
	size_t n_critical;
	struct unknown *unknown;
	size_t n_unknown, cap_unknown;
	struct err *err;
};

/* ---- syntax: the outermost object and its lists ---- */

static void position(const struct parser *p, size_t at, size_t *line, size_t *column)
{
	*line = 1;
	*column = 1;
	for (size_t i = 0; i < at && i < p->n; i++) {
		if (p->text[i] == '\n') {
			(*line)++;
			*column = 1;
		} else if (((unsigned char)p->text[i] & 0xc0) != 0x80) {
			(*column)++;
		}
	}
}

static int syntax(struct parser *p, const char *what)
{
	size_t line, column;

	position(p, p->at, &line, &column);
	return err_refuse(p->err, REFUSAL_SCHEMA, "manifest line %zu, column %zu: %s", line, column,
			  what);
}

static char peek(struct parser *p)
{
	while (p->at < p->n && memchr(" \t\r\n", p->text[p->at], 4))
		p->at++;
	return p->at < p->n ? p->text[p->at] : '\0';
}

static int expect(struct parser *p, char c)
{
	char what[] = "want 'x'";

	if (peek(p) == c) {
		p->at++;
		return 0;
	}
	what[6] = c;
	return syntax(p, p->at < p->n ? what : "the text ends too early");
}

/* One whole value at the present place. */
static int value(struct parser *p, json_t **ret)
{
	size_t line, column;
	json_error_t e;

	peek(p);
	*ret = json_loadb(p->text + p->at, p->n - p->at,
			  JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &e);
	if (*ret) {
		p->at += (size_t)e.position;
		return 0;
	}
	position(p, p->at, &line, &column);
	column = e.line > 1 ? (size_t)e.column : column + (size_t)e.column;
	line += e.line > 0 ? (size_t)e.line - 1 : 0;
	return err_refuse(p->err, REFUSAL_SCHEMA, "manifest line %zu, column %zu: %s", line, column,
			  e.text);
}

static inline void json_unref_cleanup(json_t **j)
{
	json_decref(*j);
}
#define JSON __attribute__((__cleanup__(json_unref_cleanup))) json_t

/* Calls FN for each element of the list at the present place. */
static int each(struct parser *p, const char *name,
		int (*fn)(struct parser *p, size_t i, const json_t *j))
{
	int r;

	if (peek(p) != '[')
		return err_refuse(p->err, REFUSAL_SCHEMA, "manifest %s: want a list", name);
	p->at++;
	if (peek(p) == ']') {
		p->at++;
		return 0;
	}
	for (size_t i = 0;; i++) {
		JSON *j = NULL;

		r = value(p, &j);
		if (r == 0)
			r = fn(p, i, j);
		if (r < 0)
			return r;
		if (peek(p) == ']') {
			p->at++;
			return 0;
		}
		r = expect(p, ',');
		if (r < 0)
			return r;
	}
}

/* ---- one member ---- */

/* Where we are, for messages ("entries[3]") and for "critical" ("entries."). */
struct place {
	char path[PATH_MAX_BYTES];
	const char *prefix;
};
static const struct place top = { .path = "", .prefix = "" };

static struct place place_of(const char *list, size_t i, const char *prefix)
{
	struct place at = { .prefix = prefix };

	snprintf(at.path, sizeof(at.path), "%.64s[%zu]", list, i);
	return at;
}

static int bad(struct parser *p, const struct place *at, const char *member, const char *what)
{
	return err_refuse(p->err, REFUSAL_SCHEMA, "manifest %s%s%s: %s", at->path,
			  *at->path && *member ? "." : "", member, what);
}

static int note_unknown(struct parser *p, const char *prefix, const char *name)
{
	CLEANUP(free) char *path = xasprintf("%s%s", prefix, name);

	for (size_t i = 0; i < p->n_unknown; i++) {
		if (strcmp(p->unknown[i].path, path) == 0) {
			p->unknown[i].count++;
			return 0;
		}
	}
	if (p->n_unknown == UNKNOWN_MAX)
		return err_refuse(p->err, REFUSAL_SCHEMA,
				  "manifest: more than %d different members that are not known",
				  UNKNOWN_MAX);
	GROW(p->unknown, p->n_unknown, p->cap_unknown);
	p->unknown[p->n_unknown++] = (struct unknown){ TAKE(path), 1 };
	return 0;
}

static int text(struct parser *p, const struct place *at, const struct field *f, const char *name,
		const json_t *v, char **ret)
{
	const char *s = json_string_value(v);

	if (!v) {
		*ret = xstrdup("");
		return 0;
	}
	if (!s)
		return bad(p, at, name, "want a string");
	if (f->required && !*s)
		return bad(p, at, name, "is empty");
	if (json_string_length(v) > f->max)
		return bad(p, at, name, "is too long");
	if (*s) {
		CLEANUP(free)
		char *what = xasprintf("manifest %s%s%s:", at->path, *at->path ? "." : "", name);

		if (text_check(what, s, f->max, true, p->err) < 0)
			return err_refuse(p->err, REFUSAL_SCHEMA, "%s", p->err->msg);
	}
	for (const char *c = s; f->kind == WORD && *c; c++) {
		bool alnum = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') ||
			     (*c >= 'a' && *c <= 'z');

		if (!alnum && !strchr(f->more, *c))
			return err_refuse(p->err, REFUSAL_SCHEMA,
					  "manifest %s.%s: want letters, digits and '%s' only",
					  at->path, name, f->more);
	}
	*ret = xstrdup(s);
	return 0;
}

static int number(struct parser *p, const struct place *at, const char *name, const json_t *v,
		  uint64_t min, uint64_t max, uint64_t *ret)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v))
		return bad(p, at, name, "want a whole number");
	if (n < 0 || (uint64_t)n < min || (uint64_t)n > max)
		return err_refuse(p->err, REFUSAL_SCHEMA,
				  "manifest %s%s%s: %lld is not between %llu and %llu", at->path,
				  *at->path ? "." : "", name, (long long)n, (unsigned long long)min,
				  (unsigned long long)max);
	*ret = (uint64_t)n;
	return 0;
}

static int date(struct parser *p, const struct place *at, const char *name, const json_t *v,
		int64_t *ret)
{
	const char *s = json_string_value(v);

	if (!s || !time_parse(span_str(s), ret))
		return bad(p, at, name, "want a date like '2026-11-20T00:00:00Z'");
	return 0;
}

static int list_size(struct parser *p, const struct place *at, const char *name, const json_t *v)
{
	if (!json_is_array(v))
		return bad(p, at, name, "want a list");
	if (json_array_size(v) > LIST_MAX)
		return bad(p, at, name, "has too many elements");
	return 0;
}

static int texts(struct parser *p, const struct place *at, const char *name, const json_t *v,
		 size_t max, char ***ret, size_t *ret_n)
{
	const struct field element = { .kind = TEXT, .required = true, .max = max };
	int r = list_size(p, at, name, v);

	if (r < 0)
		return r;
	*ret = xcalloc(json_array_size(v), sizeof(**ret));
	for (size_t i = 0; i < json_array_size(v); i++) {
		char where[PATH_MAX_BYTES];

		snprintf(where, sizeof(where), "%.64s[%zu]", name, i);
		r = text(p, at, &element, where, json_array_get(v, i), &(*ret)[i]);
		if (r < 0)
			return r;
		*ret_n = i + 1;
	}
	return 0;
}

/* True and 0 or 1 for one of two words. */
static int choice(struct parser *p, const struct place *at, const char *name, const json_t *v,
		  const char *const words[static 2], bool *ret_second)
{
	const char *s = json_string_value(v);

	*ret_second = s && strcmp(s, words[1]) == 0;
	if (*ret_second || (s && strcmp(s, words[0]) == 0))
		return 0;
	return err_refuse(p->err, REFUSAL_SCHEMA, "manifest %s.%s: want \"%s\" or \"%s\"", at->path,
			  name, words[0], words[1]);
}

static int object(struct parser *p, const struct place *at, const json_t *j,
		  const struct field *fields, void *row);

static int uses(struct parser *p, const struct place *at, const json_t *v,
		struct product_encoding **ret, size_t *ret_n)
{
	int r = list_size(p, at, "encodings", v);

	if (r < 0)
		return r;
	*ret = xcalloc(json_array_size(v), sizeof(**ret));
	for (size_t i = 0; i < json_array_size(v); i++) {
		CLEANUP(free) char *list = xasprintf("%s.encodings", at->path);
		struct place here = place_of(list, i, "products.encodings.");
		struct product_encoding *u = &(*ret)[i];

		u->to = UINT32_MAX;
		*ret_n = i + 1;
		r = object(p, &here, json_array_get(v, i), use_members, u);
		if (r < 0)
			return r;
		if (u->from > u->to)
			return bad(p, &here, "to", "is smaller than 'from'");
	}
	return 0;
}

/* V into the member of ROW that F describes; a V of NULL is a member that is absent or null. */
static int take(struct parser *p, const struct place *at, const struct field *f, const json_t *v,
		void *row)
{
	static const char *const modes[] = { "enforce", "audit" };
	static const char *const publishes[] = { "nodes", "range" };
	void *to = (char *)row + f->offset;
	size_t *count = (size_t *)(void *)((char *)row + f->count);
	uint64_t n = 0;
	bool second;
	int r;

	if (!v && f->required)
		return bad(p, at, f->name, "is missing");
	if (!v && f->kind != TEXT && f->kind != WORD)
		return 0;
	switch (f->kind) {
	case TEXT:
	case WORD:
		return text(p, at, f, f->name, v, to);
	case U16:
		r = number(p, at, f->name, v, 0, UINT16_MAX, &n);
		if (r == 0)
			*(uint16_t *)to = (uint16_t)n;
		return r;
	case U32:
		r = number(p, at, f->name, v, 0, UINT32_MAX, &n);
		if (r == 0)
			*(uint32_t *)to = (uint32_t)n;
		return r;
	case SERIAL:
		return number(p, at, f->name, v, 1, INT64_MAX, to);
	case DATE:
		return date(p, at, f->name, v, to);
	case TEXTS:
		return texts(p, at, f->name, v, f->max, to, count);
	case STATUS:
		if (json_is_string(v) && product_status_parse(json_string_value(v), to))
			return 0;
		return bad(p, at, f->name, "is not a status that is known");
	case MODE:
		r = choice(p, at, f->name, v, modes, &second);
		if (r == 0)
			*(enum entry_mode *)to = second ? MODE_AUDIT : MODE_ENFORCE;
		return r;
	case PUBLISH:
		r = choice(p, at, f->name, v, publishes, &second);
		if (r == 0)
			*(enum entry_publish *)to = second ? PUBLISH_RANGE : PUBLISH_NODES;
		return r;
	case USES:
		return uses(p, at, v, to, count);
	case OTHER:
		break;
	}
	return err_set(p->err, ERR_INTERNAL, "member '%s' has no reader", f->name);
}

/* An object into ROW; what it has beside FIELDS is noted. */
static int object(struct parser *p, const struct place *at, const json_t *j,
		  const struct field *fields, void *row)
{
	const char *name;
	json_t *v;
	int r;

	if (!json_is_object(j))
		return bad(p, at, "", "want an object");
	json_object_foreach((json_t *)j, name, v)
	{
		r = find_field(fields, name) ? 0 : note_unknown(p, at->prefix, name);
		if (r < 0)
			return r;
	}
	for (; fields->name; fields++) {
		v = json_object_get(j, fields->name);
		r = take(p, at, fields, json_is_null(v) ? NULL : v, row);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- rows ---- */

static int encoding(struct parser *p, size_t i, const json_t *j)
{
	struct place at = place_of("encodings", i, "encodings.");
	struct encoding_rows *rows = p->m->encodings;
	struct encoding_row *row;

	rows->row = xreallocarray(rows->row, rows->n + 1, sizeof(*rows->row));
	row = &rows->row[rows->n++];
	*row = (struct encoding_row){ .origin = ORIGIN_UPSTREAM };
	return object(p, &at, j, encoding_members, row);
}

static int product(struct parser *p, size_t i, const json_t *j)
{
	struct place at = place_of("products", i, "products.");
	struct products *ps = p->m->products;
	struct product *row = xcalloc(1, sizeof(*row));
	int r;

	ps->product = xreallocarray(ps->product, ps->n + 1, sizeof(*ps->product));
	ps->product[ps->n++] = row;
	row->origin = ORIGIN_UPSTREAM;
	row->deadline = TIME_NONE;
	r = object(p, &at, j, product_members, row);
	if (r < 0)
		return r;
	if (strchr(row->name, '/'))
		return bad(p, &at, "name", "holds a '/'");
	if (*row->node == '_')
		return bad(p, &at, "node", "must not begin with '_'");
	return 0;
}

static int entry(struct parser *p, size_t i, const json_t *j)
{
	struct place at = place_of("entries", i, "entries.");
	struct entries *es = p->m->entries;
	struct entry *row = xcalloc(1, sizeof(*row));
	int r;

	/* By powers of two: n is the count, so the capacity need not be kept. */
	if ((es->n & (es->n - 1)) == 0)
		es->entry = xreallocarray(es->entry, es->n ? 2 * es->n : 1, sizeof(*es->entry));
	es->entry[es->n++] = row;
	row->origin = ORIGIN_UPSTREAM;
	row->not_before = row->expires = TIME_NONE;
	r = object(p, &at, j, entry_members, row);
	if (r < 0)
		return r;
	if (row->not_before != TIME_NONE && row->expires != TIME_NONE &&
	    row->expires <= row->not_before)
		return bad(p, &at, "expires", "is not later than 'not_before'");
	return 0;
}

static int each_key(struct parser *p, struct keyring *k, const char *name, char *const *key,
		    size_t n,
		    int (*fn)(struct keyring *k, const char *, const char *, struct err *))
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP(free) char *where = xasprintf("keys.%s[%zu]", name, i);

		if (fn(k, key[i], where, p->err) < 0)
			return err_refuse(p->err, REFUSAL_SCHEMA, "manifest %s", p->err->msg);
	}
	return 0;
}

static int keys(struct parser *p)
{
	CLEANUP(keyring_free) struct keyring *k = keyring_new(1);
	struct place at = { .path = "keys", .prefix = "keys." };
	struct manifest_keys *mk;
	JSON *j = NULL;
	int r = value(p, &j);

	if (r < 0 || json_is_null(j))
		return r;
	mk = p->m->keys = xcalloc(1, sizeof(*mk));
	if ((r = object(p, &at, j, keys_members, mk)) < 0 ||
	    (r = each_key(p, k, "keys", mk->key, mk->n, keyring_add)) < 0 ||
	    (r = each_key(p, k, "revoked", mk->revoked, mk->n_revoked, keyring_revoke)) < 0)
		return r;
	if (!keyring_size(k))
		return bad(p, &at, "keys", "no key is left that could sign");
	if (mk->threshold < 1 || mk->threshold > keyring_size(k))
		return bad(p, &at, "threshold", "is not between 1 and the number of keys");
	return 0;
}

/* ---- the whole ---- */

static int other_member(struct parser *p, const char *name, const json_t *j)
{
	uint64_t spec;
	int r;

	if (strcmp(name, "format") == 0) {
		if (json_is_string(j) && strcmp(json_string_value(j), MANIFEST_FORMAT) == 0)
			return 0;
		return bad(p, &top, name, "want \"" MANIFEST_FORMAT "\"");
	}
	if (strcmp(name, "critical") == 0)
		return json_is_null(j) ? 0
				       : texts(p, &top, name, j, NAME_MAX_BYTES, &p->critical,
					       &p->n_critical);
	r = number(p, &top, name, j, 1, INT64_MAX, &spec);
	if (r == 0 && spec != MANIFEST_SPEC)
		return err_refuse(p->err, REFUSAL_SCHEMA,
				  "manifest spec: this program knows %d only, not %llu",
				  MANIFEST_SPEC, (unsigned long long)spec);
	return r;
}

static int top_member(struct parser *p, const char *name)
{
	const struct field *f = find_field(top_members, name);
	JSON *j = NULL;
	int r;

	if (strcmp(name, "encodings") == 0)
		return each(p, name, encoding);
	if (strcmp(name, "products") == 0)
		return each(p, name, product);
	if (strcmp(name, "entries") == 0)
		return each(p, name, entry);
	if (strcmp(name, "keys") == 0)
		return keys(p);
	r = value(p, &j);
	if (r < 0)
		return r;
	if (!f)
		return note_unknown(p, "", name);
	return f->kind == OTHER ? other_member(p, name, j) : take(p, &top, f, j, p->m);
}

static int top_name(struct parser *p, char **ret)
{
	JSON *key = NULL;
	int r;

	if (peek(p) != '"')
		return syntax(p, "want the name of a member in double quotes");
	r = value(p, &key);
	if (r < 0)
		return r;
	*ret = xstrdup(json_string_value(key));
	return expect(p, ':');
}

static int top_once(struct parser *p, const char *name)
{
	const struct field *f = find_field(top_members, name);
	uint32_t bit = f ? 1u << (f - top_members) : 0;
	bool twice = p->seen & bit;

	p->seen |= bit;
	for (size_t i = 0; i < p->n_unknown; i++)
		twice |= strcmp(p->unknown[i].path, name) == 0;
	return twice ? bad(p, &top, name, "is there twice") : 0;
}

/* To the first byte that is part of no character. */
static void skip_utf8(struct parser *p)
{
	for (;;) {
		size_t n = 1;

		while (n <= 4 && p->at + n <= p->n && !utf8_valid(p->text + p->at, n))
			n++;
		if (n > 4 || p->at + n > p->n)
			return;
		p->at += n;
	}
}

static int document(struct parser *p)
{
	int r;

	if (!utf8_valid(p->text, p->n)) {
		skip_utf8(p);
		return syntax(p, "is not UTF-8");
	}
	if (p->n >= 3 && memcmp(p->text, "\xef\xbb\xbf", 3) == 0)
		return syntax(p, "a byte order mark in front");
	r = expect(p, '{');
	if (r < 0)
		return r;
	if (peek(p) == '}') {
		p->at++;
	} else {
		do {
			CLEANUP(free) char *name = NULL;

			r = top_name(p, &name);
			if (r == 0)
				r = top_once(p, name);
			if (r == 0)
				r = top_member(p, name);
			if (r < 0)
				return r;
		} while (peek(p) == ',' && ++p->at);
		r = expect(p, '}');
		if (r < 0)
			return r;
	}
	peek(p);
	return p->at == p->n ? 0 : syntax(p, "there is more after the end");
}

static bool is_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		size_t n = strlen(known[i].prefix);

		if (find_field(known[i].fields, name) || (strncmp(name, known[i].prefix, n) == 0 &&
							  find_field(known[i].fields, name + n)))
			return true;
	}
	return false;
}

static int check_critical(struct parser *p)
{
	for (size_t i = 0; i < p->n_critical; i++) {
		const char *name = p->critical[i];
		bool met = !is_known(name);

		for (size_t k = 0; k < p->n_unknown && !met; k++) {
			const char *dot = strrchr(p->unknown[k].path, '.');

			met = strcmp(p->unknown[k].path, name) == 0 ||
			      (dot && strcmp(dot + 1, name) == 0);
		}
		if (met)
			return err_refuse(
				p->err, REFUSAL_CRITICAL,
				"manifest critical[%zu]: this program does not know '%s', "
				"and the publisher says that it has to",
				i, name);
	}
	return 0;
}

static int check_complete(struct parser *p)
{
	for (const struct field *f = top_members; f->name; f++) {
		if (f->required && !(p->seen & 1u << (f - top_members)))
			return bad(p, &top, f->name, "is missing");
	}
	if (p->m->expires <= p->m->issued)
		return bad(p, &top, "expires", "is not later than 'issued'");
	return 0;
}

static void make_notices(struct parser *p)
{
	p->m->notices = xcalloc(p->n_unknown, sizeof(char *));
	for (size_t i = 0; i < p->n_unknown; i++) {
		const struct unknown *u = &p->unknown[i];
		bool cut = strlen(u->path) > NAME_MAX_BYTES;

		p->m->notices[p->m->n_notices++] = xasprintf(
			"the manifest has a member that this program does not know: '%.*s%s' (%zu %s)",
			NAME_MAX_BYTES, u->path, cut ? "..." : "", u->count,
			u->count == 1 ? "time" : "times");
	}
}

static void strings_free(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

int manifest_parse(const struct verified *in, struct manifest **ret, struct err *err)
{
	CLEANUP(manifest_free) struct manifest *m = xcalloc(1, sizeof(*m));
	struct span bytes = verified_bytes(in);
	struct parser p = { .text = bytes.p, .n = bytes.n, .m = m, .err = err };
	int r;

	m->encodings = xcalloc(1, sizeof(*m->encodings));
	m->products = xcalloc(1, sizeof(*m->products));
	m->entries = xcalloc(1, sizeof(*m->entries));
	r = document(&p);
	if (r == 0)
		r = check_critical(&p);
	if (r == 0)
		r = check_complete(&p);
	if (r == 0)
		r = manifest_order(m, err);
	if (r == 0)
		make_notices(&p);
	strings_free(p.critical, p.n_critical);
	for (size_t i = 0; i < p.n_unknown; i++)
		free(p.unknown[i].path);
	free(p.unknown);
	if (r < 0)
		return r;
	*ret = TAKE(m);
	return 0;
}

void manifest_free(struct manifest *m)
{
	if (!m)
		return;
	encoding_rows_free(m->encodings);
	products_free(m->products);
	entries_free(m->entries);
	if (m->keys) {
		strings_free(m->keys->key, m->keys->n);
		strings_free(m->keys->revoked, m->keys->n_revoked);
	}
	free(m->keys);
	free(m->encoding_at);
	free(m->product_at);
	free(m->entry_at);
	strings_free(m->notices, m->n_notices);
	free(m);
}

const char *manifest_library_version(void)
{
	return jansson_version_str();
}
