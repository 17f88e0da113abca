/* body.c: bodies, and safetensors as one of them (huggingface/safetensors: 8 bytes of header length, JSON header, data). */
#include "body.h"

#include <stdint.h>
#include <string.h>

#include "f16.h"
#include "json_out.h"
#include "keep.h"
#include "mem.h"

void loom_body_init(struct loom_body *b)
{
	memset(b, 0, sizeof(*b));
	b->content_type = "application/json";
	loom_buf_init(&b->head, SIZE_MAX / 4);
}

void loom_body_release(struct loom_body *b)
{
	for (size_t i = 0; i < b->n_part; i++) {
		if (b->parts[i].owned) {
			loom_keep_free(b->parts[i].owned, b->parts[i].owned_bytes);
		}
	}
	loom_free(b->parts);
	loom_buf_release(&b->head);
	loom_body_init(b);
}

size_t loom_body_bytes(const struct loom_body *b)
{
	size_t n = b->head.len;

	for (size_t i = 0; i < b->n_part; i++) {
		n += b->parts[i].n;
	}
	return n;
}

enum loom_status loom_body_floats(struct loom_body *b, const float *v, size_t n, enum loom_dtype dtype, struct loom_err *err)
{
	struct loom_body_part p = {v, n * sizeof(float), NULL, 0};

	if (n == 0) {
		return LOOM_OK;
	}
	if (b->n_part == b->cap_part) {
		struct loom_body_part *more = loom_reallocarray(b->parts, b->cap_part ? b->cap_part * 2 : 16, sizeof(*more));
		if (!more) {
			return loom_err_nomem(err, "answer", (b->cap_part + 16) * sizeof(*more));
		}
		b->parts = more;
		b->cap_part = b->cap_part ? b->cap_part * 2 : 16;
	}
	if (dtype != LOOM_F32) {
		p.owned_bytes = n * sizeof(uint16_t);
		p.owned = loom_keep_alloc(p.owned_bytes);
		if (!p.owned) {
			return loom_err_nomem(err, "answer", p.owned_bytes);
		}
		(dtype == LOOM_F16 ? loom_f32_to_f16_n : loom_f32_to_bf16_n)(v, p.owned, n);
		p.data = p.owned;
		p.n = p.owned_bytes;
	}
	b->parts[b->n_part++] = p;
	return LOOM_OK;
}

static const char *st_name(enum loom_dtype t)
{
	return t == LOOM_F16 ? "F16" : t == LOOM_BF16 ? "BF16" : "F32";
}

static size_t elements(const struct loom_st_entry *e)
{
	size_t n = 1;

	for (int i = 0; i < e->n_dim; i++) {
		n *= (size_t)e->shape[i];
	}
	return n;
}

enum loom_status loom_body_safetensors(struct loom_body *b, const struct loom_st_entry *entries, size_t n, const char *json, size_t n_json,
	struct loom_err *err)
{
	struct loom_json_out j;
	uint64_t at = 0, length;
	enum loom_status rc = LOOM_OK;

	b->content_type = "application/octet-stream";
	(void)loom_buf_append(&b->head, "\0\0\0\0\0\0\0\0", 8);
	loom_json_out_init(&j, &b->head);
	loom_json_open(&j, '{');
	loom_json_key(&j, "__metadata__");
	loom_json_open(&j, '{');
	loom_json_key(&j, "answer");
	loom_json_put_text(&j, json, n_json);
	loom_json_close(&j, '}');
	for (size_t i = 0; i < n; i++) {
		uint64_t bytes = elements(&entries[i]) * (entries[i].dtype == LOOM_F32 ? 4u : 2u);
		loom_json_key(&j, entries[i].name);
		loom_json_open(&j, '{');
		loom_json_key(&j, "dtype");
		loom_json_put_str(&j, st_name(entries[i].dtype));
		loom_json_key(&j, "shape");
		loom_json_open(&j, '[');
		for (int k = 0; k < entries[i].n_dim; k++) {
			loom_json_put_int(&j, entries[i].shape[k]);
		}
		loom_json_close(&j, ']');
		loom_json_key(&j, "data_offsets");
		loom_json_open(&j, '[');
		loom_json_put_int(&j, (int64_t)at);
		loom_json_put_int(&j, (int64_t)(at + bytes));
		loom_json_close(&j, ']');
		loom_json_close(&j, '}');
		at += bytes;
	}
	loom_json_close(&j, '}');
	while (!b->head.failed && b->head.len % 8 != 0) {
		(void)loom_buf_putc(&b->head, ' ');
	}
	if (b->head.failed) {
		return loom_err_nomem(err, "answer", b->head.len);
	}
	length = b->head.len - 8;
	for (int i = 0; i < 8; i++) {
		b->head.data[i] = (char)(length >> (8 * i) & 255);
	}
	for (size_t i = 0; i < n && rc == LOOM_OK; i++) {
		rc = loom_body_floats(b, entries[i].data, elements(&entries[i]), entries[i].dtype, err);
	}
	return rc;
}
