/* test_base.c: errors, strings, allocation and its seam, arenas, buffers, tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "err.h"
#include "log.h"
#include "mem.h"
#include "str.h"
#include "table.h"

static void an_error_has_status_code_and_message(void **state)
{
	struct loom_err err;
	(void)state;
	assert_int_equal(loom_err_set(&err, LOOM_E_MODEL, "%s: %d", "a", 7), LOOM_E_MODEL);
	assert_string_equal(err.message, "a: 7");
	assert_string_equal(err.code, "invalid_model_file");
	assert_string_equal(err.param, "");
	assert_int_equal(loom_err_param(&err, LOOM_E_INVALID, "x.y", "bad"), LOOM_E_INVALID);
	assert_string_equal(err.param, "x.y");
	assert_int_equal(loom_err_prefix(&err, "in %s", "f"), LOOM_E_INVALID);
	assert_string_equal(err.message, "in f: bad");
	assert_int_equal(loom_err_set(NULL, LOOM_E_IO, "x"), LOOM_E_IO);
	assert_int_equal(loom_status_http(LOOM_E_QUEUE_FULL), 429);
	assert_int_equal(loom_status_http((enum loom_status)999), 500);
	assert_string_equal(loom_status_code((enum loom_status)999), "internal");
}

static void a_message_is_one_line_of_utf8(void **state)
{
	char big[3000];
	struct loom_err err;
	(void)state;
	(void)loom_err_set(&err, LOOM_E_MODEL, "a\nb\x7f\x1b c");
	assert_string_equal(err.message, "a?b?? c");
	/* a character cut by a precision leaves the rest of the message there */
	(void)loom_err_set(&err, LOOM_E_MODEL, "%.3s: tail", "aa\xc3\xa9");
	assert_string_equal(err.message, "aa?: tail");
	for (size_t i = 0; i + 3 < sizeof big; i += 3)
		memcpy(big + i, "\xe2\x82\xac", 3);
	big[sizeof big - 3] = '\0';
	(void)loom_err_set(&err, LOOM_E_MODEL, "%s", big);
	assert_true(loom_utf8_valid(err.message, strlen(err.message)));
	assert_true(strlen(err.message) >= sizeof err.message - 4);
	assert_null(strchr(err.message, '?'));
	for (int i = 0; i < 3; i++)
		(void)loom_err_prefix(&err, "%.*s", 900, big);
	assert_true(loom_utf8_valid(err.message, strlen(err.message)));
}

static void utf8_is_decoded_strictly(void **state)
{
	static const struct {
		const char *bytes;
		size_t n, used;
		uint32_t cp;
	} cases[] = {{"a", 1, 1, 'a'}, {"\0", 1, 1, 0}, {"\xc3\xa9", 2, 2, 0xe9}, {"\xe2\x82\xac", 3, 3, 0x20ac}, {"\xf0\x9f\x98\x80", 4, 4, 0x1f600},
		{"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff}, {"\xc0\x80", 2, 0, 0}, {"\xc1\xbf", 2, 0, 0}, {"\xe0\x80\x80", 3, 0, 0}, {"\xed\xa0\x80", 3, 0, 0},
		{"\xf0\x80\x80\x80", 4, 0, 0}, {"\xf4\x90\x80\x80", 4, 0, 0}, {"\xf5\x80\x80\x80", 4, 0, 0}, {"\x80", 1, 0, 0}, {"\xff", 1, 0, 0},
		{"\xc3", 1, 0, 0}, {"\xe2\x82", 2, 0, 0}, {"\xe2" "a\xac", 3, 0, 0}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint32_t cp = 0;
		assert_int_equal(loom_utf8_decode(cases[i].bytes, cases[i].n, &cp), cases[i].used);
		assert_int_equal(loom_utf8_valid(cases[i].bytes, cases[i].n), cases[i].used > 0);
		if (cases[i].used)
			assert_int_equal(cp, cases[i].cp);
	}
	for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
		char out[4];
		uint32_t back = 0;
		if (cp >= 0xd800 && cp < 0xe000)
			continue;
		size_t n = loom_utf8_encode(cp, out);
		if (loom_utf8_decode(out, n, &back) != n || back != cp)
			fail_msg("U+%04X", cp);
	}
	assert_int_equal(loom_utf8_valid_prefix("abcdefghij\xff", 11), 10);
	assert_int_equal(loom_utf8_count("a\xc3\xa9\xe2\x82\xac", 6), 3);
}

