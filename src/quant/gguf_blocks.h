/* gguf_blocks.h: ggml's blocks of small codes, taken apart: codes, scales, and the rule that makes a float32 of them. The dequantizer
 * and the CPU backend's packed layouts both start from here, so that there is one reading of each format.
 *
 * Element i of a block, g = i / form.group, v = form.table ? form.table[code] : code - form.offset (8 bits: the code as int8):
 *   LOOM_SCALE_D     v * f16(d)
 *   LOOM_SCALE_DM    v * f16(d) + f16(m)
 *   LOOM_SCALE_SUB   v * (f16(d) * scale[g])
 *   LOOM_SCALE_SUBM  v * (f16(d) * scale[g]) - f16(m) * min[g]
 *   LOOM_SCALE_E8    v * 2^(d - 128)
 * Every product of finite scales is exact in float32, so only the sum rounds. */
#ifndef LOOM_GGUF_BLOCKS_H
#define LOOM_GGUF_BLOCKS_H

#include <stdint.h>

#include "dtype.h"

enum loom_scale_rule { LOOM_SCALE_D, LOOM_SCALE_DM, LOOM_SCALE_SUB, LOOM_SCALE_SUBM, LOOM_SCALE_E8 };

struct loom_block_parts {
	uint8_t code[256];  /* [block] */
	uint16_t d, m;      /* float16 bits; E8: d is the exponent byte */
	int8_t scale[16];   /* [block / group] SUB, SUBM */
	uint8_t min[16];    /* SUBM */
};

struct loom_block_form {
	enum loom_scale_rule rule;
	int bits;            /* of a code: 2, 3, 4, 5, 6 or 8 */
	int offset, group;   /* group: elements that share a scale */
	const int8_t *table; /* [16], or NULL */
	void (*split)(const uint8_t *block, struct loom_block_parts *out);
};

/* NULL for types that are no blocks of codes (plain floats, Q8_K, and the grid types IQ1, IQ2, IQ3, and TQ1_0). */
const struct loom_block_form *loom_block_form(enum loom_dtype t);
/* The scale of an E8 block: 2^(e - 128). */
float loom_e8_scale(uint8_t e);
/* Grid types: dst [256]. gguf_grids.c */
void loom_grid_block(enum loom_dtype t, const uint8_t *block, float *dst);

#endif
