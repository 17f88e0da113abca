/* weights_internal.h: between weights.c, weights_quant.c and weights_stacked.c. */
#ifndef LOOM_WEIGHTS_INTERNAL_H
#define LOOM_WEIGHTS_INTERNAL_H

#include "weights.h"

/* The first alternative of a role's names that is stored with this suffix, its name in out; else NULL and the first alternative's name. */
const struct loom_tensor *loom_binder_find(const struct loom_store *store, const char *names, const char *prefix, int32_t layer, int32_t head,
	const char *suffix, char *out, size_t cap);
/* Adds a name or a sentence to one of the binder's two lists. */
void loom_binder_note(struct loom_buf *buf, int *count, const char *text);
/* Binds the part to quantized tensors, when the store has such for the module [n_row, w->n_col] (or a request wants them made of its float
 * matrix). false: it has none, and the plain tensor is to be looked for. */
bool loom_bind_quantized(struct loom_binder *b, struct loom_weight *w, const struct loom_bind_part *p, const struct loom_bind *what,
	const char *names, int64_t n_row, bool transposed);
/* The same for one matrix of a tensor of several: gpt-oss's MXFP4 experts, and what a request wants made. */
bool loom_bind_stacked(struct loom_binder *b, struct loom_weight *w, const struct loom_bind_part *p, const struct loom_bind *what,
	const char *names, int64_t n_row, bool transposed);
/* q, whose sizes are set, is made of the float tensor t as a request wants it. */
void loom_quant_made(struct loom_quant *q, enum loom_make make, const struct loom_tensor *t, bool transposed);

#endif
