/* cpu_exec.c: one step: the op list over the batch's rows. Allocates nothing; each row is computed whole by one thread, so neither
 * the split nor the rest of the batch can change a number. */
#include <math.h>
#include <string.h>

#include "clock.h"
#include "cpu.h"
#include "dequant.h"
#include "int8.h"
#include "mem.h"

#define EMBED_SPAN 256 /* floats of a table's row at once; every block size divides it */

struct row_job {
	struct loom_device_state *s;
	const struct loom_op *op;
	int32_t n_row, per_item;
};

static const float *vector(const struct loom_device_state *s, int32_t w)
{
	return w < 0 ? NULL : s->model->weights[w].vector;
}

static int64_t index_of(const struct loom_device_state *s, const struct loom_op *op, int32_t row)
{
	switch (op->index) {
	case LOOM_INDEX_TOKEN:
		return s->batch->ids[row];
	case LOOM_INDEX_POSITION:
		return (int64_t)s->batch->pos[row] + op->index_add;
	case LOOM_INDEX_COUNTED:
		return (int64_t)s->batch->counted[row] + op->index_add;
	case LOOM_INDEX_TYPE:
		return s->batch->types ? s->batch->types[row] : 0;
	default:
		return 0;
	}
}

/* out (+)= scale * v [n], products rounded before the sum. */
static void put(const struct loom_device_state *s, const struct loom_op *op, const float *v, float *out, size_t n)
{
	if (op->accumulate) {
		s->rows->add_scaled(op->scale, v, out, n);
	} else if (op->scale != 1 || v != out) {
		s->rows->scale(op->scale, v, out, n);
	}
}

/* Row `index` of a table, or of a matrix that is looked up too, as float32. Tables may be quantized: n is a multiple of their block. */
static void embed_row(const struct loom_device_state *s, const struct loom_op *op, int32_t row)
{
	const struct loom_weight *w = &s->plan->weights[op->w];
	const struct loom_cpu_weight *cw = &s->model->weights[op->w];
	int64_t n = w->n_col, index = index_of(s, op, row);
	float *out = loom_cpu_at(s, &op->out, row), tmp[EMBED_SPAN];
	uint64_t first = 0;

	if (w->kind == LOOM_WEIGHT_MATRIX) { /* the first of the embeddings, never added to others */
		loom_packed_row(&cw->packed[0], index, out);
		put(s, op, out, out, (size_t)n);
		return;
	}
	if (w->dtype == LOOM_F32) {
		put(s, op, (const float *)cw->table + index * n, out, (size_t)n);
		return;
	}
	for (int64_t i = 0; i < n; i += EMBED_SPAN) {
		size_t m = (size_t)(n - i < EMBED_SPAN ? n - i : EMBED_SPAN);
		(void)loom_dtype_bytes(w->dtype, (uint64_t)(index * n + i), &first);
		loom_dequant(w->dtype, (const char *)cw->table + first, tmp, m);
		put(s, op, tmp, out + i, m);
	}
}

static void norm_row(const struct loom_device_state *s, const struct loom_op *op, int32_t row)
{
	const float *x = loom_cpu_at(s, &op->a, row), *w = vector(s, op->w), *b = vector(s, op->bias);
	float *y = loom_cpu_at(s, &op->out, row);
	size_t n = (size_t)(op->a.width / op->n_group);
	/* A weight for each group, or one for all. */
	size_t step = op->w >= 0 && s->plan->weights[op->w].n_row == op->a.width ? n : 0;

	for (size_t g = 0; g < (size_t)op->n_group; g++) {
		(op->norm == LOOM_NORM_RMS ? s->rows->rms_norm : s->rows->layer_norm)(x + g * n, w ? w + g * step : NULL, b ? b + g * step : NULL,
			op->eps, y + g * n, n);
	}
}

