/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict minisign. The layout of keys and signature files is that of minisign(1); what is hidden
 * here is how little of what its parser lets through is taken: every byte of a signature file is
 * either signed, checked against the key, or the text of the first line.
 */
#include "sync/verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#define NUMBER_BYTES 8
#define KEY_BYTES (2 + NUMBER_BYTES + crypto_sign_PUBLICKEYBYTES)
#define SIGNATURE_BYTES (2 + NUMBER_BYTES + crypto_sign_BYTES)
#define HASH_BYTES 64
#define BASE64_LENGTH(n) (((n) + 2) / 3 * 4)
#define UNTRUSTED "untrusted comment: "
#define TRUSTED "trusted comment: "

struct key {
	unsigned char raw[KEY_BYTES]; /* "Ed", number, key */
	char id[KEY_ID_TEXT];
	char base64[BASE64_LENGTH(KEY_BYTES) + 1];
};

struct keys {
	struct key *key;
	size_t n, cap;
};

struct keyring {
	uint32_t threshold;
	struct keys usable, revoked; /* ascending by id */
};

struct signature {
	unsigned char raw[SIGNATURE_BYTES]; /* "ED", number, signature */
	unsigned char global[crypto_sign_BYTES];
	char id[KEY_ID_TEXT];
	char *comment;
	char *where;
};

struct signatures {
	struct signature *sig;
	size_t n, cap;
};

struct verified {
	char *bytes;
	size_t n;
	unsigned char hash[HASH_BYTES];
	char digest[2 * HASH_BYTES + 1];
	struct signatures sigs;
	size_t *signer; /* indices of sigs that count, one a key */
	size_t n_signers;
};

static void must_init(void)
{
	if (sodium_init() < 0)
		abort();
}

/* minisign prints the little-endian number as a whole. */
static void id_text(const unsigned char number[static NUMBER_BYTES], char ret[static KEY_ID_TEXT])
{
	for (size_t i = 0; i < NUMBER_BYTES; i++)
		snprintf(ret + 2 * i, 3, "%02X", number[NUMBER_BYTES - 1 - i]);
}

/*
 * Canonical base64 of exactly n bytes: whatever encodes to the same text. libsodium's decoder is
 * strict about padding and stray bits, but takes some bytes above 0x7f for letters (1.0.18).
 */
static bool decode(struct span s, unsigned char *ret, size_t n)
{
	char again[BASE64_LENGTH(SIGNATURE_BYTES) + 1];
	size_t got = 0;

	if (s.n != BASE64_LENGTH(n) || s.n >= sizeof(again) ||
	    sodium_base642bin(ret, n, s.p, s.n, NULL, &got, NULL, sodium_base64_VARIANT_ORIGINAL) !=
		    0 ||
	    got != n)
		return false;
	sodium_bin2base64(again, sizeof(again), ret, n, sodium_base64_VARIANT_ORIGINAL);
	return span_eq(s, again);
}

/* Control bytes hide text from people or end lines early; minisign's own comments hold tabs. */
static bool has_control(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

/* Exactly n lines, each ended by LF, none with control bytes. */
static int split_lines(struct span text, struct span *line, size_t n, const char *where,
		       struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!span_cut(text, "\n", &line[i], &text))
			return err_set(err, ERR_INVALID,
				       i + 1 == n && text.n
					       ? "'%s' has to have exactly %zu lines, and the last "
						 "does not end in a line feed"
					       : "'%s' has to have exactly %zu lines",
				       where, n);
		if (has_control(line[i]))
			return err_set(err, ERR_INVALID, "'%s' line %zu holds a control byte",
				       where, i + 1);
	}
	if (text.n)
		return err_set(err, ERR_INVALID, "'%s' goes on after line %zu", where, n);
	return 0;
}

static bool after_prefix(struct span line, const char *prefix, struct span *ret)
{
	size_t n = strlen(prefix);

	if (line.n < n || memcmp(line.p, prefix, n) != 0)
		return false;
	*ret = span_of(line.p + n, line.n - n);
	return true;
}

