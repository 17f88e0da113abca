/* plan_relative.c: relative positions: the tables, and from them what a layer's ATTEND adds to scores at each distance (struct loom_spread). */
#include "distance.h"
#include "plan_internal.h"

static int32_t table(struct loom_builder *b, enum loom_role role, int32_t layer, int32_t n_col)
{
	const struct loom_bind what = {loom_role_name(role), layer, LOOM_WEIGHT_TABLE, ".weight", n_col, 0};
	int32_t w = loom_bind(&b->bind, &what, &(struct loom_bind_part){.role = role, .n_row = loom_distance_rows(b->cfg)}, 1);

	b->p->weights[w].passing = true;
	return w;
}

void loom_plan_relative_begin(struct loom_builder *b)
{
	const struct loom_config *c = b->cfg;

	if (c->rel == LOOM_REL_BUCKETS && !c->rel_each) {
		b->rel_table = table(b, LOOM_ROLE_REL_BIAS, -1, c->n_head);
	} else if (c->rel == LOOM_REL_DISENTANGLED && (c->rel_key || c->rel_query)) {
		b->rel_table = table(b, LOOM_ROLE_REL_EMBED, -1, c->n_embd);
		if (c->rel_norm) {
			b->rel_norm = loom_plan_vector(b, LOOM_ROLE_REL_NORM, ".weight", c->n_embd, 0);
			b->rel_norm_bias = loom_plan_vector(b, LOOM_ROLE_REL_NORM, ".bias", c->n_embd, 0);
		}
	}
}

/* Rows through the layer's own matrix of queries or keys, which begin at column `col` of its products, or through one for them. */
static int32_t through(struct loom_builder *b, enum loom_role role, int32_t col)
{
	const struct loom_config *c = b->cfg;
	const struct loom_bind_part part = {.role = role, .n_row = c->n_head * c->d_head};
	const struct loom_bind matrix = {loom_role_name(role), b->layer, LOOM_WEIGHT_MATRIX, ".weight", c->n_embd, 0};
	const struct loom_bind spread = {loom_role_name(role), b->layer, LOOM_WEIGHT_SPREAD, "", b->p->distances.n, 0};
	struct loom_spread s = {.table = b->rel_table, .norm = b->rel_norm, .norm_bias = b->rel_norm_bias, .eps = (float)c->norm_eps, .col = col};

	if (c->rel_shared) {
		const struct loom_op *op = &b->p->ops[b->p->n_op - 1];
		while (op->kind != LOOM_OP_LINEAR) { /* that of queries, keys and values */
			op--;
		}
		s.matrix = op->w;
		s.bias = op->bias;
	} else {
		s.col = 0;
		s.matrix = loom_bind(&b->bind, &matrix, &part, 1);
		if (!b->bind.store || loom_bind_stored(&b->bind, role, ".bias")) {
			s.bias = loom_plan_vector(b, role, ".bias", part.n_row, 0);
		}
		b->p->weights[s.matrix].passing = true;
	}
	return loom_bind_spread(&b->bind, &spread, &s, part.n_row);
}

void loom_plan_relative(struct loom_builder *b)
{
	const struct loom_config *c = b->cfg;

	if (c->rel == LOOM_REL_BUCKETS && (c->rel_each || b->rel_bias < 0)) {
		const struct loom_spread s = {.table = c->rel_each ? table(b, LOOM_ROLE_REL_BIAS, b->layer, c->n_head) : b->rel_table, .norm = -1,
			.norm_bias = -1, .matrix = -1, .bias = -1};
		const struct loom_bind what = {"rel_bias", c->rel_each ? b->layer : -1, LOOM_WEIGHT_SPREAD, "", b->p->distances.n, 0};
		b->rel_bias = loom_bind_spread(&b->bind, &what, &s, c->n_head);
	} else if (c->rel == LOOM_REL_DISENTANGLED) {
		b->rel_key = c->rel_key ? through(b, LOOM_ROLE_REL_KEY, c->n_head * c->d_head) : -1;
		b->rel_query = c->rel_query ? through(b, LOOM_ROLE_REL_QUERY, 0) : -1;
	}
}
