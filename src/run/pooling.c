/* pooling.c: rows of hidden states to one vector. Stands after the last step of an embedding; which rows (layer, truncation) and
 * what comes after (dimensions, normalizing) are the engine's business. */
#include "pooling.h"

#include <math.h>
#include <string.h>

#include "mem.h"

/* What the sum of weighted rows is divided by. */
static double divisor(enum loom_pooling how, int64_t n, int64_t before)
{
	if (how == LOOM_POOL_WEIGHTED_MEAN)
		return (double)n * ((double)n + 1) / 2 + (double)n * (double)before;
	return how == LOOM_POOL_MEAN_SQRT_LEN ? sqrt((double)n) : (double)n;
}

static enum loom_status average(enum loom_pooling how, const float *rows, int64_t n_row, int64_t width, int64_t before, float *out,
	struct loom_err *err)
{
	double *sum = loom_calloc((size_t)width, sizeof *sum), by = divisor(how, n_row, before);
	if (!sum)
		return loom_err_nomem(err, "pooling", (unsigned long long)width * sizeof *sum);
	for (int64_t i = 0; i < n_row; i++) {
		double w = how == LOOM_POOL_WEIGHTED_MEAN ? (double)(before + i + 1) : 1;
		for (int64_t j = 0; j < width; j++)
			sum[j] += w * (double)rows[i * width + j];
	}
	for (int64_t j = 0; j < width; j++)
		out[j] = (float)(sum[j] / by);
	loom_free(sum);
	return LOOM_OK;
}

static void largest(const float *rows, int64_t n_row, int64_t width, float *out)
{
	memcpy(out, rows, (size_t)width * sizeof *out);
	for (int64_t i = 1; i < n_row; i++) {
		for (int64_t j = 0; j < width; j++) {
			/* NaN stays, as in torch.max */
			if (rows[i * width + j] > out[j] || isnan(rows[i * width + j]))
				out[j] = rows[i * width + j];
		}
	}
}

enum loom_status loom_pool_rows(enum loom_pooling how, const float *rows, int64_t n_row, int64_t width, int64_t before, float *out,
	struct loom_err *err)
{
	size_t bytes = (size_t)width * sizeof *out;
	switch (how) {
	case LOOM_POOL_MEAN:
	case LOOM_POOL_WEIGHTED_MEAN:
	case LOOM_POOL_MEAN_SQRT_LEN:
		return average(how, rows, n_row, width, before, out, err);
	case LOOM_POOL_MAX:
		largest(rows, n_row, width, out);
		return LOOM_OK;
	case LOOM_POOL_CLS:
		memcpy(out, rows, bytes);
		return LOOM_OK;
	case LOOM_POOL_LAST:
		memcpy(out, rows + (n_row - 1) * width, bytes);
		return LOOM_OK;
	case LOOM_POOL_NONE:
		memcpy(out, rows, (size_t)n_row * bytes);
		return LOOM_OK;
	case LOOM_N_POOL:
		break;
	}
	return loom_err_set(err, LOOM_E_INTERNAL, "pooling %d is unknown", (int)how);
}

void loom_l2_normalize(float *v, int64_t width)
{
	double sum = 0;
	for (int64_t j = 0; j < width; j++)
		sum += (double)v[j] * (double)v[j];
	double norm = sqrt(sum);
	if (norm < 1e-12)
		norm = 1e-12;
	for (int64_t j = 0; j < width; j++)
		v[j] = (float)((double)v[j] / norm);
}