struct keyring *keyring_new(uint32_t threshold)
{
	struct keyring *k = xcalloc(1, sizeof(*k));

	must_init();
	k->threshold = threshold;
	return k;
}

void keyring_free(struct keyring *k)
{
	if (!k)
		return;
	free(k->usable.key);
	free(k->revoked.key);
	free(k);
}

static int key_decode(const char *base64, struct key *ret, const char *where, struct err *err)
{
	struct key key = { 0 };

	if (!decode(span_str(base64), key.raw, sizeof(key.raw)))
		return err_set(err, ERR_INVALID,
			       "'%s' is not a minisign public key: want %d characters of base64",
			       where, BASE64_LENGTH(KEY_BYTES));
	if (memcmp(key.raw, "Ed", 2) != 0)
		return err_set(err, ERR_INVALID, "'%s' is not an Ed25519 key of minisign", where);
	id_text(key.raw + 2, key.id);
	snprintf(key.base64, sizeof(key.base64), "%s", base64);
	*ret = key;
	return 0;
}

static bool same_key(const struct key *a, const struct key *b)
{
	return memcmp(a->raw + 2 + NUMBER_BYTES, b->raw + 2 + NUMBER_BYTES,
		      crypto_sign_PUBLICKEYBYTES) == 0;
}

static struct key *find_key(const struct keys *ks, const struct key *key)
{
	for (size_t i = 0; i < ks->n; i++) {
		if (same_key(&ks->key[i], key))
			return &ks->key[i];
	}
	return NULL;
}

static struct key *find_id(const struct keys *ks, const char *id)
{
	for (size_t i = 0; i < ks->n; i++) {
		if (strcmp(ks->key[i].id, id) == 0)
			return &ks->key[i];
	}
	return NULL;
}

static void insert(struct keys *ks, const struct key *key)
{
	size_t at = ks->n;

	GROW(ks->key, ks->n, ks->cap);
	while (at > 0 && strcmp(ks->key[at - 1].id, key->id) > 0) {
		ks->key[at] = ks->key[at - 1];
		at--;
	}
	ks->key[at] = *key;
	ks->n++;
}

int keyring_add(struct keyring *k, const char *base64, const char *where, struct err *err)
{
	struct key key;
	int r;

	r = key_decode(base64, &key, where, err);
	if (r < 0)
		return r;
	/* One key under two numbers would count twice towards the threshold. */
	if (find_key(&k->usable, &key) || find_id(&k->usable, key.id))
		return err_set(err, ERR_INVALID, "'%s': key %s is there already", where, key.id);
	if (!find_key(&k->revoked, &key))
		insert(&k->usable, &key);
	return 0;
}

int keyring_add_file_text(struct keyring *k, const char *bytes, size_t n, const char *where,
			  struct err *err)
{
	CLEANUP(free) char *base64 = NULL;
	struct span line[2], comment;
	int r;

	r = split_lines(span_of(bytes, n), line, 2, where, err);
	if (r < 0)
		return r;
	if (!after_prefix(line[0], UNTRUSTED, &comment))
		return err_set(err, ERR_INVALID, "'%s' line 1 does not begin with '%s'", where,
			       UNTRUSTED);
	base64 = xstrndup(line[1].p, line[1].n);
	return keyring_add(k, base64, where, err);
}

int keyring_revoke(struct keyring *k, const char *base64, const char *where, struct err *err)
{
	struct key key, *found;
	int r;

	r = key_decode(base64, &key, where, err);
	if (r < 0)
		return r;
	found = find_key(&k->usable, &key);
	if (found) {
		size_t at = (size_t)(found - k->usable.key);

		memmove(found, found + 1, (k->usable.n - at - 1) * sizeof(*found));
		k->usable.n--;
	}
	if (!find_key(&k->revoked, &key))
		insert(&k->revoked, &key);
	return 0;
}

/* Who could change a key file, or put one there, would be trusted like its owner. */
static int check_mode(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, ERR_CONFIG, "cannot look at '%s': %s", path, strerror(errno));
	if (st.st_mode & S_IWOTH)
		return err_set(err, ERR_CONFIG,
			       "'%s' can be written by everybody: 'chmod o-w' it, after a look at "
			       "what is there",
			       path);
	return 0;
}

