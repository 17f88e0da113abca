/* packq_impl.h: packed codes → float32 weights, to memory (widen) or straight into a product with one row (dot). Written once over
 * vec16.h; packq_ref.c, packq_avx2.c and packq_avx512.c include it. Lanes are output rows, so every ISA gives the same bits. */
#include "packq_scale_impl.h"

/* Scales of a panel's 48 rows at one k. */
struct scales {
	float a[LOOM_PANEL], b[LOOM_PANEL];
};

static void scales_at(const struct loom_packed *p, int64_t panel, int64_t k, struct scales *s)
{
	const struct loom_packq *q = &p->q;
	struct scale_at at = scale_place(p, panel, k, q->g_idx ? q->g_idx[k] : k / q->group);

	for (int64_t v = 0; v < LOOM_PANEL; v += 16) {
		vec_store(s->a + v, scale_first(p, at, v));
		if (q->combine == LOOM_COMBINE_ADD || q->combine == LOOM_COMBINE_ZERO) {
			vec_store(s->b + v, scale_second(p, at, v));
		}
	}
}

/* The value of code i (0..7) of octet o of a chunk, 16 rows at a time. */
PACKQ_INLINE vec16 code_value(enum loom_codes codes, table32 table, float offset, const uint32_t *chunk, int64_t o, int i, int64_t v)
{
	int at4 = 8 * (i % 4) + 4 * (i / 4), at2 = 8 * (i % 4) + 2 * (int)(o % 2 * 2 + i / 4), at1 = 8 * (i % 4) + (int)(2 * o + i / 4);
	const uint32_t *four = chunk + o * LOOM_PANEL + v, *second = chunk + 4 * LOOM_PANEL + v;

	switch (codes) {
	case LOOM_CODES_2:
		return word_lookup(word_right(word_load(chunk + o / 2 * LOOM_PANEL + v), at2), table);
	case LOOM_CODES_3: {
		word16 low = word_right(word_load(chunk + o / 2 * LOOM_PANEL + v), at2), high = word_load(chunk + 2 * LOOM_PANEL + v);
		high = at1 >= 2 ? word_right(high, at1 - 2) : word_left(high, 2 - at1);
		return word_lookup(word_merge(low, high, 3), table);
	}
	case LOOM_CODES_4:
		return word_lookup(word_right(word_load(four), at4), table);
	case LOOM_CODES_5: {
		word16 high = word_load(second);
		high = at1 >= 4 ? word_right(high, at1 - 4) : word_left(high, 4 - at1);
		return word_lookup32(word_merge(word_right(word_load(four), at4), high, 15), table);
	}
	case LOOM_CODES_6: { /* into the mantissa of 64 */
		word16 low = word_shift(word_load(four), at4 - 17), high = word_shift(word_load(second + o / 2 * LOOM_PANEL), at2 - 21);
		word16 both = word_flip(word_flip(word_fill(0x42800000), low, 15u << 17), high, 3u << 21);
		return vec_sub(word_bits(both), vec_set1(64.0f + offset));
	}
	case LOOM_CODES_8: {
		word16 w = word_load(chunk + (2 * o + i / 4) * LOOM_PANEL + v);
		return word_float(word_right_signed(word_left(w, 24 - 8 * (i % 4)), 24));
	}
	default: { /* FP8: sign, four bits of exponent and three of mantissa, as a float32 that is 2^-120 too small */
		word16 w = word_right(word_load(chunk + (2 * o + i / 4) * LOOM_PANEL + v), 8 * (i % 4));
		word16 bits = word_merge(word_left(w, 20), word_left(w, 24), 0x07f00000);
		return vec_mul(word_bits(word_and(bits, 0x87f00000)), vec_set1(0x1p120f));
	}
	}
}

PACKQ_INLINE vec16 combined(enum loom_combine c, vec16 v, vec16 a, vec16 b, float factor)
{
	switch (c) {
	case LOOM_COMBINE_MUL: return vec_mul(v, a);
	case LOOM_COMBINE_ADD: return vec_fma(v, a, b);
	case LOOM_COMBINE_ZERO: return vec_mul(vec_sub(v, b), a);
	default: return vec_mul(vec_mul(v, a), vec_set1(factor));
	}
}

/* Codes i0 <= i < n of octet o: store: to dst [8, 48]; else times x[i] onto acc. Unrolled, so that every shift is by a constant. */
PACKQ_INLINE void octet(bool store, enum loom_codes codes, enum loom_combine c, const struct loom_packq *q, table32 table,
	const uint32_t *chunk, int64_t o, int i0, int n, const struct scales *s, float *dst, const float *x, vec16 *acc)
{
	bool second = c == LOOM_COMBINE_ADD || c == LOOM_COMBINE_ZERO;
	vec16 a[VECS], b[VECS];

	PACKQ_UNROLL
	for (int v = 0; v < VECS; v++) {
		a[v] = vec_load(s->a + 16 * v);
		b[v] = second ? vec_load(s->b + 16 * v) : a[v];
	}
	PACKQ_UNROLL
	for (int i = i0; i < n; i++) {
		PACKQ_UNROLL
		for (int v = 0; v < VECS; v++) {
			vec16 w = combined(c, code_value(codes, table, (float)q->offset, chunk, o, i, 16 * v), a[v], b[v], q->factor);
			if (store) {
				vec_store(dst + i * LOOM_PANEL + 16 * v, w);
			} else {
				acc[v] = vec_fma(vec_set1(x[i]), w, acc[v]);
			}
		}
	}
}

