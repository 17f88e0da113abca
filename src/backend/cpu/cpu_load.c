/* cpu_load.c: stored tensors → packed weights, read with pread by all threads in pieces, each piece converted and packed by the
 * thread that read it. Nothing is computed with them here. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "arena.h"
#include "cpu.h"
#include "dequant.h"
#include "f16.h"
#include "mem.h"

#define PIECE_BYTES (4u << 20) /* read at once, as stored */

/* Some rows of one stored tensor. */
struct piece {
	int32_t weight, part;
	int64_t row0, n_row;  /* rows of the part: as stored when it is transposed, else output rows, one after the other in the tensor */
	int64_t dst0;         /* output row where the part begins */
};

struct loading {
	const struct loom_plan *plan;
	const struct loom_store *store;
	const struct loom_load_opts *opts;
	struct loom_device_model *model;
	struct piece *pieces;
	size_t n_piece;
	char *raw;            /* [n_thread][raw_cap] */
	float *wide;          /* [n_thread][wide_cap] */
	char *narrow;         /* [n_thread][wide_cap * 4] */
	size_t raw_cap, wide_cap;
	uint64_t total;
	atomic_ullong done;
	atomic_bool failed;
	struct loom_err *errs; /* [n_thread] */
};

static int64_t stored_rows(const struct loom_weight *w, const struct loom_weight_part *p)
{
	return p->transposed ? w->n_col : p->n_side > 1 ? p->n_row * p->n_side : p->n_row;
}

static int64_t stored_columns(const struct loom_weight *w, const struct loom_weight_part *p)
{
	return p->transposed ? p->n_row : p->n_side > 1 ? w->n_col / p->n_side : w->n_col;
}

/* Where a row of the part is in the tensor. */
static int64_t tensor_row(const struct loom_weight_part *p, int64_t row)
{
	return p->row0 + (p->group > 0 ? row / p->group * p->stride + row % p->group : row);
}

/* Bytes of n stored rows; checked to exist when the pieces were made. */
static uint64_t row_bytes(const struct loom_weight *w, const struct loom_weight_part *p, int64_t n)
{
	uint64_t bytes = 0;

	(void)loom_dtype_bytes(p->tensor->dtype, (uint64_t)stored_columns(w, p) * (uint64_t)n, &bytes);
	return bytes;
}

/* n elements as they are kept: src itself when that is how they are stored, else dst. */
static const void *convert(enum loom_dtype from, enum loom_dtype to, const void *src, float *wide, void *dst, size_t n)
{
	if (from == to) {
		return src;
	}
	if (to == LOOM_F32) {
		loom_dequant(from, src, dst, n);
		return dst;
	}
	loom_dequant(from, src, wide, n);
	if (to == LOOM_F16) {
		loom_f32_to_f16_n(wide, dst, n);
	} else {
		loom_f32_to_bf16_n(wide, dst, n);
	}
	return dst;
}

/* GGUF's row of an interleaved-rope head → the row of the half-split order. */
static int64_t half_split(int64_t row, int64_t d)
{
	int64_t in_head = row % d;

	return row - in_head + in_head / 2 + (d / 2) * (in_head % 2);
}

/* A small table stored [n_col, n_row] (the taps of a convolution by column): its elements one by one. */
static void place_turned(struct loom_cpu_weight *cw, const struct loom_weight *w, const struct piece *x, const void *rows)
{
	size_t size = w->dtype == LOOM_F32 ? 4 : 2, n_row = (size_t)w->n_row, n_col = (size_t)w->n_col;

	for (size_t c = 0; c < (size_t)x->n_row; c++) {
		for (size_t r = 0; r < n_row; r++) {
			memcpy((char *)cw->table + (r * n_col + (size_t)x->row0 + c) * size, (const char *)rows + (c * n_row + r) * size, size);
		}
	}
}

/* -exp(w), of the whole weight once it is there. */
static void fold_neg_exp(struct loom_cpu_weight *cw, const struct loom_weight *w)
{
	float *v = w->kind == LOOM_WEIGHT_VECTOR ? cw->vector : cw->table;

	for (size_t i = 0; i < (size_t)(w->n_row * w->n_col); i++) {
		v[i] = (float)-exp((double)v[i]);
	}
}

