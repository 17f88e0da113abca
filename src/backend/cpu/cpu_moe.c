/* cpu_moe.c: mixture of experts: which experts a row uses, and the experts of a step. A step sorts its (row, expert) pairs by expert, so
 * that an expert's weights are read once for all of its rows; a row's sum runs over its experts in ascending order, whoever else is in
 * the batch. */
#include <math.h>
#include <string.h>

#include "bounds.h"
#include "cpu.h"

/* ---- choosing ---- */

/* The largest value of v [n] that is not taken, the lowest number among equals; -1 when all are. */
static int32_t best_of(const float *v, const bool *taken, int32_t n)
{
	int32_t best = -1;

	for (int32_t i = 0; i < n; i++) {
		if (!taken[i] && (best < 0 || v[i] > v[best])) {
			best = i;
		}
	}
	return best;
}

/* Marks the experts of all groups but the best ones as taken. */
static void limit_groups(const struct loom_router *r, const float *choice, bool *taken)
{
	int32_t size = r->n_expert / r->n_group;
	float worth[LOOM_MAX_EXPERT];
	bool used[LOOM_MAX_EXPERT] = {false};

	for (int32_t g = 0; g < r->n_group; g++) {
		bool seen[LOOM_MAX_EXPERT] = {false};
		worth[g] = 0;
		for (int32_t i = 0; i < r->n_group_best && i < size; i++) {
			int32_t e = best_of(choice + g * size, seen, size);
			seen[e] = true;
			worth[g] += choice[g * size + e];
		}
	}
	for (int32_t i = 0; i < r->n_group_used; i++) {
		int32_t g = best_of(worth, used, r->n_group);
		if (g >= 0) {
			used[g] = true;
		}
	}
	for (int32_t e = 0; e < r->n_expert; e++) {
		taken[e] = !used[e / size];
	}
}

/* The reference's sparsemixer outside of training, twice: softmax over the logits within the threshold of the best one. */
static void sparse_mixer(const struct loom_rows *rows, const struct loom_router *r, float *logits, int32_t *chosen, float *weight)
{
	float left[LOOM_MAX_EXPERT], kept[LOOM_MAX_EXPERT];
	const bool none[LOOM_MAX_EXPERT] = {false};
	size_t n = (size_t)r->n_expert;

	memcpy(left, logits, n * sizeof(float));
	for (int32_t k = 0; k < r->n_used; k++) {
		int32_t best = best_of(left, none, r->n_expert);
		float top = left[best];
		for (size_t e = 0; e < n; e++) {
			float factor = fabsf(logits[e]) > top ? fabsf(logits[e]) : top;
			kept[e] = (top - logits[e]) / factor > 2 * r->jitter ? -INFINITY : left[e];
		}
		rows->softmax(kept, kept, n);
		chosen[k] = best;
		weight[k] = kept[best];
		left[best] = -INFINITY;
	}
	memset(logits, 0, n * sizeof(float));
	for (int32_t k = 0; k < r->n_used; k++) {
		logits[chosen[k]] = weight[k];
	}
}

/* Probabilities over the logits p, the chosen experts from the best on, their probabilities as weights. */
static void choose(const struct loom_rows *rows, const struct loom_router *r, const float *bias, float *p, int32_t *chosen, float *weight)
{
	float choice[LOOM_MAX_EXPERT];
	bool taken[LOOM_MAX_EXPERT] = {false};
	size_t n = (size_t)r->n_expert;

	if (r->kind == LOOM_ROUTER_SOFTMAX) {
		rows->softmax(p, p, n);
	} else if (r->kind == LOOM_ROUTER_SIGMOID) {
		rows->act(LOOM_ACT_SIGMOID, p, p, n);
	}
	memcpy(choice, p, n * sizeof(float));
	if (bias) {
		rows->add(p, bias, choice, n);
	}
	if (r->n_group > 1) {
		limit_groups(r, choice, taken);
	}
	for (int32_t k = 0; k < r->n_used; k++) {
		int32_t e = best_of(choice, taken, r->n_expert);
		chosen[k] = e < 0 ? 0 : e;
		taken[chosen[k]] = true;
		weight[k] = p[chosen[k]];
	}
	if (r->kind == LOOM_ROUTER_TOPK_SOFTMAX) {
		rows->softmax(weight, weight, (size_t)r->n_used);
		memset(p, 0, n * sizeof(float));
		for (int32_t k = 0; k < r->n_used; k++) {
			p[chosen[k]] = weight[k];
		}
	}
}

static void weigh(const struct loom_router *r, float *weight)
{
	float sum = 0;

	for (int32_t k = 0; k < r->n_used; k++) {
		sum += weight[k];
	}
	sum = (sum > r->norm_min ? sum : r->norm_min) + r->norm_add;
	for (int32_t k = 0; k < r->n_used; k++) {
		weight[k] = (r->normalize ? weight[k] / sum : weight[k]) * r->scale;
	}
}

void loom_cpu_route_row(const struct loom_device_state *s, const struct loom_op *op, int32_t row)
{
	const struct loom_router *r = &s->plan->routers[op->router];
	const float *bias = op->bias < 0 ? NULL : s->model->weights[op->bias].vector;
	float *p = loom_cpu_at(s, &op->a, row), *out = loom_cpu_at(s, &op->b, row), weight[LOOM_MAX_USED];
	int32_t chosen[LOOM_MAX_USED];

	if (r->kind == LOOM_ROUTER_SPARSEMIXER) {
		sparse_mixer(s->rows, r, p, chosen, weight);
	} else {
		choose(s->rows, r, bias, p, chosen, weight);
	}
	weigh(r, weight);
	for (int32_t k = 0; k < r->n_used; k++) { /* into ascending order */
		int32_t at = 0;
		for (int32_t i = 0; i < r->n_used; i++) {
			at += chosen[i] < chosen[k];
		}
		out[at] = (float)chosen[k];
		out[r->n_used + at] = weight[k];
	}
}

