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
	struct loom_layout *layout;     /* takes down what would be looked for (layout.h); NULL: none */
	enum loom_dtype keep;
	char prefix[96];                /* of tensor names, chosen by what the store has */
	struct loom_plan *plan;         /* weights are appended here; room is made beforehand */
	struct loom_arena *arena;       /* owns the parts */
	struct loom_buf missing, wrong; /* names for the message */
	int n_missing, n_wrong;
	bool no_memory;
};
void loom_binder_init(struct loom_binder *b, const struct loom_config *cfg, const struct loom_store *store, bool gguf,
	enum loom_dtype keep, struct loom_plan *plan, struct loom_arena *arena);
/* The one message when anything was missing or mis-shaped; releases b's memory. */
enum loom_status loom_binder_finish(struct loom_binder *b, struct loom_err *err) LOOM_MUST_CHECK;

/* One stored tensor of a weight, or a share of its rows. */
struct loom_bind_part {
	enum loom_role role;
	int32_t n_row;      /* output rows */
	int unpermute;      /* loom_weight_part.rope_unpermute, for GGUF files */
	int32_t n_stored;   /* rows of the tensor when it is shared with other parts; 0: n_row */
	int32_t row0, group, stride; /* as in loom_weight_part */
	int32_t head;       /* fills "%h" in the name */
	int32_t n_wide;     /* a vector that GGUF files keep in rows of so many; 0: in one */
	int32_t n_plane, plane; /* the tensor is n_plane matrices, and this is one of them; n_plane 0: it is a matrix */
	int32_t n_side;     /* the tensor is [n_side, n_row, n_col / n_side]: matrices that stand side by side in the weight */
	bool turned;        /* stored the other way round: [in, out], or a TABLE's [columns, rows] (also [columns, 1, rows]) */
};
/* What a weight is called and how it is kept. */
struct loom_bind {
	const char *name;    /* in the plan */
	int32_t layer;       /* -1: none */
	enum loom_weight_kind kind;
	const char *suffix;  /* ".weight", ".bias", or "" */
	int32_t n_col;       /* 1 for vectors */
	float add;           /* loom_weight.add */
};
/* Adds a weight made of n parts stacked along the rows. Returns its index. */
int32_t loom_bind(struct loom_binder *b, const struct loom_bind *what, const struct loom_bind_part *parts, int n);
/* Adds a weight whose values [n_row, n_col] are given. */
int32_t loom_bind_constant(struct loom_binder *b, const struct loom_bind *what, const float *values, int32_t n_row);
/* Adds a weight [n_row, distances] that others give. Its index. */
int32_t loom_bind_spread(struct loom_binder *b, const struct loom_bind *what, const struct loom_spread *from, int32_t n_row);
/* "blk.%d.attn_q" (the first alternative at name) with its numbers and the suffix. */
void loom_weight_name(char *out, size_t cap, const char *name, int32_t layer, int32_t head, const char *suffix);
/* Does the store hold a tensor of this role and suffix at a layer? false without a store. */
bool loom_binder_stored(const struct loom_binder *b, enum loom_role role, int32_t layer, const char *suffix);
/* Is the role's tensor (of layer 0) there under the chosen prefix? */
bool loom_bind_stored(const struct loom_binder *b, enum loom_role role, const char *suffix);
/* The name, without suffix, under which a role's tensor is stored; other: what it is called when the family has no name for it ("/score";
 * NULL: it has none then). false when there is none. */
bool loom_role_find_stored(const struct loom_config *cfg, const struct loom_store *store, enum loom_role role, const char *other, char *out,
	size_t cap);
bool loom_role_stored(const struct loom_family *f, const struct loom_store *store, bool gguf, const char *prefix, enum loom_role role,
	const char *suffix);

#endif