/* Rows into a matrix, from output row `row` on. */
static void place_rows(const struct loom_cpu_weight *cw, int64_t row, int64_t n, const void *rows)
{
	const struct loom_packed *p = cw->packed;

	while (row >= p->n_row) {
		row -= p->n_row;
		p++;
	}
	if (p->q.codes != LOOM_CODES_NONE) {
		loom_packq_put_blocks(p, row, n, rows);
	} else {
		loom_pack_rows(p, row, n, rows);
	}
}

/* All rows of matrices that stand side by side. to: room for them. */
static void place_side_by_side(struct loom_cpu_weight *cw, const struct loom_weight *w, const struct loom_weight_part *p, const struct piece *x,
	size_t size, const void *rows, void *to)
{
	size_t n = (size_t)p->n_row, side = (size_t)(w->n_col / p->n_side) * size;

	for (size_t i = 0; i < (size_t)p->n_side; i++) {
		for (size_t r = 0; r < n; r++) {
			memcpy((char *)to + (r * (size_t)p->n_side + i) * side, (const char *)rows + (i * n + r) * side, side);
		}
	}
	place_rows(cw, x->dst0, p->n_row, to);
}

static void place(struct loom_cpu_weight *cw, const struct loom_weight *w, const struct loom_weight_part *p, const struct piece *x,
	enum loom_dtype t, const void *rows)
{
	uint64_t stride = 0;

	(void)loom_dtype_bytes(t, (uint64_t)w->n_col, &stride); /* a vector's row is one element */
	if (p->transposed && w->kind == LOOM_WEIGHT_TABLE) {
		place_turned(cw, w, x, rows);
		return;
	}
	if (p->transposed) {
		loom_pack_columns(&cw->packed[0], x->dst0, p->n_row, x->row0, x->n_row, rows);
		return;
	}
	if (w->kind == LOOM_WEIGHT_MATRIX && p->rope_unpermute == 0) {
		place_rows(cw, x->dst0 + x->row0, x->n_row, rows);
		return;
	}
	for (int64_t r = 0; r < x->n_row; r++) {
		const char *src = (const char *)rows + (size_t)r * stride;
		int64_t row = x->row0 + r;
		if (p->rope_unpermute > 0) {
			row = half_split(row, p->n_row / p->rope_unpermute);
		}
		row += x->dst0;
		if (w->kind == LOOM_WEIGHT_MATRIX) {
			place_rows(cw, row, 1, src);
		} else if (w->kind == LOOM_WEIGHT_TABLE) {
			memcpy((char *)cw->table + (size_t)row * stride, src, stride);
		} else {
			memcpy(&cw->vector[row], src, sizeof(float));
			cw->vector[row] += w->add;
		}
	}
}

static void report(struct loading *l, uint64_t bytes, int thread)
{
	uint64_t done = atomic_fetch_add(&l->done, bytes) + bytes;

	if (thread == 0 && l->opts->progress) {
		l->opts->progress(l->opts->progress_ctx, done, l->total);
	}
}

/* A whole part whose codes and scales are in tensors of their own. */
static void load_quantized(struct loading *l, const struct piece *x, int thread)
{
	const struct loom_weight *w = &l->plan->weights[x->weight];
	int run = 0;

	for (int k = 1; k <= x->part; k++) {
		run += loom_cpu_new_run(w, k);
	}
	if (loom_cpu_load_quant(&l->model->weights[x->weight], w, x->part, loom_cpu_as_stored(w) ? run : -1, x->dst0, l->store, &l->errs[thread])) {
		atomic_store(&l->failed, true);
		return;
	}
	report(l, loom_cpu_quant_bytes(w->part[x->part].quant), thread);
}

