/* http_parse.c: request heads and chunked bodies. See http_parse.h. */
#include "http_parse.h"

#include <string.h>
#include <strings.h>

#include "str.h"

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum loom_status bad(struct loom_err *err, const char *what)
{
	return loom_err_set(err, LOOM_E_BAD_REQUEST, "not an HTTP/1.1 request: %s", what);
}

/* ---- where a head ends ---- */

enum loom_status loom_http_head_size(const char *data, size_t n, size_t *seen, size_t *size, struct loom_err *err)
{
	size_t start = 0;

	*size = 0;
	while (start + 1 < n && start < 8 && data[start] == '\r' && data[start + 1] == '\n') {
		start += 2; /* empty lines after a former body */
	}
	for (size_t i = *seen < start ? start : *seen; i < n; *seen = ++i) {
		unsigned char c = (unsigned char)data[i];
		if (c == '\n' && (i == 0 || data[i - 1] != '\r')) {
			return bad(err, "a line feed without a carriage return");
		}
		if (i > 0 && data[i - 1] == '\r' && c != '\n') {
			return bad(err, "a carriage return without a line feed");
		}
		if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f) {
			return bad(err, "a control character");
		}
		if (i - start >= LOOM_MAX_HEADER_BYTES + LOOM_MAX_URI_BYTES) {
			return loom_err_set(err, LOOM_E_HEADERS, "the request's head is over %u bytes", LOOM_MAX_HEADER_BYTES + LOOM_MAX_URI_BYTES);
		}
		if (c == '\n' && i >= start + 3 && data[i - 2] == '\n' && data[i - 3] == '\r') {
			*size = i + 1;
			break;
		}
		if (i - start == LOOM_MAX_URI_BYTES + 64 && !memchr(data + start, '\n', i - start)) {
			return loom_err_set(err, LOOM_E_URI, "the request line is over %d bytes", LOOM_MAX_URI_BYTES);
		}
	}
	return LOOM_OK;
}

/* ---- the request line ---- */

static bool token_char(unsigned char c)
{
	return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
}

static bool is_token(const char *s)
{
	const char *p = s;

	while (token_char((unsigned char)*p)) {
		p++;
	}
	return p > s && *p == '\0';
}

static enum loom_status check_target(struct loom_http_head *h, struct loom_err *err)
{
	const char *t = h->target;

	if (strlen(t) > LOOM_MAX_URI_BYTES) {
		return loom_err_set(err, LOOM_E_URI, "the path is over %d bytes", LOOM_MAX_URI_BYTES);
	}
	if (t[0] != '/' && strcmp(t, "*") != 0) {
		return bad(err, "expected a path that begins with '/'");
	}
	for (const char *p = t; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if (c <= 0x20 || c >= 0x7f || c == '#') {
			return bad(err, "a character in the path that must be percent-encoded");
		}
		if (c == '%' && (hex(p[1]) < 0 || hex(p[2]) < 0 || (p[1] == '0' && p[2] == '0'))) {
			return bad(err, "broken percent-encoding in the path");
		}
	}
	h->n_path = strcspn(t, "?");
	return LOOM_OK;
}

static enum loom_status parse_request_line(struct loom_http_head *h, char *line, struct loom_err *err)
{
	char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;

	if (!version) {
		return bad(err, "expected \"METHOD /path HTTP/1.1\"");
	}
	*target++ = '\0';
	*version++ = '\0';
	h->method = line;
	h->target = target;
	if (!is_token(line) || strlen(line) > 32) {
		return bad(err, "the method is not one");
	}
	if (strncmp(version, "HTTP/", 5) != 0 || version[5] < '0' || version[5] > '9' || version[6] != '.' || version[7] < '0' ||
		version[7] > '9' || version[8]) {
		return bad(err, "expected \"METHOD /path HTTP/1.1\"");
	}
	if (version[5] != '1' || version[7] > '1') {
		return loom_err_set(err, LOOM_E_HTTP_VERSION, "%s is not spoken here: use HTTP/1.1", version);
	}
	h->minor = version[7] - '0';
	return check_target(h, err);
}

/* ---- headers ---- */

static enum loom_status add_header(struct loom_http_head *h, char *line, struct loom_err *err)
{
	char *colon = strchr(line, ':'), *value, *end;

