/* matmul_ref.c: the definition of the product, in plain C: one chain of fused multiply-adds for each output. */
#include <math.h>

#include "f16.h"
#include "matmul.h"
#include "matmul_kernels.h"

static float at_f32(const void *w, size_t i)
{
	return ((const float *)w)[i];
}

static float at_f16(const void *w, size_t i)
{
	return loom_f16_to_f32(((const uint16_t *)w)[i]);
}

static float at_bf16(const void *w, size_t i)
{
	return loom_bf16_to_f32(((const uint16_t *)w)[i]);
}

#define TILE(type) \
	static void tile_##type(const void *w, int64_t kn, const void *rows_x, size_t ldx, float *y, size_t ldy, bool first, \
		const float *bias) \
	{ \
		const float *x = rows_x; \
		float sum[LOOM_PANEL] = {0}; \
		(void)ldx; \
		(void)ldy; \
		for (int64_t k = 0; k < kn; k++) { \
			for (size_t j = 0; j < LOOM_PANEL; j++) { \
				sum[j] = fmaf(x[k], at_##type(w, (size_t)k * LOOM_PANEL + j), sum[j]); \
			} \
		} \
		for (size_t j = 0; j < LOOM_PANEL; j++) { \
			y[j] = first ? sum[j] : y[j] + sum[j]; \
			y[j] = bias ? y[j] + bias[j] : y[j]; \
		} \
	}
TILE(f32)
TILE(f16)
TILE(bf16)

const struct loom_matmul_kernels loom_matmul_ref = {
	.max_rows = 1,
	.widen_from = 2,
	.f32 = {tile_f32},
	.f16 = {tile_f16},
	.bf16 = {tile_bf16},
	.widen_f16 = loom_f16_to_f32_n,
	.widen_bf16 = loom_bf16_to_f32_n,
};
