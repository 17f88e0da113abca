/* vec16.h: sixteen floats at a time, in three implementations of one definition, so that rows_impl.h and attn_impl.h are written
 * once. The file that includes it sets LOOM_VEC to LOOM_VEC_REF (an array of 16: the definition), LOOM_VEC_AVX2 (two __m256)
 * or LOOM_VEC_AVX512 (one __m512). Each lane gives the same bits in each; sums over lanes follow one fixed tree.
 *
 * max(a, b) is a > b ? a : b and min(a, b) is a < b ? a : b, as the x86 instructions are: a NaN in b comes through. */
#ifndef LOOM_VEC16_H
#define LOOM_VEC16_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LOOM_VEC_REF 0
#define LOOM_VEC_AVX2 1
#define LOOM_VEC_AVX512 2

#if LOOM_VEC == LOOM_VEC_REF /* the definition may be slow, but under the sanitizers it must compile in reasonable time */
#define VEC_INLINE static inline __attribute__((unused))
#else
#define VEC_INLINE static inline __attribute__((always_inline, unused))
#endif

#if LOOM_VEC == LOOM_VEC_REF

typedef struct { float f[16]; } vec16;
typedef uint16_t mask16;

#define VEC_EACH for (int i = 0; i < 16; i++)
#define VEC_MAP1(name, expr) \
	VEC_INLINE vec16 name(vec16 a) { vec16 r; VEC_EACH r.f[i] = (expr); return r; }
#define VEC_MAP2(name, expr) \
	VEC_INLINE vec16 name(vec16 a, vec16 b) { vec16 r; VEC_EACH r.f[i] = (expr); return r; }

VEC_MAP2(vec_add, a.f[i] + b.f[i])
VEC_MAP2(vec_sub, a.f[i] - b.f[i])
VEC_MAP2(vec_mul, a.f[i] * b.f[i])
VEC_MAP2(vec_div, a.f[i] / b.f[i])
VEC_MAP2(vec_max, a.f[i] > b.f[i] ? a.f[i] : b.f[i])
VEC_MAP2(vec_min, a.f[i] < b.f[i] ? a.f[i] : b.f[i])
VEC_MAP1(vec_abs, fabsf(a.f[i]))
VEC_MAP2(vec_copysign, copysignf(a.f[i], b.f[i]))

VEC_INLINE vec16 vec_set1(float x)
{
	vec16 r;
	VEC_EACH r.f[i] = x;
	return r;
}
VEC_INLINE vec16 vec_fma(vec16 a, vec16 b, vec16 c)
{
	vec16 r;
	VEC_EACH r.f[i] = fmaf(a.f[i], b.f[i], c.f[i]);
	return r;
}
VEC_INLINE vec16 vec_load(const float *p)
{
	vec16 r;
	memcpy(r.f, p, sizeof r.f);
	return r;
}
VEC_INLINE void vec_store(float *p, vec16 a)
{
	memcpy(p, a.f, sizeof a.f);
}
/* Lanes 0..n-1 (0 <= n <= 16); the others are zero, and their memory is not touched. */
VEC_INLINE vec16 vec_load_n(const float *p, size_t n)
{
	vec16 r = {{0}};
	memcpy(r.f, p, n * sizeof(float));
	return r;
}
VEC_INLINE void vec_store_n(float *p, vec16 a, size_t n)
{
	memcpy(p, a.f, n * sizeof(float));
}
VEC_INLINE mask16 vec_less(vec16 a, vec16 b)
{
	unsigned m = 0;
	VEC_EACH m |= (unsigned)(a.f[i] < b.f[i]) << i;
	return (mask16)m;
}
/* Lanes lo <= i < hi; both clamped to 0..16. */
VEC_INLINE mask16 vec_range(int lo, int hi)
{
	unsigned m = 0;
	VEC_EACH m |= (unsigned)(i >= lo && i < hi) << i;
	return (mask16)m;
}
VEC_INLINE vec16 vec_select(mask16 m, vec16 a, vec16 b)
{
	vec16 r;
	VEC_EACH r.f[i] = m >> i & 1 ? a.f[i] : b.f[i];
	return r;
}
/* a * 2^n, rounded once; t is 1.5 * 2^23 + n. */
VEC_INLINE vec16 vec_scale2(vec16 a, vec16 t)
{
	vec16 r;
	VEC_EACH {
		int32_t n, half;
		float x, y;
		memcpy(&n, &t.f[i], 4);
		n = (int32_t)((uint32_t)n - 0x4b400000u);
		half = n >> 1;
		int32_t bx = (int32_t)((uint32_t)(half + 127) << 23), by = (int32_t)((uint32_t)(n - half + 127) << 23);
		memcpy(&x, &bx, 4);
		memcpy(&y, &by, 4);
		r.f[i] = a.f[i] * x * y;
	}
	return r;
}
/* The tree: i with i+8, i+4, i+2, i+1. */
VEC_INLINE float vec_sum(vec16 a)
{
	for (int w = 8; w > 0; w >>= 1) {
		for (int i = 0; i < w; i++)
			a.f[i] += a.f[i + w];
	}
	return a.f[0];
}
VEC_INLINE float vec_top(vec16 a)
{
	for (int w = 8; w > 0; w >>= 1) {
		for (int i = 0; i < w; i++)
			a.f[i] = a.f[i] > a.f[i + w] ? a.f[i] : a.f[i + w];
	}
	return a.f[0];
}

#elif LOOM_VEC == LOOM_VEC_AVX2
#include "vec16_avx2.h"
#elif LOOM_VEC == LOOM_VEC_AVX512
#include "vec16_avx512.h"
#else
#error "LOOM_VEC must be set"
#endif

VEC_INLINE vec16 vec_zero(void)
{
	return vec_set1(0.0f);
}

#endif
