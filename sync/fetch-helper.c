/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenblacklist-fetch: the program that speaks to the network, and the only user of libcurl. It is
 * started by sync/fetch.c with a socket and nothing else. Before it looks at the first byte from
 * outside it gives up what a hostile server could be after: root, programs to run, files to write.
 */
#include "sync/fetch-wire.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>

#define REDIRECTS_MAX 3L
#define CONNECT_SECONDS 15L
#define SLOW_SECONDS 30L
#define HEADERS_MAX (64 * 1024)
/* Not the user of xenblacklistd's processes: those are not for a hostile server to signal. */
#define NOBODY 65534

struct helper {
	CURL *curl;
	struct fetch_setup setup;
	char *ca;
	uint64_t deadline_ms;

	/* of the try that is going on */
	uint64_t max_size, received, headers;
	char *body; /* what is not sent before it was looked at; NULL: all is */
	bool too_big, too_many_headers;
	uint64_t told_ms;
	struct fetch_validators validators;
};

static uint64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- the socket ---- */

static void must_write(const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t done = write(FETCH_WIRE_FD, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			_exit(EX_OK); /* nobody listens any more */
		at += done;
		n -= (size_t)done;
	}
}

static void must_read(void *p, size_t n)
{
	char *to = p;

	while (n) {
		ssize_t got = read(FETCH_WIRE_FD, to, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			_exit(EX_OK);
		to += got;
		n -= (size_t)got;
	}
}

static void send_frame(enum fetch_frame_type type, const void *p, size_t n)
{
	struct fetch_frame f = { .type = type, .n = (uint32_t)n };

	must_write(&f, sizeof(f));
	must_write(p, n);
}

static void send_data(const char *p, size_t n)
{
	for (size_t at = 0; at < n; at += FETCH_CHUNK)
		send_frame(FETCH_DATA, p + at, n - at < FETCH_CHUNK ? n - at : FETCH_CHUNK);
}

/* Waits, and leaves when the parent has gone. */
static void watch_parent(uint64_t ms)
{
	uint64_t until = monotonic_ms() + ms, now;
	struct pollfd pfd = { .fd = FETCH_WIRE_FD };

	do {
		now = monotonic_ms();
		if (poll(&pfd, 1, now < until ? (int)(until - now) : 0) > 0)
			_exit(EX_OK);
	} while (monotonic_ms() < until);
}

/* ---- what libcurl calls ---- */

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
	struct helper *h = arg;

	(void)size;
	if (n > h->max_size - h->received) {
		h->too_big = true;
		return 0;
	}
	if (h->body)
		memcpy(h->body + h->received, p, n);
	else
		send_data(p, n);
	h->received += n;
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
	struct helper *h = arg;
	struct span line = span_of(p, n), value;

	(void)size;
	h->headers += n;
	if (h->headers > HEADERS_MAX) {
		h->too_many_headers = true;
		return 0;
	}
	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	/* The last response counts: redirects come before it. */
	if (line.n >= 5 && memcmp(line.p, "HTTP/", 5) == 0)
		h->validators = (struct fetch_validators){ 0 };
	else if (is_header(line, "etag", &value))
		keep_validator(h->validators.etag, value);
	else if (is_header(line, "last-modified", &value))
		keep_validator(h->validators.last_modified, value);
	return n;
}

static int on_progress(void *arg, curl_off_t all, curl_off_t done, curl_off_t up_all, curl_off_t up)
{
	struct helper *h = arg;
	uint64_t now = monotonic_ms();
	struct fetch_progress p = { (uint64_t)done, (uint64_t)all };

	(void)up_all;
	(void)up;
	watch_parent(0);
	if (now - h->told_ms >= 100) {
		h->told_ms = now;
		send_frame(FETCH_PROGRESS, &p, sizeof(p));
	}
	return 0;
}

/* ---- one request ---- */

static struct curl_slist *conditional_headers(const struct fetch_validators *known)
{
	struct curl_slist *list = NULL;

	if (*known->etag) {
		CLEANUP(free) char *text = xasprintf("If-None-Match: %s", known->etag);

		list = curl_slist_append(list, text);
	}
	if (*known->last_modified) {
		CLEANUP(free) char *text = xasprintf("If-Modified-Since: %s", known->last_modified);

		list = curl_slist_append(list, text);
	}
	return list;
}

static void set_rules(struct helper *h, const struct fetch_request *q, struct curl_slist *headers,
		      char *why)
{
	CURL *curl = h->curl;

	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, q->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)q->max_size);
	curl_easy_setopt(curl, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SLOW_SECONDS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, h);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	if (h->ca) {
		struct curl_blob blob = { h->ca, h->setup.ca_n, CURL_BLOB_NOCOPY };

		curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	if (*h->setup.pinned_public_key)
		curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, h->setup.pinned_public_key);
}

