/* http.c: the glue to libmicrohttpd: a thread a connection, limits on everything, one struct call a request. It decides nothing about the API:
 * routes.c finds the handler. A body may point into the answer's memory, so both live until the last byte is sent. */
#include "server.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer_json.h"
#include "bounds.h"
#include "clock.h"
#include "exchange.h"
#include "log.h"
#include "mem.h"
#include "str.h"

struct loom_server {
	struct MHD_Daemon *daemon;
	struct loom_server_opts opts;
	struct loom_engine *engine;
	char allowed_hosts[512];
	bool loopback;           /* listens on a loopback address only */
	int port;
	atomic_bool stopping, aborting;
	atomic_int in_flight;
	atomic_ullong next_id;
	uint64_t id_seed;
};

/* What must live until an answer is sent. */
struct sent {
	struct loom_body body;
	struct loom_answer answer;
};

struct call {
	struct loom_server *server;
	struct MHD_Connection *connection;
	const struct loom_route *route;
	const char *rest;            /* points into path */
	char method[16], id[132];
	char *path;
	struct loom_buf body;
	double started_ms;
	bool too_large;
	uint64_t discarded;
};

void loom_server_opts_default(struct loom_server_opts *o)
{
	*o = (struct loom_server_opts){.transport = LOOM_TRANSPORT_HTTP, .host = "127.0.0.1", .port = 8080, .unix_socket = "/tmp/loom.sock",
		.unix_mode = 0600, .max_body_bytes = LOOM_MAX_BODY_BYTES, .max_response_bytes = LOOM_MAX_RESPONSE_BYTES,
		.max_connections = LOOM_MAX_CONNECTIONS, .max_batch_items = LOOM_MAX_BATCH_ITEMS, .header_seconds = 15, .idle_seconds = 30,
		.keep_alive_seconds = 60, .drain_seconds = 10, .stream_buffer_bytes = (size_t)4 << 20};
}

static void free_sent(void *p)
{
	struct sent *s = p;

	if (s) {
		loom_body_release(&s->body);
		loom_answer_release(&s->answer);
		loom_free(s);
	}
}

/* The response over s, which it then owns. NULL when out of memory (s is freed). */
static struct MHD_Response *make_response(struct sent *s)
{
	size_t n = s->body.n_part + 1;
	struct MHD_IoVec *v = loom_calloc(n, sizeof(*v));
	struct MHD_Response *r = NULL;

	if (v) {
		v[0] = (struct MHD_IoVec){s->body.head.data ? s->body.head.data : "", s->body.head.len};
		for (size_t i = 1; i < n; i++) {
			v[i] = (struct MHD_IoVec){s->body.parts[i - 1].data, s->body.parts[i - 1].n};
		}
		r = MHD_create_response_from_iovec(v, (unsigned)n, free_sent, s);
		loom_free(v);
	}
	if (!r) {
		free_sent(s);
	}
	return r;
}

/* Sends status and s; allow names methods for 405, NULL else. */
static enum MHD_Result reply(struct call *c, int status, struct sent *s, const char *allow, bool close_after)
{
	char length[24];
	const char *type = s->body.content_type;
	struct MHD_Response *r;
	enum MHD_Result rc;

	(void)snprintf(length, sizeof(length), "%zu", loom_body_bytes(&s->body));
	r = make_response(s);
	if (!r) {
		return MHD_NO;
	}
	(void)MHD_add_response_header(r, "Content-Type", type);
	(void)MHD_add_response_header(r, "X-Request-Id", c->id);
	(void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	if (allow) {
		(void)MHD_add_response_header(r, "Allow", allow);
	}
	if (status == 429 || status == 503) {
		(void)MHD_add_response_header(r, "Retry-After", "1");
	}
	if (close_after) {
		(void)MHD_add_response_header(r, "Connection", "close");
	}
	rc = MHD_queue_response(c->connection, (unsigned)status, r);
	MHD_destroy_response(r);
	loom_log(status >= 500 ? LOOM_LOG_WARNING : LOOM_LOG_INFO, "%s %s %d %s bytes %.1f ms %s", c->method, c->path, status, length,
		loom_clock_ms() - c->started_ms, c->id);
	return rc;
}

static enum MHD_Result reply_error(struct call *c, const struct loom_err *err, const char *allow, bool close_after)
{
	struct sent *s = loom_calloc(1, sizeof(*s));

