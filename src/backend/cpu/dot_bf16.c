/* dot_bf16.c: the bfloat16 product by AVX-512's dot product instruction: tiles of up to 8 rows by 48 outputs. */
#include <immintrin.h>

#include "dot.h"
#include "matmul.h"

/* Sums of a block for 16 outputs at y. */
static inline __attribute__((always_inline)) void put(float *y, __m512 sum, bool first, const float *bias)
{
	sum = first ? sum : _mm512_add_ps(_mm512_loadu_ps(y), sum);
	_mm512_storeu_ps(y, bias ? _mm512_add_ps(sum, _mm512_loadu_ps(bias)) : sum);
}

#define PUT(r, c) put(y + (r) * ldy + 16 * (c), acc[r][c], first, bias ? bias + 16 * (c) : NULL)
#define DOT(sum, x, w) _mm512_dpbf16_ps(sum, (__m512bh)(x), (__m512bh)(w))

/* The loops over rows are unrolled, all of them: acc lives in registers only if none indexes it. */
#define TILE(rows) \
	static void tile_##rows(const void *w, int64_t kn, const void *x, size_t ldx, float *y, size_t ldy, bool first, \
		const float *bias) \
	{ \
		__m512 acc[rows][3]; \
		_Pragma("GCC unroll 8") \
		for (int r = 0; r < (rows); r++) { \
			acc[r][0] = acc[r][1] = acc[r][2] = _mm512_setzero_ps(); \
		} \
		for (size_t k = 0; k < (size_t)kn; k += 2) { \
			const uint16_t *at = (const uint16_t *)w + k * LOOM_PANEL; \
			__m512i w0 = _mm512_loadu_si512(at), w1 = _mm512_loadu_si512(at + 32), w2 = _mm512_loadu_si512(at + 64); \
			_Pragma("GCC unroll 8") \
			for (size_t r = 0; r < (rows); r++) { \
				__m512i v = _mm512_set1_epi32(*(const int *)(const void *)((const uint16_t *)x + r * ldx + k)); \
				acc[r][0] = DOT(acc[r][0], v, w0); \
				acc[r][1] = DOT(acc[r][1], v, w1); \
				acc[r][2] = DOT(acc[r][2], v, w2); \
			} \
		} \
		_Pragma("GCC unroll 8") \
		for (size_t r = 0; r < (rows); r++) { \
			PUT(r, 0); \
			PUT(r, 1); \
			PUT(r, 2); \
		} \
	}
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
TILE(7)
TILE(8)

const struct loom_dot loom_dot_bf16 = {.max_rows = 8,
	.tile = {tile_1, tile_2, tile_3, tile_4, tile_5, tile_6, tile_7, tile_8}};
