/* int8_lane_impl.h: four bytes a lane, sixteen lanes at a time, and packed codes as such bytes: what int8_impl.h and llm8_impl.h multiply. Included
 * once in each of their files. */
#include "int8.h"

#include <math.h>

#include "packq_scale_impl.h"

/* ---- four bytes a lane ---- */

#if LOOM_VEC == LOOM_VEC_REF

#define OFFSET_BYTES 0

static word16 word_set1(int32_t x)
{
	WORD_MAP((uint32_t)x + 0 * r.u[i]);
}
/* table[low four bits] of each byte. */
static word16 bytes_lookup(word16 a, const int8_t *table)
{
	word16 r;
	VEC_EACH {
		uint32_t w = 0;
		for (int b = 0; b < 4; b++)
			w |= (uint32_t)(uint8_t)table[a.u[i] >> 8 * b & 15] << 8 * b;
		r.u[i] = w;
	}
	return r;
}
static word16 bytes_dot(word16 sum, word16 w, const int8_t *x)
{
	VEC_EACH {
		int t = 0;
		for (int b = 0; b < 4; b++)
			t += (int)(int8_t)(w.u[i] >> 8 * b & 255) * x[b];
		sum.u[i] += (uint32_t)t;
	}
	return sum;
}/* The same of bytes below 64, which have no sign. */
static word16 codes_dot(word16 sum, word16 w, const int8_t *x)
{
	return bytes_dot(sum, w, x);
}
/* Rounded to whole numbers as bytes; their sum. */
static int32_t bytes_round(vec16 v, int8_t *dst)
{
	int32_t sum = 0;
	VEC_EACH {
		dst[i] = (int8_t)rintf(v.f[i]);
		sum += dst[i];
	}
	return sum;
}
/* The bits of the largest magnitude: those of infinity or more when a number is not finite. */
static uint32_t top_bits(vec16 a, vec16 b)
{
	uint32_t top = 0;
	VEC_EACH {
		uint32_t u[2];
		memcpy(&u[0], &a.f[i], 4);
		memcpy(&u[1], &b.f[i], 4);
		top = (u[0] & 0x7fffffffu) > top ? u[0] & 0x7fffffffu : top;
		top = (u[1] & 0x7fffffffu) > top ? u[1] & 0x7fffffffu : top;
	}
	return top;
}

#elif LOOM_VEC == LOOM_VEC_AVX2

#define OFFSET_BYTES 0

VEC_INLINE int32_t bytes_round(vec16 v, int8_t *dst)
{
	__m256i lo = _mm256_cvtps_epi32(v.lo), hi = _mm256_cvtps_epi32(v.hi), both = _mm256_add_epi32(lo, hi);
	__m128i four = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
	__m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(lo, hi), 0xd8);
	_mm_storeu_si128((__m128i *)(void *)dst, _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
	four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
	return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}
