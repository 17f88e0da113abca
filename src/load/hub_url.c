/* hub_url.c: building URLs, redirects, addresses. See hub_url.h. */
#include "hub_url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "hub_names.h"
#include "str.h"

/* ---- origins ---- */

static bool take(CURLU *u, CURLUPart part, unsigned flags, char *out, size_t cap)
{
	char *text = NULL;
	bool ok = curl_url_get(u, part, &text, flags) == CURLUE_OK && loom_str_copy(out, cap, text) == strlen(text);

	curl_free(text);
	return ok;
}

static bool origin_of(CURLU *u, struct loom_hub_origin *out)
{
	char *user = NULL;

	memset(out, 0, sizeof(*out));
	if (!take(u, CURLUPART_SCHEME, 0, out->scheme, sizeof(out->scheme)) || !take(u, CURLUPART_HOST, 0, out->host, sizeof(out->host)) ||
		!take(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, out->port, sizeof(out->port))) {
		return false;
	}
	out->userinfo = curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK;
	curl_free(user);
	for (char *c = out->host; *c; c++) {
		*c = (char)tolower((unsigned char)*c);
	}
	return out->host[0] && (strcmp(out->scheme, "https") == 0 || strcmp(out->scheme, "http") == 0);
}

bool loom_hub_origin_parse(const char *url, struct loom_hub_origin *out)
{
	CURLU *u = curl_url();
	bool ok = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && origin_of(u, out);

	curl_url_cleanup(u);
	return ok;
}

bool loom_hub_origin_same(const struct loom_hub_origin *a, const struct loom_hub_origin *b)
{
	return strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0;
}

/* Within this machine by its name or literal address: no resolver is asked. */
static bool is_loopback_host(const char *host)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};

	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
		(inet_pton(AF_INET, host, &v4.sin_addr) == 1 && loom_hub_address((struct sockaddr *)&v4, sizeof(v4)) == LOOM_HUB_LOOPBACK);
}

bool loom_hub_token_goes(const struct loom_hub_origin *endpoint, const struct loom_hub_origin *to)
{
	return loom_hub_origin_same(endpoint, to) && !to->userinfo && (strcmp(to->scheme, "https") == 0 || is_loopback_host(to->host));
}

/* ---- building ---- */

/* Percent-encodes what is not unreserved; '/' stays when keep_slash. */
static bool escape(char *out, size_t cap, const char *s, bool keep_slash)
{
	size_t n = 0;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		bool plain = isalnum(c) || strchr("-._~", c) || (keep_slash && c == '/');
		if (n + 4 > cap) {
			return false;
		}
		n += (size_t)snprintf(out + n, cap - n, plain ? "%c" : "%%%02X", c);
	}
	out[n] = '\0';
	return true;
}

bool loom_hub_url_file(char *out, size_t cap, const char *endpoint, const char *repo, const char *commit, const char *file)
{
	char name[3200]; /* a name of 1024 bytes, each of them escaped */
	int n = escape(name, sizeof(name), file, true) ? snprintf(out, cap, "%s/%s/resolve/%s/%s", endpoint, repo, commit, name) : -1;

	return n > 0 && (size_t)n < cap;
}

bool loom_hub_url_info(char *out, size_t cap, const char *endpoint, const char *repo, const char *rev)
{
	char name[3 * LOOM_HUB_REVISION_CAP];
	int n = escape(name, sizeof(name), rev, false)
		? snprintf(out, cap, "%s/api/models/%s/revision/%s?blobs=true", endpoint, repo, name)
		: -1;

	return n > 0 && (size_t)n < cap;
}

/* ---- redirects ---- */

static enum loom_status refused(struct loom_err *err, const char *why)
{
	return loom_hub_err(err, LOOM_E_HUB, "hub_invalid_response", "the hub redirects %s: refused", why);
}

