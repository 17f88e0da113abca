/* int8.h: the products of the named mode compute "int8": rows of x as bytes in blocks of 32, integer dot products with packed codes.
 *
 * Defined as follows, and the same bits from every instruction set. A block of 32 x has d = max|x| / 127 (0 for a block of zeros) and
 * q = x * (127 / max|x|) rounded to nearest even. For each output, blocks in order of k: t = sum of q * v over the block (over each half
 * of it, where scales belong to 16 k), v being the code's whole value (tables that are no integers: rounded to 127ths); then
 *   MUL, TWO  y = fma(a * d, t, y)
 *   ZERO      y = fma(a * d, t - b * sum(q), y)
 *   ADD       y = fma(a * d, t, y), then y = fma(b, d * sum(q), y)
 * a and b are the exact mode's scales, a times the table's 127th or TWO's factor. An element depends on its own row and column alone. */
#ifndef LOOM_INT8_H
#define LOOM_INT8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu_isa.h"
#include "threads.h"

struct loom_packed;

/* A row: q [n_col rounded up to 32], then 32 bytes a block: d, sums. Bytes from one row to the next. */
size_t loom_int8_stride(int64_t n_col);
/* Can the mode multiply this matrix? Codes with scales in order; not plain floats, raw grids, FP8, or shuffled groups: those stay exact. */
bool loom_int8_can(const struct loom_packed *w);
/* dst [m, loom_int8_stride(n_col)] from x [m, n_col] (row stride ldx). */
void loom_int8_rows(struct loom_pool *pool, enum loom_isa isa, const float *x, size_t ldx, int64_t m, int64_t n_col, void *dst);

/* The named mode "llm.int8" (https://arxiv.org/abs/2208.07339), in bitsandbytes' numbers but for one thing: outliers are decided for each row by
 * itself, not for the columns of a whole batch. With h = x rounded to float16: x is an outlier when |h| >= threshold (0: none is). s = max|h| of the
 * others, q = h * (1/s * 127) rounded to nearest even. t = sum of q * code over the whole row, an integer;
 *   y = (t * (s * SCB)) * 6.200124e-05, then for each outlier, k ascending, y = fma(x, w, y), w as in exact mode.
 * For int8 matrices with one scale a row (bitsandbytes' int8, and quantization 8bit); all others stay exact. */
size_t loom_llm8_stride(int64_t n_col);
bool loom_llm8_can(const struct loom_packed *w);
/* dst [m, loom_llm8_stride(n_col)]. */
void loom_llm8_rows(struct loom_pool *pool, enum loom_isa isa, const float *x, size_t ldx, int64_t m, int64_t n_col, float threshold, void *dst);

struct loom_int8 {
	void (*row)(const float *x, int64_t n_col, void *dst);
	/* y [rows, width] (stride ldy) = rows of x (loom_int8_stride apart) times a panel. */
	void (*dot)(const struct loom_packed *w, int64_t panel, const void *x, int64_t rows, float *y, size_t ldy, int64_t width);
	/* The same of "llm.int8". */
	void (*llm_row)(const float *x, int64_t n_col, float threshold, void *dst);
	void (*llm_dot)(const struct loom_packed *w, int64_t panel, const void *x, int64_t rows, float *y, size_t ldy, int64_t width);
};
extern const struct loom_int8 loom_int8_ref, loom_int8_avx2, loom_int8_vnni;
/* AVX-512 without its vector neural network instructions runs the AVX2 table. */
const struct loom_int8 *loom_int8_for(enum loom_isa isa);

#endif
