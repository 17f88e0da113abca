/* plan.c: unrolls a family's block program over the layers into the flat op list, once a model. What each op means is said in
 * include/loom_backend.h; nothing is computed here. The steps inside a block are plan_steps.c's. */
#include "plan.h"

#include <math.h>
#include <string.h>

#include "alibi.h"
#include "distance.h"
#include "plan_internal.h"

#define OPS_OUTSIDE 24 /* ops around the blocks, at most */
#define OPS_A_STEP 13  /* ops and weights of a step, at most, but for the weights of experts */
#define WEIGHTS_OUTSIDE 16
#define WEIGHTS_A_STEP 10

static int32_t most(int32_t a, int32_t b)
{
	return a > b ? a : b;
}

/* Columns that a mixer's convolution sees. */
static int32_t conv_width(const struct loom_config *c)
{
	return c->n_delta > 0 ? 2 * c->n_delta_key * c->d_delta_key + c->n_delta * c->d_delta
		: c->n_scan > 0 ? c->d_inner + 2 * c->n_scan_group * c->d_state : c->d_inner > 0 ? c->d_inner : c->n_embd;
}

static int32_t slot_width(const struct loom_config *c, enum loom_slot slot)
{
	switch (slot) {
	case LOOM_SLOT_QKV:
		return (c->n_head + c->n_head_kv) * c->d_head + c->n_head_kv * c->d_value;
	case LOOM_SLOT_HEADS:
	case LOOM_SLOT_GATE:
		return c->n_head * c->d_value;
	case LOOM_SLOT_Q_LOW:
		return c->q_rank;
	case LOOM_SLOT_KV_LOW:
		return c->kv_rank + c->d_rope;
	case LOOM_SLOT_K_NOPE:
		return c->n_head * c->d_nope;
	case LOOM_SLOT_MIX_IN:
		return c->n_delta > 0 ? conv_width(c) + c->n_delta * c->d_delta : c->n_scan > 0 ? c->d_inner + conv_width(c) + c->n_scan
			: c->d_inner > 0 ? 2 * c->d_inner : 3 * c->n_embd;
	case LOOM_SLOT_MIX_GATES:
		return c->n_delta > 0 ? 2 * c->n_delta : c->dt_rank + 2 * c->d_state;
	case LOOM_SLOT_MIX_A:
		return conv_width(c);
	case LOOM_SLOT_MIX_B:
		return c->n_delta > 0 ? c->n_delta * c->d_delta : c->n_scan > 0 ? c->d_inner : conv_width(c);
	case LOOM_SLOT_MIX_DT:
		return c->d_inner;
	case LOOM_SLOT_FFN:
		return most(c->gated_ffn ? 2 * c->n_ffn : c->n_ffn, 2 * c->n_ffn_shared);
	case LOOM_SLOT_ACT:
		return most(c->n_ffn, c->n_ffn_shared);
	case LOOM_SLOT_ROUTER:
		return c->n_expert;
	case LOOM_SLOT_CHOSEN:
		return 2 * c->n_expert_used;
	case LOOM_SLOT_MIX:
		return 1;
	case LOOM_SLOT_EMBED:
		return c->d_embed;
	case LOOM_SLOT_ADAPT_LOW:
		return c->n_adapter * c->adapter_rank;
	case LOOM_SLOT_ADAPT:
		return most(most(slot_width(c, LOOM_SLOT_QKV), slot_width(c, LOOM_SLOT_FFN)), c->n_embd);
	case LOOM_SLOT_LOGITS:
		return c->n_vocab;
	default:
		return c->n_embd;
	}
}

struct loom_view loom_plan_columns(struct loom_builder *b, enum loom_slot slot, int32_t col, int32_t width)
{
	b->p->slot_width[slot] = slot_width(b->cfg, slot);
	return (struct loom_view){(int16_t)slot, col, width};
}

struct loom_view loom_plan_view(struct loom_builder *b, enum loom_slot slot)
{
	return loom_plan_columns(b, slot, 0, slot_width(b->cfg, slot));
}

