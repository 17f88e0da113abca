/* packq_vec.h: sixteen 32-bit words at a time beside vec16.h's floats, for packq_impl.h. Three implementations of one definition. */
#ifndef LOOM_PACKQ_VEC_H
#define LOOM_PACKQ_VEC_H

#include "f16.h"
#include "vec16.h"

#if LOOM_VEC == LOOM_VEC_REF

typedef struct { uint32_t u[16]; } word16;
typedef struct { float f[32]; } table32;

#define WORD_MAP(expr) word16 r; VEC_EACH r.u[i] = (expr); return r

VEC_INLINE word16 word_load(const uint32_t *p)
{
	word16 r;
	memcpy(r.u, p, sizeof r.u);
	return r;
}
VEC_INLINE word16 word_right(word16 a, int n)
{
	WORD_MAP(a.u[i] >> n);
}
VEC_INLINE word16 word_left(word16 a, int n)
{
	WORD_MAP(a.u[i] << n);
}
VEC_INLINE word16 word_and(word16 a, uint32_t mask)
{
	WORD_MAP(a.u[i] & mask);
}
/* Bits of a where mask has them, else of b. */
VEC_INLINE word16 word_merge(word16 a, word16 b, uint32_t mask)
{
	WORD_MAP((a.u[i] & mask) | (b.u[i] & ~mask));
}
/* a with the bits of b that mask has turned over. */
VEC_INLINE word16 word_flip(word16 a, word16 b, uint32_t mask)
{
	WORD_MAP(a.u[i] ^ (b.u[i] & mask));
}
VEC_INLINE word16 word_fill(uint32_t x)
{
	word16 r;
	VEC_EACH r.u[i] = x;
	return r;
}
VEC_INLINE word16 word_right_signed(word16 a, int n)
{
	WORD_MAP((uint32_t)((int32_t)a.u[i] >> n));
}
VEC_INLINE vec16 word_float(word16 a)
{
	vec16 r;
	VEC_EACH r.f[i] = (float)(int32_t)a.u[i];
	return r;
}
VEC_INLINE vec16 word_bits(word16 a)
{
	vec16 r;
	memcpy(r.f, a.u, sizeof r.f);
	return r;
}
VEC_INLINE table32 table_load(const float *p)
{
	table32 t;
	memcpy(t.f, p, sizeof t.f);
	return t;
}
/* Of the low four and five bits. */
VEC_INLINE vec16 word_lookup(word16 a, table32 t)
{
	vec16 r;
	VEC_EACH r.f[i] = t.f[a.u[i] & 15];
	return r;
}
VEC_INLINE vec16 word_lookup32(word16 a, table32 t)
{
	vec16 r;
	VEC_EACH r.f[i] = t.f[a.u[i] & 31];
	return r;
}
VEC_INLINE vec16 vec_of_f16(const uint16_t *p)
{
	vec16 r;
	VEC_EACH r.f[i] = loom_f16_to_f32(p[i]);
	return r;
}
VEC_INLINE vec16 vec_of_bf16(const uint16_t *p)
{
	vec16 r;
	VEC_EACH r.f[i] = loom_bf16_to_f32(p[i]);
	return r;
}
VEC_INLINE vec16 vec_of_i8(const int8_t *p)
{
	vec16 r;
	VEC_EACH r.f[i] = (float)p[i];
	return r;
}
VEC_INLINE word16 word_of_u8(const uint8_t *p)
{
	word16 r;
	VEC_EACH r.u[i] = p[i];
	return r;
}

#elif LOOM_VEC == LOOM_VEC_AVX2

typedef struct { __m256i lo, hi; } word16;
typedef struct { __m256 q[4]; } table32;

#define WORD_MAP(op, ...) return (word16){op(a.lo, __VA_ARGS__), op(a.hi, __VA_ARGS__)}

