/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a host remembers from one sync to the next: the last trusted version (apart from the list,
 * so that an emptied list does not forget it), validators, rotated keys; all of it small values
 * of the registry, written in the transaction of the change. The lock and the memory of failures
 * are files beside the registry.
 */
#include "sync/pull-state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "registry/digest.h"

#define REMIND_SECONDS 86400

/* ---- values ---- */

static int get_text(struct db *db, const char *key, char **ret, struct err *err)
{
	int r = db_meta_get(db, key, ret, err);

	if (r == 0 && !*ret)
		*ret = xstrdup("");
	return r;
}

static int get_number(struct db *db, const char *key, uint64_t *ret, struct err *err)
{
	CLEANUP(free) char *text = NULL;
	int r = db_meta_get(db, key, &text, err);

	*ret = 0;
	if (r < 0 || !text)
		return r;
	if (!parse_u64(span_str(text), ret))
		return err_set(err, ERR_INVALID, "the registry's '%s' is not a number: '%s'", key,
			       text);
	return 0;
}

static int get_time(struct db *db, const char *key, int64_t *ret, struct err *err)
{
	CLEANUP(free) char *text = NULL;
	int r = db_meta_get(db, key, &text, err);

	*ret = TIME_NONE;
	if (r < 0 || !text)
		return r;
	if (!time_parse(span_str(text), ret))
		return err_set(err, ERR_INVALID, "the registry's '%s' is not a date: '%s'", key,
			       text);
	return 0;
}

static int set_time(struct db *db, const char *key, int64_t t, struct err *err)
{
	char buf[TIME_TEXT_MAX];

	return db_meta_set(db, key, time_text(t, buf), err);
}

int pull_state(struct db *db, struct pull_state **ret, struct err *err)
{
	CLEANUP(pull_state_free) struct pull_state *s = xcalloc(1, sizeof(*s));
	CLEANUP(free) char *keys = NULL;
	int r;

	if ((r = get_number(db, "sync.version", &s->version, err)) < 0 ||
	    (r = get_text(db, "sync.digest", &s->digest, err)) < 0 ||
	    (r = get_time(db, "sync.issued", &s->issued, err)) < 0 ||
	    (r = get_time(db, "sync.expires", &s->expires, err)) < 0 ||
	    (r = get_time(db, "sync.contact", &s->last_contact, err)) < 0 ||
	    (r = get_time(db, "sync.change", &s->last_change, err)) < 0 ||
	    (r = get_text(db, "sync.source", &s->source, err)) < 0 ||
	    (r = db_meta_get(db, "sync.keys", &keys, err)) < 0)
		return r;
	s->keys_rotated = keys;
	*ret = TAKE(s);
	return 0;
}

void pull_state_free(struct pull_state *s)
{
	if (!s)
		return;
	free(s->digest);
	free(s->source);
	free(s);
}

int pull_state_change(struct db *db, const struct manifest *m, const char *digest, struct err *err)
{
	CLEANUP(free) char *version = xasprintf("%" PRIu64, m->version);
	int r;

	if ((r = db_meta_set(db, "sync.version", version, err)) < 0 ||
	    (r = db_meta_set(db, "sync.digest", digest, err)) < 0 ||
	    (r = set_time(db, "sync.issued", m->issued, err)) < 0 ||
	    (r = set_time(db, "sync.expires", m->expires, err)) < 0)
		return r;
	return set_time(db, "sync.change", db_now(db), err);
}

int pull_state_contact(struct db *db, const char *source, const struct fetch_validators *v,
		       const char *url, const char *trust, const char *sigs, struct err *err)
{
	bool known = v && (*v->etag || *v->last_modified);
	CLEANUP(free) char *key = known ? pull_url_digest(url, trust, sigs) : NULL;
	int r;

	if ((r = set_time(db, "sync.contact", db_now(db), err)) < 0 ||
	    (r = db_meta_set(db, "sync.source", source, err)) < 0 ||
	    (r = db_meta_set(db, "sync.validated", key, err)) < 0 ||
	    (r = db_meta_set(db, "sync.etag", known ? v->etag : NULL, err)) < 0)
		return r;
	return db_meta_set(db, "sync.last-modified", known ? v->last_modified : NULL, err);
}

int pull_state_touch(struct db *db, struct err *err)
{
	return set_time(db, "sync.contact", db_now(db), err);
}

char *pull_url_digest(const char *url, const char *trust, const char *sigs)
{
	CLEANUP(digest_free) struct digest *d = digest_new();
	char *ret = xcalloc(1, DIGEST_HEX);

	digest_text(d, url);
	digest_text(d, trust);
	digest_text(d, sigs);
	digest_hex(d, ret);
	return ret;
}

