/* int8_impl.h: int8.h's definition over sixteen outputs at a time. int8_ref.c, int8_avx2.c and int8_vnni.c include it. Integer sums are exact in any
 * order; the floating-point steps are written once. */
#include "int8_lane_impl.h"

#define TILE_ROWS 32 /* rows of x that share unpacked weights */

/* Of 32 x: the scale, and what stands beside offsets: sums of the bytes, of all and of each half, and the same times d. */
struct block {
	float d, sum[3], d_sum[3], unused;
};

/* ---- products ---- */

/* Must the sums of x be taken away again? ADD's codes count from 0. */
PACKQ_INLINE bool moved(enum loom_codes codes, bool table, enum loom_combine c)
{
	return c == LOOM_COMBINE_ZERO || (c == LOOM_COMBINE_MUL && !has_signs(codes, table));
}

/* A block's share: y + a * d * t, and b's. part: 0 the block, 1 and 2 its halves. z: what the sum of x is to be taken away times. */
PACKQ_INLINE vec16 add_block(bool move, enum loom_combine c, word16 t, const struct block *x, int part, vec16 a, vec16 b, vec16 z, vec16 y)
{
	vec16 v = word_float(t);

	if (move) { /* whole numbers below 2^24: exact */
		v = vec_fma(z, vec_set1(-x->sum[part]), v);
	}
	y = vec_fma(vec_mul(a, vec_set1(x->d)), v, y);
	return c == LOOM_COMBINE_ADD ? vec_fma(b, vec_set1(x->d_sum[part]), y) : y;
}

/* Scales of 16 outputs as products want them. */
struct share {
	vec16 a, b, z;
};

PACKQ_INLINE struct share share_of(enum loom_codes codes, bool table, enum loom_combine c, const struct loom_packed *p, struct scale_at at, int64_t v)
{
	vec16 extra = vec_set1(excess(codes, table, &p->q)), b = extra;

	if (c == LOOM_COMBINE_ADD || c == LOOM_COMBINE_ZERO) {
		b = scale_second(p, at, v);
	}
	return (struct share){vec_mul(scale_first(p, at, v), vec_set1(p->q.unit)), b, c == LOOM_COMBINE_ZERO ? vec_add(b, extra) : extra};
}

/* Words [first, end) of a chunk and `rows` rows, 16 outputs from column v on. x: the rows' bytes of this chunk; x_block: their blocks. */
PACKQ_INLINE void add_rows(enum loom_codes codes, bool table, enum loom_combine c, const struct loom_packq *q, const uint32_t *chunk, int first, int end,
	const struct share *s, const int8_t *x, const struct block *x_block, int part, size_t stride, int64_t rows, float *y)
{
	word16 w[8];

	PACKQ_UNROLL
	for (int j = first; j < end; j++) {
		w[j] = unpack(codes, table, q, chunk, j);
	}
	for (int64_t r = 0; r < rows; r++) {
		const struct block *at = (const struct block *)(const void *)((const char *)x_block + (size_t)r * stride);
		word16 t = word_set1(0);
		PACKQ_UNROLL
		for (int j = first; j < end; j++) {
			t = word_dot(codes, table, t, w[j], x + (size_t)r * stride + 4 * j);
		}
		vec_store(y + r * LOOM_PANEL, add_block(moved(codes, table, c), c, t, at, part, s->a, s->b, s->z, vec_load(y + r * LOOM_PANEL)));
	}
}

/* Up to TILE_ROWS rows times a panel, to tile [rows, 48]. */
PACKQ_INLINE void tile_of(enum loom_codes codes, bool table, enum loom_combine c, const struct loom_packed *p, int64_t panel, const char *x, int64_t rows,
	float *tile)
{
	const struct loom_packq *q = &p->q;
	int64_t n_chunk = (p->n_col + LOOM_CHUNK - 1) / LOOM_CHUNK, step = q->group == 16 ? 16 : LOOM_CHUNK;
	size_t stride = loom_int8_stride(p->n_col);
	const char *base = (const char *)p->data + (size_t)(panel * n_chunk) * q->chunk_bytes;
	struct share s[VECS];

	memset(tile, 0, (size_t)rows * LOOM_PANEL * sizeof(float));
	for (int64_t g = 0, k = 0, end; k < p->n_col; g++) {
		end = p->n_col - k < q->group ? p->n_col : k + q->group;
		for (int v = 0; v < VECS; v++) {
			s[v] = share_of(codes, table, c, p, scale_place(p, panel, k, g), 16 * v);
		}
		for (; k < end; k += step) {
			const uint32_t *chunk = (const uint32_t *)(const void *)(base + (size_t)(k / LOOM_CHUNK) * q->chunk_bytes);
			const int8_t *bytes = (const int8_t *)x + k / LOOM_CHUNK * LOOM_CHUNK;
			const struct block *blocks = (const struct block *)(const void *)(x + n_chunk * LOOM_CHUNK) + k / LOOM_CHUNK;
			for (int v = 0; v < VECS; v++) {
				float *y = tile + 16 * v;
				if (step == LOOM_CHUNK) {
					add_rows(codes, table, c, q, chunk + 16 * v, 0, 8, &s[v], bytes, blocks, 0, stride, rows, y);
				} else if (k / 16 % 2 == 0) {
					add_rows(codes, table, c, q, chunk + 16 * v, 0, 4, &s[v], bytes, blocks, 1, stride, rows, y);
				} else {
					add_rows(codes, table, c, q, chunk + 16 * v, 4, 8, &s[v], bytes, blocks, 2, stride, rows, y);
				}
			}
		}
	}
}

#if LOOM_VEC != LOOM_VEC_REF

