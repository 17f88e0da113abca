/* matmul.h: y = x W^T (+ bias), W packed once on load. The order of operations of each output element is fixed:
 * k in blocks of LOOM_KBLOCK; inside a block one chain of fused multiply-adds from 0, k ascending; block sums added in order
 * (first block's sum, then + each next); then + bias. So an element does not depend on M, threads, or the ISA.
 *
 * Packed layout: panels of LOOM_PANEL output rows of W; panel p holds for each k the LOOM_PANEL values W[48p+j][k], in
 * W's stored float type (float32, float16, bfloat16; widened exactly in registers). The last panel is padded with zeros. Matrices of
 * quantized weights are packed as packq.h says; their products follow the same order on the numbers that the format defines. */
#ifndef LOOM_MATMUL_H
#define LOOM_MATMUL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu_isa.h"
#include "dtype.h"
#include "packq.h"
#include "threads.h"

#define LOOM_PANEL 48
#define LOOM_KBLOCK 256

struct loom_packed {
	enum loom_dtype dtype; /* LOOM_F32, LOOM_F16, LOOM_BF16; a block type or LOOM_DTYPE_UNKNOWN (codes) when q says how */
	int64_t n_row, n_col;  /* N outputs, K inputs */
	void *data;            /* 64-byte aligned, loom_packed_bytes (or q.bytes) long; owned by the caller */
	struct loom_packq q;   /* q.codes is LOOM_CODES_NONE for plain floats */
	bool paired;           /* BF16 laid out for loom_matmul_dot (dot.h), not for loom_matmul */
};

/* Bytes of the packed form; 0 on overflow. */
size_t loom_packed_bytes(enum loom_dtype dtype, bool paired, int64_t n_row, int64_t n_col);
/* Puts rows [row0, row0+n) from src [n, n_col] (elements of p->dtype, row-major). Safe from several threads for different rows.
 * data must have been zeroed before. */
void loom_pack_rows(const struct loom_packed *p, int64_t row0, int64_t n, const void *src);
/* The same from a transposed source: src [n_k, n_row] holds W^T rows k0.. for output rows row0.. (GPT-2 stores matrices so). */
void loom_pack_columns(const struct loom_packed *p, int64_t row0, int64_t n_row, int64_t k0, int64_t n_k, const void *src);
/* dst [n_col] = row `row` as float32 (tied embeddings). */
void loom_packed_row(const struct loom_packed *p, int64_t row, float *dst);

/* y [M, n_row] (row stride ldy) = x [M, n_col] (row stride ldx) W^T + bias [n_row] (NULL: none). scratch: pool-size *
 * loom_matmul_scratch() floats, 64-byte aligned, for widened blocks. Splits over panels and row blocks so that every
 * thread has work at any M. isa: normally loom_isa_chosen(). pool NULL: one thread. */
void loom_matmul(struct loom_pool *pool, enum loom_isa isa, const struct loom_packed *w, const float *x, size_t ldx, int64_t m,
	const float *bias, float *y, size_t ldy, float *scratch);
size_t loom_matmul_scratch(void);

/* Several products in one go, so that the pool is started once: the experts of a layer. */
struct loom_product {
	const struct loom_packed *w;
	const float *x, *bias; /* bias NULL: none */
	const uint16_t *rounded; /* x of a paired w: see loom_matmul_round */
	const void *bytes;     /* x in bytes (int8.h), for matrices that loom_int8_can (llm: loom_llm8_can) multiply so; NULL: exact */
	bool llm;
	float *y;
	size_t ldx, ldy;
	int64_t m;             /* rows; at least 1 */
	size_t item0;          /* filled by loom_matmul_many */
	int64_t row_block, n_block;
};
void loom_matmul_many(struct loom_pool *pool, enum loom_isa isa, struct loom_product *products, size_t n, float *scratch);

/* ---- compute "bf16" (dot.h) ---- */
/* Elements from one rounded row to the next. */
size_t loom_round_stride(int64_t n_col);
/* dst [m, loom_round_stride(n_col)] = x [m, n_col] (row stride ldx) in bfloat16. */
void loom_matmul_round(struct loom_pool *pool, const float *x, size_t ldx, int64_t m, int64_t n_col, uint16_t *dst);
/* y = x W^T (+ bias) as dot.h defines it; w paired, x rounded. */
void loom_matmul_dot(struct loom_pool *pool, enum loom_isa isa, const struct loom_packed *w, const uint16_t *x, int64_t m, const float *bias,
	float *y, size_t ldy);

#endif
