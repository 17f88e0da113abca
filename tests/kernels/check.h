/* check.h: what the kernel tests share: random inputs, canaries around outputs, a clock. Each test program compares every
 * instruction set of this machine with plain C by memcmp, and measures when it is run with "--bench". */
#ifndef LOOM_KERNEL_CHECK_H
#define LOOM_KERNEL_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define CANARY 64 /* floats on each side */

static inline uint32_t check_random(uint64_t *s)
{
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*s >> 33);
}

/* About normal: values near 1, some tiny, some large, an occasional zero. */
static inline float check_float(uint64_t *s)
{
	float v = ((float)(check_random(s) % 20001) - 10000.0f) / 4000.0f;
	uint32_t kind = check_random(s) % 64;

	return kind == 0 ? 0.0f : kind == 1 ? v * 1e-20f : kind == 2 ? v * 300.0f : v;
}

static inline void check_fill(float *x, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++) {
		x[i] = check_float(&seed);
	}
}

/* n floats between canaries; free what check_guarded_base gives. */
static inline float *check_guarded(size_t n)
{
	float *p = malloc((n + 2 * CANARY) * sizeof(float));

	assert_non_null(p);
	memset(p, 0xa5, (n + 2 * CANARY) * sizeof(float));
	return p + CANARY;
}

static inline void check_canaries(const float *x, size_t n)
{
	for (size_t i = 0; i < CANARY * sizeof(float); i++) {
		assert_int_equal(((const unsigned char *)(x - CANARY))[i], 0xa5);
		assert_int_equal(((const unsigned char *)(x + n))[i], 0xa5);
	}
}

static inline void check_guarded_free(float *x)
{
	free(x - CANARY);
}

static inline double check_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#endif
