/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * URLs, and the side of fetching that speaks to the network: what libcurl may do, what is tried
 * again, what an answer means. It runs in a process of its own, see fetcher.c.
 */
#include "sync/fetch-child.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define REDIRECTS_MAX 3L
#define CONNECT_SECONDS 15L
#define SLOW_SECONDS 30L
#define HEADERS_MAX (64 * 1024)

/*
 * libcurl, and thirty libraries behind it. To load them takes several times as long as all that
 * `check` does, so they are loaded when the first URL is looked at and not with the program.
 */
#undef curl_easy_getinfo
#undef curl_easy_setopt
#define LIBCURL "libcurl.so.4"
#define EACH_FUNCTION(F)  \
	F(easy_getinfo)   \
	F(easy_init)      \
	F(easy_perform)   \
	F(easy_reset)     \
	F(easy_setopt)    \
	F(easy_strerror)  \
	F(free)           \
	F(global_init)    \
	F(slist_append)   \
	F(slist_free_all) \
	F(url) F(url_cleanup) F(url_get) F(url_set) F(version)
#define MEMBER(name) __typeof__(&curl_##name) name;
static struct {
	EACH_FUNCTION(MEMBER)
	bool loaded;
} lib;

static bool load(void *handle, const char *name, void *member)
{
	void *function = dlsym(handle, name);

	memcpy(member, &function, sizeof(function));
	return function != NULL;
}

bool fetch_ready(void)
{
	void *handle = lib.loaded ? NULL : dlopen(LIBCURL, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return lib.loaded;
#define LOAD(name) &&load(handle, "curl_" #name, &lib.name)
	lib.loaded = true EACH_FUNCTION(LOAD);
	return lib.loaded;
}

/* ---- URLs ---- */

char *fetch_url_text(const char *url)
{
	static const CURLUPart hidden[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
					    CURLUPART_QUERY, CURLUPART_FRAGMENT };
	CURLU *u;
	char *text = NULL, *ret;

	if (!fetch_ready())
		return xstrdup("(not shown: no " LIBCURL ")");
	u = lib.url();
	if (!u)
		abort();
	if (lib.url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK) {
		for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
			lib.url_set(u, hidden[i], NULL, 0);
		lib.url_get(u, CURLUPART_URL, &text, 0);
	}
	ret = xstrdup(text ? text : "(not a URL)");
	lib.free(text);
	lib.url_cleanup(u);
	return ret;
}

char *fetch_url_suffix(const char *url, const char *suffix)
{
	CURLU *u;
	CLEANUP(free) char *longer = NULL;
	char *path = NULL, *text = NULL, *ret = NULL;

	if (!fetch_ready())
		return NULL;
	u = lib.url();
	if (!u)
		abort();
	if (lib.url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	    lib.url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK) {
		longer = xasprintf("%s%s", path, suffix);
		if (lib.url_set(u, CURLUPART_PATH, longer, 0) == CURLUE_OK &&
		    lib.url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK)
			ret = xstrdup(text);
	}
	lib.free(path);
	lib.free(text);
	lib.url_cleanup(u);
	return ret;
}

char *fetch_proxy_text(void)
{
	static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "all_proxy",
					     "ALL_PROXY" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return fetch_url_text(value);
	}
	return NULL;
}

bool fetch_is_https(const char *url)
{
	CURLU *u;
	char *scheme = NULL, *host = NULL;
	bool ret;

	if (!fetch_ready())
		return false;
	u = lib.url();
	if (!u)
		abort();
	ret = lib.url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	      lib.url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	      lib.url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	      strcmp(scheme, "https") == 0 && *host;
	lib.free(scheme);
	lib.free(host);
	lib.url_cleanup(u);
	return ret;
}

/* ---- the child ---- */

struct child {
	CURL *curl;
	int fd;
	const struct fetch_task *task;

	/* of the try that is going on */
	uint64_t max_size, received, headers;
	bool too_big, too_many_headers;
	int64_t told_ms;
	struct fetch_validators validators;
};

static void must_write(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			_exit(1); /* nobody listens any more */
		at += done;
		n -= (size_t)done;
	}
}