VEC_INLINE uint32_t top_bits(vec16 a, vec16 b)
{
	__m256i m = _mm256_set1_epi32(0x7fffffff), al = _mm256_and_si256(_mm256_castps_si256(a.lo), m), ah = _mm256_and_si256(_mm256_castps_si256(a.hi), m);
	__m256i bl = _mm256_and_si256(_mm256_castps_si256(b.lo), m), bh = _mm256_and_si256(_mm256_castps_si256(b.hi), m);
	__m256i top = _mm256_max_epi32(_mm256_max_epi32(al, ah), _mm256_max_epi32(bl, bh));
	__m128i four = _mm_max_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
	four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
	return (uint32_t)_mm_cvtsi128_si32(_mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

VEC_INLINE word16 word_set1(int32_t x)
{
	return (word16){_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
VEC_INLINE word16 bytes_lookup(word16 a, const int8_t *table)
{
	__m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table));
	return (word16){_mm256_shuffle_epi8(t, a.lo), _mm256_shuffle_epi8(t, a.hi)};
}
/* Bytes with signs: |w| times x with w's sign, so that pairs fit 16 bits. */
VEC_INLINE __m256i bytes_dot8(__m256i sum, __m256i w, __m256i x)
{
	__m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
	return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
VEC_INLINE word16 bytes_dot(word16 sum, word16 w, const int8_t *x)
{
	int32_t four;
	memcpy(&four, x, 4);
	__m256i v = _mm256_set1_epi32(four);
	return (word16){bytes_dot8(sum.lo, w.lo, v), bytes_dot8(sum.hi, w.hi, v)};
}
VEC_INLINE __m256i codes_dot8(__m256i sum, __m256i w, __m256i x)
{
	return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
}
VEC_INLINE word16 codes_dot(word16 sum, word16 w, const int8_t *x)
{
	int32_t four;
	memcpy(&four, x, 4);
	__m256i v = _mm256_set1_epi32(four);
	return (word16){codes_dot8(sum.lo, w.lo, v), codes_dot8(sum.hi, w.hi, v)};
}

#else

#define OFFSET_BYTES 1 /* weights are kept unsigned, `off` too large; the sums of x take it away again */

VEC_INLINE int32_t bytes_round(vec16 v, int8_t *dst)
{
	__m512i w = _mm512_cvtps_epi32(v);
	_mm_storeu_si128((__m128i *)(void *)dst, _mm512_cvtepi32_epi8(w));
	return _mm512_reduce_add_epi32(w);
}
VEC_INLINE uint32_t top_bits(vec16 a, vec16 b)
{
	__m512i m = _mm512_set1_epi32(0x7fffffff);
	return (uint32_t)_mm512_reduce_max_epi32(_mm512_max_epi32(_mm512_and_si512(_mm512_castps_si512(a), m), _mm512_and_si512(_mm512_castps_si512(b), m)));
}
VEC_INLINE word16 word_set1(int32_t x)
{
	return _mm512_set1_epi32(x);
}
VEC_INLINE word16 bytes_lookup(word16 a, const int8_t *table)
{
	__m128i t = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)table), _mm_set1_epi8((char)0x80));
	return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(t), a);
}
VEC_INLINE word16 bytes_dot(word16 sum, word16 w, const int8_t *x)
{
	int32_t four;
	memcpy(&four, x, 4);
	return _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(four));
}
VEC_INLINE word16 codes_dot(word16 sum, word16 w, const int8_t *x)
{
	return bytes_dot(sum, w, x);
}

#endif

/* ---- weights of a chunk ---- */

/* Words of 16 rows' codes, four neighbouring k each: the values, each excess() too large. table: by q's bytes, else the codes themselves. */
PACKQ_INLINE word16 unpack(enum loom_codes codes, bool table, const struct loom_packq *q, const uint32_t *chunk, int j)
{
	int o = j / 2, half = j % 2, at2 = 2 * (o % 2 * 2 + half), at1 = 2 * o + half;
	word16 low, high;

	switch (codes) {
	case LOOM_CODES_8:
		low = word_load(chunk + j * LOOM_PANEL);
#if OFFSET_BYTES
		low = _mm512_xor_si512(low, _mm512_set1_epi8((char)0x80));
#endif
		return low;
	case LOOM_CODES_2:
		return word_and(word_right(word_load(chunk + o / 2 * LOOM_PANEL), at2), 0x03030303);
	case LOOM_CODES_3:
		low = word_and(word_right(word_load(chunk + o / 2 * LOOM_PANEL), at2), 0x03030303);
		return word_merge(low, word_and(word_shift(word_load(chunk + 2 * LOOM_PANEL), at1 - 2), 0x04040404), 0x03030303);
	default:
		break;
	}
	low = word_load(chunk + o * LOOM_PANEL);
	low = word_and(half ? word_right(low, 4) : low, 0x0f0f0f0f);
	if (codes == LOOM_CODES_4) {
		return table ? bytes_lookup(low, q->bytes8) : low;
	}
	if (codes == LOOM_CODES_5) {
		high = word_and(word_shift(word_load(chunk + 4 * LOOM_PANEL), at1 - 4), 0x10101010);
	} else {
		high = word_and(word_shift(word_load(chunk + (4 + o / 2) * LOOM_PANEL), at2 - 4), 0x30303030);
	}
	return word_merge(low, high, 0x0f0f0f0f);
}

/* Have unpack()'s bytes signs? Then none is too large. */
PACKQ_INLINE bool has_signs(enum loom_codes codes, bool table)
{
	return !OFFSET_BYTES && (codes == LOOM_CODES_8 || table);
}

PACKQ_INLINE float excess(enum loom_codes codes, bool table, const struct loom_packq *q)
{
	return has_signs(codes, table) ? 0.0f : codes == LOOM_CODES_8 || table ? 128.0f : codes <= LOOM_CODES_4 ? (float)-q->bytes8[0] : (float)q->offset;
}

PACKQ_INLINE word16 word_dot(enum loom_codes codes, bool table, word16 sum, word16 w, const int8_t *x)
{
	return codes == LOOM_CODES_8 || table ? bytes_dot(sum, w, x) : codes_dot(sum, w, x);
}
