/* cpu_mix.c: the ops whose sequences keep a state beside their pages. A sequence's rows go one after the other from the state that its
 * last step left, so a cut between steps is no cut at all; columns and heads are shared among the threads. Position 0 begins with
 * zeros, whatever the state holds. */
#include <string.h>

#include "bounds.h"
#include "cpu.h"

#define COLUMNS 64 /* of a scan, handed to a thread at once */

struct mix_job {
	struct loom_device_state *s;
	const struct loom_op *op;
	size_t n_part; /* shares of a sequence */
};

static float *state_of(const struct loom_device_state *s, const struct loom_op *op, const struct loom_batch_seq *q)
{
	return s->states + (size_t)q->state * (size_t)s->plan->state_floats + (size_t)op->state_at;
}

/* ---- convolution ---- */

/* Row t of the sequence's input, t counted from the step's first row; before that from the state, before position 0 zeros. */
static const float *input_row(const struct loom_device_state *s, const struct loom_op *op, const struct loom_batch_seq *q, int32_t t)
{
	if (t >= 0) {
		return loom_cpu_at(s, &op->a, q->row0 + t);
	}
	return q->pos0 + t < 0 ? s->zeros : state_of(s, op, q) + (size_t)(op->n_tap - 1 + t) * (size_t)op->a.width;
}

static const struct loom_batch_seq *seq_of_row(const struct loom_batch *b, int32_t row)
{
	int32_t lo = 0, hi = b->n_seq;

	while (hi - lo > 1) {
		int32_t mid = lo + (hi - lo) / 2;
		if (b->seqs[mid].row0 <= row) {
			lo = mid;
		} else {
			hi = mid;
		}
	}
	return &b->seqs[lo];
}

static void conv_item(void *ctx, size_t item, int thread)
{
	const struct mix_job *j = ctx;
	const struct loom_op *op = j->op;
	const struct loom_device_model *m = j->s->model;
	const struct loom_batch_seq *q = seq_of_row(j->s->batch, (int32_t)item);
	const float *x[LOOM_MAX_TAP];

	(void)thread;
	for (int32_t i = 0; i < op->n_tap; i++) {
		x[i] = input_row(j->s, op, q, (int32_t)item - q->row0 - op->n_tap + 1 + i);
	}
	j->s->mix->conv(x, op->n_tap, m->weights[op->w].table, (size_t)op->a.width, op->bias < 0 ? NULL : m->weights[op->bias].vector,
		loom_cpu_at(j->s, &op->out, (int32_t)item), (size_t)op->a.width);
}

/* The last rows of the step become the state; those that are still needed of the old one move up. */
static void keep_rows(const struct loom_device_state *s, const struct loom_op *op, const struct loom_batch_seq *q)
{
	size_t width = (size_t)op->a.width;

	for (int32_t i = 0; i < op->n_tap - 1; i++) {
		memmove(state_of(s, op, q) + (size_t)i * width, input_row(s, op, q, q->n_row - op->n_tap + 1 + i), width * sizeof(float));
	}
}

void loom_cpu_conv(struct loom_device_state *s, const struct loom_op *op)
{
	struct mix_job j = {s, op, 1};

	loom_pool_run((size_t)s->batch->n_tok * (size_t)op->a.width > LOOM_CPU_ITEM_FLOATS ? s->pool : NULL, (size_t)s->batch->n_tok, conv_item, &j);
	for (int32_t i = 0; i < s->batch->n_seq; i++) {
		keep_rows(s, op, &s->batch->seqs[i]);
	}
}

/* ---- selective scan ---- */

static void scan_item(void *ctx, size_t item, int thread)
{
	const struct mix_job *j = ctx;
	const struct loom_op *op = j->op;
	const struct loom_device_model *m = j->s->model;
	const struct loom_batch_seq *q = &j->s->batch->seqs[item / j->n_part];
	size_t width = (size_t)op->a.width, col = item % j->n_part * COLUMNS, n = width - col < COLUMNS ? width - col : COLUMNS;
	float *h = state_of(j->s, op, q) + col;

	(void)thread;
	for (int32_t k = 0; q->pos0 == 0 && k < op->d_state; k++) {
		memset(h + (size_t)k * width, 0, n * sizeof(float));
	}
	for (int32_t r = q->row0; r < q->row0 + q->n_row; r++) {
		j->s->mix->scan(h, width, (const float *)m->weights[op->w].table + col, width, op->d_state, loom_cpu_at(j->s, &op->a, r) + col,
			loom_cpu_at(j->s, &op->b, r) + col, loom_cpu_at(j->s, &op->c, r), m->weights[op->bias].vector + col,
			loom_cpu_at(j->s, &op->out, r) + col, n);
	}
}

