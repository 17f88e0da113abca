/* test_sample.c: choosing tokens: the filters in transformers' order, the penalty, seeds, rows with NaN, log probabilities. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample.h"

#define N 6
static const float logits[N] = {1.0f, 3.0f, -2.0f, 2.5f, 0.0f, 2.0f};
static float scratch[64];
static int32_t order[64];

static void histogram(const struct loom_sampling *s, const float *row, int n_draw, int *count)
{
	for (int i = 0; i < N; i++)
		count[i] = 0;
	for (int i = 0; i < n_draw; i++)
		count[loom_sample(s, row, N, NULL, 0, (uint64_t)i, scratch, order)]++;
}

static struct loom_sampling plain(double temperature)
{
	return (struct loom_sampling){.temperature = temperature, .top_p = 1, .repetition_penalty = 1, .seed = 42};
}

static void test_greedy_takes_the_best_and_the_first_of_equals(void **state)
{
	const float even[N] = {1, 5, 5, 0, 5, 2};
	struct loom_sampling s = plain(0);
	(void)state;
	assert_int_equal(loom_sample(&s, logits, N, NULL, 0, 0, scratch, order), 1);
	assert_int_equal(loom_sample(&s, even, N, NULL, 0, 0, scratch, order), 1);
}

static void test_frequencies_are_the_softmax(void **state)
{
	int count[N], n = 40000;
	double sum = 0;
	struct loom_sampling s = plain(0.8);
	(void)state;
	for (int i = 0; i < N; i++)
		sum += exp((double)logits[i] / 0.8);
	histogram(&s, logits, n, count);
	for (int i = 0; i < N; i++)
		assert_true(fabs(count[i] / (double)n - exp((double)logits[i] / 0.8) / sum) < 0.01);
	/* the same through the sorted path */
	s.top_k = N - 1;
	histogram(&s, logits, n, count);
	assert_int_equal(count[2], 0);
	for (int i = 0; i < N; i++)
		assert_true(i == 2 || fabs(count[i] / (double)n - exp((double)logits[i] / 0.8) / sum) < 0.01);
}

static void test_filters(void **state)
{
	int count[N];
	struct loom_sampling s = plain(1);
	(void)state;
	s.top_k = 2;
	histogram(&s, logits, 2000, count);
	assert_int_equal(count[1] + count[3], 2000);
	s = plain(1);
	s.top_p = 0.5; /* the best holds 0.46 of the whole: one more is needed */
	histogram(&s, logits, 2000, count);
	assert_int_equal(count[1] + count[3], 2000);
	assert_true(count[3] > 0);
	s = plain(1);
	s.min_p = 0.5; /* exp(-0.5) is above, exp(-1) below */
	histogram(&s, logits, 2000, count);
	assert_int_equal(count[1] + count[3], 2000);
	s.min_p = 1;
	s.top_p = 0.001;
	histogram(&s, logits, 100, count);
	assert_int_equal(count[1], 100);
}

static void test_penalty_counts_an_id_once(void **state)
{
	const int32_t seen[] = {1, 1, 1, 3, 2};
	struct loom_sampling s = plain(0);
	(void)state;
	s.repetition_penalty = 1.4; /* 3/1.4 = 2.14 still beats 2.0; 3/1.4^3 would not */
	assert_int_equal(loom_sample(&s, logits, N, seen, 5, 0, scratch, order), 1);
	s.repetition_penalty = 1.6;
	assert_int_equal(loom_sample(&s, logits, N, seen, 5, 0, scratch, order), 5);
}

static void test_seed_and_step_decide(void **state)
{
	struct loom_sampling s = plain(1), other = plain(1);
	int differ = 0;
	(void)state;
	other.seed = 43;
	for (uint64_t i = 0; i < 64; i++) {
		int32_t a = loom_sample(&s, logits, N, NULL, 0, i, scratch, order);
		assert_int_equal(a, loom_sample(&s, logits, N, NULL, 0, i, scratch, order));
		differ += a != loom_sample(&other, logits, N, NULL, 0, i, scratch, order);
	}
	assert_true(differ > 5);
}

static void test_nan_is_never_chosen(void **state)
{
	const float some[N] = {NAN, 1, NAN, 0, NAN, NAN}, none[N] = {NAN, NAN, NAN, NAN, NAN, NAN};
	struct loom_sampling s = plain(1);
	int count[N];
	(void)state;
	histogram(&s, some, 500, count);
	assert_int_equal(count[1] + count[3], 500);
	int32_t id = loom_sample(&s, none, N, NULL, 0, 0, scratch, order);
	assert_true(id >= 0 && id < N);
}

static void test_logprobs(void **state)
{
	float value, top[4];
	int32_t ids[4];
	double sum = 0;
	(void)state;
	for (int i = 0; i < N; i++)
		sum += exp((double)logits[i]);
	loom_logprobs(logits, N, 4, 3, &value, ids, top);
	assert_true(fabs((double)value - (0 - log(sum))) < 1e-6);
	assert_int_equal(ids[0], 1);
	assert_int_equal(ids[1], 3);
	assert_int_equal(ids[2], 5);
	assert_true(fabs((double)top[1] - (2.5 - log(sum))) < 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greedy_takes_the_best_and_the_first_of_equals),
		cmocka_unit_test(test_frequencies_are_the_softmax),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_penalty_counts_an_id_once),
		cmocka_unit_test(test_seed_and_step_decide),
		cmocka_unit_test(test_nan_is_never_chosen),
		cmocka_unit_test(test_logprobs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