VEC_INLINE word16 word_load(const uint32_t *p)
{
	return (word16){_mm256_loadu_si256((const __m256i *)(const void *)p), _mm256_loadu_si256((const __m256i *)(const void *)(p + 8))};
}
VEC_INLINE word16 word_right(word16 a, int n)
{
	WORD_MAP(_mm256_srli_epi32, n);
}
VEC_INLINE word16 word_left(word16 a, int n)
{
	WORD_MAP(_mm256_slli_epi32, n);
}
VEC_INLINE word16 word_right_signed(word16 a, int n)
{
	WORD_MAP(_mm256_srai_epi32, n);
}
VEC_INLINE word16 word_and(word16 a, uint32_t mask)
{
	WORD_MAP(_mm256_and_si256, _mm256_set1_epi32((int)mask));
}
VEC_INLINE word16 word_merge(word16 a, word16 b, uint32_t mask)
{
	__m256i m = _mm256_set1_epi32((int)mask);
	return (word16){_mm256_or_si256(_mm256_and_si256(a.lo, m), _mm256_andnot_si256(m, b.lo)),
		_mm256_or_si256(_mm256_and_si256(a.hi, m), _mm256_andnot_si256(m, b.hi))};
}
VEC_INLINE word16 word_flip(word16 a, word16 b, uint32_t mask)
{
	__m256i m = _mm256_set1_epi32((int)mask);
	return (word16){_mm256_xor_si256(a.lo, _mm256_and_si256(b.lo, m)), _mm256_xor_si256(a.hi, _mm256_and_si256(b.hi, m))};
}
VEC_INLINE word16 word_fill(uint32_t x)
{
	return (word16){_mm256_set1_epi32((int)x), _mm256_set1_epi32((int)x)};
}
VEC_INLINE vec16 word_float(word16 a)
{
	return (vec16){_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)};
}
VEC_INLINE vec16 word_bits(word16 a)
{
	return (vec16){_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)};
}
VEC_INLINE __m256 word_lookup8(__m256i a, __m256 low, __m256 high)
{
	__m256 l = _mm256_permutevar8x32_ps(low, a), h = _mm256_permutevar8x32_ps(high, a);
	return _mm256_blendv_ps(l, h, _mm256_castsi256_ps(_mm256_slli_epi32(a, 28)));
}
VEC_INLINE table32 table_load(const float *p)
{
	return (table32){{_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8), _mm256_loadu_ps(p + 16), _mm256_loadu_ps(p + 24)}};
}
VEC_INLINE vec16 word_lookup(word16 a, table32 t)
{
	return (vec16){word_lookup8(a.lo, t.q[0], t.q[1]), word_lookup8(a.hi, t.q[0], t.q[1])};
}
VEC_INLINE __m256 word_lookup32_8(__m256i a, table32 t)
{
	__m256 l = word_lookup8(a, t.q[0], t.q[1]), h = word_lookup8(a, t.q[2], t.q[3]);
	return _mm256_blendv_ps(l, h, _mm256_castsi256_ps(_mm256_slli_epi32(a, 27)));
}
VEC_INLINE vec16 word_lookup32(word16 a, table32 t)
{
	return (vec16){word_lookup32_8(a.lo, t), word_lookup32_8(a.hi, t)};
}
VEC_INLINE vec16 vec_of_f16(const uint16_t *p)
{
	return (vec16){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)),
		_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 8)))};
}
VEC_INLINE __m256 vec_of_bf16_8(const uint16_t *p)
{
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)), 16));
}
VEC_INLINE vec16 vec_of_bf16(const uint16_t *p)
{
	return (vec16){vec_of_bf16_8(p), vec_of_bf16_8(p + 8)};
}
VEC_INLINE vec16 vec_of_i8(const int8_t *p)
{
	return (vec16){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p))),
		_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p + 8))))};
}
VEC_INLINE word16 word_of_u8(const uint8_t *p)
{
	return (word16){_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)),
		_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p + 8)))};
}

#elif LOOM_VEC == LOOM_VEC_AVX512

typedef __m512i word16;
typedef struct { __m512 low, high; } table32;

VEC_INLINE word16 word_load(const uint32_t *p)
{
	return _mm512_loadu_si512(p);
}
VEC_INLINE word16 word_right(word16 a, int n)
{
	return _mm512_srli_epi32(a, (unsigned)n);
}
VEC_INLINE word16 word_left(word16 a, int n)
{
	return _mm512_slli_epi32(a, (unsigned)n);
}
VEC_INLINE word16 word_right_signed(word16 a, int n)
{
	return _mm512_srai_epi32(a, (unsigned)n);
}
VEC_INLINE word16 word_and(word16 a, uint32_t mask)
{
	return _mm512_and_si512(a, _mm512_set1_epi32((int)mask));
}
VEC_INLINE word16 word_merge(word16 a, word16 b, uint32_t mask)
{
	return _mm512_ternarylogic_epi32(a, b, _mm512_set1_epi32((int)mask), 0xe4);
}
VEC_INLINE word16 word_flip(word16 a, word16 b, uint32_t mask)
{
	return _mm512_ternarylogic_epi32(a, b, _mm512_set1_epi32((int)mask), 0x78);
}
VEC_INLINE word16 word_fill(uint32_t x)
{
	return _mm512_set1_epi32((int)x);
}
VEC_INLINE vec16 word_float(word16 a)
{
	return _mm512_cvtepi32_ps(a);
}
VEC_INLINE vec16 word_bits(word16 a)
{
	return _mm512_castsi512_ps(a);
}
VEC_INLINE table32 table_load(const float *p)
{
	return (table32){_mm512_loadu_ps(p), _mm512_loadu_ps(p + 16)};
}
VEC_INLINE vec16 word_lookup(word16 a, table32 t)
{
	return _mm512_permutexvar_ps(a, t.low);
}
VEC_INLINE vec16 word_lookup32(word16 a, table32 t)
{
	return _mm512_permutex2var_ps(t.low, a, t.high);
}
VEC_INLINE vec16 vec_of_f16(const uint16_t *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
VEC_INLINE vec16 vec_of_bf16(const uint16_t *p)
{
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p)), 16));
}
VEC_INLINE vec16 vec_of_i8(const int8_t *p)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}
VEC_INLINE word16 word_of_u8(const uint8_t *p)
{
	return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}

#endif

/* To the right by n, or to the left by -n. */
VEC_INLINE word16 word_shift(word16 a, int n)
{
	return n >= 0 ? word_right(a, n) : word_left(a, -n);
}

/* 2^(e - 128) of ggml's MXFP4 exponent bytes: loom_e8_scale. */
VEC_INLINE vec16 vec_of_e8(const uint8_t *p, float (*one)(uint8_t))
{
	float f[16];
	for (int i = 0; i < 16; i++)
		f[i] = one(p[i]);
	return vec_load(f);
}

#endif
