/* dot_avx2.c: the bfloat16 product without the instruction for it: both halves of a pair widened, two fused multiply-adds, denormals
 * off meanwhile. Slower than exact mode; it is here so that the mode gives its bits on every machine. */
#include <immintrin.h>

#include "dot.h"
#include "f16.h"
#include "matmul.h"

#define DENORMALS_OFF 0x8040u /* flush to zero, denormals are zero */
/* The sums must stay between the two settings of the control register, on which they depend unseen by the compiler. */
#define HOLD(a, b) __asm__ volatile("" : "+x"(a), "+x"(b))

/* `rows` rows by 16 outputs, three times side by side. */
#define TILE(rows) \
	static void tile_##rows(const void *w, int64_t kn, const void *x, size_t ldx, float *y, size_t ldy, bool first) \
	{ \
		const __m256i high = _mm256_set1_epi32((int)0xffff0000u); \
		for (size_t col = 0; col < LOOM_PANEL; col += 16) { \
			unsigned before = _mm_getcsr(); \
			__m256 acc[rows][2]; \
			_mm_setcsr(before | DENORMALS_OFF); \
			for (size_t r = 0; r < (rows); r++) { \
				acc[r][0] = acc[r][1] = _mm256_setzero_ps(); \
				HOLD(acc[r][0], acc[r][1]); \
			} \
			for (size_t k = 0; k < (size_t)kn; k += 2) { \
				for (size_t c = 0; c < 2; c++) { \
					const uint16_t *at = (const uint16_t *)w + k * LOOM_PANEL + 2 * (col + 8 * c); \
					__m256i pair = _mm256_loadu_si256((const __m256i *)(const void *)at); \
					__m256 odd = _mm256_castsi256_ps(_mm256_and_si256(pair, high)); \
					__m256 even = _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16)); \
					for (size_t r = 0; r < (rows); r++) { \
						const int *xp = (const int *)(const void *)((const uint16_t *)x + r * ldx + k); \
						__m256i v = _mm256_set1_epi32(*xp); \
						acc[r][c] = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_and_si256(v, high)), odd, acc[r][c]); \
						acc[r][c] = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(v, 16)), even, acc[r][c]); \
					} \
				} \
			} \
			for (size_t r = 0; r < (rows); r++) { \
				HOLD(acc[r][0], acc[r][1]); \
			} \
			_mm_setcsr(before); \
			for (size_t r = 0; r < (rows); r++) { \
				for (size_t c = 0; c < 2; c++) { \
					float *at = y + r * ldy + col + 8 * c; \
					_mm256_storeu_ps(at, first ? acc[r][c] : _mm256_add_ps(_mm256_loadu_ps(at), acc[r][c])); \
				} \
			} \
		} \
	}
TILE(1)
TILE(2)
TILE(3)
TILE(4)

/* Eight floats as bfloat16 in the low halves. */
static inline __m256i round_8(__m256 v)
{
	__m256i u = _mm256_castps_si256(v), lsb = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
	__m256i r = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(lsb, _mm256_set1_epi32(0x7fff))), 16);
	__m256i nan = _mm256_or_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(0x40));

	return _mm256_blendv_epi8(r, nan, _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
}

static void round_n(const float *src, uint16_t *dst, size_t n)
{
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		__m256i p = _mm256_packus_epi32(round_8(_mm256_loadu_ps(src + i)), round_8(_mm256_loadu_ps(src + i + 8)));
		_mm256_storeu_si256((__m256i *)(void *)(dst + i), _mm256_permute4x64_epi64(p, 0xd8));
	}
	loom_f32_to_bf16_n(src + i, dst + i, n - i);
}

const struct loom_dot loom_dot_avx2 = {.max_rows = 4, .tile = {tile_1, tile_2, tile_3, tile_4}, .round = round_n};
