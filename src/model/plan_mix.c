/* plan_mix.c: steps of mixers that are not plain attention → ops: latent attention's way to queries, keys and values; the gate behind the
 * heads; short convolutions, selective scans, delta rules and the room that they take in a sequence's state. */
#include <math.h>

#include "plan_internal.h"

#define LATENT_EPS 1e-6f /* of the norms between the low ranks, whatever the config says */

static void add_binary(struct loom_builder *b, enum loom_act_kind act, struct loom_view gate, struct loom_view by, struct loom_view out)
{
	struct loom_op *op = loom_plan_add(b, LOOM_OP_GATE);

	op->act = act;
	op->a = gate;
	op->b = by;
	op->out = out;
}

static void linear(struct loom_builder *b, enum loom_role role, int32_t n_row, bool bias, struct loom_view in, struct loom_view out)
{
	loom_plan_add_linear(b, loom_role_name(role), &(struct loom_bind_part){.role = role, .n_row = n_row}, 1, bias, in, out);
}

/* ---- latent attention ---- */

static void low_norm(struct loom_builder *b, enum loom_role role, struct loom_view at)
{
	loom_plan_add_norm(b, role, at, at);
	b->p->ops[b->p->n_op - 1].eps = LATENT_EPS;
}

/* heads of d_rope columns at the end of each d columns of the view. */
static void rotate(struct loom_builder *b, struct loom_view at, int32_t n_head, int32_t d)
{
	struct loom_op *op = loom_plan_add(b, LOOM_OP_ROTATE);

	op->out = at;
	op->n_group = n_head;
	op->d_head = d;
	op->rope = b->cfg->layers[b->layer].rope;
}

/* Keys without positions, and values: rows of one matrix, a head's keys before its values; or a matrix a head, those of the keys turned. */
static void from_low(struct loom_builder *b, struct loom_view low, struct loom_view nope)
{
	const struct loom_config *c = b->cfg;
	int32_t h = c->n_head, both = c->d_nope + c->d_value;
	const struct loom_bind_part k = {.role = LOOM_ROLE_KV_B, .n_row = h * c->d_nope, .n_stored = h * both, .group = c->d_nope, .stride = both};
	const struct loom_bind_part v = {.role = LOOM_ROLE_KV_B, .n_row = h * c->d_value, .n_stored = h * both, .row0 = c->d_nope,
		.group = c->d_value, .stride = both};
	bool by_head = b->bind.gguf && loom_bind_stored(&b->bind, LOOM_ROLE_K_B, ".weight");
	struct loom_bind_part *ks = loom_arena_alloc(b->bind.arena, (size_t)h, sizeof(*ks)), *vs = loom_arena_alloc(b->bind.arena, (size_t)h, sizeof(*vs));

	b->bind.no_memory = b->bind.no_memory || !ks || !vs;
	for (int32_t i = 0; ks && vs && i < h; i++) {
		ks[i] = (struct loom_bind_part){.role = LOOM_ROLE_K_B, .n_row = c->d_nope, .n_plane = h, .plane = i, .turned = true};
		vs[i] = (struct loom_bind_part){.role = LOOM_ROLE_V_B, .n_row = c->d_value, .n_plane = h, .plane = i};
	}
	by_head = by_head && ks && vs;
	loom_plan_add_linear(b, "attn.k_b", by_head ? ks : &k, by_head ? h : 1, false, low, nope);
	loom_plan_add_linear(b, "attn.v_b", by_head ? vs : &v, by_head ? h : 1, false, low, loom_plan_values(b));
}

