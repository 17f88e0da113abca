/* attn_impl.h: attn.h over vec16, compiled once for each instruction set. The including file sets LOOM_VEC and LOOM_ATTN (the table's
 * name). Both products, scores = q K^T and block = p V, are the same: rows times a matrix, one chain of fused multiply-adds for
 * each element. */
#include <math.h>

#include "attn.h"
#include "loom_backend.h"
#include "vmath.h"

/* Registers: rows times vectors in one tile. */
#if LOOM_VEC == LOOM_VEC_AVX512
#define TILE_ROWS 4
#define TILE_VECS 4
#elif LOOM_VEC == LOOM_VEC_AVX2
#define TILE_ROWS 3
#define TILE_VECS 2
#else
#define TILE_ROWS 1
#define TILE_VECS 1
#endif

/* y[r][0..16*vecs) = alpha[r] * y[r] + sum over k0 <= k < k1 of x[r][k] * m[k*ldm ..], or the sum alone where alpha is NULL or
 * alpha[r] negative. rows and vecs are constants in each caller. left: columns, when vecs is 1. */
VEC_INLINE void tile(const float *m, size_t ldm, const float *const *x, float *const *y, const float *alpha, size_t col, int k0, int k1, int rows,
	int vecs, size_t left)
{
	vec16 acc[4][4];

	for (int r = 0; r < rows; r++)
		for (int c = 0; c < vecs; c++)
			acc[r][c] = vec_zero();
	for (int k = k0; k < k1; k++) {
		const float *at = m + (size_t)k * ldm + col;
		vec16 w[4];
		for (int c = 0; c < vecs; c++)
			w[c] = left >= 16 ? vec_load(at + 16 * c) : vec_load_n(at, left);
		for (int r = 0; r < rows; r++) {
			vec16 v = vec_set1(x[r][k]);
			for (int c = 0; c < vecs; c++)
				acc[r][c] = vec_fma(v, w[c], acc[r][c]);
		}
	}
	for (int r = 0; r < rows; r++) {
		for (int c = 0; c < vecs; c++) {
			float *at = y[r] + col + 16 * c;
			if (alpha && alpha[r] >= 0)
				acc[r][c] = vec_fma(left >= 16 ? vec_load(at) : vec_load_n(at, left), vec_set1(alpha[r]), acc[r][c]);
			if (left >= 16)
				vec_store(at, acc[r][c]);
			else
				vec_store_n(at, acc[r][c], left);
		}
	}
}

VEC_INLINE void tile_columns(const float *m, size_t ldm, const float *const *x, float *const *y, const float *alpha, int k0, int k1, int rows,
	size_t n_col)
{
	size_t col = 0;

	for (; col + 16 * TILE_VECS <= n_col; col += 16 * TILE_VECS)
		tile(m, ldm, x, y, alpha, col, k0, k1, rows, TILE_VECS, 16);
	for (; col + 16 <= n_col; col += 16)
		tile(m, ldm, x, y, alpha, col, k0, k1, rows, 1, 16);
	if (col < n_col)
		tile(m, ldm, x, y, alpha, col, k0, k1, rows, 1, n_col - col);
}

/* Not inlined into each other: the tiles want all registers. */
#define ALONE __attribute__((noinline))

/* Any number of rows, TILE_ROWS at a time. */
VEC_INLINE void multiply_rows(const float *m, size_t ldm, const float *const *x, float *const *y, const float *alpha, int k0, int k1, int n, size_t n_col)
{
	int r = 0;

	for (; r + TILE_ROWS <= n; r += TILE_ROWS)
		tile_columns(m, ldm, x + r, y + r, alpha ? alpha + r : NULL, k0, k1, TILE_ROWS, n_col);
#if TILE_ROWS > 3
	if (n - r == 3) {
		tile_columns(m, ldm, x + r, y + r, alpha ? alpha + r : NULL, k0, k1, 3, n_col);
		return;
	}
#endif
#if TILE_ROWS > 2
	if (n - r == 2) {
		tile_columns(m, ldm, x + r, y + r, alpha ? alpha + r : NULL, k0, k1, 2, n_col);
		return;
	}
#endif
	for (; r < n; r++)
		tile_columns(m, ldm, x + r, y + r, alpha ? alpha + r : NULL, k0, k1, 1, n_col);
}