int pull_validators(struct db *db, const char *url, const char *trust, const char *sigs,
		    struct fetch_validators *ret, struct err *err)
{
	CLEANUP(free) char *want = pull_url_digest(url, trust, sigs);
	CLEANUP(free) char *have = NULL, *etag = NULL, *modified = NULL;
	int r;

	*ret = (struct fetch_validators){ 0 };
	if ((r = get_text(db, "sync.validated", &have, err)) < 0 ||
	    (r = get_text(db, "sync.etag", &etag, err)) < 0 ||
	    (r = get_text(db, "sync.last-modified", &modified, err)) < 0)
		return r;
	if (strcmp(have, want) != 0)
		return 0;
	snprintf(ret->etag, sizeof(ret->etag), "%s", etag);
	snprintf(ret->last_modified, sizeof(ret->last_modified), "%s", modified);
	return 0;
}

/* ---- keys ---- */

static void digest_ring(struct digest *d, const struct keyring *k)
{
	digest_u64(d, keyring_threshold(k));
	digest_u64(d, keyring_size(k));
	for (size_t i = 0; i < keyring_size(k); i++)
		digest_text(d, keyring_base64(k, i));
	for (size_t i = 0; i < keyring_revoked_size(k); i++)
		digest_text(d, keyring_revoked_base64(k, i));
}

char *pull_keyring_digest(const struct keyring *k)
{
	CLEANUP(digest_free) struct digest *d = digest_new();
	char *ret = xcalloc(1, DIGEST_HEX);

	digest_ring(d, k);
	digest_hex(d, ret);
	return ret;
}

/* "threshold 1 key RW... revoked RW...": words, so that sqlite3 shows it on one line. */
static int parse_ring(const char *text, struct keyring **ret, struct err *err)
{
	CLEANUP(keyring_free) struct keyring *k = NULL;
	struct span rest = span_str(text), word, value;
	uint32_t threshold;
	int r = 0;

	while (r == 0 && rest.n) {
		CLEANUP(free) char *s = NULL;

		if (!span_cut(rest, " ", &word, &rest) || !span_cut(rest, " ", &value, &rest)) {
			r = -1;
			break;
		}
		s = xstrndup(value.p, value.n);
		if (span_eq(word, "threshold") && !k && parse_u32(value, &threshold))
			k = keyring_new(threshold);
		else if (span_eq(word, "key") && k)
			r = keyring_add(k, s, "sync.keys", err);
		else if (span_eq(word, "revoked") && k)
			r = keyring_revoke(k, s, "sync.keys", err);
		else
			r = -1;
	}
	if (r < 0 || !k)
		return err_set(err, ERR_INVALID, "the registry's 'sync.keys' cannot be read");
	*ret = TAKE(k);
	return 0;
}

int pull_keyring_set(struct db *db, const struct config *c, const struct keyring *k,
		     struct err *err)
{
	CLEANUP(keyring_free) struct keyring *base = NULL;
	CLEANUP(free) char *base_digest = NULL;
	CLEANUP(free) char *text = NULL;
	size_t n = 0;
	FILE *f;
	int r;

	r = keyring_load(c->keys_dir, c->threshold, &base, err);
	if (r < 0)
		return r;
	base_digest = pull_keyring_digest(base);
	f = open_memstream(&text, &n);
	if (!f)
		abort();
	fprintf(f, "threshold %" PRIu32 " ", keyring_threshold(k));
	for (size_t i = 0; i < keyring_size(k); i++)
		fprintf(f, "key %s ", keyring_base64(k, i));
	for (size_t i = 0; i < keyring_revoked_size(k); i++)
		fprintf(f, "revoked %s ", keyring_revoked_base64(k, i));
	fclose(f);
	r = db_meta_set(db, "sync.keys", text, err);
	return r < 0 ? r : db_meta_set(db, "sync.keys-base", base_digest, err);
}

int pull_keyring_revoke(struct keyring *k, const struct keyring *by, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < keyring_revoked_size(by) && r == 0; i++)
		r = keyring_revoke(k, keyring_revoked_base64(by, i), "sync.keys", err);
	return r;
}

int pull_keyring(struct db *db, const struct config *c, struct keyring **ret, struct err *err)
{
	CLEANUP(keyring_free) struct keyring *base = NULL, *ring = NULL;
	CLEANUP(free) char *rotated = NULL, *rotated_base = NULL, *digest = NULL;
	int r = keyring_load(c->keys_dir, c->threshold, &base, err);

	if (r < 0)
		return r;
	if ((r = db_meta_get(db, "sync.keys", &rotated, err)) < 0 ||
	    (r = db_meta_get(db, "sync.keys-base", &rotated_base, err)) < 0)
		return r;
	digest = pull_keyring_digest(base);
	if (rotated && (r = parse_ring(rotated, &ring, err)) < 0)
		return r;
	if (ring && rotated_base && strcmp(rotated_base, digest) == 0) {
		*ret = TAKE(ring);
		return 0;
	}
	/* The administrator has the last word on who is trusted; a stolen key is still stolen. */
	if (ring && (r = pull_keyring_revoke(base, ring, err)) < 0)
		return r;
	if (keyring_size(base) < c->threshold)
		return err_set(err, ERR_CONFIG,
			       "'%s' holds %zu trusted keys that no manifest has revoked, fewer "
			       "than the threshold of %" PRIu32,
			       c->keys_dir, keyring_size(base), c->threshold);
	*ret = TAKE(base);
	return 0;
}

