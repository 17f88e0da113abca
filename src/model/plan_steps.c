/* plan_steps.c: one step of a block program → ops. A step whose feature the layer lacks gives none. */
#include <string.h>

#include "plan_internal.h"

static int32_t q_width(const struct loom_config *c)
{
	return c->n_head * c->d_head;
}

static int32_t kv_width(const struct loom_config *c)
{
	return c->n_head_kv * c->d_head;
}

struct loom_view loom_plan_queries(struct loom_builder *b)
{
	return loom_plan_columns(b, LOOM_SLOT_QKV, 0, q_width(b->cfg));
}

struct loom_view loom_plan_keys(struct loom_builder *b)
{
	return loom_plan_columns(b, LOOM_SLOT_QKV, q_width(b->cfg), kv_width(b->cfg));
}

struct loom_view loom_plan_values(struct loom_builder *b)
{
	return loom_plan_columns(b, LOOM_SLOT_QKV, q_width(b->cfg) + kv_width(b->cfg), b->cfg->n_head_kv * b->cfg->d_value);
}

/* Queries and values have biases of their own, keys none (DeBERTa). parts: of the three. */
static void qkv_biased(struct loom_builder *b, const struct loom_bind_part *parts, struct loom_view in)
{
	const struct loom_view out[] = {loom_plan_queries(b), loom_plan_keys(b), loom_plan_values(b)};
	static const char *const names[] = {"attn.q", "attn.k", "attn.v"};

	for (int i = 0; i < 3; i++) {
		loom_plan_add_linear(b, names[i], parts + i, 1, false, in, out[i]);
		if (i != 1) {
			b->p->ops[b->p->n_op - 1].bias = loom_plan_vector(b, i == 0 ? LOOM_ROLE_Q_BIAS : LOOM_ROLE_V_BIAS, "", out[i].width, 0);
		}
	}
}

static void qkv(struct loom_builder *b, struct loom_view in)
{
	const struct loom_config *c = b->cfg;
	int32_t d = c->d_head, q = q_width(c), kv = kv_width(c), all = q + 2 * kv;
	bool permuted = c->family->gguf_permuted;
	enum loom_qkv_layout layout = c->qkv;
	int32_t g = c->n_head / c->n_head_kv * d, stride = g + 2 * d, local = q / c->qkv_blocks;
	struct loom_bind_part split[] = {{.role = LOOM_ROLE_Q, .n_row = q, .unpermute = permuted ? c->n_head : 0},
		{.role = LOOM_ROLE_K, .n_row = kv, .unpermute = permuted ? c->n_head_kv : 0}, {.role = LOOM_ROLE_V, .n_row = kv}};
	const struct loom_bind_part stacked[] = {{.role = LOOM_ROLE_QKV, .n_row = all}};
	const struct loom_bind_part grouped[] = {
		{.role = LOOM_ROLE_QKV, .n_row = q, .n_stored = all, .row0 = 0, .group = g, .stride = stride},
		{.role = LOOM_ROLE_QKV, .n_row = kv, .n_stored = all, .row0 = g, .group = d, .stride = stride},
		{.role = LOOM_ROLE_QKV, .n_row = kv, .n_stored = all, .row0 = g + d, .group = d, .stride = stride}};
	const struct loom_bind_part blocked[] = {
		{.role = LOOM_ROLE_QKV, .n_row = q, .n_stored = all, .row0 = 0, .group = local, .stride = 3 * local},
		{.role = LOOM_ROLE_QKV, .n_row = kv, .n_stored = all, .row0 = 2 * local, .group = local, .stride = 3 * local},
		{.role = LOOM_ROLE_QKV, .n_row = kv, .n_stored = all, .row0 = local, .group = local, .stride = 3 * local}};
	const struct loom_bind_part *const layouts[] = {[LOOM_QKV_SPLIT] = split, [LOOM_QKV_STACKED] = stacked, [LOOM_QKV_GROUPED] = grouped,
		[LOOM_QKV_BLOCKED_QVK] = blocked};

	if (c->attn_gate && !c->family->roles[LOOM_ROLE_ATTN_GATE].hf) { /* each head's query is followed by its gate */
		split[0].n_stored = 2 * q;
		split[0].group = d;
		split[0].stride = 2 * d;
	}
	if (c->family->roles[LOOM_ROLE_Q_BIAS].hf) {
		qkv_biased(b, layouts[layout], in);
		return;
	}
	/* A family that names both takes what is stored. */
	if (layout == LOOM_QKV_SPLIT && loom_bind_stored(&b->bind, LOOM_ROLE_QKV, ".weight")) {
		layout = LOOM_QKV_STACKED;
	}
	loom_plan_add_linear(b, "attn.qkv", layouts[layout], layout == LOOM_QKV_STACKED ? 1 : 3, c->attn_bias, in,
		loom_plan_view(b, LOOM_SLOT_QKV));
}

