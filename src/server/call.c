/* call.c: one request: may it be answered, by which handler, the reply, the line in the log. It decides nothing about the API: routes.c
 * finds the handler, which knows nothing of sockets. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "answer_json.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "server_internal.h"
#include "str.h"

static const struct {
	int status;
	const char *phrase;
} phrases[] = {{200, "OK"}, {204, "No Content"}, {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"},
	{405, "Method Not Allowed"}, {408, "Request Timeout"}, {409, "Conflict"}, {411, "Length Required"}, {413, "Content Too Large"},
	{414, "URI Too Long"}, {415, "Unsupported Media Type"}, {417, "Expectation Failed"}, {422, "Unprocessable Content"},
	{429, "Too Many Requests"}, {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"}, {501, "Not Implemented"},
	{502, "Bad Gateway"}, {503, "Service Unavailable"}, {505, "HTTP Version Not Supported"}, {507, "Insufficient Storage"}};

static const char *phrase_of(int status)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
		if (phrases[i].status == status) {
			return phrases[i].phrase;
		}
	}
	return "Error";
}

static bool gone(void *ctx)
{
	struct loom_call *k = ctx;

	return loom_conn_gone(k->conn, k->head.minor);
}

/* ---- before the body ---- */

static void take_request_id(struct loom_call *k)
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	struct loom_server *s = k->conn->server;
	const char *given = loom_http_header(&k->head, "X-Request-Id");
	size_t n = given ? strlen(given) : 0;

	if (n >= 1 && n <= 128 && strspn(given, chars) == n) {
		(void)loom_str_copy(k->id, sizeof(k->id), given);
		return;
	}
	(void)snprintf(k->id, sizeof(k->id), "%08llx-%llu", (unsigned long long)(s->id_seed & 0xffffffffu),
		(unsigned long long)atomic_fetch_add(&s->next_id, 1) + 1);
}

void loom_call_init(struct loom_call *k, struct loom_conn *c)
{
	struct loom_server *s = c->server;
	size_t n = k->head.target ? k->head.n_path : 0;

	k->conn = c;
	n = n < sizeof(k->path) ? n : sizeof(k->path) - 1;
	memcpy(k->path, n ? k->head.target : "", n);
	k->path[n] = '\0';
	if (!k->head.method) {
		k->head.method = "-";
	}
	loom_buf_init(&k->body, s->opts.max_body_bytes);
	take_request_id(k);
	k->x = (struct loom_exchange){.engine = s->engine, .opts = &s->opts, .metrics = &s->metrics, .method = k->head.method, .path = k->path,
		.rest = k->rest, .id = k->id, .client = c->client, .gone = gone, .gone_ctx = k, .status = 200};
	loom_body_init(&k->x.body);
	loom_answer_init(&k->x.answer);
}

void loom_call_release(struct loom_call *k)
{
	if (k->conn) {
		loom_buf_release(&k->body);
		loom_body_release(&k->x.body);
		loom_answer_release(&k->x.answer);
		for (size_t i = 0; i < k->x.n_answer; i++) {
			loom_answer_release(&k->x.answers[i]);
		}
		loom_free(k->x.answers);
	}
}

/* "application/json", or anything ending in "+json"; in UTF-8. */
static bool is_json(const char *type)
{
	size_t n = type ? strcspn(type, "; \t") : 0;
	const char *charset = type ? strcasestr(type + n, "charset=") : NULL;

	if (charset) {
		charset += 8 + (charset[8] == '"');
		if (strncasecmp(charset, "utf-8", 5) != 0 && strncasecmp(charset, "us-ascii", 8) != 0) {
			return false;
		}
	}
	return !type || (n == 16 && strncasecmp(type, "application/json", 16) == 0) || (n > 5 && strncasecmp(type + n - 5, "+json", 5) == 0);
}

static enum loom_status check_body(const struct loom_call *k, struct loom_err *err)
{
	const struct loom_server_opts *o = &k->conn->server->opts;
	const struct loom_http_head *h = &k->head;
	const char *coding = loom_http_header(h, "Content-Encoding");

	if (h->length > o->max_body_bytes) {
		return loom_err_set(err, LOOM_E_TOO_LARGE, "the body is %llu bytes; at most %zu are read", (unsigned long long)h->length,
			o->max_body_bytes);
	}
	if (!k->route->body || strcmp(h->method, "POST") != 0) {
		return LOOM_OK;
	}
	if (!h->chunked && !h->has_length) {
		return loom_err_set(err, LOOM_E_LENGTH, "expected a Content-Length header, or Transfer-Encoding: chunked");
	}
	if (coding && strcasecmp(coding, "identity") != 0) {
		return loom_err_set(err, LOOM_E_MEDIA_TYPE, "Content-Encoding: bodies are taken as they are, not as %.40s: send without it", coding);
	}
	if (!is_json(loom_http_header(h, "Content-Type"))) {
		return loom_err_set(err, LOOM_E_MEDIA_TYPE, "Content-Type: expected application/json in UTF-8 (add the header \"Content-Type: "
			"application/json\")");
	}
	return LOOM_OK;
}

