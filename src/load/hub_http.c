/* hub_http.c: requests through libcurl. See hub_http.h. */
#include "hub_http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "mem.h"
#include "str.h"

#define MAX_HOPS 5
#define MAX_TRIES 4            /* of an answer that may pass: 429, 5xx */
#define MAX_BROKEN 2           /* of a connection that breaks */
#define MAX_WAIT_SECONDS 60    /* a hub that asks for more patience is an error at once */
#define MAX_ANSWER_HEADERS (256u << 10)
#define LEAST_SPEED 128        /* bytes a second; slower than this for read_seconds counts as standing still */

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum loom_status loom_hub_client_init(struct loom_hub_client *c, const struct loom_hub_env *env, const atomic_bool *cancel,
	struct loom_err *err)
{
	(void)pthread_once(&once, start_curl);
	memset(c, 0, sizeof(*c));
	c->env = env;
	c->cancel = cancel;
	c->near = -1;
	c->curl = curl_easy_init();
	if (!c->curl || !loom_hub_origin_parse(env->endpoint, &c->endpoint)) {
		loom_hub_client_release(c);
		return loom_err_nomem(err, "a hub client", sizeof(*c));
	}
	return LOOM_OK;
}

void loom_hub_client_release(struct loom_hub_client *c)
{
	curl_easy_cleanup(c->curl);
	c->curl = NULL;
}

/* ---- callbacks ---- */

static size_t on_header(char *data, size_t one, size_t n, void *ctx)
{
	struct loom_hub_client *c = ctx;

	(void)one;
	c->header_bytes += n;
	if (c->header_bytes > MAX_ANSWER_HEADERS) {
		return 0;
	}
	loom_hub_reply_line(c->reply, data, n);
	return n;
}

static enum loom_status check_reply(const struct loom_hub_client *c, struct loom_err *err)
{
	return c->reply->malformed || c->reply->encoded
		? loom_hub_err(err, LOOM_E_HUB, "hub_invalid_response", "%.100s: %s", c->env->host,
			  c->reply->encoded ? "an encoded body, though identity was asked for" : "a header that makes no sense")
		: LOOM_OK;
}

static size_t on_body(char *data, size_t one, size_t n, void *ctx)
{
	struct loom_hub_client *c = ctx;

	(void)one;
	(void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &c->reply->status);
	if ((c->reply->status != 200 && c->reply->status != 206) || !c->req->body) {
		return n; /* the words of an error page are not read */
	}
	if ((c->body_status = check_reply(c, &c->body_err))) {
		return 0;
	}
	c->body_status = c->req->body(c->req->ctx, c->reply, data, n, &c->body_err);
	return c->body_status ? 0 : n;
}

static bool is_connected(const struct loom_hub_client *c)
{
	curl_off_t t = 0;

	return curl_easy_getinfo(c->curl, CURLINFO_PRETRANSFER_TIME_T, &t) == CURLE_OK && t > 0;
}

/* Called at least once a second. curl's own limit on the speed looks at an average, which takes seconds to fall. */
static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct loom_hub_client *c = ctx;
	double now = loom_clock_ms();

	(void)down_total, (void)up_total, (void)up;
	if (down != c->seen_bytes || !is_connected(c)) {
		c->seen_bytes = down;
		c->seen_ms = now;
	}
	c->stalled = now - c->seen_ms > 1000.0 * (double)c->env->read_seconds;
	return c->stalled || atomic_load(c->cancel);
}

static bool through_proxy(void)
{
	static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *v = getenv(names[i]);
		if (v && v[0]) {
			return true;
		}
	}
	return false;
}

