/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two processes and a socket between them. The child speaks to the network: nobody's uid when we
 * are root, no new privileges, no descriptor but the socket, no file to write. It sends frames:
 * data, "forget the data", progress, and one result a request. The parent takes nothing for
 * granted: it counts the bytes and the time itself.
 */
#include "sync/fetch.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define REDIRECTS_MAX 3L
#define CONNECT_SECONDS 15L
#define SLOW_SECONDS 30L
#define HEADERS_MAX (64 * 1024)
#define CA_FILE_MAX (16 * 1024 * 1024)
#define URL_MAX_BYTES 4096
#define CHUNK (64 * 1024)
#define GRACE_MS 5000
#define NOBODY 65534

struct request {
	uint64_t max_size;
	struct fetch_validators known;
	char url[URL_MAX_BYTES];
};

enum frame_type {
	FRAME_DATA,
	FRAME_FORGET, /* what came so far is worth nothing: another try begins */
	FRAME_PROGRESS,
	FRAME_RESULT,
};

struct frame {
	uint32_t type, n;
};

struct progress {
	uint64_t done, all;
};

struct result {
	bool failed, not_modified;
	struct err err;
	struct fetch_validators validators;
};

struct fetcher {
	pid_t pid;
	int fd;
	int64_t deadline_ms;
	struct fetch_options options;
};

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

static bool have_libcurl(void)
{
	void *handle = lib.loaded ? NULL : dlopen(LIBCURL, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return lib.loaded;
#define LOAD(name) &&load(handle, "curl_" #name, &lib.name)
	lib.loaded = true EACH_FUNCTION(LOAD);
	return lib.loaded;
}

static int64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- URLs ---- */

char *fetch_url_text(const char *url)
{
	static const CURLUPart hidden[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
					    CURLUPART_QUERY, CURLUPART_FRAGMENT };
	CURLU *u;
	char *text = NULL, *ret;

	if (!have_libcurl())
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

	if (!have_libcurl())
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

	if (!have_libcurl())
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
	const struct fetch_options *options;
	int64_t deadline_ms;
	char *ca;
	size_t ca_n;

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

static void send_frame(int fd, enum frame_type type, const void *p, size_t n)
{
	struct frame f = { .type = type, .n = (uint32_t)n };

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
	for (size_t at = 0; at < n; at += CHUNK)
		send_frame(c->fd, FRAME_DATA, p + at, n - at < CHUNK ? n - at : CHUNK);
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
	int64_t now = monotonic_ms();
	struct progress p = { (uint64_t)done, (uint64_t)all };

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

static void set_rules(struct child *c, const struct request *q, struct curl_slist *headers,
		      char *why)
{
	const char *pin = c->options->pinned_public_key;
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
	if (c->ca) {
		struct curl_blob blob = { c->ca, c->ca_n, CURL_BLOB_NOCOPY };

		lib.easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
		lib.easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	if (pin && *pin)
		lib.easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, pin);
}

/* What a try came to. */
enum outcome { DONE, TRANSIENT, FINAL };

static enum outcome judge(struct child *c, const struct request *q, CURLcode code, const char *why,
			  struct result *ret)
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

static void serve(struct child *c, const struct request *q)
{
	struct curl_slist *headers = conditional_headers(&q->known);
	struct result result;
	enum outcome outcome;

	for (uint32_t tries = 1;; tries++) {
		char why[CURL_ERROR_SIZE] = "";
		int64_t left, wait;

		memset(&result, 0, sizeof(result));
		left = c->deadline_ms - monotonic_ms();
		c->max_size = q->max_size;
		c->received = c->headers = 0;
		c->too_big = c->too_many_headers = false;
		c->validators = (struct fetch_validators){ 0 };
		set_rules(c, q, headers, why);
		lib.easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)(left > 1 ? left : 1));
		outcome = judge(c, q, lib.easy_perform(c->curl), why, &result);
		if (outcome != TRANSIENT || tries > c->options->retries)
			break;
		wait = pause_ms(c, tries);
		if (wait >= c->deadline_ms - monotonic_ms())
			break;
		send_frame(c->fd, FRAME_FORGET, "", 0);
		sleep_ms(wait);
	}
	lib.slist_free_all(headers);
	result.failed = outcome != DONE;
	send_frame(c->fd, FRAME_RESULT, &result, sizeof(result));
}

static void give_up_privileges(void)
{
	static const struct rlimit none = { 0, 0 };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &none);
	/* A root that may not change its uid (a unit without capabilities) has less to give up. */
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	     setresuid(NOBODY, NOBODY, NOBODY) < 0) &&
	    errno != EPERM)
		_exit(1);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of uid would have cleared it */
}