void loom_plan_latent(struct loom_builder *b, struct loom_view in)
{
	const struct loom_config *c = b->cfg;
	int32_t h = c->n_head, d = c->d_head;
	struct loom_view low = loom_plan_columns(b, LOOM_SLOT_KV_LOW, 0, c->kv_rank);
	struct loom_view k_rope = loom_plan_columns(b, LOOM_SLOT_KV_LOW, c->kv_rank, c->d_rope), nope = loom_plan_view(b, LOOM_SLOT_K_NOPE);
	struct loom_op *op;

	if (c->q_rank > 0) {
		struct loom_view q_low = loom_plan_view(b, LOOM_SLOT_Q_LOW);
		linear(b, LOOM_ROLE_Q_A, c->q_rank, c->attn_bias, in, q_low);
		low_norm(b, LOOM_ROLE_Q_A_NORM, q_low);
		linear(b, LOOM_ROLE_Q_B, h * d, false, q_low, loom_plan_queries(b));
	} else {
		linear(b, LOOM_ROLE_Q, h * d, false, in, loom_plan_queries(b));
	}
	linear(b, LOOM_ROLE_KV_A, c->kv_rank + c->d_rope, c->attn_bias, in, loom_plan_view(b, LOOM_SLOT_KV_LOW));
	low_norm(b, LOOM_ROLE_KV_A_NORM, low);
	from_low(b, low, nope);
	rotate(b, loom_plan_columns(b, LOOM_SLOT_QKV, c->d_nope, h * d - c->d_nope), h, d);
	rotate(b, k_rope, 1, c->d_rope);
	op = loom_plan_add(b, LOOM_OP_JOIN);
	op->n_head = h;
	op->a = nope;
	op->b = k_rope;
	op->out = loom_plan_keys(b);
}

void loom_plan_gate_heads(struct loom_builder *b, struct loom_view in)
{
	const struct loom_config *c = b->cfg;
	int32_t q = c->n_head * c->d_head;
	const struct loom_bind_part part = {.role = LOOM_ROLE_Q, .n_row = q, .n_stored = 2 * q, .row0 = c->d_head, .group = c->d_head,
		.stride = 2 * c->d_head};
	struct loom_view gate = loom_plan_view(b, LOOM_SLOT_GATE), heads = loom_plan_view(b, LOOM_SLOT_HEADS);

	if (c->family->roles[LOOM_ROLE_ATTN_GATE].hf) {
		linear(b, LOOM_ROLE_ATTN_GATE, q, false, in, gate);
	} else {
		loom_plan_add_linear(b, "attn.gate", &part, 1, c->attn_bias, in, gate);
	}
	add_binary(b, LOOM_ACT_SIGMOID, gate, heads, heads);
}

/* ---- states ---- */

/* Room in a sequence's state for the op that was added last. */
static void keep(struct loom_builder *b, struct loom_op *op, int64_t n_float)
{
	op->state_at = b->p->state_floats;
	b->p->state_floats += n_float;
}

/* A matrix of the state's kind of op, [rows, columns] from a tensor stored [columns, rows]. */
static int32_t turned_table(struct loom_builder *b, enum loom_role role, const char *suffix, int32_t rows, int32_t columns)
{
	const struct loom_bind what = {loom_role_name(role), b->layer, LOOM_WEIGHT_TABLE, suffix, columns, 0};
	const struct loom_bind_part part = {.role = role, .n_row = rows, .turned = true};
	int32_t w = loom_bind(&b->bind, &what, &part, 1);

	b->p->weights[w].dtype = LOOM_F32;
	return w;
}

static void convolve(struct loom_builder *b, struct loom_view in, struct loom_view out)
{
	const struct loom_config *c = b->cfg;
	struct loom_op *op = loom_plan_add(b, LOOM_OP_CONV);

	op->a = in;
	op->out = out;
	op->n_tap = c->n_tap;
	keep(b, op, (int64_t)(c->n_tap - 1) * in.width);
	op->w = turned_table(b, LOOM_ROLE_MIX_CONV, ".weight", c->n_tap, in.width);
	if (c->conv_bias) {
		op->bias = loom_plan_vector(b, LOOM_ROLE_MIX_CONV, ".bias", in.width, 0);
	}
}

static void activate(struct loom_builder *b, struct loom_view at, enum loom_act_kind act)
{
	struct loom_op *op = loom_plan_add(b, LOOM_OP_ACT);

	op->act = act;
	op->a = op->out = at;
}

/* ---- mixers ---- */

/* B | C | x = a Win; out = (C * conv(B * x)) Wout. */
void loom_plan_short_conv(struct loom_builder *b, struct loom_view in, struct loom_view out)
{
	int32_t n = b->cfg->n_embd;
	struct loom_view a = loom_plan_view(b, LOOM_SLOT_MIX_A), y = loom_plan_view(b, LOOM_SLOT_MIX_B);
	bool bias = b->cfg->mixer_bias;

	linear(b, LOOM_ROLE_MIX_IN, 3 * n, bias, in, loom_plan_view(b, LOOM_SLOT_MIX_IN));
	add_binary(b, LOOM_ACT_NONE, loom_plan_columns(b, LOOM_SLOT_MIX_IN, 0, n), loom_plan_columns(b, LOOM_SLOT_MIX_IN, 2 * n, n), a);
	convolve(b, a, y);
	add_binary(b, LOOM_ACT_NONE, loom_plan_columns(b, LOOM_SLOT_MIX_IN, n, n), y, y);
	linear(b, LOOM_ROLE_MIX_OUT, n, bias, y, out);
}

