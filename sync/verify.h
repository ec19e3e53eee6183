/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_VERIFY_H
#define SYNC_VERIFY_H

/*
 * Bytes, minisign signatures and trusted keys to proof. Only this module can make a struct
 * verified, and only from it can a manifest be parsed. The only user of sodium.h in sync/.
 * Stricter than minisign itself: four lines, LF only, canonical base64, "ED" only.
 */
#include "registry/base.h"
#include "registry/err.h"

#define SIGNATURE_FILE_MAX 4096
#define KEY_ID_TEXT 17 /* 16 hexadecimal digits, upper case, as minisign prints them */

/* The keys that are trusted, how many of them must sign, and those that never count again. */
struct keyring;

struct keyring *keyring_new(uint32_t threshold);
void keyring_free(struct keyring *k);
DEFINE_CLEANUP(struct keyring *, keyring_free)

/*
 * Adds a key: the base64 line of a minisign public key ("RW..."), or the text of a .pub file.
 * WHERE names the source in messages. ERR_INVALID: not a strict key, or its number or key is
 * there already.
 */
int keyring_add(struct keyring *k, const char *base64, const char *where, struct err *err);
int keyring_add_file_text(struct keyring *k, const char *bytes, size_t n, const char *where,
			  struct err *err);
/* A revoked key stays unusable, whether it is among the keys or is added later. */
int keyring_revoke(struct keyring *k, const char *base64, const char *where, struct err *err);

/* All *.pub of DIR. ERR_CONFIG: no directory, no key, a bad key, fewer keys than THRESHOLD. */
int keyring_load(const char *dir, uint32_t threshold, struct keyring **ret, struct err *err);

uint32_t keyring_threshold(const struct keyring *k);
/* Keys that can sign (revoked ones are not among them), ascending by id. */
size_t keyring_size(const struct keyring *k);
const char *keyring_id(const struct keyring *k, size_t i);
const char *keyring_base64(const struct keyring *k, size_t i);
size_t keyring_revoked_size(const struct keyring *k);
const char *keyring_revoked_base64(const struct keyring *k, size_t i);
/* True when the same keys count, with the same threshold and the same revocations. */
bool keyring_equal(const struct keyring *a, const struct keyring *b);

/* One signature file as it came; WHERE names it in messages. Borrowed. */
struct signature_file {
	const char *bytes;
	size_t n;
	const char *where;
};

/* False when the file is a well-formed signature by a key that is not in K or is revoked. */
bool keyring_knows(const struct keyring *k, const struct signature_file *f);

struct verified; /* bytes that the threshold of a keyring has signed */
void verified_free(struct verified *v);
DEFINE_CLEANUP(struct verified *, verified_free)

/*
 * Takes BYTES over on success (they have to come from malloc) and copies the signatures.
 * ERR_REFUSED/BADSIG: a signature file is malformed, legacy, by a revoked key, or does not match;
 * THRESHOLD: fewer different trusted keys than the threshold have signed. A well-formed signature
 * by a key that is not in the keyring counts for nothing and spoils nothing.
 */
int verify(const struct keyring *k, char **bytes, size_t n, const struct signature_file *sigs,
	   size_t n_sigs, struct verified **ret, struct err *err);

/* The same bytes and signatures (more may be given) against another keyring: key rotation. */
int verify_again(const struct verified *v, const struct keyring *k,
		 const struct signature_file *more, size_t n_more, struct err *err);

struct span verified_bytes(const struct verified *v);
/* BLAKE2b-512 of the bytes, the hash that minisign signs, in hexadecimal. */
const char *verified_digest(const struct verified *v);
/* Ids of the trusted keys that signed, and their trusted comments (foreign text: escape it). */
size_t verified_signers(const struct verified *v);
const char *verified_signer(const struct verified *v, size_t i);
const char *verified_comment(const struct verified *v, size_t i);

/* libsodium's version, for --version. */
const char *verify_library_version(void);

#endif