static void load_piece(void *ctx, size_t item, int thread)
{
	struct loading *l = ctx;
	const struct piece *x = &l->pieces[item];
	const struct loom_weight *w = &l->plan->weights[x->weight];
	const struct loom_weight_part *p = &w->part[x->part];
	char *raw = l->raw + (size_t)thread * l->raw_cap, *narrow = l->narrow + (size_t)thread * l->wide_cap * 4;
	float *wide = l->wide + (size_t)thread * l->wide_cap;
	uint64_t bytes = row_bytes(w, p, x->n_row), off = row_bytes(w, p, tensor_row(p, x->row0));
	enum loom_dtype kept;
	const void *rows;

	if (atomic_load_explicit(&l->failed, memory_order_relaxed)) {
		return;
	}
	if (p->quant) {
		load_quantized(l, x, thread);
		return;
	}
	if (loom_store_read(l->store, p->tensor, off, raw, (size_t)bytes, &l->errs[thread])) {
		atomic_store(&l->failed, true);
		return;
	}
	if (loom_dtype_block(p->tensor->dtype) > 1 && !loom_blocks_finite(p->tensor->dtype, raw, (size_t)(stored_columns(w, p) * x->n_row))) {
		loom_err_set(&l->errs[thread], LOOM_E_MODEL, "tensor %s: a block's scale is not a finite number", p->tensor->name);
		atomic_store(&l->failed, true);
		return;
	}
	kept = w->kind == LOOM_WEIGHT_MATRIX ? loom_cpu_part_type(w, x->part) : w->dtype;
	rows = convert(p->tensor->dtype, kept, raw, wide, narrow, (size_t)(stored_columns(w, p) * x->n_row));
	if (p->n_side > 1) {
		place_side_by_side(&l->model->weights[x->weight], w, p, x, kept == LOOM_F32 ? 4 : 2, rows, rows == narrow ? (void *)wide : narrow);
	} else {
		place(&l->model->weights[x->weight], w, p, x, kept, rows);
	}
	report(l, bytes, thread);
}

/* Rows of one piece: whole rows, about PIECE_BYTES. */
static int64_t rows_a_piece(const struct loom_weight *w, const struct loom_weight_part *p)
{
	uint64_t one = row_bytes(w, p, 1);
	int64_t n = one ? (int64_t)(PIECE_BYTES / one) : 1;

	return p->n_side > 1 ? stored_rows(w, p) : n > 0 ? n : 1;
}

static enum loom_status check_types(const struct loom_plan *plan, struct loom_err *err)
{
	for (int32_t i = 0; i < plan->n_weight; i++) {
		const struct loom_weight *w = &plan->weights[i];
		for (int k = 0; k < w->n_part; k++) {
			const struct loom_tensor *t = w->part[k].tensor;
			size_t block = loom_dtype_block(t->dtype);
			if (w->part[k].quant) {
				continue;
			}
			if (!loom_dequant_supported(t->dtype)) {
				return loom_err_set(err, LOOM_E_MODEL, "tensor %s is %s, which is not supported (float32, float16, bfloat16, "
					"float64 and GGUF's block types are)", t->name, loom_dtype_name(t->dtype));
			}
			if (block > 1 && stored_columns(w, &w->part[k]) % (int64_t)block != 0) {
				return loom_err_set(err, LOOM_E_MODEL, "tensor %s: rows of %lld are not whole blocks of %zu", t->name,
					(long long)stored_columns(w, &w->part[k]), block);
			}
		}
	}
	return LOOM_OK;
}