static void scan_norm(struct loom_builder *b, enum loom_role role, struct loom_view at)
{
	const struct loom_config *c = b->cfg;
	struct loom_op *op;

	if (c->scan_norm == LOOM_SCAN_PLAIN) {
		return;
	}
	op = loom_plan_add(b, LOOM_OP_NORM);
	op->a = op->out = at;
	op->n_group = 1;
	op->norm = LOOM_NORM_RMS;
	op->eps = (float)(c->scan_eps > 0 ? c->scan_eps : c->norm_eps);
	if (c->scan_norm == LOOM_SCAN_RMS_WEIGHTS) {
		op->w = loom_plan_vector(b, role, ".weight", at.width, 0);
	}
}

/* x | z = a Win; x = act(conv(x)); dt | B | C = x Wx; out = (scan(x, dt Wdt, B, C) * silu(z)) Wout. */
void loom_plan_scan(struct loom_builder *b, struct loom_view in, struct loom_view out)
{
	const struct loom_config *c = b->cfg;
	int32_t n = c->d_inner, r = c->dt_rank, s = c->d_state;
	struct loom_view x = loom_plan_view(b, LOOM_SLOT_MIX_A), y = loom_plan_view(b, LOOM_SLOT_MIX_B), dt = loom_plan_view(b, LOOM_SLOT_MIX_DT);
	struct loom_view low = loom_plan_columns(b, LOOM_SLOT_MIX_GATES, 0, r), bc = loom_plan_columns(b, LOOM_SLOT_MIX_GATES, r, 2 * s);
	struct loom_op *op;

	linear(b, LOOM_ROLE_MIX_IN, 2 * n, c->mixer_bias, in, loom_plan_view(b, LOOM_SLOT_MIX_IN));
	convolve(b, loom_plan_columns(b, LOOM_SLOT_MIX_IN, 0, n), x);
	activate(b, x, c->mixer_act);
	linear(b, LOOM_ROLE_MIX_X, r + 2 * s, false, x, loom_plan_view(b, LOOM_SLOT_MIX_GATES));
	scan_norm(b, LOOM_ROLE_MIX_DT_NORM, low);
	scan_norm(b, LOOM_ROLE_MIX_B_NORM, loom_plan_columns(b, LOOM_SLOT_MIX_GATES, r, s));
	scan_norm(b, LOOM_ROLE_MIX_C_NORM, loom_plan_columns(b, LOOM_SLOT_MIX_GATES, r + s, s));
	linear(b, LOOM_ROLE_MIX_DT, n, true, low, dt);
	op = loom_plan_add(b, LOOM_OP_SCAN);
	op->a = x;
	op->b = dt;
	op->c = bc;
	op->out = y;
	op->d_state = s;
	keep(b, op, (int64_t)s * n);
	op->w = turned_table(b, LOOM_ROLE_MIX_A, "", s, n);
	b->p->weights[op->w].neg_exp = !b->bind.gguf; /* GGUF holds it so */
	op->bias = loom_plan_vector(b, LOOM_ROLE_MIX_D, "", n, 0);
	add_binary(b, LOOM_ACT_SILU, loom_plan_columns(b, LOOM_SLOT_MIX_IN, n, n), y, y); /* whatever hidden_act is */
	linear(b, LOOM_ROLE_MIX_OUT, c->n_embd, c->mixer_bias, y, out);
}

/* The parts z | x | B | C | dt times their multipliers. */
static void scale_parts(struct loom_builder *b, int32_t inner, int32_t states, int32_t heads)
{
	const struct loom_config *c = b->cfg;
	const int32_t width[] = {inner, inner, states, states, heads};
	const double by[] = {c->scan_z_scale, c->scan_x_scale, c->scan_b_scale, c->scan_c_scale, c->scan_dt_scale};

	for (int32_t i = 0, col = 0; i < 5; col += width[i++]) {
		loom_plan_scale(b, loom_plan_columns(b, LOOM_SLOT_MIX_IN, col, width[i]), by[i]);
	}
}

