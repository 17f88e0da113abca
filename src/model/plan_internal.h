/* plan_internal.h: what the files that unroll a plan share: plan.c (around the blocks), plan_steps.c (inside). */
#ifndef LOOM_PLAN_INTERNAL_H
#define LOOM_PLAN_INTERNAL_H

#include "plan.h"
#include "weights.h"

struct loom_builder {
	const struct loom_config *cfg;
	struct loom_plan *p;
	struct loom_binder bind;
	int32_t layer;          /* -1 outside the blocks */
	bool out_rows;
	bool tied;              /* the head's matrix is the token embedding */
	int32_t sinks;          /* of the layer; -1 none */
	int32_t rel_table;      /* TABLE of relative positions; -1 none, or each layer has its own */
	int32_t rel_norm, rel_norm_bias; /* over its rows; -1 none */
	int32_t rel_bias, rel_key, rel_query; /* SPREADs of the layer; -1 none */
};

/* The whole of a slot, or some of its columns; the slot is in use from then on. */
struct loom_view loom_plan_view(struct loom_builder *b, enum loom_slot slot);
struct loom_view loom_plan_columns(struct loom_builder *b, enum loom_slot slot, int32_t col, int32_t width);
struct loom_op *loom_plan_add(struct loom_builder *b, enum loom_op_kind kind);
void loom_plan_add_tap(struct loom_builder *b, enum loom_site site, int32_t layer, struct loom_view at);
/* Norm of the family's kind with the role's weight. */
void loom_plan_add_norm(struct loom_builder *b, enum loom_role role, struct loom_view in, struct loom_view out);
/* out = in W^T, the parts stacked. name: of the weight, in the plan. */
void loom_plan_add_linear(struct loom_builder *b, const char *name, const struct loom_bind_part *parts, int n, bool bias,
	struct loom_view in, struct loom_view out);
int32_t loom_plan_vector(struct loom_builder *b, enum loom_role role, const char *suffix, int32_t n, double plus);
/* The same of one that GGUF files keep in rows of n_wide. */
int32_t loom_plan_vector_rows(struct loom_builder *b, enum loom_role role, const char *suffix, int32_t n, double plus, int32_t n_wide);
/* at *= by; nothing where that is 1. plan_steps.c */
void loom_plan_scale(struct loom_builder *b, struct loom_view at, double by);
/* Steps of mixtures of experts. plan_moe.c */
void loom_plan_route(struct loom_builder *b, struct loom_view in);
void loom_plan_experts(struct loom_builder *b, struct loom_view in, struct loom_view out);
void loom_plan_shared(struct loom_builder *b, struct loom_view in, struct loom_view out);
/* Columns of the qkv slot. plan_steps.c */
struct loom_view loom_plan_queries(struct loom_builder *b);
struct loom_view loom_plan_keys(struct loom_builder *b);
struct loom_view loom_plan_values(struct loom_builder *b);
/* Latent attention up to the stored keys and values; the gate of the heads; mixers that are not attention. plan_mix.c */
void loom_plan_latent(struct loom_builder *b, struct loom_view in);
void loom_plan_gate_heads(struct loom_builder *b, struct loom_view in);
void loom_plan_short_conv(struct loom_builder *b, struct loom_view in, struct loom_view out);
void loom_plan_scan(struct loom_builder *b, struct loom_view in, struct loom_view out);
void loom_plan_scan_heads(struct loom_builder *b, struct loom_view in, struct loom_view out);
void loom_plan_delta(struct loom_builder *b, struct loom_view in, struct loom_view out);
/* Relative positions: what is before the layers; what the layer's ATTEND adds to scores. plan_relative.c */
void loom_plan_relative_begin(struct loom_builder *b);
void loom_plan_relative(struct loom_builder *b);
/* What low-rank adapters add to a product that was just made, or to rows of a table that were looked up: nothing where the role has none.
 * plan_adapters.c */
void loom_plan_adapt(struct loom_builder *b, enum loom_role role, struct loom_view in, struct loom_view out);
void loom_plan_adapt_table(struct loom_builder *b, enum loom_role role, enum loom_index_kind index, int32_t rows, struct loom_view out);
/* One step of a block program. plan_steps.c */
void loom_plan_step(struct loom_builder *b, const struct loom_step *s);

#endif
