/* alibi.c: see alibi.h. */
#include "alibi.h"

#include <math.h>

void loom_alibi_slopes(float *slopes, int32_t n_head, double bias_max)
{
	int32_t below = 1;

	while (below * 2 <= n_head) {
		below *= 2;
	}
	for (int32_t i = 0; i < n_head; i++) {
		double step = i < below ? bias_max / below : bias_max / (2.0 * below);
		slopes[i] = (float)pow(2.0, -step * (i < below ? i + 1 : 2 * (i - below) + 1));
	}
}
