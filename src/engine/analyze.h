/* analyze.h: statistics of a vector, as numpy computes them: standard deviation of the population, percentiles by linear interpolation. In
 * float64. */
#ifndef LOOM_ANALYZE_H
#define LOOM_ANALYZE_H

#include <stddef.h>

#include "err.h"

struct loom_vector_stats {
	double mean, std, min, max, l2_norm;
	double sparsity;            /* share of |x| < 1e-6 */
	double percentile[3];       /* 25, 50, 75 */
};
/* v [n], n > 0. NaN anywhere makes what depends on it NaN. */
enum loom_status loom_vector_analyze(const float *v, size_t n, struct loom_vector_stats *out, struct loom_err *err) LOOM_MUST_CHECK;

#endif