/* z | x | B | C | dt = a Win; x | B | C = act(conv(x | B | C)); out = norm(scan(x, dt, B, C) * silu(z)) Wout, the norm over each group,
 * where there is one; or the gate behind it. */
void loom_plan_scan_heads(struct loom_builder *b, struct loom_view in, struct loom_view out)
{
	const struct loom_config *c = b->cfg;
	int32_t n = c->d_inner, h = c->n_scan, bc = 2 * c->n_scan_group * c->d_state;
	struct loom_view y = loom_plan_view(b, LOOM_SLOT_MIX_B), mixed = loom_plan_view(b, LOOM_SLOT_MIX_A);
	struct loom_op *op;

	if (c->scan_in_scale != 1) { /* others read `in` as it is */
		op = loom_plan_add(b, LOOM_OP_SCALE);
		op->a = in;
		op->out = in = loom_plan_view(b, LOOM_SLOT_SUB);
		op->scale = (float)c->scan_in_scale;
	}
	linear(b, LOOM_ROLE_MIX_IN, 2 * n + bc + h, c->mixer_bias, in, loom_plan_view(b, LOOM_SLOT_MIX_IN));
	scale_parts(b, n, bc / 2, h);
	convolve(b, loom_plan_columns(b, LOOM_SLOT_MIX_IN, n, n + bc), mixed);
	activate(b, mixed, c->mixer_act);
	op = loom_plan_add(b, LOOM_OP_SCAN_HEADS);
	op->a = loom_plan_columns(b, LOOM_SLOT_MIX_A, 0, n);
	op->b = loom_plan_columns(b, LOOM_SLOT_MIX_IN, 2 * n + bc, h);
	op->c = loom_plan_columns(b, LOOM_SLOT_MIX_A, n, bc);
	op->out = y;
	op->n_head = h;
	op->n_group = c->n_scan_group;
	op->d_state = c->d_state;
	op->d_value = n / h;
	keep(b, op, (int64_t)c->d_state * n);
	op->w = loom_plan_vector_rows(b, LOOM_ROLE_MIX_A, "", h, 0, 1);
	b->p->weights[op->w].neg_exp = !b->bind.gguf; /* GGUF holds it so */
	op->bias = loom_plan_vector_rows(b, LOOM_ROLE_MIX_D, "", h, 0, 1);
	op->bias2 = loom_plan_vector(b, LOOM_ROLE_MIX_DT_BIAS, "", h, 0);
	if (!c->gate_last) {
		add_binary(b, LOOM_ACT_SILU, loom_plan_columns(b, LOOM_SLOT_MIX_IN, 0, n), y, y);
	}
	if (c->gate_norm) {
		op = loom_plan_add(b, LOOM_OP_NORM);
		op->a = op->out = y;
		op->n_group = c->n_scan_group;
		op->norm = LOOM_NORM_RMS;
		op->eps = (float)c->norm_eps;
		op->w = loom_plan_vector_rows(b, LOOM_ROLE_MIX_NORM, ".weight", n, 0, n / c->n_scan_group);
	}
	if (c->gate_last) {
		add_binary(b, LOOM_ACT_SILU, loom_plan_columns(b, LOOM_SLOT_MIX_IN, 0, n), y, y);
	}
	linear(b, LOOM_ROLE_MIX_OUT, c->n_embd, c->mixer_bias, y, out);
}

/* q | k | v | z: q | k | v and z in a tensor each, or grouped by key head in one. */
static void delta_in(struct loom_builder *b, struct loom_view in, bool split)
{
	const struct loom_config *c = b->cfg;
	int32_t dk = c->d_delta_key, keys = c->n_delta_key * dk, values = c->n_delta * c->d_delta;
	int32_t v = c->n_delta / c->n_delta_key * c->d_delta, stride = 2 * dk + 2 * v, all = 2 * keys + 2 * values;
	const struct loom_bind_part two[] = {{.role = LOOM_ROLE_MIX_IN, .n_row = 2 * keys + values}, {.role = LOOM_ROLE_MIX_Z, .n_row = values}};
	const struct loom_bind_part grouped[] = {
		{.role = LOOM_ROLE_MIX_IN, .n_row = keys, .n_stored = all, .group = dk, .stride = stride},
		{.role = LOOM_ROLE_MIX_IN, .n_row = keys, .n_stored = all, .row0 = dk, .group = dk, .stride = stride},
		{.role = LOOM_ROLE_MIX_IN, .n_row = values, .n_stored = all, .row0 = 2 * dk, .group = v, .stride = stride},
		{.role = LOOM_ROLE_MIX_IN, .n_row = values, .n_stored = all, .row0 = 2 * dk + v, .group = v, .stride = stride}};

	loom_plan_add_linear(b, "mixer.in", split ? two : grouped, split ? 2 : 4, false, in, loom_plan_view(b, LOOM_SLOT_MIX_IN));
}

