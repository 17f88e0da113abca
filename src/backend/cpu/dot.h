/* dot.h: the product of the named mode compute "bf16": rows of x rounded to bfloat16, weights in bfloat16, sums in float32.
 *
 * The order of operations is that of the processor's dot product instruction, written down once (dot_ref.c) and given by each
 * instruction set bit for bit: k in blocks of LOOM_KBLOCK; inside a block one chain from 0 that takes k in pairs, of each pair first the
 * odd k, then the even one, each a fused multiply-add rounded to nearest even in which denormal operands count as zero and a denormal
 * result becomes zero; block sums added in order, as in exact mode. So an element depends on its own row and column alone.
 *
 * Weights are packed in pairs (loom_packed.paired): for each pair of k the LOOM_PANEL outputs' two values side by side; an odd k at the
 * end is paired with zero. */
#ifndef LOOM_DOT_H
#define LOOM_DOT_H

#include "cpu_isa.h"
#include "matmul_kernels.h"

struct loom_dot {
	int max_rows;                 /* of a tile; at most LOOM_TILE */
	loom_tile_fn tile[LOOM_TILE]; /* x and w bfloat16, kn even; [rows-1] */
};

extern const struct loom_dot loom_dot_ref, loom_dot_avx2, loom_dot_bf16;
/* AVX-512 without its bfloat16 part, or with one that does not give the defined bits, runs the AVX2 table. */
const struct loom_dot *loom_dot_for(enum loom_isa isa);
/* Does this processor have the instruction, and does it give dot_ref.c's bits? Looked at once. */
bool loom_dot_native(void);

#endif