/* One norm weight for the whole width, for a head, or for each head. */
static int32_t head_norm_vector(struct loom_builder *b, enum loom_role role, int32_t n_head, const char *suffix, double plus)
{
	const struct loom_config *c = b->cfg;
	const struct loom_bind what = {loom_role_name(role), b->layer, LOOM_WEIGHT_VECTOR, suffix, 1, (float)plus};
	struct loom_bind_part *parts;

	if (c->qk_norm != LOOM_QK_HEAD_TENSORS) {
		return loom_plan_vector_rows(b, role, suffix, c->qk_norm == LOOM_QK_HEAD ? c->d_head : n_head * c->d_head, plus,
			c->qk_norm == LOOM_QK_EACH_HEAD ? c->d_head : 0);
	}
	parts = loom_arena_alloc(b->bind.arena, (size_t)n_head, sizeof(*parts));
	if (!parts) {
		b->bind.no_memory = true;
		return -1;
	}
	for (int32_t h = 0; h < n_head; h++) {
		parts[h] = (struct loom_bind_part){.role = role, .n_row = c->d_head, .head = h};
	}
	return loom_bind(&b->bind, &what, parts, n_head);
}

static void qk_norm(struct loom_builder *b, enum loom_role role, struct loom_view at, int32_t n_head)
{
	const struct loom_config *c = b->cfg;
	struct loom_op *op = loom_plan_add(b, LOOM_OP_NORM);

	op->a = op->out = at;
	op->n_group = c->qk_norm == LOOM_QK_WHOLE ? 1 : n_head;
	op->norm = c->norm;
	op->eps = (float)c->norm_eps;
	if (c->norm_weight) {
		op->w = head_norm_vector(b, role, n_head, ".weight", b->bind.gguf ? 0 : c->norm_add);
	}
	if (c->qk_norm_bias) {
		op->bias = head_norm_vector(b, role, n_head, ".bias", 0);
	}
}

/* sinks: the weight, bound once a layer; -1 none. */
static void attention_fields(struct loom_builder *b, struct loom_op *op, int32_t sinks)
{
	const struct loom_config *c = b->cfg;

	op->sinks = sinks;
	op->rel_bias = b->rel_bias;
	op->rel_key = b->rel_key;
	op->rel_query = b->rel_query;
	op->a = loom_plan_queries(b);
	op->n_head = c->n_head;
	op->n_head_kv = c->n_head_kv;
	op->d_head = c->d_head;
	op->d_value = c->d_value;
	op->causal = c->causal;
	op->softcap = (float)c->attn_softcap;
	op->score_bias = c->pos == LOOM_POS_ALIBI ? LOOM_SCORE_ALIBI : c->pos == LOOM_POS_ALIBI_BF16 ? LOOM_SCORE_ALIBI_BF16 : LOOM_SCORE_PLAIN;
	op->scale = (float)c->attn_scale;
	if (c->attn_scale_by_layer) {
		op->scale /= (float)(b->layer + 1);
	}
	op->window = c->layers[b->layer].window;
}

