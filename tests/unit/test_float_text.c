/* test_float_text.c: floats as text: read back exactly, as short as can be, laid out as Python does. --bench: MB/s. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "float_text.h"

static float from_bits(uint32_t u)
{
	float v;
	memcpy(&v, &u, sizeof(v));
	return v;
}

static int digits_of(const char *text)
{
	int n = 0, zeros = 0;
	for (const char *p = text; *p && *p != 'e'; p++) {
		if (*p >= '0' && *p <= '9') {
			zeros = *p == '0' ? zeros + 1 : 0;
			n += n > 0 || *p != '0';
		}
	}
	return n - (zeros < n ? zeros : 0);
}

/* Fewest digits by trying, and the nearest decimal of so many. */
static void check(float v)
{
	char text[32], tried[40];
	size_t n = loom_float_text(v, text);
	int digits = 1;
	assert_int_equal(n, strlen(text));
	assert_true(n <= 24);
	assert_true(strtof(text, NULL) == v && signbit(strtof(text, NULL)) == signbit(v));
	for (; digits <= 9; digits++) {
		snprintf(tried, sizeof(tried), "%.*e", digits - 1, (double)v);
		if (strtof(tried, NULL) == v)
			break;
	}
	if (v == 0)
		return;
	if (digits_of(text) > digits)
		fail_msg("%a: %s has more than %d digits", (double)v, text, digits);
	double mine = fabs(strtod(text, NULL) - (double)v), best = fabs(strtod(tried, NULL) - (double)v);
	if (digits_of(text) == digits && mine > best * 1.0000001)
		fail_msg("%a: %s is farther than %s", (double)v, text, tried);
}

static void test_reads_back_and_is_shortest(void **state)
{
	uint64_t s = 7;
	(void)state;
	for (int i = 0; i < 100000; i++) {
		s = s * 6364136223846793005u + 1442695040888963407u;
		float v = from_bits((uint32_t)(s >> 32));
		if (isfinite(v))
			check(v);
	}
	for (uint32_t e = 0; e < 255; e++) { /* around each power of two, where the lower neighbour is nearer */
		for (int d = -2; d <= 2; d++) {
			uint32_t u = (e << 23) + (uint32_t)d;
			if (u < 0x7f800000u)
				check(from_bits(u));
		}
	}
	for (uint32_t u = 1; u < 300; u++)
		check(from_bits(u)); /* denormals */
	for (int i = 0; i < 3000; i++) {
		check((float)i);
		check((float)i / 100);
		check(-(float)i * 1000);
	}
}

static void test_python_layout(void **state)
{
	static const struct { float v; const char *text; } cases[] = {{0, "0.0"}, {-0.0f, "-0.0"}, {1, "1.0"}, {-2, "-2.0"}, {0.1f, "0.1"}, {1e-4f, "0.0001"},
		{1e-5f, "1e-05"}, {1.5e-7f, "1.5e-07"}, {123456.0f, "123456.0"}, {1e15f, "1000000000000000.0"}, {1e16f, "1e+16"}, {3.4028235e38f, "3.4028235e+38"},
		{1e-45f, "1e-45"}, {16777216, "16777216.0"}, {0.3f, "0.3"}, {33554432, "33554432.0"}, {1.17549435e-38f, "1.1754944e-38"}, {9.5e9f, "9500000000.0"},
		{0.00012345f, "0.00012345"}, {123.456f, "123.456"}, {8388608.5f, "8388608.0"}};
	char text[32];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		loom_float_text(cases[i].v, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void bench(void)
{
	enum { N = 1 << 20 };
	float *v = malloc(N * sizeof(*v));
	size_t bytes = 0;
	double best = 1e9;
	char text[32];
	srandom(1);
	for (int i = 0; v && i < N; i++) { /* about normal, as hidden states are */
		double a = (double)(random() + 1) / 2147483649.0, b = (double)random() / 2147483648.0;
		v[i] = (float)(sqrt(-2 * log(a)) * cos(6.283185307 * b));
	}
	for (int r = 0; v && r < 5; r++) {
		struct timespec t0, t1;
		bytes = 0;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t0);
		for (int i = 0; i < N; i++)
			bytes += loom_float_text(v[i], text) + 1;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t1);
		double s = (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec);
		best = s < best ? s : best;
	}
	printf("%.0f MB/s of text, %.1f ns a float\n", (double)bytes / best * 1e-6, best / N * 1e9);
	free(v);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_reads_back_and_is_shortest), cmocka_unit_test(test_python_layout)};
	if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
		bench();
		return 0;
	}
	return cmocka_run_group_tests_name("float_text", tests, NULL, NULL);
}
