/* fuzz_http.c: changed requests through the head parser and the chunk reader: no fault, the same answer however the bytes are split, never
 * more content than bytes. A fixed seed and a fixed count. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "http_parse.h"

#define ROUNDS 40000

static size_t mutate(char *p, size_t n, size_t cap)
{
	static const char *const words[] = {"\r\n", "\r", "\n", " ", "\t", ":", "%", "%00", "%zz", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n",
		"Host: a\r\n", "\r\n\r\n", "chunked", ",", ";", "0\r\n\r\n", "f", "ffffffffffffffff", "\xff", "\x01", "HTTP/1.1", "Expect: 100-continue\r\n"};
	return fuzz_words(p, n, cap, words, sizeof words / sizeof words[0], 6);
}

/* Status and size of the head when the bytes come in pieces. */
static enum loom_status head(const char *text, size_t n, size_t piece, size_t *size)
{
	static struct loom_http_head h;
	char copy[2048];
	struct loom_err err = {0};
	size_t seen = 0;
	*size = 0;
	for (size_t have = 0; have < n;) {
		have = have + piece < n ? have + piece : n;
		enum loom_status rc = loom_http_head_size(text, have, &seen, size, &err);
		if (rc || *size) {
			memcpy(copy, text, n);
			rc = rc ? rc : loom_http_head_parse(&h, copy, *size, &err);
			return rc && !err.message[0] ? LOOM_E_INTERNAL : rc;
		}
	}
	return LOOM_OK;
}

static enum loom_status chunks(const char *text, size_t n, size_t piece, struct loom_buf *out, size_t *used)
{
	struct loom_chunked c = {0};
	struct loom_err err = {0};
	enum loom_status rc = LOOM_OK;
	*used = 0;
	while (!rc && *used < n && !c.done) {
		size_t got = 0, give = piece < n - *used ? piece : n - *used;
		rc = loom_chunked_feed(&c, text + *used, give, &got, out, &err);
		*used += got;
	}
	return rc;
}

int main(int argc, char **argv)
{
	long rounds = fuzz_begin(argc, argv, ROUNDS);
	static const char *const texts[] = {
		"POST /generate?x=1 HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"a\":[1,2]}\n",
		"GET /models/a%2Fb HTTP/1.0\r\nConnection: keep-alive\r\nX-Request-Id: abc\r\n\r\n",
		"\r\nPUT / HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"5;ext=1\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\nGET",
	};
	int whole = 0;
	for (long round = 0; round < rounds; round++) {
		char text[1024];
		const char *from = texts[fuzz_next(4)];
		size_t n = strlen(from), size, other_size, piece = 1 + fuzz_next(40), used, other_used;
		struct loom_buf a, b;
		memcpy(text, from, n);
		n = mutate(text, n, sizeof text);
		loom_buf_init(&a, 64);
		loom_buf_init(&b, 64);
		enum loom_status rc = head(text, n, n, &size), other = head(text, n, piece, &other_size);
		bool wrong = rc != other || rc == LOOM_E_INTERNAL || (!rc && size != other_size) || size > n;
		whole += !rc && size > 0;
		rc = chunks(text, n, n, &a, &used);
		other = chunks(text, n, piece, &b, &other_used);
		wrong = wrong || rc != other || a.len > n || used > n || (!rc && (used != other_used || a.len != b.len));
		loom_buf_release(&a);
		loom_buf_release(&b);
		if (wrong) {
			printf("fuzz_http: round %ld: %.*s\n", round, (int)n, text);
			return 1;
		}
	}
	printf("fuzz_http: %ld texts, %d whole heads\n", rounds, whole);
	return 0;
}
