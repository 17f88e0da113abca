/* cpu_backend.c: the CPU backend's table of functions, and the memory of a state. */
#include <string.h>

#include "cpu.h"
#include "mem.h"

static uint64_t model_bytes(const struct loom_plan *plan)
{
	uint64_t sum = 0;

	for (int32_t i = 0; i < plan->n_weight; i++) {
		size_t n = loom_cpu_weight_bytes(plan, &plan->weights[i]);
		if (n == 0 || __builtin_add_overflow(sum, (uint64_t)n, &sum)) {
			return UINT64_MAX;
		}
	}
	return sum;
}

/* Where each array lies in the state's one mapping; all offsets are multiples of 64 bytes. */
struct layout {
	size_t slots[LOOM_MAX_SLOT], matmul, rounded, cos, sin, freq, tile0, layer_at, bias, kept_seqs, kept_rows, kept_out, total;
	size_t moe_x, moe_h, moe_bytes, moe_row, moe_pair, moe_first, moe_products, mix_work, mix_floats, zeros, states;
	size_t kv, page_floats;
	int32_t rope_width, bias_stride;
	bool overflow;
};

static size_t take(struct layout *l, size_t a, size_t b, size_t size)
{
	size_t n = 0, at = l->total;

	if (!loom_mul(a, b, &n) || !loom_mul(n, size, &n) || !loom_add(n, 63, &n) || !loom_add(l->total, n / 64 * 64, &l->total)) {
		l->overflow = true;
	}
	return at;
}

/* Floats of one page: each layer that stores keys and values has its own part, as large as its heads are. Where rows see what follows
 * them, a sequence is one step, and nobody reads a layer's keys after the next one began: all layers use the same part, which stays in
 * the caches. layer_at may be NULL. */
static size_t page_layout(const struct loom_plan *p, size_t *layer_at, bool *overflow)
{
	size_t sum = 0, n;

	for (int32_t i = 0; i < p->n_op; i++) {
		const struct loom_op *op = &p->ops[i];
		if (op->kind != LOOM_OP_KV_STORE) {
			continue;
		}
		if (layer_at) {
			layer_at[op->layer] = p->causal ? sum : 0;
		}
		if (!loom_mul((size_t)op->d_head + (size_t)op->d_value, (size_t)op->n_head_kv * LOOM_PAGE, &n) || (p->causal && !loom_add(sum, n, &sum))) {
			*overflow = true;
		}
		if (!p->causal && n > sum) {
			sum = n;
		}
	}
	return sum;
}

static bool in_bytes(const struct loom_plan *p)
{
	return p->compute == LOOM_COMPUTE_INT8 || p->compute == LOOM_COMPUTE_LLM_INT8;
}

/* Room for the largest EXPERTS op. */
static void lay_out_moe(struct layout *l, const struct loom_plan *p, size_t tok)
{
	size_t used = 0, embd = 0, ffn = 0, expert = 0, bytes = 0;

	for (int32_t i = 0; i < p->n_op; i++) {
		const struct loom_op *op = &p->ops[i];
		if (op->kind == LOOM_OP_EXPERTS) {
			used = (size_t)op->n_used > used ? (size_t)op->n_used : used;
			embd = (size_t)op->a.width > embd ? (size_t)op->a.width : embd;
			ffn = (size_t)op->n_ffn > ffn ? (size_t)op->n_ffn : ffn;
			expert = (size_t)op->n_expert > expert ? (size_t)op->n_expert : expert;
			bytes = in_bytes(p) ? loom_cpu_bytes_stride(p, embd > ffn ? (int64_t)embd : (int64_t)ffn) : 0;
		}
	}
	l->moe_x = take(l, tok * used, embd, sizeof(float));
	l->moe_h = take(l, tok * used, 2 * ffn, sizeof(float));
	l->moe_bytes = take(l, tok * used, bytes, 1);
	l->moe_row = take(l, tok, used, sizeof(int32_t));
	l->moe_pair = take(l, tok, used, sizeof(int32_t));
	l->moe_first = take(l, expert + 1, 1, sizeof(int32_t));
	l->moe_products = take(l, expert, LOOM_MAX_RUNS, sizeof(struct loom_product));
}