struct loom_op *loom_plan_add(struct loom_builder *b, enum loom_op_kind kind)
{
	struct loom_op *op = &b->p->ops[b->p->n_op++];

	memset(op, 0, sizeof(*op));
	op->kind = kind;
	op->layer = (int16_t)b->layer;
	op->out_rows = b->out_rows;
	op->w = op->bias = op->w2 = op->bias2 = op->rope = op->router = op->sinks = op->rel_bias = op->rel_key = op->rel_query = -1;
	op->scale = 1.0f;
	op->a.slot = op->b.slot = op->c.slot = op->out.slot = -1;
	return op;
}

void loom_plan_add_tap(struct loom_builder *b, enum loom_site site, int32_t layer, struct loom_view at)
{
	struct loom_op *op = loom_plan_add(b, LOOM_OP_TAP);

	op->site = site;
	op->layer = (int16_t)layer;
	op->a = at;
}

int32_t loom_plan_vector_rows(struct loom_builder *b, enum loom_role role, const char *suffix, int32_t n, double plus, int32_t n_wide)
{
	const struct loom_bind what = {loom_role_name(role), b->layer, LOOM_WEIGHT_VECTOR, suffix, 1, (float)plus};
	const struct loom_bind_part part = {.role = role, .n_row = n, .n_wide = n_wide};

	return loom_bind(&b->bind, &what, &part, 1);
}

int32_t loom_plan_vector(struct loom_builder *b, enum loom_role role, const char *suffix, int32_t n, double plus)
{
	return loom_plan_vector_rows(b, role, suffix, n, plus, 0);
}

void loom_plan_add_norm(struct loom_builder *b, enum loom_role role, struct loom_view in, struct loom_view out)
{
	const struct loom_config *c = b->cfg;
	struct loom_op *op = loom_plan_add(b, LOOM_OP_NORM);

	op->a = in;
	op->out = out;
	op->n_group = 1;
	op->norm = c->norm;
	op->eps = (float)c->norm_eps;
	if (c->norm_weight) {
		/* GGUF files hold the sum. */
		op->w = loom_plan_vector(b, role, ".weight", in.width, b->bind.gguf ? 0 : c->norm_add);
		if (c->norm == LOOM_NORM_LAYER && c->norm_bias) {
			op->bias = loom_plan_vector(b, role, ".bias", in.width, 0);
		}
	}
}

void loom_plan_add_linear(struct loom_builder *b, const char *name, const struct loom_bind_part *parts, int n, bool bias,
	struct loom_view in, struct loom_view out)
{
	struct loom_op *op = loom_plan_add(b, LOOM_OP_LINEAR);
	struct loom_bind what = {name, b->layer, LOOM_WEIGHT_MATRIX, ".weight", in.width, 0};

	op->a = in;
	op->out = out;
	op->w = loom_bind(&b->bind, &what, parts, n);
	if (bias) {
		what.kind = LOOM_WEIGHT_VECTOR;
		what.suffix = ".bias";
		what.n_col = 1;
		op->bias = loom_bind(&b->bind, &what, parts, n);
	}
	if (n == 1) {
		loom_plan_adapt(b, parts[0].role, in, out);
	}
}

/* A looked-up row, added unless it is the first. */
static struct loom_op *add_embed(struct loom_builder *b, enum loom_role role, enum loom_index_kind index, int64_t rows, struct loom_view out)
{
	const struct loom_config *c = b->cfg;
	bool first = role == LOOM_ROLE_EMBED_TOKEN, matrix = first && b->tied && c->has_head;
	const struct loom_bind what = {loom_role_name(role), -1, matrix ? LOOM_WEIGHT_MATRIX : LOOM_WEIGHT_TABLE, ".weight", out.width, 0};
	const struct loom_bind_part part = {.role = role, .n_row = (int32_t)rows};
	struct loom_op *op = loom_plan_add(b, LOOM_OP_EMBED);

	op->out = out;
	op->index = index;
	op->accumulate = !first;
	op->scale = first ? (float)c->embed_scale : 1.0f;
	op->w = loom_bind(&b->bind, &what, &part, 1);
	b->p->weights[op->w].lookup = matrix;
	loom_plan_adapt_table(b, role, index, (int32_t)rows, out);
	return op;
}