static ALONE void multiply(const float *m, size_t ldm, const float *const *x, float *const *y, int k0, int k1, int n, size_t n_col)
{
	multiply_rows(m, ldm, x, y, NULL, k0, k1, n, n_col);
}

static ALONE void multiply_add(const float *m, size_t ldm, const float *const *x, float *const *y, const float *alpha, int k0, int k1, int n,
	size_t n_col)
{
	multiply_rows(m, ldm, x, y, alpha, k0, k1, n, n_col);
}

/* A row while its blocks go by. */
struct run {
	float top, sum;
	int started;
	int lo, hi; /* keys of the current block */
};

/* The column of keys key .. key+15 in tables of distances. */
VEC_INLINE int32_t column(const struct loom_attn_row *row, int32_t key)
{
	int32_t at = key + row->at;

	return at < 0 ? 0 : at > row->last ? row->last : at;
}

/* What distances add to the products s [64] of the row with block b, of whose keys the first n count. */
static ALONE void relate(const struct loom_attn_kv *kv, const struct loom_attn_row *row, const float *keys, int32_t b, int n, float *s)
{
	int groups = (n + 15) / 16;
	int32_t at[4];
	vec16 sum[4];

	for (int i = 0; i < 4; i++) {
		at[i] = column(row, b * LOOM_PAGE + 16 * i);
		sum[i] = vec_zero();
	}
	for (size_t k = 0; kv->rel_key && k < (size_t)kv->d; k++) {
		vec16 q = vec_set1(row->q[k]);
		for (int i = 0; i < groups; i++)
			sum[i] = vec_fma(q, vec_load(kv->rel_key + k * kv->rel_stride + at[i]), sum[i]);
	}
	for (size_t k = 0; kv->rel_query && k < (size_t)kv->d; k++) {
		for (int i = 0; i < groups; i++)
			sum[i] = vec_fma(vec_load(keys + k * LOOM_PAGE + 16 * i), vec_load(kv->rel_query + k * kv->rel_stride + at[i]), sum[i]);
	}
	for (int i = 0; i < groups; i++)
		vec_store(s + 16 * i, vec_add(vec_load(s + 16 * i), sum[i]));
}

/* Scores of keys key .. key+15 of which the first n exist, from the products s; lanes beyond n are anything. */
VEC_INLINE vec16 score(const struct loom_attn_kv *kv, const struct loom_attn_row *row, vec16 s, int32_t key, int n)
{
	vec16 v = vec_mul(s, vec_set1(kv->scale));

	if (kv->softcap > 0)
		v = vec_mul(vec_set1(kv->softcap), vec_tanh(vec_div(v, vec_set1(kv->softcap))));
	if (row->bias && n > 0)
		v = vec_add(v, vec_sub(vec_load_n(row->bias + column(row, key), n < 16 ? (size_t)n : 16), vec_set1(row->bias_base)));
	return v;
}

/* s [64] products of block b in, scores out, -inf where the row does not see; returns the largest. */
static float scores(const struct run *r, const struct loom_attn_kv *kv, const struct loom_attn_row *row, int32_t b, float *s)
{
	vec16 minus_inf = vec_set1(-INFINITY), top = minus_inf, v;

	if (r->lo == 0 && r->hi == LOOM_PAGE && !row->bias && kv->softcap <= 0) {
		for (int i = 0; i < 4; i++) {
			v = vec_mul(vec_load(s + 16 * i), vec_set1(kv->scale));
			vec_store(s + 16 * i, v);
			top = vec_max(v, top);
		}
		return vec_top(top);
	}
	for (int i = 0; i < 4; i++) {
		v = score(kv, row, vec_load(s + 16 * i), b * LOOM_PAGE + 16 * i, r->hi - 16 * i);
		v = vec_select(vec_range(r->lo - 16 * i, r->hi - 16 * i), v, minus_inf);
		vec_store(s + 16 * i, v);
		top = vec_max(v, top);
	}
	return vec_top(top);
}

