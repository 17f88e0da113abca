/* matmul.c: packing, and the split of a product into work for the pool. The numbers come from the kernels of matmul_kernels.h. */
#include "matmul.h"

#include <stdbool.h>
#include <string.h>

#include "dot.h"
#include "f16.h"
#include "int8.h"
#include "matmul_kernels.h"
#include "mem.h"

#define ROW_BLOCK 64       /* rows of x that a thread takes at once: the last pieces of a product end at nearly the same time */
#define ROW_BLOCK_WIDE 128 /* where they share a widened block of weights */
#define CODES_ROW_BLOCK 256 /* of packed codes, which are dearer to widen */

static size_t elem_size(enum loom_dtype t)
{
	return t == LOOM_F32 ? 4 : 2;
}

static int64_t panels(int64_t n_row)
{
	return (n_row + LOOM_PANEL - 1) / LOOM_PANEL;
}

/* Columns as they are laid out. */
static int64_t columns(int64_t n_col, bool paired)
{
	return paired ? n_col + n_col % 2 : n_col;
}

/* Index of an element in the packed data. */
static size_t packed_at(const struct loom_packed *p, int64_t row, int64_t k)
{
	size_t panel = (size_t)(row / LOOM_PANEL) * (size_t)columns(p->n_col, p->paired), lane = (size_t)(row % LOOM_PANEL);

	return p->paired ? (panel + (size_t)(k - k % 2)) * LOOM_PANEL + 2 * lane + (size_t)(k % 2) : (panel + (size_t)k) * LOOM_PANEL + lane;
}

size_t loom_packed_bytes(enum loom_dtype dtype, bool paired, int64_t n_row, int64_t n_col)
{
	size_t n;

	if (!loom_mul((size_t)panels(n_row) * LOOM_PANEL, (size_t)columns(n_col, paired), &n) || !loom_mul(n, elem_size(dtype), &n)) {
		return 0;
	}
	return n;
}

static void pack_row_f32(float *d, const float *s, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		d[k * LOOM_PANEL] = s[k];
	}
}

static void pack_row_half(uint16_t *d, const uint16_t *s, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		d[k * LOOM_PANEL] = s[k];
	}
}

static void pack_row_paired(uint16_t *d, const uint16_t *s, size_t n)
{
	for (size_t k = 0; k + 2 <= n; k += 2) {
		memcpy(d + k * LOOM_PANEL, s + k, 2 * sizeof(*s));
	}
	if (n % 2) {
		d[(n - 1) * LOOM_PANEL] = s[n - 1];
	}
}

void loom_pack_rows(const struct loom_packed *p, int64_t row0, int64_t n, const void *src)
{
	size_t k_n = (size_t)p->n_col;

	for (int64_t r = 0; r < n; r++) {
		size_t at = packed_at(p, row0 + r, 0), from = (size_t)r * k_n;
		if (p->dtype == LOOM_F32) {
			pack_row_f32((float *)p->data + at, (const float *)src + from, k_n);
		} else {
			(p->paired ? pack_row_paired : pack_row_half)((uint16_t *)p->data + at, (const uint16_t *)src + from, k_n);
		}
	}
}

void loom_pack_columns(const struct loom_packed *p, int64_t row0, int64_t n_row, int64_t k0, int64_t n_k, const void *src)
{
	size_t size = elem_size(p->dtype);

	for (int64_t k = 0; k < n_k; k++) {
		const char *s = (const char *)src + (size_t)k * (size_t)n_row * size;
		for (int64_t r = 0; r < n_row;) {
			int64_t in_panel = (row0 + r) % LOOM_PANEL;
			int64_t run = p->paired ? 1 : LOOM_PANEL - in_panel < n_row - r ? LOOM_PANEL - in_panel : n_row - r;
			memcpy((char *)p->data + packed_at(p, row0 + r, k0 + k) * size, s + (size_t)r * size, (size_t)run * size);
			r += run;
		}
	}
}

