/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Manifest bytes to rows. The document itself is walked here, and jansson is given one element at
 * a time: a manifest of any size costs its bytes, its rows and one element in memory, and every
 * error still has the line and column, or the JSON path, of the whole document.
 */
#include "sync/manifest.h"

#include <jansson.h>
#include <string.h>

#define UNKNOWN_MAX 256 /* different members that we do not know; more is not growth but noise */
#define NAME_MAX_BYTES 128
#define TEXT_MAX_BYTES 4096
#define BUILDS_MAX_BYTES 65536
#define REFERENCES_MAX 64
#define USES_MAX 64
#define PATH_MAX_BYTES 128

/* Members that this program knows; "*" ends a list. */
static const char *const top_members[] = { "format",  "spec",	  "version",   "issued",
					   "expires", "critical", "encodings", "products",
					   "entries", "keys",	  NULL };
static const char *const encoding_members[] = { "name", "scan", "expression", NULL };
static const char *const product_members[] = { "number",    "name",	 "status", "vendor",
					       "contact",   "reference", "node",   "deadline",
					       "encodings", NULL };
static const char *const use_members[] = { "name", "from", "to", "user", NULL };
static const char *const entry_members[] = { "id",	"product", "builds",	 "mode",
					     "publish", "reason",  "references", "not_before",
					     "expires", NULL };
static const char *const keys_members[] = { "threshold", "keys", "revoked", NULL };

static const struct {
	const char *prefix;
	const char *const *members;
} known[] = {
	{ "", top_members },
	{ "encodings.", encoding_members },
	{ "products.", product_members },
	{ "products.encodings.", use_members },
	{ "entries.", entry_members },
	{ "keys.", keys_members },
};

struct unknown {
	char *path; /* "entries.severity" */
	size_t count;
};

struct parser {
	const char *text;
	size_t n, at;
	struct manifest *m;
	uint64_t spec;
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

/* ---- members ---- */

/* Where we are, for messages ("entries[3]") and for "critical" ("entries."). */
struct place {
	char path[PATH_MAX_BYTES];
	const char *prefix;
};

static struct place place_of(const char *list, size_t i, const char *prefix)
{
	struct place at = { .prefix = prefix };

