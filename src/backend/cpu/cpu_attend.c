/* cpu_attend.c: the ops that touch KV pages: storing, attending, probabilities. The numbers are attn_impl.h's; here is who
 * computes what. */
#include <string.h>

#include "cpu.h"

static struct loom_attn_kv head_of(const struct loom_device_state *s, const struct loom_op *op, const struct loom_batch_seq *q, int32_t head)
{
	size_t at = s->layer_at[op->layer] + (size_t)head * (size_t)(op->d_head + op->d_value) * LOOM_PAGE;
	size_t rel = (size_t)head * (size_t)op->d_head * (size_t)s->plan->distances.n;

	return (struct loom_attn_kv){.rel_key = op->rel_key < 0 ? NULL : s->model->weights[op->rel_key].vector + rel,
		.rel_query = op->rel_query < 0 ? NULL : s->model->weights[op->rel_query].vector + rel, .rel_stride = (size_t)s->plan->distances.n,
		.base = s->kv + at, .pages = q->pages, .page_stride = s->page_floats,
		.v_offset = (size_t)op->d_head * LOOM_PAGE, .d = op->d_head, .dv = op->d_value, .scale = op->scale, .softcap = op->softcap};
}

struct store_job {
	struct loom_device_state *s;
	const struct loom_op *op;
};

typedef float four __attribute__((vector_size(16)));

/* k[i * LOOM_PAGE + r] = key[r * ld + i] for 4 rows r and 4 columns i. */
static inline void turn_four(float *k, const float *key, size_t ld)
{
	four a, b, c, d;
	memcpy(&a, key, sizeof(a));
	memcpy(&b, key + ld, sizeof(b));
	memcpy(&c, key + 2 * ld, sizeof(c));
	memcpy(&d, key + 3 * ld, sizeof(d));
	four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
	four ef = __builtin_shufflevector(a, b, 2, 6, 3, 7), gh = __builtin_shufflevector(c, d, 2, 6, 3, 7);
	a = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
	b = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
	c = __builtin_shufflevector(ef, gh, 0, 1, 4, 5);
	d = __builtin_shufflevector(ef, gh, 2, 3, 6, 7);
	memcpy(k, &a, sizeof(a));
	memcpy(k + LOOM_PAGE, &b, sizeof(b));
	memcpy(k + (size_t)2 * LOOM_PAGE, &c, sizeof(c));
	memcpy(k + (size_t)3 * LOOM_PAGE, &d, sizeof(d));
}

/* Keys of n rows of d, ld floats apart, become n lanes of a page. */
static void turn_keys(float *k, const float *key, size_t ld, size_t n, size_t d)
{
	size_t r = 0;

	for (; r + 4 <= n; r += 4) {
		size_t i = 0;
		for (; i + 4 <= d; i += 4) {
			turn_four(k + i * LOOM_PAGE + r, key + r * ld + i, ld);
		}
		for (; i < d; i++) {
			for (size_t j = r; j < r + 4; j++) {
				k[i * LOOM_PAGE + j] = key[j * ld + i];
			}
		}
	}
	for (; r < n; r++) {
		for (size_t i = 0; i < d; i++) {
			k[i * LOOM_PAGE + r] = key[r * ld + i];
		}
	}
}

/* One sequence, one kv head; page by page. */
static void store_item(void *ctx, size_t item, int thread)
{
	const struct store_job *j = ctx;
	const struct loom_op *op = j->op;
	const struct loom_batch_seq *q = &j->s->batch->seqs[item / (size_t)op->n_head_kv];
	size_t head = item % (size_t)op->n_head_kv, d = (size_t)op->d_head, dv = (size_t)op->d_value;
	size_t ldk = (size_t)j->s->plan->slot_width[op->a.slot], ldv = (size_t)j->s->plan->slot_width[op->b.slot];

	(void)thread;
	for (int32_t r = 0, n; r < q->n_row; r += n) {
		int32_t pos = q->pos0 + r, lane = pos % LOOM_PAGE, row = q->row0 + r;
		float *k = j->s->kv + (size_t)q->pages[pos / LOOM_PAGE] * j->s->page_floats + j->s->layer_at[op->layer] + head * (d + dv) * LOOM_PAGE;
		n = q->n_row - r < LOOM_PAGE - lane ? q->n_row - r : LOOM_PAGE - lane;
		turn_keys(k + lane, loom_cpu_at(j->s, &op->a, row) + head * d, ldk, (size_t)n, d);
		for (int32_t i = 0; i < n; i++) {
			memcpy(k + d * LOOM_PAGE + (size_t)(lane + i) * dv, loom_cpu_at(j->s, &op->b, row) + (size_t)i * ldv + head * dv, dv * sizeof(float));
		}
	}
}

void loom_cpu_kv_store(struct loom_device_state *s, const struct loom_op *op)
{
	struct store_job j = {s, op};
	size_t n = (size_t)s->batch->n_seq * (size_t)op->n_head_kv;

	loom_pool_run(s->batch->n_tok > 16 ? s->pool : NULL, n, store_item, &j);
}

