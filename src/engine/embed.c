/* embed.c: the rows of a text's tokens to its vector: pooling, the model's own layers, dimensions, in the order of sentence-transformers: the
 * model's own normalizing stands before the cut to `dimensions`, the one that a client asks for after it. */
#include "engine_internal.h"

#include <math.h>
#include <string.h>

#include "layers.h"
#include "pooling.h"

/* A client that says something about normalizing replaces what the model does. */
static bool left_out(const struct loom_job *j, const struct loom_layer_of *l)
{
	return l->kind == LOOM_SMALL_UNIT && j->req->normalize >= 0;
}

int64_t loom_job_width(const struct loom_job *j, int32_t width)
{
	int64_t n = (int64_t)width * j->n_pool;
	for (int i = 0; i < j->n_layer; i++) {
		const struct loom_layer_of *l = &j->layers[i];
		if (l->kind != LOOM_SMALL_UNIT && l->n_in != n)
			return -(int64_t)l->n_in;
		n = l->n_out ? l->n_out : n;
	}
	return n;
}

/* The model's layers over one vector of n numbers; *unit: it ends at unit length. */
static enum loom_status run_layers(const struct loom_job *j, float *v, int64_t n, bool *unit, struct loom_err *err)
{
	*unit = false;
	for (int i = 0; i < j->n_layer; i++) {
		if (left_out(j, &j->layers[i]))
			continue;
		enum loom_status rc = loom_layers_run(&j->layers[i], 1, v, &n, err);
		if (rc)
			return rc;
		*unit = j->layers[i].kind == LOOM_SMALL_UNIT;
	}
	return LOOM_OK;
}

/* SPLADE (https://arxiv.org/abs/2109.10086): the largest (or the sum) over the tokens of log(1 + relu(logit)). */
static void pool_words(const struct loom_job *j, const float *rows, int64_t n_row, int64_t width, float *out)
{
	const struct loom_st_config *st = &j->r->opened.st;
	for (int64_t k = 0; k < width; k++) {
		double best = 0, sum = 0;
		for (int64_t i = 0; i < n_row; i++) {
			double x = rows[i * width + k];
			x = x > 0 || isnan(x) ? log1p(x) : 0;
			x = st->sparse_twice ? log1p(x) : x;
			best = x > best || isnan(x) ? x : best;
			sum += x;
		}
		out[k] = (float)(st->sparse_sum ? sum : best);
	}
}

/* Each token's row times its weight, where a table of words has weights (model2vec's). */
static void weigh(const struct loom_job *j, float *rows, int64_t n_row, int64_t width, const int64_t *positions)
{
	const float *weights = j->r->opened.st.weights;
	for (int64_t i = 0; weights && i < n_row; i++) {
		for (int64_t k = 0; k < width; k++)
			rows[i * width + k] *= weights[j->words[positions[i]]];
	}
}

/* All poolings of the rows, one behind the other. */
static enum loom_status pool(const struct loom_job *j, const float *rows, int64_t n_row, int64_t width, float *out, struct loom_err *err)
{
	bool skipped = j->n_pool > 1 && j->n_skip > 0; /* one pooling's rows begin behind the prompt already */
	int64_t skip = skipped ? j->n_skip : 0;
	for (int i = 0; i < j->n_pool; i++) {
		enum loom_status st = loom_pool_rows(j->pools[i], rows + skip * width, n_row - skip, width, j->n_skip, out + i * width, err);
		if (st)
			return st;
	}
	return LOOM_OK;
}

enum loom_status loom_job_embedding(struct loom_job *j, struct loom_capture *c, struct loom_err *err)
{
	const struct loom_request *q = j->req;
	struct loom_answer *a = j->answer;
	struct loom_capture_shape s;
	int64_t *positions = NULL;
	enum loom_status st = loom_capture_finish(c, j->seq.n_id, &a->arena, &s, &positions, err);
	if (st)
		return st;
	int64_t pooled = s.width * j->n_pool, width = loom_job_width(j, (int32_t)s.width), keep = q->dimensions > 0 ? q->dimensions : width;
	int64_t room = loom_layers_room(j->layers, j->n_layer, pooled);
	bool rows = j->pools[0] == LOOM_POOL_NONE, unit = false;
	a->n_row = rows ? s.n_position : 1;
	a->width = keep;
	a->pooling = j->pools[0];
	a->sparse = j->sparse;
	a->sigmoid = q->scores && j->r->opened.head.sigmoid;
	a->embedding = loom_arena_alloc(&a->arena, (size_t)(a->n_row * keep + room), sizeof *a->embedding);
	float *v = loom_arena_alloc(&a->arena, (size_t)room, sizeof *v);
	if (!a->embedding || !v)
		return loom_err_nomem(err, "an embedding", (unsigned long long)(a->n_row * keep + room) * sizeof *a->embedding);
	weigh(j, c->data, s.n_position, s.width, positions);
	for (int64_t i = 0; !st && i < a->n_row; i++) {
		if (j->sparse)
			pool_words(j, c->data, s.n_position, s.width, v);
		else if (rows)
			memcpy(v, c->data + i * s.width, (size_t)s.width * sizeof *v);
		else
			st = pool(j, c->data, s.n_position, s.width, v, err);
		if (!st)
			st = run_layers(j, v, pooled, &unit, err);
		memcpy(a->embedding + i * keep, v, (size_t)keep * sizeof *v);
		if (q->normalize > 0)
			loom_l2_normalize(a->embedding + i * keep, keep);
	}
	a->normalized = q->normalize > 0 || (unit && keep == width);
	return st;
}
