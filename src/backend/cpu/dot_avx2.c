/* dot_avx2.c: the bfloat16 product without the instruction for it: both halves of a pair widened, two fused multiply-adds, denormals
 * off meanwhile. Slower than exact mode; it is here so that the mode gives its bits on every machine. */
#include <immintrin.h>

#include "dot.h"
#include "matmul.h"

#define DENORMALS_OFF 0x8040u /* flush to zero, denormals are zero */
/* The sums must stay between the two settings of the control register, on which they depend unseen by the compiler. */
#define HOLD(a, b) __asm__ volatile("" : "+x"(a), "+x"(b))

/* Sums of a block for 8 outputs at y. */
static inline __attribute__((always_inline)) void put(float *y, __m256 sum, bool first, const float *bias)
{
	sum = first ? sum : _mm256_add_ps(_mm256_loadu_ps(y), sum);
	_mm256_storeu_ps(y, bias ? _mm256_add_ps(sum, _mm256_loadu_ps(bias)) : sum);
}

/* `rows` rows by 16 outputs, three times side by side. */
#define TILE(rows) \
	static void tile_##rows(const void *w, int64_t kn, const void *x, size_t ldx, float *y, size_t ldy, bool first, \
		const float *bias) \
	{ \
		const __m256i high = _mm256_set1_epi32((int)0xffff0000u); \
		for (size_t col = 0; col < LOOM_PANEL; col += 16) { \
			unsigned before = _mm_getcsr(); \
			__m256 acc[rows][2]; \
			_mm_setcsr(before | DENORMALS_OFF); \
			_Pragma("GCC unroll 8") \
			for (size_t r = 0; r < (rows); r++) { \
				acc[r][0] = acc[r][1] = _mm256_setzero_ps(); \
				HOLD(acc[r][0], acc[r][1]); \
			} \
			for (size_t k = 0; k < (size_t)kn; k += 2) { \
				_Pragma("GCC unroll 8") \
				for (size_t c = 0; c < 2; c++) { \
					const uint16_t *at = (const uint16_t *)w + k * LOOM_PANEL + 2 * (col + 8 * c); \
					__m256i pair = _mm256_loadu_si256((const __m256i *)(const void *)at); \
					__m256 odd = _mm256_castsi256_ps(_mm256_and_si256(pair, high)); \
					__m256 even = _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16)); \
					_Pragma("GCC unroll 8") \
					for (size_t r = 0; r < (rows); r++) { \
						const int *xp = (const int *)(const void *)((const uint16_t *)x + r * ldx + k); \
						__m256i v = _mm256_set1_epi32(*xp); \
						acc[r][c] = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_and_si256(v, high)), odd, acc[r][c]); \
						acc[r][c] = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(v, 16)), even, acc[r][c]); \
					} \
				} \
			} \
			_Pragma("GCC unroll 8") \
			for (size_t r = 0; r < (rows); r++) { \
				HOLD(acc[r][0], acc[r][1]); \
			} \
			_mm_setcsr(before); \
			_Pragma("GCC unroll 8") \
			for (size_t r = 0; r < (rows); r++) { \
				_Pragma("GCC unroll 8") \
				for (size_t c = 0; c < 2; c++) { \
					put(y + r * ldy + col + 8 * c, acc[r][c], first, bias ? bias + col + 8 * c : NULL); \
				} \
			} \
		} \
	}
TILE(1)
TILE(2)
TILE(3)
TILE(4)

const struct loom_dot loom_dot_avx2 = {.max_rows = 4, .tile = {tile_1, tile_2, tile_3, tile_4}};