/* The keys that a position sees. */
static void sees(const struct loom_device_state *s, const struct loom_op *op, const struct loom_batch_seq *q, int32_t pos, int32_t *lo,
	int32_t *hi)
{
	*hi = op->causal ? pos + 1 : loom_cpu_keys(s, q);
	*lo = 0;
	if (op->window == 0) {
		return;
	}
	*lo = op->chunked ? pos - pos % op->window : pos - op->window + 1 > 0 ? pos - op->window + 1 : 0;
	if (!op->causal && (int64_t)pos + op->window < *hi) {
		*hi = pos + op->window;
	}
}

/* The row of query head `head` at position pos, but for its pointers. */
static struct loom_attn_row row_at(const struct loom_device_state *s, const struct loom_op *op, const struct loom_batch_seq *q,
	int32_t head, int32_t pos)
{
	struct loom_attn_row row = {.q = NULL};

	sees(s, op, q, pos, &row.lo, &row.hi);
	if (op->score_bias != LOOM_SCORE_PLAIN) {
		loom_cpu_bias_row(s, op, head, pos, &row);
	}
	if (s->plan->distances.n > 0) {
		row.at = s->plan->distances.zero - pos;
		row.last = s->plan->distances.n - LOOM_FAR;
	}
	if (op->rel_bias >= 0) {
		row.bias = s->model->weights[op->rel_bias].vector + (size_t)head * (size_t)s->plan->distances.n;
	}
	if (op->sinks >= 0) {
		row.sink = &s->model->weights[op->sinks].vector[head];
	}
	return row;
}

/* Some rows of a sequence for one kv head: the query heads that share it, at consecutive positions. */
static void attend_item(void *ctx, size_t item, int thread)
{
	const struct store_job *j = ctx;
	struct loom_device_state *s = j->s;
	const struct loom_op *op = j->op;
	int32_t group = op->n_head / op->n_head_kv, tiles = s->tile0[s->batch->n_seq];
	int32_t kv_head = (int32_t)(item / (size_t)tiles), tile = (int32_t)(item % (size_t)tiles);
	int32_t lo = 0, hi = s->batch->n_seq;
	struct loom_attn_row rows[LOOM_ATTN_ROWS];
	int n = 0;

	(void)thread;
	while (hi - lo > 1) { /* the sequence that has this tile */
		int32_t mid = lo + (hi - lo) / 2;
		if (s->tile0[mid] <= tile) {
			lo = mid;
		} else {
			hi = mid;
		}
	}
	const struct loom_batch_seq *q = &s->batch->seqs[lo];
	struct loom_attn_kv kv = head_of(s, op, q, kv_head);
	int32_t first = (tile - s->tile0[lo]) * LOOM_ATTN_ROWS, end = q->n_row * group;
	for (int32_t i = first; i < end && n < LOOM_ATTN_ROWS; i++, n++) {
		int32_t row = q->row0 + i / group, head = kv_head * group + i % group;
		rows[n] = row_at(s, op, q, head, q->pos0 + i / group);
		rows[n].q = loom_cpu_at(s, &op->a, row) + (size_t)head * (size_t)op->d_head;
		rows[n].out = loom_cpu_at(s, &op->out, row) + (size_t)head * (size_t)op->d_value;
	}
	s->attn->attend(&kv, rows, n);
}

void loom_cpu_attend(struct loom_device_state *s, const struct loom_op *op)
{
	struct store_job j = {s, op};
	int32_t group = op->n_head / op->n_head_kv, tiles = 0;

	for (int32_t i = 0; i < s->batch->n_seq; i++) {
		s->tile0[i] = tiles;
		tiles += (s->batch->seqs[i].n_row * group + LOOM_ATTN_ROWS - 1) / LOOM_ATTN_ROWS;
	}
	s->tile0[s->batch->n_seq] = tiles;
	loom_pool_run(s->pool, (size_t)tiles * (size_t)op->n_head_kv, attend_item, &j);
}

void loom_cpu_attn_probs(struct loom_device_state *s, const struct loom_op *op, const struct loom_tap_copy *c)
{
	const struct loom_batch_seq *q = s->batch->seqs;
	int32_t group = op->n_head / op->n_head_kv;

	while (c->row0 >= q->row0 + q->n_row) {
		q++;
	}
	for (int32_t r = 0; r < c->n_row; r++) {
		for (int32_t h = 0; h < op->n_head; h++) {
			struct loom_attn_kv kv = head_of(s, op, q, h / group);
			struct loom_attn_row row = row_at(s, op, q, h, q->pos0 + c->row0 + r - q->row0);
			row.q = loom_cpu_at(s, &op->a, c->row0 + r) + (size_t)h * (size_t)op->d_head;
			s->attn->probs(&kv, &row, c->n_key, c->dst + (size_t)r * c->stride + (size_t)h * (size_t)c->n_key);
		}
	}
}