void loom_cpu_scan(struct loom_device_state *s, const struct loom_op *op)
{
	struct mix_job j = {s, op, ((size_t)op->a.width + COLUMNS - 1) / COLUMNS};

	loom_pool_run(s->pool, j.n_part * (size_t)s->batch->n_seq, scan_item, &j);
}

/* ---- scan by heads ---- */

static void scan_head_item(void *ctx, size_t item, int thread)
{
	const struct mix_job *j = ctx;
	const struct loom_op *op = j->op;
	const struct loom_device_model *m = j->s->model;
	const struct loom_batch_seq *q = &j->s->batch->seqs[item / j->n_part];
	size_t head = item % j->n_part, n = (size_t)op->d_state, width = (size_t)op->d_value;
	size_t group = head / ((size_t)op->n_head / (size_t)op->n_group);
	float *h = state_of(j->s, op, q) + head * n * width;
	struct loom_scan_head x = {.bias = m->weights[op->bias2].vector[head], .a = m->weights[op->w].vector[head],
		.d = m->weights[op->bias].vector[head], .n_state = n, .width = width};

	(void)thread;
	if (q->pos0 == 0) {
		memset(h, 0, n * width * sizeof(float));
	}
	for (int32_t r = q->row0; r < q->row0 + q->n_row; r++) {
		x.x = loom_cpu_at(j->s, &op->a, r) + head * width;
		x.dt = loom_cpu_at(j->s, &op->b, r)[head];
		x.b = loom_cpu_at(j->s, &op->c, r) + group * n;
		x.c = x.b + (size_t)op->n_group * n;
		j->s->mix->scan_head(h, &x, loom_cpu_at(j->s, &op->out, r) + head * width);
	}
}

void loom_cpu_scan_heads(struct loom_device_state *s, const struct loom_op *op)
{
	struct mix_job j = {s, op, (size_t)op->n_head};

	loom_pool_run(s->pool, j.n_part * (size_t)s->batch->n_seq, scan_head_item, &j);
}

/* ---- gated delta rule ---- */

static void delta_item(void *ctx, size_t item, int thread)
{
	const struct mix_job *j = ctx;
	const struct loom_op *op = j->op;
	const struct loom_device_model *m = j->s->model;
	const struct loom_batch_seq *q = &j->s->batch->seqs[item / j->n_part];
	size_t head = item % j->n_part, dk = (size_t)op->d_head, dv = (size_t)op->d_value, keys = (size_t)op->n_head_kv * dk;
	size_t key = head / ((size_t)op->n_head / (size_t)op->n_head_kv) * dk;
	float *s = state_of(j->s, op, q) + head * dk * dv, *work = j->s->mix_work + (size_t)thread * j->s->mix_floats;
	struct loom_delta_head h = {.scale = op->scale, .a = m->weights[op->w].vector[head], .bias = m->weights[op->bias].vector[head],
		.dk = dk, .dv = dv};

	if (q->pos0 == 0) {
		memset(s, 0, dk * dv * sizeof(float));
	}
	for (int32_t r = q->row0; r < q->row0 + q->n_row; r++) {
		const float *qkv = loom_cpu_at(j->s, &op->a, r), *gates = loom_cpu_at(j->s, &op->b, r);
		h.q = qkv + key;
		h.k = qkv + keys + key;
		h.v = qkv + 2 * keys + head * dv;
		h.write = gates[head];
		h.decay = gates[(size_t)op->n_head + head];
		j->s->mix->delta(s, &h, loom_cpu_at(j->s, &op->out, r) + head * dv, work);
	}
}

void loom_cpu_delta(struct loom_device_state *s, const struct loom_op *op)
{
	struct mix_job j = {s, op, (size_t)op->n_head};

	loom_pool_run(s->pool, j.n_part * (size_t)s->batch->n_seq, delta_item, &j);
}
