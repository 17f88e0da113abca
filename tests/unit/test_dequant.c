/* test_dequant.c: packed blocks against the values that the Python package gguf gives (tools/make-dequant-fixtures.py), bit for bit. */
#include <math.h>
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

static const enum loom_dtype types[] = {LOOM_Q4_0, LOOM_Q4_1, LOOM_Q5_0, LOOM_Q5_1, LOOM_Q8_0, LOOM_Q2_K, LOOM_Q3_K, LOOM_Q4_K, LOOM_Q5_K,
	LOOM_Q6_K, LOOM_IQ1_S, LOOM_IQ1_M, LOOM_IQ2_XXS, LOOM_IQ2_XS, LOOM_IQ2_S, LOOM_IQ3_XXS, LOOM_IQ3_S, LOOM_IQ4_NL, LOOM_IQ4_XS,
	LOOM_TQ1_0, LOOM_TQ2_0, LOOM_MXFP4};

/* The same bits, or both NaN: which NaN an infinite scale times zero gives is the processor's choice. */
static void check_values(const char *name, const float *got, const float *want, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (memcmp(&got[i], &want[i], 4) != 0 && !(isnan(got[i]) && isnan(want[i])))
			fail_msg("%s: element %zu is %a, gguf says %a", name, i, (double)got[i], (double)want[i]);
	}
}

static void every_type_as_gguf(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
		size_t block = loom_dtype_block(types[k]), bytes = loom_dtype_block_bytes(types[k]), n = 0, blocks = block == 32 ? 32 : 12;
		char path[512], *data = NULL;
		float got[12 * 256 + 1], want[12 * 256];
		struct loom_err err;
		snprintf(path, sizeof path, LOOM_TEST_DIR "/corpus/dequant/%s.bin", loom_dtype_name(types[k]));
		if (loom_file_slurp(path, path, 1 << 20, &data, &n, &err))
			fail_msg("%s", err.message);
		assert_int_equal(n, blocks * (bytes + block * 4));
		memcpy(want, data + blocks * bytes, blocks * block * 4);
		got[blocks * block] = 77;
		loom_dequant(types[k], data, got, blocks * block);
		check_values(loom_dtype_name(types[k]), got, want, blocks * block);
		assert_true(got[blocks * block] == 77);
		loom_dequant(types[k], data + bytes, got, block); /* one block, at an odd address */
		check_values(loom_dtype_name(types[k]), got, want + block, block);
		assert_true(loom_dequant_supported(types[k]));
		loom_free(data);
	}
}

static void q8_k_is_a_float32_times_bytes(void **state)
{
	unsigned char block[292] = {0};
	float d = 0.1f, got[256];
	(void)state;
	memcpy(block, &d, 4);
	for (int i = 0; i < 256; i++)
		block[4 + i] = (unsigned char)i;
	loom_dequant(LOOM_Q8_K, block, got, 256);
	for (int i = 0; i < 256; i++)
		assert_true(got[i] == d * (float)(int8_t)i);
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
	static const enum loom_dtype no[] = {LOOM_I8, LOOM_I64, LOOM_BOOL, LOOM_F8_E4M3, LOOM_Q8_1, LOOM_GGML_OTHER, LOOM_DTYPE_UNKNOWN};
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
		cmocka_unit_test(every_type_as_gguf),
		cmocka_unit_test(q8_k_is_a_float32_times_bytes),
		cmocka_unit_test(plain_types_are_widened),
		cmocka_unit_test(other_types_are_known_as_unsupported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
