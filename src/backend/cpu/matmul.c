/* matmul.c: packing, and the split of a product into work for the pool. The numbers come from the kernels of matmul_kernels.h. */
#include "matmul.h"

#include <stdbool.h>
#include <string.h>

#include "f16.h"
#include "matmul_kernels.h"
#include "mem.h"

#define ROW_BLOCK 128 /* rows of x that share a widened block of weights */

static size_t elem_size(enum loom_dtype t)
{
	return t == LOOM_F32 ? 4 : 2;
}

static int64_t panels(int64_t n_row)
{
	return (n_row + LOOM_PANEL - 1) / LOOM_PANEL;
}

size_t loom_packed_bytes(enum loom_dtype dtype, int64_t n_row, int64_t n_col)
{
	size_t n;

	if (!loom_mul((size_t)panels(n_row) * LOOM_PANEL, (size_t)n_col, &n) || !loom_mul(n, elem_size(dtype), &n)) {
		return 0;
	}
	return n;
}

void loom_pack_rows(const struct loom_packed *p, int64_t row0, int64_t n, const void *src)
{
	size_t k_n = (size_t)p->n_col;

	for (int64_t r = 0; r < n; r++) {
		int64_t row = row0 + r;
		size_t at = (size_t)(row / LOOM_PANEL) * LOOM_PANEL * k_n + (size_t)(row % LOOM_PANEL);
		if (p->dtype == LOOM_F32) {
			const float *s = (const float *)src + (size_t)r * k_n;
			float *d = (float *)p->data + at;
			for (size_t k = 0; k < k_n; k++) {
				d[k * LOOM_PANEL] = s[k];
			}
		} else {
			const uint16_t *s = (const uint16_t *)src + (size_t)r * k_n;
			uint16_t *d = (uint16_t *)p->data + at;
			for (size_t k = 0; k < k_n; k++) {
				d[k * LOOM_PANEL] = s[k];
			}
		}
	}
}

void loom_pack_columns(const struct loom_packed *p, int64_t row0, int64_t n_row, int64_t k0, int64_t n_k, const void *src)
{
	size_t size = elem_size(p->dtype);

	for (int64_t k = 0; k < n_k; k++) {
		const char *s = (const char *)src + (size_t)k * (size_t)n_row * size;
		for (int64_t r = 0; r < n_row;) {
			int64_t row = row0 + r, in_panel = row % LOOM_PANEL;
			int64_t run = LOOM_PANEL - in_panel < n_row - r ? LOOM_PANEL - in_panel : n_row - r;
			size_t at = ((size_t)(row / LOOM_PANEL) * (size_t)p->n_col + (size_t)(k0 + k)) * LOOM_PANEL + (size_t)in_panel;
			memcpy((char *)p->data + at * size, s + (size_t)r * size, (size_t)run * size);
			r += run;
		}
	}
}

void loom_packed_row(const struct loom_packed *p, int64_t row, float *dst)
{
	size_t k_n = (size_t)p->n_col, at = (size_t)(row / LOOM_PANEL) * LOOM_PANEL * k_n + (size_t)(row % LOOM_PANEL);

	if (p->q.codes != LOOM_CODES_NONE) {
		loom_packq_row(p, row, dst);
		return;
	}
	const float *f = (const float *)p->data + (p->dtype == LOOM_F32 ? at : 0);
	const uint16_t *h = (const uint16_t *)p->data + (p->dtype == LOOM_F32 ? 0 : at);

	for (size_t k = 0; k < k_n; k++) {
		size_t i = k * LOOM_PANEL;
		dst[k] = p->dtype == LOOM_F32 ? f[i] : p->dtype == LOOM_F16 ? loom_f16_to_f32(h[i]) : loom_bf16_to_f32(h[i]);
	}
}

struct job {
	const struct loom_matmul_kernels *kern;
	const struct loom_packq_kernels *quant;
	const struct loom_product *products; /* [n] by item0 */
	size_t n;
	float *scratch;
};

static const loom_tile_fn *tiles_of(const struct loom_matmul_kernels *k, enum loom_dtype t)
{
	return t == LOOM_F32 ? k->f32 : t == LOOM_F16 ? k->f16 : k->bf16;
}