/* write | decay, in a tensor each, or grouped by key head in one. */
static void delta_gates(struct loom_builder *b, struct loom_view in, bool split)
{
	const struct loom_config *c = b->cfg;
	int32_t n = c->n_delta, r = n / c->n_delta_key;
	const struct loom_bind_part two[] = {{.role = LOOM_ROLE_MIX_GATES, .n_row = n}, {.role = LOOM_ROLE_MIX_DECAY, .n_row = n}};
	const struct loom_bind_part grouped[] = {
		{.role = LOOM_ROLE_MIX_GATES, .n_row = n, .n_stored = 2 * n, .group = r, .stride = 2 * r},
		{.role = LOOM_ROLE_MIX_GATES, .n_row = n, .n_stored = 2 * n, .row0 = r, .group = r, .stride = 2 * r}};

	loom_plan_add_linear(b, "mixer.gates", split ? two : grouped, 2, false, in, loom_plan_view(b, LOOM_SLOT_MIX_GATES));
}

static bool named(const struct loom_builder *b, enum loom_role role)
{
	const struct loom_role_name *r = &b->cfg->family->roles[role];

	return (b->bind.gguf ? r->gguf : r->hf) != NULL;
}

/* q | k | v = act(conv(q | k | v)); out = (norm(delta(q, k, v)) * silu(z)) Wout. */
void loom_plan_delta(struct loom_builder *b, struct loom_view in, struct loom_view out)
{
	const struct loom_config *c = b->cfg;
	int32_t values = c->n_delta * c->d_delta, qkv = 2 * c->n_delta_key * c->d_delta_key + values;
	struct loom_view mixed = loom_plan_view(b, LOOM_SLOT_MIX_A), y = loom_plan_view(b, LOOM_SLOT_MIX_B);
	struct loom_op *op;

	delta_in(b, in, named(b, LOOM_ROLE_MIX_Z));
	delta_gates(b, in, named(b, LOOM_ROLE_MIX_DECAY));
	convolve(b, loom_plan_columns(b, LOOM_SLOT_MIX_IN, 0, qkv), mixed);
	activate(b, mixed, c->mixer_act);
	op = loom_plan_add(b, LOOM_OP_DELTA);
	op->a = mixed;
	op->b = loom_plan_view(b, LOOM_SLOT_MIX_GATES);
	op->out = y;
	op->n_head = c->n_delta;
	op->n_head_kv = c->n_delta_key;
	op->d_head = c->d_delta_key;
	op->d_value = c->d_delta;
	op->scale = (float)(1.0 / sqrt((double)c->d_delta_key));
	keep(b, op, (int64_t)c->n_delta * c->d_delta_key * c->d_delta);
	op->w = loom_plan_vector(b, LOOM_ROLE_MIX_A, "", c->n_delta, 0);
	b->p->weights[op->w].neg_exp = !b->bind.gguf; /* GGUF holds it so */
	op->bias = loom_plan_vector(b, LOOM_ROLE_MIX_DT_BIAS, "", c->n_delta, 0);
	op = loom_plan_add(b, LOOM_OP_NORM);
	op->a = op->out = y;
	op->n_group = c->n_delta;
	op->norm = LOOM_NORM_RMS;
	op->eps = (float)c->norm_eps;
	op->w = loom_plan_vector(b, LOOM_ROLE_MIX_NORM, ".weight", c->d_delta, 0);
	add_binary(b, LOOM_ACT_SILU, loom_plan_columns(b, LOOM_SLOT_MIX_IN, qkv, values), y, y);
	linear(b, LOOM_ROLE_MIX_OUT, c->n_embd, false, y, out);
}
