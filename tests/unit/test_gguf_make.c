/* test_gguf_make.c: float32 → GGUF blocks: numbers that a block can hold come back as they were, others near; a block depends on nothing beside it;
 * what fits no scale is refused. (tests/cli/test_quantize.py compares the simple types' bytes with gguf-py's.) */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dequant.h"

#define N (20 * 256)

static const struct {
	enum loom_dtype type;
	float error; /* root mean square, of the numbers' own, where they are about normal */
	int lo, hi;  /* whole numbers that a block of this type holds with a scale of 1 */
} kinds[] = {{LOOM_Q4_0, 0.1f, -8, 7}, {LOOM_Q4_1, 0.085f, 0, 15}, {LOOM_Q5_0, 0.05f, -16, 15}, {LOOM_Q5_1, 0.042f, 0, 31}, {LOOM_Q8_0, 0.006f, -127, 127},
	{LOOM_Q4_K, 0.08f, 0, 15}, {LOOM_Q5_K, 0.04f, 0, 31}, {LOOM_Q6_K, 0.021f, -32, 31}};
#define N_KINDS (sizeof kinds / sizeof kinds[0])

static uint8_t blocks[N / 32 * 34 + 16], again[N / 32 * 34 + 16];
static float x[N], y[N];

static void make(enum loom_dtype t, size_t n)
{
	memset(blocks, 0xa5, sizeof blocks);
	if (!loom_quantize_blocks(t, x, blocks, n))
		fail_msg("%s: refused", loom_dtype_name(t));
	for (size_t i = n / loom_dtype_block(t) * loom_dtype_block_bytes(t); i < sizeof blocks; i++)
		assert_int_equal(blocks[i], 0xa5);
	loom_dequant(t, blocks, y, n);
}

/* About normal, of a size that changes from block to block. */
static void fill_normal(void)
{
	uint64_t seed = 5;
	for (size_t i = 0; i < N; i++) {
		float sum = 0;
		for (int k = 0; k < 12; k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			sum += (float)(seed >> 40) / 16777216.0f;
		}
		x[i] = (sum - 6.0f) * (0.02f + 3.0f * (float)(i / 256 % 3));
	}
}

static void numbers_come_back_near(void **state)
{
	(void)state;
	fill_normal();
	for (size_t k = 0; k < N_KINDS; k++) {
		assert_true(loom_quantize_supported(kinds[k].type));
		make(kinds[k].type, N);
		for (size_t b = 0; b < N; b += 256) {
			double off = 0, own = 0;
			for (size_t i = b; i < b + 256; i++) {
				off += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
				own += (double)x[i] * (double)x[i];
			}
			if (!(sqrt(off / own) <= 1.25 * (double)kinds[k].error))
				fail_msg("%s: block %zu is off by %g", loom_dtype_name(kinds[k].type), b / 256, sqrt(off / own));
		}
	}
	assert_false(loom_quantize_supported(LOOM_Q2_K) || loom_quantize_supported(LOOM_F32) || loom_quantize_supported(LOOM_Q8_1));
}

static void what_a_block_holds_comes_back_as_it_was(void **state)
{
	(void)state;
	for (size_t k = 0; k < N_KINDS; k++) {
		int lo = kinds[k].lo, levels = kinds[k].hi - lo + 1;
		for (size_t i = 0; i < N; i++) /* each group of 16 has both ends, so that its scale can only be 1 */
			x[i] = (float)(i % 16 == 0 ? lo : i % 16 == 1 ? kinds[k].hi : lo + (int)(i * 7 % (size_t)levels));
		make(kinds[k].type, N);
		bool exact = loom_dtype_block(kinds[k].type) == 32;
		for (size_t i = 0; i < N; i++) {
			if (exact ? x[i] != y[i] : !(fabsf(x[i] - y[i]) < 0.01f * (float)levels))
				fail_msg("%s: element %zu: %g became %g", loom_dtype_name(kinds[k].type), i, (double)x[i], (double)y[i]);
		}
	}
}

static void a_block_depends_on_itself_alone(void **state)
{
	(void)state;
	fill_normal();
	for (size_t k = 0; k < N_KINDS; k++) {
		size_t block = loom_dtype_block(kinds[k].type), bytes = loom_dtype_block_bytes(kinds[k].type);
		make(kinds[k].type, N);
		for (size_t i = 0; i < N / block; i++)
			assert_true(loom_quantize_blocks(kinds[k].type, x + i * block, again + i * bytes, block));
		assert_memory_equal(blocks, again, N / block * bytes);
	}
}

/* Zeros, one number, numbers below all scales, and the largest that a scale reaches. */
static void odd_blocks(void **state)
{
	static const float same[] = {0.0f, -0.0f, 0.25f, -3.0f, 1e-12f, 1e-39f, 1e-45f};
	(void)state;
	for (size_t k = 0; k < N_KINDS; k++) {
		for (size_t s = 0; s < sizeof same / sizeof same[0]; s++) {
			for (size_t i = 0; i < 256; i++)
				x[i] = same[s];
			make(kinds[k].type, 256);
			for (size_t i = 0; i < 256; i++)
				assert_true(fabsf(y[i] - same[s]) <= 0.02f * fabsf(same[s]) || (fabsf(same[s]) < 1e-7f && y[i] == 0));
		}
		for (size_t i = 0; i < 256; i++)
			x[i] = i % 32 == 3 ? 60000.0f : i % 32 == 9 ? -60000.0f : 1e-30f;
		make(kinds[k].type, 256);
		assert_true(y[3] > 50000.0f && y[9] < -50000.0f && fabsf(y[4]) < 5000.0f);
	}
}

static void what_fits_no_scale_is_refused(void **state)
{
	static const float wrong[] = {NAN, INFINITY, -INFINITY, 3e38f, -1e12f, 5e8f};
	(void)state;
	fill_normal();
	for (size_t k = 0; k < N_KINDS; k++) {
		for (size_t s = 0; s < sizeof wrong / sizeof wrong[0]; s++) {
			for (size_t at = 0; at < 256; at += 85) {
				float was = x[at];
				x[at] = wrong[s];
				assert_false(loom_quantize_blocks(kinds[k].type, x, blocks, 256));
				x[at] = was;
			}
		}
		assert_true(loom_quantize_blocks(kinds[k].type, x, blocks, 256));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_come_back_near), cmocka_unit_test(what_a_block_holds_comes_back_as_it_was),
		cmocka_unit_test(a_block_depends_on_itself_alone), cmocka_unit_test(odd_blocks), cmocka_unit_test(what_fits_no_scale_is_refused)};

	return cmocka_run_group_tests_name("gguf_make", tests, NULL, NULL);
}
