/* cpu_weights.c: how weights lie in memory: the runs of a matrix, the bytes of each, the mapping of all. */
#include <string.h>

#include "bounds.h"
#include "cpu.h"
#include "mem.h"

bool loom_cpu_paired(const struct loom_plan *p, const struct loom_weight *w)
{
	if (p->compute != LOOM_COMPUTE_BF16 || w->kind != LOOM_WEIGHT_MATRIX || w->dtype != LOOM_BF16) {
		return false;
	}
	for (int32_t i = 0; i < p->n_op; i++) { /* experts' products are not rounded */
		if (p->ops[i].kind == LOOM_OP_LINEAR && &p->weights[p->ops[i].w] == w) {
			return true;
		}
	}
	return false;
}

static bool is_blocks(enum loom_dtype t)
{
	return loom_dtype_block(t) > 1;
}

bool loom_cpu_new_run(const struct loom_weight *w, int k)
{
	return w->part[k].quant || w->part[k - 1].quant || w->part[k].tensor->dtype != w->part[k - 1].tensor->dtype;
}

bool loom_cpu_as_stored(const struct loom_weight *w)
{
	int runs = 1;

	for (int k = 1; k < w->n_part; k++) {
		runs += loom_cpu_new_run(w, k);
	}
	return w->packed && w->n_part > 0 && runs <= LOOM_MAX_RUNS;
}

enum loom_dtype loom_cpu_part_type(const struct loom_weight *w, int k)
{
	enum loom_dtype stored;

	if (!loom_cpu_as_stored(w)) {
		return w->dtype;
	}
	stored = w->part[k].tensor->dtype;
	return is_blocks(stored) || stored == LOOM_F16 || stored == LOOM_BF16 ? stored : LOOM_F32;
}

/* Fills out with the runs of equal type among the parts, at with where each begins in the weight's memory; their number, 0 on overflow. */
static int lay_out(const struct loom_plan *plan, const struct loom_weight *w, struct loom_packed out[LOOM_MAX_RUNS],
	size_t at[LOOM_MAX_RUNS], size_t *bytes)
{
	bool split = loom_cpu_as_stored(w);
	int n = 0;

	*bytes = 0;
	for (int k = 0; k < (split ? w->n_part : 1); k++) {
		enum loom_dtype t = loom_cpu_part_type(w, k);
		int64_t rows = split ? w->part[k].n_row : w->n_row;
		if (n > 0 && !loom_cpu_new_run(w, k)) {
			out[n - 1].n_row += rows;
			continue;
		}
		out[n++] = (struct loom_packed){.dtype = t, .n_row = rows, .n_col = w->n_col, .paired = !split && loom_cpu_paired(plan, w)};
		if (split && w->part[k].quant && !loom_cpu_quant_layout(w->part[k].quant, &out[n - 1])) {
			return 0;
		}
	}
	for (int i = 0; i < n; i++) {
		size_t size;
		if (out[i].q.codes != LOOM_CODES_NONE) {
			size = out[i].q.bytes;
		} else if (is_blocks(out[i].dtype)) {
			size = loom_packq_of_blocks(&out[i].q, out[i].dtype, out[i].n_row, out[i].n_col) ? out[i].q.bytes : 0;
		} else {
			size = loom_packed_bytes(out[i].dtype, out[i].paired, out[i].n_row, out[i].n_col);
		}
		at[i] = *bytes;
		if (size == 0 || !loom_add(size, 63, &size) || !loom_add(*bytes, size / 64 * 64, bytes)) {
			return 0;
		}
	}
	return n;
}

size_t loom_cpu_weight_bytes(const struct loom_plan *p, const struct loom_weight *w)
{
	struct loom_packed packed[LOOM_MAX_RUNS];
	uint64_t bytes;
	size_t n, at[LOOM_MAX_RUNS];

	if (w->kind == LOOM_WEIGHT_MATRIX) {
		return lay_out(p, w, packed, at, &n) ? n : 0;
	}
	return loom_mul((size_t)w->n_row, (size_t)w->n_col, &n) && loom_dtype_bytes(w->dtype, n, &bytes) && bytes <= SIZE_MAX ? (size_t)bytes : 0;
}

static size_t round_line(size_t n)
{
	return (n + 63) / 64 * 64;
}

/* A weight's memory: its parts, and its values where the plan has them. */
static void place(const struct loom_plan *plan, const struct loom_weight *w, struct loom_cpu_weight *cw, void *p)
{
	if (w->constant) {
		memcpy(p, w->constant, cw->bytes);
	}
	if (w->kind == LOOM_WEIGHT_MATRIX) {
		size_t at[LOOM_MAX_RUNS], bytes = 0;
		cw->n_packed = lay_out(plan, w, cw->packed, at, &bytes);
		for (int k = 0; k < cw->n_packed; k++) {
			cw->packed[k].data = (char *)p + at[k];
		}
	} else if (w->kind == LOOM_WEIGHT_TABLE) {
		cw->table = p;
	} else {
		cw->vector = p;
	}
}

enum loom_status loom_cpu_allocate(struct loom_device_model *m, struct loom_err *err)
{
	const struct loom_plan *plan = m->plan;
	size_t total = 0, at = 0;

	for (int32_t i = 0; i < plan->n_weight; i++) {
		size_t bytes = m->weights[i].bytes = loom_cpu_weight_bytes(plan, &plan->weights[i]);
		if (bytes == 0 || (!plan->weights[i].passing && !loom_add(total, round_line(bytes), &total))) {
			return loom_err_nomem(err, plan->weights[i].name, bytes);
		}
	}
	m->memory = total ? loom_pages_alloc(total) : NULL;
	m->memory_bytes = total;
	if (total && !m->memory) {
		return loom_err_nomem(err, "weights", total);
	}
	for (int32_t i = 0; i < plan->n_weight; i++) {
		const struct loom_weight *w = &plan->weights[i];
		struct loom_cpu_weight *cw = &m->weights[i];
		void *p = w->passing ? loom_pages_alloc(cw->bytes) : (char *)m->memory + at;
		at += w->passing ? 0 : round_line(cw->bytes);
		if (!p) {
			return loom_err_nomem(err, w->name, cw->bytes);
		}
		place(plan, w, cw, p);
	}
	return LOOM_OK;
}

void loom_cpu_model_free(struct loom_device_model *m)
{
	if (!m) {
		return;
	}
	for (int32_t i = 0; i < m->plan->n_weight; i++) {
		struct loom_cpu_weight *w = &m->weights[i];
		void *p = w->n_packed ? w->packed[0].data : w->table ? w->table : w->vector;
		for (int k = 0; k < w->n_packed; k++) {
			loom_free(w->g_idx[k]);
		}
		if (p && m->plan->weights[i].passing) {
			loom_pages_free(p, w->bytes);
		}
	}
	if (m->memory) {
		loom_pages_free(m->memory, m->memory_bytes);
	}
	loom_free(m->weights);
	loom_free(m);
}
