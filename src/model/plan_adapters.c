/* plan_adapters.c: low-rank adapters beside a model's matrices and tables (https://arxiv.org/abs/2106.09685), one a task, as torch's
 * parametrizations store them: out += scale * (in A^T) B^T with the A and B of the row's task. A of all tasks is one matrix whose products of
 * other tasks are made 0, B of all tasks another; so rows of different tasks share a step, and a row without a task gains exactly 0. */
#include "plan_internal.h"

#define LORA_A ".parametrizations.weight.0.lora_A"
#define LORA_B ".parametrizations.weight.0.lora_B"

static bool adapted(const struct loom_builder *b, enum loom_role role)
{
	return b->cfg->n_adapter > 0 && !b->out_rows && (!b->bind.store || loom_binder_stored(&b->bind, role, b->layer, LORA_A));
}

static int32_t bind(struct loom_builder *b, enum loom_role role, enum loom_weight_kind kind, const char *suffix, int32_t n_col,
	struct loom_bind_part part)
{
	const struct loom_bind what = {loom_role_name(role), b->layer, kind, suffix, n_col, 0};

	part.role = role;
	return loom_bind(&b->bind, &what, &part, 1);
}

/* low: products with A of all tasks. Those of the row's own times scale times b are added to out. */
static void add_chosen(struct loom_builder *b, struct loom_view low, int32_t w, struct loom_view out)
{
	const struct loom_config *c = b->cfg;
	struct loom_view sum = loom_plan_columns(b, LOOM_SLOT_ADAPT, 0, out.width);
	struct loom_op *op = loom_plan_add(b, LOOM_OP_ADAPT);

	b->p->n_adapter = c->n_adapter;
	op->out = low;
	op->n_group = c->n_adapter;
	op->scale = (float)(c->adapter_alpha / c->adapter_rank);
	op = loom_plan_add(b, LOOM_OP_LINEAR);
	op->a = low;
	op->out = sum;
	op->w = w;
	op = loom_plan_add(b, LOOM_OP_ADD);
	op->a = op->out = out;
	op->b = sum;
}

void loom_plan_adapt(struct loom_builder *b, enum loom_role role, struct loom_view in, struct loom_view out)
{
	int32_t n = b->cfg->n_adapter, all = n * b->cfg->adapter_rank;
	struct loom_view low;
	struct loom_op *op;

	if (!adapted(b, role)) {
		return;
	}
	low = loom_plan_view(b, LOOM_SLOT_ADAPT_LOW);
	op = loom_plan_add(b, LOOM_OP_LINEAR);
	op->a = in;
	op->out = low;
	op->w = bind(b, role, LOOM_WEIGHT_MATRIX, LORA_A, in.width, (struct loom_bind_part){.n_row = all});
	add_chosen(b, low, bind(b, role, LOOM_WEIGHT_MATRIX, LORA_B, all, (struct loom_bind_part){.n_row = out.width, .n_side = n}), out);
}

void loom_plan_adapt_table(struct loom_builder *b, enum loom_role role, enum loom_index_kind index, int32_t rows, struct loom_view out)
{
	int32_t n = b->cfg->n_adapter, rank = b->cfg->adapter_rank;
	struct loom_view low;

	if (!adapted(b, role)) {
		return;
	}
	low = loom_plan_view(b, LOOM_SLOT_ADAPT_LOW);
	for (int32_t i = 0; i < n; i++) { /* A of a table is looked up as the table is */
		struct loom_op *op = loom_plan_add(b, LOOM_OP_EMBED);
		op->out = loom_plan_columns(b, LOOM_SLOT_ADAPT_LOW, i * rank, rank);
		op->index = index;
		op->w = bind(b, role, LOOM_WEIGHT_TABLE, LORA_A, rank, (struct loom_bind_part){.n_row = rows, .n_plane = n, .plane = i});
	}
	add_chosen(b, low, bind(b, role, LOOM_WEIGHT_MATRIX, LORA_B, n * rank, (struct loom_bind_part){.n_row = out.width, .turned = true}), out);
}
