/* analyze.c: see analyze.h. */
#include "analyze.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

static int by_value(const void *a, const void *b)
{
	float x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

/* Of sorted values, q in 0..1. */
static double percentile(const float *sorted, size_t n, double q)
{
	double at = q * (double)(n - 1), below = floor(at);
	size_t i = (size_t)below;
	double low = (double)sorted[i], high = (double)sorted[i + 1 < n ? i + 1 : i];
	return low + (high - low) * (at - below);
}

enum loom_status loom_vector_analyze(const float *v, size_t n, struct loom_vector_stats *out, struct loom_err *err)
{
	float *sorted = loom_reallocarray(NULL, n, sizeof *sorted);
	double sum = 0, squares = 0, spread = 0;
	size_t small = 0;
	bool nan = false;
	if (!sorted)
		return loom_err_nomem(err, "statistics", n * sizeof *sorted);
	memcpy(sorted, v, n * sizeof *sorted);
	for (size_t i = 0; i < n; i++) {
		double x = (double)v[i];
		sum += x;
		squares += x * x;
		small += fabs(x) < 1e-6;
		nan = nan || isnan(x);
	}
	out->mean = sum / (double)n;
	for (size_t i = 0; i < n; i++) {
		double d = (double)v[i] - out->mean;
		spread += d * d;
	}
	qsort(sorted, n, sizeof *sorted, by_value);
	out->std = sqrt(spread / (double)n);
	out->l2_norm = sqrt(squares);
	out->min = nan ? NAN : (double)sorted[0];
	out->max = nan ? NAN : (double)sorted[n - 1];
	out->sparsity = (double)small / (double)n;
	for (int i = 0; i < 3; i++)
		out->percentile[i] = nan ? NAN : percentile(sorted, n, 0.25 * (i + 1));
	loom_free(sorted);
	return LOOM_OK;
}