static void rotate_row(const struct loom_device_state *s, const struct loom_op *op, int32_t row)
{
	const struct loom_rope *r = &s->plan->ropes[op->rope];
	size_t table = ((size_t)op->rope * (size_t)s->opts.max_tok + (size_t)row) * (size_t)s->rope_width;
	float *x = loom_cpu_at(s, &op->out, row);

	for (int32_t h = 0; h < op->n_group; h++) {
		s->rows->rotate(x + (size_t)h * (size_t)op->d_head, s->cos + table, s->sin + table, (size_t)r->n_freq, r->interleaved);
	}
}

static void gate_row(const struct loom_device_state *s, const struct loom_op *op, int32_t row)
{
	const float *a = loom_cpu_at(s, &op->a, row), *b = loom_cpu_at(s, &op->b, row);
	float *out = loom_cpu_at(s, &op->out, row), by;

	if (op->a.width == op->out.width) {
		s->rows->gate(op->act, a, b, out, (size_t)op->out.width);
		return;
	}
	s->rows->act(op->act, a, &by, 1);
	s->rows->scale(by, b, out, (size_t)op->out.width);
}

static void join_row(const struct loom_device_state *s, const struct loom_op *op, int32_t row)
{
	const float *a = loom_cpu_at(s, &op->a, row), *b = loom_cpu_at(s, &op->b, row);
	size_t na = (size_t)(op->a.width / op->n_head), nb = (size_t)op->b.width;
	float *out = loom_cpu_at(s, &op->out, row);

	for (int32_t h = 0; h < op->n_head; h++, out += na + nb) {
		memcpy(out, a + (size_t)h * na, na * sizeof(float));
		memcpy(out + na, b, nb * sizeof(float));
	}
}

static float temper(const struct loom_device_state *s, const struct loom_op *op, int32_t row)
{
	return 1.0f + op->scale * logf(1.0f + floorf((float)(s->batch->pos[row] + op->index_add) / (float)op->every));
}

/* The adapter that the row's sequence has chosen. */
static int32_t adapter_of(const struct loom_device_state *s, int32_t row)
{
	return s->batch->seqs[loom_cpu_seq_at(s, row)].adapter;
}

static void adapt_row(const struct loom_device_state *s, const struct loom_op *op, int32_t row)
{
	size_t run = (size_t)(op->out.width / op->n_group);
	float *x = loom_cpu_at(s, &op->out, row);
	int32_t mine = adapter_of(s, row) - 1;

	for (int32_t i = 0; i < op->n_group; i++, x += run) {
		if (i == mine) {
			s->rows->scale(op->scale, x, x, run);
		} else {
			memset(x, 0, run * sizeof(*x));
		}
	}
}

static void one_row(const struct loom_device_state *s, const struct loom_op *op, int32_t row)
{
	size_t n = (size_t)op->out.width;

	switch (op->kind) {
	case LOOM_OP_EMBED:
		embed_row(s, op, row);
		break;
	case LOOM_OP_NORM:
		norm_row(s, op, row);
		break;
	case LOOM_OP_ROTATE:
		rotate_row(s, op, row);
		break;
	case LOOM_OP_ACT:
		if (op->act == LOOM_ACT_XIELU) {
			s->rows->xielu(s->model->weights[op->w].vector, loom_cpu_at(s, &op->a, row), loom_cpu_at(s, &op->out, row), n);
		} else {
			s->rows->act(op->act, loom_cpu_at(s, &op->a, row), loom_cpu_at(s, &op->out, row), n);
		}
		break;
	case LOOM_OP_GATE:
		gate_row(s, op, row);
		break;
	case LOOM_OP_JOIN:
		join_row(s, op, row);
		break;
	case LOOM_OP_ROUTE:
		loom_cpu_route_row(s, op, row);
		break;
	case LOOM_OP_ADD:
		s->rows->add(loom_cpu_at(s, &op->a, row), loom_cpu_at(s, &op->b, row), loom_cpu_at(s, &op->out, row), n);
		break;
	case LOOM_OP_SCALE:
		s->rows->scale(op->scale, loom_cpu_at(s, &op->a, row), loom_cpu_at(s, &op->out, row), n);
		break;
	case LOOM_OP_TEMPER:
		s->rows->scale(temper(s, op, row), loom_cpu_at(s, &op->a, row), loom_cpu_at(s, &op->out, row), n);
		break;
	case LOOM_OP_ADAPT:
		adapt_row(s, op, row);
		break;
	case LOOM_OP_SOFTCAP:
		s->rows->softcap(op->scale, loom_cpu_at(s, &op->a, row), loom_cpu_at(s, &op->out, row), n);
		break;
	case LOOM_OP_CLIP:
		s->rows->clip(op->scale, loom_cpu_at(s, &op->a, row), loom_cpu_at(s, &op->out, row), n);
		break;
	case LOOM_OP_GATHER:
		memcpy(loom_cpu_at(s, &op->out, row), loom_cpu_at(s, &op->a, s->batch->out_rows[row]), n * sizeof(float));
		break;
	default:
		break;
	}
}

