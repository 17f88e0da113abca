/* quantize_gguf.c: a GGUF file written anew with other types. See quantize.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dequant.h"
#include "gguf.h"
#include "mem.h"
#include "quantize.h"
#include "str.h"

#define SPAN (1u << 20) /* elements in memory at once, at least one row */

struct out {
	FILE *f;
	uint64_t at;
	bool failed;
};

static void put(struct out *o, const void *data, size_t n)
{
	o->failed = o->failed || fwrite(data, 1, n, o->f) != n;
	o->at += n;
}

static void put_u(struct out *o, uint64_t v, size_t bytes)
{
	unsigned char b[8];

	for (size_t i = 0; i < bytes; i++) {
		b[i] = (unsigned char)(v >> 8 * i);
	}
	put(o, b, bytes);
}

static void put_str(struct out *o, const char *s, size_t n)
{
	put_u(o, n, 8);
	put(o, s, n);
}

static void pad(struct out *o, uint64_t align)
{
	while (o->at % align) {
		put_u(o, 0, 1);
	}
}

static size_t scalar_bytes(enum loom_gguf_type t)
{
	static const size_t bytes[] = {[LOOM_GGUF_U8] = 1, [LOOM_GGUF_I8] = 1, [LOOM_GGUF_U16] = 2, [LOOM_GGUF_I16] = 2, [LOOM_GGUF_U32] = 4,
		[LOOM_GGUF_I32] = 4, [LOOM_GGUF_F32] = 4, [LOOM_GGUF_BOOL] = 1, [LOOM_GGUF_STRING] = 0, [LOOM_GGUF_ARRAY] = 0, [LOOM_GGUF_U64] = 8,
		[LOOM_GGUF_I64] = 8, [LOOM_GGUF_F64] = 8};

	return bytes[t];
}

static void put_value(struct out *o, const struct loom_gguf_value *v)
{
	put_str(o, v->key, strlen(v->key));
	put_u(o, v->type, 4);
	if (v->type == LOOM_GGUF_ARRAY) {
		put_u(o, v->elem_type, 4);
		put_u(o, v->n, 8);
	}
	if ((v->type == LOOM_GGUF_ARRAY ? v->elem_type : v->type) == LOOM_GGUF_STRING) {
		for (uint64_t i = 0; i < v->n; i++) {
			put_str(o, v->str[i].data, v->str[i].len);
		}
	} else if (v->type == LOOM_GGUF_ARRAY) {
		put(o, v->raw, (size_t)v->n * scalar_bytes(v->elem_type));
	} else if (v->type == LOOM_GGUF_F32) {
		float f = (float)v->num.f;
		put(o, &f, 4);
	} else if (v->type == LOOM_GGUF_F64) {
		put(o, &v->num.f, 8);
	} else {
		put_u(o, v->num.u, scalar_bytes(v->type));
	}
}

/* ggml's number of a type, and llama.cpp's of a file in it. */
static uint32_t ggml_number(enum loom_dtype t)
{
	static const uint32_t n[LOOM_N_DTYPE] = {[LOOM_F32] = 0, [LOOM_F16] = 1, [LOOM_Q4_0] = 2, [LOOM_Q4_1] = 3, [LOOM_Q5_0] = 6, [LOOM_Q5_1] = 7,
		[LOOM_Q8_0] = 8, [LOOM_Q8_1] = 9, [LOOM_Q2_K] = 10, [LOOM_Q3_K] = 11, [LOOM_Q4_K] = 12, [LOOM_Q5_K] = 13, [LOOM_Q6_K] = 14,
		[LOOM_Q8_K] = 15, [LOOM_IQ2_XXS] = 16, [LOOM_IQ2_XS] = 17, [LOOM_IQ3_XXS] = 18, [LOOM_IQ1_S] = 19, [LOOM_IQ4_NL] = 20,
		[LOOM_IQ3_S] = 21, [LOOM_IQ2_S] = 22, [LOOM_IQ4_XS] = 23, [LOOM_I8] = 24, [LOOM_I16] = 25, [LOOM_I32] = 26, [LOOM_I64] = 27,
		[LOOM_F64] = 28, [LOOM_IQ1_M] = 29, [LOOM_BF16] = 30, [LOOM_TQ1_0] = 34, [LOOM_TQ2_0] = 35, [LOOM_MXFP4] = 39};

	return n[t];
}

static uint32_t file_type(enum loom_dtype t)
{
	return t == LOOM_Q4_0 ? 2 : t == LOOM_Q4_1 ? 3 : t == LOOM_Q8_0 ? 7 : t == LOOM_Q5_0 ? 8 : t == LOOM_Q5_1 ? 9 : t == LOOM_Q4_K ? 14
		: t == LOOM_Q5_K ? 16 : 18;
}

static enum loom_dtype new_type(const struct loom_tensor *t, enum loom_dtype want)
{
	bool table = loom_str_eq(t->name, "token_embd.weight") || loom_str_eq(t->name, "output.weight");
	bool block = (strstr(t->name, ".attn_") || strstr(t->name, ".ffn_")) && loom_str_ends(t->name, ".weight") && !strstr(t->name, "norm") &&
		!strstr(t->name, "_inp");
	int64_t row = t->shape[t->n_dim - 1];

	if (t->n_dim < 2 || (!table && !block) || !loom_dequant_supported(t->dtype)) {
		return t->dtype;
	}
	if (table) {
		want = want == LOOM_Q8_0 ? LOOM_Q8_0 : LOOM_Q6_K;
	}
	if (row % (int64_t)loom_dtype_block(want) != 0) {
		want = want == LOOM_Q4_K ? LOOM_Q5_0 : want == LOOM_Q5_K ? LOOM_Q5_1 : LOOM_Q8_0;
	}
	return row % (int64_t)loom_dtype_block(want) == 0 ? want : t->dtype;
}