/* The activation's own numbers: a tensor each. */
static int32_t xielu_numbers(struct loom_builder *b)
{
	const struct loom_bind what = {"mlp.act", b->layer, LOOM_WEIGHT_VECTOR, "", 1, 0};
	const struct loom_bind_part parts[] = {{.role = LOOM_ROLE_ALPHA_P, .n_row = 1}, {.role = LOOM_ROLE_ALPHA_N, .n_row = 1},
		{.role = LOOM_ROLE_ACT_BETA, .n_row = 1}, {.role = LOOM_ROLE_ACT_EPS, .n_row = 1}};

	return loom_bind(&b->bind, &what, parts, 4);
}

static void feed_forward(struct loom_builder *b, struct loom_view in)
{
	const struct loom_config *c = b->cfg;
	const struct loom_bind_part split[] = {{.role = LOOM_ROLE_GATE, .n_row = c->n_ffn}, {.role = LOOM_ROLE_UP, .n_row = c->n_ffn}};
	const struct loom_bind_part fused[] = {{.role = LOOM_ROLE_GATE_UP, .n_row = 2 * c->n_ffn}};
	const struct loom_bind_part turned[] = {
		{.role = LOOM_ROLE_GATE_UP, .n_row = c->n_ffn, .n_stored = 2 * c->n_ffn, .row0 = c->n_ffn, .group = c->n_ffn, .stride = 2 * c->n_ffn},
		{.role = LOOM_ROLE_GATE_UP, .n_row = c->n_ffn, .n_stored = 2 * c->n_ffn, .group = c->n_ffn, .stride = 2 * c->n_ffn}};
	bool stored = c->gated_ffn && (c->fused_gate || loom_bind_stored(&b->bind, LOOM_ROLE_GATE_UP, ".weight"));
	const struct loom_bind_part *parts = !c->gated_ffn ? split + 1 : !stored ? split : c->up_first ? turned : fused;
	bool one = !c->gated_ffn || (stored && !c->up_first);
	struct loom_op *op;

	loom_plan_add_linear(b, c->gated_ffn ? "mlp.gate_up" : "mlp.up", parts, one ? 1 : 2,
		c->mlp_bias, in, loom_plan_columns(b, LOOM_SLOT_FFN, 0, c->gated_ffn ? 2 * c->n_ffn : c->n_ffn));
	loom_plan_scale(b, loom_plan_columns(b, LOOM_SLOT_FFN, 0, c->n_ffn), c->gate_scale);
	op = loom_plan_add(b, c->gated_ffn ? LOOM_OP_GATE : LOOM_OP_ACT);
	op->act = c->act;
	op->a = loom_plan_columns(b, LOOM_SLOT_FFN, 0, c->n_ffn);
	if (c->act == LOOM_ACT_XIELU) {
		op->w = xielu_numbers(b);
	}
	if (c->gated_ffn) {
		op->b = loom_plan_columns(b, LOOM_SLOT_FFN, c->n_ffn, c->n_ffn);
	}
	op->out = loom_plan_columns(b, LOOM_SLOT_ACT, 0, c->n_ffn);
}

/* Where a site's value usually is when its tap is reached. */
static struct loom_view site_view(struct loom_builder *b, enum loom_site site)
{
	switch (site) {
	case LOOM_SITE_ATTN_NORM:
	case LOOM_SITE_MLP_NORM:
		return loom_plan_view(b, LOOM_SLOT_X);
	case LOOM_SITE_Q:
	case LOOM_SITE_ATTN_PROBS:
		return loom_plan_queries(b);
	case LOOM_SITE_K:
		return loom_plan_keys(b);
	case LOOM_SITE_V:
		return loom_plan_values(b);
	case LOOM_SITE_ATTN_HEADS:
		return loom_plan_view(b, LOOM_SLOT_HEADS);
	case LOOM_SITE_ROUTER:
		return loom_plan_view(b, LOOM_SLOT_ROUTER);
	case LOOM_SITE_ATTN_OUT:
	case LOOM_SITE_MLP_OUT:
		return loom_plan_view(b, LOOM_SLOT_SUB);
	case LOOM_SITE_MLP_ACT:
		return loom_plan_columns(b, LOOM_SLOT_ACT, 0, b->cfg->n_ffn);
	default:
		return loom_plan_view(b, LOOM_SLOT_RESID);
	}
}