static void send_frame(int fd, enum fetch_frame_type type, const void *p, size_t n)
{
	struct fetch_frame f = { .type = type, .n = (uint32_t)n };

	must_write(fd, &f, sizeof(f));
	must_write(fd, p, n);
}

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
	struct child *c = arg;

	(void)size;
	if (n > c->max_size - c->received) {
		c->too_big = true;
		return 0;
	}
	c->received += n;
	for (size_t at = 0; at < n; at += FETCH_CHUNK)
		send_frame(c->fd, FRAME_DATA, p + at, n - at < FETCH_CHUNK ? n - at : FETCH_CHUNK);
	return n;
}

/* Only what may be sent back in a header later. */
static void keep_validator(char *to, struct span value)
{
	to[0] = '\0';
	if (value.n >= FETCH_VALIDATOR_MAX)
		return;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < 0x20 || value.p[i] > 0x7e)
			return;
	}
	memcpy(to, value.p, value.n);
	to[value.n] = '\0';
}

static bool is_header(struct span line, const char *name, struct span *ret)
{
	struct span left, right;

	if (!span_cut(line, ":", &left, &right) || left.n != strlen(name) ||
	    strncasecmp(left.p, name, left.n) != 0)
		return false;
	*ret = span_trim(right);
	return true;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct child *c = arg;
	struct span line = span_of(p, n), value;

	(void)size;
	c->headers += n;
	if (c->headers > HEADERS_MAX) {
		c->too_many_headers = true;
		return 0;
	}
	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	/* The last response counts: redirects come before it. */
	if (line.n >= 5 && memcmp(line.p, "HTTP/", 5) == 0)
		c->validators = (struct fetch_validators){ 0 };
	else if (is_header(line, "etag", &value))
		keep_validator(c->validators.etag, value);
	else if (is_header(line, "last-modified", &value))
		keep_validator(c->validators.last_modified, value);
	return n;
}

static int on_progress(void *arg, curl_off_t all, curl_off_t done, curl_off_t up_all, curl_off_t up)
{
	struct child *c = arg;
	int64_t now = fetch_clock_ms();
	struct fetch_progress p = { (uint64_t)done, (uint64_t)all };

	(void)up_all;
	(void)up;
	if (now - c->told_ms >= 100) {
		c->told_ms = now;
		send_frame(c->fd, FRAME_PROGRESS, &p, sizeof(p));
	}
	return 0;
}

static struct curl_slist *conditional_headers(const struct fetch_validators *known)
{
	struct curl_slist *list = NULL;

	if (*known->etag) {
		CLEANUP(free) char *h = xasprintf("If-None-Match: %s", known->etag);

		list = lib.slist_append(list, h);
	}
	if (*known->last_modified) {
		CLEANUP(free) char *h = xasprintf("If-Modified-Since: %s", known->last_modified);

		list = lib.slist_append(list, h);
	}
	return list;
}

static void set_rules(struct child *c, const struct fetch_request *q, struct curl_slist *headers,
		      char *why)
{
	const char *pin = c->task->options->pinned_public_key;
	CURL *curl = c->curl;

	lib.easy_reset(curl);
	lib.easy_setopt(curl, CURLOPT_URL, q->url);
	lib.easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	lib.easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	lib.easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	lib.easy_setopt(curl, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	lib.easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	lib.easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)q->max_size);
	lib.easy_setopt(curl, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	lib.easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	lib.easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	lib.easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SLOW_SECONDS);
	lib.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	lib.easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	lib.easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	lib.easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	lib.easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	lib.easy_setopt(curl, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
	lib.easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	lib.easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	lib.easy_setopt(curl, CURLOPT_WRITEDATA, c);
	lib.easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	lib.easy_setopt(curl, CURLOPT_HEADERDATA, c);
	lib.easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	lib.easy_setopt(curl, CURLOPT_XFERINFODATA, c);
	lib.easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	lib.easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	if (c->task->ca) {
		struct curl_blob blob = { c->task->ca, c->task->ca_n, CURL_BLOB_NOCOPY };

		lib.easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
		lib.easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	if (pin && *pin)
		lib.easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, pin);
}

/* What a try came to. */
enum outcome { DONE, TRANSIENT, FINAL };