/* Sinusoidal positions as fairseq makes them: sines of all frequencies, then cosines; computed in float32. */
static const float *sinusoids(struct loom_builder *b, int64_t rows)
{
	int32_t width = b->cfg->n_embd, half = width / 2;
	float *t = loom_arena_alloc(b->bind.arena, (size_t)rows * (size_t)width, sizeof(float));
	float step = half > 1 ? (float)(log(10000.0) / (half - 1)) : 0.0f;

	for (int64_t r = 0; t && r < rows; r++) {
		for (int32_t i = 0; i < half; i++) {
			float angle = (float)r * expf((float)i * -step);
			t[r * width + i] = sinf(angle);
			t[r * width + half + i] = cosf(angle);
		}
	}
	return t;
}

static void positions(struct loom_builder *b, struct loom_view out)
{
	const struct loom_config *c = b->cfg;
	int64_t rows = c->n_ctx + c->pos_offset;
	struct loom_op *op;

	if (c->pos == LOOM_POS_LEARNED) {
		op = add_embed(b, LOOM_ROLE_EMBED_POSITION, c->pos_whole ? LOOM_INDEX_COUNTED : LOOM_INDEX_POSITION, rows, out);
	} else if (c->pos == LOOM_POS_SINUSOID) {
		const struct loom_bind what = {"embed_positions", -1, LOOM_WEIGHT_TABLE, ".weight", c->n_embd, 0};
		op = loom_plan_add(b, LOOM_OP_EMBED);
		op->out = out;
		op->index = LOOM_INDEX_POSITION;
		op->accumulate = true;
		op->w = loom_bind_constant(&b->bind, &what, sinusoids(b, rows), (int32_t)rows);
	} else {
		return;
	}
	op->index_add = c->pos_offset;
}

static void embeddings(struct loom_builder *b)
{
	const struct loom_config *c = b->cfg;
	struct loom_view resid = loom_plan_view(b, LOOM_SLOT_RESID), narrow = resid, sum;
	const struct loom_bind_part in = {.role = LOOM_ROLE_EMBED_IN, .n_row = c->n_embd};

	if (c->d_embed > 0) {
		narrow = loom_plan_view(b, LOOM_SLOT_EMBED);
	}
	sum = c->embed_narrow ? narrow : resid;
	(void)add_embed(b, LOOM_ROLE_EMBED_TOKEN, LOOM_INDEX_TOKEN, c->n_vocab, narrow);
	if (c->d_embed > 0 && !c->embed_narrow) {
		loom_plan_add_linear(b, "embed_in", &in, 1, false, narrow, resid);
	}
	if (c->n_type > 0) {
		(void)add_embed(b, LOOM_ROLE_EMBED_TYPE, LOOM_INDEX_TYPE, c->n_type, sum);
	}
	positions(b, sum);
	if (c->n_task > 0) {
		(void)add_embed(b, LOOM_ROLE_EMBED_TASK, LOOM_INDEX_ZERO, c->n_task, sum);
	}
	if (c->embed_norm) {
		loom_plan_add_norm(b, LOOM_ROLE_EMBED_NORM, sum, sum);
	}
	if (c->d_embed > 0 && c->embed_narrow) {
		loom_plan_add_linear(b, "embed_in", &in, 1, true, narrow, resid);
	}
	loom_plan_relative_begin(b);
	if (!c->hidden_after) {
		loom_plan_add_tap(b, LOOM_SITE_HIDDEN, 0, resid);
	}
}

static int32_t bind_head(struct loom_builder *b, int32_t width)
{
	const struct loom_bind what = {"lm_head", -1, LOOM_WEIGHT_MATRIX, ".weight", width, 0};

	return loom_bind(&b->bind, &what, &(struct loom_bind_part){.role = LOOM_ROLE_HEAD, .n_row = b->cfg->n_vocab}, 1);
}

