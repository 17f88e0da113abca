/* weights.c: binds the weights of a plan to stored tensors by the family's names. Reads no data. */
#include "weights.h"

#include <stdio.h>
#include <string.h>

#include "bounds.h"

#define SHOWN 8 /* names in a message; the rest is counted */

void loom_binder_init(struct loom_binder *b, const struct loom_config *cfg, const struct loom_store *store, bool gguf,
	enum loom_dtype keep, struct loom_plan *plan)
{
	const struct loom_family *f = cfg->family;
	char name[LOOM_MAX_TENSOR_NAME];

	*b = (struct loom_binder){.cfg = cfg, .store = store, .gguf = gguf, .keep = keep, .plan = plan};
	loom_buf_init(&b->missing, 4096);
	loom_buf_init(&b->wrong, 4096);
	b->prefix = gguf ? "" : f->prefixes[0];
	for (const char *const *p = f->prefixes; !gguf && store && *p; p++) {
		(void)snprintf(name, sizeof(name), "%s%s.weight", *p, f->roles[LOOM_ROLE_EMBED_TOKEN].hf);
		if (loom_store_find(store, name)) {
			b->prefix = *p;
			return;
		}
	}
}

enum loom_status loom_binder_finish(struct loom_binder *b, struct loom_err *err)
{
	enum loom_status rc = LOOM_OK;

	if (b->missing.failed || b->wrong.failed) {
		rc = loom_err_nomem(err, "a message", 4096);
	} else if (b->n_missing + b->n_wrong > 0) {
		rc = loom_err_set(err, LOOM_E_MODEL, "weights do not match the config: %d missing%s%s%s; %d mis-shaped%s%s%s", b->n_missing,
			b->n_missing ? " (" : "", b->missing.data ? b->missing.data : "", b->n_missing ? ")" : "", b->n_wrong,
			b->n_wrong ? " (" : "", b->wrong.data ? b->wrong.data : "", b->n_wrong ? ")" : "");
	}
	loom_buf_release(&b->missing);
	loom_buf_release(&b->wrong);
	return rc;
}

/* "layers.%d.mlp" with its number in place; templates come from the family tables only. */
static void fill_layer(char *out, size_t cap, const char *pattern, int32_t layer)
{
	const char *at = strstr(pattern, "%d");

	if (!at) {
		(void)snprintf(out, cap, "%s", pattern);
	} else {
		(void)snprintf(out, cap, "%.*s%d%s", (int)(at - pattern), pattern, layer, at + 2);
	}
}

static void tensor_name(const struct loom_binder *b, enum loom_role role, int32_t layer, const char *suffix, char *out, size_t cap)
{
	const struct loom_role_name *r = &b->cfg->family->roles[role];
	char stem[LOOM_MAX_TENSOR_NAME - 64];

	fill_layer(stem, sizeof(stem), b->gguf ? r->gguf : r->hf, layer);
	/* The head stands beside the base model, not in it. */
	(void)snprintf(out, cap, "%s%s%s", role == LOOM_ROLE_HEAD ? "" : b->prefix, stem, suffix);
}

static void note(struct loom_buf *buf, int *count, const char *text)
{
	if (*count < SHOWN) {
		(void)loom_buf_printf(buf, "%s%s", *count ? ", " : "", text);
	} else if (*count == SHOWN) {
		(void)loom_buf_puts(buf, ", …");
	}
	(*count)++;
}

static bool float_like(enum loom_dtype t)
{
	return t == LOOM_F32 || t == LOOM_F16 || t == LOOM_BF16 || t == LOOM_F64 || loom_dtype_block(t) > 1;
}

static bool shape_is(const struct loom_tensor *t, bool vector, int64_t rows, int64_t cols)
{
	return vector ? t->n_dim == 1 && t->shape[0] == rows : t->n_dim == 2 && t->shape[0] == rows && t->shape[1] == cols;
}

static void bind_part(struct loom_binder *b, struct loom_weight *w, const struct loom_bind_part *p, int32_t layer, const char *suffix)
{
	bool vector = w->kind == LOOM_WEIGHT_VECTOR;
	/* GGUF files hold GPT-2's matrices turned to [out, in]. */
	bool transposed = w->kind == LOOM_WEIGHT_MATRIX && b->cfg->family->transposed && !b->gguf && p->role != LOOM_ROLE_EMBED_TOKEN &&
		p->role != LOOM_ROLE_HEAD;
	int64_t rows = transposed ? w->n_col : p->n_row, cols = transposed ? p->n_row : w->n_col;
	char name[LOOM_MAX_TENSOR_NAME], text[LOOM_MAX_TENSOR_NAME + 160], found[96];
	const struct loom_tensor *t;

	tensor_name(b, p->role, layer, suffix, name, sizeof(name));
	t = loom_store_find(b->store, name);
	if (!t) {
		note(&b->missing, &b->n_missing, name);
		return;
	}
	if (!shape_is(t, vector, rows, cols)) {
		loom_shape_show(t->n_dim, t->shape, found, sizeof(found));
		if (vector) {
			(void)snprintf(text, sizeof(text), "%s is %s, expected [%lld]", name, found, (long long)rows);
		} else {
			(void)snprintf(text, sizeof(text), "%s is %s, expected [%lld,%lld]", name, found, (long long)rows, (long long)cols);
		}
		note(&b->wrong, &b->n_wrong, text);
		return;
	}
	if (!float_like(t->dtype)) {
		(void)snprintf(text, sizeof(text), "%s is %s, expected a floating-point type", name, loom_dtype_name(t->dtype));
		note(&b->wrong, &b->n_wrong, text);
		return;
	}
	w->part[w->n_part++] = (struct loom_weight_part){.tensor = t, .n_row = p->n_row, .transposed = transposed,
		.rope_unpermute = b->gguf ? p->unpermute : 0};
}

/* What the backend keeps: the stored type when all parts have it and it is a float type, else float32. */
static enum loom_dtype kept(const struct loom_binder *b, const struct loom_weight *w)
{
	enum loom_dtype t = b->cfg->dtype;

	if (w->kind == LOOM_WEIGHT_VECTOR) {
		return LOOM_F32;
	}
	if (b->keep != LOOM_DTYPE_UNKNOWN) {
		return b->keep;
	}
	for (int i = 0; i < w->n_part; i++) {
		t = i > 0 && w->part[i].tensor->dtype != t ? LOOM_F32 : w->part[i].tensor->dtype;
	}
	return t == LOOM_F16 || t == LOOM_BF16 ? t : LOOM_F32;
}

int32_t loom_bind(struct loom_binder *b, const char *name, int32_t layer, enum loom_weight_kind kind, const char *suffix,
	const struct loom_bind_part *parts, int n, int32_t n_col)
{
	struct loom_weight *w = &b->plan->weights[b->plan->n_weight];

	memset(w, 0, sizeof(*w));
	if (layer >= 0) {
		(void)snprintf(w->name, sizeof(w->name), "layers.%d.%s%s", layer, name, suffix);
	} else {
		(void)snprintf(w->name, sizeof(w->name), "%s%s", name, suffix);
	}
	w->kind = kind;
	w->n_col = n_col;
	for (int i = 0; i < n; i++) {
		w->n_row += parts[i].n_row;
		if (b->store) {
			bind_part(b, w, &parts[i], layer, suffix);
		}
	}
	w->dtype = kept(b, w);
	return b->plan->n_weight++;
}
