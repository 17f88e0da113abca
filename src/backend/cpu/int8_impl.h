/* int8_impl.h: int8.h's definition over sixteen outputs at a time. int8_ref.c, int8_avx2.c and int8_vnni.c include it. Integer sums are exact in any
 * order; the floating-point steps are written once. */
#include "int8.h"

#include <math.h>

#include "packq_scale_impl.h"

#define TILE_ROWS 32 /* rows of x that share unpacked weights */

/* Of 32 x: the scale, and what stands beside offsets: sums of the bytes, of all and of each half, and the same times d. */
struct block {
	float d, sum[3], d_sum[3], unused;
};

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
static word16 bytes_minus(word16 a, int n)
{
	word16 r;
	VEC_EACH {
		uint32_t w = 0;
		for (int b = 0; b < 4; b++)
			w |= (uint32_t)(uint8_t)((int)(a.u[i] >> 8 * b & 255) - n) << 8 * b;
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
VEC_INLINE word16 bytes_minus(word16 a, int n)
{
	__m256i v = _mm256_set1_epi8((char)n);
	return (word16){_mm256_sub_epi8(a.lo, v), _mm256_sub_epi8(a.hi, v)};
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

#endif

/* ---- weights of a chunk ---- */

/* Words of 16 rows' codes, four neighbouring k each: signed bytes, or with OFFSET_BYTES unsigned ones that are `excess` too large. */
PACKQ_INLINE word16 unpack(enum loom_codes codes, const struct loom_packq *q, const uint32_t *chunk, int j)
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
		return bytes_lookup(word_and(word_right(word_load(chunk + o / 2 * LOOM_PANEL), at2), 0x03030303), q->bytes8);
	case LOOM_CODES_3:
		low = word_and(word_right(word_load(chunk + o / 2 * LOOM_PANEL), at2), 0x03030303);
		high = word_left(word_and(word_right(word_load(chunk + 2 * LOOM_PANEL), at1), 0x01010101), 2);
		return bytes_lookup(word_merge(low, high, 0x03030303), q->bytes8);
	default:
		break;
	}
	low = word_load(chunk + o * LOOM_PANEL);
	low = word_and(half ? word_right(low, 4) : low, 0x0f0f0f0f);
	if (codes == LOOM_CODES_4) {
		return bytes_lookup(low, q->bytes8);
	}
	if (codes == LOOM_CODES_5) {
		high = word_and(word_right(word_load(chunk + 4 * LOOM_PANEL), at1), 0x01010101);
	} else {
		high = word_and(word_right(word_load(chunk + (4 + o / 2) * LOOM_PANEL), at2), 0x03030303);
	}
	low = word_merge(low, word_left(high, 4), 0x0f0f0f0f);
#if !OFFSET_BYTES
	low = bytes_minus(low, q->offset);
#endif
	return low;
}

PACKQ_INLINE float excess(enum loom_codes codes, const struct loom_packq *q)
{
	return !OFFSET_BYTES ? 0.0f : codes == LOOM_CODES_5 || codes == LOOM_CODES_6 ? (float)q->offset : 128.0f;
}

/* ---- products ---- */

/* Words [first, end) of a chunk and one row of x: y + a * d * t, and b's share. part: 0 the block, 1 and 2 its halves. z: what the sum of x
 * is to be taken away times. */
PACKQ_INLINE vec16 add_block(enum loom_combine c, const word16 *w, int first, int end, const int8_t *x, const struct block *x_block, int part, vec16 a,
	vec16 b, vec16 z, vec16 y)
{
	word16 t = word_set1(0);

	for (int j = first; j < end; j++) {
		t = bytes_dot(t, w[j], x + 4 * j);
	}
	vec16 v = word_float(t);
	if (OFFSET_BYTES || c == LOOM_COMBINE_ZERO) { /* whole numbers below 2^24: exact */
		v = vec_fma(z, vec_set1(-x_block->sum[part]), v);
	}
	y = vec_fma(vec_mul(a, vec_set1(x_block->d)), v, y);
	return c == LOOM_COMBINE_ADD ? vec_fma(b, vec_set1(x_block->d_sum[part]), y) : y;
}

/* A chunk's share of `rows` rows, 16 outputs from column v on. x: the rows' bytes of this chunk; x_block: their blocks. */
PACKQ_INLINE void add_chunk(enum loom_codes codes, enum loom_combine c, const struct loom_packq *q, const uint32_t *chunk, const struct scales *s,
	const int8_t *x, const struct block *x_block, size_t stride, int64_t rows, int64_t v, float *y)
{
	vec16 unit = vec_set1(q->unit), extra = vec_set1(excess(codes, q));
	vec16 a = vec_mul(vec_load(s[0].a + v), unit), b = vec_load(s[0].b + v), z = c == LOOM_COMBINE_ZERO ? vec_add(b, extra) : extra;
	word16 w[8];

	for (int j = 0; j < 8; j++) {
		w[j] = unpack(codes, q, chunk + v, j);
	}
	if (q->group != 16) {
		for (int64_t r = 0; r < rows; r++) {
			const struct block *at = (const struct block *)(const void *)((const char *)x_block + (size_t)r * stride);
			vec_store(y + r * LOOM_PANEL + v, add_block(c, w, 0, 8, x + (size_t)r * stride, at, 0, a, b, z, vec_load(y + r * LOOM_PANEL + v)));
		}
		return;
	}
	vec16 a2 = vec_mul(vec_load(s[1].a + v), unit), b2 = vec_load(s[1].b + v), z2 = c == LOOM_COMBINE_ZERO ? vec_add(b2, extra) : extra;
	for (int64_t r = 0; r < rows; r++) {
		const struct block *at = (const struct block *)(const void *)((const char *)x_block + (size_t)r * stride);
		vec16 acc = add_block(c, w, 0, 4, x + (size_t)r * stride, at, 1, a, b, z, vec_load(y + r * LOOM_PANEL + v));
		vec_store(y + r * LOOM_PANEL + v, add_block(c, w, 4, 8, x + (size_t)r * stride, at, 2, a2, b2, z2, acc));
	}
}

/* Up to TILE_ROWS rows times a panel, to tile [rows, 48]. */
PACKQ_INLINE void tile_of(enum loom_codes codes, enum loom_combine c, const struct loom_packed *p, int64_t panel, const char *x, int64_t rows,
	float *tile)
{
	const struct loom_packq *q = &p->q;
	int64_t n_chunk = (p->n_col + LOOM_CHUNK - 1) / LOOM_CHUNK;
	size_t stride = loom_int8_stride(p->n_col);
	const char *base = (const char *)p->data + (size_t)(panel * n_chunk) * q->chunk_bytes;
	struct scales s[2];

	memset(s, 0, sizeof(s));
	memset(tile, 0, (size_t)rows * LOOM_PANEL * sizeof(float));
	for (int64_t ch = 0; ch < n_chunk; ch++) {
		const uint32_t *chunk = (const uint32_t *)(const void *)(base + (size_t)ch * q->chunk_bytes);
		const int8_t *bytes = (const int8_t *)x + ch * LOOM_CHUNK;
		const struct block *blocks = (const struct block *)(const void *)(x + n_chunk * LOOM_CHUNK) + ch;
		if (q->group == 16 || ch * LOOM_CHUNK % q->group == 0) {
			scales_at(p, panel, ch * LOOM_CHUNK, &s[0]);
		}
		if (q->group == 16 && ch * LOOM_CHUNK + 16 < p->n_col) {
			scales_at(p, panel, ch * LOOM_CHUNK + 16, &s[1]);
		}
		for (int64_t v = 0; v < LOOM_PANEL; v += 16) {
			add_chunk(codes, c, q, chunk, s, bytes, blocks, stride, rows, v, tile);
		}
	}
}

/* The kinds that formats use; TWO is MUL with its factor in the unit. */
#if LOOM_VEC == LOOM_VEC_REF
#define KINDS(X)
#else
#define KINDS(X) \
	X(2, MUL) X(2, ADD) X(2, ZERO) X(3, MUL) X(3, ZERO) X(4, MUL) X(4, ADD) X(4, ZERO) X(5, MUL) X(5, ADD) X(6, MUL) X(8, MUL) X(8, ZERO)
#endif
#define ONE_KIND(bits, how) \
	static void tile_##bits##_##how(const struct loom_packed *p, int64_t panel, const char *x, int64_t rows, float *tile) \
	{ \
		tile_of(LOOM_CODES_##bits, LOOM_COMBINE_##how, p, panel, x, rows, tile); \
	}
KINDS(ONE_KIND)
#define KIND_ID(codes, combine) ((int)(codes)*8 + (int)(combine))

static void dot(const struct loom_packed *p, int64_t panel, const void *x, int64_t rows, float *y, size_t ldy, int64_t width)
{
	enum loom_combine c = p->q.combine == LOOM_COMBINE_TWO ? LOOM_COMBINE_MUL : p->q.combine;
	float tile[TILE_ROWS * LOOM_PANEL];

	for (int64_t r0 = 0; r0 < rows; r0 += TILE_ROWS) {
		int64_t n = rows - r0 < TILE_ROWS ? rows - r0 : TILE_ROWS;
		const char *from = (const char *)x + (size_t)r0 * loom_int8_stride(p->n_col);
		switch (KIND_ID(p->q.codes, c)) {
#define CASE(bits, how) \
		case KIND_ID(LOOM_CODES_##bits, LOOM_COMBINE_##how): \
			tile_##bits##_##how(p, panel, from, n, tile); \
			break;
		KINDS(CASE)
#undef CASE
		default:
#if LOOM_VEC == LOOM_VEC_REF
			tile_of(p->q.codes, c, p, panel, from, n, tile);
#endif
			break;
		}
		for (int64_t r = 0; r < n; r++) {
			memcpy(y + (size_t)(r0 + r) * ldy, tile + r * LOOM_PANEL, (size_t)width * sizeof(float));
		}
	}
}

/* ---- rows ---- */

/* A block of 32. */
PACKQ_INLINE void round_block(vec16 lo, vec16 hi, int8_t *q, struct block *b)
{
	uint32_t bits = top_bits(lo, hi);
	int32_t half[2] = {0, 0};
	float top;

	memcpy(&top, &bits, sizeof(top));
	if (bits < 0x7f800000u && top > 1e-30f) { /* less counts as zero */
		vec16 times = vec_set1(127.0f / top);
		half[0] = bytes_round(vec_mul(lo, times), q);
		half[1] = bytes_round(vec_mul(hi, times), q + 16);
		b->d = top / 127.0f;
	} else {
		memset(q, 0, LOOM_CHUNK);
		b->d = bits < 0x7f800000u ? 0.0f : NAN;
	}
	b->sum[0] = (float)(half[0] + half[1]);
	b->sum[1] = (float)half[0];
	b->sum[2] = (float)half[1];
	for (int i = 0; i < 3; i++) {
		b->d_sum[i] = b->d * b->sum[i];
	}
}

static void row(const float *x, int64_t n_col, void *dst)
{
	int64_t whole = n_col / LOOM_CHUNK, left = n_col % LOOM_CHUNK;
	int8_t *q = dst;
	struct block *b = (struct block *)(void *)((char *)dst + (whole + (left > 0)) * LOOM_CHUNK);

	for (int64_t i = 0; i < whole; i++) {
		round_block(vec_load(x + i * LOOM_CHUNK), vec_load(x + i * LOOM_CHUNK + 16), q + i * LOOM_CHUNK, b + i);
	}
	if (left > 0) {
		float v[LOOM_CHUNK] = {0};
		memcpy(v, x + whole * LOOM_CHUNK, (size_t)left * sizeof(float));
		round_block(vec_load(v), vec_load(v + 16), q + whole * LOOM_CHUNK, b + whole);
	}
}