	if (line[0] == ' ' || line[0] == '\t') {
		return bad(err, "a folded header line");
	}
	if (!colon) {
		return bad(err, "a header line without a colon");
	}
	*colon = '\0';
	if (!is_token(line)) {
		return bad(err, "a header's name is not one (no space may stand before the colon)");
	}
	if (h->n_header == LOOM_MAX_HEADERS) {
		return loom_err_set(err, LOOM_E_HEADERS, "more than %d headers", LOOM_MAX_HEADERS);
	}
	value = colon + 1 + strspn(colon + 1, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
		*--end = '\0';
	}
	h->headers[h->n_header++] = (struct loom_http_header){line, value};
	return LOOM_OK;
}

/* The header's value when there is exactly one, NULL when there is none. */
static enum loom_status only(const struct loom_http_head *h, const char *name, const char **value, struct loom_err *err)
{
	*value = NULL;
	for (size_t i = 0; i < h->n_header; i++) {
		if (strcasecmp(h->headers[i].name, name) != 0) {
			continue;
		}
		if (*value) {
			return loom_err_set(err, LOOM_E_BAD_REQUEST, "not an HTTP/1.1 request: more than one %s", name);
		}
		*value = h->headers[i].value;
	}
	return LOOM_OK;
}

static enum loom_status parse_length(struct loom_http_head *h, const char *text, struct loom_err *err)
{
	size_t n = strlen(text);

	if (n == 0 || n > 18 || strspn(text, "0123456789") != n) {
		return loom_err_set(err, LOOM_E_BAD_REQUEST, "Content-Length: expected a number, found \"%.40s\"", text);
	}
	for (const char *p = text; *p; p++) {
		h->length = h->length * 10 + (unsigned)(*p - '0');
	}
	h->has_length = true;
	return LOOM_OK;
}

static enum loom_status parse_framing(struct loom_http_head *h, struct loom_err *err)
{
	const char *length, *coding;
	enum loom_status rc;

	if ((rc = only(h, "Content-Length", &length, err)) || (rc = only(h, "Transfer-Encoding", &coding, err))) {
		return rc;
	}
	if (length && coding) {
		return bad(err, "Content-Length beside Transfer-Encoding");
	}
	if (coding && h->minor == 0) {
		return bad(err, "Transfer-Encoding in HTTP/1.0");
	}
	if (coding && strcasecmp(coding, "chunked") != 0) {
		return loom_err_set(err, LOOM_E_NOT_IMPLEMENTED, "Transfer-Encoding: expected chunked, found \"%.40s\"", coding);
	}
	h->chunked = coding != NULL;
	return length ? parse_length(h, length, err) : LOOM_OK;
}

/* A name or an address, an IPv6 one in brackets, and a port or none. */
static bool host_like(const char *s)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%";
	size_t n = strlen(s), name = s[0] == '[' ? strcspn(s, "]") + 1 : strspn(s, chars);

	if (name == 0 || n >= 256 || name > n || (s[0] == '[' && strspn(s + 1, "0123456789abcdefABCDEF:.%") + 2 < name)) {
		return false;
	}
	return name == n || (s[name] == ':' && n - name <= 6 && strspn(s + name + 1, "0123456789") == n - name - 1);
}

static enum loom_status parse_rest(struct loom_http_head *h, struct loom_err *err)
{
	const char *connection, *expect;
	enum loom_status rc;

	if ((rc = only(h, "Host", &h->host, err)) || (rc = only(h, "Connection", &connection, err)) || (rc = only(h, "Expect", &expect, err))) {
		return rc;
	}
	if ((!h->host && h->minor == 1) || (h->host && !host_like(h->host))) {
		return bad(err, "expected one Host header with a name or address");
	}
	if (expect && h->minor == 1) {
		if (strcasecmp(expect, "100-continue") != 0) {
			return loom_err_set(err, LOOM_E_EXPECT, "Expect: only 100-continue can be met, found \"%.40s\"", expect);
		}
		h->expect_continue = h->chunked || h->length > 0;
	}
	h->keep_alive = h->minor == 1 ? !loom_http_has_word(connection, "close") : loom_http_has_word(connection, "keep-alive");
	return LOOM_OK;
}

enum loom_status loom_http_head_parse(struct loom_http_head *h, char *data, size_t size, struct loom_err *err)
{
	char *line = data, *stop = data + size;
	enum loom_status rc;
	bool first = true;

