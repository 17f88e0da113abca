/* http_parse.h: the bytes of HTTP/1.1 requests: head and chunked body, strictly as RFC 9110 and 9112 have them. Pure functions over
 * memory: conn.c reads and writes.
 *
 * Whatever two parsers could read in two ways is refused: bare CR or LF, folded lines, space before a colon, a second Content-Length or
 * one beside Transfer-Encoding, control characters. After an error the bytes that follow must not be read as a request. */
#ifndef LOOM_HTTP_PARSE_H
#define LOOM_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "buf.h"
#include "err.h"

struct loom_http_header {
	const char *name, *value;  /* value without space around it */
};
/* Strings lie in the bytes that were parsed. */
struct loom_http_head {
	const char *method, *target; /* target: path and query as sent, percent-escapes checked */
	size_t n_path;             /* of target, before '?' */
	int minor;                 /* HTTP/1.minor */
	struct loom_http_header headers[LOOM_MAX_HEADERS];
	size_t n_header;
	bool has_length, chunked;  /* neither: no body */
	uint64_t length;
	bool keep_alive, expect_continue;
	const char *host;          /* NULL: none (HTTP/1.0) */
};

/* Bytes of data [n] up to the end of the head (its empty line included); 0: it is not whole yet. Empty lines before it count to it.
 * *seen: bytes looked at by an earlier call, 0 at first; the answer does not depend on how the bytes were split. */
enum loom_status loom_http_head_size(const char *data, size_t n, size_t *seen, size_t *size, struct loom_err *err) LOOM_MUST_CHECK;
/* data [size] as loom_http_head_size found it; it is cut into strings in place. */
enum loom_status loom_http_head_parse(struct loom_http_head *h, char *data, size_t size, struct loom_err *err) LOOM_MUST_CHECK;
/* The only or first header of that name (any case), or NULL. */
const char *loom_http_header(const struct loom_http_head *h, const char *name);
/* Is word (any case) one of the comma-separated ones of list? NULL: no. */
bool loom_http_has_word(const char *list, const char *word);

/* A chunked body, fed in pieces. */
struct loom_chunked {
	int state;                 /* 0 at first */
	int n_digit;
	uint64_t left, body, overhead;
	bool done;                 /* the last chunk and the trailers are through */
};
/* Takes from data [n] what belongs to the body, *used bytes, and appends its content to out (LOOM_E_TOO_LARGE when out is full). */
enum loom_status loom_chunked_feed(struct loom_chunked *c, const char *data, size_t n, size_t *used, struct loom_buf *out,
	struct loom_err *err) LOOM_MUST_CHECK;

/* Percent-decodes in place; false for a broken escape, NUL or invalid UTF-8. */
bool loom_percent_decode(char *s);

#endif
