/* weights.c: binds the weights of a plan to stored tensors by the family's names. Reads no data. */
#include "weights.h"

#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "layout.h"
#include "weights_internal.h"

#define SHOWN 8 /* names in a message; the rest is counted */

/* What stands before the whole text model's names in larger models, as transformers 4 and 5 save them. */
static const char *const towers[] = {"", "language_model.", "model.language_model.", "language_model.model.", "model.text_model.",
	"text_model."};
#define N_TOWER (sizeof(towers) / sizeof(towers[0]))

/* "layers.%d.q.%h" with its numbers in place; templates come from the family tables and manifests. */
static void fill_numbers(char *out, size_t cap, const char *pattern, size_t n, int32_t layer, int32_t head)
{
	size_t len = 0;

	for (size_t i = 0; i < n && len + 1 < cap; i++) {
		bool number = pattern[i] == '%' && i + 1 < n && (pattern[i + 1] == 'd' || pattern[i + 1] == 'h');
		if (number) {
			len += (size_t)snprintf(out + len, cap - len, "%d", pattern[++i] == 'd' ? layer : head);
			len = len < cap ? len : cap - 1;
		} else {
			out[len++] = pattern[i];
		}
	}
	out[len] = '\0';
}

/* The full name of one alternative (n bytes at p, a leading "/" left out) of a role's names. */
static void full_name(char *out, size_t cap, const char *before, const char *p, size_t n, int32_t layer, int32_t head, const char *suffix)
{
	char stem[LOOM_MAX_TENSOR_NAME - 128];
	bool bare = *p == '/';

	fill_numbers(stem, sizeof(stem), p + bare, n - bare, layer, head);
	(void)snprintf(out, cap, "%s%s%s", before, stem, suffix);
}

void loom_weight_name(char *out, size_t cap, const char *name, int32_t layer, int32_t head, const char *suffix)
{
	full_name(out, cap, "", name, loom_word_len(name), layer, head, suffix);
}

/* The first alternative that is stored, its name in out; else NULL and the first alternative's name. Names that take no prefix (the head's)
 * may stand inside a larger model. */
const struct loom_tensor *loom_binder_find(const struct loom_store *store, const char *names, const char *prefix, int32_t layer, int32_t head,
	const char *suffix, char *out, size_t cap)
{
	for (const char *p = names; p; p = loom_words_next(p)) {
		for (size_t w = 0; w < (*p == '/' ? N_TOWER : 1); w++) {
			const struct loom_tensor *t;
			full_name(out, cap, *p == '/' ? towers[w] : prefix, p, loom_word_len(p), layer, head, suffix);
			t = loom_store_find(store, out);
			if (!t && strcmp(suffix, ".weight") == 0) { /* what torch's parametrizations keep of a matrix with adapters */
				full_name(out, cap, *p == '/' ? towers[w] : prefix, p, loom_word_len(p), layer, head, ".parametrizations.weight.original");
				t = loom_store_find(store, out);
			}
			if (t) {
				return t;
			}
		}
	}
	full_name(out, cap, *names == '/' ? "" : prefix, names, loom_word_len(names), layer, head, suffix);
	return NULL;
}

/* A norm's vector as TensorFlow's checkpoints call it. */
static const char *older_suffix(const char *suffix)
{
	return strcmp(suffix, ".weight") == 0 ? ".gamma" : ".beta";
}

bool loom_role_stored(const struct loom_family *f, const struct loom_store *store, bool gguf, const char *prefix, enum loom_role role,
	const char *suffix)
{
	const char *names = gguf ? f->roles[role].gguf : f->roles[role].hf;
	char name[LOOM_MAX_TENSOR_NAME];

	return store && names && loom_binder_find(store, names, prefix, 0, 0, suffix, name, sizeof(name)) != NULL;
}

/* The prefix under which the token embedding is found. */
static void choose_prefix(struct loom_binder *b)
{
	const struct loom_family *f = b->cfg->family;
	const char *names = f->roles[LOOM_ROLE_EMBED_TOKEN].hf;
	char name[LOOM_MAX_TENSOR_NAME], prefix[96];

	(void)snprintf(b->prefix, sizeof(b->prefix), "%.*s", (int)loom_word_len(f->prefixes), f->prefixes);
	for (size_t w = 0; b->store && w < N_TOWER; w++) {
		for (const char *p = f->prefixes; p; p = loom_words_next(p)) {
			(void)snprintf(prefix, sizeof(prefix), "%s%.*s", towers[w], (int)(loom_word_len(p) < 60 ? loom_word_len(p) : 60), p);
			if (loom_binder_find(b->store, names, prefix, 0, 0, ".weight", name, sizeof(name))) {
				memcpy(b->prefix, prefix, sizeof(prefix));
				return;
			}
		}
	}
}

