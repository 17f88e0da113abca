/* conn.c: one connection: its bytes, under deadlines, and its requests one after another.
 *
 * A reader is given up when it sends or takes nothing for idle_seconds, or less than a kilobyte a second over longer. After an answer that
 * leaves unread bytes behind, those are drained for a moment, so that the client can read it. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "answer_json.h"
#include "clock.h"
#include "mem.h"
#include "server_internal.h"

#define LEAST_RATE 1024.0  /* bytes a second */
#define DRAIN_BYTES (1u << 20)
#define DRAIN_MS 2000

/* Waits for events until the deadline; false when it passed. */
static bool wait_for(int fd, short events, double deadline_ms)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		double left = deadline_ms - loom_clock_ms();
		int rc = poll(&p, 1, left > 0 ? (int)(left + 1) : 0);
		if (rc > 0) {
			return true;
		}
		if (rc == 0 || errno != EINTR) {
			return false;
		}
	}
}

enum fill { FILLED, CLOSED, LATE };

/* More bytes into the buffer, which has room. */
static enum fill fill(struct loom_conn *c, double deadline_ms)
{
	for (;;) {
		ssize_t n = recv(c->fd, c->buf + c->n, LOOM_READ_BYTES - c->n, MSG_DONTWAIT);
		if (n > 0) {
			c->n += (size_t)n;
			return FILLED;
		}
		if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
			return CLOSED;
		}
		if (!wait_for(c->fd, POLLIN, deadline_ms)) {
			return LATE;
		}
	}
}

bool loom_conn_send_within(struct loom_conn *c, const struct loom_body_part *parts, size_t n, unsigned idle_seconds)
{
	double start = loom_clock_ms(), idle = idle_seconds * 1e3, last = start;
	size_t i = 0, off = 0;
	uint64_t sent = 0;

	while (!c->failed) {
		struct iovec v[64];
		struct msghdr m = {.msg_iov = v};
		while (i < n && off == parts[i].n) {
			i++;
			off = 0;
		}
		if (i == n) {
			return true;
		}
		for (size_t k = i; k < n && m.msg_iovlen < 64; k++) {
			size_t skip = k == i ? off : 0;
			v[m.msg_iovlen++] = (struct iovec){(char *)(uintptr_t)parts[k].data + skip, parts[k].n - skip};
		}
		ssize_t done = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			double slow = start + idle + (double)sent / LEAST_RATE * 1e3, silent = last + idle;
			c->failed = atomic_load(&c->server->aborting) || !wait_for(c->fd, POLLOUT, slow < silent ? slow : silent);
		} else if (done < 0 && errno != EINTR) {
			c->failed = true;
		} else if (done > 0) {
			last = loom_clock_ms();
			sent += (uint64_t)done;
			for (off += (size_t)done; i < n && off >= parts[i].n;) {
				off -= parts[i++].n;
			}
		}
	}
	return false;
}

bool loom_conn_send(struct loom_conn *c, const struct loom_body_part *parts, size_t n)
{
	return loom_conn_send_within(c, parts, n, c->server->opts.idle_seconds);
}

bool loom_conn_gone(struct loom_conn *c, int minor)
{
	static const char interim[] = "HTTP/1.1 102 Processing\r\n\r\n";
	struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};

	if (c->failed || atomic_load(&c->server->aborting)) {
		return true;
	}
	if (poll(&p, 1, 0) <= 0) {
		return false;
	}
	if (p.revents & (POLLERR | POLLHUP | POLLNVAL)) {
		return true;
	}
	if (!(p.revents & POLLRDHUP) || c->unix_socket) {
		return false;
	}
	/* The client will send no more. Does it still listen? Its kernel answers an interim response with a reset when it does not. */
	if (minor == 0) {
		return true;
	}
	if (!c->half_closed_probed) {
		c->half_closed_probed = true;
		c->failed = send(c->fd, interim, sizeof(interim) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
	}
	return c->failed;
}

void loom_conn_wake(struct loom_conn *c)
{
	if (c->idle) {
		(void)shutdown(c->fd, SHUT_RD);
	}
}

/* ---- a request ---- */

/* true: goes on; false: the server ends. */
static bool set_idle(struct loom_conn *c, bool idle)
{
	struct loom_server *s = c->server;
	bool go;

	(void)pthread_mutex_lock(&s->lock);
	c->idle = idle;
	go = !idle || !atomic_load(&s->stopping);
	(void)pthread_mutex_unlock(&s->lock);
	return go;
}

/* The next head is in buf[at..at+size); 0: there is none and the connection ends. */
static enum loom_status read_head(struct loom_conn *c, size_t *size, double *started_ms, struct loom_err *err)
{
	const struct loom_server_opts *o = &c->server->opts;
	unsigned first = c->n_request ? o->keep_alive_seconds : o->header_seconds;
	double deadline = loom_clock_ms() + (c->n > c->at ? o->header_seconds : first) * 1e3;
	enum loom_status rc;
	size_t seen = 0;

