/* plan_print.c: a plan as text: `loom plan MODEL`, and the golden files of the tests. One op a line. */
#include <stdio.h>
#include <string.h>

#include "family.h"
#include "plan.h"
#include "model.h"

static const char *const op_names[LOOM_N_OP] = {
	[LOOM_OP_EMBED] = "embed", [LOOM_OP_NORM] = "norm", [LOOM_OP_LINEAR] = "linear", [LOOM_OP_ROTATE] = "rotate",
	[LOOM_OP_KV_STORE] = "kv_store", [LOOM_OP_ATTEND] = "attend", [LOOM_OP_ACT] = "act", [LOOM_OP_GATE] = "gate", [LOOM_OP_ADD] = "add",
	[LOOM_OP_JOIN] = "join", [LOOM_OP_CONV] = "conv", [LOOM_OP_SCAN] = "scan",
	[LOOM_OP_SCAN_HEADS] = "scan_head", [LOOM_OP_DELTA] = "delta", [LOOM_OP_ROUTE] = "route", [LOOM_OP_EXPERTS] = "experts",
	[LOOM_OP_SCALE] = "scale", [LOOM_OP_TEMPER] = "temper", [LOOM_OP_SOFTCAP] = "softcap", [LOOM_OP_CLIP] = "clip", [LOOM_OP_ADAPT] = "adapt",
	[LOOM_OP_GATHER] = "gather", [LOOM_OP_TAP] = "tap"};
static const char *const act_names[LOOM_N_ACT] = {"silu", "gelu_erf", "gelu_tanh", "relu", "relu2", "quick_gelu", "tanh",
	"sigmoid", "linear", "xielu"};
static const char *const index_names[] = {"token", "position", "counted position", "type", "row 0"};
static const char *const rope_names[] = {"default", "linear", "dynamic", "yarn", "longrope", "llama3"};

const char *loom_op_name(enum loom_op_kind kind)
{
	return op_names[kind];
}

static void put_view(const struct loom_plan *p, const struct loom_view *v, struct loom_buf *out)
{
	if (v->slot < 0) {
		return;
	}
	if (v->width == p->slot_width[v->slot]) {
		(void)loom_buf_printf(out, "%s[%s,%d]", loom_slot_name((enum loom_slot)v->slot), p->slot_out_rows[v->slot] ? "N" : "T", v->width);
	} else {
		(void)loom_buf_printf(out, "%s[%s,%d:%d]", loom_slot_name((enum loom_slot)v->slot), p->slot_out_rows[v->slot] ? "N" : "T", v->col,
			v->col + v->width);
	}
}

static void put_weight(const struct loom_plan *p, int32_t w, const char *label, struct loom_buf *out)
{
	const struct loom_weight *x;

	if (w < 0) {
		return;
	}
	x = &p->weights[w];
	if (x->kind == LOOM_WEIGHT_VECTOR) {
		(void)loom_buf_printf(out, "  %s %s[%lld]", label, x->name, (long long)x->n_row);
		if (x->add != 0) {
			(void)loom_buf_printf(out, " + %g", (double)x->add);
		}
	} else {
		(void)loom_buf_printf(out, "  %s %s[%lld,%lld] %s", label, x->name, (long long)x->n_row, (long long)x->n_col,
			loom_dtype_name(x->dtype));
	}
	if (x->spread) {
		put_weight(p, x->spread->table, "of", out);
		put_weight(p, x->spread->norm, "norm", out);
		put_weight(p, x->spread->matrix, "w", out);
		if (x->spread->col > 0) {
			(void)loom_buf_printf(out, " from %d", x->spread->col);
		}
	}
	for (int i = 0; i < x->n_part; i++) {
		const struct loom_weight_part *t = &x->part[i];
		(void)loom_buf_printf(out, "%s%s%s", i == 0 ? " <- " : " | ", t->tensor->name, t->transposed ? "^T" : "");
		if (t->group > 0) {
			(void)loom_buf_printf(out, " rows %lld+%lld of every %lld", (long long)t->row0, (long long)t->group, (long long)t->stride);
		}
	}
}