/* ---- small things that both pulls need ---- */

void pull_strings_free(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void pull_notice(char ***list, size_t *n, struct span text)
{
	*list = xreallocarray(*list, *n + 1, sizeof(**list));
	(*list)[(*n)++] = xstrndup(text.p, text.n);
}

static void on_fetch(void *ctx, uint64_t done, uint64_t all)
{
	const struct pull_options *o = ctx;

	o->progress(o->ctx, "fetch", done, all);
}

int pull_fetcher(const struct pull_options *o, struct fetcher **ret, struct err *err)
{
	struct fetch_options f = {
		.ca_file = o->config->ca_file,
		.pinned_public_key = o->config->pinned_public_key,
		.budget = o->config->timeout,
		.retries = o->config->retries,
		.progress = o->progress ? on_fetch : NULL,
		.ctx = (void *)(uintptr_t)o,
	};

	return fetcher_open(&f, ret, err);
}

/* ---- files beside the registry ---- */

static int64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int pull_lock(const char *registry, uint32_t wait, int *ret_fd, struct err *err)
{
	static const struct timespec pause = { 0, 50 * 1000000 };
	CLEANUP(free) char *path = xasprintf("%s.lock", registry);
	CLEANUP(close_fd)
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	int64_t end = monotonic_ms() + (int64_t)wait * 1000;

	if (fd < 0)
		return err_set(err, errno == EACCES || errno == EPERM ? ERR_DENIED : ERR_CREATE,
			       "cannot open the lock '%s': %s", path, strerror(errno));
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(err, ERR_IO, "cannot lock '%s': %s", path, strerror(errno));
		if (monotonic_ms() >= end)
			return err_refuse(err, REFUSAL_LOCKED,
					  "another sync is running ('%s' is locked): try again "
					  "later, or with --wait",
					  path);
		nanosleep(&pause, NULL);
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

struct note {
	int64_t since, told;
	char *word;
};

/* "failed SINCE TOLD WORD"; no file while all is well. */
static bool read_note(const char *registry, struct note *ret)
{
	CLEANUP(free) char *path = xasprintf("%s.sync", registry);
	CLEANUP(close_file) FILE *f = fopen(path, "re");
	struct span field[3], rest;
	char text[512];
	size_t n;

	if (!f)
		return false;
	n = fread(text, 1, sizeof(text), f);
	rest = span_of(text, n);
	for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
		if (!span_cut(rest, " ", &field[i], &rest))
			return false;
	}
	if (!span_eq(field[0], "failed") || !time_parse(field[1], &ret->since) ||
	    !time_parse(field[2], &ret->told) || !rest.n)
		return false;
	ret->word = xstrndup(rest.p, rest.n - (rest.p[rest.n - 1] == '\n'));
	return true;
}

static void write_note(const char *path, const char *text)
{
	CLEANUP(free) char *temporary = xasprintf("%s.XXXXXX", path);
	int fd = mkostemp(temporary, O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	bool ok;

	if (!f) {
		close_fd(fd);
		return;
	}
	ok = fprintf(f, "%s\n", text) > 0 && fchmod(fd, 0644) == 0;
	ok = fclose(f) == 0 && ok;
	if (!ok || rename(temporary, path) < 0)
		unlink(temporary);
}

bool pull_is_news(const char *registry, const char *failure, int64_t now)
{
	CLEANUP(free) char *path = xasprintf("%s.sync", registry);
	CLEANUP(free) char *text = NULL, *before = NULL;
	char since[TIME_TEXT_MAX], told[TIME_TEXT_MAX];
	struct note note = { .since = now };
	bool failed = read_note(registry, &note);

	before = note.word;
	if (!failure) {
		if (failed)
			unlink(path);
		return failed;
	}
	if (failed && strcmp(before, failure) == 0 && now >= note.told &&
	    now - note.told < REMIND_SECONDS)
		return false;
	text = xasprintf("failed %s %s %s", time_text(note.since, since), time_text(now, told),
			 failure);
	write_note(path, text);
	return true;
}

bool pull_fails(const char *registry, char **ret_failure, int64_t *ret_since)
{
	struct note note;

	if (!read_note(registry, &note))
		return false;
	*ret_failure = note.word;
	*ret_since = note.since;
	return true;
}
