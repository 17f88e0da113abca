/* matmul_avx512.c: tiles of up to 8 rows by 48 outputs: 24 accumulators, three vectors of weights, one broadcast. The bits of
 * matmul_ref.c: lanes are outputs, so that each has its own chain. */
#include <immintrin.h>

#include "matmul.h"
#include "matmul_kernels.h"

#define INLINE static inline __attribute__((always_inline))

INLINE __m512 load_f32(const void *w, size_t i)
{
	return _mm512_loadu_ps((const float *)w + i);
}

INLINE __m512 load_f16(const void *w, size_t i)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)w + i)));
}

INLINE __m512 load_bf16(const void *w, size_t i)
{
	__m256i h = _mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)w + i));
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* Sums of a block for 16 outputs at y. */
INLINE void put(float *y, __m512 sum, bool first, const float *bias)
{
	sum = first ? sum : _mm512_add_ps(_mm512_loadu_ps(y), sum);
	_mm512_storeu_ps(y, bias ? _mm512_add_ps(sum, _mm512_loadu_ps(bias)) : sum);
}

#define PUT(r, c) put(y + (r) * ldy + 16 * (c), acc[r][c], first, bias ? bias + 16 * (c) : NULL)

/* The loops over rows are unrolled, all of them: acc lives in registers only if none indexes it. */
#define TILE(type, rows) \
	static void tile_##type##_##rows(const void *w, int64_t kn, const void *rows_x, size_t ldx, float *y, size_t ldy, bool first, \
		const float *bias) \
	{ \
		const float *x = rows_x; \
		__m512 acc[rows][3]; \
		_Pragma("GCC unroll 8") \
		for (int r = 0; r < (rows); r++) { \
			acc[r][0] = acc[r][1] = acc[r][2] = _mm512_setzero_ps(); \
		} \
		for (size_t k = 0; k < (size_t)kn; k++) { \
			__m512 w0 = load_##type(w, k * LOOM_PANEL), w1 = load_##type(w, k * LOOM_PANEL + 16), \
				w2 = load_##type(w, k * LOOM_PANEL + 32); \
			_Pragma("GCC unroll 8") \
			for (size_t r = 0; r < (rows); r++) { \
				__m512 v = _mm512_set1_ps(x[r * ldx + k]); \
				acc[r][0] = _mm512_fmadd_ps(v, w0, acc[r][0]); \
				acc[r][1] = _mm512_fmadd_ps(v, w1, acc[r][1]); \
				acc[r][2] = _mm512_fmadd_ps(v, w2, acc[r][2]); \
			} \
		} \
		_Pragma("GCC unroll 8") \
		for (size_t r = 0; r < (rows); r++) { \
			PUT(r, 0); \
			PUT(r, 1); \
			PUT(r, 2); \
		} \
	}
#define TILES(type) TILE(type, 1) TILE(type, 2) TILE(type, 3) TILE(type, 4) TILE(type, 5) TILE(type, 6) TILE(type, 7) TILE(type, 8)
TILES(f32)
TILES(f16)
TILES(bf16)

#define WIDEN(type) \
	static void widen_##type(const uint16_t *src, float *dst, size_t n) \
	{ \
		for (size_t i = 0; i < n; i += 16) { \
			_mm512_storeu_ps(dst + i, load_##type(src, i)); \
		} \
	}
WIDEN(f16)
WIDEN(bf16)

#define ALL(type) {tile_##type##_1, tile_##type##_2, tile_##type##_3, tile_##type##_4, tile_##type##_5, tile_##type##_6, tile_##type##_7, \
	tile_##type##_8}
const struct loom_matmul_kernels loom_matmul_avx512 = {
	.max_rows = 8,
	.widen_from = INT64_MAX,
	.f32 = ALL(f32),
	.f16 = ALL(f16),
	.bf16 = ALL(bf16),
	.widen_f16 = widen_f16,
	.widen_bf16 = widen_bf16,
};
