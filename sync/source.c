/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the signatures: URL.minisig, and URL.KEYID.minisig for every trusted key when more than
 * one has to sign or when the first is by a key that is not trusted (any more, or yet).
 */
#include "sync/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "registry/digest.h"

static void signature_set_free(struct signature_set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free((char *)s->file[i].bytes);
		free((char *)s->file[i].where);
	}
	free(s->file);
}
#define SIGNATURE_SET __attribute__((__cleanup__(signature_set_free))) struct signature_set

char *source_text(const struct source *s)
{
	return s->fetcher ? fetch_url_text(s->where) : xstrdup(s->where);
}

static int read_file(const char *path, uint64_t max, struct fetched **ret, struct err *err)
{
	CLEANUP(fetched_free) struct fetched *f = xcalloc(1, sizeof(*f));
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t cap;

	if (fd < 0)
		return err_set(err,
			       errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND
			       : errno == EACCES		   ? ERR_DENIED
								   : ERR_IO,
			       "cannot open '%s': %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode))
		return err_set(err, ERR_IO, "cannot read '%s': %s", path, strerror(EISDIR));
	/* Without waiting for somebody who opens a pipe; for what a writer has to say, with. */
	if (fcntl(fd, F_SETFL, 0) < 0)
		return err_set(err, ERR_IO, "cannot read '%s': %s", path, strerror(errno));
	cap = st.st_size > 0 && (uint64_t)st.st_size <= max ? (size_t)st.st_size + 2 : 4096;
	f->bytes = xreallocarray(NULL, cap, 1);
	for (;;) {
		ssize_t got;

		if (f->n + 1 >= cap) {
			cap *= 2;
			f->bytes = xreallocarray(f->bytes, cap, 1);
		}
		got = read(fd, f->bytes + f->n, cap - 1 - f->n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(err, ERR_IO, "cannot read '%s': %s", path, strerror(errno));
		if (!got)
			break;
		f->n += (size_t)got;
		if (f->n > max)
			return err_refuse(err, REFUSAL_TOOBIG, "'%s' is larger than %llu bytes",
					  path, (unsigned long long)max);
	}
	f->bytes[f->n] = '\0';
	*ret = TAKE(f);
	return 0;
}

static int get(const struct source *s, const char *suffix, uint64_t max,
	       const struct fetch_validators *known, struct fetched **ret, struct err *err)
{
	CLEANUP(free) char *where = NULL;

	if (!s->fetcher) {
		where = xasprintf("%s%s", s->where, suffix);
		return read_file(where, max, ret, err);
	}
	where = *suffix ? fetch_url_suffix(s->where, suffix) : xstrdup(s->where);
	return fetch(s->fetcher, where ? where : s->where, max, known, ret, err);
}

static void add(struct signature_set *set, struct fetched *f, char *where)
{
	GROW(set->file, set->n, set->cap);
	set->file[set->n++] = (struct signature_file){ TAKE(f->bytes), f->n, where };
}

/* 1 when it is there and was added, 0 when it is not there. */
static int try_suffix(const struct source *s, const char *suffix, struct signature_set *set,
		      struct err *err)
{
	CLEANUP(fetched_free) struct fetched *f = NULL;
	CLEANUP(free) char *text = source_text(s);
	struct err ignored;
	int r = get(s, suffix, SIGNATURE_FILE_MAX, NULL, &f, &ignored);

	if (r == -ERR_NOT_FOUND)
		return 0;
	if (r < 0) {
		*err = ignored;
		return r;
	}
	add(set, f, xasprintf("%s%s", text, suffix));
	return 1;
}

static int by_key(const struct source *s, const char *id, struct signature_set *set,
		  struct err *err)
{
	CLEANUP(free) char *suffix = xasprintf(".%s.minisig", id);

	return try_suffix(s, suffix, set, err);
}

static int collect(const struct source *s, const struct keyring *k, struct signature_set *set,
		   struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->n_signatures; i++) {
		CLEANUP(fetched_free) struct fetched *f = NULL;

		r = read_file(s->signatures[i], SIGNATURE_FILE_MAX, &f, err);
		if (r < 0)
			return r;
		add(set, f, xstrdup(s->signatures[i]));
	}
	if (s->n_signatures)
		return 0;
	if (keyring_threshold(k) <= 1) {
		r = try_suffix(s, ".minisig", set, err);
		if (r < 0 || (r && keyring_knows(k, &set->file[0])))
			return r < 0 ? r : 0;
	}
	for (size_t i = 0; i < keyring_size(k); i++) {
		r = by_key(s, keyring_id(k, i), set, err);
		if (r < 0)
			return r;
		if (r && keyring_threshold(k) <= 1)
			break;
	}
	return 0;
}

int source_signatures(struct source *s, const struct keyring *k, struct err *err)
{
	return collect(s, k, &s->found, err);
}

char *source_signature_digest(const struct source *s)
{
	CLEANUP(digest_free) struct digest *d = digest_new();
	char *ret = xcalloc(1, DIGEST_HEX);

	for (size_t i = 0; i < s->found.n; i++) {
		digest_u64(d, s->found.file[i].n);
		digest_bytes(d, s->found.file[i].bytes, s->found.file[i].n);
	}
	digest_hex(d, ret);
	return ret;
}

void source_end(struct source *s)
{
	signature_set_free(&s->found);
	s->found = (struct signature_set){ 0 };
}

static int no_signature(const struct source *s, const struct keyring *k, struct err *err)
{
	CLEANUP(free) char *text = source_text(s);

	if (keyring_threshold(k) > 1)
		return err_refuse(err, REFUSAL_THRESHOLD,
				  "signed by 0 of the %u trusted keys needed: no "
				  "'%s.KEYID.minisig' of one is there",
				  keyring_threshold(k), text);
	return err_refuse(err, REFUSAL_BADSIG, "no signature: '%s.minisig' is not there", text);
}

int source_get(const struct source *s, const struct keyring *k,
	       const struct fetch_validators *known, struct verified **ret_verified,
	       struct fetch_validators *ret_validators, struct err *err)
{
	CLEANUP(fetched_free) struct fetched *f = NULL;
	int r = get(s, "", s->max_size, known, &f, err);

	if (r < 0)
		return r;
	*ret_validators = f->validators;
	if (f->not_modified) {
		*ret_verified = NULL;
		return 0;
	}
	if (!s->found.n)
		return no_signature(s, k, err);
	return verify(k, &f->bytes, f->n, s->found.file, s->found.n, ret_verified, err);
}

int source_verify_again(const struct source *s, const struct verified *v, const struct keyring *k,
			struct err *err)
{
	SIGNATURE_SET set = { 0 };

	for (size_t i = 0; i < keyring_size(k) && !s->n_signatures; i++) {
		bool have = false;
		int r;

		for (size_t n = 0; n < verified_signers(v); n++)
			have |= strcmp(verified_signer(v, n), keyring_id(k, i)) == 0;
		r = have ? 0 : by_key(s, keyring_id(k, i), &set, err);
		if (r < 0)
			return r;
	}
	return verify_again(v, k, set.file, set.n, err);
}
