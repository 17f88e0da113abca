/* rows.h: what the executor does to one row of a slot: norms, activations, sums, rotation. One table for each instruction set, all
 * giving the same bits (rows_impl.h is compiled three times). y may be x (or a) itself; nothing beyond n floats is touched. */
#ifndef LOOM_ROWS_H
#define LOOM_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "cpu_isa.h"
#include "loom_backend.h"

struct loom_rows {
	/* y = (x - mean) / sqrt(var + eps) * w + b; mean first, then the variance of what is centred. w, b [n] or NULL. */
	void (*layer_norm)(const float *x, const float *w, const float *b, float eps, float *y, size_t n);
	/* y = x / sqrt(mean(x^2) + eps) * w + b. */
	void (*rms_norm)(const float *x, const float *w, const float *b, float eps, float *y, size_t n);
	void (*act)(enum loom_act_kind kind, const float *x, float *y, size_t n);                   /* y = act(x) */
	void (*gate)(enum loom_act_kind kind, const float *a, const float *b, float *y, size_t n); /* y = act(a) * b */
	void (*add)(const float *a, const float *b, float *y, size_t n);                            /* y = a + b */
	void (*scale)(float s, const float *x, float *y, size_t n);                                 /* y = s * x */
	void (*softcap)(float cap, const float *x, float *y, size_t n);                             /* y = cap * tanh(x / cap) */
	/* y = exp(x - max) / sum; the sum by lanes as in norms. */
	void (*softmax)(const float *x, float *y, size_t n);
	/* y [n] = (up' + 1) * gate' * sigmoid(alpha * gate'), clamped as loom_backend.h says; step 2: gate and up alternate. y may be where gate is. */
	void (*clamped_glu)(float limit, float alpha, const float *gate, const float *up, size_t step, float *y, size_t n);
	/* y += s * x, products rounded before the sum. */
	void (*add_scaled)(float s, const float *x, float *y, size_t n);
	void (*clip)(float most, const float *x, float *y, size_t n);                               /* y = x clamped to [-most, most] */
	void (*xielu)(const float *w, const float *x, float *y, size_t n);                          /* w [4]: LOOM_OP_ACT */
	/* One head in place: pairs (i, i + n_freq), or (2i, 2i+1) when interleaved, turned by the angle whose cos and sin
	 * [n_freq] are given; products rounded before the sum, as transformers does. */
	void (*rotate)(float *x, const float *cos, const float *sin, size_t n_freq, bool interleaved);
	void (*exp)(const float *x, float *y, size_t n);
	void (*erf)(const float *x, float *y, size_t n);
};

extern const struct loom_rows loom_rows_ref, loom_rows_avx2, loom_rows_avx512;
const struct loom_rows *loom_rows_for(enum loom_isa isa);

#endif
