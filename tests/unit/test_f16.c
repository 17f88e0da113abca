/* test_f16.c: all 65536 float16 and bfloat16 values, and rounding to nearest even by brute force. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "f16.h"

static uint32_t bits(float f)
{
	uint32_t u;
	memcpy(&u, &f, 4);
	return u;
}

static float of_bits(uint32_t u)
{
	float f;
	memcpy(&f, &u, 4);
	return f;
}

/* IEEE 754 binary16 by its definition, in double. */
static double f16_value(unsigned h)
{
	int e = (int)(h >> 10 & 31), m = (int)(h & 0x3ff);
	double v = e == 31 ? (m ? (double)NAN : (double)INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
	return h & 0x8000 ? -v : v;
}

static void every_f16_widens_by_its_definition(void **state)
{
	(void)state;
	for (unsigned h = 0; h < 65536; h++) {
		float f = loom_f16_to_f32((uint16_t)h);
		double want = f16_value(h);
		if (isnan(want) ? !isnan(f) : (double)f != want)
			fail_msg("%04x", h);
		if ((signbit(f) != 0) != (h >> 15 != 0))
			fail_msg("sign of %04x", h);
		uint16_t back = loom_f32_to_f16(f);
		if (isnan(f) ? (back & 0x7fff) <= 0x7c00 : back != h)
			fail_msg("%04x comes back as %04x", h, back);
	}
}

static void every_bf16_widens_and_comes_back(void **state)
{
	(void)state;
	for (unsigned h = 0; h < 65536; h++) {
		float f = loom_bf16_to_f32((uint16_t)h);
		uint16_t back = loom_f32_to_bf16(f);
		assert_int_equal(bits(f), (uint32_t)h << 16);
		if (isnan(f) ? (back & 0x7fff) <= 0x7f80 : back != h)
			fail_msg("%04x comes back as %04x", h, back);
	}
}

/* Between each pair of neighbours: just below the middle, the middle (to even), just above. */
static void narrowing_rounds_to_nearest_even(void **state)
{
	(void)state;
	for (unsigned h = 0; h < 0x7c00; h++) {
		double lo = f16_value(h), hi = h == 0x7bff ? 65536.0 : f16_value(h + 1), mid = (lo + hi) / 2;
		float m = (float)mid; /* exact: 12 bits */
		uint16_t even = (uint16_t)(h & 1 ? h + 1 : h);
		assert_int_equal(loom_f32_to_f16(m), even);
		assert_int_equal(loom_f32_to_f16(nextafterf(m, 0)), h);
		assert_int_equal(loom_f32_to_f16(nextafterf(m, INFINITY)), h + 1);
		assert_int_equal(loom_f32_to_f16(-m), even | 0x8000);
	}
	for (unsigned h = 0; h < 0x7f80; h++) {
		uint32_t mid = h << 16 | 0x8000;
		assert_int_equal(loom_f32_to_bf16(of_bits(mid)), h & 1 ? h + 1 : h);
		assert_int_equal(loom_f32_to_bf16(of_bits(mid - 1)), h);
		assert_int_equal(loom_f32_to_bf16(of_bits(mid + 1)), h + 1);
		assert_int_equal(loom_f32_to_bf16(of_bits(mid + 1) * -1), (h + 1) | 0x8000);
	}
	assert_int_equal(loom_f32_to_f16(65519.996f), 0x7bff);
	assert_int_equal(loom_f32_to_f16(65520.0f), 0x7c00);
	assert_int_equal(loom_f32_to_f16(INFINITY), 0x7c00);
	assert_int_equal(loom_f32_to_f16(-3e38f), 0xfc00);
	assert_int_equal(loom_f32_to_f16(1e-45f), 0);
	assert_int_equal(loom_f32_to_bf16(of_bits(0x7f800001)) & 0x7fff, 0x7fc0);
	assert_int_equal(loom_f32_to_bf16(of_bits(0x7fffffff)) & 0x7fff, 0x7fff);
}

/* The array forms (F16C where the CPU has it) give the same bits as the plain ones, at every length and offset. */
static void arrays_give_the_same_bits(void **state)
{
	static uint16_t h[65536], back[65536];
	static float f[65536];
	float x[70], y[71];
	uint16_t n16[71];
	(void)state;
	for (unsigned i = 0; i < 65536; i++)
		h[i] = (uint16_t)i;
	loom_f16_to_f32_n(h, f, 65536);
	loom_f32_to_f16_n(f, back, 65536);
	for (unsigned i = 0; i < 65536; i++) {
		if (bits(f[i]) != bits(loom_f16_to_f32(h[i])) || back[i] != loom_f32_to_f16(f[i]))
			fail_msg("%04x: %08x, %04x", i, bits(f[i]), back[i]);
	}
	loom_bf16_to_f32_n(h, f, 65536);
	loom_f32_to_bf16_n(f, back, 65536);
	for (unsigned i = 0; i < 65536; i++) {
		if (bits(f[i]) != i << 16 || back[i] != loom_f32_to_bf16(f[i]))
			fail_msg("bf16 %04x", i);
	}
	uint32_t seed = 12345;
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)round % 70;
		for (size_t i = 0; i < n; i++) {
			seed = seed * 1664525u + 1013904223u;
			x[i] = of_bits(seed % 3 ? (seed & 0x8fffffffu) + 0x30000000u : seed);
		}
		n16[n] = 0xabcd;
		loom_f32_to_f16_n(x, n16, n);
		for (size_t i = 0; i < n; i++) {
			if (n16[i] != loom_f32_to_f16(x[i]))
				fail_msg("%08x: %04x, plain %04x", bits(x[i]), n16[i], loom_f32_to_f16(x[i]));
		}
		assert_int_equal(n16[n], 0xabcd);
		y[n] = 77;
		loom_f16_to_f32_n(n16, y, n);
		assert_true(y[n] == 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_f16_widens_by_its_definition),
		cmocka_unit_test(every_bf16_widens_and_comes_back),
		cmocka_unit_test(narrowing_rounds_to_nearest_even),
		cmocka_unit_test(arrays_give_the_same_bits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