/* Fills RET from what a try came to; true when another try may help. */
static bool judge(struct helper *h, const struct fetch_request *q, CURLcode code, const char *why,
		  struct fetch_result *ret)
{
	bool asked = *q->known.etag || *q->known.last_modified;
	long status = 0;

	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	ret->status = (uint32_t)status;
	ret->outcome = FETCH_FAILED;
	snprintf(ret->text, sizeof(ret->text), "%s", *why ? why : curl_easy_strerror(code));
	if (h->too_big || code == CURLE_FILESIZE_EXCEEDED) {
		ret->outcome = FETCH_TOO_BIG;
		return false;
	}
	if (h->too_many_headers) {
		snprintf(ret->text, sizeof(ret->text), "its headers do not end");
		return false;
	}
	switch (code) {
	case CURLE_OK:
		if (status == 200 || (status == 304 && asked)) {
			ret->outcome = status == 200 ? FETCH_GOT : FETCH_NOT_MODIFIED;
			ret->validators = h->validators;
			return false;
		}
		break;
	case CURLE_UNSUPPORTED_PROTOCOL:
		ret->outcome = FETCH_REDIRECT_SCHEME;
		return false;
	case CURLE_TOO_MANY_REDIRECTS:
		ret->outcome = FETCH_REDIRECT_MANY;
		return false;
	case CURLE_HTTP_RETURNED_ERROR:
		if (status == 404 || status == 410) {
			ret->outcome = FETCH_NOT_THERE;
			return false;
		}
		break;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_OPERATION_TIMEDOUT:
		return true;
	default:
		return false;
	}
	snprintf(ret->text, sizeof(ret->text), "the server answers with status %ld", status);
	return status >= 500 || status == 408 || status == 429;
}

/* 1, 2, 4, 8 s and a quarter of that at random, or as long as the server asks for. */
static uint64_t pause_ms(struct helper *h, uint32_t failed_tries)
{
	curl_off_t asked = 0;
	uint32_t random = 0;
	uint64_t ms = (uint64_t)1000 << (failed_tries < 4 ? failed_tries - 1 : 3);

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)getpid();
	ms += random % (uint32_t)(ms / 4);
	curl_easy_getinfo(h->curl, CURLINFO_RETRY_AFTER, &asked);
	if (asked > 0 && asked < INT32_MAX && (uint64_t)asked * 1000 > ms)
		ms = (uint64_t)asked * 1000;
	return ms;
}

/* What came is a pvdrivers.h, or is not: the rows are sent, and who gets them need not parse it. */
static void send_header(const struct helper *h, struct fetch_result *result)
{
	CLEANUP(header_free) struct header *header = NULL;
	CLEANUP(free) char *rows = NULL;
	struct err err = { 0 };
	size_t n = 0;

	if (header_parse(h->body, h->received, &header, &err) < 0) {
		result->outcome = FETCH_NO_HEADER;
		snprintf(result->text, sizeof(result->text), "%.*s", FETCH_TEXT_MAX - 1, err.msg);
		return;
	}
	header_pack(header, &rows, &n);
	send_data(rows, n);
}

static void serve(struct helper *h, const struct fetch_request *q)
{
	struct curl_slist *headers = conditional_headers(&q->known);
	CLEANUP(free) char *body = NULL;
	struct fetch_result result;

	if (q->as == FETCH_AS_HEADER)
		body = xcalloc(1, q->max_size);
	h->body = body;
	h->deadline_ms = monotonic_ms() + q->left_ms;
	for (uint32_t tries = 1;; tries++) {
		char why[CURL_ERROR_SIZE] = "";
		uint64_t now = monotonic_ms(), wait;

		memset(&result, 0, sizeof(result));
		h->max_size = q->max_size;
		h->received = h->headers = 0;
		h->too_big = h->too_many_headers = false;
		h->validators = (struct fetch_validators){ 0 };
		set_rules(h, q, headers, why);
		curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS,
				 now < h->deadline_ms ? (long)(h->deadline_ms - now) : 1L);
		if (!judge(h, q, curl_easy_perform(h->curl), why, &result) ||
		    tries > h->setup.retries)
			break;
		wait = pause_ms(h, tries);
		if (monotonic_ms() + wait >= h->deadline_ms)
			break;
		send_frame(FETCH_FORGET, "", 0);
		watch_parent(wait);
	}
	curl_slist_free_all(headers);
	if (body && result.outcome == FETCH_GOT)
		send_header(h, &result);
	send_frame(FETCH_RESULT, &result, sizeof(result));
}

/* ---- what it gives up ---- */

#define FORBID SCMP_ACT_ERRNO(EPERM)

/*
 * Programs to run, files to change, other processes, mounts, the kernel's parts that most holes
 * are in. One that could not become nobody owns more than nobody does: local services are out of
 * its reach, too, though names are then resolved by DNS only.
 */