/* Before a head that guesses masked words: dense, activation, norm, at the width of the embedding table. */
static struct loom_view masked_head(struct loom_builder *b, struct loom_view from)
{
	const struct loom_config *c = b->cfg;
	int32_t width = c->d_embed > 0 ? c->d_embed : c->n_embd;
	struct loom_view out = loom_plan_columns(b, LOOM_SLOT_NARROW, 0, width);
	struct loom_op *op;

	loom_plan_add_linear(b, "head.dense", &(struct loom_bind_part){.role = LOOM_ROLE_HEAD_DENSE, .n_row = width}, 1,
		!b->bind.store || loom_bind_stored(&b->bind, LOOM_ROLE_HEAD_DENSE, ".bias"), from, out);
	op = loom_plan_add(b, LOOM_OP_ACT);
	op->act = c->head_act;
	op->a = op->out = out;
	loom_plan_add_norm(b, LOOM_ROLE_HEAD_NORM, out, out);
	return out;
}

/* Logits through the head, scaled and capped as the config says. */
static void logits(struct loom_builder *b, struct loom_view from)
{
	const struct loom_config *c = b->cfg;
	struct loom_view out = loom_plan_view(b, LOOM_SLOT_LOGITS);
	bool masked_bias = c->masked_head && (!b->bind.store || loom_bind_stored(&b->bind, LOOM_ROLE_HEAD_BIAS, ".bias"));
	struct loom_op *op;

	if (b->tied || masked_bias) {
		op = loom_plan_add(b, LOOM_OP_LINEAR);
		op->w = b->tied ? b->p->ops[0].w : bind_head(b, from.width);
		op->a = from;
		op->out = out;
		if (c->head_bias || masked_bias) {
			op->bias = loom_plan_vector(b, masked_bias ? LOOM_ROLE_HEAD_BIAS : LOOM_ROLE_HEAD, ".bias", c->n_vocab, 0);
		}
	} else {
		loom_plan_add_linear(b, "lm_head", &(struct loom_bind_part){.role = LOOM_ROLE_HEAD, .n_row = c->n_vocab}, 1, c->head_bias, from,
			out);
	}
	if (c->logit_scale != 1 || c->logit_divide != 1) {
		op = loom_plan_add(b, LOOM_OP_SCALE);
		op->a = op->out = out;
		op->scale = (float)(c->logit_scale / c->logit_divide);
	}
	if (c->logit_softcap > 0) {
		op = loom_plan_add(b, LOOM_OP_SOFTCAP);
		op->a = op->out = out;
		op->scale = (float)c->logit_softcap;
	}
	loom_plan_add_tap(b, LOOM_SITE_LOGITS, -1, out);
}

/* After the blocks: the last of hidden_states, and the logits of the rows that want them. */
static void head(struct loom_builder *b)
{
	const struct loom_config *c = b->cfg;
	struct loom_view last = loom_plan_view(b, LOOM_SLOT_RESID), gathered;
	bool narrows = c->d_embed > 0 && c->family->roles[LOOM_ROLE_EMBED_OUT].hf; /* the last state too is as wide as the embeddings (OPT 350m) */
	struct loom_op *op;

	b->layer = -1;
	if (c->final_norm) {
		loom_plan_add_norm(b, LOOM_ROLE_FINAL_NORM, last, loom_plan_view(b, LOOM_SLOT_X));
		last = loom_plan_view(b, LOOM_SLOT_X);
		loom_plan_add_tap(b, LOOM_SITE_FINAL_NORM, -1, last);
	}
	if (narrows) {
		loom_plan_add_linear(b, "embed_out", &(struct loom_bind_part){.role = LOOM_ROLE_EMBED_OUT, .n_row = c->d_embed}, 1, false, last,
			loom_plan_view(b, LOOM_SLOT_EMBED));
		last = loom_plan_view(b, LOOM_SLOT_EMBED);
	}
	loom_plan_add_tap(b, LOOM_SITE_HIDDEN, c->n_layer, last);
	if (!c->has_head) {
		return;
	}
	b->out_rows = true;
	gathered = loom_plan_columns(b, LOOM_SLOT_GATHERED, 0, last.width);
	op = loom_plan_add(b, LOOM_OP_GATHER);
	op->a = last;
	op->out = gathered;
	logits(b, c->masked_head ? masked_head(b, gathered) : gathered);
}