/* s [64] scores in, weights out; their sum. */
static float weights(const struct run *r, float *s, float top)
{
	vec16 sum = vec_zero();

	for (int i = 0; i < 4; i++) {
		vec16 e = vec_exp(vec_sub(vec_load(s + 16 * i), vec_set1(top)));
		if (r->lo > 0 || r->hi < LOOM_PAGE)
			e = vec_select(vec_range(r->lo - 16 * i, r->hi - 16 * i), e, vec_zero());
		vec_store(s + 16 * i, e);
		sum = vec_add(sum, e);
	}
	return vec_sum(sum);
}

/* Products of m rows with block b in, weights out; updates each row's maximum and sum. alpha: what the row so far is to be multiplied with,
 * -1 for a row that begins. */
static ALONE void soften(struct run *const *runs, const struct loom_attn_kv *kv, const struct loom_attn_row *const *rows, int m, int32_t b,
	float (*s)[LOOM_PAGE], float alpha[LOOM_ATTN_ROWS])
{
	float top[LOOM_ATTN_ROWS], fall[LOOM_ATTN_ROWS] = {0};

	for (int i = 0; i < m; i++) {
		struct run *r = runs[i];
		top[i] = scores(r, kv, rows[i], b, s[i]);
		top[i] = r->started && r->top > top[i] ? r->top : top[i];
		fall[i] = r->started ? r->top - top[i] : 0;
	}
	vec_store(alpha, vec_exp(vec_load(fall)));
	for (int i = 0; i < m; i++) {
		struct run *r = runs[i];
		float sum = weights(r, s[i], top[i]);
		r->sum = r->started ? fmaf(r->sum, alpha[i], sum) : sum;
		r->top = top[i];
		if (!r->started)
			alpha[i] = -1;
		r->started = 1;
	}
}

/* Keys of block b that the row sees; false when none. */
static int in_block(const struct loom_attn_row *row, int32_t b, int *lo, int *hi)
{
	int32_t first = b * LOOM_PAGE;

	*lo = row->lo > first ? row->lo - first : 0;
	*hi = row->hi - first < LOOM_PAGE ? row->hi - first : LOOM_PAGE;
	return *lo < *hi;
}

static void attend_block(const struct loom_attn_kv *kv, const struct loom_attn_row *rows, int n, int32_t b, struct run *runs)
{
	const float *keys = kv->base + (size_t)kv->pages[b] * kv->page_stride, *values = keys + kv->v_offset;
	size_t d = (size_t)kv->dv;
	float product[LOOM_ATTN_ROWS][LOOM_PAGE], alpha[LOOM_ATTN_ROWS];
	const float *q[LOOM_ATTN_ROWS] = {NULL}, *p[LOOM_ATTN_ROWS] = {NULL};
	float *s[LOOM_ATTN_ROWS] = {NULL}, *out[LOOM_ATTN_ROWS] = {NULL};
	const struct loom_attn_row *who[LOOM_ATTN_ROWS];
	struct run *run[LOOM_ATTN_ROWS];
	int m = 0, seen = 0;

	for (int i = 0; i < n; i++) {
		if (in_block(&rows[i], b, &runs[i].lo, &runs[i].hi)) {
			who[m] = &rows[i];
			run[m] = &runs[i];
			q[m] = rows[i].q;
			out[m] = rows[i].out;
			s[m] = product[m];
			p[m] = product[m];
			seen = runs[i].hi > seen ? runs[i].hi : seen;
			m++;
		}
	}
	if (m == 0)
		return;
	multiply(keys, LOOM_PAGE, q, s, 0, kv->d, m, (size_t)(seen + 15) / 16 * 16);
	for (int i = 0; (kv->rel_key || kv->rel_query) && i < m; i++)
		relate(kv, who[i], keys, b, run[i]->hi, s[i]);
	soften(run, kv, who, m, b, product, alpha);
	/* Rows that see the same keys share the values; a row must not touch a value that it does not see (it may be NaN). */
	for (int i = 0; i < m;) {
		const struct run *r = run[i];
		int same = 1;
		while (i + same < m && run[i + same]->lo == r->lo && run[i + same]->hi == r->hi)
			same++;
		multiply_add(values, d, p + i, out + i, alpha + i, r->lo, r->hi, same, d);
		i += same;
	}
}