static void row_item(void *ctx, size_t item, int thread)
{
	const struct row_job *j = ctx;
	int32_t first = (int32_t)item * j->per_item, end = first + j->per_item < j->n_row ? first + j->per_item : j->n_row;

	(void)thread;
	for (int32_t r = first; r < end; r++) {
		one_row(j->s, j->op, r);
	}
}

/* Row by row, in pieces large enough to be worth a thread. */
static void each_row(struct loom_device_state *s, const struct loom_op *op, int32_t n_row)
{
	int32_t width = op->out.slot >= 0 ? op->out.width : op->a.width;
	struct row_job j = {s, op, n_row, LOOM_CPU_ITEM_FLOATS / width > 0 ? LOOM_CPU_ITEM_FLOATS / width : 1};
	size_t n = (size_t)((n_row + j.per_item - 1) / j.per_item);

	loom_pool_run(n > 1 ? s->pool : NULL, n, row_item, &j);
}

/* cos and sin of each row's angles, once a step. The angle is the float32 product that transformers takes. */
static void rope_tables(struct loom_device_state *s)
{
	for (int32_t i = 0; i < s->plan->n_rope; i++) {
		const struct loom_rope *r = &s->plan->ropes[i];
		for (int32_t q = 0; q < s->batch->n_seq; q++) {
			const struct loom_batch_seq *seq = &s->batch->seqs[q];
			float factor;
			const float *freq = loom_rope_at(r, seq->rope_len, s->freq, &factor);
			for (int32_t row = seq->row0; row < seq->row0 + seq->n_row; row++) {
				size_t table = ((size_t)i * (size_t)s->opts.max_tok + (size_t)row) * (size_t)s->rope_width;
				for (int32_t k = 0; k < r->n_freq; k++) {
					double angle = (double)((float)s->batch->pos[row] * freq[k]);
					s->cos[table + (size_t)k] = (float)cos(angle) * factor;
					s->sin[table + (size_t)k] = (float)sin(angle) * factor;
				}
			}
		}
	}
}

struct copy_job {
	struct loom_device_state *s;
	const struct loom_op *op;
	const struct loom_tap_copy *c;
	int32_t per_item;
};

static void copy_item(void *ctx, size_t item, int thread)
{
	const struct copy_job *j = ctx;
	const struct loom_tap_copy *c = j->c;
	int32_t first = (int32_t)item * j->per_item, end = first + j->per_item < c->n_row ? first + j->per_item : c->n_row;

	(void)thread;
	for (int32_t r = first; r < end; r++) {
		memcpy(c->dst + (size_t)r * c->stride, loom_cpu_at(j->s, &j->op->a, c->row0 + r), (size_t)j->op->a.width * sizeof(float));
	}
}

