/* hub_reply.c: the headers of an answer. Every one of them is hostile: lengths are capped, numbers checked, control characters refused;
 * what they mean is decided elsewhere. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "hub_http.h"

void loom_hub_reply_init(struct loom_hub_reply *r)
{
	memset(r, 0, sizeof(*r));
	r->length = r->linked_size = r->range_start = r->range_total = -1;
	r->retry_after = -1;
}

/* Digits only, at most 18 of them: fits. -1: something else. */
static int64_t number(const char *s, size_t n)
{
	int64_t v = 0;

	if (n == 0 || n > 18) {
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)s[i])) {
			return -1;
		}
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

static void text(struct loom_hub_reply *r, char *out, size_t cap, const char *v, size_t n)
{
	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)v[i] < 0x20 || v[i] == 0x7f) {
			r->malformed = true;
			return;
		}
	}
	if (n >= cap) {
		r->malformed = true;
		return;
	}
	memcpy(out, v, n);
	out[n] = '\0';
}

static void size(struct loom_hub_reply *r, int64_t *out, const char *v, size_t n)
{
	*out = number(v, n);
	r->malformed = r->malformed || *out < 0;
}

/* "bytes 5-9/10" or "bytes * /10" */
static void range(struct loom_hub_reply *r, const char *v, size_t n)
{
	const char *slash = memchr(v, '/', n), *dash;

	if (n < 7 || strncasecmp(v, "bytes ", 6) != 0 || !slash) {
		r->malformed = true;
		return;
	}
	dash = memchr(v, '-', (size_t)(slash - v));
	r->range_start = dash ? number(v + 6, (size_t)(dash - v) - 6) : -1;
	r->range_total = number(slash + 1, n - (size_t)(slash - v) - 1);
}

/* RateLimit: "api";r=0;t=55 - only t, the seconds until there is room again, matters here. */
static void rate(struct loom_hub_reply *r, const char *v, size_t n)
{
	for (size_t i = 0; i + 3 < n; i++) {
		if (memcmp(v + i, ";t=", 3) == 0) {
			size_t len = 0;
			while (i + 3 + len < n && isdigit((unsigned char)v[i + 3 + len])) {
				len++;
			}
			int64_t t = number(v + i + 3, len);
			if (t >= 0 && r->retry_after < 0) {
				r->retry_after = t > 1000000 ? 1000000 : (long)t;
			}
		}
	}
}

static bool is(const char *line, size_t name, const char *want)
{
	return strlen(want) == name && strncasecmp(line, want, name) == 0;
}

void loom_hub_reply_line(struct loom_hub_reply *r, const char *line, size_t n)
{
	const char *colon, *v;
	size_t name, len;

	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r' || line[n - 1] == ' ' || line[n - 1] == '\t')) {
		n--;
	}
	if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		loom_hub_reply_init(r);
		return;
	}
	if (!(colon = memchr(line, ':', n))) {
		return;
	}
	name = (size_t)(colon - line);
	v = colon + 1;
	len = n - name - 1;
	while (len > 0 && (*v == ' ' || *v == '\t')) {
		v++;
		len--;
	}
	if (is(line, name, "location")) {
		text(r, r->location, sizeof(r->location), v, len);
	} else if (is(line, name, "etag")) {
		text(r, r->etag, sizeof(r->etag), v, len);
	} else if (is(line, name, "x-linked-etag")) {
		text(r, r->linked_etag, sizeof(r->linked_etag), v, len);
	} else if (is(line, name, "x-repo-commit")) {
		text(r, r->commit, sizeof(r->commit), v, len);
	} else if (is(line, name, "x-error-code")) {
		text(r, r->error_code, sizeof(r->error_code), v, len < sizeof(r->error_code) ? len : sizeof(r->error_code) - 1);
	} else if (is(line, name, "x-error-message")) {
		text(r, r->error_message, sizeof(r->error_message), v, len < sizeof(r->error_message) ? len : sizeof(r->error_message) - 1);
	} else if (is(line, name, "content-length")) {
		size(r, &r->length, v, len);
	} else if (is(line, name, "x-linked-size")) {
		size(r, &r->linked_size, v, len);
	} else if (is(line, name, "content-range")) {
		range(r, v, len);
	} else if (is(line, name, "retry-after")) {
		int64_t t = number(v, len); /* a date is as good as nothing said */
		r->retry_after = t < 0 ? r->retry_after : t > 1000000 ? 1000000 : (long)t;
	} else if (is(line, name, "ratelimit")) {
		rate(r, v, len);
	} else if (is(line, name, "content-encoding")) {
		r->encoded = !(len == 8 && strncasecmp(v, "identity", 8) == 0);
	}
}

bool loom_hub_reply_is_redirect(const struct loom_hub_reply *r)
{
	return r->status == 301 || r->status == 302 || r->status == 303 || r->status == 307 || r->status == 308;
}
