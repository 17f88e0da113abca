/* matmul_avx2.c: tiles of one or two rows by 48 outputs, and of three or four rows by twice 24: at most 12 accumulators of 16
 * registers. The bits of matmul_ref.c: lanes are outputs, so that each has its own chain. */
#include <immintrin.h>

#include "matmul.h"
#include "matmul_kernels.h"

#define INLINE static inline __attribute__((always_inline))

INLINE __m256 load_f32(const void *w, size_t i)
{
	return _mm256_loadu_ps((const float *)w + i);
}

INLINE __m256 load_f16(const void *w, size_t i)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)w + i)));
}

INLINE __m256 load_bf16(const void *w, size_t i)
{
	__m128i h = _mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)w + i));
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

/* Sums of a block for 8 outputs at y. */
INLINE void put(float *y, __m256 sum, bool first, const float *bias)
{
	sum = first ? sum : _mm256_add_ps(_mm256_loadu_ps(y), sum);
	_mm256_storeu_ps(y, bias ? _mm256_add_ps(sum, _mm256_loadu_ps(bias)) : sum);
}

/* `rows` rows by `vecs` vectors, `passes` times side by side (vecs * passes == 6). Constant bounds: unrolled. The fewer of the two stay in
 * registers while the others go by, so that 16 suffice. */
#define TILE(type, rows, vecs, passes) \
	static void tile_##type##_##rows(const void *w, int64_t kn, const void *rows_x, size_t ldx, float *y, size_t ldy, bool first, \
		const float *bias) \
	{ \
		const float *x = rows_x; \
		for (size_t p = 0; p < (passes); p++) { \
			__m256 acc[rows][vecs]; \
			size_t col = p * (vecs) * 8; \
			_Pragma("GCC unroll 8") \
			for (int r = 0; r < (rows); r++) { \
				_Pragma("GCC unroll 8") \
				for (int c = 0; c < (vecs); c++) { \
					acc[r][c] = _mm256_setzero_ps(); \
				} \
			} \
			for (size_t k = 0; k < (size_t)kn; k++) { \
				__m256 v[rows], wv[vecs]; \
				_Pragma("GCC unroll 8") \
				for (size_t r = 0; r < (rows) && (rows) <= (vecs); r++) { \
					v[r] = _mm256_set1_ps(x[r * ldx + k]); \
				} \
				_Pragma("GCC unroll 8") \
				for (size_t c = 0; c < (vecs); c++) { \
					wv[c] = load_##type(w, k * LOOM_PANEL + col + 8 * c); \
					_Pragma("GCC unroll 8") \
					for (size_t r = 0; r < (rows) && (rows) <= (vecs); r++) { \
						acc[r][c] = _mm256_fmadd_ps(v[r], wv[c], acc[r][c]); \
					} \
				} \
				_Pragma("GCC unroll 8") \
				for (size_t r = 0; r < (rows) && (rows) > (vecs); r++) { \
					v[r] = _mm256_set1_ps(x[r * ldx + k]); \
					_Pragma("GCC unroll 8") \
					for (size_t c = 0; c < (vecs); c++) { \
						acc[r][c] = _mm256_fmadd_ps(v[r], wv[c], acc[r][c]); \
					} \
				} \
			} \
			_Pragma("GCC unroll 8") \
			for (size_t r = 0; r < (rows); r++) { \
				_Pragma("GCC unroll 8") \
				for (size_t c = 0; c < (vecs); c++) { \
					put(y + r * ldy + col + 8 * c, acc[r][c], first, bias ? bias + col + 8 * c : NULL); \
				} \
			} \
		} \
	}
#define TILES(type) TILE(type, 1, 6, 1) TILE(type, 2, 6, 1) TILE(type, 3, 3, 2) TILE(type, 4, 3, 2)
TILES(f32)
TILES(f16)
TILES(bf16)

#define WIDEN(type) \
	static void widen_##type(const uint16_t *src, float *dst, size_t n) \
	{ \
		for (size_t i = 0; i < n; i += 8) { \
			_mm256_storeu_ps(dst + i, load_##type(src, i)); \
		} \
	}
WIDEN(f16)
WIDEN(bf16)

#define ALL(type) {tile_##type##_1, tile_##type##_2, tile_##type##_3, tile_##type##_4}
const struct loom_matmul_kernels loom_matmul_avx2 = {
	.max_rows = 4,
	.widen_from = 64,
	.f32 = ALL(f32),
	.f16 = ALL(f16),
	.bf16 = ALL(bf16),
	.widen_f16 = widen_f16,
	.widen_bf16 = widen_bf16,
};
