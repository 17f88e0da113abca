/* weights_quant.c: binds a module's quantized tensors. A module is quantized when its packed tensor is there; the config says how to read
 * it, and where both speak (bits, group size, shapes) they must agree. Only bitsandbytes' description of a tensor, a few hundred bytes of JSON,
 * is read. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "jsonx.h"
#include "weights_internal.h"

#define MAX_STATE_BYTES 4096 /* of bitsandbytes' quant_state */

struct binding {
	struct loom_binder *b;
	struct loom_quant q;
	char stem[LOOM_MAX_TENSOR_NAME]; /* the module's name */
	bool failed;
};

static void wrong(struct binding *x, const char *fmt, ...) LOOM_PRINTF(2, 3);
static void wrong(struct binding *x, const char *fmt, ...)
{
	char text[LOOM_MAX_TENSOR_NAME + 256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	loom_binder_note(&x->b->wrong, &x->b->n_wrong, text);
	x->failed = true;
}

static const struct loom_tensor *beside(const struct binding *x, const char *suffix)
{
	char name[LOOM_MAX_TENSOR_NAME];

	(void)snprintf(name, sizeof(name), "%s%s", x->stem, suffix);
	return loom_store_find(x->b->store, name);
}

static const struct loom_tensor *needed(struct binding *x, const char *suffix)
{
	const struct loom_tensor *t = beside(x, suffix);
	char name[LOOM_MAX_TENSOR_NAME];

	if (!t) {
		(void)snprintf(name, sizeof(name), "%s%s", x->stem, suffix);
		loom_binder_note(&x->b->missing, &x->b->n_missing, name);
		x->failed = true;
	}
	return t;
}

/* Is t [rows, cols] of one of the types (0 ends the list)? cols -1: one dimension. of: what decides the shape, for the message. */
static void expect(struct binding *x, const struct loom_tensor *t, int64_t rows, int64_t cols, const struct loom_tensor *of, const enum loom_dtype *types)
{
	char found[96], first[96];
	int n_dim = cols < 0 ? 1 : 2;

	if (!t) {
		return;
	}
	loom_shape_show(t->n_dim, t->shape, found, sizeof(found));
	if (t->n_dim != n_dim || t->shape[0] != rows || (cols >= 0 && t->shape[1] != cols)) {
		const int64_t shape[2] = {rows, cols};
		char want[96];
		loom_shape_show(n_dim, shape, want, sizeof(want));
		if (of && of != t) {
			loom_shape_show(of->n_dim, of->shape, first, sizeof(first));
			wrong(x, "%s is %s, expected %s beside %s %s", t->name, found, want, of->name, first);
		} else {
			wrong(x, "%s is %s, expected %s for a matrix [%lld,%lld] of %d bits", t->name, found, want, (long long)x->q.n_row,
				(long long)x->q.n_col, x->q.bits);
		}
		return;
	}
	for (const enum loom_dtype *d = types; *d; d++) {
		if (t->dtype == *d) {
			return;
		}
	}
	wrong(x, "%s is %s, expected %s", t->name, loom_dtype_name(t->dtype), loom_dtype_name(types[0]));
}

static const enum loom_dtype words[] = {LOOM_I32, LOOM_U32, 0}, halves[] = {LOOM_F16, LOOM_BF16, LOOM_F32, 0},
	f16s[] = {LOOM_F16, 0}, i16s[] = {LOOM_I16, LOOM_U16, 0},
	f32s[] = {LOOM_F32, 0}, bytes[] = {LOOM_U8, 0}, int8s[] = {LOOM_I8, 0}, any_scale[] = {LOOM_F32, LOOM_BF16, LOOM_F16, LOOM_U8, LOOM_F8_E8M0, 0};

/* Group size from the config, checked against the number of groups that the scales have. */
static void set_group(struct binding *x, const struct loom_tensor *scale, int64_t groups, bool checked)
{
	const struct loom_quant_config *c = &x->b->cfg->quant;
	int64_t group = c->group < 0 ? x->q.n_col : c->group;

	if (!scale) {
		return;
	}
	if (groups < 1 || groups > x->q.n_col) {
		wrong(x, "%s has %lld groups for %lld columns", scale->name, (long long)groups, (long long)x->q.n_col);
		return;
	}
	if (checked && (x->q.n_col + group - 1) / group != groups) {
		wrong(x, "%s has %lld groups, expected %lld: %lld columns in groups of %lld", scale->name, (long long)groups,
			(long long)((x->q.n_col + group - 1) / group), (long long)x->q.n_col, (long long)group);
		return;
	}
	x->q.group = checked ? group : (x->q.n_col + groups - 1) / groups;
}

static void bind_gptq(struct binding *x)
{
	const struct loom_quant_config *c = &x->b->cfg->quant;
	struct loom_quant *q = &x->q;
	int64_t bits = q->codes->n_dim == 2 ? q->codes->shape[0] * 32 / q->n_col : 0;

	q->kind = LOOM_QUANT_GPTQ;
	q->bits = c->dynamic ? (int)bits : c->bits;
	q->add_one = !c->zeros_plain;
	if (q->bits != 2 && q->bits != 3 && q->bits != 4 && q->bits != 8) {
		wrong(x, "%s has %lld bits a weight, expected 2, 3, 4 or 8", q->codes->name, (long long)bits);
		return;
	}
	if (q->n_col * q->bits % 32 || q->n_row * q->bits % 32) {
		wrong(x, "%s: a matrix [%lld,%lld] does not fill words with %d bits", q->codes->name, (long long)q->n_row, (long long)q->n_col,
			q->bits);
		return;
	}
	expect(x, q->codes, q->n_col * q->bits / 32, q->n_row, NULL, words);
	q->scale = needed(x, ".scales");
	q->zero = needed(x, ".qzeros");
	q->g_idx = beside(x, ".g_idx");
	if (x->failed) {
		return;
	}
	set_group(x, q->scale, q->scale->shape[0], !c->dynamic);
	expect(x, q->scale, q->scale->shape[0], q->n_row, q->codes, halves);
	expect(x, q->zero, q->scale->shape[0], q->n_row * q->bits / 32, q->scale, words);
	expect(x, q->g_idx, q->n_col, -1, q->codes, words);
}

static void bind_awq(struct binding *x)
{
	const struct loom_quant_config *c = &x->b->cfg->quant;
	struct loom_quant *q = &x->q;
	int64_t group = c->group < 0 ? q->n_col : c->group, groups = q->n_col / group, padded;

	q->bits = 4;
	q->group = group;
	q->scale = needed(x, ".scales");
	q->zero = needed(x, ".qzeros");
	if (x->failed) {
		return;
	}
	if (q->n_col % group || q->n_row % 8 || q->n_col % 8 || (c->awq == LOOM_AWQ_FAST && (q->n_col % 64 || group % 8))) {
		wrong(x, "%s: a matrix [%lld,%lld] does not fill groups of %lld", q->codes->name, (long long)q->n_row, (long long)q->n_col,
			(long long)group);
		return;
	}
	if (c->awq == LOOM_AWQ_GEMM) {
		q->kind = LOOM_QUANT_AWQ_GEMM;
		expect(x, q->codes, q->n_col, q->n_row / 8, NULL, words);
		expect(x, q->scale, groups, q->n_row, q->codes, halves);
		expect(x, q->zero, groups, q->n_row / 8, q->codes, words);
		return;
	}
	padded = (groups + 7) / 8;
	padded = group >= 128 ? padded : group == 64 ? (padded + 1) / 2 * 2 : (padded + 3) / 4 * 4;
	if (c->awq == LOOM_AWQ_GEMV) {
		q->kind = LOOM_QUANT_AWQ_GEMV;
		expect(x, q->codes, q->n_row, q->n_col / 8, NULL, words);
		expect(x, q->zero, q->n_row, padded, q->codes, words);
		expect(x, q->scale, q->n_row, padded * 8, q->codes, halves);
	} else {
		q->kind = LOOM_QUANT_AWQ_FAST;
		expect(x, q->codes, q->n_row / 4, q->n_col, NULL, i16s);
		expect(x, q->zero, padded * 8, q->n_row, q->codes, f16s);
		expect(x, q->scale, padded * 8, q->n_row, q->codes, f16s);
	}
}

/* The JSON beside bitsandbytes' 4-bit weights. */
static void read_state(struct binding *x, const struct loom_tensor *t)
{
	const struct loom_json_ctx c = {t->name, LOOM_E_MODEL};
	struct loom_quant *q = &x->q;
	char text[MAX_STATE_BYTES];
	struct loom_err err = {0};
	json_t *root = NULL;
	const json_t *shape;
	int64_t nested = 256;
	double offset = 0;
	bool ok;

	if (t->bytes > sizeof(text) || loom_store_read(x->b->store, t, 0, text, (size_t)t->bytes, &err) ||
		loom_json_parse(text, (size_t)t->bytes, t->name, LOOM_E_MODEL, &root, &err)) {
		wrong(x, "%s: expected JSON of at most %u bytes", t->name, MAX_STATE_BYTES);
		return;
	}
	shape = json_object_get(root, "shape");
	ok = loom_json_int(&c, root, "blocksize", 32, 4096, &q->group, &err) == LOOM_OK && (q->group & (q->group - 1)) == 0 && q->group > 0;
	ok = ok && loom_json_int(&c, root, "nested_blocksize", 1, 65536, &nested, &err) == LOOM_OK &&
		loom_json_num(&c, root, "nested_offset", -1e30, 1e30, &offset, &err) == LOOM_OK;
	if (!ok) {
		wrong(x, "%s: blocksize: expected a power of two 32..4096, and numbers for nested statistics", t->name);
	} else if (json_integer_value(json_array_get(shape, 0)) != q->n_row || json_integer_value(json_array_get(shape, 1)) != q->n_col) {
		wrong(x, "%s: shape is [%lld,%lld], expected [%lld,%lld]", t->name, (long long)json_integer_value(json_array_get(shape, 0)),
			(long long)json_integer_value(json_array_get(shape, 1)), (long long)q->n_row, (long long)q->n_col);
	}
	q->nested_group = nested;
	q->nested_offset = (float)offset;
	json_decref(root);
}

static void bind_bnb4(struct binding *x)
{
	struct loom_quant *q = &x->q;
	const struct loom_tensor *state = beside(x, ".weight.quant_state.bitsandbytes__nf4"), *absmax = beside(x, ".weight.absmax");
	uint64_t need = (uint64_t)(q->n_row * q->n_col + 1) / 2;
	int64_t blocks;

	q->kind = LOOM_QUANT_BNB4;
	q->bits = 4;
	q->codes = needed(x, ".weight");
	if (!state) {
		state = beside(x, ".weight.quant_state.bitsandbytes__fp4");
		q->fp4 = state != NULL;
	}
	if (!state) {
		state = needed(x, ".weight.quant_state.bitsandbytes__nf4");
	}
	if (x->failed) {
		return;
	}
	read_state(x, state);
	if (x->failed) {
		return;
	}
	blocks = (q->n_row * q->n_col + q->group - 1) / q->group;
	if (q->codes->bytes != need && q->codes->bytes != (need + 3) / 4 * 4) {
		wrong(x, "%s has %llu bytes, expected %llu for [%lld,%lld]", q->codes->name, (unsigned long long)q->codes->bytes, (unsigned long long)need,
			(long long)q->n_row, (long long)q->n_col);
	}
	q->scale = absmax;
	q->map = beside(x, ".weight.quant_map");
	q->nested_scale = beside(x, ".weight.nested_absmax");
	q->nested_map = beside(x, ".weight.nested_quant_map");
	expect(x, absmax, blocks, -1, q->codes, q->nested_scale ? bytes : f32s);
	expect(x, q->map, 16, -1, NULL, f32s);
	if (q->nested_scale) {
		expect(x, q->nested_scale, (blocks + q->nested_group - 1) / q->nested_group, -1, absmax, f32s);
		expect(x, needed(x, ".weight.nested_quant_map"), 256, -1, NULL, f32s);
	}
}

static void bind_bnb8(struct binding *x)
{
	struct loom_quant *q = &x->q;
	const struct loom_tensor *format = beside(x, ".weight_format");
	unsigned char code = 0;
	struct loom_err err;

	q->kind = LOOM_QUANT_BNB8;
	q->bits = 8;
	q->scale = beside(x, ".SCB");
	q->codes = needed(x, ".weight");
	expect(x, q->codes, q->n_row, q->n_col, NULL, int8s);
	expect(x, q->scale, q->n_row, -1, q->codes, f32s);
	if (format && (format->bytes != 1 || loom_store_read(x->b->store, format, 0, &code, 1, &err) || code != 0)) {
		wrong(x, "%s is %d, expected 0 (rows)", format->name, code);
	}
}

static void bind_ct_packed(struct binding *x)
{
	struct loom_quant *q = &x->q;
	int64_t per;

	q->kind = LOOM_QUANT_CT_PACKED;
	q->scale = needed(x, ".weight_scale");
	q->zero = beside(x, ".weight_zero_point");
	q->g_idx = beside(x, ".weight_g_idx");
	if (x->failed) {
		return;
	}
	per = q->codes->n_dim == 2 ? q->codes->shape[1] * 32 : 0;
	q->bits = per >= q->n_col * 8 ? 8 : 4;
	expect(x, q->codes, q->n_row, (q->n_col * q->bits + 31) / 32, NULL, words);
	if (q->scale->n_dim != 2) {
		wrong(x, "%s: expected two dimensions", q->scale->name);
		return;
	}
	set_group(x, q->scale, q->scale->shape[1], false);
	expect(x, q->scale, q->n_row, q->scale->shape[1], q->codes, halves);
	expect(x, q->zero, (q->n_row * q->bits + 31) / 32, q->scale->shape[1], q->scale, words);
	expect(x, q->g_idx, q->n_col, -1, q->codes, words);
}

/* Bytes with scales: one, by row, or by blocks of rows and columns. */
static void bind_bytes(struct binding *x, const struct loom_tensor *scale)
{
	const struct loom_quant_config *c = &x->b->cfg->quant;
	struct loom_quant *q = &x->q;
	bool fp8 = q->codes->dtype == LOOM_F8_E4M3;
	int64_t rows, cols;

	q->kind = fp8 ? LOOM_QUANT_FP8 : LOOM_QUANT_INT8;
	q->bits = 8;
	q->scale = scale;
	q->zero = fp8 ? NULL : beside(x, ".weight_zero_point");
	if (q->codes->n_dim != 2 || q->codes->shape[0] != q->n_row || q->codes->shape[1] != q->n_col) {
		expect(x, q->codes, q->n_row, q->n_col, NULL, int8s);
		return;
	}
	rows = scale->n_dim >= 1 ? scale->shape[0] : 1;
	cols = scale->n_dim == 2 ? scale->shape[1] : 1;
	if (scale->n_dim > 2 || rows < 1 || cols < 1 || rows > q->n_row || cols > q->n_col) {
		wrong(x, "%s: expected one scale, one a row, or blocks of [%lld,%lld]", scale->name, (long long)q->n_row, (long long)q->n_col);
		return;
	}
	q->block_rows = c->block[0] && cols * rows > 1 && rows < q->n_row ? c->block[0] : (q->n_row + rows - 1) / rows;
	q->group = c->block[1] && cols > 1 ? c->block[1] : (q->n_col + cols - 1) / cols;
	if ((q->n_row + q->block_rows - 1) / q->block_rows != rows || (q->n_col + q->group - 1) / q->group != cols) {
		wrong(x, "%s has %lld x %lld scales, expected %lld x %lld: blocks of [%lld,%lld] beside %s [%lld,%lld]", scale->name, (long long)rows,
			(long long)cols, (long long)((q->n_row + q->block_rows - 1) / q->block_rows), (long long)((q->n_col + q->group - 1) / q->group),
			(long long)q->block_rows, (long long)q->group, q->codes->name, (long long)q->n_row, (long long)q->n_col);
	}
	expect(x, scale, scale->n_dim ? rows : 1, scale->n_dim == 2 ? cols : -1, NULL, any_scale);
	if (q->zero && (q->zero->n_elem != scale->n_elem || q->zero->dtype != LOOM_I8)) {
		wrong(x, "%s: expected %llu int8 beside %s", q->zero->name, (unsigned long long)scale->n_elem, scale->name);
	}
}

/* FP8 and int8 scales go by several names. */
static const struct loom_tensor *byte_scale(const struct binding *x)
{
	static const char *const names[] = {".weight_scale_inv", ".weight_scale", ".scale", ".qscale_weight", NULL};
	const struct loom_tensor *t = NULL;

	for (const char *const *n = names; !t && *n; n++) {
		t = beside(x, *n);
	}
	return t;
}

/* The module's packed tensor under one of the suffixes, its stem in x. */
static const struct loom_tensor *packed(struct binding *x, const char *names, int32_t layer, int32_t head, const char *suffix)
{
	const struct loom_tensor *t = loom_binder_find(x->b->store, names, x->b->prefix, layer, head, suffix, x->stem, sizeof(x->stem));

	x->stem[strlen(x->stem) - strlen(suffix)] = '\0';
	return t;
}

void loom_quant_made(struct loom_quant *q, enum loom_make make, const struct loom_tensor *t, bool transposed)
{
	q->codes = t;
	q->kind = make == LOOM_MAKE_8BIT ? LOOM_QUANT_MAKE_INT8 : LOOM_QUANT_MAKE_NF4;
	q->bits = make == LOOM_MAKE_8BIT ? 8 : 4;
	q->group = make == LOOM_MAKE_8BIT ? q->n_col : 64;
	q->nested = make == LOOM_MAKE_4BIT_DOUBLE;
	q->transposed = transposed;
}

/* What a request wants made of a float matrix: those of the blocks, but for routers; not the head. */
static bool bind_made(struct binding *x, const struct loom_tensor *t, const struct loom_bind_part *p, bool transposed)
{
	enum loom_make make = x->b->cfg->quant.make;
	struct loom_quant *q = &x->q;
	int64_t rows = transposed ? q->n_col : q->n_row, cols = transposed ? q->n_row : q->n_col;

	if (make == LOOM_MAKE_NONE || p->role == LOOM_ROLE_HEAD || p->role == LOOM_ROLE_EMBED_TOKEN || p->role == LOOM_ROLE_ROUTER || !t ||
		t->n_dim != 2 || t->shape[0] != rows || t->shape[1] != cols || (t->dtype != LOOM_F32 && t->dtype != LOOM_F16 && t->dtype != LOOM_BF16)) {
		return false;
	}
	loom_quant_made(q, make, t, transposed);
	return true;
}

bool loom_bind_quantized(struct loom_binder *b, struct loom_weight *w, const struct loom_bind_part *p, const struct loom_bind *what,
	const char *names, int64_t n_row, bool transposed)
{
	struct binding x = {.b = b, .q = {.n_row = n_row, .n_col = w->n_col, .block_rows = 1}};
	struct loom_quant *kept;
	const struct loom_tensor *plain, *scale;

	if (strcmp(what->suffix, ".weight") != 0) {
		return false;
	}
	if ((x.q.codes = packed(&x, names, what->layer, p->head, ".qweight"))) {
		if (b->cfg->quant.method == LOOM_METHOD_GPTQ) {
			bind_gptq(&x);
		} else if (b->cfg->quant.method == LOOM_METHOD_AWQ) {
			bind_awq(&x);
		} else {
			wrong(&x, "%s is there, but the config does not say gptq or awq", x.q.codes->name);
		}
	} else if ((x.q.codes = packed(&x, names, what->layer, p->head, ".weight_packed"))) {
		bind_ct_packed(&x);
	} else if (packed(&x, names, what->layer, p->head, ".weight.absmax")) {
		bind_bnb4(&x);
	} else if (packed(&x, names, what->layer, p->head, ".SCB")) {
		bind_bnb8(&x);
	} else if ((plain = packed(&x, names, what->layer, p->head, ".weight")) && (plain->dtype == LOOM_I8 || plain->dtype == LOOM_F8_E4M3) &&
		(scale = byte_scale(&x))) {
		x.q.codes = plain;
		bind_bytes(&x, scale);
	} else if (!bind_made(&x, plain, p, transposed)) {
		return false;
	}
	if (!x.failed && x.q.kind != LOOM_QUANT_BNB4 && x.q.kind != LOOM_QUANT_BNB8 && x.q.kind != LOOM_QUANT_INT8 && x.q.kind != LOOM_QUANT_FP8 &&
		x.q.kind != LOOM_QUANT_MAKE_NF4 && x.q.kind != LOOM_QUANT_MAKE_INT8 && beside(&x, ".weight")) {
		wrong(&x, "%s.weight is there beside %s", x.stem, x.q.codes->name);
	}
	if (x.failed) {
		return true;
	}
	kept = loom_arena_alloc(b->arena, 1, sizeof(*kept));
	b->no_memory = b->no_memory || !kept;
	if (kept) {
		*kept = x.q;
		w->part[w->n_part++] = (struct loom_weight_part){.tensor = kept->codes, .n_row = p->n_row, .row0 = p->row0, .group = p->group,
			.stride = p->stride, .quant = kept};
	}
	return true;
}
