/* hub_http.h: one request to the hub through libcurl: redirects followed one by one under the policy of hub_url.h, headers read with
 * suspicion, bodies handed on as they come, bounded waiting and trying again. One client a thread. */
#ifndef LOOM_HUB_HTTP_H
#define LOOM_HUB_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "hub_env.h"
#include "hub_names.h"
#include "hub_url.h"

/* ---- headers: hub_reply.c ---- */
struct loom_hub_reply {
	long status;
	char location[LOOM_HUB_URL_CAP];
	char etag[256], linked_etag[256], commit[64]; /* as sent */
	int64_t length, linked_size;                  /* -1: not said */
	int64_t range_start, range_total;             /* of Content-Range, -1 */
	long retry_after;                             /* seconds, of Retry-After or RateLimit; -1 */
	char error_code[64], error_message[200];
	bool encoded;                                 /* a Content-Encoding other than identity */
	bool malformed;                               /* a header that cannot be used */
};
void loom_hub_reply_init(struct loom_hub_reply *r);
/* One header line, with or without its CR LF; a status line begins a new answer. */
void loom_hub_reply_line(struct loom_hub_reply *r, const char *line, size_t n);
bool loom_hub_reply_is_redirect(const struct loom_hub_reply *r);

/* ---- requests ---- */
typedef enum loom_status (*loom_hub_body_fn)(void *ctx, const struct loom_hub_reply *r, const void *data, size_t n, struct loom_err *err);
struct loom_hub_request {
	const char *url;
	bool head;
	uint64_t from;         /* first byte wanted; 0: no Range is sent */
	long seconds;          /* for the whole request; 0: no limit but the body must not stand still */
	loom_hub_body_fn body; /* of a 200 or 206; may be called many times; another status than LOOM_OK ends the request */
	void *ctx;
};
struct loom_hub_client {
	const struct loom_hub_env *env;
	const atomic_bool *cancel;      /* true: give up soon */
	struct loom_hub_origin endpoint;
	void *curl;                     /* CURL */
	int near;                       /* the endpoint's address, enum loom_hub_near; -1: not connected yet */
	bool at_endpoint;               /* the hop under way goes to the endpoint */
	bool bad_address;               /* it led to an address that is refused */
	bool transient;                 /* the last failure may pass: the connection broke or stood still */
	bool unreachable;               /* the last failure was that there was no connection at all */
	const struct loom_hub_request *req;
	struct loom_hub_reply *reply;
	size_t header_bytes;
	int64_t seen_bytes;             /* of the body, when they last grew */
	double seen_ms;
	bool stalled;
	struct loom_err body_err;
	enum loom_status body_status;
};
enum loom_status loom_hub_client_init(struct loom_hub_client *c, const struct loom_hub_env *env, const atomic_bool *cancel,
	struct loom_err *err) LOOM_MUST_CHECK;
void loom_hub_client_release(struct loom_hub_client *c);

/* The answer's status may be anything; a redirect is only returned for a HEAD that says all there is to know and leads elsewhere.
 * 429 and 5xx are waited for and tried again, a few times; so are broken connections of requests without a body function. */
enum loom_status loom_hub_send(struct loom_hub_client *c, const struct loom_hub_request *req, struct loom_hub_reply *reply,
	struct loom_err *err) LOOM_MUST_CHECK;
/* GET of a text of at most out->max bytes. */
enum loom_status loom_hub_get_text(struct loom_hub_client *c, const char *url, struct loom_buf *out, struct loom_hub_reply *reply,
	struct loom_err *err) LOOM_MUST_CHECK;
/* Waits ms, or less when cancelled (LOOM_E_CANCELLED). */
enum loom_status loom_hub_wait(const struct loom_hub_client *c, long ms, struct loom_err *err) LOOM_MUST_CHECK;
/* The wait before try number n (0, 1, …): doubles, with some jitter. */
long loom_hub_backoff_ms(const struct loom_hub_client *c, int n);
/* What a status other than 2xx means, in words that say what to do. file NULL: the repo itself was asked for. */
enum loom_status loom_hub_refusal(const struct loom_hub_client *c, const struct loom_hub_reply *r, const struct loom_hub_id *id,
	const char *file, struct loom_err *err);

#endif