static uint64_t bytes_of(const struct loom_tensor *t, enum loom_dtype type)
{
	uint64_t n = 0;

	(void)loom_dtype_bytes(type, t->n_elem, &n);
	return n;
}

static bool is_file_type(const struct loom_gguf_value *v)
{
	return loom_str_eq(v->key, "general.file_type") || loom_str_eq(v->key, "general.quantization_version");
}

static void put_head(struct out *o, const struct loom_gguf *g, const struct loom_store *s, enum loom_dtype type)
{
	uint64_t n = 2, offset = 0;

	for (size_t i = 0; i < g->n_value; i++) {
		n += !is_file_type(&g->values[i]);
	}
	put(o, "GGUF", 4);
	put_u(o, 3, 4);
	put_u(o, s->n_tensor, 8);
	put_u(o, n, 8);
	for (size_t i = 0; i < g->n_value; i++) {
		if (!is_file_type(&g->values[i])) {
			put_value(o, &g->values[i]);
		}
	}
	put_str(o, "general.file_type", 17);
	put_u(o, LOOM_GGUF_U32, 4);
	put_u(o, file_type(type), 4);
	put_str(o, "general.quantization_version", 28);
	put_u(o, LOOM_GGUF_U32, 4);
	put_u(o, 2, 4);
	for (size_t i = 0; i < s->n_tensor; i++) {
		const struct loom_tensor *t = &s->tensors[i];
		enum loom_dtype to = new_type(t, type);
		put_str(o, t->name, strlen(t->name));
		put_u(o, (uint64_t)t->n_dim, 4);
		for (int d = t->n_dim; d-- > 0;) {
			put_u(o, (uint64_t)t->shape[d], 8);
		}
		put_u(o, ggml_number(to), 4);
		put_u(o, offset, 8);
		offset += (bytes_of(t, to) + g->alignment - 1) / g->alignment * g->alignment;
	}
}

/* One tensor's data, a span of whole rows at a time. */
static enum loom_status put_tensor(struct out *o, const struct loom_store *s, const struct loom_tensor *t, enum loom_dtype to,
	struct loom_err *err)
{
	size_t row = (size_t)t->shape[t->n_dim - 1], rows = row ? (size_t)t->n_elem / row : 0, step = row && SPAN / row ? SPAN / row : 1;
	uint64_t in = 0, out = 0, off = 0;
	enum loom_status rc = LOOM_OK;

	if (to == t->dtype) {
		step = rows ? rows : 1;
		(void)loom_dtype_bytes(t->dtype, t->n_elem, &in);
	} else {
		(void)loom_dtype_bytes(t->dtype, (uint64_t)(row * step), &in);
		(void)loom_dtype_bytes(to, (uint64_t)(row * step), &out);
	}
	char *raw = loom_malloc((size_t)in + 1), *packed = loom_malloc((size_t)out + 1);
	float *wide = loom_reallocarray(NULL, to == t->dtype ? 1 : row * step, sizeof(float));
	if (!raw || !packed || !wide) {
		rc = loom_err_nomem(err, t->name, in + out);
	}
	for (size_t r = 0; rc == LOOM_OK && r < rows; r += step) {
		size_t n = rows - r < step ? rows - r : step;
		uint64_t bytes = 0, packed_bytes = 0;
		(void)loom_dtype_bytes(t->dtype, (uint64_t)(n * row), &bytes);
		rc = loom_store_read(s, t, off, raw, (size_t)bytes, err);
		off += bytes;
		if (rc == LOOM_OK && to == t->dtype) {
			put(o, raw, (size_t)bytes);
		} else if (rc == LOOM_OK) {
			loom_dequant(t->dtype, raw, wide, n * row);
			loom_quantize_blocks(to, wide, packed, n * row);
			(void)loom_dtype_bytes(to, (uint64_t)(n * row), &packed_bytes);
			put(o, packed, (size_t)packed_bytes);
		}
	}
	loom_free(raw);
	loom_free(packed);
	loom_free(wide);
	return rc;
}

enum loom_status loom_quantize_gguf(const char *in, const char *out, enum loom_dtype type, const struct loom_quantize_opts *o,
	struct loom_err *err)
{
	struct loom_gguf g = {0};
	struct loom_store s;
	struct out file = {0};
	enum loom_status rc;

	if (!loom_quantize_supported(type)) {
		return loom_err_set(err, LOOM_E_INVALID, "%s cannot be made (q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k and q6_k can)", loom_dtype_name(type));
	}
	loom_store_init(&s);
	rc = loom_gguf_open(&g, &s, in, in, err);
	if (rc == LOOM_OK && !(file.f = fopen(out, "wbx"))) {
		rc = loom_err_set(err, errno == EEXIST ? LOOM_E_CONFLICT : LOOM_E_IO, "%s: %s", out, strerror(errno));
	}
	if (rc == LOOM_OK) {
		put_head(&file, &g, &s, type);
		pad(&file, g.alignment);
	}
	for (size_t i = 0; rc == LOOM_OK && i < s.n_tensor; i++) {
		rc = put_tensor(&file, &s, &s.tensors[i], new_type(&s.tensors[i], type), err);
		pad(&file, g.alignment);
		if (o->progress) {
			o->progress(o->ctx, i + 1, s.n_tensor);
		}
	}
	if (file.f && (fclose(file.f) || file.failed) && rc == LOOM_OK) {
		rc = loom_err_set(err, LOOM_E_IO, "%s: cannot be written: %s", out, strerror(errno));
	}
	if (file.f && rc) {
		(void)remove(out);
	}
	loom_store_release(&s);
	loom_gguf_release(&g);
	return rc;
}