bool loom_bind_stored(const struct loom_binder *b, enum loom_role role, const char *suffix)
{
	return b->layout ? loom_layout_has(b->layout, role) : loom_role_stored(b->cfg->family, b->store, b->gguf, b->prefix, role, suffix);
}

bool loom_role_find_stored(const struct loom_config *cfg, const struct loom_store *store, enum loom_role role, const char *other, char *out,
	size_t cap)
{
	struct loom_binder b = {.cfg = cfg, .store = store};
	const char *names = cfg->family->roles[role].hf ? cfg->family->roles[role].hf : other;

	choose_prefix(&b);
	if (!names || !loom_binder_find(store, names, b.prefix, 0, 0, ".weight", out, cap)) {
		return false;
	}
	out[strlen(out) - strlen(".weight")] = '\0';
	return true;
}

void loom_binder_init(struct loom_binder *b, const struct loom_config *cfg, const struct loom_store *store, bool gguf,
	enum loom_dtype keep, struct loom_plan *plan, struct loom_arena *arena)
{
	*b = (struct loom_binder){.cfg = cfg, .store = store, .gguf = gguf, .keep = keep, .plan = plan, .arena = arena};
	loom_buf_init(&b->missing, 4096);
	loom_buf_init(&b->wrong, 4096);
	if (!gguf) {
		choose_prefix(b);
	}
}

enum loom_status loom_binder_finish(struct loom_binder *b, struct loom_err *err)
{
	enum loom_status rc = LOOM_OK;

	if (b->missing.failed || b->wrong.failed || b->no_memory) {
		rc = loom_err_nomem(err, "weights", 4096);
	} else if (b->n_missing + b->n_wrong > 0) {
		rc = loom_err_set(err, LOOM_E_MODEL, "weights do not match the config: %d missing%s%s%s; %d mis-shaped%s%s%s", b->n_missing,
			b->n_missing ? " (" : "", b->missing.data ? b->missing.data : "", b->n_missing ? ")" : "", b->n_wrong,
			b->n_wrong ? " (" : "", b->wrong.data ? b->wrong.data : "", b->n_wrong ? ")" : "");
	}
	loom_buf_release(&b->missing);
	loom_buf_release(&b->wrong);
	return rc;
}

void loom_binder_note(struct loom_buf *buf, int *count, const char *text)
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

/* Vectors may lie in any shape of so many numbers ([heads, d] norms). */
static bool shape_is(const struct loom_tensor *t, bool vector, int64_t planes, int64_t rows, int64_t cols)
{
	if (vector) {
		return t->n_elem == (uint64_t)rows;
	}
	if (planes > 0) {
		return t->n_dim == 3 && t->shape[0] == planes && t->shape[1] == rows && t->shape[2] == cols;
	}
	if (t->n_dim == 3) { /* a convolution's [columns, 1, taps], adapters of all tasks */
		return t->shape[0] * t->shape[1] == rows && t->shape[2] == cols;
	}
	if (t->n_dim == 1 && rows == 1) { /* GGUF's shared expert's gate */
		return t->shape[0] == cols;
	}
	return t->n_dim == 2 && t->shape[0] == rows && t->shape[1] == cols;
}

static void say_expected(bool vector, int64_t planes, int64_t rows, int64_t cols, char *out, size_t cap)
{
	if (vector) {
		(void)snprintf(out, cap, "[%lld]", (long long)rows);
	} else if (planes > 0) {
		(void)snprintf(out, cap, "[%lld,%lld,%lld]", (long long)planes, (long long)rows, (long long)cols);
	} else {
		(void)snprintf(out, cap, "[%lld,%lld]", (long long)rows, (long long)cols);
	}
}

bool loom_binder_stored(const struct loom_binder *b, enum loom_role role, int32_t layer, const char *suffix)
{
	const char *names = b->gguf ? b->cfg->family->roles[role].gguf : b->cfg->family->roles[role].hf;
	char name[LOOM_MAX_TENSOR_NAME];

	if (b->layout) {
		return loom_layout_has(b->layout, role);
	}
	return b->store && names && loom_binder_find(b->store, names, b->prefix, layer, 0, suffix, name, sizeof(name)) != NULL;
}