	memmove(c->buf, c->buf + c->at, c->n - c->at);
	c->n -= c->at;
	c->at = 0;
	*started_ms = loom_clock_ms();
	for (;;) {
		bool any = c->n > 0;
		if ((rc = loom_http_head_size(c->buf, c->n, &seen, size, err)) || *size > 0) {
			return rc;
		}
		if (!any && !set_idle(c, true)) {
			return LOOM_OK;
		}
		enum fill f = fill(c, deadline);
		(void)set_idle(c, false);
		if (f == FILLED && !any) {
			*started_ms = loom_clock_ms();
			deadline = *started_ms + o->header_seconds * 1e3;
		}
		if (f == LATE && any) {
			return loom_err_set(err, LOOM_E_TIMEOUT, "the request's head was not complete after %u s", o->header_seconds);
		}
		if (f == CLOSED && any) {
			return loom_err_set(err, LOOM_E_BAD_REQUEST, "the connection ended within a request's head");
		}
		if (f != FILLED) {
			return LOOM_OK;
		}
	}
}

/* What lies in the buffer of the body goes to k->body; *done: it is whole. */
static enum loom_status take(struct loom_call *k, struct loom_chunked *chunked, bool *done, struct loom_err *err)
{
	struct loom_conn *c = k->conn;
	size_t used = c->n - c->at;
	enum loom_status rc = LOOM_OK;

	if (k->head.chunked) {
		rc = loom_chunked_feed(chunked, c->buf + c->at, used, &used, &k->body, err);
		*done = chunked->done;
	} else {
		size_t left = (size_t)k->head.length - k->body.len;
		used = used < left ? used : left;
		if (!loom_buf_append(&k->body, c->buf + c->at, used)) {
			return loom_err_nomem(err, "body", k->head.length);
		}
		*done = used == left;
	}
	c->at += rc ? 0 : used;
	if (c->at == c->n) {
		c->at = c->n = c->base;
	}
	return rc;
}

static enum loom_status read_body(struct loom_call *k, struct loom_err *err)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct loom_conn *c = k->conn;
	struct loom_chunked chunked = {0};
	double idle = c->server->opts.idle_seconds * 1e3, start = loom_clock_ms();
	bool done = false;
	enum loom_status rc;

	if (k->head.expect_continue && c->at == c->n &&
		!loom_conn_send(c, &(struct loom_body_part){go_on, sizeof(go_on) - 1, NULL, 0}, 1)) {
		return loom_err_set(err, LOOM_E_CANCELLED, "the client left");
	}
	for (;;) {
		if ((rc = take(k, &chunked, &done, err)) || done) {
			return rc;
		}
		double now = loom_clock_ms(), slow = start + idle + (double)k->body.len / LEAST_RATE * 1e3;
		enum fill f = fill(c, slow < now + idle ? slow : now + idle);
		if (f == CLOSED) {
			return loom_err_set(err, LOOM_E_CANCELLED, "the connection ended within a body");
		}
		if (f == LATE) {
			return loom_err_set(err, LOOM_E_TIMEOUT, "the body is not complete: nothing came for %u s", c->server->opts.idle_seconds);
		}
	}
}

/* Answers what was refused before it was read to its end. */
static void refuse(struct loom_call *k, const struct loom_err *err)
{
	k->close_after = true;
	if (err->status == LOOM_E_CANCELLED) {
		k->status = loom_status_http(LOOM_E_CANCELLED);
	} else {
		loom_call_error(k, err);
	}
}

/* false: the connection ends. */
static bool one_request(struct loom_conn *c, struct loom_call *k)
{
	struct loom_err err = {0};
	size_t size = 0;
	enum loom_status rc = read_head(c, &size, &k->started_ms, &err);

	if (!rc && size == 0) {
		return false;
	}
	(void)atomic_fetch_add(&c->server->in_flight, 1);
	c->n_request++;
	rc = rc ? rc : loom_http_head_parse(&k->head, c->buf, size, &err);
	if (rc) {
		loom_call_init(k, c);
		refuse(k, &err);
	} else {
		uint64_t most = (uint64_t)c->server->opts.max_requests_per_connection;
		c->at = c->base = size;
		loom_call_init(k, c);
		k->close_after = !k->head.keep_alive || (most && c->n_request >= most);
		if ((rc = loom_call_check(k, &err))) {
			k->close_after = k->close_after || k->head.chunked || k->head.length > 0 || rc == LOOM_E_LENGTH || rc == LOOM_E_NOT_IMPLEMENTED;
			loom_call_error(k, &err);
		} else if ((k->head.chunked || k->head.length > 0) && (rc = read_body(k, &err))) {
			refuse(k, &err);
		} else {
			loom_call_answer(k);
		}
	}
	loom_call_done(k);
	(void)atomic_fetch_sub(&c->server->in_flight, 1);
	return !k->close_after && !c->failed && !atomic_load(&c->server->stopping);
}

/* The client may still be sending: closing at once would reset the connection and take our answer from it. */
static void linger(struct loom_conn *c)
{
	double deadline = loom_clock_ms() + DRAIN_MS;
	size_t drained = c->n - c->at;

	if (c->failed || shutdown(c->fd, SHUT_WR) != 0) {
		return;
	}
	while (drained < DRAIN_BYTES) {
		c->at = c->n = 0;
		if (fill(c, deadline) != FILLED) {
			return;
		}
		drained += c->n;
	}
}

void loom_conn_run(struct loom_conn *c)
{
	struct loom_call *k = loom_malloc(sizeof(*k));
	bool go = k && (c->buf = loom_malloc(LOOM_READ_BYTES)) != NULL, any = false;

	while (go) {
		memset(k, 0, sizeof(*k));
		go = one_request(c, k);
		any = any || k->status != 0;
		loom_call_release(k);
	}
	if (any) {
		linger(c);
	}
	loom_free(k);
	loom_free(c->buf);
}