static void strings_are_compared_cut_and_guessed(void **state)
{
	static const char *const words[] = {"temperature", "top_p", "top_k", NULL};
	char out[4];
	(void)state;
	assert_true(loom_str_eq(NULL, NULL) && loom_str_eq("a", "a"));
	assert_false(loom_str_eq("a", NULL) || loom_str_eq("a", "b"));
	assert_true(loom_str_starts("abc", "ab") && loom_str_ends("abc", "bc") && loom_str_ends("abc", ""));
	assert_false(loom_str_starts("a", "ab") || loom_str_ends("c", "bc"));
	assert_int_equal(loom_str_copy(out, sizeof out, "abcdef"), 3);
	assert_string_equal(out, "abc");
	assert_int_equal(loom_str_copy(out, sizeof out, "ab\xc3\xa9"), 2);
	assert_string_equal(out, "ab");
	assert_string_equal(loom_str_nearest("temprature", words), "temperature");
	assert_null(loom_str_nearest("zzzzzzzz", words));
}

static void allocations_fail_when_told(void **state)
{
	int64_t before = loom_mem_live();
	void *p[4];
	(void)state;
	loom_mem_fail_at(2, false);
	assert_non_null(p[0] = loom_malloc(0));
	assert_null(loom_calloc(1, 1));
	assert_non_null(p[1] = loom_strdup("x"));
	loom_mem_fail_at(1, true);
	assert_null(loom_malloc(1));
	assert_null(loom_pages_alloc(1));
	assert_int_equal(loom_mem_calls(), 2);
	loom_mem_fail_at(0, false);
	assert_null(loom_calloc(SIZE_MAX, 2));
	assert_null(loom_reallocarray(NULL, SIZE_MAX / 2, 4));
	assert_non_null(p[2] = loom_reallocarray(NULL, 3, 4));
	assert_non_null(p[2] = loom_realloc(p[2], 4000));
	p[3] = loom_pages_alloc((5u << 20) + 1);
	assert_non_null(p[3]);
	assert_int_equal((uintptr_t)p[3] % 64, 0);
	assert_int_equal(((char *)p[3])[5u << 20], 0);
	assert_int_equal(loom_mem_live(), before + 4);
	loom_pages_free(p[3], (5u << 20) + 1);
	loom_pages_free(NULL, 7);
	for (int i = 0; i < 3; i++)
		loom_free(p[i]);
	loom_free(NULL);
	assert_int_equal(loom_mem_live(), before);
	assert_true(loom_mem_available() > 0);
	assert_true(loom_mem_resident() > 0);
	assert_int_equal(setenv("LOOM_MEMORY_LIMIT_BYTES", "4096", 1), 0);
	assert_int_equal(loom_mem_available(), 4096);
	assert_int_equal(unsetenv("LOOM_MEMORY_LIMIT_BYTES"), 0);
}

static void an_arena_gives_aligned_zeroed_memory(void **state)
{
	struct loom_arena a;
	int64_t before = loom_mem_live();
	(void)state;
	loom_arena_init(&a);
	for (size_t n = 0; n < 40000; n = n * 2 + 1) {
		unsigned char *p = loom_arena_alloc(&a, n, 3);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n * 3; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xee, n * 3);
	}
	assert_string_equal(loom_arena_strdup(&a, "hello"), "hello");
	assert_string_equal(loom_arena_strndup(&a, "hello", 2), "he");
	assert_null(loom_arena_alloc(&a, SIZE_MAX, 2));
	assert_null(loom_arena_alloc(&a, SIZE_MAX, 1));
	assert_null(loom_arena_strndup(&a, "", SIZE_MAX));
	loom_mem_fail_at(1, true);
	assert_null(loom_arena_alloc(&a, 1 << 20, 1));
	loom_mem_fail_at(0, false);
	loom_arena_release(&a);
	assert_int_equal(loom_mem_live(), before);
}

static void a_log_level_has_a_name(void **state)
{
	(void)state;
	assert_int_equal(loom_log_parse_level("WARNING"), LOOM_LOG_WARNING);
	assert_int_equal(loom_log_parse_level("debug"), LOOM_LOG_DEBUG);
	assert_int_equal(loom_log_parse_level("verbose"), -1);
	loom_log_set_level(LOOM_LOG_ERROR);
	loom_log(LOOM_LOG_INFO, "not %s", "shown");
}

static void the_clock_goes_forward(void **state)
{
	uint64_t a = loom_clock_ns();
	(void)state;
	loom_sleep_ms(2);
	assert_true(loom_clock_ns() - a >= 2000000);
	assert_true(loom_clock_ms() >= (double)a / 1e6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_has_status_code_and_message),
		cmocka_unit_test(a_message_is_one_line_of_utf8),
		cmocka_unit_test(utf8_is_decoded_strictly),
		cmocka_unit_test(strings_are_compared_cut_and_guessed),
		cmocka_unit_test(allocations_fail_when_told),
		cmocka_unit_test(an_arena_gives_aligned_zeroed_memory),
		cmocka_unit_test(a_log_level_has_a_name),
		cmocka_unit_test(the_clock_goes_forward),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
