/* gguf_rows.h: tensors of a GGUF file that is being written: which type each becomes, and their rows from float32 to that type, a span at a time. */
#ifndef LOOM_GGUF_ROWS_H
#define LOOM_GGUF_ROWS_H

#include "gguf_write.h"

/* Can a file be made of this type: float32, float16, bfloat16, or a block type that can be made? Else LOOM_E_INVALID names those. */
enum loom_status loom_gguf_type_check(enum loom_dtype want, struct loom_err *err) LOOM_MUST_CHECK;
/* What a tensor of that name, with rows of so many elements, becomes in a file of type want; otherwise it stays `is`: matrices of blocks as want,
 * tables as q6_k (or want, where that is finer); rows that fill no block of 256 as the next finer type of 32. */
enum loom_dtype loom_gguf_type(const char *name, int n_dim, int64_t row, enum loom_dtype is, enum loom_dtype want);
/* general.file_type and what belongs to it. */
void loom_gguf_out_file_type(struct loom_gguf_out *o, enum loom_dtype want);

struct loom_rows {
	int64_t n_row, n_col;
	/* n rows from row on into out [n, n_col]; never more than loom_rows_step rows */
	enum loom_status (*read)(void *ctx, int64_t row, int64_t n, float *out, struct loom_err *err);
	void *ctx;
	const char *name; /* for messages */
};
int64_t loom_rows_step(const struct loom_rows *r);
enum loom_status loom_gguf_out_rows(struct loom_gguf_out *o, enum loom_dtype to, const struct loom_rows *r, struct loom_err *err) LOOM_MUST_CHECK;

#endif