	snprintf(at.path, sizeof(at.path), "%s[%zu]", list, i);
	return at;
}

static int bad(struct parser *p, const struct place *at, const char *member, const char *what)
{
	return err_refuse(p->err, REFUSAL_SCHEMA, "manifest %s%s%s: %s", at->path,
			  *at->path && *member ? "." : "", member, what);
}

static bool is_member(const char *const *members, const char *name)
{
	for (; *members; members++) {
		if (strcmp(*members, name) == 0)
			return true;
	}
	return false;
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

/* An object; what it has beside MEMBERS is noted. */
static int object(struct parser *p, const struct place *at, const json_t *j,
		  const char *const *members)
{
	const char *name;
	json_t *v;

	if (!json_is_object(j))
		return bad(p, at, "", "want an object");
	json_object_foreach((json_t *)j, name, v)
	{
		int r = is_member(members, name) ? 0 : note_unknown(p, at->prefix, name);

		if (r < 0)
			return r;
	}
	return 0;
}

static const json_t *member(const json_t *j, const char *name)
{
	const json_t *v = json_object_get(j, name);

	return json_is_null(v) ? NULL : v;
}

static bool has_control(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;

	for (; *u; u++) {
		if (*u < 0x20 || *u == 0x7f || (*u == 0xc2 && u[1] >= 0x80 && u[1] < 0xa0))
			return true;
	}
	return false;
}

enum { OPTIONAL = 0, REQUIRED = 1 };

static int string(struct parser *p, const struct place *at, const char *name, const json_t *v,
		  int required, size_t max, char **ret)
{
	const char *s;

	if (!v && !required) {
		*ret = xstrdup("");
		return 0;
	}
	if (!json_is_string(v))
		return bad(p, at, name, v ? "want a string" : "is missing");
	s = json_string_value(v);
	if (required && !*s)
		return bad(p, at, name, "is empty");
	if (json_string_length(v) > max)
		return bad(p, at, name, "is too long");
	if (has_control(s))
		return bad(p, at, name, "holds a control character");
	*ret = xstrdup(s);
	return 0;
}

static int text_member(struct parser *p, const struct place *at, const json_t *j, const char *name,
		       int required, size_t max, char **ret)
{
	return string(p, at, name, member(j, name), required, max, ret);
}

/* A string made of [A-Za-z0-9] and MORE. */
static int word_member(struct parser *p, const struct place *at, const json_t *j, const char *name,
		       int required, size_t max, const char *more, char **ret)
{
	char *s;
	int r;

	r = text_member(p, at, j, name, required, max, &s);
	if (r < 0)
		return r;
	*ret = s;
	for (; *s; s++) {
		bool alnum = (*s >= '0' && *s <= '9') || (*s >= 'A' && *s <= 'Z') ||
			     (*s >= 'a' && *s <= 'z');

		if (!alnum && !strchr(more, *s)) {
			free(*ret);
			*ret = NULL;
			return err_refuse(p->err, REFUSAL_SCHEMA,
					  "manifest %s.%s: want letters, digits and '%s' only",
					  at->path, name, more);
		}
	}
	return 0;
}

static int number(struct parser *p, const struct place *at, const char *name, const json_t *v,
		  uint64_t min, uint64_t max, uint64_t *ret)
{
	json_int_t n;

	if (!json_is_integer(v))
		return bad(p, at, name, v ? "want a whole number" : "is missing");
	n = json_integer_value(v);
	if (n < 0 || (uint64_t)n < min || (uint64_t)n > max)
		return err_refuse(p->err, REFUSAL_SCHEMA,
				  "manifest %s%s%s: %lld is not between %llu and %llu", at->path,
				  *at->path ? "." : "", name, (long long)n, (unsigned long long)min,
				  (unsigned long long)max);
	*ret = (uint64_t)n;
	return 0;
}

static int date(struct parser *p, const struct place *at, const char *name, const json_t *v,
		int required, int64_t *ret)
{
	const char *s = json_string_value(v);

	if (!v && !required) {
		*ret = TIME_NONE;
		return 0;
	}
	if (!v)
		return bad(p, at, name, "is missing");
	if (!s || !time_parse(span_str(s), ret))
		return bad(p, at, name, "want a date like '2026-11-20T00:00:00Z'");
	return 0;
}

static int strings(struct parser *p, const struct place *at, const char *name, const json_t *list,
		   size_t max_n, size_t max, char ***ret, size_t *ret_n)
{
	int r;

	if (!list)
		return 0;
	if (!json_is_array(list))
		return bad(p, at, name, "want a list");
	if (json_array_size(list) > max_n)
		return bad(p, at, name, "has too many elements");
	*ret = xcalloc(json_array_size(list), sizeof(**ret));
	for (size_t i = 0; i < json_array_size(list); i++) {
		char where[PATH_MAX_BYTES];

		snprintf(where, sizeof(where), "%s[%zu]", name, i);
		r = string(p, at, where, json_array_get(list, i), REQUIRED, max, &(*ret)[i]);
		if (r < 0)
			return r;
		*ret_n = i + 1;
	}
	return 0;
}

/* ---- rows ---- */

static int encoding(struct parser *p, size_t i, const json_t *j)
{
	struct place at = place_of("encodings", i, "encodings.");
	struct encoding_rows *rows = p->m->encodings;
	struct encoding_row *row;
	int r;

	r = object(p, &at, j, encoding_members);
	if (r < 0)
		return r;
	rows->row = xreallocarray(rows->row, rows->n + 1, sizeof(*rows->row));
	row = &rows->row[rows->n++];
	*row = (struct encoding_row){ .origin = ORIGIN_UPSTREAM };
	r = word_member(p, &at, j, "name", REQUIRED, ENCODING_NAME_MAX - 1, "-._:", &row->name);
	if (r < 0)
		return r;
	r = text_member(p, &at, j, "scan", REQUIRED, TEXT_MAX_BYTES, &row->scan);
	if (r < 0)
		return r;
	return text_member(p, &at, j, "expression", REQUIRED, TEXT_MAX_BYTES, &row->expression);
}

static int product_use(struct parser *p, const char *product_path, size_t i, const json_t *j,
		       struct product_encoding *u)
{
	struct place at = { .prefix = "products.encodings." };
	uint64_t from = 0, to = UINT32_MAX;
	int r;

	snprintf(at.path, sizeof(at.path), "%.64s.encodings[%zu]", product_path, i);
	r = object(p, &at, j, use_members);
	if (r < 0)
		return r;
	r = word_member(p, &at, j, "name", REQUIRED, ENCODING_NAME_MAX - 1, "-._:", &u->encoding);
	if (r < 0)
		return r;
	if (member(j, "from")) {
		r = number(p, &at, "from", member(j, "from"), 0, UINT32_MAX, &from);
		if (r < 0)
			return r;
	}
	if (member(j, "to")) {
		r = number(p, &at, "to", member(j, "to"), from, UINT32_MAX, &to);
		if (r < 0)
			return r;
	}
	if (to < from)
		return bad(p, &at, "from", "is larger than 'to'");
	u->from = (uint32_t)from;
	u->to = (uint32_t)to;
	return text_member(p, &at, j, "user", OPTIONAL, TEXT_MAX_BYTES, &u->user);
}

static int product(struct parser *p, size_t i, const json_t *j)
{
	struct place at = place_of("products", i, "products.");
	struct products *ps = p->m->products;
	CLEANUP(free) char *status = NULL;
	const json_t *uses = member(j, "encodings");
	struct product *row;
	uint64_t n;
	int r;

	r = object(p, &at, j, product_members);
	if (r < 0)
		return r;
	ps->product = xreallocarray(ps->product, ps->n + 1, sizeof(*ps->product));
	row = ps->product[ps->n++] = xcalloc(1, sizeof(*row));
	row->origin = ORIGIN_UPSTREAM;
	r = number(p, &at, "number", member(j, "number"), 0, UINT16_MAX, &n);
	if (r < 0)
		return r;
	row->number = (uint16_t)n;
	r = text_member(p, &at, j, "name", REQUIRED, NAME_MAX_BYTES, &row->name);
	if (r < 0)
		return r;
	if (strchr(row->name, '/'))
		return bad(p, &at, "name", "holds a '/'");
	r = text_member(p, &at, j, "status", REQUIRED, NAME_MAX_BYTES, &status);
	if (r < 0)
		return r;
	if (!product_status_parse(status, &row->status))
		return bad(p, &at, "status", "is not a status that is known");
	r = text_member(p, &at, j, "vendor", OPTIONAL, TEXT_MAX_BYTES, &row->vendor);
	if (r == 0)
		r = text_member(p, &at, j, "contact", OPTIONAL, TEXT_MAX_BYTES, &row->contact);
	if (r == 0)
		r = text_member(p, &at, j, "reference", OPTIONAL, TEXT_MAX_BYTES, &row->reference);
	if (r == 0)
		r = word_member(p, &at, j, "node", OPTIONAL, NAME_MAX_BYTES, "-_@", &row->node);
	if (r < 0)
		return r;
	if (*row->node == '_')
		return bad(p, &at, "node", "must not begin with '_'");
	r = date(p, &at, "deadline", member(j, "deadline"), OPTIONAL, &row->deadline);
	if (r < 0 || !uses)
		return r;
	if (!json_is_array(uses))
		return bad(p, &at, "encodings", "want a list");
	if (json_array_size(uses) > USES_MAX)
		return bad(p, &at, "encodings", "has too many elements");
	row->encoding = xcalloc(json_array_size(uses), sizeof(*row->encoding));
	for (size_t k = 0; k < json_array_size(uses); k++) {
		row->n_encodings = k + 1;
		r = product_use(p, at.path, k, json_array_get(uses, k), &row->encoding[k]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int choice(struct parser *p, const struct place *at, const json_t *j, const char *name,
		  const char *first, const char *second, bool *ret_second)
{
	const json_t *v = member(j, name);
	const char *s = json_string_value(v);

	*ret_second = s && strcmp(s, second) == 0;
	if (!v || *ret_second || (s && strcmp(s, first) == 0))
		return 0;
	return err_refuse(p->err, REFUSAL_SCHEMA, "manifest %s.%s: want \"%s\" or \"%s\"", at->path,
			  name, first, second);
}

static int entry(struct parser *p, size_t i, const json_t *j)
{
	struct place at = place_of("entries", i, "entries.");
	struct entries *es = p->m->entries;
	bool audit, range;
	struct entry *row;
	uint64_t n;
	int r;

	r = object(p, &at, j, entry_members);
	if (r < 0)
		return r;
	/* By powers of two: n is the count, so the capacity need not be kept. */
	if ((es->n & (es->n - 1)) == 0)
		es->entry = xreallocarray(es->entry, es->n ? 2 * es->n : 1, sizeof(*es->entry));
	row = es->entry[es->n++] = xcalloc(1, sizeof(*row));
	row->origin = ORIGIN_UPSTREAM;
	row->not_before = row->expires = TIME_NONE;
	r = word_member(p, &at, j, "id", REQUIRED, 64, "-._", &row->id);
	if (r < 0)
		return r;
	r = number(p, &at, "product", member(j, "product"), 0, UINT16_MAX, &n);
	if (r < 0)
		return r;
	row->product = (uint16_t)n;
	r = text_member(p, &at, j, "builds", REQUIRED, BUILDS_MAX_BYTES, &row->builds);
	if (r == 0)
		r = choice(p, &at, j, "mode", "enforce", "audit", &audit);
	if (r == 0)
		r = choice(p, &at, j, "publish", "nodes", "range", &range);
	if (r < 0)
		return r;
	row->mode = audit ? MODE_AUDIT : MODE_ENFORCE;
	row->publish = range ? PUBLISH_RANGE : PUBLISH_NODES;
	r = text_member(p, &at, j, "reason", REQUIRED, TEXT_MAX_BYTES, &row->reason);
	if (r == 0)
		r = strings(p, &at, "references", member(j, "references"), REFERENCES_MAX,
			    TEXT_MAX_BYTES, &row->references, &row->n_references);
	if (r == 0)
		r = date(p, &at, "not_before", member(j, "not_before"), OPTIONAL, &row->not_before);
	if (r == 0)
		r = date(p, &at, "expires", member(j, "expires"), OPTIONAL, &row->expires);
	if (r < 0)
		return r;
	if (row->not_before != TIME_NONE && row->expires != TIME_NONE &&
	    row->expires <= row->not_before)
		return bad(p, &at, "expires", "is not later than 'not_before'");
	return 0;
}

static int keys(struct parser *p)
{
	CLEANUP(keyring_free) struct keyring *k = keyring_new(1);
	struct place at = { .path = "keys", .prefix = "keys." };
	struct manifest_keys *mk;
	JSON *j = NULL;
	uint64_t n;
	int r;

	r = value(p, &j);
	if (r < 0 || json_is_null(j))
		return r;
	mk = p->m->keys = xcalloc(1, sizeof(*mk));
	r = object(p, &at, j, keys_members);
	if (r == 0)
		r = strings(p, &at, "keys", member(j, "keys"), 64, 64, &mk->key, &mk->n);
	if (r == 0)
		r = strings(p, &at, "revoked", member(j, "revoked"), 1024, 64, &mk->revoked,
			    &mk->n_revoked);
	for (size_t i = 0; r == 0 && i < mk->n; i++) {
		char where[PATH_MAX_BYTES];

		snprintf(where, sizeof(where), "keys.keys[%zu]", i);
		if (keyring_add(k, mk->key[i], where, p->err) < 0)
			r = err_refuse(p->err, REFUSAL_SCHEMA, "manifest %s", p->err->msg);
	}
	for (size_t i = 0; r == 0 && i < mk->n_revoked; i++) {
		char where[PATH_MAX_BYTES];

		snprintf(where, sizeof(where), "keys.revoked[%zu]", i);
		if (keyring_revoke(k, mk->revoked[i], where, p->err) < 0)
			r = err_refuse(p->err, REFUSAL_SCHEMA, "manifest %s", p->err->msg);
	}
	if (r < 0)
		return r;
	if (!keyring_size(k))
		return bad(p, &at, "keys", "no key is left that could sign");
	r = number(p, &at, "threshold", member(j, "threshold"), 1, keyring_size(k), &n);
	if (r == 0)
		mk->threshold = (uint32_t)n;
	return r;
}

/* ---- the whole ---- */

static const struct place top = { .path = "", .prefix = "" };

static int top_member(struct parser *p, const char *name)
{
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
	if (strcmp(name, "format") == 0)
		return json_is_string(j) && strcmp(json_string_value(j), MANIFEST_FORMAT) == 0
			       ? 0
			       : bad(p, &top, name, "want \"" MANIFEST_FORMAT "\"");
	if (strcmp(name, "spec") == 0) {
		r = number(p, &top, name, j, 1, INT64_MAX, &p->spec);
		if (r == 0 && p->spec != MANIFEST_SPEC)
			return err_refuse(p->err, REFUSAL_SCHEMA,
					  "manifest spec: this program knows %d only, not %llu",
					  MANIFEST_SPEC, (unsigned long long)p->spec);
		return r;
	}
	if (strcmp(name, "version") == 0)
		return number(p, &top, name, j, 1, INT64_MAX, &p->m->version);
	if (strcmp(name, "issued") == 0)
		return date(p, &top, name, j, REQUIRED, &p->m->issued);
	if (strcmp(name, "expires") == 0)
		return date(p, &top, name, j, REQUIRED, &p->m->expires);
	if (strcmp(name, "critical") == 0)
		return strings(p, &top, name, json_is_null(j) ? NULL : j, UNKNOWN_MAX,
			       NAME_MAX_BYTES, &p->critical, &p->n_critical);
	return note_unknown(p, "", name);
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
	bool twice = false;

	for (uint32_t i = 0; top_members[i]; i++) {
		if (strcmp(top_members[i], name) == 0) {
			twice = p->seen & 1u << i;
			p->seen |= 1u << i;
		}
	}
	for (size_t i = 0; i < p->n_unknown; i++)
		twice |= strcmp(p->unknown[i].path, name) == 0;
	if (!twice)
		return 0;
	return err_refuse(p->err, REFUSAL_SCHEMA, "manifest %s: is there twice", name);
}

static int document(struct parser *p)
{
	int r;

	if (!utf8_valid(p->text, p->n))
		return err_refuse(p->err, REFUSAL_SCHEMA, "manifest: is not UTF-8");
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

		if (is_member(known[i].members, name) || (strncmp(name, known[i].prefix, n) == 0 &&
							  is_member(known[i].members, name + n)))
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
	static const char *const required[] = { "format",  "spec",	"version",  "issued",
						"expires", "encodings", "products", "entries" };

	for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
		for (uint32_t k = 0; top_members[k]; k++) {
			if (strcmp(top_members[k], required[i]) == 0 && !(p->seen & 1u << k))
				return bad(p, &top, required[i], "is missing");
		}
	}
	if (p->m->expires <= p->m->issued)
		return bad(p, &top, "expires", "is not later than 'issued'");
	return 0;
}

/* A row's key and its place in the document. */
struct indexed {
	const char *text;
	uint32_t number;
	size_t at;
};

static int by_key(const void *a, const void *b)
{
	const struct indexed *x = a, *y = b;
	int c = x->text && y->text ? strcmp(x->text, y->text) : 0;

	if (c == 0)
		c = (x->number > y->number) - (x->number < y->number);
	return c ? c : (x->at > y->at) - (x->at < y->at);
}

static int check_unique(struct parser *p, struct indexed *x, size_t n, const char *list,
			const char *name)
{
	qsort(x, n, sizeof(*x), by_key);
	for (size_t i = 1; i < n; i++) {
		if ((x[i].text && strcmp(x[i].text, x[i - 1].text) != 0) ||
		    x[i].number != x[i - 1].number)
			continue;
		return err_refuse(p->err, REFUSAL_SCHEMA,
				  "manifest %s[%zu].%s: is the same as in %s[%zu]", list, x[i].at,
				  name, list, x[i - 1].at);
	}
	return 0;
}

/* Nothing twice; leaves every list sorted. */
static int check_rows(struct parser *p)
{
	struct manifest *m = p->m;
	size_t n = m->entries->n;
	CLEANUP(free) struct indexed *x = NULL;
	CLEANUP(free) struct entry **entries = NULL;
	CLEANUP(free) struct product **products = NULL;
	CLEANUP(free) struct encoding_row *encodings = NULL;
	int r;

	if (n < m->products->n)
		n = m->products->n;
	if (n < m->encodings->n)
		n = m->encodings->n;
	x = xcalloc(n, sizeof(*x));
	m->encoding_at = xcalloc(m->encodings->n, sizeof(uint32_t));
	m->product_at = xcalloc(m->products->n, sizeof(uint32_t));
	m->entry_at = xcalloc(m->entries->n, sizeof(uint32_t));
	for (size_t i = 0; i < m->encodings->n; i++)
		x[i] = (struct indexed){ m->encodings->row[i].name, 0, i };
	r = check_unique(p, x, m->encodings->n, "encodings", "name");
	if (r < 0)
		return r;
	encodings = xcalloc(m->encodings->n, sizeof(*encodings));
	for (size_t i = 0; i < m->encodings->n; i++) {
		m->encoding_at[i] = (uint32_t)x[i].at;
		encodings[i] = m->encodings->row[x[i].at];
	}

	for (size_t i = 0; i < m->products->n; i++)
		x[i] = (struct indexed){ m->products->product[i]->name, 0, i };
	r = check_unique(p, x, m->products->n, "products", "name");
	if (r < 0)
		return r;
	for (size_t i = 0; i < m->products->n; i++)
		x[i] = (struct indexed){ NULL, m->products->product[i]->number, i };
	r = check_unique(p, x, m->products->n, "products", "number");
	if (r < 0)
		return r;
	products = xcalloc(m->products->n, sizeof(*products));
	for (size_t i = 0; i < m->products->n; i++) {
		m->product_at[i] = (uint32_t)x[i].at;
		products[i] = m->products->product[x[i].at];
	}

	for (size_t i = 0; i < m->entries->n; i++)
		x[i] = (struct indexed){ m->entries->entry[i]->id, 0, i };
	r = check_unique(p, x, m->entries->n, "entries", "id");
	if (r < 0)
		return r;
	entries = xcalloc(m->entries->n, sizeof(*entries));
	for (size_t i = 0; i < m->entries->n; i++) {
		m->entry_at[i] = (uint32_t)x[i].at;
		entries[i] = m->entries->entry[x[i].at];
	}

	for (size_t i = 0; i < m->encodings->n; i++)
		m->encodings->row[i] = encodings[i];
	for (size_t i = 0; i < m->products->n; i++)
		m->products->product[i] = products[i];
	for (size_t i = 0; i < m->entries->n; i++)
		m->entries->entry[i] = entries[i];
	return 0;
}

static void make_notices(struct parser *p)
{
	p->m->notices = xcalloc(p->n_unknown, sizeof(char *));
	for (size_t i = 0; i < p->n_unknown; i++) {
		p->m->notices[p->m->n_notices++] = xasprintf(
			"the manifest has a member that this program does not know: '%s' (%zu %s)",
			p->unknown[i].path, p->unknown[i].count,
			p->unknown[i].count == 1 ? "time" : "times");
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
		r = check_rows(&p);
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
