/* plan.c: unrolls a family's block program over the layers into the flat op list, once a model. What each op means is said in
 * include/loom_backend.h; nothing is computed here. */
#include "plan.h"

#include <string.h>

#include "weights.h"

enum slot { RESID, X, QKV, HEADS, SUB, FFN, ACT, GATHERED, LOGITS, N_SLOT };

#define OPS_OUTSIDE 16      /* ops around the blocks, at most */
#define OPS_PER_LAYER 48    /* ops of a block, at most */
#define WEIGHTS_OUTSIDE 12
#define WEIGHTS_PER_LAYER 20

struct builder {
	const struct loom_config *cfg;
	struct loom_plan *p;
	struct loom_binder bind;
	int32_t layer;
	int16_t stream_in;      /* the slot that attention or the mlp reads */
	bool out_rows;
};

static struct loom_view view(const struct builder *b, enum slot slot)
{
	return (struct loom_view){(int16_t)slot, 0, b->p->slot_width[slot]};
}

static struct loom_view columns(enum slot slot, int32_t col, int32_t width)
{
	return (struct loom_view){(int16_t)slot, col, width};
}

static struct loom_op *add(struct builder *b, enum loom_op_kind kind)
{
	struct loom_op *op = &b->p->ops[b->p->n_op++];

	memset(op, 0, sizeof(*op));
	op->kind = kind;
	op->layer = (int16_t)b->layer;
	op->out_rows = b->out_rows;
	op->w = op->bias = op->w2 = op->bias2 = op->rope = op->router = op->sinks = -1;
	op->scale = 1.0f;
	op->a.slot = op->b.slot = op->out.slot = -1;
	return op;
}

static void add_tap(struct builder *b, enum loom_site site, int32_t layer, struct loom_view at)
{
	struct loom_op *op = add(b, LOOM_OP_TAP);

	op->site = site;
	op->layer = (int16_t)layer;
	op->a = at;
}

static int32_t vector(struct builder *b, const char *name, const char *suffix, enum loom_role role, int32_t n)
{
	struct loom_bind_part part = {role, n, 0};

	return loom_bind(&b->bind, name, b->layer, LOOM_WEIGHT_VECTOR, suffix, &part, 1, 1);
}

static void add_norm(struct builder *b, const char *name, enum loom_role role, struct loom_view in, struct loom_view out, int32_t n_group)
{
	struct loom_op *op = add(b, LOOM_OP_NORM);

	op->a = in;
	op->out = out;
	op->n_group = n_group;
	op->norm = b->cfg->norm;
	op->eps = (float)b->cfg->norm_eps;
	op->w = vector(b, name, ".weight", role, in.width / n_group);
	if (b->cfg->norm == LOOM_NORM_LAYER) {
		op->bias = vector(b, name, ".bias", role, in.width / n_group);
	}
}

static void add_linear(struct builder *b, const char *name, const struct loom_bind_part *parts, int n, bool bias, struct loom_view in,
	struct loom_view out)
{
	struct loom_op *op = add(b, LOOM_OP_LINEAR);

	op->a = in;
	op->out = out;
	op->w = loom_bind(&b->bind, name, b->layer, LOOM_WEIGHT_MATRIX, ".weight", parts, n, in.width);
	if (bias) {
		op->bias = loom_bind(&b->bind, name, b->layer, LOOM_WEIGHT_VECTOR, ".bias", parts, n, 1);
	}
}

static void add_embed(struct builder *b, const char *name, enum loom_role role, enum loom_index_kind index, int64_t rows, bool first)
{
	struct loom_bind_part part = {role, (int32_t)rows, 0};
	bool matrix = role == LOOM_ROLE_EMBED_TOKEN && b->cfg->tied && b->cfg->has_head;
	struct loom_op *op = add(b, LOOM_OP_EMBED);

	op->out = view(b, RESID);
	op->index = index;
	op->accumulate = !first;
	op->scale = first ? b->cfg->embed_scale : 1.0f;
	op->w = loom_bind(&b->bind, name, -1, matrix ? LOOM_WEIGHT_MATRIX : LOOM_WEIGHT_TABLE, ".weight", &part, 1, b->cfg->n_embd);
	b->p->weights[op->w].lookup = matrix;
}

