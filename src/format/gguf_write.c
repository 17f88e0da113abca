/* gguf_write.c: see gguf_write.h. */
#include "gguf_write.h"

#include <errno.h>
#include <string.h>

#define MOST_HEAD ((size_t)1 << 31) /* of metadata, and of the table */

void loom_gguf_out_init(struct loom_gguf_out *o, const char *path, uint32_t alignment)
{
	memset(o, 0, sizeof(*o));
	loom_buf_init(&o->keys, MOST_HEAD);
	loom_buf_init(&o->table, MOST_HEAD);
	o->path = path;
	o->alignment = alignment;
}

void loom_gguf_out_release(struct loom_gguf_out *o)
{
	loom_buf_release(&o->keys);
	loom_buf_release(&o->table);
}

static void put_u(struct loom_buf *b, uint64_t v, size_t bytes)
{
	unsigned char raw[8];

	for (size_t i = 0; i < bytes; i++) {
		raw[i] = (unsigned char)(v >> 8 * i);
	}
	(void)loom_buf_append(b, raw, bytes);
}

static void put_str(struct loom_buf *b, const char *s, size_t n)
{
	put_u(b, n, 8);
	(void)loom_buf_append(b, s, n);
}

static void put_key(struct loom_gguf_out *o, const char *key, enum loom_gguf_type type)
{
	put_str(&o->keys, key, strlen(key));
	put_u(&o->keys, type, 4);
	o->n_key++;
}

void loom_gguf_out_u32(struct loom_gguf_out *o, const char *key, uint32_t v)
{
	put_key(o, key, LOOM_GGUF_U32);
	put_u(&o->keys, v, 4);
}

void loom_gguf_out_f32(struct loom_gguf_out *o, const char *key, double v)
{
	float f = (float)v;

	put_key(o, key, LOOM_GGUF_F32);
	(void)loom_buf_append(&o->keys, &f, 4);
}

void loom_gguf_out_bool(struct loom_gguf_out *o, const char *key, bool v)
{
	put_key(o, key, LOOM_GGUF_BOOL);
	put_u(&o->keys, v, 1);
}

void loom_gguf_out_string(struct loom_gguf_out *o, const char *key, const char *s, size_t n)
{
	put_key(o, key, LOOM_GGUF_STRING);
	put_str(&o->keys, s, n);
}

void loom_gguf_out_array(struct loom_gguf_out *o, const char *key, enum loom_gguf_type type, uint64_t n)
{
	put_key(o, key, LOOM_GGUF_ARRAY);
	put_u(&o->keys, type, 4);
	put_u(&o->keys, n, 8);
}

void loom_gguf_out_text(struct loom_gguf_out *o, const char *s, size_t n)
{
	put_str(&o->keys, s, n);
}

void loom_gguf_out_bytes(struct loom_gguf_out *o, const void *data, size_t n)
{
	(void)loom_buf_append(&o->keys, data, n);
}

static size_t scalar_bytes(enum loom_gguf_type t)
{
	static const size_t bytes[] = {[LOOM_GGUF_U8] = 1, [LOOM_GGUF_I8] = 1, [LOOM_GGUF_U16] = 2, [LOOM_GGUF_I16] = 2, [LOOM_GGUF_U32] = 4,
		[LOOM_GGUF_I32] = 4, [LOOM_GGUF_F32] = 4, [LOOM_GGUF_BOOL] = 1, [LOOM_GGUF_STRING] = 0, [LOOM_GGUF_ARRAY] = 0, [LOOM_GGUF_U64] = 8,
		[LOOM_GGUF_I64] = 8, [LOOM_GGUF_F64] = 8};

	return bytes[t];
}

void loom_gguf_out_value(struct loom_gguf_out *o, const struct loom_gguf_value *v)
{
	put_key(o, v->key, v->type);
	if (v->type == LOOM_GGUF_ARRAY) {
		put_u(&o->keys, v->elem_type, 4);
		put_u(&o->keys, v->n, 8);
	}
	if ((v->type == LOOM_GGUF_ARRAY ? v->elem_type : v->type) == LOOM_GGUF_STRING) {
		for (uint64_t i = 0; i < v->n; i++) {
			put_str(&o->keys, v->str[i].data, v->str[i].len);
		}
	} else if (v->type == LOOM_GGUF_ARRAY) {
		(void)loom_buf_append(&o->keys, v->raw, (size_t)v->n * scalar_bytes(v->elem_type));
	} else if (v->type == LOOM_GGUF_F32) {
		float f = (float)v->num.f;
		(void)loom_buf_append(&o->keys, &f, 4);
	} else if (v->type == LOOM_GGUF_F64) {
		(void)loom_buf_append(&o->keys, &v->num.f, 8);
	} else {
		put_u(&o->keys, v->num.u, scalar_bytes(v->type));
	}
}

