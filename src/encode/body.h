/* body.h: the bytes of an answer: a head (JSON, or the header of a safetensors file) and, for safetensors, the tensors themselves, sent from
 * where they lie. */
#ifndef LOOM_BODY_H
#define LOOM_BODY_H

#include <stddef.h>

#include "arena.h"
#include "buf.h"
#include "dtype.h"
#include "err.h"

struct loom_body_part {
	const void *data;
	size_t n;
	void *owned;        /* pages to free, NULL when somebody else's */
	size_t owned_bytes;
};
struct loom_body {
	const char *content_type;
	struct loom_buf head;
	struct loom_body_part *parts; /* [n_part] after the head */
	size_t n_part, cap_part;
};

void loom_body_init(struct loom_body *b);
void loom_body_release(struct loom_body *b);
size_t loom_body_bytes(const struct loom_body *b);
/* Appends n floats as dtype (F32: the caller's memory, which must outlive b; F16, BF16: converted). */
enum loom_status loom_body_floats(struct loom_body *b, const float *v, size_t n, enum loom_dtype dtype, struct loom_err *err) LOOM_MUST_CHECK;

/* One tensor of a safetensors body. */
struct loom_st_entry {
	const char *name;
	enum loom_dtype dtype; /* F32, F16, BF16 */
	int n_dim;
	const int64_t *shape;  /* [n_dim] */
	const float *data;     /* product(shape) */
};
/* Makes b a safetensors file: header with entries in order and metadata {"answer": json text}, padded to 8 bytes; then the data. */
enum loom_status loom_body_safetensors(struct loom_body *b, const struct loom_st_entry *entries, size_t n, const char *json, size_t n_json,
	struct loom_err *err) LOOM_MUST_CHECK;

#endif