static void embeddings(struct builder *b)
{
	const struct loom_config *c = b->cfg;

	add_embed(b, "embed_tokens", LOOM_ROLE_EMBED_TOKEN, LOOM_INDEX_TOKEN, c->n_vocab, true);
	if (c->n_type > 0) {
		add_embed(b, "embed_types", LOOM_ROLE_EMBED_TYPE, LOOM_INDEX_ZERO, c->n_type, false);
	}
	if (c->pos == LOOM_POS_LEARNED) {
		add_embed(b, "embed_positions", LOOM_ROLE_EMBED_POSITION, LOOM_INDEX_POSITION, c->n_ctx, false);
	}
	if (c->embed_norm) {
		add_norm(b, "embed_norm", LOOM_ROLE_EMBED_NORM, view(b, RESID), view(b, RESID), 1);
	}
	add_tap(b, LOOM_SITE_HIDDEN, 0, view(b, RESID));
}

static void qkv(struct builder *b)
{
	const struct loom_config *c = b->cfg;
	int32_t q = c->n_head * c->d_head, kv = c->n_head_kv * c->d_head;
	bool permuted = c->family->gguf_permuted;
	struct loom_bind_part split[] = {{LOOM_ROLE_Q, q, permuted ? c->n_head : 0}, {LOOM_ROLE_K, kv, permuted ? c->n_head_kv : 0},
		{LOOM_ROLE_V, kv, 0}};
	struct loom_bind_part fused[] = {{LOOM_ROLE_QKV, q + 2 * kv, 0}};

	add_linear(b, "attn.qkv", c->family->fused_qkv ? fused : split, c->family->fused_qkv ? 1 : 3, c->attn_bias,
		view(b, (enum slot)b->stream_in), view(b, QKV));
}

static void attention_fields(struct builder *b, struct loom_op *op)
{
	const struct loom_config *c = b->cfg;

	op->a = columns(QKV, 0, c->n_head * c->d_head);
	op->n_head = c->n_head;
	op->n_head_kv = c->n_head_kv;
	op->d_head = op->d_value = c->d_head;
	op->causal = c->causal;
	op->scale = c->attn_scale_by_layer ? c->attn_scale / (float)(b->layer + 1) : c->attn_scale;
	op->window = c->layer_windowed && !c->layer_windowed[b->layer] ? 0 : c->window;
}

static void feed_forward(struct builder *b)
{
	const struct loom_config *c = b->cfg;
	struct loom_bind_part parts[] = {{LOOM_ROLE_GATE, c->n_ffn, 0}, {LOOM_ROLE_UP, c->n_ffn, 0}};
	struct loom_op *op;

	add_linear(b, c->gated_ffn ? "mlp.gate_up" : "mlp.up", c->gated_ffn ? parts : parts + 1, c->gated_ffn ? 2 : 1, c->mlp_bias,
		view(b, (enum slot)b->stream_in), view(b, FFN));
	op = add(b, c->gated_ffn ? LOOM_OP_GATE : LOOM_OP_ACT);
	op->act = c->act;
	op->a = columns(FFN, 0, c->n_ffn);
	if (c->gated_ffn) {
		op->b = columns(FFN, c->n_ffn, c->n_ffn);
	}
	op->out = view(b, ACT);
}

/* Where a site's value is when its tap is reached. */
static struct loom_view site_view(const struct builder *b, enum loom_site site)
{
	const struct loom_config *c = b->cfg;
	int32_t q = c->n_head * c->d_head, kv = c->n_head_kv * c->d_head;

	switch (site) {
	case LOOM_SITE_ATTN_NORM:
	case LOOM_SITE_MLP_NORM:
		return view(b, X);
	case LOOM_SITE_Q:
	case LOOM_SITE_ATTN_PROBS:
		return columns(QKV, 0, q);
	case LOOM_SITE_K:
		return columns(QKV, q, kv);
	case LOOM_SITE_V:
		return columns(QKV, q + kv, kv);
	case LOOM_SITE_ATTN_HEADS:
		return view(b, HEADS);
	case LOOM_SITE_ATTN_OUT:
	case LOOM_SITE_MLP_OUT:
		return view(b, SUB);
	case LOOM_SITE_MLP_ACT:
		return view(b, ACT);
	default:
		return view(b, RESID);
	}
}