static float element(const struct loom_packed *p, int64_t row, int64_t col)
{
	size_t i = packed_at(p, row, col);

	if (p->dtype == LOOM_F32) {
		return ((const float *)p->data)[i];
	}
	return p->dtype == LOOM_F16 ? loom_f16_to_f32(((const uint16_t *)p->data)[i]) : loom_bf16_to_f32(((const uint16_t *)p->data)[i]);
}

void loom_packed_row(const struct loom_packed *p, int64_t row, float *dst)
{
	if (p->q.codes != LOOM_CODES_NONE) {
		loom_packq_row(p, row, dst);
		return;
	}
	for (int64_t k = 0; k < p->n_col; k++) {
		dst[k] = element(p, row, k);
	}
}

struct job {
	const struct loom_matmul_kernels *kern;
	const struct loom_packq_kernels *quant;
	enum loom_isa isa;
	const struct loom_product *products; /* [n] by item0 */
	size_t n;
	float *scratch;
};

/* How a product's blocks are multiplied. */
struct way {
	const loom_tile_fn *tiles;
	int64_t max_rows;
	bool widen;     /* the tiles read a float32 copy of each block */
	const char *x;
	size_t x_size, ldx;
};

static struct way way_of(const struct job *j, const struct loom_product *p, int64_t rows)
{
	const struct loom_matmul_kernels *k = j->kern;
	const struct loom_packed *w = p->w;
	bool widen = w->q.codes != LOOM_CODES_NONE || (w->dtype != LOOM_F32 && j->scratch && rows >= k->widen_from);

	if (w->paired) {
		const struct loom_dot *d = loom_dot_for(j->isa);
		return (struct way){.tiles = d->tile, .max_rows = d->max_rows, .x = (const char *)p->rounded, .x_size = sizeof(*p->rounded),
			.ldx = loom_round_stride(w->n_col)};
	}
	return (struct way){.tiles = widen || w->dtype == LOOM_F32 ? k->f32 : w->dtype == LOOM_F16 ? k->f16 : k->bf16, .max_rows = k->max_rows,
		.widen = widen, .x = (const char *)p->x, .x_size = sizeof(*p->x), .ldx = p->ldx};
}

/* Block k0 .. k0+kn of a panel as the tiles read it. */
static const void *block_of(const struct job *j, const struct loom_packed *w, bool widen, int64_t panel, int64_t k0, int64_t kn, int thread)
{
	size_t at = (size_t)(panel * columns(w->n_col, w->paired) + k0) * LOOM_PANEL;
	float *wide = j->scratch ? j->scratch + (size_t)thread * loom_matmul_scratch() : NULL;

	if (!widen) {
		return (const char *)w->data + at * elem_size(w->dtype);
	}
	if (w->q.codes != LOOM_CODES_NONE) {
		j->quant->widen(w, panel, k0, kn, wide);
	} else {
		(w->dtype == LOOM_F16 ? j->kern->widen_f16 : j->kern->widen_bf16)((const uint16_t *)w->data + at, wide, (size_t)kn * LOOM_PANEL);
	}
	return wide;
}

/* A tile whose panel is cut by the end of W goes through a full-width copy. */
static void edge_tile(loom_tile_fn fn, const void *w, int64_t kn, const void *x, size_t ldx, float *y, size_t ldy, bool first, const float *bias,
	int64_t rows, int64_t width)
{
	float tmp[LOOM_TILE * LOOM_PANEL], wide[LOOM_PANEL] = {0};
	size_t bytes = (size_t)width * sizeof(float);

	if (bias) {
		memcpy(wide, bias, bytes);
	}
	for (int64_t r = 0; r < rows && !first; r++) {
		memcpy(tmp + r * LOOM_PANEL, y + (size_t)r * ldy, bytes);
		memset(tmp + r * LOOM_PANEL + width, 0, LOOM_PANEL * sizeof(float) - bytes);
	}
	fn(w, kn, x, ldx, tmp, LOOM_PANEL, first, bias ? wide : NULL);
	for (int64_t r = 0; r < rows; r++) {
		memcpy(y + (size_t)r * ldy, tmp + r * LOOM_PANEL, bytes);
	}
}

