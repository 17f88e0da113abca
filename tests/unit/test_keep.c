/* test_keep.c: pages that are kept for the next request: found again by requests alike, bounded, given back with time or when asked. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "keep.h"
#include "mem.h"

#define MB ((size_t)1 << 20)

static void what_is_freed_is_found_again(void **state)
{
	int64_t live = loom_mem_live();
	(void)state;
	loom_keep_sweep(0);
	char *p = loom_keep_alloc(3 * MB), *q = loom_keep_alloc(3 * MB);
	assert_non_null(p);
	assert_ptr_not_equal(p, q);
	memset(p, 1, 3 * MB);
	memset(q, 2, 3 * MB);
	assert_int_equal(loom_mem_live(), live + 2);
	loom_keep_free(p, 3 * MB);
	assert_true(loom_keep_bytes() >= 3 * MB);
	assert_int_equal(loom_mem_live(), live + 1); /* what is kept is nobody's */
	assert_ptr_equal(loom_keep_alloc(3 * MB - 1), p);
	assert_int_equal(loom_keep_bytes(), 0);
	char *small = loom_keep_alloc(0), *other = loom_keep_alloc(MB);
	assert_ptr_not_equal(other, p);
	loom_keep_free(p, 3 * MB - 1);
	loom_keep_free(q, 3 * MB);
	loom_keep_free(small, 0);
	loom_keep_free(other, MB);
	loom_keep_free(NULL, 5);
	assert_int_equal(loom_mem_live(), live);
	loom_keep_sweep(0);
	assert_int_equal(loom_keep_bytes(), 0);
}

static void sizes_are_not_far_from_what_was_asked_for(void **state)
{
	(void)state;
	for (size_t n = 1; n < 300 * MB; n += n / 3 + 1) {
		loom_keep_sweep(0);
		void *p = loom_keep_alloc(n);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 4096, 0);
		loom_keep_free(p, n);
		size_t bytes = loom_keep_bytes();
		assert_true(bytes == 0 ? n > LOOM_KEEP_BYTES - LOOM_KEEP_BYTES / 8 : bytes >= n && bytes <= n + n / 8 + 4096);
	}
	assert_null(loom_keep_alloc(SIZE_MAX));
	assert_null(loom_keep_alloc(SIZE_MAX / 2));
	loom_keep_sweep(0);
}

static void no_more_is_kept_than_may_be(void **state)
{
	static void *p[200];
	(void)state;
	for (int i = 0; i < 200; i++)
		p[i] = loom_keep_alloc(4 * MB);
	for (int i = 0; i < 200; i++) {
		loom_keep_free(p[i], 4 * MB);
		assert_true(loom_keep_bytes() <= LOOM_KEEP_BYTES);
	}
	assert_true(loom_keep_bytes() > LOOM_KEEP_BYTES / 2);
	assert_ptr_equal(loom_keep_alloc(4 * MB), p[199]); /* the newest */
	loom_keep_free(p[199], 4 * MB);
	loom_keep_sweep(3600 * 1000);
	assert_true(loom_keep_bytes() > 0);
	loom_sleep_ms(2);
	loom_keep_sweep(1);
	assert_int_equal(loom_keep_bytes(), 0);
}

static void it_fails_where_it_is_told_to(void **state)
{
	(void)state;
	loom_keep_free(loom_keep_alloc(MB), MB);
	loom_mem_fail_at(1, false);
	assert_null(loom_keep_alloc(MB)); /* kept or not */
	loom_mem_fail_at(0, false);
	loom_keep_sweep(0);
}

static void *come_and_go(void *seed)
{
	uint32_t x = (uint32_t)(uintptr_t)seed;
	for (int i = 0; i < 2000; i++) {
		x = x * 1664525u + 1013904223u;
		size_t n = 1 + (x >> 8) % 300000;
		char *p = loom_keep_alloc(n);
		if (!p)
			return seed;
		p[0] = p[n - 1] = (char)x;
		if (x % 97 == 0)
			loom_keep_sweep(0);
		if (p[0] != (char)x || p[n - 1] != (char)x)
			return seed;
		loom_keep_free(p, n);
	}
	return NULL;
}

static void threads_share_it(void **state)
{
	pthread_t t[4];
	void *failed;
	(void)state;
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, come_and_go, (void *)(i + 1)), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &failed);
		assert_null(failed);
	}
	loom_keep_sweep(0);
	assert_int_equal(loom_keep_bytes(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_freed_is_found_again),
		cmocka_unit_test(sizes_are_not_far_from_what_was_asked_for),
		cmocka_unit_test(no_more_is_kept_than_may_be),
		cmocka_unit_test(it_fails_where_it_is_told_to),
		cmocka_unit_test(threads_share_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