/* A whole small file; more than MAX bytes is an error. */
static int read_small(const char *path, size_t max, char **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(free) char *buf = xcalloc(1, max + 2);
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t n = 0;
	int r;

	if (fd < 0)
		return err_set(err, ERR_CONFIG, "cannot open '%s': %s", path, strerror(errno));
	r = check_mode(fd, path, err);
	if (r < 0)
		return r;
	for (;;) {
		ssize_t got = read(fd, buf + n, max + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(err, ERR_CONFIG, "cannot read '%s': %s", path,
				       strerror(errno));
		if (!got)
			break;
		n += (size_t)got;
		if (n > max)
			return err_set(err, ERR_CONFIG, "'%s' is larger than %zu bytes", path, max);
	}
	*ret = TAKE(buf);
	*ret_n = n;
	return 0;
}

static int is_pub(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 4 && d->d_name[0] != '.' && strcmp(d->d_name + n - 4, ".pub") == 0;
}

static void free_names(struct dirent **names, int n)
{
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

int keyring_load(const char *dir, uint32_t threshold, struct keyring **ret, struct err *err)
{
	CLEANUP(keyring_free) struct keyring *k = keyring_new(threshold);
	CLEANUP(close_fd) int fd = -1;
	struct dirent **names = NULL;
	int r, n;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	n = fd < 0 ? -1 : scandir(dir, &names, is_pub, alphasort);
	if (n < 0)
		return err_set(err, ERR_CONFIG, "cannot list the trusted keys in '%s': %s", dir,
			       strerror(errno));
	r = check_mode(fd, dir, err);
	for (int i = 0; i < n && r == 0; i++) {
		CLEANUP(free) char *path = xasprintf("%s/%s", dir, names[i]->d_name);
		CLEANUP(free) char *bytes = NULL;
		size_t size = 0;

		r = read_small(path, SIGNATURE_FILE_MAX, &bytes, &size, err);
		if (r == 0)
			r = keyring_add_file_text(k, bytes, size, path, err);
	}
	free_names(names, n);
	if (r < 0)
		return err_set(err, ERR_CONFIG, "%s", err->msg);
	if (!k->usable.n)
		return err_set(
			err, ERR_CONFIG,
			"no trusted key in '%s': put the publisher's minisign .pub file there",
			dir);
	if (k->usable.n < threshold)
		return err_set(err, ERR_CONFIG,
			       "'%s' holds %zu trusted keys, fewer than the threshold of %u", dir,
			       k->usable.n, threshold);
	*ret = TAKE(k);
	return 0;
}

uint32_t keyring_threshold(const struct keyring *k)
{
	return k->threshold;
}

size_t keyring_size(const struct keyring *k)
{
	return k->usable.n;
}

const char *keyring_id(const struct keyring *k, size_t i)
{
	return k->usable.key[i].id;
}

const char *keyring_base64(const struct keyring *k, size_t i)
{
	return k->usable.key[i].base64;
}

size_t keyring_revoked_size(const struct keyring *k)
{
	return k->revoked.n;
}

const char *keyring_revoked_base64(const struct keyring *k, size_t i)
{
	return k->revoked.key[i].base64;
}

static bool keys_equal(const struct keys *a, const struct keys *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (memcmp(a->key[i].raw, b->key[i].raw, KEY_BYTES) != 0)
			return false;
	}
	return true;
}

bool keyring_equal(const struct keyring *a, const struct keyring *b)
{
	return a->threshold == b->threshold && keys_equal(&a->usable, &b->usable) &&
	       keys_equal(&a->revoked, &b->revoked);
}

static void signatures_clear(struct signatures *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->sig[i].comment);
		free(s->sig[i].where);
	}
	free(s->sig);
}