static void rotate(struct builder *b)
{
	const struct loom_config *c = b->cfg;

	if (c->pos == LOOM_POS_ROTARY) {
		struct loom_op *op = add(b, LOOM_OP_ROTATE);
		op->n_group = c->n_head + c->n_head_kv;
		op->d_head = c->d_head;
		op->out = columns(QKV, 0, op->n_group * c->d_head);
		op->rope = 0;
	}
}

static void step(struct builder *b, const struct loom_step *s)
{
	const struct loom_config *c = b->cfg;
	int32_t q = c->n_head * c->d_head, kv = c->n_head_kv * c->d_head;
	struct loom_op *op;

	switch (s->kind) {
	case LOOM_STEP_END:
		break;
	case LOOM_STEP_TAP:
		add_tap(b, s->site, b->layer, site_view(b, s->site));
		if (s->site == LOOM_SITE_ATTN_PROBS) {
			attention_fields(b, &b->p->ops[b->p->n_op - 1]);
		}
		break;
	case LOOM_STEP_NORM_ATTN:
	case LOOM_STEP_NORM_MLP:
		add_norm(b, s->kind == LOOM_STEP_NORM_ATTN ? "attn_norm" : "mlp_norm",
			s->kind == LOOM_STEP_NORM_ATTN ? LOOM_ROLE_ATTN_NORM : LOOM_ROLE_MLP_NORM, view(b, RESID), view(b, X), 1);
		b->stream_in = X;
		break;
	case LOOM_STEP_NORM_STREAM_ATTN:
	case LOOM_STEP_NORM_STREAM_MLP:
		add_norm(b, s->kind == LOOM_STEP_NORM_STREAM_ATTN ? "attn_norm" : "mlp_norm",
			s->kind == LOOM_STEP_NORM_STREAM_ATTN ? LOOM_ROLE_ATTN_NORM : LOOM_ROLE_MLP_NORM, view(b, RESID), view(b, RESID), 1);
		break;
	case LOOM_STEP_READ:
		b->stream_in = RESID;
		break;
	case LOOM_STEP_QKV:
		qkv(b);
		break;
	case LOOM_STEP_QK_NORM:
		if (c->qk_norm) {
			add_norm(b, "attn.q_norm", LOOM_ROLE_Q_NORM, columns(QKV, 0, q), columns(QKV, 0, q), c->n_head);
			add_norm(b, "attn.k_norm", LOOM_ROLE_K_NORM, columns(QKV, q, kv), columns(QKV, q, kv), c->n_head_kv);
		}
		break;
	case LOOM_STEP_ROTATE:
		rotate(b);
		break;
	case LOOM_STEP_KV_STORE:
		op = add(b, LOOM_OP_KV_STORE);
		op->a = columns(QKV, q, kv);
		op->b = columns(QKV, q + kv, kv);
		op->n_head_kv = c->n_head_kv;
		op->d_head = op->d_value = c->d_head;
		break;
	case LOOM_STEP_ATTEND:
		op = add(b, LOOM_OP_ATTEND);
		attention_fields(b, op);
		op->out = view(b, HEADS);
		break;
	case LOOM_STEP_PROJECT:
		add_linear(b, "attn.out", &(struct loom_bind_part){LOOM_ROLE_O, c->n_embd, 0}, 1, c->attn_out_bias, view(b, HEADS), view(b, SUB));
		break;
	case LOOM_STEP_FFN:
		feed_forward(b);
		break;
	case LOOM_STEP_DOWN:
		add_linear(b, "mlp.down", &(struct loom_bind_part){LOOM_ROLE_DOWN, c->n_embd, 0}, 1, c->mlp_bias, view(b, ACT), view(b, SUB));
		break;
	case LOOM_STEP_ADD:
		op = add(b, LOOM_OP_ADD);
		op->a = view(b, RESID);
		op->b = view(b, SUB);
		op->out = view(b, RESID);
		break;
	}
}