/* The number that stands in the names of a layer's weights. */
static int32_t group_of(const struct loom_config *c, int32_t layer)
{
	return c->n_group > 0 && layer >= 0 ? (int32_t)(layer / ((double)c->n_layer / c->n_group)) : layer;
}

/* Is it stored the other way round? GGUF files hold matrices as [out, in], also GPT-2's; but not the keys of latent attention. */
static bool turned(const struct loom_binder *b, enum loom_weight_kind kind, const struct loom_bind_part *p)
{
	if (kind != LOOM_WEIGHT_MATRIX) {
		return kind == LOOM_WEIGHT_TABLE && p->turned;
	}
	if (b->gguf) {
		return p->turned && p->role == LOOM_ROLE_K_B;
	}
	return p->turned || (b->cfg->transposed && p->role != LOOM_ROLE_EMBED_TOKEN && p->role != LOOM_ROLE_HEAD);
}

static void bind_part(struct loom_binder *b, struct loom_weight *w, const struct loom_bind_part *p, const struct loom_bind *what)
{
	const struct loom_role_name *r = &b->cfg->family->roles[p->role];
	const char *names = b->gguf ? r->gguf : r->hf;
	bool vector = w->kind == LOOM_WEIGHT_VECTOR;
	bool transposed = turned(b, w->kind, p);
	int64_t n_row = p->n_stored ? p->n_stored : p->n_row;
	int64_t rows = transposed ? w->n_col : n_row, cols = transposed ? n_row : w->n_col;
	char name[LOOM_MAX_TENSOR_NAME], text[LOOM_MAX_TENSOR_NAME + 240], found[96], wanted[96];
	const struct loom_tensor *t;

	if (!names) {
		(void)snprintf(text, sizeof(text), "%s, which has no name in this kind of file", what->name);
		loom_binder_note(&b->missing, &b->n_missing, text);
		return;
	}
	if (p->n_side > 1) {
		rows *= p->n_side;
		cols /= p->n_side;
	} else if (w->kind == LOOM_WEIGHT_MATRIX && !b->gguf &&
		(p->n_plane > 0 ? loom_bind_stacked : loom_bind_quantized)(b, w, p, what, names, n_row, transposed)) {
		return;
	}
	t = loom_binder_find(b->store, names, b->prefix, group_of(b->cfg, what->layer), p->head, what->suffix, name, sizeof(name));
	if (!t && vector) {
		t = loom_binder_find(b->store, names, b->prefix, group_of(b->cfg, what->layer), p->head, older_suffix(what->suffix), text, sizeof(text));
	}
	if (!t) {
		loom_binder_note(&b->missing, &b->n_missing, name);
		return;
	}
	if (!shape_is(t, vector, p->n_plane, rows, cols)) {
		loom_shape_show(t->n_dim, t->shape, found, sizeof(found));
		say_expected(vector, p->n_plane, rows, cols, wanted, sizeof(wanted));
		(void)snprintf(text, sizeof(text), "%s is %s, expected %s", name, found, wanted);
		loom_binder_note(&b->wrong, &b->n_wrong, text);
		return;
	}
	if (!float_like(t->dtype)) {
		(void)snprintf(text, sizeof(text), "%s is %s, expected a floating-point type", name, loom_dtype_name(t->dtype));
		loom_binder_note(&b->wrong, &b->n_wrong, text);
		return;
	}
	w->part[w->n_part++] = (struct loom_weight_part){.tensor = t, .n_row = p->n_row, .row0 = p->plane * rows + p->row0, .group = p->group,
		.stride = p->stride, .transposed = transposed, .n_side = p->n_side, .rope_unpermute = b->gguf ? p->unpermute : 0};
}

static bool quantized(const struct loom_weight_part *p)
{
	return p->quant || loom_dtype_block(p->tensor->dtype) > 1;
}

/* What the backend keeps: the stored type when all parts have it and it is a float type, else float32. Quantized parts of a matrix stay as they
 * are stored, when nobody asked for another type. */
static enum loom_dtype kept(const struct loom_binder *b, struct loom_weight *w)
{
	enum loom_dtype t = b->cfg->dtype;
	bool any = false, turned_one = false;

