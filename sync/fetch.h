/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_FETCH_H
#define SYNC_FETCH_H

/*
 * A URL to bytes, under rules that a hostile server cannot bend: https only (redirects too, three
 * at most), a byte cap counted while receiving, one time budget over everything, retries only for
 * what is transient. The network is spoken by a program of its own, xenblacklist-fetch, that has
 * no privileges and no files; only bytes and rows come back, and they are not believed. Proxies come
 * from https_proxy, all_proxy and no_proxy.
 */
#include "registry/base.h"
#include "registry/err.h"
#include "sync/header.h"

struct fetch_options {
	const char *ca_file;	       /* PEM; "" or NULL: the system's */
	const char *pinned_public_key; /* "sha256//..."; "" or NULL: none */
	uint32_t budget;	       /* seconds for everything that one fetcher does */
	uint32_t retries;	       /* of one fetch, after its first try */
	void (*progress)(void *ctx, uint64_t done, uint64_t all); /* all: 0 unknown; or NULL */
	void *ctx;
};

struct fetcher;

/*
 * Starts the helper; the budget begins. ERR_CONFIG: the CA file cannot be read. ERR_INTERNAL: the
 * helper is not there. ERR_DENIED: it cannot give up its privileges. ERR_UNREACHABLE, ERR_IO.
 */
int fetcher_open(const struct fetch_options *o, struct fetcher **ret, struct err *err);
void fetcher_close(struct fetcher *f);
DEFINE_CLEANUP(struct fetcher *, fetcher_close)

/* What the server said about a body's identity; sent back to ask for changes only. */
#define FETCH_VALIDATOR_MAX 256
struct fetch_validators {
	char etag[FETCH_VALIDATOR_MAX], last_modified[FETCH_VALIDATOR_MAX]; /* "": none */
};

struct fetched {
	bool not_modified; /* 304: no bytes; only when validators were sent */
	char *bytes;	   /* malloc'd; terminated by a NUL that n does not count */
	size_t n;
	struct fetch_validators validators;
};
void fetched_free(struct fetched *f);
DEFINE_CLEANUP(struct fetched *, fetched_free)

/*
 * Fetches URL, MAX_SIZE bytes at most. KNOWN may be NULL.
 * ERR_USAGE: not an https URL. ERR_REFUSED/REDIRECT: a redirect that leaves https, or more than
 * three; TOOBIG: more than max_size. ERR_NOT_FOUND: 404 or 410. ERR_UNREACHABLE: everything else
 * that network, TLS and server do. No message holds the user, password or query of a URL.
 */
int fetch(struct fetcher *f, const char *url, uint64_t max_size,
	  const struct fetch_validators *known, struct fetched **ret, struct err *err);

/*
 * The same for a pvdrivers.h, which nobody has signed: it is parsed where it can do no harm, and
 * its rows come back. ERR_REFUSED/SCHEMA when it is none.
 */
int fetch_header(struct fetcher *f, const char *url, uint64_t max_size, struct header **ret,
		 struct err *err);

bool fetch_is_https(const char *url);

/* URL as messages may show it: without user, password, query and fragment. The caller frees. */
char *fetch_url_text(const char *url);

/* URL with SUFFIX at the end of its path (before a query). NULL when URL is none. */
char *fetch_url_suffix(const char *url, const char *suffix);

/* The proxy that the environment names for https, as messages may show it; NULL for none. */
char *fetch_proxy_text(void);

/* libcurl's version and that of its TLS, asked of the helper. Errors as fetcher_open(). */
int fetch_library_version(char **ret, struct err *err);

#endif
