/* test_quant_make.c: quantizing by ourselves gives the bytes that bitsandbytes gives (tools/make-bnb-fixture.py); nested scales follow our rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "file.h"
#include "mem.h"
#include "module.h"

#define ROWS 8
#define COLS 100
#define BLOCKS ((ROWS * COLS + 63) / 64)

struct fixture {
	float w[ROWS * COLS];
	uint8_t nf4[ROWS * COLS / 2];
	float absmax[BLOCKS];
	uint8_t q8[ROWS * COLS];
	float scb[ROWS], map[256];
};

static struct fixture *open_fixture(void)
{
	char *data = NULL;
	size_t n = 0;
	struct loom_err err;
	if (loom_file_slurp(LOOM_TEST_DIR "/corpus/dequant/bnb.bin", "bnb.bin", 1 << 20, &data, &n, &err))
		fail_msg("%s", err.message);
	assert_int_equal(n, sizeof(struct fixture));
	return (struct fixture *)(void *)data;
}

static void nf4_has_the_bytes_of_bitsandbytes(void **state)
{
	struct fixture *f = open_fixture();
	uint8_t codes[64];
	(void)state;
	for (size_t b = 0; b < BLOCKS; b++) {
		size_t at = b * 64, n = ROWS * COLS - at < 64 ? ROWS * COLS - at : 64;
		float top = loom_nf4_block(f->w + at, n, n == 64, codes);
		assert_memory_equal(&top, &f->absmax[b], 4);
		for (size_t i = 0; i < n; i += 2)
			assert_int_equal(codes[i] << 4 | codes[i + 1], f->nf4[(at + i) / 2]);
	}
	loom_free(f);
}

static void int8_has_the_bytes_of_bitsandbytes(void **state)
{
	struct fixture *f = open_fixture();
	uint8_t codes[COLS];
	(void)state;
	for (size_t r = 0; r < ROWS; r++) {
		float top = loom_int8_row(f->w + r * COLS, COLS, codes);
		assert_memory_equal(&top, &f->scb[r], 4);
		assert_memory_equal(codes, f->q8 + r * COLS, COLS);
	}
	loom_free(f);
}

/* Every scale comes back as the nearest of what its 256 can be: offset + map * largest distance. */
static void nested_scales_are_the_nearest(void **state)
{
	struct fixture *f = open_fixture();
	float scales[300], nested[300], outer[2], map[256];
	uint8_t codes[300];
	double sum = 0;
	(void)state;
	for (size_t i = 0; i < 300; i++) {
		scales[i] = 0.5f + 0.4f * sinf((float)(i * i));
		sum += (double)scales[i];
	}
	memcpy(nested, scales, sizeof scales);
	float offset = loom_nest_scales(nested, 300, codes, outer, map), mean = (float)(sum / 300);
	assert_memory_equal(&offset, &mean, 4);
	assert_memory_equal(map, f->map, sizeof map);
	for (size_t at = 0; at < 300; at += 256) {
		size_t n = 300 - at < 256 ? 300 - at : 256;
		float top = 0;
		for (size_t i = at; i < at + n; i++)
			top = fmaxf(top, fabsf(scales[i] - offset));
		for (size_t i = at; i < at + n; i++) {
			float best = 1e9f, value = 0;
			for (int c = 0; c < 256; c++) {
				float d = fabsf(f->map[c] - (scales[i] - offset) / top), product = f->map[c] * top;
				if (d < best) {
					best = d;
					value = product + offset;
				}
			}
			assert_memory_equal(&nested[i], &value, 4);
			float product = map[codes[i]] * outer[i / 256], again = product + offset;
			assert_memory_equal(&again, &value, 4);
		}
	}
	loom_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nf4_has_the_bytes_of_bitsandbytes), cmocka_unit_test(int8_has_the_bytes_of_bitsandbytes),
		cmocka_unit_test(nested_scales_are_the_nearest)};
	return cmocka_run_group_tests_name("quant make", tests, NULL, NULL);
}