/* Elements of the longest row that is rounded for a product; 0 in exact mode. */
static size_t widest_rounded(const struct loom_plan *p)
{
	size_t widest = 0;

	for (int32_t i = 0; i < p->n_weight; i++) {
		size_t n = loom_round_stride(p->weights[i].n_col);
		if (in_bytes(p) && p->weights[i].packed) {
			n = (loom_cpu_bytes_stride(p, p->weights[i].n_col) + 1) / 2;
			widest = n > widest ? n : widest;
		}
		if (loom_cpu_paired(p, &p->weights[i]) && n > widest) {
			widest = n;
		}
	}
	return widest;
}

/* States, and what the ops that keep them need on the way. */
static void lay_out_mix(struct layout *l, const struct loom_plan *p, const struct loom_state_opts *o, size_t threads)
{
	size_t width = 0, n = 0;

	for (int32_t i = 0; i < p->n_op; i++) {
		const struct loom_op *op = &p->ops[i];
		size_t need = op->kind == LOOM_OP_DELTA ? 2 * (size_t)op->d_head + (size_t)op->d_value : 0;
		l->mix_floats = need > l->mix_floats ? need : l->mix_floats;
		width = op->kind == LOOM_OP_CONV && (size_t)op->a.width > width ? (size_t)op->a.width : width;
	}
	l->mix_floats = (l->mix_floats + 15) / 16 * 16;
	l->mix_work = take(l, threads, l->mix_floats, sizeof(float));
	l->zeros = take(l, width, 1, sizeof(float));
	if (!loom_mul((size_t)p->state_floats, (size_t)o->n_state, &n) || !loom_mul(n, sizeof(float), &l->states)) {
		l->overflow = true;
	}
}

static struct layout lay_out(const struct loom_plan *p, const struct loom_state_opts *o)
{
	struct layout l = {.total = 0};
	size_t threads = o->n_thread > 0 ? (size_t)o->n_thread : 1, tok = (size_t)o->max_tok, n = 0;

	for (int32_t i = 0; i < p->n_rope; i++) {
		l.rope_width = p->ropes[i].n_freq > l.rope_width ? p->ropes[i].n_freq : l.rope_width;
	}
	for (int32_t i = 0; i < p->n_slot; i++) {
		l.slots[i] = take(&l, p->slot_out_rows[i] ? (size_t)o->max_out : tok, (size_t)p->slot_width[i], sizeof(float));
	}
	l.matmul = take(&l, threads, loom_matmul_scratch(), sizeof(float));
	l.rounded = take(&l, tok > (size_t)o->max_out ? tok : (size_t)o->max_out, widest_rounded(p), sizeof(uint16_t));
	l.cos = take(&l, (size_t)p->n_rope * tok, (size_t)l.rope_width, sizeof(float));
	l.sin = take(&l, (size_t)p->n_rope * tok, (size_t)l.rope_width, sizeof(float));
	l.freq = take(&l, 1, (size_t)l.rope_width, sizeof(float));
	l.tile0 = take(&l, tok + 1, 1, sizeof(int32_t));
	l.kept_seqs = take(&l, tok, 1, sizeof(struct loom_batch_seq));
	l.kept_rows = take(&l, tok, 3, sizeof(int32_t));
	l.kept_out = take(&l, (size_t)o->max_out, 1, sizeof(int32_t));
	lay_out_moe(&l, p, tok);
	lay_out_mix(&l, p, o, threads);
	l.layer_at = take(&l, (size_t)p->n_layer, 1, sizeof(size_t));
	l.bias_stride = loom_cpu_bias_stride(p, o->n_page < p->n_ctx / LOOM_PAGE ? o->n_page * LOOM_PAGE : p->n_ctx);
	l.bias = take(&l, (size_t)p->n_head, (size_t)l.bias_stride, sizeof(float));
	l.page_floats = page_layout(p, NULL, &l.overflow);
	if (!loom_mul((size_t)o->n_page, l.page_floats, &n) || !loom_mul(n, sizeof(float), &l.kv)) {
		l.overflow = true;
	}
	return l;
}

static uint64_t state_bytes(const struct loom_plan *plan, const struct loom_state_opts *o)
{
	struct layout l = lay_out(plan, o);
	uint64_t sum;

	return l.overflow || __builtin_add_overflow((uint64_t)l.total, (uint64_t)l.kv, &sum) ||
		__builtin_add_overflow(sum, (uint64_t)l.states, &sum) ? UINT64_MAX : sum;
}