/* A tile whose panel is cut by the end of W goes through a full-width copy. */
static void edge_tile(loom_tile_fn fn, const void *w, int64_t kn, const float *x, size_t ldx, float *y, size_t ldy, bool first, int64_t rows,
	int64_t width)
{
	float tmp[LOOM_TILE * LOOM_PANEL];
	size_t bytes = (size_t)width * sizeof(float);

	for (int64_t r = 0; r < rows && !first; r++) {
		memcpy(tmp + r * LOOM_PANEL, y + (size_t)r * ldy, bytes);
		memset(tmp + r * LOOM_PANEL + width, 0, LOOM_PANEL * sizeof(float) - bytes);
	}
	fn(w, kn, x, ldx, tmp, LOOM_PANEL, first);
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
	int64_t rows = p->m - row0 < p->row_block ? p->m - row0 : p->row_block;
	int64_t width = w->n_row - panel * LOOM_PANEL < LOOM_PANEL ? w->n_row - panel * LOOM_PANEL : LOOM_PANEL;
	float *y = p->y + (size_t)row0 * p->ldy + (size_t)panel * LOOM_PANEL;
	float *wide = j->scratch ? j->scratch + (size_t)thread * loom_matmul_scratch() : NULL;
	bool quant = w->q.codes != LOOM_CODES_NONE, direct = quant && rows == 1 && w->q.codes != LOOM_CODES_RAW;
	bool widen = !quant && w->dtype != LOOM_F32 && wide && rows > j->kern->max_rows;
	const loom_tile_fn *tiles = tiles_of(j->kern, widen || quant ? LOOM_F32 : w->dtype);

	if (direct) {
		quantized_row(j->quant, w, panel, p->x + (size_t)row0 * p->ldx, y, width);
	}
	for (int64_t k0 = 0; k0 < w->n_col && !direct; k0 += LOOM_KBLOCK) {
		int64_t kn = w->n_col - k0 < LOOM_KBLOCK ? w->n_col - k0 : LOOM_KBLOCK;
		const char *block = (const char *)w->data + ((size_t)panel * (size_t)w->n_col + (size_t)k0) * LOOM_PANEL * elem_size(w->dtype);
		if (quant) {
			j->quant->widen(w, panel, k0, kn, wide);
			block = (const char *)wide;
		} else if (widen) {
			(w->dtype == LOOM_F16 ? j->kern->widen_f16 : j->kern->widen_bf16)((const uint16_t *)(const void *)block, wide,
				(size_t)kn * LOOM_PANEL);
			block = (const char *)wide;
		}
		for (int64_t r = 0; r < rows; r += j->kern->max_rows) {
			int64_t n = rows - r < j->kern->max_rows ? rows - r : j->kern->max_rows;
			const float *x = p->x + (size_t)(row0 + r) * p->ldx + (size_t)k0;
			float *out = y + (size_t)r * p->ldy;
			if (width == LOOM_PANEL) {
				tiles[n - 1](block, kn, x, p->ldx, out, p->ldy, k0 == 0);
			} else {
				edge_tile(tiles[n - 1], block, kn, x, p->ldx, out, p->ldy, k0 == 0, n, width);
			}
		}
	}
	for (int64_t r = 0; p->bias && r < rows; r++) {
		const float *bias = p->bias + panel * LOOM_PANEL;
		float *out = y + (size_t)r * p->ldy;
		for (int64_t i = 0; i < width; i++) {
			out[i] += bias[i];
		}
	}
}

size_t loom_matmul_scratch(void)
{
	return (size_t)LOOM_KBLOCK * LOOM_PANEL;
}

void loom_matmul_many(struct loom_pool *pool, enum loom_isa isa, struct loom_product *products, size_t n, float *scratch)
{
	struct job j = {.kern = loom_matmul_kernels_for(isa), .quant = loom_packq_kernels_for(isa), .products = products, .n = n, .scratch = scratch};
	int64_t threads = pool ? loom_pool_size(pool) : 1, all_panels = 0;
	size_t items = 0;

	for (size_t i = 0; i < n; i++) {
		all_panels += panels(products[i].w->n_row);
	}
	for (size_t i = 0; i < n; i++) {
		struct loom_product *p = &products[i];
		p->row_block = ROW_BLOCK;
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