/* Memory that the answer touches for the first time costs more than the copy: all threads share both. */
static void copy_out(struct loom_device_state *s, const struct loom_op *op, const struct loom_tap_copy *c)
{
	struct copy_job j = {s, op, c, LOOM_CPU_ITEM_FLOATS / op->a.width > 0 ? LOOM_CPU_ITEM_FLOATS / op->a.width : 1};
	size_t n = (size_t)((c->n_row + j.per_item - 1) / j.per_item);

	if (op->site == LOOM_SITE_ATTN_PROBS) {
		loom_cpu_attn_probs(s, op, c);
		return;
	}
	loom_pool_run(n > 1 ? s->pool : NULL, n, copy_item, &j);
}

/* What only a fault of ours could send: refused before anything is written. */
static enum loom_status check(const struct loom_device_state *s, const struct loom_batch *b, struct loom_err *err)
{
	if (b->n_tok < 1 || b->n_tok > s->opts.max_tok || b->n_out < 0 || b->n_out > s->opts.max_out || b->n_seq < 1 || b->n_seq > b->n_tok) {
		return loom_err_set(err, LOOM_E_INTERNAL, "step of %d rows, %d sequences, %d outputs: more than %d rows or %d outputs", b->n_tok,
			b->n_seq, b->n_out, s->opts.max_tok, s->opts.max_out);
	}
	for (int32_t i = 0; s->plan->state_floats > 0 && i < b->n_seq; i++) {
		if (b->seqs[i].state < 0 || b->seqs[i].state >= s->opts.n_state) {
			return loom_err_set(err, LOOM_E_INTERNAL, "sequence %d: state %d of %d", i, b->seqs[i].state, s->opts.n_state);
		}
	}
	for (int32_t i = 0; i < s->plan->n_op; i++) {
		const struct loom_op *op = &s->plan->ops[i];
		for (int32_t r = 0; op->kind == LOOM_OP_EMBED && r < b->n_tok; r++) {
			int64_t index = index_of(s, op, r);
			if (index < 0 || index >= s->plan->weights[op->w].n_row) {
				return loom_err_set(err, LOOM_E_INTERNAL, "%s: index %lld of %lld rows", s->plan->weights[op->w].name,
					(long long)index, (long long)s->plan->weights[op->w].n_row);
			}
		}
	}
	return LOOM_OK;
}

size_t loom_cpu_products(const struct loom_cpu_weight *w, const struct loom_product *whole, struct loom_product *out)
{
	int64_t row0 = 0;

	for (int i = 0; i < w->n_packed; i++) {
		out[i] = *whole;
		out[i].w = &w->packed[i];
		out[i].bias = whole->bias ? whole->bias + row0 : NULL;
		out[i].y = whole->y + row0;
		row0 += w->packed[i].n_row;
	}
	return (size_t)w->n_packed;
}

bool loom_cpu_in_bytes(const struct loom_plan *p, const struct loom_cpu_weight *w)
{
	for (int i = 0; i < w->n_packed; i++) {
		if ((p->compute == LOOM_COMPUTE_INT8 && loom_int8_can(&w->packed[i])) ||
			(p->compute == LOOM_COMPUTE_LLM_INT8 && loom_llm8_can(&w->packed[i]))) {
			return true;
		}
	}
	return false;
}

size_t loom_cpu_bytes_stride(const struct loom_plan *p, int64_t n_col)
{
	return p->compute == LOOM_COMPUTE_LLM_INT8 ? loom_llm8_stride(n_col) : loom_int8_stride(n_col);
}

void loom_cpu_bytes(const struct loom_device_state *s, const float *x, size_t ldx, int64_t m, int64_t n_col, void *dst)
{
	if (s->plan->compute == LOOM_COMPUTE_LLM_INT8) {
		loom_llm8_rows(s->pool, s->isa, x, ldx, m, n_col, s->plan->outlier_threshold, dst);
	} else {
		loom_int8_rows(s->pool, s->isa, x, ldx, m, n_col, dst);
	}
}

