/* cpu_spread.c: weights that are computed from others, once all are loaded: what tables of relative positions give at each distance. The
 * products are those of LINEAR ops. */
#include <string.h>

#include "cpu.h"
#include "dequant.h"
#include "mem.h"

struct work {
	const struct loom_device_model *m;
	struct loom_pool *pool;
	float *scratch;
};

/* rows [n, n_col]: the table, normed where the spread says so. */
static void read_table(const struct loom_device_model *m, const struct loom_spread *s, float *rows)
{
	const struct loom_weight *w = &m->plan->weights[s->table];
	const struct loom_rows *fn = loom_rows_for(loom_isa_chosen());
	size_t n = (size_t)w->n_col;

	loom_dequant(w->dtype, m->weights[s->table].table, rows, (size_t)w->n_row * n);
	for (size_t r = 0; s->norm >= 0 && r < (size_t)w->n_row; r++) {
		fn->layer_norm(rows + r * n, m->weights[s->norm].vector, m->weights[s->norm_bias].vector, s->eps, rows + r * n, n);
	}
}

/* y [m, N] = rows [m, K] through the matrix. LOOM_COMPUTE_BF16's matrices meet rounded rows here too. */
static enum loom_status multiply(const struct work *x, const struct loom_spread *s, const float *rows, int64_t m, float *y, struct loom_err *err)
{
	const struct loom_weight *w = &x->m->plan->weights[s->matrix];
	const struct loom_cpu_weight *cw = &x->m->weights[s->matrix];
	struct loom_product whole = {.x = rows, .ldx = (size_t)w->n_col, .bias = s->bias >= 0 ? x->m->weights[s->bias].vector : NULL, .y = y,
		.ldy = (size_t)w->n_row, .m = m}, products[LOOM_MAX_RUNS];
	size_t bytes = cw->packed[0].paired ? (size_t)m * loom_round_stride(w->n_col) * sizeof(uint16_t) : 0;
	uint16_t *rounded = bytes ? loom_malloc(bytes) : NULL;

	if (bytes && !rounded) {
		return loom_err_nomem(err, w->name, bytes);
	}
	if (rounded) {
		loom_matmul_round(x->pool, rows, whole.ldx, m, w->n_col, rounded);
		whole.rounded = rounded;
	}
	loom_matmul_many(x->pool, loom_isa_chosen(), products, loom_cpu_products(cw, &whole, products), x->scratch);
	loom_free(rounded);
	return LOOM_OK;
}

static enum loom_status spread(const struct work *x, int32_t at, struct loom_err *err)
{
	const struct loom_weight *w = &x->m->plan->weights[at];
	const struct loom_spread *s = w->spread;
	const struct loom_weight *table = &x->m->plan->weights[s->table];
	size_t n_in = (size_t)table->n_col, n_out = s->matrix < 0 ? n_in : (size_t)x->m->plan->weights[s->matrix].n_row, n = (size_t)w->n_col;
	size_t rows = (size_t)table->n_row;
	float *in = loom_malloc(rows * n_in * sizeof(float)), *y = s->matrix < 0 ? in : loom_malloc(rows * n_out * sizeof(float));
	enum loom_status rc = in && y ? LOOM_OK : loom_err_nomem(err, w->name, rows * (n_in + n_out) * sizeof(float));

	if (rc == LOOM_OK) {
		read_table(x->m, s, in);
		rc = s->matrix < 0 ? LOOM_OK : multiply(x, s, in, (int64_t)rows, y, err);
	}
	for (size_t c = 0; rc == LOOM_OK && c < (size_t)w->n_row; c++) {
		for (size_t i = 0; i < n; i++) {
			x->m->weights[at].vector[c * n + i] = y[(size_t)x->m->plan->distances.row[i] * n_out + (size_t)s->col + c];
		}
	}
	loom_free(y == in ? NULL : y);
	loom_free(in);
	return rc;
}

static void drop(struct loom_cpu_weight *w)
{
	loom_pages_free(w->n_packed ? w->packed[0].data : w->table, w->bytes);
	for (int k = 0; k < w->n_packed; k++) {
		loom_free(w->g_idx[k]);
	}
	memset(w, 0, sizeof(*w));
}

enum loom_status loom_cpu_spread_all(struct loom_device_model *m, int n_thread, struct loom_err *err)
{
	const struct loom_plan *p = m->plan;
	size_t threads = n_thread > 0 ? (size_t)n_thread : 1, bytes = threads * loom_matmul_scratch() * sizeof(float);
	struct work x = {.m = m};
	enum loom_status rc = LOOM_OK;

	if (p->distances.n == 0) {
		return LOOM_OK;
	}
	x.pool = loom_pool_new((int)threads);
	x.scratch = loom_pages_alloc(bytes);
	if (!x.pool || !x.scratch) {
		rc = loom_err_nomem(err, "relative positions", bytes);
	}
	for (int32_t i = 0; rc == LOOM_OK && i < p->n_weight; i++) {
		rc = p->weights[i].spread ? spread(&x, i, err) : LOOM_OK;
	}
	for (int32_t i = 0; rc == LOOM_OK && i < p->n_weight; i++) {
		if (p->weights[i].passing) {
			drop(&m->weights[i]);
		}
	}
	if (x.scratch) {
		loom_pages_free(x.scratch, bytes);
	}
	loom_pool_free(x.pool);
	return rc;
}
