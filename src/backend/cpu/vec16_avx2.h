/* vec16_avx2.h: vec16.h in two registers of eight lanes. Included by vec16.h only; the definition is there. */
#ifndef LOOM_VEC16_AVX2_H
#define LOOM_VEC16_AVX2_H

#ifdef __AVX2__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#ifndef VEC_INLINE
#define VEC_INLINE static inline __attribute__((always_inline, unused))
#endif

typedef struct { __m256 lo, hi; } vec16;
typedef struct { __m256 lo, hi; } mask16;

#define VEC_MAP1(name, op) \
	VEC_INLINE vec16 name(vec16 a) { return (vec16){op(a.lo), op(a.hi)}; }
#define VEC_MAP2(name, op) \
	VEC_INLINE vec16 name(vec16 a, vec16 b) { return (vec16){op(a.lo, b.lo), op(a.hi, b.hi)}; }

VEC_MAP2(vec_add, _mm256_add_ps)
VEC_MAP2(vec_sub, _mm256_sub_ps)
VEC_MAP2(vec_mul, _mm256_mul_ps)
VEC_MAP2(vec_div, _mm256_div_ps)
VEC_MAP2(vec_max, _mm256_max_ps)
VEC_MAP2(vec_min, _mm256_min_ps)

VEC_INLINE __m256 vec_abs8(__m256 a)
{
	return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
VEC_INLINE __m256 vec_copysign8(__m256 a, __m256 b)
{
	return _mm256_or_ps(vec_abs8(a), _mm256_and_ps(_mm256_set1_ps(-0.0f), b));
}
VEC_MAP1(vec_abs, vec_abs8)
VEC_MAP2(vec_copysign, vec_copysign8)

VEC_INLINE vec16 vec_set1(float x)
{
	return (vec16){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
VEC_INLINE vec16 vec_fma(vec16 a, vec16 b, vec16 c)
{
	return (vec16){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
VEC_INLINE vec16 vec_load(const float *p)
{
	return (vec16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
VEC_INLINE void vec_store(float *p, vec16 a)
{
	_mm256_storeu_ps(p, a.lo);
	_mm256_storeu_ps(p + 8, a.hi);
}
/* Lanes base + 0..7 that are below n. */
VEC_INLINE __m256i vec_below8(int base, int n)
{
	__m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	return _mm256_cmpgt_epi32(_mm256_set1_epi32(n - base), lane);
}
VEC_INLINE vec16 vec_load_n(const float *p, size_t n)
{
	return (vec16){_mm256_maskload_ps(p, vec_below8(0, (int)n)), _mm256_maskload_ps(p + 8, vec_below8(8, (int)n))};
}
VEC_INLINE void vec_store_n(float *p, vec16 a, size_t n)
{
	_mm256_maskstore_ps(p, vec_below8(0, (int)n), a.lo);
	_mm256_maskstore_ps(p + 8, vec_below8(8, (int)n), a.hi);
}
VEC_INLINE mask16 vec_less(vec16 a, vec16 b)
{
	return (mask16){_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
VEC_INLINE mask16 vec_range(int lo, int hi)
{
	return (mask16){_mm256_castsi256_ps(_mm256_andnot_si256(vec_below8(0, lo), vec_below8(0, hi))),
		_mm256_castsi256_ps(_mm256_andnot_si256(vec_below8(8, lo), vec_below8(8, hi)))};
}
VEC_INLINE vec16 vec_select(mask16 m, vec16 a, vec16 b)
{
	return (vec16){_mm256_blendv_ps(b.lo, a.lo, m.lo), _mm256_blendv_ps(b.hi, a.hi, m.hi)};
}
VEC_INLINE __m256 vec_scale2_8(__m256 a, __m256 t)
{
	__m256i n = _mm256_sub_epi32(_mm256_castps_si256(t), _mm256_set1_epi32(0x4b400000)), half = _mm256_srai_epi32(n, 1);
	__m256i bias = _mm256_set1_epi32(127);
	__m256i x = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
	__m256i y = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(n, half), bias), 23);
	return _mm256_mul_ps(_mm256_mul_ps(a, _mm256_castsi256_ps(x)), _mm256_castsi256_ps(y));
}
VEC_MAP2(vec_scale2, vec_scale2_8)

VEC_INLINE float vec_sum(vec16 a)
{
	__m256 s8 = _mm256_add_ps(a.lo, a.hi);
	__m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
	__m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
	return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
VEC_INLINE float vec_top(vec16 a)
{
	__m256 s8 = _mm256_max_ps(a.lo, a.hi);
	__m128 s4 = _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
	__m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
	return _mm_cvtss_f32(_mm_max_ss(s2, _mm_movehdup_ps(s2)));
}

#endif
#endif