static bool method_known(const char *m)
{
	static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(m, known[i]) == 0) {
			return true;
		}
	}
	return false;
}

enum loom_status loom_call_check(struct loom_call *k, struct loom_err *err)
{
	const char *rest = "";
	char path[LOOM_MAX_URI_BYTES + 1];
	enum loom_status rc = loom_access_check(k, err);

	if (rc) {
		return rc;
	}
	if (atomic_load(&k->conn->server->stopping)) {
		return loom_err_set(err, LOOM_E_UNAVAILABLE, "the server is shutting down");
	}
	if (!method_known(k->head.method)) {
		return loom_err_set(err, LOOM_E_NOT_IMPLEMENTED, "%.40s is no method known here", k->head.method);
	}
	memcpy(path, k->head.target, k->head.n_path);
	path[k->head.n_path] = '\0';
	rc = loom_route_find(k->head.method, path, &k->route, &rest, k->allow, sizeof(k->allow), err);
	if (rc) {
		return rc;
	}
	if (loom_str_copy(k->rest, sizeof(k->rest), rest) != strlen(rest) || !loom_percent_decode(k->rest)) {
		return loom_err_set(err, LOOM_E_BAD_REQUEST, "the path is not valid: not UTF-8, or longer than %zu bytes", sizeof(k->rest) - 1);
	}
	return check_body(k, err);
}

/* ---- the reply ---- */

static void put_head(struct loom_call *k, struct loom_buf *b, int status)
{
	(void)loom_buf_printf(b, "HTTP/1.1 %d %s\r\nX-Request-Id: %s\r\nX-Content-Type-Options: nosniff\r\n", status, phrase_of(status), k->id);
	if ((status == 405 || status == 204) && k->allow[0]) {
		(void)loom_buf_printf(b, "Allow: %s\r\n", k->allow);
	}
	if (status == 401) {
		(void)loom_buf_puts(b, "WWW-Authenticate: Bearer\r\n");
	}
	if (status == 415) {
		(void)loom_buf_puts(b, "Accept-Encoding: identity\r\n");
	}
	if (status == 429 || status == 503) {
		(void)loom_buf_puts(b, "Retry-After: 1\r\n");
	}
	k->close_after = k->close_after || atomic_load(&k->conn->server->stopping);
	if (k->close_after) {
		(void)loom_buf_puts(b, "Connection: close\r\n");
	} else if (k->head.minor == 0) {
		(void)loom_buf_puts(b, "Connection: keep-alive\r\n");
	}
	loom_access_cors(k, b);
}

/* Sends head and body; HEAD has only the head. */
static void reply(struct loom_call *k, int status, const struct loom_body *body)
{
	size_t n = 1, bytes = body ? loom_body_bytes(body) : 0;
	struct loom_body_part few[8], *parts = few;
	struct loom_buf head;

	loom_buf_init(&head, 4096);
	put_head(k, &head, status);
	if (body) {
		(void)loom_buf_printf(&head, "Content-Type: %s\r\nContent-Length: %zu\r\n", body->content_type, bytes);
	}
	(void)loom_buf_puts(&head, "\r\n");
	if (body && body->n_part + 2 > sizeof(few) / sizeof(few[0])) {
		parts = loom_calloc(body->n_part + 2, sizeof(*parts));
	}
	if (head.failed || !parts) { /* no memory even for this: the connection ends */
		k->conn->failed = true;
		k->status = loom_status_http(LOOM_E_MEMORY);
		loom_buf_release(&head);
		return;
	}
	parts[0] = (struct loom_body_part){head.data, head.len, NULL, 0};
	if (body && bytes > 0 && strcmp(k->head.method, "HEAD") != 0) {
		parts[n++] = (struct loom_body_part){body->head.data, body->head.len, NULL, 0};
		for (size_t i = 0; i < body->n_part; i++) {
			parts[n++] = body->parts[i];
		}
		k->bytes = bytes;
	}
	k->status = status;
	(void)loom_conn_send(k->conn, parts, n);
	if (parts != few) {
		loom_free(parts);
	}
	loom_buf_release(&head);
}