static void sizes(struct loom_plan *p, const struct loom_config *c)
{
	*p = (struct loom_plan){.n_layer = c->n_layer, .n_embd = c->n_embd, .n_head = c->n_head, .n_head_kv = c->n_head_kv,
		.d_head = c->d_head, .n_vocab = c->n_vocab, .n_logit = c->has_head ? c->n_vocab : 0, .causal = c->causal,
		.skip_id = c->pos_whole && c->pos == LOOM_POS_LEARNED ? c->pos_offset - 1 : -1,
		.n_slot = LOOM_N_SLOT, .n_ctx = (int32_t)(c->n_ctx < INT32_MAX ? c->n_ctx : INT32_MAX)};
	p->slot_out_rows[LOOM_SLOT_GATHERED] = p->slot_out_rows[LOOM_SLOT_NARROW] = p->slot_out_rows[LOOM_SLOT_LOGITS] = true;
}

/* What a step needs of the config, by the name of the field that is missing; NULL: nothing. */
static const char *lacks(const struct loom_config *c, enum loom_step_kind kind)
{
	switch (kind) {
	case LOOM_STEP_ROUTE:
	case LOOM_STEP_EXPERTS:
	case LOOM_STEP_SHARED:
		return c->n_expert > 0 ? NULL : "n_expert";
	case LOOM_STEP_LATENT:
		return c->kv_rank == 0 ? "kv_rank" : c->d_nope == 0 ? "d_nope" : c->d_rope == 0 || c->n_rope == 0 ? "d_rope" : NULL;
	case LOOM_STEP_GATE_HEADS:
		return c->attn_gate ? NULL : "attn_gate";
	case LOOM_STEP_SHORT_CONV:
		return c->n_tap > 0 ? NULL : "n_tap";
	case LOOM_STEP_SCAN_HEADS:
		return c->n_tap == 0 ? "n_tap" : c->d_inner == 0 ? "d_inner" : c->d_state == 0 ? "d_state" : c->n_scan == 0 ? "n_scan" : NULL;
	case LOOM_STEP_SCAN:
		return c->n_tap == 0 ? "n_tap" : c->d_inner == 0 ? "d_inner" : c->d_state == 0 ? "d_state" : NULL;
	case LOOM_STEP_DELTA:
		return c->n_tap == 0 ? "n_tap" : c->n_delta_key == 0 ? "n_delta_key" : c->n_delta == 0 ? "n_delta"
			: c->d_delta_key == 0 ? "d_delta_key" : c->d_delta == 0 ? "d_delta" : NULL;
	default:
		return NULL;
	}
}

/* Room for everything that the layers' programs can give. */
static enum loom_status make_room(struct loom_plan *p, const struct loom_config *c, struct loom_arena *arena, struct loom_err *err)
{
	size_t n = 0, n_expert = 0, n_op, n_weight;