/* After the blocks: the last of hidden_states, and the logits of the rows that want them. */
static void head(struct builder *b)
{
	const struct loom_config *c = b->cfg;
	enum slot last = c->final_norm ? X : RESID;
	struct loom_op *op;

	b->layer = -1;
	if (c->final_norm) {
		add_norm(b, "final_norm", LOOM_ROLE_FINAL_NORM, view(b, RESID), view(b, X), 1);
		add_tap(b, LOOM_SITE_FINAL_NORM, -1, view(b, X));
	}
	add_tap(b, LOOM_SITE_HIDDEN, c->n_layer, view(b, last));
	if (!c->has_head) {
		return;
	}
	b->out_rows = true;
	op = add(b, LOOM_OP_GATHER);
	op->a = view(b, last);
	op->out = view(b, GATHERED);
	if (c->tied) {
		op = add(b, LOOM_OP_LINEAR);
		op->w = b->p->ops[0].w;
		op->a = view(b, GATHERED);
		op->out = view(b, LOGITS);
	} else {
		add_linear(b, "lm_head", &(struct loom_bind_part){LOOM_ROLE_HEAD, c->n_vocab, 0}, 1, false, view(b, GATHERED), view(b, LOGITS));
	}
	add_tap(b, LOOM_SITE_LOGITS, -1, view(b, LOGITS));
}

static void sizes(struct loom_plan *p, const struct loom_config *c)
{
	int32_t q = c->n_head * c->d_head, kv = c->n_head_kv * c->d_head;
	const int32_t width[N_SLOT] = {[RESID] = c->n_embd, [X] = c->n_embd, [QKV] = q + 2 * kv, [HEADS] = q, [SUB] = c->n_embd,
		[FFN] = c->gated_ffn ? 2 * c->n_ffn : c->n_ffn, [ACT] = c->n_ffn, [GATHERED] = c->has_head ? c->n_embd : 0,
		[LOGITS] = c->has_head ? c->n_vocab : 0};

	*p = (struct loom_plan){.n_layer = c->n_layer, .n_embd = c->n_embd, .n_head = c->n_head, .n_head_kv = c->n_head_kv,
		.d_head = c->d_head, .n_vocab = c->n_vocab, .n_logit = c->has_head ? c->n_vocab : 0, .causal = c->causal, .n_slot = N_SLOT,
		.n_ctx = (int32_t)(c->n_ctx < INT32_MAX ? c->n_ctx : INT32_MAX)};
	memcpy(p->slot_width, width, sizeof(width));
	p->slot_out_rows[GATHERED] = p->slot_out_rows[LOGITS] = true;
}

enum loom_status loom_plan_build(struct loom_plan *p, const struct loom_config *cfg, const struct loom_store *store, bool gguf,
	enum loom_dtype keep, struct loom_arena *arena, struct loom_err *err)
{
	struct builder b = {.cfg = cfg, .p = p, .layer = -1};
	size_t n_op = OPS_OUTSIDE + (size_t)cfg->n_layer * OPS_PER_LAYER, n_weight = WEIGHTS_OUTSIDE + (size_t)cfg->n_layer * WEIGHTS_PER_LAYER;

	sizes(p, cfg);
	p->ops = loom_arena_alloc(arena, n_op, sizeof(*p->ops));
	p->weights = loom_arena_alloc(arena, n_weight, sizeof(*p->weights));
	if (!p->ops || !p->weights) {
		return loom_err_nomem(err, "plan", n_op * sizeof(*p->ops) + n_weight * sizeof(*p->weights));
	}
	if (cfg->pos == LOOM_POS_ROTARY) {
		p->ropes = loom_arena_alloc(arena, 1, sizeof(*p->ropes));
		if (!p->ropes) {
			return loom_err_nomem(err, "plan", sizeof(*p->ropes));
		}
		p->ropes[0] = cfg->rope;
		p->n_rope = 1;
	}
	loom_binder_init(&b.bind, cfg, store, gguf, keep, p);
	embeddings(&b);
	for (b.layer = 0; b.layer < cfg->n_layer; b.layer++) {
		for (const struct loom_step *s = cfg->family->block->steps; s->kind != LOOM_STEP_END; s++) {
			step(&b, s);
		}
		if (b.layer + 1 < cfg->n_layer) {
			add_tap(&b, LOOM_SITE_HIDDEN, b.layer + 1, view(&b, RESID));
		}
	}
	head(&b);
	return loom_binder_finish(&b.bind, err);
}

int32_t loom_plan_tap(const struct loom_plan *p, enum loom_site site, int32_t layer)
{
	for (int32_t i = 0; i < p->n_op; i++) {
		if (p->ops[i].kind == LOOM_OP_TAP && p->ops[i].site == site && p->ops[i].layer == layer) {
			return i;
		}
	}
	return -1;
}
