/* test_table.c: the hash table against a plain list, and the byte buffer against its cap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "mem.h"
#include "table.h"

#define N 20000

static char keys[N][40];

static void a_table_holds_what_was_put(void **state)
{
	struct loom_table t;
	(void)state;
	assert_true(loom_table_init(&t, 0));
	for (int i = 0; i < N; i++) {
		snprintf(keys[i], sizeof keys[i], "%.*s%d", i % 17, "abcdefghijklmnopq", i);
		assert_true(loom_table_put(&t, keys[i], strlen(keys[i]), i));
	}
	assert_int_equal(t.n, N);
	for (int i = 0; i < N; i++)
		assert_int_equal(loom_table_get(&t, keys[i], strlen(keys[i]), -1), i);
	for (int i = 0; i < N; i++) { /* in steps */
		uint64_t hash = loom_table_hash(&t, keys[i], strlen(keys[i]));
		loom_table_prefetch(&t, hash);
		loom_table_prefetch_key(&t, hash);
		assert_int_equal(loom_table_get_hashed(&t, hash, keys[i], strlen(keys[i]), -1), i);
	}
	assert_int_equal(loom_table_get(&t, "absent", 6, -7), -7);
	assert_true(loom_table_put(&t, "0", 1, 99));
	assert_int_equal(loom_table_get(&t, keys[0], 1, -1), 99);
	assert_int_equal(t.n, N);
	loom_table_release(&t);
	assert_int_equal(loom_table_get(&t, "0", 1, -1), -1);
}

static void keys_are_bytes(void **state)
{
	struct loom_table t;
	(void)state;
	assert_true(loom_table_init(&t, 8));
	assert_true(loom_table_put(&t, "", 0, 1));
	assert_true(loom_table_put(&t, "\0", 1, 2));
	assert_true(loom_table_put(&t, "\0\0", 2, 3));
	assert_true(loom_table_put(&t, "a\0b", 3, 4));
	assert_int_equal(loom_table_get(&t, "", 0, -1), 1);
	assert_int_equal(loom_table_get(&t, "\0\0", 1, -1), 2);
	assert_int_equal(loom_table_get(&t, "\0\0\0", 2, -1), 3);
	assert_int_equal(loom_table_get(&t, "a\0b", 3, -1), 4);
	assert_int_equal(loom_table_get(&t, "a\0c", 3, -1), -1);
	loom_table_release(&t);
}

static void an_empty_table_needs_no_memory(void **state)
{
	struct loom_table t = {0};
	(void)state;
	assert_int_equal(loom_table_get(&t, "a", 1, -1), -1);
	assert_true(loom_table_put(&t, "a", 1, 5)); /* grows from nothing */
	assert_int_equal(loom_table_get(&t, "a", 1, -1), 5);
	loom_table_release(&t);
	assert_false(loom_table_init(&t, SIZE_MAX / 2));
	loom_mem_fail_at(1, true);
	assert_false(loom_table_init(&t, 4));
	assert_false(loom_table_put(&t, "a", 1, 5));
	loom_mem_fail_at(0, false);
	loom_table_release(&t);
}

static void a_buffer_stops_at_its_cap(void **state)
{
	struct loom_buf b;
	size_t n = 0;
	(void)state;
	loom_buf_init(&b, 10);
	assert_true(loom_buf_puts(&b, "hello") && loom_buf_putc(&b, ' ') && loom_buf_printf(&b, "%d", 1234));
	assert_string_equal(b.data, "hello 1234");
	assert_false(loom_buf_putc(&b, 'x'));
	assert_true(b.failed);
	assert_string_equal(b.data, "hello 1234");
	loom_buf_reset(&b);
	assert_false(loom_buf_puts(&b, "12345678901"));
	assert_false(loom_buf_puts(&b, "1")); /* sticky */
	assert_int_equal(b.len, 0);
	loom_buf_reset(&b);
	assert_false(loom_buf_printf(&b, "%s", "12345678901"));
	loom_buf_reset(&b);
	assert_false(loom_buf_append(&b, "x", SIZE_MAX));
	loom_buf_release(&b);
	assert_int_equal(b.max, 10);
	char *p = loom_buf_take(&b, &n); /* an empty buffer gives an empty string */
	assert_non_null(p);
	assert_string_equal(p, "");
	assert_int_equal(n, 0);
	loom_free(p);
	for (int i = 0; i < 10; i++)
		assert_true(loom_buf_putc(&b, (char)('0' + i)));
	p = loom_buf_take(&b, &n);
	assert_int_equal(n, 10);
	assert_string_equal(p, "0123456789");
	loom_free(p);
	loom_mem_fail_at(1, false);
	assert_false(loom_buf_putc(&b, 'x'));
	loom_mem_fail_at(0, false);
	assert_true(b.failed);
	loom_buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_holds_what_was_put),
		cmocka_unit_test(keys_are_bytes),
		cmocka_unit_test(an_empty_table_needs_no_memory),
		cmocka_unit_test(a_buffer_stops_at_its_cap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