static const struct loom_product *product_of(const struct job *j, size_t item)
{
	size_t lo = 0, hi = j->n;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (j->products[mid].item0 <= item) {
			lo = mid;
		} else {
			hi = mid;
		}
	}
	return &j->products[lo];
}

/* One row of x and a panel of quantized weights, widened in registers. */
static void quantized_row(const struct loom_packq_kernels *quant, const struct loom_packed *w, int64_t panel, const float *x, float *y,
	int64_t width)
{
	float tmp[LOOM_PANEL], *out = width == LOOM_PANEL ? y : tmp;

	for (int64_t k0 = 0; k0 < w->n_col; k0 += LOOM_KBLOCK) {
		quant->dot(w, panel, k0, w->n_col - k0 < LOOM_KBLOCK ? w->n_col - k0 : LOOM_KBLOCK, x + k0, out, k0 == 0);
	}
	if (out == tmp) {
		memcpy(y, tmp, (size_t)width * sizeof(float));
	}
}

/* One panel of outputs for one block of rows. */
static void run_item(void *ctx, size_t item, int thread)
{
	const struct job *j = ctx;
	const struct loom_product *p = product_of(j, item);
	const struct loom_packed *w = p->w;
	int64_t in = (int64_t)(item - p->item0), panel = in / p->n_block, row0 = in % p->n_block * p->row_block;
	int64_t rows = p->m - row0 < p->row_block ? p->m - row0 : p->row_block, n_col = columns(w->n_col, w->paired);
	int64_t width = w->n_row - panel * LOOM_PANEL < LOOM_PANEL ? w->n_row - panel * LOOM_PANEL : LOOM_PANEL;
	float *y = p->y + (size_t)row0 * p->ldy + (size_t)panel * LOOM_PANEL;
	const float *bias = p->bias ? p->bias + panel * LOOM_PANEL : NULL;
	struct way way = way_of(j, p, rows);
	bool in_bytes = p->bytes && (p->llm ? loom_llm8_can(w) : loom_int8_can(w));
	bool direct = in_bytes || (rows == 1 && w->q.codes != LOOM_CODES_NONE && w->q.codes != LOOM_CODES_RAW);

	if (in_bytes && p->llm) {
		loom_int8_for(j->isa)->llm_dot(w, panel, (const char *)p->bytes + (size_t)row0 * loom_llm8_stride(w->n_col), rows, y, p->ldy, width);
	} else if (in_bytes) {
		loom_int8_for(j->isa)->dot(w, panel, (const char *)p->bytes + (size_t)row0 * loom_int8_stride(w->n_col), rows, y, p->ldy, width);
	} else if (direct) {
		quantized_row(j->quant, w, panel, p->x + (size_t)row0 * p->ldx, y, width);
	}
	for (int64_t k0 = 0; k0 < n_col && !direct; k0 += LOOM_KBLOCK) {
		int64_t kn = n_col - k0 < LOOM_KBLOCK ? n_col - k0 : LOOM_KBLOCK;
		const float *last = k0 + kn == n_col ? bias : NULL;
		const void *block = block_of(j, w, way.widen, panel, k0, kn, thread);
		for (int64_t r = 0; r < rows; r += way.max_rows) {
			int64_t n = rows - r < way.max_rows ? rows - r : way.max_rows;
			const char *x = way.x + ((size_t)(row0 + r) * way.ldx + (size_t)k0) * way.x_size;
			float *out = y + (size_t)r * p->ldy;
			if (width == LOOM_PANEL) {
				way.tiles[n - 1](block, kn, x, way.ldx, out, p->ldy, k0 == 0, last);
			} else {
				edge_tile(way.tiles[n - 1], block, kn, x, way.ldx, out, p->ldy, k0 == 0, last, n, width);
			}
		}
	}
	for (int64_t r = 0; direct && bias && r < rows; r++) {
		for (int64_t i = 0; i < width; i++) {
			y[(size_t)r * p->ldy + (size_t)i] += bias[i];
		}
	}
}