static void linear(struct loom_device_state *s, const struct loom_op *op, int32_t n_row)
{
	const struct loom_cpu_weight *w = &s->model->weights[op->w];
	const struct loom_product whole = {.x = loom_cpu_at(s, &op->a, 0), .ldx = (size_t)s->plan->slot_width[op->a.slot], .rounded = s->rounded,
		.bias = vector(s, op->bias), .y = loom_cpu_at(s, &op->out, 0), .ldy = (size_t)s->plan->slot_width[op->out.slot], .m = n_row};
	struct loom_product products[LOOM_MAX_RUNS];
	size_t n = loom_cpu_products(w, &whole, products);
	bool bytes = loom_cpu_in_bytes(s->plan, w);

	if (w->packed[0].paired) {
		loom_matmul_round(s->pool, whole.x, whole.ldx, n_row, w->packed[0].n_col, s->rounded);
	}
	for (size_t i = 0; bytes && i < n; i++) {
		products[i].bytes = s->rounded;
		products[i].llm = s->plan->compute == LOOM_COMPUTE_LLM_INT8;
	}
	if (bytes) {
		loom_cpu_bytes(s, whole.x, whole.ldx, n_row, w->packed[0].n_col, s->rounded);
	}
	loom_matmul_many(s->pool, s->isa, products, n, s->matmul_scratch);
}

/* One op that computes. */
static void run_op(struct loom_device_state *s, const struct loom_op *op, int32_t n_row)
{
	switch (op->kind) {
	case LOOM_OP_LINEAR:
		linear(s, op, n_row);
		break;
	case LOOM_OP_CONV:
		loom_cpu_conv(s, op);
		break;
	case LOOM_OP_SCAN:
		loom_cpu_scan(s, op);
		break;
	case LOOM_OP_SCAN_HEADS:
		loom_cpu_scan_heads(s, op);
		break;
	case LOOM_OP_DELTA:
		loom_cpu_delta(s, op);
		break;
	case LOOM_OP_EXPERTS:
		loom_cpu_experts(s, op, n_row);
		break;
	case LOOM_OP_KV_STORE:
		loom_cpu_kv_store(s, op);
		break;
	case LOOM_OP_ATTEND:
		loom_cpu_attend(s, op);
		break;
	default:
		each_row(s, op, n_row);
		break;
	}
}

static void run_timed(struct loom_device_state *s, const struct loom_op *op, int32_t n_row)
{
	uint64_t t0 = loom_clock_ns(), *best = &s->profile->best_ns[op - s->plan->ops], ns;

	run_op(s, op, n_row);
	ns = loom_clock_ns() - t0;
	*best = *best == 0 || ns < *best ? ns : *best;
}

enum loom_status loom_cpu_exec(struct loom_device_state *s, const struct loom_batch *b, const struct loom_tap_copy *copies, size_t n_copy,
	const float **logits, struct loom_err *err)
{
	enum loom_status rc;
	bool timed = s->profile && s->profile->n_tok == b->n_tok;
	size_t c = 0;

	s->batch = b;
	rc = check(s, b, err);
	*logits = NULL;
	if (rc) {
		return rc;
	}
	loom_mem_forbid(true);
	rope_tables(s);
	for (int32_t i = 0; i < s->plan->n_op; i++) {
		const struct loom_op *op = &s->plan->ops[i];
		int32_t n_row = op->out_rows ? b->n_out : s->batch->n_tok;
		if (n_row == 0) {
			continue;
		}
		if (op->kind == LOOM_OP_TAP) {
			for (; c < n_copy && copies[c].op == i; c++) {
				struct loom_tap_copy now = copies[c];
				now.row0 = op->out_rows ? now.row0 : loom_cpu_row_now(s, now.row0);
				copy_out(s, op, &now);
			}
			if (op->site == LOOM_SITE_LOGITS) {
				*logits = loom_cpu_at(s, &op->a, 0);
			}
		} else {
			(timed ? run_timed : run_op)(s, op, n_row);
		}
		if (i == s->narrow_at) {
			loom_cpu_narrow(s, copies + c, n_copy - c);
		}
	}
	if (timed) {
		s->profile->n_step++;
	}
	loom_mem_forbid(false);
	return LOOM_OK;
}