	if (!s) {
		return MHD_NO;
	}
	loom_body_init(&s->body);
	loom_answer_init(&s->answer);
	loom_encode_error(&s->body.head, err);
	return reply(c, loom_status_http(err->status), s, allow, close_after);
}

static bool client_gone(void *ctx)
{
	struct call *c = ctx;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	char byte;

	if (atomic_load(&c->server->aborting)) {
		return true;
	}
	if (!info) {
		return false;
	}
	ssize_t n = recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place; false for a broken escape, NUL or invalid UTF-8. */
static bool percent_decode(char *s)
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

static enum MHD_Result handle(struct call *c)
{
	struct loom_server *server = c->server;
	struct loom_err err = {0};
	struct sent *s = loom_calloc(1, sizeof(*s));
	struct loom_exchange x = {.engine = server->engine, .opts = &server->opts, .method = c->method, .path = c->path, .data = c->body.data,
		.n_data = c->body.len, .strict = !c->route->lenient, .gone = client_gone, .gone_ctx = c, .status = 200};
	char rest[1024];
	enum loom_status rc;

	if (!s) {
		return MHD_NO;
	}
	loom_body_init(&x.body);
	loom_answer_init(&x.answer);
	(void)loom_str_copy(rest, sizeof(rest), c->rest);
	x.rest = rest;
	if (!percent_decode(rest)) {
		rc = loom_err_set(&err, LOOM_E_BAD_REQUEST, "the path is not valid: broken percent-encoding or UTF-8");
	} else {
		rc = c->route->handler(&x, &err);
	}
	loom_buf_release(&c->body);
	if (rc) {
		loom_body_release(&x.body);
		loom_answer_release(&x.answer);
		loom_free(s);
		if (rc == LOOM_E_CANCELLED && !atomic_load(&server->aborting)) {
			loom_log(LOOM_LOG_INFO, "%s %s 499 %.1f ms %s", c->method, c->path, loom_clock_ms() - c->started_ms, c->id);
			return MHD_NO;
		}
		if (rc == LOOM_E_CANCELLED) {
			(void)loom_err_set(&err, LOOM_E_UNAVAILABLE, "the server is shutting down");
		}
		return reply_error(c, &err, NULL, false);
	}
	s->body = x.body;
	s->answer = x.answer;
	return reply(c, x.status, s, NULL, false);
}

/* ---- what is checked before a body is read ---- */
struct framing {
	int n_length, n_coding;
	bool folded;
};

static enum MHD_Result look_at_header(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct framing *f = ctx;

	(void)kind;
	f->n_length += strcasecmp(key, "Content-Length") == 0;
	f->n_coding += strcasecmp(key, "Transfer-Encoding") == 0;
	f->folded = f->folded || (value && strpbrk(value, "\r\n"));
	return MHD_YES;
}

static const char *header(const struct call *c, const char *name)
{
	return MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, name);
}

static void take_request_id(struct call *c)
{
	const char *given = header(c, "X-Request-Id");
	size_t n = given ? strlen(given) : 0;

	if (n >= 1 && n <= 128 && strspn(given, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n) {
		(void)loom_str_copy(c->id, sizeof(c->id), given);
		return;
	}
	(void)snprintf(c->id, sizeof(c->id), "%08llx-%llu", (unsigned long long)(c->server->id_seed & 0xffffffffu),
		(unsigned long long)atomic_fetch_add(&c->server->next_id, 1) + 1);
}

/* Is the name in Host one that a page of another site could not have made the browser use? */
static bool host_is_ours(const struct loom_server *s, const char *host)
{
	char name[256];
	char list[512], *save = NULL;
	size_t n;

	if (!s->loopback) {
		return true;
	}
	if (!host) {
		return false;
	}
	n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	if (n >= sizeof(name)) {
		return false;
	}
	memcpy(name, host, n);
	name[n] = '\0';
	if (strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 ||
		(loom_str_starts(name, "127.") && strspn(name, "0123456789.") == n)) {
		return true;
	}
	(void)loom_str_copy(list, sizeof(list), s->allowed_hosts);
	for (char *w = strtok_r(list, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		if (strcasecmp(w, name) == 0) {
			return true;
		}
	}
	return false;
}

/* "application/json", with parameters or without, or anything ending in "+json". */
static bool is_json(const char *type)
{
	size_t n = type ? strcspn(type, "; \t") : 0;

	return !type || (n == 16 && strncasecmp(type, "application/json", 16) == 0) || (n > 5 && strncasecmp(type + n - 5, "+json", 5) == 0);
}

static enum loom_status check_length(const struct call *c, struct loom_err *err)
{
	const char *length = header(c, "Content-Length");
	unsigned long long n = 0;

	if (!length) {
		return LOOM_OK;
	}
	for (const char *p = length; *p; p++) {
		if (*p < '0' || *p > '9' || n > (1ull << 59)) {
			return loom_err_set(err, LOOM_E_BAD_REQUEST, "Content-Length: expected a number, found \"%.40s\"", length);
		}
		n = n * 10 + (unsigned)(*p - '0');
	}
	if (n > c->server->opts.max_body_bytes) {
		return loom_err_set(err, LOOM_E_TOO_LARGE, "the body is %llu bytes; at most %zu are read", n, c->server->opts.max_body_bytes);
	}
	return LOOM_OK;
}

static enum loom_status check_head(struct call *c, char *allow, size_t cap, bool *close_after, struct loom_err *err)
{
	struct framing f = {0, 0, false};
	enum loom_status rc;

	*close_after = true;
	(void)MHD_get_connection_values(c->connection, MHD_HEADER_KIND, look_at_header, &f);
	if (f.n_length > 1 || f.n_coding > 1 || (f.n_length && f.n_coding) || f.folded) {
		return loom_err_set(err, LOOM_E_BAD_REQUEST, "ambiguous framing: %s", f.folded ? "a folded header"
			: "more than one of Content-Length and Transfer-Encoding");
	}
	if (!host_is_ours(c->server, header(c, "Host"))) {
		return loom_err_set(err, LOOM_E_FORBIDDEN, "Host: expected localhost or a loopback address: this server listens on loopback only");
	}
	if (atomic_load(&c->server->stopping)) {
		return loom_err_set(err, LOOM_E_UNAVAILABLE, "the server is shutting down");
	}
	if ((rc = check_length(c, err)) || (rc = loom_route_find(c->method, c->path, &c->route, &c->rest, allow, cap, err))) {
		/* Without a body in the way the connection can go on. */
		*close_after = f.n_length || f.n_coding;
		return rc;
	}
	if (c->route->has_body && !is_json(header(c, "Content-Type"))) {
		return loom_err_set(err, LOOM_E_MEDIA_TYPE, "Content-Type: expected application/json (add the header \"Content-Type: "
			"application/json\")");
	}
	*close_after = false;
	return LOOM_OK;
}

static enum MHD_Result begin(struct loom_server *s, struct MHD_Connection *connection, const char *url, const char *method, void **state)
{
	struct call *c = loom_calloc(1, sizeof(*c));
	struct loom_err err = {0};
	char allow[128];
	bool close_after;

	if (!c || !(c->path = loom_strdup(url))) {
		loom_free(c);
		return MHD_NO;
	}
	*state = c;
	c->server = s;
	c->connection = connection;
	c->started_ms = loom_clock_ms();
	(void)loom_str_copy(c->method, sizeof(c->method), method);
	loom_buf_init(&c->body, s->opts.max_body_bytes);
	take_request_id(c);
	(void)atomic_fetch_add(&s->in_flight, 1);
	if (check_head(c, allow, sizeof(allow), &close_after, &err)) {
		return reply_error(c, &err, err.status == LOOM_E_METHOD ? allow : NULL, close_after);
	}
	return MHD_YES;
}

static enum MHD_Result take_body(struct call *c, const char *data, size_t *n)
{
	if (!c->too_large && !loom_buf_append(&c->body, data, *n)) {
		c->too_large = true;
		loom_buf_release(&c->body);
	}
	c->discarded += c->too_large ? *n : 0;
	*n = 0;
	/* A body without end is not read to its end. */
	return c->discarded > c->server->opts.max_body_bytes ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
	const char *data, size_t *n, void **state)
{
	struct loom_err err = {0};
	struct call *c = *state;

	(void)version;
	if (!c) {
		return begin(ctx, connection, url, method, state);
	}
	if (*n > 0) {
		return take_body(c, data, n);
	}
	if (c->too_large) {
		(void)loom_err_set(&err, LOOM_E_TOO_LARGE, "the body is over %zu bytes", c->server->opts.max_body_bytes);
		return reply_error(c, &err, NULL, true);
	}
	return handle(c);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
	struct loom_server *s = ctx;
	struct call *c = *state;

	(void)connection;
	(void)code;
	if (c) {
		loom_buf_release(&c->body);
		loom_free(c->path);
		loom_free(c);
		*state = NULL;
		(void)atomic_fetch_sub(&s->in_flight, 1);
	}
}

/* Paths are decoded by us, after routing. */
static size_t keep_escapes(void *ctx, struct MHD_Connection *connection, char *s)
{
	(void)ctx;
	(void)connection;
	return strlen(s);
}

static void LOOM_PRINTF(2, 0) on_log(void *ctx, const char *fmt, va_list ap)
{
	char text[512];

	(void)ctx;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	loom_log(LOOM_LOG_DEBUG, "http: %s", text);
}

static bool is_loopback(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET) {
		return (ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24) == 127;
	}
	return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static enum loom_status listen_on(struct loom_server *s, struct loom_err *err)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *a = NULL;
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ERROR_LOG | MHD_USE_ITC;
	char port[8];
	int bad;

	(void)snprintf(port, sizeof(port), "%d", s->opts.port);
	bad = getaddrinfo(s->opts.host, port, &hints, &a);
	if (bad) {
		return loom_err_set(err, LOOM_E_INVALID, "host \"%.100s\": %s", s->opts.host, gai_strerror(bad));
	}
	s->loopback = is_loopback(a->ai_addr);
	flags |= a->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0;
	errno = 0;
	s->daemon = MHD_start_daemon(flags, (uint16_t)s->opts.port, NULL, NULL, on_request, s, MHD_OPTION_SOCK_ADDR, a->ai_addr,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_UNESCAPE_CALLBACK,
		keep_escapes, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->opts.max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
		s->opts.idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(64u << 10), MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)(512u << 10), MHD_OPTION_END);
	bad = errno;
	freeaddrinfo(a);
	if (!s->daemon) {
		return loom_err_set(err, LOOM_E_IO, "cannot listen on %.100s port %d: %s", s->opts.host, s->opts.port, bad ? strerror(bad)
			: "no more is known");
	}
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
	s->port = info ? info->port : s->opts.port;
	return LOOM_OK;
}

enum loom_status loom_server_start(const struct loom_server_opts *o, struct loom_engine *e, struct loom_server **out, struct loom_err *err)
{
	struct loom_server *s = loom_calloc(1, sizeof(*s));
	enum loom_status rc;

	*out = NULL;
	if (!s) {
		return loom_err_nomem(err, "server", sizeof(*s));
	}
	s->opts = *o;
	s->engine = e;
	s->id_seed = loom_clock_ns();
	(void)loom_str_copy(s->allowed_hosts, sizeof(s->allowed_hosts), o->allowed_hosts ? o->allowed_hosts : "");
	rc = listen_on(s, err);
	if (rc) {
		loom_free(s);
		return rc;
	}
	*out = s;
	return LOOM_OK;
}

int loom_server_port(const struct loom_server *s)
{
	return s->port;
}

void loom_server_stop(struct loom_server *s)
{
	double deadline = loom_clock_ms() + s->opts.drain_seconds * 1e3;
	MHD_socket listening;

	atomic_store(&s->stopping, true);
	listening = MHD_quiesce_daemon(s->daemon);
	while (atomic_load(&s->in_flight) > 0 && loom_clock_ms() < deadline) {
		loom_sleep_ms(10);
	}
	atomic_store(&s->aborting, true);
	MHD_stop_daemon(s->daemon);
	if (listening != MHD_INVALID_SOCKET) {
		(void)shutdown(listening, SHUT_RDWR);
		(void)close(listening);
	}
	loom_free(s);
}