size_t loom_matmul_scratch(void)
{
	return (size_t)LOOM_KBLOCK * LOOM_PANEL;
}

void loom_matmul_many(struct loom_pool *pool, enum loom_isa isa, struct loom_product *products, size_t n, float *scratch)
{
	struct job j = {.kern = loom_matmul_kernels_for(isa), .quant = loom_packq_kernels_for(isa), .isa = isa, .products = products,
		.n = n, .scratch = scratch};
	int64_t threads = pool ? loom_pool_size(pool) : 1, all_panels = 0;
	size_t items = 0;

	for (size_t i = 0; i < n; i++) {
		all_panels += panels(products[i].w->n_row);
	}
	for (size_t i = 0; i < n; i++) {
		struct loom_product *p = &products[i];
		p->row_block = p->w->q.codes != LOOM_CODES_NONE ? CODES_ROW_BLOCK : p->w->dtype == LOOM_F32 ? ROW_BLOCK : ROW_BLOCK_WIDE;
		/* Fewer panels than threads can share: shorter row blocks, so that all have work. */
		while (p->row_block > LOOM_TILE && all_panels * ((p->m + p->row_block - 1) / p->row_block) < 4 * threads) {
			p->row_block /= 2;
		}
		p->n_block = (p->m + p->row_block - 1) / p->row_block;
		p->item0 = items;
		items += (size_t)(panels(p->w->n_row) * p->n_block);
	}
	loom_pool_run(pool, items, run_item, &j);
}

void loom_matmul(struct loom_pool *pool, enum loom_isa isa, const struct loom_packed *w, const float *x, size_t ldx, int64_t m,
	const float *bias, float *y, size_t ldy, float *scratch)
{
	struct loom_product p = {.w = w, .x = x, .bias = bias, .y = y, .ldx = ldx, .ldy = ldy, .m = m};

	if (m > 0) {
		loom_matmul_many(pool, isa, &p, 1, scratch);
	}
}

/* ---- compute "bf16" ---- */

#define ROUND_FLOATS 16384 /* handed to a thread at once */

struct rounding {
	const float *x;
	uint16_t *dst;
	size_t ldx, n_col, per_item, m;
};

size_t loom_round_stride(int64_t n_col)
{
	return ((size_t)n_col + 31) / 32 * 32 + 32; /* whole cache lines, not a power of two */
}

static void round_item(void *ctx, size_t item, int thread)
{
	const struct rounding *j = ctx;
	size_t end = (item + 1) * j->per_item < j->m ? (item + 1) * j->per_item : j->m;

	(void)thread;
	for (size_t r = item * j->per_item; r < end; r++) {
		uint16_t *d = j->dst + r * loom_round_stride((int64_t)j->n_col);
		loom_f32_to_bf16_n(j->x + r * j->ldx, d, j->n_col);
		d[j->n_col] = 0; /* what an odd column is paired with */
	}
}

void loom_matmul_round(struct loom_pool *pool, const float *x, size_t ldx, int64_t m, int64_t n_col, uint16_t *dst)
{
	struct rounding j = {.x = x, .dst = dst, .ldx = ldx, .n_col = (size_t)n_col, .m = (size_t)m,
		.per_item = ROUND_FLOATS / (size_t)n_col > 0 ? ROUND_FLOATS / (size_t)n_col : 1};
	size_t n = (j.m + j.per_item - 1) / j.per_item;

	loom_pool_run(n > 1 ? pool : NULL, n, round_item, &j);
}

void loom_matmul_dot(struct loom_pool *pool, enum loom_isa isa, const struct loom_packed *w, const uint16_t *x, int64_t m, const float *bias,
	float *y, size_t ldy)
{
	struct loom_product p = {.w = w, .rounded = x, .bias = bias, .y = y, .ldy = ldy, .m = m};

	if (m > 0) {
		loom_matmul_many(pool, isa, &p, 1, NULL);
	}
}
