/* test_dequant.c: packed blocks against the values that the Python package gguf gives (tools/make-dequant-fixtures.py), bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dequant.h"
#include "file.h"
#include "mem.h"

#define BLOCKS 32

static void check(enum loom_dtype t)
{
	char path[512], *data = NULL;
	struct loom_err err;
	size_t n = 0, packed = BLOCKS * loom_dtype_block_bytes(t);
	float got[BLOCKS * 32 + 1], want[BLOCKS * 32];
	snprintf(path, sizeof path, LOOM_TEST_DIR "/corpus/dequant/%s.bin", loom_dtype_name(t));
	if (loom_file_slurp(path, path, 1 << 20, &data, &n, &err))
		fail_msg("%s", err.message);
	assert_int_equal(n, packed + sizeof want);
	memcpy(want, data + packed, sizeof want);
	got[BLOCKS * 32] = 77;
	loom_dequant(t, data, got, BLOCKS * 32);
	assert_memory_equal(got, want, sizeof want);
	assert_true(got[BLOCKS * 32] == 77);
	loom_dequant(t, data + loom_dtype_block_bytes(t), got, 32); /* one block, at an odd address */
	assert_memory_equal(got, want + 32, 128);
	assert_true(loom_dequant_supported(t));
	loom_free(data);
}

static void q4_0_as_gguf(void **state)
{
	(void)state;
	check(LOOM_Q4_0);
}

static void q4_1_as_gguf(void **state)
{
	(void)state;
	check(LOOM_Q4_1);
}

static void q5_0_as_gguf(void **state)
{
	(void)state;
	check(LOOM_Q5_0);
}

static void q5_1_as_gguf(void **state)
{
	(void)state;
	check(LOOM_Q5_1);
}

static void q8_0_as_gguf(void **state)
{
	(void)state;
	check(LOOM_Q8_0);
}

static void plain_types_are_widened(void **state)
{
	static const uint16_t f16[] = {0x3c00, 0xc000, 0x0001, 0x7bff}, bf16[] = {0x3f80, 0xc000, 0x0001, 0x7f7f};
	static const double f64[] = {1.0, -2.0, 0x1.000001p0, 1e-300};
	static const float f32[] = {1.0f, -2.0f, 0.1f, 3e38f};
	float got[4];
	(void)state;
	loom_dequant(LOOM_F16, f16, got, 4);
	assert_memory_equal(got, ((const float[]){1.0f, -2.0f, 0x1p-24f, 65504.0f}), 16);
	loom_dequant(LOOM_BF16, bf16, got, 4);
	assert_memory_equal(got, ((const float[]){1.0f, -2.0f, 0x1p-133f, 0x1.fep127f}), 16);
	loom_dequant(LOOM_F64, f64, got, 4);
	assert_memory_equal(got, ((const float[]){1.0f, -2.0f, 0x1p0f, 0.0f}), 16); /* a tie goes to even */
	loom_dequant(LOOM_F32, f32, got, 4);
	assert_memory_equal(got, f32, 16);
}

static void other_types_are_known_as_unsupported(void **state)
{
	static const enum loom_dtype no[] = {LOOM_I8, LOOM_I64, LOOM_BOOL, LOOM_F8_E4M3, LOOM_Q8_1, LOOM_Q4_K, LOOM_Q6_K, LOOM_GGML_OTHER,
		LOOM_DTYPE_UNKNOWN};
	static const enum loom_dtype yes[] = {LOOM_F32, LOOM_F16, LOOM_BF16, LOOM_F64};
	(void)state;
	for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
		assert_false(loom_dequant_supported(no[i]));
	for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
		assert_true(loom_dequant_supported(yes[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(q4_0_as_gguf),
		cmocka_unit_test(q4_1_as_gguf),
		cmocka_unit_test(q5_0_as_gguf),
		cmocka_unit_test(q5_1_as_gguf),
		cmocka_unit_test(q8_0_as_gguf),
		cmocka_unit_test(plain_types_are_widened),
		cmocka_unit_test(other_types_are_known_as_unsupported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
