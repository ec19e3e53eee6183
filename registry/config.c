/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration through inih: one table of sections, keys and how a value is taken. The
 * reader counts lines itself, because inih tells a handler no line numbers and cuts long lines.
 */
#include "registry/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include <ini.h>

#include "registry/near.h"

#define LINE_BYTES 4096 /* with newline and terminator */

enum value_kind {
	VALUE_TEXT,   /* any text, may be empty */
	VALUE_WORDS,  /* separated by spaces; a key given again adds */
	VALUE_NUMBER, /* u32 in min..max */
	VALUE_SIZE,   /* u64 bytes in min..max, with an optional KiB, MiB or GiB */
	VALUE_CHOICE, /* bool: false for the first word, true for the second */
};

struct key {
	const char *section, *name;
	enum value_kind kind;
	size_t offset;	 /* of the member in struct config */
	size_t n_offset; /* VALUE_WORDS: of its count */
	uint64_t min, max;
	const char *no, *yes; /* VALUE_CHOICE */
	const char *prefix;   /* VALUE_TEXT, VALUE_WORDS: what is not empty begins with it */
};

#define AT(member) offsetof(struct config, member)

static const struct key keys[] = {
	{ "upstream", "url", VALUE_TEXT, .offset = AT(upstream_url), .prefix = "https://" },
	{ "upstream", "mirrors", VALUE_WORDS, .offset = AT(mirrors), .n_offset = AT(n_mirrors),
	  .prefix = "https://" },
	{ "upstream", "keys", VALUE_TEXT, .offset = AT(keys_dir) },
	{ "upstream", "threshold", VALUE_NUMBER, .offset = AT(threshold), .min = 1, .max = 64 },
	{ "upstream", "ca-file", VALUE_TEXT, .offset = AT(ca_file) },
	{ "upstream", "pinned-public-key", VALUE_TEXT, .offset = AT(pinned_public_key),
	  .prefix = "sha256//" },
	{ "upstream", "max-size", VALUE_SIZE, .offset = AT(max_size), .min = 1, .max = 1u << 30 },
	{ "upstream", "timeout", VALUE_NUMBER, .offset = AT(timeout), .min = 1, .max = 86400 },
	{ "upstream", "retries", VALUE_NUMBER, .offset = AT(retries), .min = 0, .max = 100 },
	{ "header", "url", VALUE_TEXT, .offset = AT(header_url), .prefix = "https://" },
	{ "publish", "node-access", VALUE_CHOICE, .offset = AT(nodes_dom0_only), .no = "all",
	  .yes = "dom0" },
	{ "publish", "expand-limit", VALUE_NUMBER, .offset = AT(expand_limit), .min = 1,
	  .max = UINT32_MAX },
	{ "publish", "total-limit", VALUE_NUMBER, .offset = AT(total_limit), .min = 1,
	  .max = UINT32_MAX },
	{ "policy", "impact", VALUE_CHOICE, .offset = AT(impact_refuse), .no = "warn",
	  .yes = "refuse" },
	{ "policy", "family", VALUE_CHOICE, .offset = AT(family_allow), .no = "refuse",
	  .yes = "allow" },
	{ "policy", "max-new", VALUE_NUMBER, .offset = AT(max_new), .min = 0, .max = UINT32_MAX },
	{ "observe", "logs", VALUE_WORDS, .offset = AT(logs), .n_offset = AT(n_logs) },
};

struct reading {
	FILE *file;
	const char *path;
	unsigned line;
	bool seen[ARRAY_SIZE(keys)];
	struct config *config;
	struct err *err;
	int r;
};

static __attribute__((format(printf, 2, 3))) int fail(struct reading *in, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	in->r = err_set(in->err, ERR_CONFIG, "'%s' line %u: %s", in->path, in->line, text);
	free(text);
	return 0;
}

static int unknown_key(struct reading *in, const char *section, const char *name)
{
	struct near near = { .word = name };
	struct near sections = { .word = section };
	CLEANUP(free) char *hint = NULL;
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		near_offer(&sections, keys[i].section);
		if (strcmp(keys[i].section, section) != 0)
			continue;
		known = true;
		near_offer(&near, keys[i].name);
	}
	hint = near_text(known ? &near : &sections);
	if (!*section)
		return fail(in, "key '%s' stands before any [section]", name);
	if (!known)
		return fail(in, "unknown section '%s'%s", section, hint);
	if (!near.best) {
		/* A key of another section, spelled right or nearly so. */
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			if (strcmp(keys[i].name, name) == 0)
				return fail(in, "unknown key '%s' in [%s], it belongs to [%s]",
					    name, section, keys[i].section);
	}
	return fail(in, "unknown key '%s' in [%s]%s", name, section, hint);
}

static bool parse_size(const char *text, uint64_t max, uint64_t *ret)
{
	static const struct {
		const char *suffix;
		unsigned shift;
	} units[] = { { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 } };
	struct span s = span_str(text), left, right;
	unsigned shift = 0;
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (span_cut(s, units[i].suffix, &left, &right) && !right.n) {
			s = span_trim(left);
			shift = units[i].shift;
			break;
		}
	}
	if (!parse_u64(s, &v) || v > max >> shift)
		return false;
	*ret = v << shift;
	return true;
}

