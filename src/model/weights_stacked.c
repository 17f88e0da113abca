/* weights_stacked.c: binds one matrix of a tensor that holds those of all experts to what it is quantized as: MXFP4 as gpt-oss stores it, or what a
 * request wants made of floats. GGUF's stacked blocks need nothing of this: their type says it all. */
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "weights_internal.h"

/* Is t [planes, rows, cols] (last 0: that many dimensions only, else a fourth) of bytes? Else a note about it. */
static bool shaped(struct loom_binder *b, const struct loom_tensor *t, const int64_t *shape, int n_dim)
{
	char text[LOOM_MAX_TENSOR_NAME + 240], found[96], wanted[96];

	if (t->dtype == LOOM_U8 && t->n_dim == n_dim && memcmp(t->shape, shape, (size_t)n_dim * sizeof(*shape)) == 0) {
		return true;
	}
	loom_shape_show(t->n_dim, t->shape, found, sizeof(found));
	loom_shape_show(n_dim, shape, wanted, sizeof(wanted));
	(void)snprintf(text, sizeof(text), "%s is %s %s, expected uint8 %s", t->name, loom_dtype_name(t->dtype), found, wanted);
	loom_binder_note(&b->wrong, &b->n_wrong, text);
	return false;
}

/* X_blocks [E, N, K/32, 16] and X_scales [E, N, K/32]. */
static void bind_mxfp4(struct loom_binder *b, struct loom_quant *q, const struct loom_tensor *blocks, const char *stem)
{
	const int64_t shape[4] = {q->n_plane, q->n_row, q->n_col / 32, 16};
	char name[LOOM_MAX_TENSOR_NAME + 8], text[LOOM_MAX_TENSOR_NAME + 240];

	(void)snprintf(name, sizeof(name), "%s_scales", stem);
	q->kind = LOOM_QUANT_MXFP4;
	q->bits = 4;
	q->group = 32;
	q->scale = loom_store_find(b->store, name);
	if (q->n_col % 32 != 0) {
		(void)snprintf(text, sizeof(text), "%s: %lld columns are not whole blocks of 32", blocks->name, (long long)q->n_col);
		loom_binder_note(&b->wrong, &b->n_wrong, text);
	} else if (!q->scale) {
		loom_binder_note(&b->missing, &b->n_missing, name);
	} else if (shaped(b, blocks, shape, 4) && shaped(b, q->scale, shape, 3)) {
		q->codes = blocks;
	}
}

/* Floats [E, N, K], or [E, K, N] when they are turned. */
static void bind_made(const struct loom_binder *b, struct loom_quant *q, const struct loom_tensor *t, bool turned)
{
	enum loom_make make = b->cfg->quant.make;
	int64_t rows = turned ? q->n_col : q->n_row, cols = turned ? q->n_row : q->n_col;

	if (make == LOOM_MAKE_NONE || !t || t->n_dim != 3 || t->shape[0] != q->n_plane || t->shape[1] != rows || t->shape[2] != cols ||
		(t->dtype != LOOM_F32 && t->dtype != LOOM_F16 && t->dtype != LOOM_BF16)) {
		return;
	}
	loom_quant_made(q, make, t, turned);
}

bool loom_bind_stacked(struct loom_binder *b, struct loom_weight *w, const struct loom_bind_part *p, const struct loom_bind *what,
	const char *names, int64_t n_row, bool transposed)
{
	struct loom_quant q = {.n_row = n_row, .n_col = w->n_col, .n_plane = p->n_plane, .plane = p->plane, .block_rows = 1}, *kept;
	char name[LOOM_MAX_TENSOR_NAME];
	const struct loom_tensor *blocks = loom_binder_find(b->store, names, b->prefix, what->layer, p->head, "_blocks", name, sizeof(name));
	int wrong = b->n_wrong + b->n_missing;

	if (blocks) {
		name[strlen(name) - strlen("_blocks")] = '\0';
		bind_mxfp4(b, &q, blocks, name);
	} else {
		bind_made(b, &q, loom_binder_find(b->store, names, b->prefix, what->layer, p->head, what->suffix, name, sizeof(name)), transposed);
	}
	if (!q.codes) {
		return b->n_wrong + b->n_missing > wrong;
	}
	kept = loom_arena_alloc(b->arena, 1, sizeof(*kept));
	b->no_memory = b->no_memory || !kept;
	if (kept) {
		*kept = q;
		w->part[w->n_part++] = (struct loom_weight_part){.tensor = kept->codes, .n_row = p->n_row, .row0 = p->row0, .group = p->group,
			.stride = p->stride, .quant = kept};
	}
	return true;
}