	memset(h, 0, sizeof(*h));
	while (line < stop && line[0] == '\r') {
		line += 2;
	}
	while (line < stop && line[0] != '\r') {
		char *end = memchr(line, '\r', (size_t)(stop - line));
		*end = '\0';
		rc = first ? parse_request_line(h, line, err) : add_header(h, line, err);
		if (rc) {
			return rc;
		}
		first = false;
		line = end + 2;
	}
	rc = first ? bad(err, "expected \"METHOD /path HTTP/1.1\"") : parse_framing(h, err);
	return rc ? rc : parse_rest(h, err);
}

const char *loom_http_header(const struct loom_http_head *h, const char *name)
{
	for (size_t i = 0; i < h->n_header; i++) {
		if (strcasecmp(h->headers[i].name, name) == 0) {
			return h->headers[i].value;
		}
	}
	return NULL;
}

bool loom_http_has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (list && *list) {
		size_t skip = strspn(list, " \t,"), len = strcspn(list + skip, " \t,");
		if (len == n && strncasecmp(list + skip, word, n) == 0) {
			return true;
		}
		list += skip + len;
	}
	return false;
}

bool loom_percent_decode(char *s)
{
	char *out = s;
	const char *start = s;

	for (; *s; s++) {
		if (*s != '%') {
			*out++ = *s;
			continue;
		}
		int hi = hex(s[1]), lo = hi < 0 ? -1 : hex(s[2]);
		if (lo < 0 || hi * 16 + lo == 0) {
			return false;
		}
		*out++ = (char)(hi * 16 + lo);
		s += 2;
	}
	*out = '\0';
	return loom_utf8_valid(start, (size_t)(out - start));
}

/* ---- chunked bodies ---- */

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_LINE, TRAILER_LF, END_LF };
#define FREE_OVERHEAD (100u << 10)

/* One byte that is not content. */
static enum loom_status feed_frame(struct loom_chunked *c, char ch, struct loom_err *err)
{
	int digit = hex(ch);

	switch (c->state) {
	case SIZE:
		if (digit >= 0 && c->n_digit < 15) {
			c->left = c->left * 16 + (unsigned)digit;
			c->n_digit++;
			return LOOM_OK;
		}
		if (c->n_digit == 0 || (ch != '\r' && ch != ';')) {
			return bad(err, "a chunk's size is not one");
		}
		c->state = ch == '\r' ? SIZE_LF : EXTENSION;
		return LOOM_OK;
	case EXTENSION:
	case TRAILER_LINE:
		if (((unsigned char)ch < 0x20 && ch != '\t' && ch != '\r') || ch == 0x7f) {
			return bad(err, "a control character in a chunk's extension or trailer");
		}
		if (ch == '\r') {
			c->state = c->state == EXTENSION ? SIZE_LF : TRAILER_LF;
		}
		return LOOM_OK;
	case TRAILER:
		if (ch == ' ' || ch == '\t' || ch == '\n' || ch == ':') {
			return bad(err, "a broken trailer");
		}
		c->state = ch == '\r' ? END_LF : TRAILER_LINE;
		return LOOM_OK;
	case DATA_CR:
		c->state = DATA_LF;
		return ch == '\r' ? LOOM_OK : bad(err, "a chunk is longer than its size");
	default:
		break;
	}
	if (ch != '\n') {
		return bad(err, "a carriage return without a line feed");
	}
	if (c->state == SIZE_LF) {
		c->state = c->left > 0 ? DATA : TRAILER;
		c->n_digit = 0;
	} else if (c->state == DATA_LF) {
		c->state = SIZE;
	} else if (c->state == TRAILER_LF) {
		c->state = TRAILER;
	} else {
		c->done = true;
	}
	return LOOM_OK;
}

enum loom_status loom_chunked_feed(struct loom_chunked *c, const char *data, size_t n, size_t *used, struct loom_buf *out,
	struct loom_err *err)
{
	size_t i = 0;

	while (i < n && !c->done) {
		if (c->state == DATA) {
			size_t take = c->left < n - i ? (size_t)c->left : n - i;
			if (!loom_buf_append(out, data + i, take)) {
				return loom_err_set(err, LOOM_E_TOO_LARGE, "the body is over %zu bytes", out->max);
			}
			i += take;
			c->left -= take;
			c->body += take;
			c->state = c->left == 0 ? DATA_CR : DATA;
			continue;
		}
		enum loom_status rc = feed_frame(c, data[i++], err);
		if (rc) {
			return rc;
		}
		/* A million chunks of one byte are no honest body. */
		if (++c->overhead > FREE_OVERHEAD + c->body) {
			return bad(err, "more chunk framing than content");
		}
	}
	*used = i;
	return LOOM_OK;
}
