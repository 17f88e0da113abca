/* dot_ref.c: the definition of the bfloat16 product, in plain C. */
#include <math.h>

#include "dot.h"
#include "f16.h"
#include "matmul.h"

#define LEAST 0x1p-126f /* the smallest normal float32 */

static float no_denormal(float x)
{
	return fabsf(x) < LEAST ? copysignf(0.0f, x) : x;
}

/* x * w + sum. What is tiny before it is rounded at the denormals' coarser steps becomes zero: a product that is scaled up shows it. */
static float accumulate(float sum, float x, float w)
{
	float r = fmaf(x, w, sum);

	if (fabsf(r) <= LEAST && fabsf(fmaf(x * 0x1p64f, w, sum * 0x1p64f)) < LEAST * 0x1p64f) {
		return copysignf(0.0f, r);
	}
	return r;
}

static void tile(const void *w, int64_t kn, const void *x, size_t ldx, float *y, size_t ldy, bool first, const float *bias)
{
	const uint16_t *wp = w, *xp = x;
	float sum[LOOM_PANEL] = {0};

	(void)ldx;
	(void)ldy;
	for (size_t k = 0; k < (size_t)kn; k += 2) {
		float even = no_denormal(loom_bf16_to_f32(xp[k])), odd = no_denormal(loom_bf16_to_f32(xp[k + 1]));
		const uint16_t *pair = wp + k * LOOM_PANEL;
		for (size_t j = 0; j < LOOM_PANEL; j++) {
			sum[j] = accumulate(sum[j], odd, no_denormal(loom_bf16_to_f32(pair[2 * j + 1])));
			sum[j] = accumulate(sum[j], even, no_denormal(loom_bf16_to_f32(pair[2 * j])));
		}
	}
	for (size_t j = 0; j < LOOM_PANEL; j++) {
		y[j] = first ? sum[j] : y[j] + sum[j];
		y[j] = bias ? y[j] + bias[j] : y[j];
	}
}

const struct loom_dot loom_dot_ref = {.max_rows = 1, .tile = {tile}};
