/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_PULL_STATE_H
#define SYNC_PULL_STATE_H

/* Between the parts of pull: what is remembered. Everything is written in the caller's
 * transaction. */
#include "sync/fetch.h"
#include "sync/pull.h"

/* A manifest was taken. */
int pull_state_change(struct db *db, const struct manifest *m, const char *digest, struct err *err);
/* SOURCE confirmed what is here. V: its validators, or NULL for none. */
int pull_state_contact(struct db *db, const char *source, const struct fetch_validators *v,
		       const char *url, const char *trust, const char *sigs, struct err *err);

/* The same source said that nothing has changed. */
int pull_state_touch(struct db *db, struct err *err);

/*
 * The validators that were stored, when they are of this URL, the same keys were
 * trusted (TRUST) and the signature files were the same (SIGS); empty otherwise.
 */
int pull_validators(struct db *db, const char *url, const char *trust, const char *sigs,
		    struct fetch_validators *ret, struct err *err);
/* Names the three without keeping a password of the URL. The caller frees. */
char *pull_url_digest(const char *url, const char *trust, const char *sigs);

/* Appends TEXT to a list of sentences. */
void pull_notice(char ***list, size_t *n, struct span text);
void pull_strings_free(char **list, size_t n);

/* A fetcher by the configuration, that reports to O's progress. */
int pull_fetcher(const struct pull_options *o, struct fetcher **ret, struct err *err);

/* What BY has revoked is revoked in K, too. */
int pull_keyring_revoke(struct keyring *k, const struct keyring *by, struct err *err);
char *pull_keyring_digest(const struct keyring *k);
int pull_keyring_set(struct db *db, const struct config *c, const struct keyring *k,
		     struct err *err);

#endif