static _Noreturn void child_main(struct child *c, pid_t parent)
{
	struct request q;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	/* Descriptor 3 is the socket; no lock, registry or log of ours goes along. */
	if (c->fd != 3 && dup2(c->fd, 3) < 0)
		_exit(1);
	c->fd = 3;
	close_range(4, ~0u, 0);
	give_up_privileges();
	if (getppid() != parent)
		_exit(1);
	if (lib.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(c->curl = lib.easy_init()))
		_exit(1);
	for (;;) {
		size_t n = 0;

		while (n < sizeof(q)) {
			ssize_t got = read(c->fd, (char *)&q + n, sizeof(q) - n);

			if (got < 0 && errno == EINTR)
				continue;
			if (got <= 0)
				_exit(0);
			n += (size_t)got;
		}
		serve(c, &q);
	}
}

/* ---- the parent ---- */

static int read_ca(const char *path, char **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(close_file) FILE *f = NULL;
	CLEANUP(free) char *bytes = NULL;
	size_t n = 0, cap = 0, got;

	if (!path || !*path)
		return 0;
	f = fopen(path, "re");
	if (!f)
		return err_set(err, ERR_CONFIG, "cannot open ca-file '%s': %s", path,
			       strerror(errno));
	do {
		cap = cap ? 2 * cap : CHUNK;
		bytes = xreallocarray(bytes, cap, 1);
		got = fread(bytes + n, 1, cap - n, f);
		n += got;
	} while (n == cap && n <= CA_FILE_MAX);
	if (ferror(f))
		return err_set(err, ERR_CONFIG, "cannot read ca-file '%s': %s", path,
			       strerror(errno));
	if (n > CA_FILE_MAX)
		return err_set(err, ERR_CONFIG, "ca-file '%s' is larger than %d bytes", path,
			       CA_FILE_MAX);
	if (!memmem(bytes, n, "-----BEGIN", 10))
		return err_set(err, ERR_CONFIG, "ca-file '%s' holds no certificate in PEM", path);
	*ret = TAKE(bytes);
	*ret_n = n;
	return 0;
}

int fetcher_open(const struct fetch_options *o, struct fetcher **ret, struct err *err)
{
	struct child c = { .options = o };
	pid_t parent = getpid(), pid;
	struct fetcher *f;
	int pair[2], r;

	if (!have_libcurl())
		return err_set(err, ERR_INTERNAL,
			       "cannot load '" LIBCURL "': is libcurl installed?");
	c.deadline_ms = monotonic_ms() + (int64_t)o->budget * 1000;
	r = read_ca(o->ca_file, &c.ca, &c.ca_n, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		free(c.ca);
		return err_set(err, ERR_IO, "cannot make a socket pair: %s", strerror(errno));
	}
	pid = fork();
	if (pid == 0) {
		c.fd = pair[1];
		child_main(&c, parent);
	}
	close(pair[1]);
	free(c.ca);
	if (pid < 0) {
		close(pair[0]);
		return err_set(err, ERR_IO, "cannot start a process: %s", strerror(errno));
	}
	f = xcalloc(1, sizeof(*f));
	*f = (struct fetcher){
		.pid = pid, .fd = pair[0], .deadline_ms = c.deadline_ms, .options = *o
	};
	*ret = f;
	return 0;
}

void fetcher_close(struct fetcher *f)
{
	if (!f)
		return;
	close(f->fd);
	kill(f->pid, SIGKILL);
	while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(f);
}

static int no_answer(struct fetcher *f, const char *url, struct err *err)
{
	CLEANUP(free) char *text = fetch_url_text(url);

	(void)f;
	return err_set(err, ERR_UNREACHABLE, "cannot fetch '%s': no answer within the time limit",
		       text);
}