static enum loom_status make_pieces(struct loading *l, struct loom_arena *arena, struct loom_err *err)
{
	for (int pass = 0; pass < 2; pass++) {
		size_t n = 0;
		for (int32_t i = 0; i < l->plan->n_weight; i++) {
			const struct loom_weight *w = &l->plan->weights[i];
			int64_t dst = 0;
			for (int k = 0; k < w->n_part; k++) {
				const struct loom_weight_part *p = &w->part[k];
				int64_t rows = p->quant ? 0 : stored_rows(w, p), step = p->quant ? 1 : rows_a_piece(w, p);
				if (p->quant) {
					if (pass == 1) {
						l->pieces[n] = (struct piece){i, k, 0, p->n_row, dst};
						l->total += loom_cpu_quant_bytes(p->quant);
					}
					n++;
				}
				for (int64_t r = 0, m; r < rows; r += m) {
					m = rows - r < step ? rows - r : step;
					m = p->group > 0 && m > p->group - r % p->group ? p->group - r % p->group : m;
					size_t elems = (size_t)(m * stored_columns(w, p)), raw = (size_t)row_bytes(w, p, m);
					if (pass == 1) {
						l->pieces[n] = (struct piece){i, k, r, m, dst};
						l->total += raw;
					}
					l->raw_cap = raw > l->raw_cap ? raw : l->raw_cap;
					l->wide_cap = elems > l->wide_cap ? elems : l->wide_cap;
					n++;
				}
				dst += p->n_row;
			}
		}
		if (pass == 0) {
			l->pieces = loom_arena_alloc(arena, n + 1, sizeof(*l->pieces));
			if (!l->pieces) {
				return loom_err_nomem(err, "loading", n * sizeof(*l->pieces));
			}
		}
		l->n_piece = n;
	}
	l->raw_cap = (l->raw_cap + 63) / 64 * 64;
	l->wide_cap = (l->wide_cap + 15) / 16 * 16;
	return LOOM_OK;
}

static enum loom_status read_all(struct loading *l, struct loom_arena *arena, struct loom_err *err)
{
	int n_thread = l->opts->n_thread > 0 ? l->opts->n_thread : 1;
	struct loom_pool *pool = NULL;
	enum loom_status rc = LOOM_OK;
	size_t raw_bytes = l->raw_cap * (size_t)n_thread, wide_bytes = l->wide_cap * (size_t)n_thread * 4;

	l->raw = loom_malloc(raw_bytes);
	l->wide = loom_malloc(wide_bytes);
	l->narrow = loom_malloc(wide_bytes);
	l->errs = loom_arena_alloc(arena, (size_t)n_thread, sizeof(*l->errs));
	pool = loom_pool_new(n_thread);
	if (!l->raw || !l->wide || !l->narrow || !l->errs || !pool) {
		rc = loom_err_nomem(err, "loading", raw_bytes + 2 * wide_bytes);
	} else {
		loom_pool_run(pool, l->n_piece, load_piece, l);
		for (int t = 0; t < n_thread && rc == LOOM_OK; t++) {
			if (l->errs[t].status) {
				*err = l->errs[t];
				rc = err->status;
			}
		}
	}
	loom_pool_free(pool);
	loom_free(l->raw);
	loom_free(l->wide);
	loom_free(l->narrow);
	return rc;
}

enum loom_status loom_cpu_model_new(const struct loom_plan *plan, const struct loom_store *store, const struct loom_load_opts *o,
	struct loom_device_model **out, struct loom_err *err)
{
	struct loading l = {.plan = plan, .store = store, .opts = o};
	struct loom_device_model *m = loom_calloc(1, sizeof(*m));
	struct loom_arena arena;
	enum loom_status rc;

	*out = NULL;
	loom_arena_init(&arena);
	if (!m || !(m->weights = loom_calloc((size_t)plan->n_weight, sizeof(*m->weights)))) {
		loom_free(m);
		return loom_err_nomem(err, "model", sizeof(*m));
	}
	m->plan = plan;
	l.model = m;
	rc = check_types(plan, err);
	rc = rc ? rc : make_pieces(&l, &arena, err);
	rc = rc ? rc : loom_cpu_allocate(m, err);
	rc = rc ? rc : read_all(&l, &arena, err);
	for (int32_t i = 0; rc == LOOM_OK && i < plan->n_weight; i++) {
		if (plan->weights[i].neg_exp) {
			fold_neg_exp(&m->weights[i], &plan->weights[i]);
		}
	}
	rc = rc ? rc : loom_cpu_spread_all(m, o->n_thread, err);
	loom_arena_release(&arena);
	if (rc) {
		loom_cpu_model_free(m);
		return rc;
	}
	*out = m;
	return LOOM_OK;
}