static bool has_prefix(struct reading *in, const struct key *k, const char *value)
{
	if (!*value || !k->prefix || strncmp(value, k->prefix, strlen(k->prefix)) == 0)
		return true;
	fail(in, "%s '%s' does not begin with %s", k->name, value, k->prefix);
	return false;
}

/* False after an error. */
static bool add_words(struct reading *in, const struct key *k, const char *value)
{
	char ***words = (char ***)((char *)in->config + k->offset);
	size_t *n = (size_t *)((char *)in->config + k->n_offset);

	for (;;) {
		size_t len;

		value += strspn(value, " \t");
		len = strcspn(value, " \t");
		if (!len)
			return true;
		*words = xreallocarray(*words, *n + 1, sizeof(**words));
		(*words)[(*n)++] = xstrndup(value, len);
		if (!has_prefix(in, k, (*words)[*n - 1]))
			return false;
		value += len;
	}
}

static int take(struct reading *in, const struct key *k, const char *value)
{
	char *member = (char *)in->config + k->offset;
	uint64_t number;

	switch (k->kind) {
	case VALUE_TEXT:
		if (!has_prefix(in, k, value))
			return 0;
		free(*(char **)member);
		*(char **)member = xstrdup(value);
		return 1;
	case VALUE_WORDS:
		return add_words(in, k, value);
	case VALUE_NUMBER:
		if (!parse_number(span_str(value), k->max, &number) || number < k->min)
			return fail(in, "%s '%s' is not a number from %" PRIu64 " to %" PRIu64,
				    k->name, value, k->min, k->max);
		*(uint32_t *)member = (uint32_t)number;
		return 1;
	case VALUE_SIZE:
		if (!parse_size(value, k->max, &number) || number < k->min)
			return fail(in,
				    "%s '%s' is not a size from %" PRIu64 " to %" PRIu64
				    " bytes (KiB, MiB and GiB may follow)",
				    k->name, value, k->min, k->max);
		*(uint64_t *)member = number;
		return 1;
	case VALUE_CHOICE:
		if (strcmp(value, k->yes) != 0 && strcmp(value, k->no) != 0)
			return fail(in, "%s '%s' is neither '%s' nor '%s'", k->name, value, k->no,
				    k->yes);
		*(bool *)member = strcmp(value, k->yes) == 0;
		return 1;
	}
	return 0;
}

/* inih's handler: 0 stops the parse. */
static int handle(void *ctx, const char *section, const char *name, const char *value)
{
	struct reading *in = ctx;

	if (in->r < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct key *k = &keys[i];

		if (strcmp(k->section, section) != 0 || strcmp(k->name, name) != 0)
			continue;
		if (in->seen[i] && k->kind != VALUE_WORDS)
			return fail(in, "key '%s' in [%s] stands here a second time", name,
				    section);
		in->seen[i] = true;
		return take(in, k, value);
	}
	return unknown_key(in, section, name);
}

/* inih's reader: one whole line or nothing. */
static char *next_line(char *buf, int size, void *ctx)
{
	struct reading *in = ctx;
	int n = 0, c;

	if (in->r < 0)
		return NULL;
	in->line++;
	while ((c = getc(in->file)) != EOF && c != '\n') {
		if (c == '\0') {
			fail(in, "holds a NUL byte");
			return NULL;
		}
		if (n == size - 2) {
			fail(in, "longer than %d bytes", size - 2);
			return NULL;
		}
		buf[n++] = (char)c;
	}
	if (ferror(in->file)) {
		fail(in, "cannot read: %s", strerror(errno));
		return NULL;
	}
	if (c == EOF && n == 0)
		return NULL;
	buf[n++] = '\n';
	buf[n] = '\0';
	return buf;
}

static struct config *config_defaults(void)
{
	struct config *c = xcalloc(1, sizeof(*c));

	c->upstream_url = xstrdup("");
	c->keys_dir = xstrdup(SYSCONFDIR "/xenblacklist/keys.d");
	c->threshold = 1;
	c->ca_file = xstrdup("");
	c->pinned_public_key = xstrdup("");
	c->max_size = 8u << 20;
	c->timeout = 120;
	c->retries = 4;
	c->header_url = xstrdup("");
	c->expand_limit = 4096;
	c->total_limit = 16384;
	c->max_new = 1000;
	return c;
}

static void words_free(char **words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(words[i]);
	free(words);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	free(c->upstream_url);
	words_free(c->mirrors, c->n_mirrors);
	free(c->keys_dir);
	free(c->ca_file);
	free(c->pinned_public_key);
	free(c->header_url);
	words_free(c->logs, c->n_logs);
	free(c);
}

int config_load(const char *path, bool must_exist, struct config **ret, struct err *err)
{
	CLEANUP(config_free) struct config *c = config_defaults();
	CLEANUP(close_file) FILE *f = fopen(path, "re");
	struct reading in = { .file = f, .path = path, .config = c, .err = err };

	if (!f && (must_exist || errno != ENOENT))
		return err_set(err, ERR_CONFIG, "cannot read configuration '%s': %s", path,
			       strerror(errno));
	if (f) {
		int bad;

		ini_stop_on_first_error = true;
		ini_allow_multiline = false;
		ini_max_line = LINE_BYTES;
		bad = ini_parse_stream(next_line, &in, handle, &in);
		if (bad && in.r == 0)
			fail(&in, "is neither '[section]' nor 'key = value'");
		if (in.r < 0)
			return in.r;
	}
	*ret = TAKE(c);
	return 0;
}