/* Exactly n bytes from the child before the deadline. */
static bool receive(struct fetcher *f, void *p, size_t n)
{
	char *to = p;

	while (n) {
		struct pollfd pfd = { .fd = f->fd, .events = POLLIN };
		int64_t left = f->deadline_ms + GRACE_MS - monotonic_ms();
		ssize_t got;
		int r;

		if (left <= 0)
			return false;
		r = poll(&pfd, 1, left > INT32_MAX ? INT32_MAX : (int)left);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		got = read(f->fd, to, n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
	}
	return true;
}

static bool send_request(struct fetcher *f, const struct request *q)
{
	const char *at = (const char *)q;
	size_t n = sizeof(*q);

	while (n) {
		ssize_t done = send(f->fd, at, n, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}

static int take_result(struct result *result, struct fetched *to, struct err *err)
{
	if (result->failed) {
		result->err.msg[sizeof(result->err.msg) - 1] = '\0';
		*err = result->err;
		if (err->kind < ERR_USAGE || err->kind > ERR_CONFIG)
			err->kind = ERR_INTERNAL;
		if (err->refusal < REFUSAL_NONE || err->refusal > REFUSAL_LOCKED)
			err->refusal = REFUSAL_NONE;
		return -(int)err->kind;
	}
	to->not_modified = result->not_modified;
	to->validators = result->validators;
	to->validators.etag[FETCH_VALIDATOR_MAX - 1] = '\0';
	to->validators.last_modified[FETCH_VALIDATOR_MAX - 1] = '\0';
	return 0;
}

int fetch(struct fetcher *f, const char *url, uint64_t max_size,
	  const struct fetch_validators *known, struct fetched **ret, struct err *err)
{
	CLEANUP(fetched_free) struct fetched *to = xcalloc(1, sizeof(*to));
	CLEANUP(free) struct request *q = xcalloc(1, sizeof(*q));
	size_t cap = CHUNK;

	if (strlen(url) >= sizeof(q->url) || !fetch_is_https(url)) {
		CLEANUP(free) char *text = fetch_url_text(url);

		return err_set(err, ERR_USAGE, "'%s' is not an https URL", text);
	}
	q->max_size = max_size;
	memcpy(q->url, url, strlen(url));
	if (known)
		q->known = *known;
	if (!send_request(f, q))
		return no_answer(f, url, err);
	to->bytes = xreallocarray(NULL, cap, 1);
	for (;;) {
		struct frame frame;
		struct progress p;
		struct result result;
		int r;

		if (!receive(f, &frame, sizeof(frame)))
			return no_answer(f, url, err);
		if (frame.type == FRAME_DATA && frame.n <= CHUNK && frame.n <= max_size - to->n) {
			if (to->n + frame.n >= cap) {
				cap *= 2;
				to->bytes = xreallocarray(to->bytes, cap, 1);
			}
			if (!receive(f, to->bytes + to->n, frame.n))
				return no_answer(f, url, err);
			to->n += frame.n;
		} else if (frame.type == FRAME_FORGET && frame.n == 0) {
			to->n = 0;
		} else if (frame.type == FRAME_PROGRESS && frame.n == sizeof(p)) {
			if (!receive(f, &p, sizeof(p)))
				return no_answer(f, url, err);
			if (f->options.progress)
				f->options.progress(f->options.ctx, p.done, p.all);
		} else if (frame.type == FRAME_RESULT && frame.n == sizeof(result)) {
			if (!receive(f, &result, sizeof(result)))
				return no_answer(f, url, err);
			r = take_result(&result, to, err);
			if (r < 0)
				return r;
			break;
		} else {
			return err_set(err, ERR_INTERNAL, "the fetching process talks nonsense");
		}
	}
	to->bytes[to->n] = '\0';
	*ret = TAKE(to);
	return 0;
}

void fetched_free(struct fetched *f)
{
	if (!f)
		return;
	free(f->bytes);
	free(f);
}

const char *fetch_library_version(void)
{
	return have_libcurl() ? lib.version() : "no " LIBCURL;
}