static int signature_parse(const struct signature_file *f, struct signatures *to, struct err *err)
{
	struct signature sig = { 0 };
	struct span line[4], text;
	int r;

	if (f->n > SIGNATURE_FILE_MAX)
		return err_set(err, ERR_INVALID, "'%s' is larger than %d bytes", f->where,
			       SIGNATURE_FILE_MAX);
	r = split_lines(span_of(f->bytes, f->n), line, 4, f->where, err);
	if (r < 0)
		return r;
	if (!after_prefix(line[0], UNTRUSTED, &text))
		return err_set(err, ERR_INVALID, "'%s' line 1 does not begin with '%s'", f->where,
			       UNTRUSTED);
	if (!decode(line[1], sig.raw, sizeof(sig.raw)))
		return err_set(err, ERR_INVALID, "'%s' line 2 is not %d characters of base64",
			       f->where, BASE64_LENGTH(SIGNATURE_BYTES));
	if (memcmp(sig.raw, "Ed", 2) == 0)
		return err_set(err, ERR_INVALID,
			       "'%s' is a legacy signature ('Ed'): sign again with a minisign of "
			       "version 0.10 or later, without -l",
			       f->where);
	if (memcmp(sig.raw, "ED", 2) != 0)
		return err_set(err, ERR_INVALID, "'%s' is not an Ed25519 signature of minisign",
			       f->where);
	if (!after_prefix(line[2], TRUSTED, &text))
		return err_set(err, ERR_INVALID, "'%s' line 3 does not begin with '%s'", f->where,
			       TRUSTED);
	if (!decode(line[3], sig.global, sizeof(sig.global)))
		return err_set(err, ERR_INVALID, "'%s' line 4 is not %d characters of base64",
			       f->where, BASE64_LENGTH(crypto_sign_BYTES));
	id_text(sig.raw + 2, sig.id);
	sig.comment = xstrndup(text.p, text.n);
	sig.where = xstrdup(f->where);
	GROW(to->sig, to->n, to->cap);
	to->sig[to->n++] = sig;
	return 0;
}

bool keyring_knows(const struct keyring *k, const struct signature_file *f)
{
	struct signatures sigs = { 0 };
	struct err ignored;
	bool knows;

	knows = signature_parse(f, &sigs, &ignored) < 0 || find_id(&k->usable, sigs.sig[0].id);
	signatures_clear(&sigs);
	return knows;
}

/* Both signatures of one file: over the hash, and over signature and trusted comment. */
static int signature_check(const struct signature *s, const struct key *key,
			   const unsigned char hash[static HASH_BYTES], struct err *err)
{
	const unsigned char *pk = key->raw + 2 + NUMBER_BYTES;
	const unsigned char *first = s->raw + 2 + NUMBER_BYTES;
	size_t length = strlen(s->comment);
	CLEANUP(free) char *text = xcalloc(1, crypto_sign_BYTES + length);

	if (crypto_sign_verify_detached(first, hash, HASH_BYTES, pk) != 0)
		return err_set(err, ERR_INVALID, "'%s' by key %s does not match the data", s->where,
			       s->id);
	memcpy(text, first, crypto_sign_BYTES);
	memcpy(text + crypto_sign_BYTES, s->comment, length);
	if (crypto_sign_verify_detached(s->global, (unsigned char *)text,
					crypto_sign_BYTES + length, pk) != 0)
		return err_set(err, ERR_INVALID,
			       "'%s' by key %s does not match its trusted comment", s->where,
			       s->id);
	return 0;
}

/*
 * Checks every signature and counts the keys of K that made them. What a signature by a key that
 * is not there could prove is nothing, so it is passed over; one that is there and wrong is not.
 */
static int count_keys(const struct signatures *sigs, const unsigned char hash[static HASH_BYTES],
		      const struct keyring *k, size_t **ret_index, size_t *ret_n,
		      const struct signature **ret_stranger, struct err *err)
{
	CLEANUP(free) bool *seen = xcalloc(k->usable.n, sizeof(*seen));
	CLEANUP(free) size_t *index = xcalloc(sigs->n, sizeof(*index));
	size_t n = 0;

	*ret_stranger = NULL;
	for (size_t i = 0; i < sigs->n; i++) {
		const struct key *key = find_id(&k->usable, sigs->sig[i].id);
		int r;

		if (!key) {
			if (!*ret_stranger)
				*ret_stranger = &sigs->sig[i];
			continue;
		}
		r = signature_check(&sigs->sig[i], key, hash, err);
		if (r < 0)
			return err_refuse(err, REFUSAL_BADSIG, "%s", err->msg);
		if (!seen[key - k->usable.key])
			index[n++] = i;
		seen[key - k->usable.key] = true;
	}
	*ret_index = TAKE(index);
	*ret_n = n;
	return 0;
}