static void attend(const struct loom_attn_kv *kv, const struct loom_attn_row *rows, int n)
{
	struct run runs[LOOM_ATTN_ROWS];
	int32_t first = rows[0].lo, last = rows[0].hi;

	for (int i = 0; i < n; i++) {
		runs[i] = (struct run){.started = 0};
		if (rows[i].sink) { /* as if a key with this score and a value of zeros had come first */
			runs[i] = (struct run){.started = 1, .top = *rows[i].sink, .sum = 1.0f};
			memset(rows[i].out, 0, (size_t)kv->dv * sizeof(float));
		}
		first = rows[i].lo < first ? rows[i].lo : first;
		last = rows[i].hi > last ? rows[i].hi : last;
	}
	for (int32_t b = first / LOOM_PAGE; b * LOOM_PAGE < last; b++)
		attend_block(kv, rows, n, b, runs);
	for (int i = 0; i < n; i++) {
		size_t d = (size_t)kv->dv;
		vec16 sum = vec_set1(runs[i].sum);
		float *out = rows[i].out;
		for (size_t k = 0; k < d; k += 16) {
			if (d - k >= 16)
				vec_store(out + k, vec_div(vec_load(out + k), sum));
			else
				vec_store_n(out + k, vec_div(vec_load_n(out + k, d - k), sum), d - k);
		}
	}
}

static void probs(const struct loom_attn_kv *kv, const struct loom_attn_row *row, int32_t n_key, float *out)
{
	float product[LOOM_PAGE], *s = product, top = row->sink ? *row->sink : -INFINITY;
	vec16 sum = vec_zero();

	for (int32_t b = 0; b * LOOM_PAGE < n_key; b++) {
		int lo, hi, width = n_key - b * LOOM_PAGE < LOOM_PAGE ? n_key - b * LOOM_PAGE : LOOM_PAGE;
		float *o = out + (size_t)b * LOOM_PAGE;
		memset(o, 0, (size_t)width * sizeof(float));
		if (!in_block(row, b, &lo, &hi))
			continue;
		const float *keys = kv->base + (size_t)kv->pages[b] * kv->page_stride;
		multiply(keys, LOOM_PAGE, &row->q, &s, 0, kv->d, 1, LOOM_PAGE);
		if (kv->rel_key || kv->rel_query)
			relate(kv, row, keys, b, hi, product);
		for (int i = 0; i < hi; i += 16) {
			vec16 v = score(kv, row, vec_load(product + i), b * LOOM_PAGE + i, hi - i);
			vec_store_n(o + i, vec_select(vec_range(lo - i, hi - i), v, vec_zero()), hi - i < 16 ? (size_t)(hi - i) : 16);
		}
		for (int i = lo; i < hi; i++)
			top = o[i] > top ? o[i] : top;
	}
	for (int32_t i = row->lo; i < row->hi; i += 16) {
		size_t n = row->hi - i < 16 ? (size_t)(row->hi - i) : 16;
		vec16 e = vec_exp(vec_sub(vec_load_n(out + i, n), vec_set1(top)));
		e = vec_select(vec_range(0, (int)n), e, vec_zero());
		vec_store_n(out + i, e, n);
		sum = vec_add(sum, e);
	}
	float total = vec_sum(sum);
	if (row->sink) {
		float own[16];
		vec_store(own, vec_exp(vec_set1(*row->sink - top)));
		total += own[0];
	}
	for (int32_t i = row->lo; i < row->hi; i++)
		out[i] /= total;
}

_Static_assert(LOOM_ATTN_ROWS == 16, "soften takes the rows of a call as one vector");
const struct loom_attn LOOM_ATTN = {.attend = attend, .probs = probs};
