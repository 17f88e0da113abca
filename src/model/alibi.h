/* alibi.h: the slopes of attention with linear biases (https://arxiv.org/abs/2108.12409). */
#ifndef LOOM_ALIBI_H
#define LOOM_ALIBI_H

#include <stdint.h>

/* slopes [n_head]: for a power of two n, 2^(-i * bias_max / n), i = 1..n; for other counts those of the power of two below, then every other one
 * of the power of two above. bias_max is 8 but where MPT's config says otherwise. */
void loom_alibi_slopes(float *slopes, int32_t n_head, double bias_max);

#endif