/* ---- the experts of a step ---- */

struct moe_job {
	struct loom_device_state *s;
	const struct loom_op *op;
};

/* Counting sort of the pairs by expert, rows ascending. */
static void sort_pairs(struct loom_device_state *s, const struct loom_op *op, int32_t n_row)
{
	struct loom_cpu_moe *m = &s->moe;

	memset(m->first, 0, ((size_t)op->n_expert + 1) * sizeof(*m->first));
	for (int32_t r = 0; r < n_row; r++) {
		const float *chosen = loom_cpu_at(s, &op->b, r);
		for (int32_t k = 0; k < op->n_used; k++) {
			m->first[(int32_t)chosen[k] + 1]++;
		}
	}
	for (int32_t e = 0; e < op->n_expert; e++) {
		m->first[e + 1] += m->first[e];
	}
	for (int32_t r = 0; r < n_row; r++) {
		const float *chosen = loom_cpu_at(s, &op->b, r);
		for (int32_t k = 0; k < op->n_used; k++) {
			int32_t at = m->first[(int32_t)chosen[k]]++;
			m->row[at] = r;
			m->pair[r * op->n_used + k] = at;
		}
	}
	memmove(m->first + 1, m->first, (size_t)op->n_expert * sizeof(*m->first));
	m->first[0] = 0;
}

static void gather_item(void *ctx, size_t item, int thread)
{
	const struct moe_job *j = ctx;
	size_t d = (size_t)j->op->a.width;

	(void)thread;
	memcpy(j->s->moe.x + item * d, loom_cpu_at(j->s, &j->op->a, j->s->moe.row[item]), d * sizeof(float));
}

static void glu_item(void *ctx, size_t item, int thread)
{
	const struct moe_job *j = ctx;
	const struct loom_op *op = j->op;
	size_t f = (size_t)op->n_ffn;
	float *h = j->s->moe.h + item * (op->glu == LOOM_GLU_NONE ? f : 2 * f);

	(void)thread;
	if (op->glu == LOOM_GLU_NONE) {
		j->s->rows->act(op->act, h, h, f);
	} else if (op->glu == LOOM_GLU_HALVES) {
		j->s->rows->gate(op->act, h, h + f, h, f);
	} else {
		bool halves = op->glu == LOOM_GLU_CLAMPED_HALVES;
		j->s->rows->clamped_glu(op->limit, op->alpha, h, h + (halves ? f : 1), halves ? 1 : 2, h, f);
	}
}

static void sum_item(void *ctx, size_t item, int thread)
{
	const struct moe_job *j = ctx;
	const struct loom_op *op = j->op;
	const float *weight = loom_cpu_at(j->s, &op->b, (int32_t)item) + op->n_used;
	float *out = loom_cpu_at(j->s, &op->out, (int32_t)item);
	size_t d = (size_t)op->out.width;

	(void)thread;
	memset(out, 0, d * sizeof(float));
	for (int32_t k = 0; k < op->n_used; k++) {
		j->s->rows->add_scaled(weight[k], j->s->moe.x + (size_t)j->s->moe.pair[(int32_t)item * op->n_used + k] * d, out, d);
	}
}

/* One product for each expert that has rows: x [n, ldx] -> y [n, ldy] over the sorted pairs. */
static void products(struct loom_device_state *s, const struct loom_op *op, int32_t w, int32_t bias, const float *x, size_t ldx, float *y,
	size_t ldy)
{
	const struct loom_packed *one = &s->model->weights[w].packed[0];
	bool bytes = loom_cpu_in_bytes(s->plan, &s->model->weights[w]);
	size_t n = 0, stride = loom_cpu_bytes_stride(s->plan, one->n_col);

	if (bytes) {
		loom_cpu_bytes(s, x, ldx, s->moe.first[op->n_expert], one->n_col, s->moe.bytes);
	}

	for (int32_t e = 0; e < op->n_expert; e++) {
		size_t first = (size_t)s->moe.first[e];
		int64_t m = s->moe.first[e + 1] - s->moe.first[e];
		if (m > 0) {
			const struct loom_product whole = {.x = x + first * ldx, .y = y + first * ldy, .ldx = ldx, .ldy = ldy, .m = m,
				.bytes = bytes ? s->moe.bytes + first * stride : NULL, .llm = s->plan->compute == LOOM_COMPUTE_LLM_INT8,
				.bias = bias < 0 ? NULL : s->model->weights[bias + e].vector};
			n += loom_cpu_products(&s->model->weights[w + e], &whole, s->moe.products + n);
		}
	}
	loom_matmul_many(s->pool, s->isa, s->moe.products, n, s->matmul_scratch);
}

void loom_cpu_experts(struct loom_device_state *s, const struct loom_op *op, int32_t n_row)
{
	struct moe_job j = {s, op};
	size_t n_pair = (size_t)n_row * (size_t)op->n_used, d = (size_t)op->a.width;
	size_t up = (size_t)op->n_ffn * (op->glu == LOOM_GLU_NONE ? 1 : 2);
	struct loom_pool *pool = n_pair * d > LOOM_CPU_ITEM_FLOATS ? s->pool : NULL;

	sort_pairs(s, op, n_row);
	loom_pool_run(pool, n_pair, gather_item, &j);
	products(s, op, op->w, op->bias, s->moe.x, d, s->moe.h, up);
	loom_pool_run(pool, n_pair, glu_item, &j);
	products(s, op, op->w2, op->bias2, s->moe.h, up, s->moe.x, d);
	loom_pool_run(pool, (size_t)n_row, sum_item, &j);
}