	for (int32_t l = 0; l < c->n_layer; l++) {
		for (const struct loom_step *s = c->layers[l].block->steps; s->kind != LOOM_STEP_END; s++) {
			const char *field = lacks(c, s->kind);
			if (field) {
				return loom_err_set(err, LOOM_E_MODEL, "layer %d: its block %s has the step %s, which needs %s", l,
					c->layers[l].block->name, loom_step_name(s->kind), field);
			}
			n++;
			n_expert += s->kind == LOOM_STEP_EXPERTS ? 4 * (size_t)c->n_expert : 0;
		}
		n++;
	}
	n_op = OPS_OUTSIDE + n * OPS_A_STEP + 3 * (size_t)c->n_adapter;
	n_weight = WEIGHTS_OUTSIDE + n * WEIGHTS_A_STEP + n_expert + 3 * (size_t)c->n_adapter; /* an adapter of each embedding */
	p->ops = loom_arena_alloc(arena, n_op, sizeof(*p->ops));
	p->weights = loom_arena_alloc(arena, n_weight, sizeof(*p->weights));
	p->ropes = loom_arena_alloc(arena, (size_t)c->n_rope + 1, sizeof(*p->ropes));
	if (!p->ops || !p->weights || !p->ropes) {
		return loom_err_nomem(err, "plan", n_op * sizeof(*p->ops) + n_weight * sizeof(*p->weights));
	}
	memcpy(p->ropes, c->ropes, (size_t)c->n_rope * sizeof(*p->ropes));
	p->n_rope = c->n_rope;
	if (n_expert > 0) {
		p->routers = loom_arena_alloc(arena, 1, sizeof(*p->routers));
		if (!p->routers) {
			return loom_err_nomem(err, "plan", sizeof(*p->routers));
		}
		p->routers[p->n_router++] = (struct loom_router){.kind = c->router, .n_expert = c->n_expert, .n_used = c->n_expert_used,
			.n_group = c->n_expert_group, .n_group_used = c->n_expert_group_used, .n_group_best = c->n_group_best,
			.normalize = c->router_norm, .norm_add = (float)c->router_norm_add, .norm_min = (float)c->router_norm_min,
			.scale = (float)c->router_scale, .jitter = (float)c->router_jitter};
	}
	if (c->pos == LOOM_POS_ALIBI || c->pos == LOOM_POS_ALIBI_BF16) {
		p->alibi = loom_arena_alloc(arena, (size_t)c->n_head, sizeof(float));
		if (!p->alibi) {
			return loom_err_nomem(err, "plan", (size_t)c->n_head * sizeof(float));
		}
		loom_alibi_slopes(p->alibi, c->n_head, c->alibi_max);
	}
	return c->rel == LOOM_REL_NONE ? LOOM_OK : loom_distances_make(&p->distances, c, arena, err);
}

/* How a plan's weights are found. */
struct binding {
	const struct loom_store *store;
	bool gguf;
	enum loom_dtype keep;
	struct loom_layout *layout;
};

static enum loom_status build(struct loom_plan *p, const struct loom_config *cfg, const struct binding *from, struct loom_arena *arena,
	struct loom_err *err)
{
	struct loom_builder b = {.cfg = cfg, .p = p, .layer = -1, .rel_table = -1, .rel_norm = -1, .rel_norm_bias = -1, .rel_bias = -1,
		.rel_key = -1, .rel_query = -1};
	enum loom_status rc;

	sizes(p, cfg);
	rc = make_room(p, cfg, arena, err);
	if (rc) {
		return rc;
	}
	loom_binder_init(&b.bind, cfg, from->store, from->gguf, from->keep, p, arena);
	b.bind.layout = from->layout;
	b.tied = cfg->masked_head ? !loom_bind_stored(&b.bind, LOOM_ROLE_HEAD, ".weight") : cfg->tied;
	embeddings(&b);
	for (b.layer = 0; b.layer < cfg->n_layer; b.layer++) {
		for (const struct loom_step *s = cfg->layers[b.layer].block->steps; s->kind != LOOM_STEP_END; s++) {
			loom_plan_step(&b, s);
		}
		if (cfg->hidden_after || b.layer + 1 < cfg->n_layer) {
			loom_plan_add_tap(&b, LOOM_SITE_HIDDEN, b.layer + !cfg->hidden_after, loom_plan_view(&b, LOOM_SLOT_RESID));
		}
	}
	head(&b);
	return loom_binder_finish(&b.bind, err);
}

enum loom_status loom_plan_build(struct loom_plan *p, const struct loom_config *cfg, const struct loom_store *store, bool gguf,
	enum loom_dtype keep, struct loom_arena *arena, struct loom_err *err)
{
	return build(p, cfg, &(struct binding){store, gguf, keep, NULL}, arena, err);
}

enum loom_status loom_plan_layout(struct loom_plan *p, const struct loom_config *cfg, struct loom_layout *layout, struct loom_arena *arena,
	struct loom_err *err)
{
	return build(p, cfg, &(struct binding){NULL, true, LOOM_DTYPE_UNKNOWN, layout}, arena, err);
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
