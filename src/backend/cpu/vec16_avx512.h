/* vec16_avx512.h: vec16.h in one register of sixteen lanes. Included by vec16.h only; the definition is there. */
#ifndef LOOM_VEC16_AVX512_H
#define LOOM_VEC16_AVX512_H

#ifdef __AVX512F__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#ifndef VEC_INLINE
#define VEC_INLINE static inline __attribute__((always_inline, unused))
#endif

typedef __m512 vec16;
typedef __mmask16 mask16;

#define VEC_MAP2(name, op) \
	VEC_INLINE vec16 name(vec16 a, vec16 b) { return op(a, b); }

VEC_MAP2(vec_add, _mm512_add_ps)
VEC_MAP2(vec_sub, _mm512_sub_ps)
VEC_MAP2(vec_mul, _mm512_mul_ps)
VEC_MAP2(vec_div, _mm512_div_ps)
VEC_MAP2(vec_max, _mm512_max_ps)
VEC_MAP2(vec_min, _mm512_min_ps)

VEC_INLINE vec16 vec_set1(float x)
{
	return _mm512_set1_ps(x);
}
VEC_INLINE vec16 vec_abs(vec16 a)
{
	return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
}
VEC_INLINE vec16 vec_copysign(vec16 a, vec16 b)
{
	return _mm512_or_ps(vec_abs(a), _mm512_and_ps(_mm512_set1_ps(-0.0f), b));
}
VEC_INLINE vec16 vec_fma(vec16 a, vec16 b, vec16 c)
{
	return _mm512_fmadd_ps(a, b, c);
}
VEC_INLINE vec16 vec_load(const float *p)
{
	return _mm512_loadu_ps(p);
}
VEC_INLINE void vec_store(float *p, vec16 a)
{
	_mm512_storeu_ps(p, a);
}
VEC_INLINE mask16 vec_below(int n)
{
	return (mask16)(n <= 0 ? 0u : n >= 16 ? 0xffffu : (1u << n) - 1u);
}
VEC_INLINE vec16 vec_load_n(const float *p, size_t n)
{
	return _mm512_maskz_loadu_ps(vec_below((int)n), p);
}
VEC_INLINE void vec_store_n(float *p, vec16 a, size_t n)
{
	_mm512_mask_storeu_ps(p, vec_below((int)n), a);
}
VEC_INLINE mask16 vec_less(vec16 a, vec16 b)
{
	return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
VEC_INLINE mask16 vec_range(int lo, int hi)
{
	return (mask16)(vec_below(hi) & ~vec_below(lo));
}
VEC_INLINE vec16 vec_select(mask16 m, vec16 a, vec16 b)
{
	return _mm512_mask_blend_ps(m, b, a);
}
VEC_INLINE vec16 vec_scale2(vec16 a, vec16 t)
{
	return _mm512_scalef_ps(a, _mm512_sub_ps(t, _mm512_set1_ps(12582912.0f)));
}
VEC_INLINE float vec_sum(vec16 a)
{
	__m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
	__m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
	__m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
	return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
VEC_INLINE float vec_top(vec16 a)
{
	__m256 s8 = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
	__m128 s4 = _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
	__m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
	return _mm_cvtss_f32(_mm_max_ss(s2, _mm_movehdup_ps(s2)));
}

#endif
#endif
