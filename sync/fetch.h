/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SYNC_FETCH_H
#define SYNC_FETCH_H

/*
 * A URL to bytes, under rules that a hostile server cannot bend: https only (redirects too, three
 * at most), a byte cap counted while receiving, one time budget over everything, retries only for
 * what is transient. The only user of curl.h. Proxies come from https_proxy and no_proxy.
 */
#include "registry/base.h"
#include "registry/err.h"

/* The time that one sync has for all that it fetches. */
struct fetch_budget {
	int64_t deadline_ms; /* on the monotonic clock */
};
struct fetch_budget fetch_budget(uint32_t seconds);

struct fetch_options {
	const char *ca_file;	       /* PEM; "" or NULL: the system's */
	const char *pinned_public_key; /* "sha256//..." or "" or NULL */
	uint64_t max_size;	       /* bytes of the body */
	uint32_t retries;	       /* after the first try */
	struct fetch_budget budget;
	void (*progress)(void *ctx, uint64_t done,
			 uint64_t all); /* all: 0 when not known; or NULL */
	void *ctx;
};

/* What the server said about a body's identity; sent back to ask for changes only. */
struct fetch_validators {
	char *etag, *last_modified; /* NULL when the server gave none */
};

struct fetched {
	bool not_modified; /* 304: no bytes; only when validators were sent */
	char *bytes;	   /* terminated by a NUL that n does not count */
	size_t n;
	struct fetch_validators validators;
};
void fetched_free(struct fetched *f);
DEFINE_CLEANUP(struct fetched *, fetched_free)

/*
 * Fetches URL. KNOWN may be NULL.
 * ERR_USAGE: not an https URL. ERR_REFUSED/REDIRECT: a redirect that leaves https, or more than
 * three; TOOBIG: more than max_size. ERR_NOT_FOUND: 404 or 410. ERR_UNREACHABLE: everything else
 * that network, TLS and server do. ERR_CONFIG: the CA file cannot be used.
 * No message holds the user, password or query of a URL.
 */
int fetch(const char *url, const struct fetch_options *o, const struct fetch_validators *known,
	  struct fetched **ret, struct err *err);

/* URL as messages and status may show it: without user, password, query and fragment. */
char *fetch_url_text(const char *url);

/* "https_proxy=..." as fetch() would use for URL, shown by status; NULL for none. */
char *fetch_proxy_text(const char *url);

/* libcurl's version, for --version. */
const char *fetch_library_version(void);

#endif