/* A name that the hub sends us must not lead into this machine or its network, unless the hub itself is there. */
static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct loom_hub_client *c = ctx;
	int near = (int)loom_hub_address(&a->addr, a->addrlen);

	(void)purpose;
	if (c->at_endpoint) {
		c->near = near;
	} else if (!through_proxy() && !loom_hub_address_allowed(c->near < 0 ? LOOM_HUB_PUBLIC : (enum loom_hub_near)c->near,
			(enum loom_hub_near)near)) {
		c->bad_address = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* ---- one hop ---- */

static enum loom_status failed(struct loom_hub_client *c, CURLcode code, const char *url, struct loom_err *err)
{
	struct loom_hub_origin o;
	const char *host = loom_hub_origin_parse(url, &o) ? o.host : c->env->host;

	if (c->body_status) {
		*err = c->body_err;
		return c->body_status;
	}
	if (atomic_load(c->cancel)) {
		return loom_err_set(err, LOOM_E_CANCELLED, "the download was given up");
	}
	if (c->bad_address) {
		return loom_hub_err(err, LOOM_E_HUB, "hub_invalid_response", "the hub redirects to %.100s, whose address is inside this machine or its "
			"network: refused", host);
	}
	switch (code) {
	case CURLE_OUT_OF_MEMORY:
		return loom_err_nomem(err, "a request to the hub", 0);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
		c->unreachable = true;
		break;
	case CURLE_ABORTED_BY_CALLBACK: /* it stood still */
	case CURLE_OPERATION_TIMEDOUT:
		c->transient = is_connected(c);
		c->unreachable = !c->transient;
		return loom_hub_err(err, LOOM_E_HUB, "hub_timeout", "%.100s %s", host, c->transient ? "stopped answering" : "cannot be reached: no "
			"connection in time");
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
		return loom_hub_err(err, LOOM_E_HUB, "hub_tls", "%.100s: %s (a company's own certificates go into the file that SSL_CERT_FILE names)",
			host, curl_easy_strerror(code));
	case CURLE_WRITE_ERROR: /* on_header had enough */
		return loom_hub_err(err, LOOM_E_HUB, "hub_invalid_response", "%.100s sent over %u bytes of headers", host, MAX_ANSWER_HEADERS);
	default:
		c->transient = true;
	}
	return loom_hub_err(err, LOOM_E_HUB, c->unreachable ? "hub_unreachable" : "hub_error", "%.100s %s: %s", host,
		c->unreachable ? "cannot be reached" : "broke off", curl_easy_strerror(code));
}

static void set_options(struct loom_hub_client *c, const char *url, bool token)
{
	const struct loom_hub_request *req = c->req;
	CURL *h = c->curl;

	curl_easy_reset(h); /* connections stay */
	(void)curl_easy_setopt(h, CURLOPT_URL, url);
	(void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(h, CURLOPT_QUICK_EXIT, 1L); /* a resolver that gets no answer keeps nobody waiting */
	(void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(h, CURLOPT_USERAGENT, "loom/" LOOM_VERSION);
	(void)curl_easy_setopt(h, CURLOPT_NOBODY, req->head ? 1L : 0L);
	(void)curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, c->env->meta_seconds);
	(void)curl_easy_setopt(h, CURLOPT_TIMEOUT, req->seconds);
	(void)curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, (long)LEAST_SPEED);
	(void)curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, c->env->read_seconds);
	(void)curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(h, CURLOPT_HEADERDATA, c);
	(void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(h, CURLOPT_WRITEDATA, c);
	(void)curl_easy_setopt(h, CURLOPT_BUFFERSIZE, 256L << 10);
	(void)curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	(void)curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, c);
	(void)curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
	(void)curl_easy_setopt(h, CURLOPT_XFERINFODATA, c);
	if (c->env->ca_file[0]) {
		(void)curl_easy_setopt(h, CURLOPT_CAINFO, c->env->ca_file);
	}
	if (token && c->env->token[0]) {
		(void)curl_easy_setopt(h, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		(void)curl_easy_setopt(h, CURLOPT_XOAUTH2_BEARER, c->env->token);
	}
}

static enum loom_status one_hop(struct loom_hub_client *c, const char *url, bool token, struct loom_err *err)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Accept-Encoding: identity");
	char range[32];
	CURLcode code;

	if (!headers) {
		return loom_err_nomem(err, "a request to the hub", 64);
	}
	c->bad_address = c->transient = c->unreachable = false;
	c->header_bytes = 0;
	c->seen_bytes = 0;
	c->seen_ms = loom_clock_ms();
	c->body_status = LOOM_OK;
	loom_hub_reply_init(c->reply);
	set_options(c, url, token);
	(void)curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	if (c->req->from > 0) {
		(void)snprintf(range, sizeof(range), "%llu-", (unsigned long long)c->req->from);
		(void)curl_easy_setopt(c->curl, CURLOPT_RANGE, range);
	}
	code = curl_easy_perform(c->curl);
	(void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &c->reply->status);
	curl_slist_free_all(headers);
	if (code) {
		return failed(c, code, url, err);
	}
	return check_reply(c, err);
}

/* Etag, commit and size are in this answer itself. */
static bool says_all(const struct loom_hub_reply *r)
{
	return (r->linked_etag[0] || r->etag[0]) && r->commit[0] && r->linked_size >= 0;
}

static enum loom_status follow(struct loom_hub_client *c, struct loom_err *err)
{
	char url[LOOM_HUB_URL_CAP], next[LOOM_HUB_URL_CAP];
	struct loom_hub_origin here;
	bool token = true;
	enum loom_status rc;