static int too_few(const struct keyring *k, size_t n, const struct signature *stranger,
		   struct err *err)
{
	if (k->threshold > 1)
		return err_refuse(err, REFUSAL_THRESHOLD,
				  "signed by %zu of the %u trusted keys needed", n, k->threshold);
	if (!stranger)
		return err_refuse(err, REFUSAL_BADSIG, "no signature");
	return err_refuse(err, REFUSAL_BADSIG, "'%s' is by key %s, which is %s", stranger->where,
			  stranger->id,
			  find_id(&k->revoked, stranger->id) ? "revoked" : "not trusted");
}

static int parse_all(struct signatures *to, const struct signature_file *sigs, size_t n,
		     struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (signature_parse(&sigs[i], to, err) < 0)
			return err_refuse(err, REFUSAL_BADSIG, "signature file %s", err->msg);
	}
	return 0;
}

void verified_free(struct verified *v)
{
	if (!v)
		return;
	free(v->bytes);
	signatures_clear(&v->sigs);
	free(v->signer);
	free(v);
}

int verify(const struct keyring *k, char **bytes, size_t n, const struct signature_file *sigs,
	   size_t n_sigs, struct verified **ret, struct err *err)
{
	CLEANUP(verified_free) struct verified *v = xcalloc(1, sizeof(*v));
	const struct signature *stranger;
	int r;

	must_init();
	r = parse_all(&v->sigs, sigs, n_sigs, err);
	if (r < 0)
		return r;
	crypto_generichash(v->hash, sizeof(v->hash), (const unsigned char *)*bytes, n, NULL, 0);
	sodium_bin2hex(v->digest, sizeof(v->digest), v->hash, sizeof(v->hash));
	r = count_keys(&v->sigs, v->hash, k, &v->signer, &v->n_signers, &stranger, err);
	if (r < 0)
		return r;
	if (!v->n_signers || v->n_signers < k->threshold)
		return too_few(k, v->n_signers, stranger, err);
	v->bytes = TAKE(*bytes);
	v->n = n;
	*ret = TAKE(v);
	return 0;
}

int verify_again(const struct verified *v, const struct keyring *k,
		 const struct signature_file *more, size_t n_more, struct err *err)
{
	struct signatures sigs = { 0 };
	CLEANUP(free) size_t *index = NULL;
	const struct signature *stranger;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < v->sigs.n; i++) {
		GROW(sigs.sig, sigs.n, sigs.cap);
		sigs.sig[sigs.n] = v->sigs.sig[i];
		sigs.sig[sigs.n].comment = xstrdup(v->sigs.sig[i].comment);
		sigs.sig[sigs.n++].where = xstrdup(v->sigs.sig[i].where);
	}
	r = parse_all(&sigs, more, n_more, err);
	if (r == 0)
		r = count_keys(&sigs, v->hash, k, &index, &n, &stranger, err);
	signatures_clear(&sigs);
	if (r < 0)
		return r;
	if (!n || n < k->threshold)
		return err_refuse(err, REFUSAL_THRESHOLD, "signed by %zu of the %u keys needed", n,
				  k->threshold);
	return 0;
}

struct span verified_bytes(const struct verified *v)
{
	return span_of(v->bytes, v->n);
}

const char *verified_digest(const struct verified *v)
{
	return v->digest;
}

size_t verified_signers(const struct verified *v)
{
	return v->n_signers;
}

const char *verified_signer(const struct verified *v, size_t i)
{
	return v->sigs.sig[v->signer[i]].id;
}

const char *verified_comment(const struct verified *v, size_t i)
{
	return v->sigs.sig[v->signer[i]].comment;
}

const char *verify_library_version(void)
{
	return sodium_version_string();
}