void loom_call_error(struct loom_call *k, const struct loom_err *err)
{
	int status = loom_status_http(err->status);
	struct loom_body b;

	/* OpenAI's clients know no 422. */
	if (k->route && k->route->lenient && err->status == LOOM_E_INVALID) {
		status = 400;
	}
	loom_body_init(&b);
	loom_encode_error(&b.head, err);
	if (b.head.failed) {
		k->conn->failed = true;
		k->status = loom_status_http(LOOM_E_MEMORY);
	} else {
		reply(k, status, &b);
	}
	loom_body_release(&b);
}

/* ---- streams ---- */

static bool stream_open(void *ctx)
{
	struct loom_call *k = ctx;
	struct loom_buf head;
	bool ok;

	loom_buf_init(&head, 4096);
	k->close_after = k->close_after || k->head.minor == 0; /* without chunks the end of the connection is the end of the stream */
	put_head(k, &head, 200);
	(void)loom_buf_printf(&head, "Content-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n%s\r\n",
		k->head.minor ? "Transfer-Encoding: chunked\r\n" : "");
	ok = !head.failed && loom_conn_send(k->conn, &(struct loom_body_part){head.data, head.len, NULL, 0}, 1);
	k->streaming = true;
	k->status = 200;
	loom_buf_release(&head);
	return ok;
}

static bool stream_write(void *ctx, const char *data, size_t n, unsigned idle_seconds)
{
	struct loom_call *k = ctx;
	char size[24];
	int len = snprintf(size, sizeof(size), "%zx\r\n", n);
	const struct loom_body_part chunk[3] = {{size, (size_t)len, NULL, 0}, {data, n, NULL, 0}, {"\r\n", 2, NULL, 0}};

	if (n == 0) {
		return true;
	}
	k->bytes += n;
	return k->head.minor ? loom_conn_send_within(k->conn, chunk, 3, idle_seconds) : loom_conn_send_within(k->conn, chunk + 1, 1, idle_seconds);
}

static void stream_close(struct loom_call *k)
{
	if (k->head.minor && !k->conn->failed) {
		(void)loom_conn_send(k->conn, &(struct loom_body_part){"0\r\n\r\n", 5, NULL, 0}, 1);
	}
}

/* ---- a request ---- */

void loom_call_answer(struct loom_call *k)
{
	struct loom_exchange *x = &k->x;
	struct loom_err err = {0};
	enum loom_status rc;

	if (strcmp(k->head.method, "OPTIONS") == 0) {
		reply(k, 204, NULL);
		return;
	}
	x->data = k->body.data;
	x->n_data = k->body.len;
	x->strict = !k->route->lenient;
	x->stream_open = stream_open;
	x->stream_write = stream_write;
	rc = k->route->handler(x, &err);
	loom_buf_release(&k->body);
	if (k->streaming) {
		stream_close(k);
		k->status = k->conn->failed ? loom_status_http(LOOM_E_CANCELLED) : rc ? loom_status_http(rc) : 200;
		return;
	}
	if (rc == LOOM_E_CANCELLED && !atomic_load(&k->conn->server->aborting)) {
		k->status = loom_status_http(LOOM_E_CANCELLED);
		k->conn->failed = true;
		return;
	}
	if (rc == LOOM_E_CANCELLED) {
		rc = loom_err_set(&err, LOOM_E_UNAVAILABLE, "the server is shutting down");
	}
	if (rc) {
		loom_call_error(k, &err);
	} else {
		reply(k, x->status, &x->body);
	}
}

void loom_call_done(struct loom_call *k)
{
	const struct loom_facts *f = &k->x.facts;
	double ms = loom_clock_ms() - k->started_ms;
	const char *route = k->route ? k->route->path : NULL;
	const struct loom_log_field fields[] = {
		{.key = "method", .text = k->head.method}, {.key = "path", .text = k->path}, {.key = "route", .text = route},
		{.key = "status", .kind = LOOM_LOG_INTEGER, .integer = k->status}, {.key = "ms", .kind = LOOM_LOG_NUMBER, .number = ms},
		{.key = "bytes", .kind = LOOM_LOG_INTEGER, .integer = (int64_t)k->bytes}, {.key = "id", .text = k->id},
		{.key = "model", .text = f->model[0] ? f->model : NULL},
		{.key = "tokens_in", .kind = LOOM_LOG_INTEGER, .integer = f->n_prompt},
		{.key = "tokens_out", .kind = LOOM_LOG_INTEGER, .integer = f->n_generated},
		{.key = "model_ms", .kind = LOOM_LOG_NUMBER, .number = f->inference_ms},
	};
	size_t n = sizeof(fields) / sizeof(fields[0]);

	loom_metrics_request(&k->conn->server->metrics, route, k->head.method, k->status, ms * 1e-3);
	loom_log_fields(k->status >= 500 ? LOOM_LOG_WARNING : LOOM_LOG_INFO, "request", fields, f->model[0] ? n : n - 4);
}
