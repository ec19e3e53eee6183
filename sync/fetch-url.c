/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of a URL, as far as messages and suffixes need them. Stricter than RFC 3986: what is
 * odd is no URL, so that nothing of a password is shown because it was taken for something else.
 * Whether a URL is fetched is decided by xenblacklist-fetch alone.
 */
#include "sync/fetch.h"

#include <string.h>

struct url {
	struct span scheme;
	struct span host;  /* with the port */
	struct span path;  /* "" or begins with a slash */
	struct span query; /* "" or begins with a question mark */
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool all(struct span s, bool (*is)(char c))
{
	for (size_t i = 0; i < s.n; i++)
		if (!is(s.p[i]))
			return false;
	return true;
}

static bool is_scheme(char c)
{
	return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
}

static bool is_name(char c)
{
	return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~' ||
	       (unsigned char)c >= 0x80;
}

static bool is_address(char c)
{
	return is_letter(c) || is_digit(c) || c == ':' || c == '.' || c == '%';
}

/* NAME, NAME:PORT, [ADDRESS] or [ADDRESS]:PORT. */
static bool is_host(struct span s)
{
	struct span name = s, port = { 0 };
	const char *end;

	if (s.n && s.p[0] == '[') {
		end = memchr(s.p, ']', s.n);
		if (!end || end == s.p + 1 ||
		    !all(span_of(s.p + 1, (size_t)(end - s.p) - 1), is_address))
			return false;
		port = span_of(end + 1, s.n - (size_t)(end - s.p) - 1);
		return !port.n ||
		       (port.p[0] == ':' && all(span_of(port.p + 1, port.n - 1), is_digit));
	}
	if (span_cut(s, ":", &name, &port) && !all(port, is_digit))
		return false;
	return name.n && all(name, is_name);
}

static bool url_split(const char *text, struct url *ret)
{
	struct url u = { 0 };
	struct span rest, unused, at;
	size_t n;

	for (const char *c = text; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return false;
	if (!span_cut(span_str(text), "://", &u.scheme, &rest) || !u.scheme.n ||
	    !is_letter(u.scheme.p[0]) || !all(u.scheme, is_scheme))
		return false;
	n = strcspn(rest.p, "/?#");
	u.host = span_of(rest.p, n);
	while (span_cut(u.host, "@", &unused, &at))
		u.host = at;
	rest = span_str(rest.p + n);
	n = strcspn(rest.p, "?#");
	u.path = span_of(rest.p, n);
	u.query = span_of(rest.p + n, strcspn(rest.p + n, "#"));
	/* Only a file needs no host. */
	if (!is_host(u.host) && (u.host.n || !u.path.n))
		return false;
	*ret = u;
	return true;
}

char *fetch_url_text(const char *url)
{
	struct url u;

	if (!url_split(url, &u))
		return xstrdup("(not a URL)");
	return xasprintf("%.*s://%.*s%.*s", (int)u.scheme.n, u.scheme.p, (int)u.host.n, u.host.p,
			 u.path.n ? (int)u.path.n : 1, u.path.n ? u.path.p : "/");
}

char *fetch_url_suffix(const char *url, const char *suffix)
{
	struct url u;

	if (!url_split(url, &u))
		return NULL;
	return xasprintf("%.*s%s%s%.*s", (int)(u.path.p + u.path.n - url), url, u.path.n ? "" : "/",
			 suffix, (int)u.query.n, u.query.p);
}

bool fetch_is_https(const char *url)
{
	struct url u;

	return url_split(url, &u) && u.scheme.n == 5 && strncasecmp(u.scheme.p, "https", 5) == 0 &&
	       u.host.n;
}

char *fetch_proxy_text(void)
{
	static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "all_proxy",
					     "ALL_PROXY" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);
		CLEANUP(free) char *url = NULL;

		if (!value || !*value)
			continue;
		url = xasprintf("%s%s", strstr(value, "://") ? "" : "http://", value);
		return fetch_url_text(url);
	}
	return NULL;
}
