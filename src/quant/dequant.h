/* dequant.h: a stored element run → the float32 numbers that its format's definition gives
 * (shared/reference/quantization.md; ggml's block layouts). Exact: no rounding beyond the definition's.
 * One file per format family: gguf_blocks.c here; gptq, awq, nf4, … come beside it. */
#ifndef LOOM_DEQUANT_H
#define LOOM_DEQUANT_H

#include <stdbool.h>
#include <stddef.h>

#include "dtype.h"

/* Can loom_dequant read this type: the four float types and every GGUF block type but Q8_1 (which is for activations). */
bool loom_dequant_supported(enum loom_dtype t);
/* src: n elements (a multiple of the block) packed as t; dst [n]. F64 is rounded to nearest. */
void loom_dequant(enum loom_dtype t, const void *src, float *dst, size_t n);

/* Are the scales of n elements' blocks all finite? (Plain types have none: true.) */
bool loom_blocks_finite(enum loom_dtype t, const void *src, size_t n);

/* The other way (gguf_make.c): which block types can be made, and n elements (whole blocks) of one. false when a number is not finite, or too large for
 * a block's scale; dst is unspecified then. */
bool loom_quantize_supported(enum loom_dtype t);
bool loom_quantize_blocks(enum loom_dtype t, const float *src, void *dst, size_t n);

#endif