static void put_attend(const struct loom_op *op, struct loom_buf *out)
{
	static const char *const biases[] = {[LOOM_SCORE_ALIBI] = "alibi", [LOOM_SCORE_ALIBI_BF16] = "alibi in bfloat16"};

	(void)loom_buf_printf(out, "  %d heads, %d kv heads of %d", op->n_head, op->n_head_kv, op->d_head);
	if (op->d_value != op->d_head) {
		(void)loom_buf_printf(out, " and %d", op->d_value);
	}
	(void)loom_buf_printf(out, ", scale %.9g, %s", (double)op->scale, op->causal ? "causal" : "bidirectional");
	if (op->window > 0) {
		(void)loom_buf_printf(out, ", %s %d", op->chunked ? "chunks of" : "window", op->window);
	}
	if (op->softcap > 0) {
		(void)loom_buf_printf(out, ", softcap %.9g", (double)op->softcap);
	}
	if (op->score_bias != LOOM_SCORE_PLAIN) {
		(void)loom_buf_printf(out, ", %s", biases[op->score_bias]);
	}
}

static void put_router(const struct loom_router *r, struct loom_buf *out)
{
	static const char *const kinds[] = {"softmax", "sigmoid", "softmax of the chosen", "sparsemixer"};

	(void)loom_buf_printf(out, "  %d of %d experts, %s", r->n_used, r->n_expert, kinds[r->kind]);
	if (r->n_group > 1) {
		(void)loom_buf_printf(out, ", %d of %d groups by their best %d", r->n_group_used, r->n_group, r->n_group_best);
	}
	(void)loom_buf_printf(out, "%s, scale %.9g", r->normalize ? ", normalized" : "", (double)r->scale);
}

/* What is particular to the op's kind. */
static void put_details(const struct loom_plan *p, const struct loom_op *op, struct loom_buf *out)
{
	static const char *const glus[] = {"", ", gated", ", clamped and gated"};

	switch (op->kind) {
	case LOOM_OP_EMBED:
		(void)loom_buf_printf(out, "  by %s%s", index_names[op->index], op->accumulate ? ", added" : "");
		if (op->index_add != 0) {
			(void)loom_buf_printf(out, ", from %d", op->index_add);
		}
		if (op->scale != 1) {
			(void)loom_buf_printf(out, ", scale %.9g", (double)op->scale);
		}
		break;
	case LOOM_OP_NORM:
		(void)loom_buf_printf(out, "  %s eps %g", op->norm == LOOM_NORM_RMS ? "rms" : "layer", (double)op->eps);
		if (op->n_group > 1) {
			(void)loom_buf_printf(out, ", each of %d heads", op->n_group);
		}
		break;
	case LOOM_OP_ROTATE:
		(void)loom_buf_printf(out, "  %d heads of %d", op->n_group, op->d_head);
		if (p->ropes[op->rope].dim != op->d_head) {
			(void)loom_buf_printf(out, ", their first %d columns", p->ropes[op->rope].dim);
		}
		if (p->n_rope > 1) {
			(void)loom_buf_printf(out, ", rope %d", op->rope);
		}
		break;
	case LOOM_OP_ATTEND:
		put_attend(op, out);
		break;
	case LOOM_OP_JOIN:
		(void)loom_buf_printf(out, "  %d heads", op->n_head);
		break;
	case LOOM_OP_CONV:
		(void)loom_buf_printf(out, "  %d taps, state at %lld", op->n_tap, (long long)op->state_at);
		break;
	case LOOM_OP_SCAN:
		(void)loom_buf_printf(out, "  %d states a column, state at %lld", op->d_state, (long long)op->state_at);
		break;
	case LOOM_OP_SCAN_HEADS:
		(void)loom_buf_printf(out, "  %d heads of %d, %d groups of %d states, state at %lld", op->n_head, op->d_value, op->n_group, op->d_state,
			(long long)op->state_at);
		break;
	case LOOM_OP_DELTA:
		(void)loom_buf_printf(out, "  %d heads of %d and %d, %d of keys, scale %.9g, state at %lld", op->n_head, op->d_head, op->d_value,
			op->n_head_kv, (double)op->scale, (long long)op->state_at);
		break;
	case LOOM_OP_ROUTE:
		put_router(&p->routers[op->router], out);
		break;
	case LOOM_OP_EXPERTS:
		(void)loom_buf_printf(out, "  %d of %d experts of %d, %s%s", op->n_used, op->n_expert, op->n_ffn, act_names[op->act],
			glus[op->glu]);
		break;
	case LOOM_OP_TEMPER:
		(void)loom_buf_printf(out, "  %.9g, every %d positions", (double)op->scale, op->every);
		break;
	case LOOM_OP_ADAPT:
		(void)loom_buf_printf(out, "  one of %d, times %.9g", op->n_group, (double)op->scale);
		break;
	case LOOM_OP_ACT:
	case LOOM_OP_GATE:
		(void)loom_buf_printf(out, "  %s", act_names[op->act]);
		break;
	case LOOM_OP_SCALE:
	case LOOM_OP_SOFTCAP:
	case LOOM_OP_CLIP:
		(void)loom_buf_printf(out, "  %.9g", (double)op->scale);
		break;
	default:
		break;
	}
}

