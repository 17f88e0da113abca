/* layers.c: dense layers, layer norms and unit length over one vector. Stands behind the pooling of an embedding or a classifier's rows. */
#include "layers.h"

#include <math.h>
#include <string.h>

#include "mem.h"
#include "pooling.h"

float loom_layer_act(enum loom_layer_act act, float x)
{
	double v = x;
	switch (act) {
	case LOOM_LAYER_TANH:
		return (float)tanh(v);
	case LOOM_LAYER_RELU:
		return x > 0 || isnan(x) ? x : 0;
	case LOOM_LAYER_GELU:
		return (float)(0.5 * v * (1 + erf(v * 0.70710678118654752440)));
	case LOOM_LAYER_GELU_TANH:
		return (float)(0.5 * v * (1 + tanh(0.79788456080286535588 * (v + 0.044715 * v * v * v))));
	case LOOM_LAYER_SILU:
		return (float)(v / (1 + exp(-v)));
	case LOOM_LAYER_SIGMOID:
		return (float)(1 / (1 + exp(-v)));
	case LOOM_LAYER_IDENTITY:
	case LOOM_N_LAYER_ACT:
		break;
	}
	return x;
}

int64_t loom_layers_room(const struct loom_layer_of *layers, int n_layer, int64_t width)
{
	for (int i = 0; i < n_layer; i++)
		width = layers[i].n_out > width ? layers[i].n_out : width;
	return width;
}

/* sum[o] += v . column o */
static void products(const struct loom_layer_of *l, const float *weight, const float *v, double *sum)
{
	size_t n_out = (size_t)l->n_out;
	for (int32_t i = 0; i < l->n_in; i++) {
		const float *w = weight + (size_t)i * n_out;
		for (size_t o = 0; o < n_out; o++)
			sum[o] += (double)v[i] * (double)w[o];
	}
}

static enum loom_status dense(const struct loom_layer_of *l, float *v, struct loom_err *err)
{
	size_t n_out = (size_t)l->n_out;
	double *sum = loom_calloc(2 * n_out, sizeof *sum), *skip = sum ? sum + n_out : NULL;
	if (!sum)
		return loom_err_nomem(err, "a dense layer", 2 * n_out * sizeof *sum);
	products(l, l->weight, v, sum);
	if (l->skip)
		products(l, l->skip, v, skip);
	for (size_t o = 0; o < n_out; o++) {
		float y = loom_layer_act(l->act, (float)(sum[o] + (l->bias ? (double)l->bias[o] : 0)));
		v[o] = !l->residual ? y : y + (l->skip ? (float)skip[o] : v[o]);
	}
	loom_free(sum);
	return LOOM_OK;
}

static void norm(const struct loom_layer_of *l, float *v)
{
	double mean = 0, var = 0;
	for (int32_t i = 0; i < l->n_in; i++)
		mean += v[i];
	mean /= l->n_in;
	for (int32_t i = 0; i < l->n_in; i++)
		var += (v[i] - mean) * (v[i] - mean);
	double by = 1 / sqrt(var / l->n_in + l->eps);
	for (int32_t i = 0; i < l->n_in; i++)
		v[i] = (float)((v[i] - mean) * by * (double)l->weight[i] + (l->bias ? (double)l->bias[i] : 0));
}

enum loom_status loom_layers_run(const struct loom_layer_of *layers, int n_layer, float *v, int64_t *width, struct loom_err *err)
{
	for (int i = 0; i < n_layer; i++) {
		const struct loom_layer_of *l = &layers[i];
		enum loom_status st = LOOM_OK;
		if (l->kind != LOOM_SMALL_UNIT && l->n_in != *width)
			return loom_err_set(err, LOOM_E_INTERNAL, "layer %d takes %d numbers, not %lld", i, (int)l->n_in, (long long)*width);
		if (l->kind == LOOM_SMALL_DENSE)
			st = dense(l, v, err);
		else if (l->kind == LOOM_SMALL_NORM)
			norm(l, v);
		else
			loom_l2_normalize(v, *width);
		if (st)
			return st;
		*width = l->n_out ? l->n_out : *width;
	}
	return LOOM_OK;
}