uint32_t loom_ggml_number(enum loom_dtype t)
{
	static const uint32_t n[LOOM_N_DTYPE] = {[LOOM_F32] = 0, [LOOM_F16] = 1, [LOOM_Q4_0] = 2, [LOOM_Q4_1] = 3, [LOOM_Q5_0] = 6, [LOOM_Q5_1] = 7,
		[LOOM_Q8_0] = 8, [LOOM_Q8_1] = 9, [LOOM_Q2_K] = 10, [LOOM_Q3_K] = 11, [LOOM_Q4_K] = 12, [LOOM_Q5_K] = 13, [LOOM_Q6_K] = 14,
		[LOOM_Q8_K] = 15, [LOOM_IQ2_XXS] = 16, [LOOM_IQ2_XS] = 17, [LOOM_IQ3_XXS] = 18, [LOOM_IQ1_S] = 19, [LOOM_IQ4_NL] = 20,
		[LOOM_IQ3_S] = 21, [LOOM_IQ2_S] = 22, [LOOM_IQ4_XS] = 23, [LOOM_I8] = 24, [LOOM_I16] = 25, [LOOM_I32] = 26, [LOOM_I64] = 27,
		[LOOM_F64] = 28, [LOOM_IQ1_M] = 29, [LOOM_BF16] = 30, [LOOM_TQ1_0] = 34, [LOOM_TQ2_0] = 35, [LOOM_MXFP4] = 39};

	return n[t];
}

uint64_t loom_gguf_out_tensor(struct loom_gguf_out *o, const char *name, int n_dim, const int64_t *shape, enum loom_dtype type)
{
	uint64_t n = 1, bytes = 0;

	put_str(&o->table, name, strlen(name));
	put_u(&o->table, (uint64_t)n_dim, 4);
	for (int d = n_dim; d-- > 0;) { /* innermost first in the file */
		put_u(&o->table, (uint64_t)shape[d], 8);
		n *= (uint64_t)shape[d];
	}
	put_u(&o->table, loom_ggml_number(type), 4);
	put_u(&o->table, o->data, 8);
	(void)loom_dtype_bytes(type, n, &bytes);
	o->data += (bytes + o->alignment - 1) / o->alignment * o->alignment;
	o->n_tensor++;
	return bytes;
}

static enum loom_status unwritten(const struct loom_gguf_out *o, struct loom_err *err)
{
	return loom_err_set(err, errno == ENOSPC ? LOOM_E_DISK_FULL : LOOM_E_IO, "%s: cannot be written: %s", o->path, strerror(errno));
}

void loom_gguf_out_data(struct loom_gguf_out *o, const void *data, size_t n)
{
	o->failed = o->failed || fwrite(data, 1, n, o->f) != n;
	o->at += n;
}

void loom_gguf_out_pad(struct loom_gguf_out *o)
{
	while (o->at % o->alignment) {
		loom_gguf_out_data(o, "", 1);
	}
}

enum loom_status loom_gguf_out_begin(struct loom_gguf_out *o, struct loom_err *err)
{
	struct loom_buf head;

	if (o->keys.failed || o->table.failed) {
		return loom_err_nomem(err, "GGUF metadata", o->keys.len + o->table.len);
	}
	o->f = fopen(o->path, "wbx");
	if (!o->f) {
		return loom_err_set(err, errno == EEXIST ? LOOM_E_CONFLICT : LOOM_E_IO, "%s: %s", o->path, strerror(errno));
	}
	loom_buf_init(&head, 64);
	(void)loom_buf_append(&head, "GGUF", 4);
	put_u(&head, 3, 4);
	put_u(&head, o->n_tensor, 8);
	put_u(&head, o->n_key, 8);
	if (head.failed) {
		loom_buf_release(&head);
		return loom_err_nomem(err, "GGUF metadata", 64);
	}
	loom_gguf_out_data(o, head.data, head.len);
	loom_buf_release(&head);
	if (o->keys.len) {
		loom_gguf_out_data(o, o->keys.data, o->keys.len);
	}
	if (o->table.len) {
		loom_gguf_out_data(o, o->table.data, o->table.len);
	}
	loom_gguf_out_pad(o);
	return o->failed ? unwritten(o, err) : LOOM_OK;
}

enum loom_status loom_gguf_out_close(struct loom_gguf_out *o, enum loom_status rc, struct loom_err *err)
{
	if (!o->f) {
		return rc;
	}
	if ((fclose(o->f) || o->failed) && rc == LOOM_OK) {
		rc = unwritten(o, err);
	}
	o->f = NULL;
	if (rc) {
		(void)remove(o->path);
	}
	return rc;
}