static void state_free(struct loom_device_state *s)
{
	if (!s) {
		return;
	}
	loom_pool_free(s->pool);
	if (s->memory) {
		loom_pages_free(s->memory, s->memory_bytes);
	}
	if (s->kv) {
		loom_pages_free(s->kv, s->kv_bytes);
	}
	if (s->states) {
		loom_pages_free(s->states, s->states_bytes);
	}
	loom_free(s);
}

static enum loom_status state_new(struct loom_device_model *m, const struct loom_state_opts *o, struct loom_device_state **out,
	struct loom_err *err)
{
	const struct loom_plan *p = m->plan;
	struct layout l = lay_out(p, o);
	struct loom_device_state *s = l.overflow ? NULL : loom_calloc(1, sizeof(*s));

	*out = NULL;
	if (!s) {
		return loom_err_nomem(err, "workspace", sizeof(*s));
	}
	s->memory_bytes = l.total;
	s->kv_bytes = l.kv ? l.kv : 1;
	s->memory = loom_pages_alloc(l.total);
	s->kv = loom_pages_alloc(l.kv ? l.kv : 1);
	s->states_bytes = l.states;
	s->states = l.states ? loom_pages_alloc(l.states) : NULL;
	s->pool = loom_pool_new(o->n_thread > 0 ? o->n_thread : 1);
	if (!s->memory || !s->kv || !s->pool || (l.states && !s->states)) {
		state_free(s);
		return loom_err_nomem(err, "workspace and KV pages", (unsigned long long)l.total + l.kv + l.states);
	}
	s->model = m;
	s->plan = p;
	s->opts = *o;
	s->isa = loom_isa_chosen();
	s->rows = loom_rows_for(s->isa);
	s->attn = loom_attn_for(s->isa);
	s->mix = loom_mix_for(s->isa);
	char *base = s->memory;
	for (int32_t i = 0; i < p->n_slot; i++) {
		s->slots[i] = (float *)(void *)(base + l.slots[i]);
	}
	s->matmul_scratch = (float *)(void *)(base + l.matmul);
	s->rounded = (uint16_t *)(void *)(base + l.rounded);
	s->cos = (float *)(void *)(base + l.cos);
	s->sin = (float *)(void *)(base + l.sin);
	s->freq = (float *)(void *)(base + l.freq);
	s->tile0 = (int32_t *)(void *)(base + l.tile0);
	s->kept_seqs = (struct loom_batch_seq *)(void *)(base + l.kept_seqs);
	s->kept_lo = (int32_t *)(void *)(base + l.kept_rows);
	s->kept_hi = s->kept_lo + o->max_tok;
	s->kept_keys = s->kept_hi + o->max_tok;
	s->kept_out = (int32_t *)(void *)(base + l.kept_out);
	s->narrow_at = loom_cpu_narrow_at(p, s->live);
	s->rope_width = l.rope_width;
	s->moe = (struct loom_cpu_moe){.x = (float *)(void *)(base + l.moe_x), .h = (float *)(void *)(base + l.moe_h),
		.bytes = (char *)base + l.moe_bytes, .row = (int32_t *)(void *)(base + l.moe_row), .pair = (int32_t *)(void *)(base + l.moe_pair),
		.first = (int32_t *)(void *)(base + l.moe_first), .products = (struct loom_product *)(void *)(base + l.moe_products)};
	s->mix_work = (float *)(void *)(base + l.mix_work);
	s->mix_floats = l.mix_floats;
	s->zeros = (float *)(void *)(base + l.zeros);
	s->layer_at = (size_t *)(void *)(base + l.layer_at);
	s->page_floats = page_layout(p, s->layer_at, &l.overflow);
	s->bias_stride = l.bias_stride;
	s->score_bias = l.bias_stride ? (float *)(void *)(base + l.bias) : NULL;
	loom_cpu_bias_fill(s);
	*out = s;
	return LOOM_OK;
}

static void page_copy(struct loom_device_state *s, int32_t src, int32_t dst)
{
	memcpy(s->kv + (size_t)dst * s->page_floats, s->kv + (size_t)src * s->page_floats, s->page_floats * sizeof(float));
}

static void profile(struct loom_device_state *s, struct loom_profile *p)
{
	s->profile = p;
}

const struct loom_backend loom_backend_cpu = {
	.name = "cpu",
	.model_bytes = model_bytes,
	.state_bytes = state_bytes,
	.model_new = loom_cpu_model_new,
	.model_free = loom_cpu_model_free,
	.state_new = state_new,
	.state_free = state_free,
	.exec = loom_cpu_exec,
	.page_copy = page_copy,
	.profile = profile,
};
