/* plan_same.c: are two plans one computation? What is compared is all that ops say, and rotary and routing tables; not where weights are stored. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gguf_say.h"
#include "str.h"

static bool same_view(const struct loom_view *a, const struct loom_view *b)
{
	return a->slot == b->slot && a->col == b->col && a->width == b->width;
}

/* Both there, or neither. */
static bool both(int32_t a, int32_t b)
{
	return (a >= 0) == (b >= 0);
}

static enum loom_glu_kind order_free(enum loom_glu_kind g) /* the same of rows in another order */
{
	return g == LOOM_GLU_CLAMPED ? LOOM_GLU_CLAMPED_HALVES : g;
}

/* Numbers of the configuration that only some kinds of op have; those that lack them have 0. */
static bool same_numbers(const struct loom_op *a, const struct loom_op *b)
{
	/* a table of positions may be stored without the rows before the first text's */
	bool counted = a->index == LOOM_INDEX_COUNTED && b->index == LOOM_INDEX_POSITION && b->index_add == 0;

	return a->scale == b->scale && a->eps == b->eps && a->norm == b->norm && a->act == b->act && (counted || a->index == b->index) &&
		(counted || a->index_add == b->index_add) && a->every == b->every && a->n_group == b->n_group && a->n_head == b->n_head &&
		a->n_head_kv == b->n_head_kv && a->d_head == b->d_head && a->d_value == b->d_value && a->softcap == b->softcap &&
		a->window == b->window && a->chunked == b->chunked && a->causal == b->causal && a->score_bias == b->score_bias &&
		a->n_tap == b->n_tap && a->d_state == b->d_state && a->state_at == b->state_at && a->rope == b->rope && a->router == b->router &&
		a->n_expert == b->n_expert && a->n_used == b->n_used && a->n_ffn == b->n_ffn && order_free(a->glu) == order_free(b->glu) &&
		a->limit == b->limit && a->alpha == b->alpha;
}

static bool same_op(const struct loom_op *a, const struct loom_op *b)
{
	return a->kind == b->kind && a->layer == b->layer && a->out_rows == b->out_rows && a->accumulate == b->accumulate && a->site == b->site &&
		same_view(&a->a, &b->a) && same_view(&a->b, &b->b) && same_view(&a->c, &b->c) && same_view(&a->out, &b->out) && both(a->w, b->w) &&
		both(a->bias, b->bias) && both(a->sinks, b->sinks) && both(a->rel_bias, b->rel_bias) && both(a->rel_key, b->rel_key) &&
		both(a->rel_query, b->rel_query) && both(a->w2, b->w2) && both(a->bias2, b->bias2) && same_numbers(a, b);
}

static bool same_router(const struct loom_router *a, const struct loom_router *b)
{
	return a->kind == b->kind && a->n_expert == b->n_expert && a->n_used == b->n_used && a->n_group == b->n_group &&
		a->n_group_used == b->n_group_used && a->n_group_best == b->n_group_best && a->normalize == b->normalize && a->norm_add == b->norm_add &&
		a->norm_min == b->norm_min && a->scale == b->scale && a->jitter == b->jitter;
}

/* Frequencies may be quotients of others: they may differ by their last bits. */
static bool near(const float *a, const float *b, int32_t n)
{
	for (int32_t i = 0; i < n; i++) {
		if (fabsf(a[i] - b[i]) > 1e-6f * fabsf(a[i])) {
			return false;
		}
	}
	return true;
}

static bool same_rope(const struct loom_rope *a, const struct loom_rope *b)
{
	bool by_length = a->type == LOOM_ROPE_DYNAMIC || a->type == LOOM_ROPE_LONGROPE;

	if (a->dim != b->dim || a->interleaved != b->interleaved || !near(&a->attn_factor, &b->attn_factor, 1) ||
		!near(a->inv_freq, b->inv_freq, a->n_freq)) {
		return false;
	}
	if (!by_length && b->type != LOOM_ROPE_DYNAMIC && b->type != LOOM_ROPE_LONGROPE) {
		return true;
	}
	return a->type == b->type && a->original_max == b->original_max && a->max_position == b->max_position && near(a->short_freq, b->short_freq, a->n_freq) &&
		near(a->long_freq, b->long_freq, a->n_freq) && near(&a->short_factor_scale, &b->short_factor_scale, 1) &&
		near(&a->long_factor_scale, &b->long_factor_scale, 1) && near(&(float){(float)a->factor}, &(float){(float)b->factor}, 1);
}

static bool say(char *why, size_t cap, const char *what)
{
	(void)loom_str_copy(why, cap, what);
	return false;
}

/* Ops before those of the head. */
static int32_t body(const struct loom_plan *p)
{
	int32_t n = 0;

	while (n < p->n_op && !p->ops[n].out_rows) {
		n++;
	}
	return n;
}

bool loom_plan_same(const struct loom_plan *a, const struct loom_plan *b, char *why, size_t cap)
{
	bool heads = a->n_logit > 0 && b->n_logit > 0;
	int32_t n = heads ? a->n_op : body(a), m = heads ? b->n_op : body(b);

	if (a->n_rope != b->n_rope || a->n_router != b->n_router || n != m || a->n_ctx != b->n_ctx || a->n_vocab != b->n_vocab ||
		a->causal != b->causal || (a->skip_id != b->skip_id && b->skip_id >= 0)) {
		return say(why, cap, a->n_ctx != b->n_ctx ? "how many positions a text may have" : "its size");
	}
	for (int32_t i = 0; i < n; i++) {
		if (!same_op(&a->ops[i], &b->ops[i])) {
			(void)snprintf(why, cap, "%s of layer %d", loom_op_name(a->ops[i].kind), a->ops[i].layer);
			return false;
		}
	}
	for (int32_t i = 0; i < a->n_rope; i++) {
		if (!same_rope(&a->ropes[i], &b->ropes[i])) {
			return say(why, cap, "its rotary embedding");
		}
	}
	for (int32_t i = 0; i < a->n_router; i++) {
		if (!same_router(&a->routers[i], &b->routers[i])) {
			return say(why, cap, "how it chooses experts");
		}
	}
	if (!a->alibi != !b->alibi || (a->alibi && !near(a->alibi, b->alibi, a->n_head))) {
		return say(why, cap, "its ALiBi slopes");
	}
	if (a->distances.n != b->distances.n || (a->distances.n && memcmp(a->distances.row, b->distances.row, (size_t)a->distances.n * sizeof(int32_t)) != 0)) {
		return say(why, cap, "its buckets of distances");
	}
	return true;
}