/* Words [first, end) of a chunk and one row: all 48 outputs, their sums in registers. */
PACKQ_INLINE void add_one(enum loom_codes codes, bool table, enum loom_combine c, const struct loom_packq *q, const uint32_t *chunk, int first, int end,
	const struct share *s, const int8_t *x, const struct block *block, int part, vec16 *y)
{
	word16 t[VECS];

	PACKQ_UNROLL
	for (int v = 0; v < VECS; v++) {
		t[v] = word_set1(0);
	}
	PACKQ_UNROLL
	for (int j = first; j < end; j++) {
		PACKQ_UNROLL
		for (int v = 0; v < VECS; v++) {
			t[v] = word_dot(codes, table, t[v], unpack(codes, table, q, chunk + 16 * v, j), x + 4 * j);
		}
	}
	PACKQ_UNROLL
	for (int v = 0; v < VECS; v++) {
		y[v] = add_block(moved(codes, table, c), c, t[v], block, part, s[v].a, s[v].b, s[v].z, y[v]);
	}
}

/* One row times a panel: tile_of's numbers. */
PACKQ_INLINE void one_of(enum loom_codes codes, bool table, enum loom_combine c, const struct loom_packed *p, int64_t panel, const char *x, float *tile)
{
	const struct loom_packq *q = &p->q;
	int64_t n_chunk = (p->n_col + LOOM_CHUNK - 1) / LOOM_CHUNK, step = q->group == 16 ? 16 : LOOM_CHUNK;
	const char *base = (const char *)p->data + (size_t)(panel * n_chunk) * q->chunk_bytes;
	const struct block *block = (const struct block *)(const void *)(x + n_chunk * LOOM_CHUNK);
	struct share s[VECS];
	vec16 y[VECS];

	PACKQ_UNROLL
	for (int v = 0; v < VECS; v++) {
		y[v] = vec_zero();
	}
	for (int64_t g = 0, k = 0, end; k < p->n_col; g++) {
		end = p->n_col - k < q->group ? p->n_col : k + q->group;
		PACKQ_UNROLL
		for (int v = 0; v < VECS; v++) {
			s[v] = share_of(codes, table, c, p, scale_place(p, panel, k, g), 16 * v);
		}
		for (; k < end; k += step) {
			const uint32_t *chunk = (const uint32_t *)(const void *)(base + (size_t)(k / LOOM_CHUNK) * q->chunk_bytes);
			const int8_t *bytes = (const int8_t *)x + k / LOOM_CHUNK * LOOM_CHUNK;
			if (step == LOOM_CHUNK) {
				add_one(codes, table, c, q, chunk, 0, 8, s, bytes, block + k / LOOM_CHUNK, 0, y);
			} else if (k / 16 % 2 == 0) {
				add_one(codes, table, c, q, chunk, 0, 4, s, bytes, block + k / LOOM_CHUNK, 1, y);
			} else {
				add_one(codes, table, c, q, chunk, 4, 8, s, bytes, block + k / LOOM_CHUNK, 2, y);
			}
		}
	}
	PACKQ_UNROLL
	for (int v = 0; v < VECS; v++) {
		vec_store(tile + 16 * v, y[v]);
	}
}

#endif

/* The kinds that formats use, and whether by a table; TWO is MUL with its factor in the unit. */
#if LOOM_VEC == LOOM_VEC_REF
#define KINDS(X)
#else
#define KINDS(X) \
	X(2, MUL, 0) X(2, ADD, 0) X(2, ZERO, 0) X(3, MUL, 0) X(3, ZERO, 0) X(4, MUL, 0) X(4, MUL, 1) X(4, ADD, 0) X(4, ZERO, 0) X(5, MUL, 0) X(5, ADD, 0) \
	X(6, MUL, 0) X(8, MUL, 0) X(8, ZERO, 0)
#endif
#define ONE_KIND(bits, how, table) \
	static void tile_##bits##_##how##_##table(const struct loom_packed *p, int64_t panel, const char *x, int64_t rows, float *tile) \
	{ \
		if (rows == 1) { \
			one_of(LOOM_CODES_##bits, table, LOOM_COMBINE_##how, p, panel, x, tile); \
		} else { \
			tile_of(LOOM_CODES_##bits, table, LOOM_COMBINE_##how, p, panel, x, rows, tile); \
		} \
	}
KINDS(ONE_KIND)
#define KIND_ID(codes, combine, table) (((int)(codes)*8 + (int)(combine)) * 2 + (table))

static void dot(const struct loom_packed *p, int64_t panel, const void *x, int64_t rows, float *y, size_t ldy, int64_t width)
{
	enum loom_combine c = p->q.combine == LOOM_COMBINE_TWO ? LOOM_COMBINE_MUL : p->q.combine;
	float tile[TILE_ROWS * LOOM_PANEL];

	for (int64_t r0 = 0; r0 < rows; r0 += TILE_ROWS) {
		int64_t n = rows - r0 < TILE_ROWS ? rows - r0 : TILE_ROWS;
		const char *from = (const char *)x + (size_t)r0 * loom_int8_stride(p->n_col);
		switch (KIND_ID(p->q.codes, c, p->q.by_table)) {
#define CASE(bits, how, table) \
		case KIND_ID(LOOM_CODES_##bits, LOOM_COMBINE_##how, table): \
			tile_##bits##_##how##_##table(p, panel, from, n, tile); \
			break;
		KINDS(CASE)
#undef CASE
		default:
#if LOOM_VEC == LOOM_VEC_REF
			tile_of(p->q.codes, p->q.by_table, c, p, panel, from, n, tile);
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
