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
#define TILE_ROWS 2
#define TILE_VECS 2
#else
#define TILE_ROWS 1
#define TILE_VECS 1
#endif

/* y[r][0..16*vecs) = sum over k0 <= k < k1 of x[r][k] * m[k*ldm ..]. rows and vecs are constants in each caller. left: columns, when
 * vecs is 1. */
VEC_INLINE void tile(const float *m, size_t ldm, const float *const *x, float *const *y, size_t col, int k0, int k1, int rows, int vecs,
	size_t left)
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
			if (left >= 16)
				vec_store(y[r] + col + 16 * c, acc[r][c]);
			else
				vec_store_n(y[r] + col, acc[r][c], left);
		}
	}
}

VEC_INLINE void tile_columns(const float *m, size_t ldm, const float *const *x, float *const *y, int k0, int k1, int rows, size_t n_col)
{
	size_t col = 0;

	for (; col + 16 * TILE_VECS <= n_col; col += 16 * TILE_VECS)
		tile(m, ldm, x, y, col, k0, k1, rows, TILE_VECS, 16);
	for (; col + 16 <= n_col; col += 16)
		tile(m, ldm, x, y, col, k0, k1, rows, 1, 16);
	if (col < n_col)
		tile(m, ldm, x, y, col, k0, k1, rows, 1, n_col - col);
}

/* Any number of rows, TILE_ROWS at a time. */
static void multiply(const float *m, size_t ldm, const float *const *x, float *const *y, int k0, int k1, int n, size_t n_col)
{
	int r = 0;

	for (; r + TILE_ROWS <= n; r += TILE_ROWS)
		tile_columns(m, ldm, x + r, y + r, k0, k1, TILE_ROWS, n_col);
#if TILE_ROWS > 2
	if (n - r == 3) {
		tile_columns(m, ldm, x + r, y + r, k0, k1, 3, n_col);
		return;
	}
	if (n - r == 2) {
		tile_columns(m, ldm, x + r, y + r, k0, k1, 2, n_col);
		return;
	}
#endif
	for (; r < n; r++)
		tile_columns(m, ldm, x + r, y + r, k0, k1, 1, n_col);
}

/* A row while its blocks go by. */
struct run {
	float top, sum, alpha;
	int started;
	int lo, hi; /* keys of the current block */
};

/* Scores of keys key .. key+15 of which the first n exist, from the products s; lanes beyond n are anything. */
VEC_INLINE vec16 score(const struct loom_attn_kv *kv, const struct loom_attn_row *row, vec16 s, int32_t key, int n)
{
	vec16 v = vec_mul(s, vec_set1(kv->scale));

	if (kv->softcap > 0)
		v = vec_mul(vec_set1(kv->softcap), vec_tanh(vec_div(v, vec_set1(kv->softcap))));
	if (row->bias && n > 0)
		v = vec_add(v, vec_sub(vec_load_n(row->bias + key, n < 16 ? (size_t)n : 16), vec_set1(row->bias_base)));
	return v;
}

/* s [64] products of block b in, weights out; updates the running maximum and sum. */
static void soften(struct run *r, const struct loom_attn_kv *kv, const struct loom_attn_row *row, int32_t b, float *s)
{
	vec16 minus_inf = vec_set1(-INFINITY), top = minus_inf, sum = vec_zero(), v[4];
	float block_top, new_top;

	for (int i = 0; i < 4; i++) {
		v[i] = score(kv, row, vec_load(s + 16 * i), b * LOOM_PAGE + 16 * i, r->hi - 16 * i);
		v[i] = vec_select(vec_range(r->lo - 16 * i, r->hi - 16 * i), v[i], minus_inf);
		top = vec_max(v[i], top);
	}
	block_top = vec_top(top);
	new_top = r->started && r->top > block_top ? r->top : block_top;
	for (int i = 0; i < 4; i++) {
		vec16 e = vec_exp(vec_sub(v[i], vec_set1(new_top)));
		e = vec_select(vec_range(r->lo - 16 * i, r->hi - 16 * i), e, vec_zero());
		vec_store(s + 16 * i, e);
		sum = vec_add(sum, e);
	}
	if (r->started) {
		vec16 a = vec_exp(vec_set1(r->top - new_top));
		vec_store_n(&r->alpha, a, 1);
		r->sum = fmaf(r->sum, r->alpha, vec_sum(sum));
	} else {
		r->sum = vec_sum(sum);
	}
	r->top = new_top;
}

/* out = out * alpha + block, or block itself for the first. */
static void fold(const struct run *r, float *out, const float *block, size_t d)
{
	vec16 a = vec_set1(r->alpha);

	for (size_t i = 0; i < d; i += 16) {
		size_t left = d - i;
		vec16 b = left >= 16 ? vec_load(block + i) : vec_load_n(block + i, left);
		if (r->started) {
			vec16 o = left >= 16 ? vec_load(out + i) : vec_load_n(out + i, left);
			b = vec_fma(o, a, b);
		}
		if (left >= 16)
			vec_store(out + i, b);
		else
			vec_store_n(out + i, b, left);
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

static void attend_block(const struct loom_attn_kv *kv, const struct loom_attn_row *rows, int n, int32_t b, struct run *runs, float *work)
{
	const float *keys = kv->base + (size_t)kv->pages[b] * kv->page_stride, *values = keys + kv->v_offset;
	size_t d = (size_t)kv->dv;
	float product[LOOM_ATTN_ROWS][LOOM_PAGE];
	const float *q[LOOM_ATTN_ROWS] = {NULL}, *p[LOOM_ATTN_ROWS] = {NULL};
	float *s[LOOM_ATTN_ROWS] = {NULL}, *block[LOOM_ATTN_ROWS] = {NULL};
	int who[LOOM_ATTN_ROWS], m = 0;

	for (int i = 0; i < n; i++) {
		if (in_block(&rows[i], b, &runs[i].lo, &runs[i].hi)) {
			who[m] = i;
			q[m] = rows[i].q;
			s[m] = product[m];
			p[m] = product[m];
			block[m] = work + (size_t)m * d;
			m++;
		}
	}
	if (m == 0)
		return;
	multiply(keys, LOOM_PAGE, q, s, 0, kv->d, m, LOOM_PAGE);
	for (int i = 0; i < m; i++)
		soften(&runs[who[i]], kv, &rows[who[i]], b, product[i]);
	/* Rows that see the same keys share the values; a row must not touch a value that it does not see (it may be NaN). */
	for (int i = 0; i < m;) {
		const struct run *r = &runs[who[i]];
		int same = 1;
		while (i + same < m && runs[who[i + same]].lo == r->lo && runs[who[i + same]].hi == r->hi)
			same++;
		multiply(values, d, p + i, block + i, r->lo, r->hi, same, d);
		i += same;
	}
	for (int i = 0; i < m; i++) {
		fold(&runs[who[i]], rows[who[i]].out, block[i], d);
		runs[who[i]].started = 1;
	}
}

static void attend(const struct loom_attn_kv *kv, const struct loom_attn_row *rows, int n, float *work)
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
		attend_block(kv, rows, n, b, runs, work);
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
		multiply(kv->base + (size_t)kv->pages[b] * kv->page_stride, LOOM_PAGE, &row->q, &s, 0, kv->d, 1, LOOM_PAGE);
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

const struct loom_attn LOOM_ATTN = {.attend = attend, .probs = probs};
