/* f16.c: float16 and bfloat16 to and from float32, by integer arithmetic; arrays through F16C where compiled for it. See f16.h. */
#include "f16.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#include <stdbool.h>
#endif

static float from_bits(uint32_t u)
{
	float f;
	memcpy(&f, &u, 4);
	return f;
}

static uint32_t to_bits(float f)
{
	uint32_t u;
	memcpy(&u, &f, 4);
	return u;
}

float loom_f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3ff;
	if (exponent == 31)
		return from_bits(sign | 0x7f800000u | mantissa << 13 | (mantissa ? 0x400000u : 0)); /* signalling NaN made quiet, as F16C */
	if (exponent == 0) {
		float f = (float)mantissa * 0x1p-24f; /* exact: subnormals of float16 are normal here */
		return from_bits(sign | to_bits(f));
	}
	return from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t loom_f32_to_f16(float f)
{
	uint32_t u = to_bits(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffffu;
	if (a > 0x7f800000u)
		return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x3ff));
	if (a >= 0x477ff000u) /* 65520 and above round to infinity */
		return (uint16_t)(sign | 0x7c00);
	if (a < 0x38800000u) { /* below the least normal: units of 2^-24, rounded to even by the addition */
		float g = from_bits(a) + 0.5f; /* 0.5 has an ulp of 2^-24 in [0.5, 1) */
		return (uint16_t)(sign | (to_bits(g) - 0x3f000000u));
	}
	a += 0xfff + (a >> 13 & 1);
	return (uint16_t)(sign | ((a >> 13) - (112u << 10)));
}

uint16_t loom_f32_to_bf16(float f)
{
	uint32_t u = to_bits(f);
	if ((u & 0x7fffffffu) > 0x7f800000u)
		return (uint16_t)(u >> 16 | 0x40);
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

#if defined(__x86_64__)
/* Asked of cpuid once: it traps under a hypervisor, and clang 14 knows no __builtin_cpu_supports("f16c"). */
static bool has_f16c(void)
{
	static atomic_int known; /* 0: not asked yet, 1: no, 2: yes */
	int k = atomic_load_explicit(&known, memory_order_relaxed);
	if (!k) {
		unsigned a, b, c, d;
		k = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) && __builtin_cpu_supports("avx") ? 2 : 1;
		atomic_store_explicit(&known, k, memory_order_relaxed);
	}
	return k == 2;
}

__attribute__((target("avx,f16c"))) static void widen_f16c(const uint16_t *src, float *dst, size_t n)
{
	size_t i = 0;
	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(src + i))));
	for (; i < n; i++)
		dst[i] = loom_f16_to_f32(src[i]);
}

__attribute__((target("avx,f16c"))) static void narrow_f16c(const float *src, uint16_t *dst, size_t n)
{
	size_t i = 0;
	for (; i + 8 <= n; i += 8)
		_mm_storeu_si128((__m128i *)(dst + i), _mm256_cvtps_ph(_mm256_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT));
	for (; i < n; i++)
		dst[i] = loom_f32_to_f16(src[i]);
}

__attribute__((target("avx2"))) static inline __m256i round_bf16(__m256 v)
{
	__m256i u = _mm256_castps_si256(v), half = _mm256_srli_epi32(u, 16), lsb = _mm256_and_si256(half, _mm256_set1_epi32(1));
	__m256i r = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(lsb, _mm256_set1_epi32(0x7fff))), 16);
	__m256i nan = _mm256_or_si256(half, _mm256_set1_epi32(0x40));
	return _mm256_blendv_epi8(r, nan, _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
}

/* Returns how many were done. */
__attribute__((target("avx2"))) static size_t narrow_bf16(const float *src, uint16_t *dst, size_t n)
{
	size_t i = 0;
	for (; i + 16 <= n; i += 16) {
		__m256i p = _mm256_packus_epi32(round_bf16(_mm256_loadu_ps(src + i)), round_bf16(_mm256_loadu_ps(src + i + 8)));
		_mm256_storeu_si256((__m256i *)(void *)(dst + i), _mm256_permute4x64_epi64(p, 0xd8));
	}
	return i;
}
#endif

void loom_f16_to_f32_n(const uint16_t *src, float *dst, size_t n)
{
#if defined(__x86_64__)
	if (has_f16c()) {
		widen_f16c(src, dst, n);
		return;
	}
#endif
	for (size_t i = 0; i < n; i++)
		dst[i] = loom_f16_to_f32(src[i]);
}

void loom_bf16_to_f32_n(const uint16_t *src, float *dst, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = loom_bf16_to_f32(src[i]);
}

void loom_f32_to_f16_n(const float *src, uint16_t *dst, size_t n)
{
#if defined(__x86_64__)
	if (has_f16c()) {
		narrow_f16c(src, dst, n);
		return;
	}
#endif
	for (size_t i = 0; i < n; i++)
		dst[i] = loom_f32_to_f16(src[i]);
}

void loom_f32_to_bf16_n(const float *src, uint16_t *dst, size_t n)
{
	size_t i = 0;
#if defined(__x86_64__)
	if (n >= 16 && __builtin_cpu_supports("avx2"))
		i = narrow_bf16(src, dst, n);
#endif
	for (; i < n; i++)
		dst[i] = loom_f32_to_bf16(src[i]);
}
