/* quantize_gguf.c: a GGUF file written anew with other types. See quantize.h. */
#include "dequant.h"
#include "gguf_rows.h"
#include "mem.h"
#include "quantize.h"
#include "str.h"

#define COPY_BYTES ((size_t)4 << 20)

static bool is_file_type(const struct loom_gguf_value *v)
{
	return loom_str_eq(v->key, "general.file_type") || loom_str_eq(v->key, "general.quantization_version");
}

static enum loom_dtype new_type(const struct loom_tensor *t, enum loom_dtype want)
{
	return loom_dequant_supported(t->dtype) ? loom_gguf_type(t->name, t->n_dim, t->shape[t->n_dim - 1], t->dtype, want) : t->dtype;
}

static void describe(struct loom_gguf_out *o, const struct loom_gguf *g, const struct loom_store *s, enum loom_dtype type)
{
	for (size_t i = 0; i < g->n_value; i++) {
		if (!is_file_type(&g->values[i])) {
			loom_gguf_out_value(o, &g->values[i]);
		}
	}
	loom_gguf_out_file_type(o, type);
	for (size_t i = 0; i < s->n_tensor; i++) {
		const struct loom_tensor *t = &s->tensors[i];
		(void)loom_gguf_out_tensor(o, t->name, t->n_dim, t->shape, new_type(t, type));
	}
}

struct stored {
	const struct loom_store *store;
	const struct loom_tensor *t;
	char *raw; /* room for the rows of a span */
};

static enum loom_status read_rows(void *ctx, int64_t row, int64_t n, float *out, struct loom_err *err)
{
	const struct stored *x = ctx;
	uint64_t cols = (uint64_t)x->t->shape[x->t->n_dim - 1], off = 0, bytes = 0;
	enum loom_status rc;

	(void)loom_dtype_bytes(x->t->dtype, (uint64_t)row * cols, &off);
	(void)loom_dtype_bytes(x->t->dtype, (uint64_t)n * cols, &bytes);
	rc = loom_store_read(x->store, x->t, off, x->raw, (size_t)bytes, err);
	if (rc == LOOM_OK) {
		loom_dequant(x->t->dtype, x->raw, out, (size_t)((uint64_t)n * cols));
	}
	return rc;
}

static enum loom_status copy(struct loom_gguf_out *o, const struct loom_store *s, const struct loom_tensor *t, struct loom_err *err)
{
	size_t step = t->bytes < COPY_BYTES ? (size_t)t->bytes : COPY_BYTES;
	char *raw = loom_malloc(step + 1);
	enum loom_status rc = raw ? LOOM_OK : loom_err_nomem(err, t->name, step);

	for (uint64_t at = 0; rc == LOOM_OK && at < t->bytes; at += step) {
		size_t n = t->bytes - at < step ? (size_t)(t->bytes - at) : step;
		rc = loom_store_read(s, t, at, raw, n, err);
		if (rc == LOOM_OK) {
			loom_gguf_out_data(o, raw, n);
		}
	}
	loom_free(raw);
	return rc;
}

static enum loom_status put_tensor(struct loom_gguf_out *o, const struct loom_store *s, const struct loom_tensor *t, enum loom_dtype to,
	struct loom_err *err)
{
	struct stored x = {.store = s, .t = t};
	struct loom_rows rows = {.n_col = t->shape[t->n_dim - 1], .read = read_rows, .ctx = &x, .name = t->name};
	uint64_t raw = 0;
	enum loom_status rc;

	if (to == t->dtype || t->n_elem == 0) {
		return copy(o, s, t, err);
	}
	rows.n_row = (int64_t)t->n_elem / rows.n_col;
	(void)loom_dtype_bytes(t->dtype, (uint64_t)loom_rows_step(&rows) * (uint64_t)rows.n_col, &raw);
	x.raw = loom_malloc((size_t)raw + 1);
	rc = x.raw ? loom_gguf_out_rows(o, to, &rows, err) : loom_err_nomem(err, t->name, raw);
	loom_free(x.raw);
	return rc;
}

enum loom_status loom_quantize_gguf(const char *in, const char *out, enum loom_dtype type, const struct loom_quantize_opts *o,
	struct loom_err *err)
{
	struct loom_gguf g = {0};
	struct loom_store s;
	struct loom_gguf_out file;
	enum loom_status rc = loom_gguf_type_check(type, err);

	if (rc) {
		return rc;
	}
	loom_store_init(&s);
	rc = loom_gguf_open(&g, &s, in, in, err);
	loom_gguf_out_init(&file, out, g.alignment);
	if (rc == LOOM_OK) {
		describe(&file, &g, &s, type);
		rc = loom_gguf_out_begin(&file, err);
	}
	for (size_t i = 0; rc == LOOM_OK && i < s.n_tensor; i++) {
		rc = put_tensor(&file, &s, &s.tensors[i], new_type(&s.tensors[i], type), err);
		loom_gguf_out_pad(&file);
		if (o->progress) {
			o->progress(o->ctx, i + 1, s.n_tensor);
		}
	}
	rc = loom_gguf_out_close(&file, rc, err);
	loom_gguf_out_release(&file);
	loom_store_release(&s);
	loom_gguf_release(&g);
	return rc;
}
