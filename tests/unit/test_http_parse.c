/* test_http_parse.c: request heads and chunked bodies: what is read, what is refused, and that it makes no difference how the bytes come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http_parse.h"

/* Parses text fed in pieces of the given size; the size of the head, 0 when it is not whole. */
static enum loom_status parse(const char *text, size_t n, size_t piece, struct loom_http_head *h, char *copy, size_t *size, struct loom_err *err)
{
	size_t seen = 0;

	*size = 0;
	for (size_t have = piece < n ? piece : n;; have = have + piece < n ? have + piece : n) {
		enum loom_status rc = loom_http_head_size(text, have, &seen, size, err);
		if (rc) {
			return rc;
		}
		if (*size > 0) {
			memcpy(copy, text, n);
			return loom_http_head_parse(h, copy, *size, err);
		}
		if (have == n) {
			return LOOM_OK;
		}
	}
}

static enum loom_status every_way(const char *text, size_t n, struct loom_http_head *h, char *copy, size_t *size)
{
	struct loom_err err = {0}, other;
	enum loom_status rc = parse(text, n, n, h, copy, size, &err);
	static char scratch[70000];

	for (size_t piece = 1; piece < 8; piece++) {
		struct loom_http_head g;
		size_t s;
		memset(&other, 0, sizeof(other));
		assert_int_equal(parse(text, n, piece, &g, scratch, &s, &other), rc);
		assert_string_equal(other.message, err.message);
		if (!rc) {
			assert_int_equal(s, *size);
		}
	}
	return rc;
}

static void test_a_good_head(void **state)
{
	static const char text[] = "\r\nPOST /a/b%20c?x=1 HTTP/1.1\r\nHost: localhost:80\r\nX-One:  a b \t\r\nContent-Length: 12\r\nConnection: keep-alive, "
		"Close\r\nExpect: 100-continue\r\nX-Empty:\r\n\r\nGET";
	struct loom_http_head h;
	static char copy[4096];
	size_t size;

	(void)state;
	assert_int_equal(every_way(text, sizeof(text) - 1, &h, copy, &size), LOOM_OK);
	assert_int_equal(size, sizeof(text) - 1 - 3);
	assert_string_equal(h.method, "POST");
	assert_string_equal(h.target, "/a/b%20c?x=1");
	assert_int_equal(h.n_path, 8);
	assert_int_equal(h.minor, 1);
	assert_int_equal(h.length, 12);
	assert_true(h.has_length && !h.chunked && !h.keep_alive && h.expect_continue);
	assert_string_equal(h.host, "localhost:80");
	assert_string_equal(loom_http_header(&h, "x-one"), "a b");
	assert_string_equal(loom_http_header(&h, "X-Empty"), "");
	assert_null(loom_http_header(&h, "X-None"));
}

static void test_older_clients(void **state)
{
	static const char text[] = "GET / HTTP/1.0\r\nExpect: x\r\n\r\n", keep[] = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
	struct loom_http_head h;
	static char copy[4096];
	size_t size;

	(void)state;
	assert_int_equal(every_way(text, sizeof(text) - 1, &h, copy, &size), LOOM_OK);
	assert_true(!h.keep_alive && !h.expect_continue && !h.host);
	assert_int_equal(every_way(keep, sizeof(keep) - 1, &h, copy, &size), LOOM_OK);
	assert_true(h.keep_alive);
}

