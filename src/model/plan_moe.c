/* plan_moe.c: the steps of a mixture of experts → ops: the router, the chosen experts, the shared ones. Experts may be stored one by one or
 * all in one tensor; each becomes a weight of its own. */
#include <stdio.h>

#include "plan_internal.h"

void loom_plan_route(struct loom_builder *b, struct loom_view in)
{
	const struct loom_config *c = b->cfg;
	struct loom_view logits = loom_plan_view(b, LOOM_SLOT_ROUTER);
	struct loom_op *op;

	loom_plan_add_linear(b, "mlp.router", &(struct loom_bind_part){.role = LOOM_ROLE_ROUTER, .n_row = c->n_expert}, 1, c->router_bias, in,
		logits);
	op = loom_plan_add(b, LOOM_OP_ROUTE);
	op->a = logits;
	op->b = loom_plan_view(b, LOOM_SLOT_CHOSEN);
	op->router = 0;
	if (c->choice_bias) {
		op->bias = loom_plan_vector(b, LOOM_ROLE_CHOICE_BIAS, "", c->n_expert, 0);
	}
}

/* Expert e's weight of parts [n], named as it is in the plan. */
static int32_t bind_expert(struct loom_builder *b, const char *what, int32_t e, enum loom_weight_kind kind, const char *suffix, int32_t n_col,
	const struct loom_bind_part *parts, int n)
{
	char name[64];
	const struct loom_bind bind = {name, b->layer, kind, suffix, n_col, 0};

	(void)snprintf(name, sizeof(name), "mlp.experts.%d.%s", e, what);
	return loom_bind(&b->bind, &bind, parts, n);
}

/* Are the layer's experts in one tensor of this role? */
static bool stacked(const struct loom_builder *b, enum loom_role role)
{
	return loom_binder_stored(&b->bind, role, b->layer, "") || loom_binder_stored(&b->bind, role, b->layer, "_blocks");
}

static int32_t bind_up(struct loom_builder *b, int32_t e)
{
	const struct loom_config *c = b->cfg;
	int32_t f = c->n_ffn_expert, n = c->n_expert;
	const struct loom_bind_part both = {.role = LOOM_ROLE_EXPERTS_GATE_UP, .n_row = 2 * f, .n_plane = n, .plane = e,
		.turned = c->experts_turned};
	const struct loom_bind_part split[] = {{.role = LOOM_ROLE_EXPERTS_GATE, .n_row = f, .n_plane = n, .plane = e},
		{.role = LOOM_ROLE_EXPERTS_UP, .n_row = f, .n_plane = n, .plane = e}};
	const struct loom_bind_part single[] = {{.role = LOOM_ROLE_EXPERT_GATE, .n_row = f, .head = e},
		{.role = LOOM_ROLE_EXPERT_UP, .n_row = f, .head = e}};
	int gate = c->expert_glu == LOOM_GLU_NONE; /* no gate: only the second part */

	if (stacked(b, LOOM_ROLE_EXPERTS_GATE_UP)) {
		return bind_expert(b, "gate_up", e, LOOM_WEIGHT_MATRIX, "", c->n_embd, &both, 1);
	}
	if (stacked(b, LOOM_ROLE_EXPERTS_UP)) {
		return bind_expert(b, "gate_up", e, LOOM_WEIGHT_MATRIX, "", c->n_embd, split + gate, 2 - gate);
	}
	return bind_expert(b, "gate_up", e, LOOM_WEIGHT_MATRIX, ".weight", c->n_embd, single + gate, 2 - gate);
}

static int32_t bind_down(struct loom_builder *b, int32_t e)
{
	const struct loom_config *c = b->cfg;
	const struct loom_bind_part one = {.role = LOOM_ROLE_EXPERTS_DOWN, .n_row = c->n_embd, .n_plane = c->n_expert, .plane = e,
		.turned = c->experts_turned};
	const struct loom_bind_part single = {.role = LOOM_ROLE_EXPERT_DOWN, .n_row = c->n_embd, .head = e};
	bool all = stacked(b, LOOM_ROLE_EXPERTS_DOWN);

	return bind_expert(b, "down", e, LOOM_WEIGHT_MATRIX, all ? "" : ".weight", c->n_ffn_expert, all ? &one : &single, 1);
}

/* Expert e's bias, of one tensor or of two whose halves follow each other. */
static int32_t bind_bias(struct loom_builder *b, const char *what, const enum loom_role *roles, int n, int32_t e, int32_t n_row)
{
	struct loom_bind_part part[2];

	for (int i = 0; i < n; i++) {
		part[i] = (struct loom_bind_part){.role = roles[i], .n_row = n_row, .n_stored = b->cfg->n_expert * n_row, .row0 = e * n_row,
			.n_wide = n_row};
	}
	return bind_expert(b, what, e, LOOM_WEIGHT_VECTOR, "", 1, part, n);
}

