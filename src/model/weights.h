/* weights.h: the weights of a plan: their shapes, and the stored tensors they are bound to. All faults of all weights are
 * collected, so that one message tells the whole story. */
#ifndef LOOM_WEIGHTS_H
#define LOOM_WEIGHTS_H

#include "buf.h"
#include "config.h"
#include "family.h"
#include "plan.h"

struct loom_binder {
	const struct loom_config *cfg;
	const struct loom_store *store; /* NULL: shapes only */
	bool gguf;
	enum loom_dtype keep;
	const char *prefix;             /* of tensor names, chosen by what the store has */
	struct loom_plan *plan;         /* weights are appended here; room is made beforehand */
	struct loom_buf missing, wrong; /* names for the message */
	int n_missing, n_wrong;
};
void loom_binder_init(struct loom_binder *b, const struct loom_config *cfg, const struct loom_store *store, bool gguf,
	enum loom_dtype keep, struct loom_plan *plan);
/* The one message when anything was missing or mis-shaped; releases b's memory. */
enum loom_status loom_binder_finish(struct loom_binder *b, struct loom_err *err) LOOM_MUST_CHECK;

/* One stored tensor of a weight: a role's ".weight" or ".bias" with n_row output rows. */
struct loom_bind_part {
	enum loom_role role;
	int32_t n_row;
	int unpermute; /* loom_weight_part.rope_unpermute */
};
/* Adds a weight called name (layer -1: none) made of n parts stacked along the rows; n_col 1 for vectors. Returns its index. */
int32_t loom_bind(struct loom_binder *b, const char *name, int32_t layer, enum loom_weight_kind kind, const char *suffix,
	const struct loom_bind_part *parts, int n, int32_t n_col);

#endif