/* k0 .. k0+kn-1 of a panel. */
PACKQ_INLINE void run(bool store, enum loom_codes codes, enum loom_combine c, bool per_k, const struct loom_packed *p, int64_t panel, int64_t k0, int64_t kn,
	float *dst, const float *x, vec16 *acc)
{
	const struct loom_packq *q = &p->q;
	int64_t n_chunk = (p->n_col + LOOM_CHUNK - 1) / LOOM_CHUNK;
	const char *base = (const char *)p->data + (size_t)(panel * n_chunk) * q->chunk_bytes;
	table32 table = table_load(q->table);
	struct scales s;

	for (int64_t at = 0; at < kn; at += 8) {
		int64_t k = k0 + at, left = kn - at < 8 ? kn - at : 8;
		const uint32_t *chunk = (const uint32_t *)(const void *)(base + (size_t)(k / LOOM_CHUNK) * q->chunk_bytes);
		float *to = store ? dst + at * LOOM_PANEL : dst;
		const float *from = store ? x : x + at;
		if (!per_k && left == 8) {
			if (at == 0 || k % q->group == 0) {
				scales_at(p, panel, k, &s);
			}
#if PACKQ_FLAT
			switch (k / 8 % 4) {
			case 0: octet(store, codes, c, q, table, chunk, 0, 0, 8, &s, to, from, acc); break;
			case 1: octet(store, codes, c, q, table, chunk, 1, 0, 8, &s, to, from, acc); break;
			case 2: octet(store, codes, c, q, table, chunk, 2, 0, 8, &s, to, from, acc); break;
			default: octet(store, codes, c, q, table, chunk, 3, 0, 8, &s, to, from, acc); break;
			}
#else
			octet(store, codes, c, q, table, chunk, k / 8 % 4, 0, 8, &s, to, from, acc);
#endif
			continue;
		}
		for (int i = 0; i < left; i++) {
			scales_at(p, panel, k + i, &s);
			octet(store, codes, c, q, table, chunk, k / 8 % 4, i, i + 1, &s, to, from, acc);
		}
	}
}

/* The kinds that formats use, each with its own loop. */
#if LOOM_VEC == LOOM_VEC_REF
#define KINDS(X)
#else
#define KINDS(X) \
	X(2, MUL) X(2, ADD) X(2, ZERO) X(3, MUL) X(3, ZERO) X(4, MUL) X(4, ADD) X(4, ZERO) X(5, MUL) X(5, ADD) X(6, MUL) X(8, MUL) X(8, ZERO) \
	X(8, TWO) X(FP8, MUL)
#endif

#define ONE_KIND(bits, how) \
	static void widen_##bits##_##how(const struct loom_packed *p, int64_t panel, int64_t k0, int64_t kn, float *dst) \
	{ \
		run(true, LOOM_CODES_##bits, LOOM_COMBINE_##how, false, p, panel, k0, kn, dst, NULL, NULL); \
	} \
	static void dot_##bits##_##how(const struct loom_packed *p, int64_t panel, int64_t k0, int64_t kn, const float *x, vec16 *acc) \
	{ \
		vec16 sum[VECS]; \
		for (int v = 0; v < VECS; v++) { \
			sum[v] = vec_zero(); \
		} \
		run(false, LOOM_CODES_##bits, LOOM_COMBINE_##how, false, p, panel, k0, kn, NULL, x, sum); \
		for (int v = 0; v < VECS; v++) { \
			acc[v] = sum[v]; \
		} \
	}
KINDS(ONE_KIND)

#define KIND_ID(codes, combine) ((int)(codes)*8 + (int)(combine))

static void widen(const struct loom_packed *p, int64_t panel, int64_t k0, int64_t kn, float *dst)
{
	const struct loom_packq *q = &p->q;

	if (q->codes == LOOM_CODES_RAW) {
		loom_packq_widen_raw(p, panel, k0, kn, dst);
	} else {
		switch (q->per_k ? 0 : KIND_ID(q->codes, q->combine)) {
#define CASE(bits, how) \
		case KIND_ID(LOOM_CODES_##bits, LOOM_COMBINE_##how): \
			widen_##bits##_##how(p, panel, k0, kn, dst); \
			break;
		KINDS(CASE)
#undef CASE
		default:
			run(true, q->codes, q->combine, LOOM_VEC != LOOM_VEC_REF || q->per_k, p, panel, k0, kn, dst, NULL, NULL);
			break;
		}
	}
}

static void dot(const struct loom_packed *p, int64_t panel, int64_t k0, int64_t kn, const float *x, float *y, bool first)
{
	const struct loom_packq *q = &p->q;
	vec16 acc[VECS];

	switch (q->per_k ? 0 : KIND_ID(q->codes, q->combine)) {
#define CASE(bits, how) \
	case KIND_ID(LOOM_CODES_##bits, LOOM_COMBINE_##how): \
		dot_##bits##_##how(p, panel, k0, kn, x, acc); \
		break;
	KINDS(CASE)
#undef CASE
	default:
		for (int v = 0; v < VECS; v++) {
			acc[v] = vec_zero();
		}
		run(false, q->codes, q->combine, LOOM_VEC != LOOM_VEC_REF || q->per_k, p, panel, k0, kn, NULL, x, acc);
		break;
	}
	for (int v = 0; v < VECS; v++) {
		vec_store(y + 16 * v, first ? acc[v] : vec_add(vec_load(y + 16 * v), acc[v]));
	}
}