static int forbid_calls(bool is_nobody)
{
	static const int calls[] = {
		SCMP_SYS(execve),
		SCMP_SYS(execveat),
		SCMP_SYS(ptrace),
		SCMP_SYS(process_vm_readv),
		SCMP_SYS(process_vm_writev),
		SCMP_SYS(pidfd_getfd),
		SCMP_SYS(kill),
		SCMP_SYS(tkill),
		SCMP_SYS(rt_sigqueueinfo),
		SCMP_SYS(pidfd_send_signal),
		SCMP_SYS(creat),
		SCMP_SYS(openat2),
		SCMP_SYS(open_by_handle_at),
		SCMP_SYS(truncate),
		SCMP_SYS(rename),
		SCMP_SYS(renameat),
		SCMP_SYS(renameat2),
		SCMP_SYS(unlink),
		SCMP_SYS(unlinkat),
		SCMP_SYS(link),
		SCMP_SYS(linkat),
		SCMP_SYS(symlink),
		SCMP_SYS(symlinkat),
		SCMP_SYS(mkdir),
		SCMP_SYS(mkdirat),
		SCMP_SYS(rmdir),
		SCMP_SYS(mknod),
		SCMP_SYS(mknodat),
		SCMP_SYS(chmod),
		SCMP_SYS(fchmod),
		SCMP_SYS(fchmodat),
		SCMP_SYS(chown),
		SCMP_SYS(lchown),
		SCMP_SYS(fchown),
		SCMP_SYS(fchownat),
		SCMP_SYS(setxattr),
		SCMP_SYS(lsetxattr),
		SCMP_SYS(fsetxattr),
		SCMP_SYS(mount),
		SCMP_SYS(umount2),
		SCMP_SYS(pivot_root),
		SCMP_SYS(chroot),
		SCMP_SYS(unshare),
		SCMP_SYS(setns),
		SCMP_SYS(bpf),
		SCMP_SYS(perf_event_open),
		SCMP_SYS(userfaultfd),
		SCMP_SYS(io_uring_setup),
		SCMP_SYS(add_key),
		SCMP_SYS(request_key),
		SCMP_SYS(keyctl),
	};
	static const scmp_datum_t modes[] = { O_WRONLY, O_RDWR };
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(calls); i++)
		r = seccomp_rule_add(ctx, FORBID, calls[i], 0);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(modes); i++) {
		r = seccomp_rule_add(ctx, FORBID, SCMP_SYS(open), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE, modes[i]));
		if (r == 0)
			r = seccomp_rule_add(ctx, FORBID, SCMP_SYS(openat), 1,
					     SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, modes[i]));
	}
	if (r == 0 && !is_nobody)
		r = seccomp_rule_add(ctx, FORBID, SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

/* NULL, or what could not be given up; errno is set. */
static const char *give_up_privileges(void)
{
	static const struct rlimit none = { 0, 0 };
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return "cannot give up new privileges";
	if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_FSIZE, &none) < 0)
		return "cannot set limits";
	/* Not permitted: root of a container or service without capabilities. */
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	     setresuid(NOBODY, NOBODY, NOBODY) < 0) &&
	    errno != EPERM)
		return "cannot become nobody";
	/* A change of uid would have undone these two. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return "cannot close itself off";
	r = forbid_calls(geteuid() == NOBODY);
	errno = r < 0 ? -r : 0;
	return r < 0 ? "cannot load a system call filter" : NULL;
}

static void greet(struct helper *h)
{
	const char *trouble = give_up_privileges();
	CLEANUP(free)
	struct fetch_hello *hello = xcalloc(1, sizeof(*hello));
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);

	hello->wire = FETCH_WIRE;
	snprintf(hello->library, sizeof(hello->library), "%s %s", v->version,
		 v->ssl_version ? v->ssl_version : "without TLS");
	if (trouble)
		snprintf(hello->trouble, sizeof(hello->trouble), "%s: %s", trouble,
			 strerror(errno));
	else if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(h->curl = curl_easy_init()))
		snprintf(hello->trouble, sizeof(hello->trouble), "cannot start libcurl");
	send_frame(FETCH_HELLO, hello, sizeof(*hello));
	if (*hello->trouble)
		_exit(EX_NOPERM);
}

int main(void)
{
	struct helper h = { 0 };
	struct fetch_request q;
	struct stat st;

	if (fstat(FETCH_WIRE_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fputs("xenblacklist-fetch: run by 'xenblacklist sync', not by hand\n", stderr);
		return EX_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	greet(&h);
	must_read(&h.setup, sizeof(h.setup));
	if (h.setup.ca_n > FETCH_CA_MAX)
		_exit(EX_SOFTWARE);
	if (h.setup.ca_n) {
		h.ca = xcalloc(1, h.setup.ca_n);
		must_read(h.ca, h.setup.ca_n);
	}
	for (;;) {
		must_read(&q, sizeof(q));
		serve(&h, &q);
	}
}
