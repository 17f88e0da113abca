/* err.h: the one error type of Loom.
 *
 * A fallible function returns enum loom_status and fills `struct loom_err *err`, its last argument.
 * LOOM_OK is 0. A message says what, where, expected and found, in one line, without paths outside
 * the model's folder, pointers or secrets. Library code never prints, exits or aborts on input. */
#ifndef LOOM_ERR_H
#define LOOM_ERR_H

#include <stdarg.h>

/* name, HTTP status, default code string in error bodies */
#define LOOM_STATUS_LIST(X) \
	X(LOOM_OK, 200, "ok") \
	X(LOOM_E_BAD_REQUEST, 400, "bad_request") \
	X(LOOM_E_UNAUTHORIZED, 401, "invalid_api_key") \
	X(LOOM_E_FORBIDDEN, 403, "forbidden") \
	X(LOOM_E_NOT_FOUND, 404, "not_found") \
	X(LOOM_E_METHOD, 405, "method_not_allowed") \
	X(LOOM_E_TIMEOUT, 408, "request_timeout") \
	X(LOOM_E_CONFLICT, 409, "conflict") \
	X(LOOM_E_LENGTH, 411, "length_required") \
	X(LOOM_E_TOO_LARGE, 413, "too_large") \
	X(LOOM_E_URI, 414, "uri_too_long") \
	X(LOOM_E_MEDIA_TYPE, 415, "unsupported_media_type") \
	X(LOOM_E_EXPECT, 417, "expectation_failed") \
	X(LOOM_E_INVALID, 422, "invalid_parameter") /* a request field is wrong */ \
	X(LOOM_E_MODEL, 422, "invalid_model_file") /* a model file is malformed or unsupported */ \
	X(LOOM_E_QUEUE_FULL, 429, "queue_full") \
	X(LOOM_E_HEADERS, 431, "headers_too_large") \
	X(LOOM_E_CANCELLED, 499, "cancelled") /* the client left; only logged */ \
	X(LOOM_E_INTERNAL, 500, "internal") \
	X(LOOM_E_NOT_IMPLEMENTED, 501, "not_implemented") \
	X(LOOM_E_HUB, 502, "hub_error") \
	X(LOOM_E_MEMORY, 503, "insufficient_memory") \
	X(LOOM_E_UNAVAILABLE, 503, "unavailable") /* loading failed, shutting down */ \
	X(LOOM_E_IO, 503, "io_error") \
	X(LOOM_E_HTTP_VERSION, 505, "http_version") \
	X(LOOM_E_DISK_FULL, 507, "disk_full")

enum loom_status {
#define X(name, http, code) name,
	LOOM_STATUS_LIST(X)
#undef X
	LOOM_N_STATUS
};

struct loom_err {
	enum loom_status status;
	char code[40];     /* stable machine word; default from the list */
	char param[64];    /* request field at fault, or "" */
	char message[1024]; /* always NUL-terminated valid UTF-8, one line */
};

#define LOOM_MUST_CHECK __attribute__((warn_unused_result))
#define LOOM_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Clears err to LOOM_OK. */
void loom_err_clear(struct loom_err *err);

/* Fills err (may be NULL) and returns status, so that `return loom_err_set(err, …)` reads well.
 * Control characters in the message become '?'; over-long messages are cut at a character. */
enum loom_status loom_err_set(struct loom_err *err, enum loom_status status, const char *fmt, ...) LOOM_PRINTF(3, 4);

/* The same, naming the request field at fault ("capture.layers"). */
enum loom_status loom_err_param(struct loom_err *err, enum loom_status status, const char *param, const char *fmt, ...)
	LOOM_PRINTF(4, 5);

/* Puts "prefix: " before the message that err holds; keeps its status. Returns err->status. */
enum loom_status loom_err_prefix(struct loom_err *err, const char *fmt, ...) LOOM_PRINTF(2, 3);

/* "out of memory (what, n bytes)" with LOOM_E_MEMORY. */
enum loom_status loom_err_nomem(struct loom_err *err, const char *what, unsigned long long bytes);

int loom_status_http(enum loom_status status);
const char *loom_status_code(enum loom_status status);

#endif