static const struct {
	const char *text;
	int http;
} refused[] = {
	{"GET /\r\n\r\n", 400}, {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400}, {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400}, {"\r\n\r\n\r\n\r\n\r\n\r\n", 400},
	{"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400}, {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505}, {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
	{"GET / http/1.1\r\nHost: a\r\n\r\n", 400}, {"GET / HTTP/11\r\nHost: a\r\n\r\n", 400}, {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400}, {"GET /% HTTP/1.1\r\nHost: a\r\n\r\n", 400}, {"GET /%1 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400}, {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400}, {"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400}, {"GET / HTTP/1.1\r\n\r\n", 400}, {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400}, {"GET / HTTP/1.1\r\nHost: a/?x=\r\n\r\n", 400}, {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400}, {"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400},
	{"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400}, {"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n", 400},
	{"GET / HTTP/1.1\nHost: a\n\n", 400}, {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400}, {"GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n", 400},
	{"\x16\x03\x01", 400}, {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400}, {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400}, {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", 400}, {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", 400},
	{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501}, {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 501},
	{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 501},
	{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400}, {"POST / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n", 417},
};

static void test_what_is_refused(void **state)
{
	struct loom_http_head h;
	static char copy[4096];
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int got = loom_status_http(every_way(refused[i].text, strlen(refused[i].text), &h, copy, &size));
		if (got != refused[i].http) {
			print_message("case %zu: %s\n", i, refused[i].text);
		}
		assert_int_equal(got, refused[i].http);
	}
}

static void test_limits(void **state)
{
	static char text[60000], copy[70000];
	struct loom_http_head h;
	size_t size;
	int n;

	(void)state;
	for (int over = 0; over < 2; over++) {
		n = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", LOOM_MAX_URI_BYTES - 1 + over, 0);
		assert_int_equal(every_way(text, (size_t)n, &h, copy, &size), over ? LOOM_E_URI : LOOM_OK);
		n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n");
		for (int i = 1; i < LOOM_MAX_HEADERS + over; i++) {
			n += snprintf(text + n, sizeof(text) - (size_t)n, "X: 1\r\n");
		}
		n += snprintf(text + n, sizeof(text) - (size_t)n, "\r\n");
		assert_int_equal(every_way(text, (size_t)n, &h, copy, &size), over ? LOOM_E_HEADERS : LOOM_OK);
	}
	memset(text, 'a', sizeof(text));
	assert_int_equal(every_way(text, sizeof(text), &h, copy, &size), LOOM_E_URI);
	memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
	assert_int_equal(every_way(text, sizeof(text), &h, copy, &size), LOOM_E_HEADERS);
}

static enum loom_status dechunk(const char *text, size_t n, size_t piece, struct loom_buf *out, size_t *used, bool *done, struct loom_err *err)
{
	struct loom_chunked c = {0};
	enum loom_status rc = LOOM_OK;
	size_t at = 0;

	while (rc == LOOM_OK && at < n && !c.done) {
		size_t take = piece < n - at ? piece : n - at, got = 0;
		rc = loom_chunked_feed(&c, text + at, take, &got, out, err);
		at += rc ? 0 : got;
	}
	*used = at;
	*done = c.done;
	return rc;
}

static const struct {
	const char *text, *body; /* body NULL: refused; "…": not whole */
} chunks[] = {
	{"5\r\nhello\r\n0\r\n\r\n", "hello"}, {"5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nX: y\r\nZ: 1\r\n\r\n", "helloabc"}, {"0\r\n\r\n", ""}, {"00A\r\n0123456789\r\n0\r\n\r\n",
	"0123456789"}, {"5\r\nhel", "…"}, {"g\r\n", NULL}, {"-1\r\n", NULL}, {"+1\r\n", NULL}, {"0x5\r\n", NULL}, {"\r\n", NULL}, {"5\nhello", NULL},
	{"5\r\nhello0\r\n\r\n", NULL}, {"5\r\nhello\n0\r\n\r\n", NULL}, {"ffffffffffffffff\r\n", NULL}, {"10000000000000000\r\n", NULL}, {" 5\r\nhello\r\n", NULL},
	{"5;\x01\r\n", NULL}, {"5;\n\r\n", NULL}, {"0\r\n folded\r\n\r\n", NULL}, {"5 \r\nhello\r\n", NULL},
};

static void test_chunks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		for (size_t piece = 1; piece < 40; piece++) {
			struct loom_buf out;
			struct loom_err err = {0};
			size_t used;
			bool done;
			loom_buf_init(&out, 1000);
			enum loom_status rc = dechunk(chunks[i].text, strlen(chunks[i].text), piece, &out, &used, &done, &err);
			if (!chunks[i].body) {
				assert_int_equal(rc, LOOM_E_BAD_REQUEST);
			} else if (strcmp(chunks[i].body, "…") == 0) {
				assert_true(rc == LOOM_OK && !done);
			} else {
				assert_true(rc == LOOM_OK && done && used == strlen(chunks[i].text));
				assert_string_equal(out.len ? out.data : "", chunks[i].body);
			}
			loom_buf_release(&out);
		}
	}
}

/* A million chunks of one byte are refused, ten bytes in each are not; a body without end stops at its limit. */
static void test_chunk_overhead(void **state)
{
	static const char *const patterns[] = {"1\r\nx\r\n", "a\r\n0123456789\r\n"};
	struct loom_err err = {0};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct loom_chunked c = {0};
		struct loom_buf out;
		enum loom_status rc = LOOM_OK;
		size_t used, n = 0;
		loom_buf_init(&out, 900000);
		for (; n < 1000000 && !rc; n++) {
			rc = loom_chunked_feed(&c, patterns[i], strlen(patterns[i]), &used, &out, &err);
		}
		assert_int_equal(rc, i == 0 ? LOOM_E_BAD_REQUEST : LOOM_E_TOO_LARGE);
		assert_true(out.len <= 900000);
		loom_buf_release(&out);
	}
}

static void test_words_and_escapes(void **state)
{
	char good[] = "/a%2Fb%C3%A9", broken[] = "%C3", zero[] = "a%00";

	(void)state;
	assert_true(loom_http_has_word("a, Close ,b", "close"));
	assert_false(loom_http_has_word("closed", "close"));
	assert_false(loom_http_has_word(NULL, "close"));
	assert_true(loom_percent_decode(good));
	assert_string_equal(good, "/a/bé");
	assert_false(loom_percent_decode(broken));
	assert_false(loom_percent_decode(zero));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_head),
		cmocka_unit_test(test_older_clients),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_chunk_overhead),
		cmocka_unit_test(test_words_and_escapes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