static enum outcome judge(struct child *c, const struct fetch_request *q, CURLcode code,
			  const char *why, struct fetch_result *ret)
{
	CLEANUP(free) char *url = fetch_url_text(q->url);
	const char *shown = *why ? why : lib.easy_strerror(code);
	struct err *err = &ret->err;
	long status = 0;

	lib.easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (c->too_big || code == CURLE_FILESIZE_EXCEEDED) {
		err_refuse(err, REFUSAL_TOOBIG, "'%s' is larger than %llu bytes", url,
			   (unsigned long long)q->max_size);
		return FINAL;
	}
	if (c->too_many_headers) {
		err_set(err, ERR_UNREACHABLE, "cannot fetch '%s': its headers do not end", url);
		return FINAL;
	}
	switch (code) {
	case CURLE_OK:
		break;
	case CURLE_UNSUPPORTED_PROTOCOL:
		err_refuse(err, REFUSAL_REDIRECT, "'%s' redirects to something that is not https",
			   url);
		return FINAL;
	case CURLE_TOO_MANY_REDIRECTS:
		err_refuse(err, REFUSAL_REDIRECT, "'%s' redirects more than %ld times", url,
			   REDIRECTS_MAX);
		return FINAL;
	case CURLE_HTTP_RETURNED_ERROR:
		if (status == 404 || status == 410) {
			err_set(err, ERR_NOT_FOUND, "'%s' is not there: status %ld", url, status);
			return FINAL;
		}
		err_set(err, ERR_UNREACHABLE,
			"cannot fetch '%s': the server answers with status %ld", url, status);
		return status >= 500 || status == 408 || status == 429 ? TRANSIENT : FINAL;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_OPERATION_TIMEDOUT:
		err_set(err, ERR_UNREACHABLE, "cannot fetch '%s': %s", url, shown);
		return TRANSIENT;
	default:
		err_set(err, ERR_UNREACHABLE, "cannot fetch '%s': %s", url, shown);
		return FINAL;
	}
	ret->not_modified = status == 304 && (*q->known.etag || *q->known.last_modified);
	if (status != 200 && !ret->not_modified) {
		err_set(err, ERR_UNREACHABLE,
			"cannot fetch '%s': the server answers with status %ld", url, status);
		return FINAL;
	}
	ret->validators = c->validators;
	return DONE;
}

/* 1, 2, 4, 8 s and a quarter of that at random, or as long as the server asks for. */
static int64_t pause_ms(struct child *c, uint32_t failed_tries)
{
	curl_off_t asked = 0;
	uint32_t random = 0;
	int64_t ms = (int64_t)1000 << (failed_tries < 4 ? failed_tries - 1 : 3);

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)getpid();
	ms += (int64_t)(random % (uint32_t)(ms / 4));
	lib.easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &asked);
	if (asked > 0 && asked < INT32_MAX && (int64_t)asked * 1000 > ms)
		ms = (int64_t)asked * 1000;
	return ms;
}

static void sleep_ms(int64_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static void serve(struct child *c, const struct fetch_request *q)
{
	struct curl_slist *headers = conditional_headers(&q->known);
	struct fetch_result result;
	enum outcome outcome;

	for (uint32_t tries = 1;; tries++) {
		char why[CURL_ERROR_SIZE] = "";
		int64_t left, wait;

		memset(&result, 0, sizeof(result));
		left = c->task->deadline_ms - fetch_clock_ms();
		c->max_size = q->max_size;
		c->received = c->headers = 0;
		c->too_big = c->too_many_headers = false;
		c->validators = (struct fetch_validators){ 0 };
		set_rules(c, q, headers, why);
		lib.easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)(left > 1 ? left : 1));
		outcome = judge(c, q, lib.easy_perform(c->curl), why, &result);
		if (outcome != TRANSIENT || tries > c->task->options->retries)
			break;
		wait = pause_ms(c, tries);
		if (wait >= c->task->deadline_ms - fetch_clock_ms())
			break;
		send_frame(c->fd, FRAME_FORGET, "", 0);
		sleep_ms(wait);
	}
	lib.slist_free_all(headers);
	result.failed = outcome != DONE;
	send_frame(c->fd, FRAME_RESULT, &result, sizeof(result));
}

_Noreturn void fetch_serve(const struct fetch_task *task, int fd)
{
	struct child c = { .fd = fd, .task = task };
	struct fetch_request q;

	if (lib.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(c.curl = lib.easy_init()))
		_exit(1);
	for (;;) {
		size_t n = 0;

		while (n < sizeof(q)) {
			ssize_t got = read(fd, (char *)&q + n, sizeof(q) - n);

			if (got < 0 && errno == EINTR)
				continue;
			if (got <= 0)
				_exit(0);
			n += (size_t)got;
		}
		serve(&c, &q);
	}
}

const char *fetch_library_version(void)
{
	return fetch_ready() ? lib.version() : "no " LIBCURL;
}