/* No percent sign in the part that names the host: who reads it must not be able to read it in two ways. */
static bool plain_host(const char *location)
{
	size_t scheme = strcspn(location, ":/?#");
	const char *host = location[scheme] == ':' ? location + scheme + 1 : location;

	if (host == location && strncmp(location, "//", 2) != 0) {
		return true; /* a path */
	}
	host += strspn(host, "/");
	return !memchr(host, '%', strcspn(host, "/?#"));
}

enum loom_status loom_hub_redirect(const char *from, const char *location, char *out, size_t cap, struct loom_err *err)
{
	struct loom_hub_origin before, after;
	CURLU *u;
	enum loom_status rc;

	for (const char *c = location; *c; c++) {
		if ((unsigned char)*c <= 0x20 || *c == 0x7f || *c == '\\') {
			return refused(err, "to something that is no URL");
		}
	}
	if (!(u = curl_url())) {
		return loom_err_nomem(err, "a URL", 64);
	}
	if (!location[0] || curl_url_set(u, CURLUPART_URL, from, 0) || !origin_of(u, &before) || curl_url_set(u, CURLUPART_URL, location, 0) ||
		!origin_of(u, &after)) {
		rc = refused(err, "to something that is no http or https URL");
	} else if (after.userinfo) {
		rc = refused(err, "to a URL with a user name");
	} else if (strcmp(before.scheme, "https") == 0 && strcmp(after.scheme, "https") != 0) {
		rc = refused(err, "from https to http");
	} else if (!plain_host(location)) {
		rc = refused(err, "to a host that is written in escapes");
	} else {
		rc = take(u, CURLUPART_URL, 0, out, cap) ? LOOM_OK : refused(err, "to a URL that is too long");
	}
	curl_url_cleanup(u);
	return rc;
}

/* ---- addresses ---- */

static enum loom_hub_near near_v4(uint32_t a)
{
	unsigned b = a >> 24;

	if (b == 127) {
		return LOOM_HUB_LOOPBACK;
	}
	/* this network, link-local (where clouds keep their secrets), multicast and reserved */
	if (b == 0 || (a >> 16) == 0xa9fe || b >= 224) {
		return LOOM_HUB_NEVER;
	}
	/* RFC 1918, and the carriers' 100.64/10 */
	return b == 10 || (a >> 20) == 0xac1 || (a >> 16) == 0xc0a8 || (a >> 22) == (0x64400000u >> 22) ? LOOM_HUB_PRIVATE : LOOM_HUB_PUBLIC;
}

static enum loom_hub_near near_v6(const unsigned char a[16])
{
	static const unsigned char zero[15], mapped[12] = {[10] = 0xff, [11] = 0xff}, nat64[12] = {0, 0x64, 0xff, 0x9b};
	uint32_t v4 = (uint32_t)a[12] << 24 | (uint32_t)a[13] << 16 | (uint32_t)a[14] << 8 | a[15];

	if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0) {
		return near_v4(v4);
	}
	if (memcmp(a, zero, 15) == 0) {
		return a[15] == 1 ? LOOM_HUB_LOOPBACK : LOOM_HUB_NEVER;
	}
	if (memcmp(a, zero, 12) == 0) { /* the old form of an IPv4 address in IPv6 */
		return near_v4(v4);
	}
	if (a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)) {
		return LOOM_HUB_NEVER; /* multicast, link-local */
	}
	return (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0xc0) ? LOOM_HUB_PRIVATE : LOOM_HUB_PUBLIC;
}

enum loom_hub_near loom_hub_address(const struct sockaddr *sa, size_t n)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (sa->sa_family == AF_INET && n >= sizeof(v4)) {
		memcpy(&v4, sa, sizeof(v4));
		return near_v4(ntohl(v4.sin_addr.s_addr));
	}
	if (sa->sa_family == AF_INET6 && n >= sizeof(v6)) {
		memcpy(&v6, sa, sizeof(v6));
		return near_v6(v6.sin6_addr.s6_addr);
	}
	return LOOM_HUB_NEVER;
}

bool loom_hub_address_allowed(enum loom_hub_near endpoint, enum loom_hub_near to)
{
	return to == LOOM_HUB_PUBLIC || (to != LOOM_HUB_NEVER && to <= endpoint);
}
