/* matmul_kernels.h: what an instruction set gives to matmul.c: one block of one panel times a few rows. */
#ifndef LOOM_MATMUL_KERNELS_H
#define LOOM_MATMUL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu_isa.h"

#define LOOM_TILE 8 /* most rows of x in one call */

/* y[r][0..47] = (first ? 0 : y[r]) + chain over k of x[r][k] * w[k][0..47], then + bias[0..47] unless that is NULL, for rows r of the
 * function's number; w is [kn, 48] of the table's type; x is float32 here, bfloat16 in dot.h. ldx and ldy count elements. */
typedef void (*loom_tile_fn)(const void *w, int64_t kn, const void *x, size_t ldx, float *y, size_t ldy, bool first, const float *bias);

struct loom_matmul_kernels {
	int max_rows; /* of a tile; at most LOOM_TILE */
	int64_t widen_from; /* rows of a block of x from which tiles rather read a float32 copy of 16-bit weights */
	loom_tile_fn f32[LOOM_TILE], f16[LOOM_TILE], bf16[LOOM_TILE]; /* [rows-1], up to max_rows */
	void (*widen_f16)(const uint16_t *src, float *dst, size_t n);  /* n a multiple of 16 */
	void (*widen_bf16)(const uint16_t *src, float *dst, size_t n);
};

extern const struct loom_matmul_kernels loom_matmul_ref, loom_matmul_avx2, loom_matmul_avx512;
const struct loom_matmul_kernels *loom_matmul_kernels_for(enum loom_isa isa);

#endif