static void tap(struct loom_builder *b, const struct loom_step *s)
{
	loom_plan_add_tap(b, s->site, b->layer, s->a == LOOM_SLOT_NONE ? site_view(b, s->site) : loom_plan_view(b, s->a));
	if (s->site == LOOM_SITE_ATTN_PROBS) {
		/* behind ATTEND, which has the layer's sinks */
		attention_fields(b, &b->p->ops[b->p->n_op - 1], b->sinks);
	}
}

static void attend(struct loom_builder *b, enum loom_step_kind kind)
{
	const struct loom_config *c = b->cfg;
	struct loom_op *op = loom_plan_add(b, kind == LOOM_STEP_ATTEND ? LOOM_OP_ATTEND : LOOM_OP_KV_STORE);

	if (kind == LOOM_STEP_ATTEND) {
		loom_plan_relative(b);
		b->sinks = c->sinks ? loom_plan_vector(b, LOOM_ROLE_SINKS, "", c->n_head, 0) : -1;
		attention_fields(b, op, b->sinks);
		op->out = loom_plan_view(b, LOOM_SLOT_HEADS);
		return;
	}
	op->a = loom_plan_keys(b);
	op->b = loom_plan_values(b);
	op->n_head_kv = c->n_head_kv;
	op->d_head = c->d_head;
	op->d_value = c->d_value;
}

static void rotate(struct loom_builder *b)
{
	const struct loom_config *c = b->cfg;
	struct loom_op *op;

	if (c->layers[b->layer].rope < 0) {
		return;
	}
	op = loom_plan_add(b, LOOM_OP_ROTATE);
	op->n_group = c->n_head + c->n_head_kv;
	op->d_head = c->d_head;
	op->out = loom_plan_columns(b, LOOM_SLOT_QKV, 0, op->n_group * c->d_head);
	op->rope = c->layers[b->layer].rope;
}

/* a (times or clamped to a number) in place; the number that changes nothing gives no op. */
static void in_place(struct loom_builder *b, enum loom_op_kind kind, struct loom_view at, double number)
{
	struct loom_op *op;

	if (number != (kind == LOOM_OP_CLIP ? 0 : 1)) {
		op = loom_plan_add(b, kind);
		op->a = op->out = at;
		op->scale = (float)number;
	}
}

/* The slot's columns that a feed-forward fills, where shared experts make it wider; else all. */
static struct loom_view step_view(struct loom_builder *b, enum loom_slot slot)
{
	return slot == LOOM_SLOT_ACT ? loom_plan_columns(b, slot, 0, b->cfg->n_ffn) : loom_plan_view(b, slot);
}

void loom_plan_scale(struct loom_builder *b, struct loom_view at, double by)
{
	in_place(b, LOOM_OP_SCALE, at, by);
}