static void put_op(const struct loom_plan *p, int32_t i, struct loom_buf *out)
{
	const struct loom_op *op = &p->ops[i];
	char layer[16] = "-";

	if (op->layer >= 0) {
		(void)snprintf(layer, sizeof(layer), "%d", op->layer);
	}
	(void)loom_buf_printf(out, "%4d %4s  %-9s", i, layer, op_names[op->kind]);
	if (op->kind == LOOM_OP_TAP) {
		(void)loom_buf_printf(out, "%s", loom_site_name(op->site));
		if (op->site == LOOM_SITE_ATTN_PROBS) {
			(void)loom_buf_printf(out, " [T,%d,keys]\n", op->n_head);
			return;
		}
		(void)loom_buf_puts(out, " = ");
		put_view(p, &op->a, out);
		(void)loom_buf_putc(out, '\n');
		return;
	}
	put_view(p, &op->out, out);
	if (op->a.slot >= 0) {
		(void)loom_buf_puts(out, op->out.slot >= 0 ? " = " : "");
		put_view(p, &op->a, out);
	}
	if (op->b.slot >= 0) {
		(void)loom_buf_puts(out, ", ");
		put_view(p, &op->b, out);
	}
	if (op->c.slot >= 0) {
		(void)loom_buf_puts(out, ", ");
		put_view(p, &op->c, out);
	}
	put_details(p, op, out);
	put_weight(p, op->w, "w", out);
	put_weight(p, op->bias, "bias", out);
	put_weight(p, op->w2, "w2", out);
	put_weight(p, op->bias2, "bias2", out);
	put_weight(p, op->sinks, "sinks", out);
	put_weight(p, op->rel_bias, "distance", out);
	put_weight(p, op->rel_key, "distance to key", out);
	put_weight(p, op->rel_query, "distance to query", out);
	(void)loom_buf_putc(out, '\n');
}

/* The programs of the layers, each once. */
static void put_blocks(const struct loom_config *cfg, struct loom_buf *out)
{
	for (int32_t l = 0; l < cfg->n_layer; l++) {
		int32_t first = 0;
		while (strcmp(cfg->layers[first].block->name, cfg->layers[l].block->name) != 0) {
			first++;
		}
		if (first == l) {
			(void)loom_buf_printf(out, "%s%s", l ? " and " : "", cfg->layers[l].block->name);
		}
	}
}

void loom_plan_print(const struct loom_plan *p, const struct loom_config *cfg, struct loom_buf *out)
{
	(void)loom_buf_printf(out, "%s (family %s, block ", cfg->architecture, cfg->family->name);
	put_blocks(cfg, out);
	(void)loom_buf_printf(out, "): %d layers, width %d, %d heads, %d kv heads of %d, ffn %d, vocabulary %d, context %lld\n", p->n_layer,
		p->n_embd, p->n_head, p->n_head_kv, p->d_head, cfg->n_ffn, p->n_vocab, (long long)cfg->n_ctx);
	for (int32_t i = 0; i < p->n_rope; i++) {
		(void)loom_buf_printf(out, "rope %s, theta %g, factor on cos and sin %.9g%s\n", rope_names[p->ropes[i].type], p->ropes[i].base,
			(double)p->ropes[i].attn_factor, p->ropes[i].interleaved ? ", interleaved" : "");
	}
	(void)loom_buf_printf(out, "T: rows of a step; N: rows whose logits are wanted\n  op layer what\n");
	for (int32_t i = 0; i < p->n_op; i++) {
		put_op(p, i, out);
	}
}