	if (w->kind == LOOM_WEIGHT_VECTOR) {
		return LOOM_F32;
	}
	for (int i = 0; i < w->n_part; i++) {
		any = any || quantized(&w->part[i]);
		turned_one = turned_one || (w->part[i].transposed && !w->part[i].quant);
	}
	w->packed = any && !turned_one && w->kind == LOOM_WEIGHT_MATRIX && (b->keep == LOOM_DTYPE_UNKNOWN || b->cfg->quant.make != LOOM_MAKE_NONE);
	if (b->keep != LOOM_DTYPE_UNKNOWN) {
		return b->keep;
	}
	if (any) {
		return w->kind == LOOM_WEIGHT_TABLE && w->n_part == 1 ? w->part[0].tensor->dtype : LOOM_F32;
	}
	for (int i = 0; i < w->n_part; i++) {
		t = i > 0 && w->part[i].tensor->dtype != t ? LOOM_F32 : w->part[i].tensor->dtype;
	}
	return t == LOOM_F16 || t == LOOM_BF16 ? t : LOOM_F32;
}

static struct loom_weight *add_weight(struct loom_binder *b, const struct loom_bind *what)
{
	struct loom_weight *w = &b->plan->weights[b->plan->n_weight++];

	memset(w, 0, sizeof(*w));
	if (what->layer >= 0) {
		(void)snprintf(w->name, sizeof(w->name), "layers.%d.%s%s", what->layer, what->name, what->suffix);
	} else {
		(void)snprintf(w->name, sizeof(w->name), "%s%s", what->name, what->suffix);
	}
	w->kind = what->kind;
	w->n_col = what->n_col;
	w->add = what->add;
	return w;
}

/* The first layer that has the weights of this one: itself, unless groups share them. */
static int32_t owner(const struct loom_config *c, int32_t layer)
{
	int32_t first = 0;

	while (c->n_group > 0 && first < layer && group_of(c, first) != group_of(c, layer)) {
		first++;
	}
	return c->n_group > 0 && layer >= 0 ? first : layer;
}

/* The weight of that name, bound before; -1 when there is none. */
static int32_t bound(const struct loom_binder *b, const struct loom_bind *what, int32_t layer)
{
	char name[sizeof(b->plan->weights->name)];

	(void)snprintf(name, sizeof(name), "layers.%d.%s%s", layer, what->name, what->suffix);
	for (int32_t i = 0; i < b->plan->n_weight; i++) {
		if (strcmp(b->plan->weights[i].name, name) == 0) {
			return i;
		}
	}
	return -1;
}

int32_t loom_bind(struct loom_binder *b, const struct loom_bind *what, const struct loom_bind_part *parts, int n)
{
	int32_t first = owner(b->cfg, what->layer), same = first < what->layer ? bound(b, what, first) : -1;
	struct loom_weight *w;

	if (same >= 0) {
		return same;
	}
	w = add_weight(b, what);

	w->part = loom_arena_alloc(b->arena, (size_t)n, sizeof(*w->part));
	b->no_memory = b->no_memory || !w->part;
	if (b->layout) {
		loom_layout_note(b->layout, b->plan->n_weight - 1, what, parts, n);
	}
	for (int i = 0; i < n; i++) {
		w->n_row += parts[i].n_row;
		if (b->store && w->part) {
			bind_part(b, w, &parts[i], what);
		}
	}
	w->dtype = kept(b, w);
	return b->plan->n_weight - 1;
}

int32_t loom_bind_constant(struct loom_binder *b, const struct loom_bind *what, const float *values, int32_t n_row)
{
	struct loom_weight *w = add_weight(b, what);

	w->n_row = n_row;
	w->dtype = LOOM_F32;
	w->constant = values;
	b->no_memory = b->no_memory || !values;
	return b->plan->n_weight - 1;
}

int32_t loom_bind_spread(struct loom_binder *b, const struct loom_bind *what, const struct loom_spread *from, int32_t n_row)
{
	struct loom_weight *w = add_weight(b, what);
	struct loom_spread *spread = loom_arena_alloc(b->arena, 1, sizeof(*spread));

	w->n_row = n_row;
	w->dtype = LOOM_F32;
	w->spread = spread;
	b->no_memory = b->no_memory || !spread;
	if (spread) {
		*spread = *from;
	}
	return b->plan->n_weight - 1;
}