void loom_plan_step(struct loom_builder *b, const struct loom_step *s)
{
	const struct loom_config *c = b->cfg;
	struct loom_op *op;

	switch (s->kind) {
	case LOOM_STEP_TAP:
		tap(b, s);
		break;
	case LOOM_STEP_NORM:
		loom_plan_add_norm(b, s->role, step_view(b, s->a), step_view(b, s->out));
		break;
	case LOOM_STEP_QKV:
		qkv(b, loom_plan_view(b, s->a));
		loom_plan_scale(b, loom_plan_keys(b), c->key_scale);
		break;
	case LOOM_STEP_CLIP:
		in_place(b, LOOM_OP_CLIP, loom_plan_view(b, LOOM_SLOT_QKV), c->clip_qkv);
		break;
	case LOOM_STEP_QK_NORM:
		if (c->qk_norm != LOOM_QK_NONE) {
			qk_norm(b, LOOM_ROLE_Q_NORM, loom_plan_queries(b), c->n_head);
			qk_norm(b, LOOM_ROLE_K_NORM, loom_plan_keys(b), c->n_head_kv);
		}
		break;
	case LOOM_STEP_ROTATE:
		rotate(b);
		break;
	case LOOM_STEP_TEMPER:
		if (c->temper > 0) {
			op = loom_plan_add(b, LOOM_OP_TEMPER);
			op->a = op->out = loom_plan_queries(b);
			op->scale = (float)c->temper;
			op->every = c->temper_every;
			op->index_add = c->temper_add;
		}
		break;
	case LOOM_STEP_KV_STORE:
	case LOOM_STEP_ATTEND:
		attend(b, s->kind);
		break;
	case LOOM_STEP_PROJECT:
		loom_plan_add_linear(b, "attn.out", &(struct loom_bind_part){.role = LOOM_ROLE_O, .n_row = c->n_embd}, 1, c->attn_out_bias,
			loom_plan_view(b, LOOM_SLOT_HEADS), loom_plan_view(b, s->out));
		break;
	case LOOM_STEP_FFN:
		feed_forward(b, loom_plan_view(b, s->a));
		break;
	case LOOM_STEP_DOWN:
		loom_plan_add_linear(b, "mlp.down", &(struct loom_bind_part){.role = LOOM_ROLE_DOWN, .n_row = c->n_embd}, 1, c->mlp_down_bias,
			loom_plan_columns(b, LOOM_SLOT_ACT, 0, c->n_ffn), loom_plan_view(b, s->out));
		loom_plan_scale(b, loom_plan_view(b, s->out), c->down_scale);
		break;
	case LOOM_STEP_LATENT:
		loom_plan_latent(b, loom_plan_view(b, s->a));
		break;
	case LOOM_STEP_GATE_HEADS:
		loom_plan_gate_heads(b, loom_plan_view(b, s->a));
		break;
	case LOOM_STEP_SHORT_CONV:
		loom_plan_short_conv(b, loom_plan_view(b, s->a), loom_plan_view(b, s->out));
		break;
	case LOOM_STEP_SCAN:
		loom_plan_scan(b, loom_plan_view(b, s->a), loom_plan_view(b, s->out));
		break;
	case LOOM_STEP_SCAN_HEADS:
		loom_plan_scan_heads(b, loom_plan_view(b, s->a), loom_plan_view(b, s->out));
		break;
	case LOOM_STEP_DELTA:
		loom_plan_delta(b, loom_plan_view(b, s->a), loom_plan_view(b, s->out));
		break;
	case LOOM_STEP_ROUTE:
		loom_plan_route(b, loom_plan_view(b, s->a));
		break;
	case LOOM_STEP_EXPERTS:
		loom_plan_experts(b, loom_plan_view(b, s->a), loom_plan_view(b, s->out));
		break;
	case LOOM_STEP_SHARED:
		loom_plan_shared(b, loom_plan_view(b, s->a), loom_plan_view(b, s->out));
		break;
	case LOOM_STEP_SCALE:
		loom_plan_scale(b, loom_plan_view(b, s->a), c->residual_scale);
		break;
	case LOOM_STEP_SCALE_IN:
		loom_plan_scale(b, loom_plan_view(b, s->a), c->attn_in_scale);
		break;
	case LOOM_STEP_SCALE_OUT:
		loom_plan_scale(b, loom_plan_view(b, s->a), c->attn_out_scale);
		break;
	case LOOM_STEP_SCALE_SCAN:
		loom_plan_scale(b, loom_plan_view(b, s->a), c->scan_out_scale);
		break;
	case LOOM_STEP_ADD:
		op = loom_plan_add(b, LOOM_OP_ADD);
		op->a = loom_plan_view(b, s->a);
		op->b = loom_plan_view(b, s->b);
		op->out = loom_plan_view(b, s->out);
		break;
	case LOOM_STEP_END:
	case LOOM_N_STEP:
		break;
	}
}