	if (loom_str_copy(url, sizeof(url), c->req->url) != strlen(c->req->url)) {
		return loom_err_set(err, LOOM_E_HUB, "a URL of over %d bytes", LOOM_HUB_URL_CAP);
	}
	for (int hop = 0;; hop++) {
		if (!loom_hub_origin_parse(url, &here)) {
			return loom_err_set(err, LOOM_E_HUB, "no http or https URL");
		}
		c->at_endpoint = loom_hub_origin_same(&c->endpoint, &here);
		token = token && loom_hub_token_goes(&c->endpoint, &here); /* once away from the hub, never again */
		rc = one_hop(c, url, token, err);
		if (rc || !loom_hub_reply_is_redirect(c->reply)) {
			return rc;
		}
		rc = loom_hub_redirect(url, c->reply->location, next, sizeof(next), err);
		if (rc || !loom_hub_origin_parse(next, &here)) {
			return rc ? rc : loom_err_set(err, LOOM_E_HUB, "no http or https URL");
		}
		if (c->req->head && says_all(c->reply) && !loom_hub_origin_same(&c->endpoint, &here)) {
			return LOOM_OK;
		}
		if (hop == MAX_HOPS) {
			return loom_hub_err(err, LOOM_E_HUB, "hub_invalid_response", "%.100s: over %d redirects", c->env->host, MAX_HOPS);
		}
		memcpy(url, next, sizeof(url));
	}
}

/* ---- patience ---- */

enum loom_status loom_hub_wait(const struct loom_hub_client *c, long ms, struct loom_err *err)
{
	for (long left = ms; left > 0 && !atomic_load(c->cancel); left -= 50) {
		loom_sleep_ms((unsigned)(left < 50 ? left : 50));
	}
	return atomic_load(c->cancel) ? loom_err_set(err, LOOM_E_CANCELLED, "the download was given up") : LOOM_OK;
}

long loom_hub_backoff_ms(const struct loom_hub_client *c, int n)
{
	long ms = c->env->retry_ms << (n < 5 ? n : 5);

	return ms / 2 + (long)(loom_clock_ns() % (uint64_t)(ms / 2 + 1)); /* so that many clients do not come back at once */
}

static bool may_pass(const struct loom_hub_reply *r)
{
	return r->status == 408 || r->status == 429 || r->status == 500 || r->status == 502 || r->status == 503 || r->status == 504;
}

enum loom_status loom_hub_send(struct loom_hub_client *c, const struct loom_hub_request *req, struct loom_hub_reply *reply,
	struct loom_err *err)
{
	enum loom_status rc;

	c->req = req;
	c->reply = reply;
	for (int n = 0;; n++) {
		rc = follow(c, err);
		bool again = rc ? c->transient && !req->body : may_pass(reply);
		long ms = rc == LOOM_OK && reply->retry_after >= 0 ? reply->retry_after * 1000 : loom_hub_backoff_ms(c, n);
		if (!again || n + 1 >= (rc ? MAX_BROKEN : MAX_TRIES) || ms > MAX_WAIT_SECONDS * 1000L) {
			return rc;
		}
		if ((rc = loom_hub_wait(c, ms, err))) {
			return rc;
		}
	}
}

static enum loom_status collect(void *ctx, const struct loom_hub_reply *r, const void *data, size_t n, struct loom_err *err)
{
	struct loom_buf *b = ctx;

	(void)r;
	if (loom_buf_append(b, data, n)) {
		return LOOM_OK;
	}
	return b->len + n > b->max ? loom_hub_err(err, LOOM_E_HUB, "hub_invalid_response", "the hub's answer is over %zu bytes", b->max)
		: loom_err_nomem(err, "the hub's answer", b->len + n);
}

enum loom_status loom_hub_get_text(struct loom_hub_client *c, const char *url, struct loom_buf *out, struct loom_hub_reply *reply,
	struct loom_err *err)
{
	struct loom_hub_request req = {.url = url, .seconds = 6 * c->env->meta_seconds, .body = collect, .ctx = out};
	enum loom_status rc = LOOM_OK;

	for (int n = 0; n < MAX_BROKEN; n++) {
		loom_buf_reset(out);
		rc = loom_hub_send(c, &req, reply, err);
		if (rc == LOOM_OK || !c->transient || n + 1 == MAX_BROKEN || loom_hub_wait(c, loom_hub_backoff_ms(c, n), err)) {
			break;
		}
	}
	return rc;
}
