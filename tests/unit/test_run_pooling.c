/* test_run_pooling.c: each way of pooling against numbers worked out by hand, and the bits of sums. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pooling.h"

static const float rows[] = {1, -2, 3, 4, 2, -9, -2, 6, 3}; /* [3, 3] */

static void check(enum loom_pooling how, float a, float b, float c)
{
	float out[9], want[] = {a, b, c};
	struct loom_err err;
	assert_int_equal(loom_pool_rows(how, rows, 3, 3, 0, out, &err), LOOM_OK);
	assert_memory_equal(out, want, sizeof want);
}

static void test_each_way(void **state)
{
	float all[9];
	struct loom_err err;
	(void)state;
	check(LOOM_POOL_CLS, 1, -2, 3);
	check(LOOM_POOL_LAST, -2, 6, 3);
	check(LOOM_POOL_MAX, 4, 6, 3);
	check(LOOM_POOL_MEAN, 1, 2, -1);
	check(LOOM_POOL_WEIGHTED_MEAN, 0.5f, (float)(20.0 / 6), -1);
	check(LOOM_POOL_MEAN_SQRT_LEN, (float)(3 / sqrt(3)), (float)(6 / sqrt(3)), (float)(-3 / sqrt(3)));
	assert_int_equal(loom_pool_rows(LOOM_POOL_NONE, rows, 3, 3, 0, all, &err), LOOM_OK);
	assert_memory_equal(all, rows, sizeof rows);
}

static void test_sums_do_not_lose_small_rows(void **state)
{
	const float big[] = {1e8f, 1, -1e8f, 1};
	float out;
	struct loom_err err;
	(void)state;
	assert_int_equal(loom_pool_rows(LOOM_POOL_MEAN, big, 4, 1, 0, &out, &err), LOOM_OK);
	assert_true(out == 0.5f);
}

static void test_normalize(void **state)
{
	float v[] = {3, 0, -4}, zero[] = {0, 0}, tiny[] = {1e-20f, 0};
	(void)state;
	loom_l2_normalize(v, 3);
	assert_true(v[0] == 0.6f && v[1] == 0 && v[2] == -0.8f);
	loom_l2_normalize(zero, 2);
	assert_true(zero[0] == 0 && zero[1] == 0);
	loom_l2_normalize(tiny, 2); /* divided by 1e-12, not by its own length */
	assert_true(fabsf(tiny[0] - 1e-8f) < 1e-14f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_way),
		cmocka_unit_test(test_sums_do_not_lose_small_rows),
		cmocka_unit_test(test_normalize),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
