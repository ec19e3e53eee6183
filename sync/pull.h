/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_PULL_H
#define SYNC_PULL_H

/*
 * One sync, a straight line: lock, fetch, verify, parse, gates, one registry transaction. It does
 * not touch xenstore: the caller applies afterwards. A pull that fails leaves the registry byte
 * for byte as it was.
 */
#include "registry/config.h"
#include "registry/db.h"
#include "sync/impact.h"
#include "sync/manifest.h"

/* Two clocks are never equal: what was issued this much later than now is still taken. */
#define PULL_CLOCK_SKEW 300

struct pull_options {
	const struct config *config;
	const char *url;  /* instead of the configuration's and its mirrors; or NULL */
	const char *from; /* a file instead of any URL; or NULL */
	const char *const
		*signatures; /* files, for from; none: FROM.minisig, FROM.<KEYID>.minisig */
	size_t n_signatures;
	bool dry_run;		 /* everything but the commit */
	uint64_t accept_version; /* go back to this version deliberately; 0: never */
	bool whole_family;	 /* as [policy] family = allow */
	/* Told whom a new list hits, before it is taken or refused; NULL: nobody asks. */
	void (*impact)(void *ctx, const struct impact *i, const struct blacklist *after,
		       bool grows);
	const char *const *accept_impact; /* ids of entries whose impact is meant */
	size_t n_accept_impact;
	/*
	 * A last gate, or NULL: called in the transaction with the new rows in place, before the
	 * commit; what it refuses is not taken.
	 */
	int (*check)(void *ctx, struct db *db, struct err *err);
	void (*progress)(void *ctx, const char *what, uint64_t done, uint64_t all); /* or NULL */
	void *ctx;
};

enum pull_outcome {
	PULL_CHANGED, /* a new manifest was taken (or would be, with dry_run) */
	PULL_SAME,    /* the manifest is the one that was taken last */
};

struct pull_counts {
	size_t added, changed, removed, all;
};

struct pull_result {
	enum pull_outcome outcome;
	bool not_modified;	    /* the server answered 304 */
	char *source;		    /* URL as it may be shown, or file */
	uint64_t version, previous; /* previous: 0 when this is the first */
	int64_t issued, expires;
	char **signer; /* key ids that signed; empty on 304 */
	size_t n_signers;
	bool keys_changed;
	struct pull_counts encodings, products, entries;
	uint64_t new_builds; /* builds that the entries cover and did not before */
	char **notices;	     /* sentences for people; foreign text is in them as it came */
	size_t n_notices;
};
void pull_result_free(struct pull_result *r);
DEFINE_CLEANUP(struct pull_result *, pull_result_free)

/*
 * DB is open for writing, also for dry_run (the transaction is rolled back). Takes the lock of
 * pull_lock() for granted. Gates in order: signature (BADSIG, THRESHOLD), format (SCHEMA,
 * CRITICAL), version (ROLLBACK, SAMEVERSION), dates (FUTURE, EXPIRED; also on 304 and for the
 * same manifest), key rotation (THRESHOLD), tripwires (TRIPWIRE, BUDGET), guests (IMPACT).
 * ERR_CONFIG: neither URL nor file, or no usable keys. ERR_NOT_FOUND: no such file, or no entry
 * whose impact to accept.
 */
int pull(struct db *db, const struct pull_options *o, struct pull_result **ret, struct err *err);

/* Xen's own header at [header] url: products on unassigned numbers are added, nothing else. */
struct pull_header_result {
	char *source;
	size_t added;
	char **notices; /* every product added and everything that differs */
	size_t n_notices;
};
void pull_header_result_free(struct pull_header_result *r);
DEFINE_CLEANUP(struct pull_header_result *, pull_header_result_free)
int pull_header(struct db *db, const struct pull_options *o, struct pull_header_result **ret,
		struct err *err);

/*
 * One sync at a time: an exclusive lock on REGISTRY.lock, waited for up to WAIT seconds.
 * ERR_BUSY/LOCKED. Closing the descriptor releases it.
 */
int pull_lock(const char *registry, uint32_t wait, int *ret_fd, struct err *err);

/* The last sync as the registry remembers it; all zero and TIME_NONE when there was none. */
struct pull_state {
	uint64_t version; /* the last that was trusted */
	char *digest;	  /* of its bytes, BLAKE2b-512 in hexadecimal; "" */
	int64_t issued, expires;
	int64_t last_contact; /* a server or file confirmed the state; TIME_NONE: never */
	int64_t last_change;  /* a manifest was taken */
	char *source;	      /* "" */
	bool keys_rotated;    /* the trusted keys came with a manifest */
};
void pull_state_free(struct pull_state *s);
DEFINE_CLEANUP(struct pull_state *, pull_state_free)
int pull_state(struct db *db, struct pull_state **ret, struct err *err);

/*
 * The keys that count now: those that a manifest rotated to, as long as the ones in keys.d and
 * the threshold are what they were then; otherwise those in keys.d.
 */
int pull_keyring(struct db *db, const struct config *c, struct keyring **ret, struct err *err);

/*
 * Cron manners. Notes how a sync ended in REGISTRY.sync and tells whether that is news: FAILURE
 * (a stable word: a code or an exit status; NULL for success) is another than last time, or a day
 * has passed since it was told. The file is all that a failed sync leaves behind. Best effort:
 * when it cannot be written everything is news.
 */
bool pull_is_news(const char *registry, const char *failure, int64_t now);
/* True while syncs fail: the word of the last failure (caller frees) and since when. */
bool pull_fails(const char *registry, char **ret_failure, int64_t *ret_since);

#endif