static void bind_biases(struct loom_builder *b, struct loom_op *op)
{
	static const enum loom_role both[] = {LOOM_ROLE_EXPERTS_GATE_UP_BIAS}, split[] = {LOOM_ROLE_EXPERTS_GATE_BIAS, LOOM_ROLE_EXPERTS_UP_BIAS},
		down[] = {LOOM_ROLE_EXPERTS_DOWN_BIAS};
	const struct loom_config *c = b->cfg;
	bool two = c->expert_glu != LOOM_GLU_NONE && loom_binder_stored(&b->bind, LOOM_ROLE_EXPERTS_GATE_BIAS, b->layer, "");

	op->bias = b->p->n_weight;
	for (int32_t e = 0; e < c->n_expert; e++) {
		(void)bind_bias(b, "gate_up_bias", two ? split : both, two ? 2 : 1, e,
			two || c->expert_glu == LOOM_GLU_NONE ? c->n_ffn_expert : 2 * c->n_ffn_expert);
	}
	op->bias2 = b->p->n_weight;
	for (int32_t e = 0; e < c->n_expert; e++) {
		(void)bind_bias(b, "down_bias", down, 1, e, c->n_embd);
	}
}

void loom_plan_experts(struct loom_builder *b, struct loom_view in, struct loom_view out)
{
	const struct loom_config *c = b->cfg;
	struct loom_op *op = loom_plan_add(b, LOOM_OP_EXPERTS);

	op->a = in;
	op->b = loom_plan_view(b, LOOM_SLOT_CHOSEN);
	op->out = out;
	op->n_expert = c->n_expert;
	op->n_used = c->n_expert_used;
	op->n_ffn = c->n_ffn_expert;
	op->act = c->act;
	op->glu = c->expert_glu;
	op->limit = (float)c->glu_limit;
	op->alpha = (float)c->glu_alpha;
	op->w = b->p->n_weight;
	for (int32_t e = 0; e < c->n_expert; e++) {
		(void)bind_up(b, e);
	}
	op->w2 = b->p->n_weight;
	for (int32_t e = 0; e < c->n_expert; e++) {
		(void)bind_down(b, e);
	}
	if (c->expert_bias) {
		bind_biases(b, op);
	}
}

void loom_plan_shared(struct loom_builder *b, struct loom_view in, struct loom_view out)
{
	const struct loom_config *c = b->cfg;
	int32_t f = c->n_ffn_shared;
	const struct loom_bind_part split[] = {{.role = LOOM_ROLE_SHARED_GATE, .n_row = f}, {.role = LOOM_ROLE_SHARED_UP, .n_row = f}};
	const struct loom_bind_part fused = {.role = LOOM_ROLE_SHARED_GATE_UP, .n_row = 2 * f};
	bool one = c->family->roles[LOOM_ROLE_SHARED_GATE_UP].hf != NULL && !b->bind.gguf, gated = c->expert_glu != LOOM_GLU_NONE;
	struct loom_view sub = loom_plan_view(b, LOOM_SLOT_SUB2), mix;
	struct loom_op *op;

	if (f == 0) {
		return;
	}
	if (gated) {
		loom_plan_add_linear(b, "mlp.shared.gate_up", one ? &fused : split, one ? 1 : 2, false, in,
			loom_plan_columns(b, LOOM_SLOT_FFN, 0, 2 * f));
	} else {
		loom_plan_add_linear(b, "mlp.shared.up", split + 1, 1, false, in, loom_plan_columns(b, LOOM_SLOT_FFN, 0, f));
	}
	op = loom_plan_add(b, gated ? LOOM_OP_GATE : LOOM_OP_ACT);
	op->act = c->act;
	op->a = loom_plan_columns(b, LOOM_SLOT_FFN, 0, f);
	if (gated) {
		op->b = loom_plan_columns(b, LOOM_SLOT_FFN, f, f);
	}
	op->out = loom_plan_columns(b, LOOM_SLOT_ACT, 0, f);
	loom_plan_add_linear(b, "mlp.shared.down", &(struct loom_bind_part){.role = LOOM_ROLE_SHARED_DOWN, .n_row = c->n_embd}, 1, false,
		op->out, sub);
	if (c->shared_gate) {
		mix = loom_plan_view(b, LOOM_SLOT_MIX);
		loom_plan_add_linear(b, "mlp.shared.mix", &(struct loom_bind_part){.role = LOOM_ROLE_SHARED_MIX, .n_row = 1}, 1, false, in, mix);
		op = loom_plan_add(b, LOOM_OP_GATE);
		op->act = LOOM_ACT_SIGMOID;
		op->a = mix;
		op->b = op->out = sub;
	}
	op = loom_plan_add(b, LOOM_OP_ADD);
	op->a = op->out = out;
	op->b = sub;
}
