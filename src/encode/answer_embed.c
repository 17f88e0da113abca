/* answer_embed.c: answers to /embed and /rerank as bytes: vectors, rows, words' weights and scores. */
#include "answer_json.h"

#include <math.h>
#include <stdlib.h>

#include "answer_writer.h"

/* {"indices", "values"} of what is not 0. */
static void put_sparse(struct loom_writer *w, const struct loom_answer *a)
{
	struct loom_json_out *j = &w->j;
	float *values = loom_arena_alloc(&w->arena, (size_t)a->width + 1, sizeof(*values));
	size_t n = 0;

	if (!values) {
		w->rc = loom_err_nomem(w->err, "answer", (unsigned long long)a->width * sizeof(*values));
		return;
	}
	loom_json_open(j, '{');
	loom_json_key(j, "indices");
	loom_json_open(j, '[');
	for (int64_t i = 0; i < a->width; i++) {
		if (a->embedding[i] != 0) {
			loom_json_put_int(j, i);
			values[n++] = a->embedding[i];
		}
	}
	loom_json_close(j, ']');
	loom_json_key(j, "values");
	(void)loom_json_put_floats(j, values, n);
	loom_json_close(j, '}');
}

/* The vector, or the rows of pooling none, as a value. */
static void put_vector(struct loom_writer *w, const struct loom_answer *a)
{
	struct loom_json_out *j = &w->j;
	bool rows = a->pooling == LOOM_POOL_NONE;

	if (w->o->format == LOOM_FORMAT_BASE64) {
		loom_writer_base64(w, a->embedding, (size_t)(a->n_row * a->width), w->o->dtype);
		return;
	}
	if (a->sparse) {
		put_sparse(w, a);
		return;
	}
	if (rows) {
		loom_json_open(j, '[');
	}
	for (int64_t r = 0; r < a->n_row; r++) {
		(void)loom_json_put_floats(j, a->embedding + r * a->width, (size_t)a->width);
	}
	if (rows) {
		loom_json_close(j, ']');
	}
}

/* The vector as an entry of a safetensors body. */
static void add_vector(struct loom_writer *w, const struct loom_answer *a)
{
	struct loom_answer_tensor *t = loom_arena_alloc(&w->arena, 1, sizeof(*t)); /* lives until the body is made */

	if (!t) {
		w->rc = loom_err_nomem(w->err, "answer", sizeof(*t));
		return;
	}
	*t = (struct loom_answer_tensor){.name = "", .n_dim = 1, .shape = {a->width}, .data = a->embedding};
	if (a->pooling == LOOM_POOL_NONE) {
		t->n_dim = 2;
		t->shape[0] = a->n_row;
		t->shape[1] = a->width;
	}
	loom_writer_entry(w, "embedding", "", t, w->o->dtype);
}

static void put_shape(struct loom_json_out *j, const struct loom_answer *a)
{
	loom_json_open(j, '[');
	if (a->pooling == LOOM_POOL_NONE) {
		loom_json_put_int(j, a->n_row);
	}
	loom_json_put_int(j, a->width);
	loom_json_close(j, ']');
}

static void put_encoding(struct loom_writer *w)
{
	if (w->o->format == LOOM_FORMAT_BASE64) {
		loom_json_member(&w->j, "encoding", "base64");
		loom_json_member(&w->j, "dtype", loom_dtype_name(w->o->dtype));
	}
}

/* Of one answer, or of a batch's first with the sums of all. */
static void put_embed_metadata(struct loom_json_out *j, const struct loom_encode_opts *o, const struct loom_answer *a, double ms,
	int64_t n_prompt, bool truncated)
{
	loom_json_key(j, "metadata");
	loom_json_open(j, '{');
	loom_json_member(j, "pooling", a->sparse ? "splade" : loom_pooling_name(a->pooling));
	loom_json_key(j, "inference_time_ms");
	loom_json_put_num(j, ms);
	loom_json_key(j, "input_tokens");
	loom_json_put_int(j, n_prompt);
	loom_json_member(j, "model_id", o->model_id);
	loom_json_key(j, "normalized");
	loom_json_put_bool(j, a->normalized);
	loom_json_key(j, "truncated");
	loom_json_put_bool(j, truncated);
	loom_json_member(j, "compute", o->compute);
	loom_json_member(j, "device", o->device);
	if (o->warning[0]) {
		loom_json_member(j, "warning", o->warning);
	}
	loom_json_close(j, '}');
}

void loom_embed_metadata(struct loom_json_out *j, const struct loom_answer *a, const struct loom_encode_opts *o)
{
	put_embed_metadata(j, o, a, a->inference_ms, (int64_t)a->n_prompt, a->truncated);
}

enum loom_status loom_encode_embed(struct loom_body *b, const struct loom_answer *a, const struct loom_request *q,
	const struct loom_encode_opts *o, struct loom_err *err)
{
	struct loom_writer w;
	struct loom_json_out *j = &w.j;

	loom_writer_begin(&w, o, err);
	loom_json_open(j, '{');
	if (o->format == LOOM_FORMAT_SAFETENSORS) {
		add_vector(&w, a);
	} else {
		loom_json_key(j, "embedding");
		put_vector(&w, a);
		put_encoding(&w);
	}
	loom_json_key(j, "shape");
	put_shape(j, a);
	if (q->n_capture > 0) {
		loom_writer_tensors(&w, "captures", a->captures, a->n_capture, true, false);
	}
	if (q->return_tokens) {
		loom_writer_tokens(j, "tokens", a);
	}
	loom_embed_metadata(j, a, o);
	loom_json_close(j, '}');
	return loom_writer_finish(&w, b);
}

/* "captures" and "tokens" of a batch: a list, one value a text. */
static void put_embed_extras(struct loom_writer *w, const struct loom_answer *a, const struct loom_request *q, size_t n)
{
	struct loom_json_out *j = &w->j;

	if (q->n_capture > 0) {
		loom_json_key(j, "captures");
		loom_json_open(j, '[');
		for (size_t i = 0; i < n; i++) {
			w->item = (int64_t)i;
			loom_writer_members(w, "captures", a[i].captures, a[i].n_capture, true, false);
		}
		loom_json_close(j, ']');
	}
	if (q->return_tokens) {
		loom_json_key(j, "tokens");
		loom_json_open(j, '[');
		for (size_t i = 0; i < n; i++) {
			loom_writer_tokens(j, NULL, &a[i]);
		}
		loom_json_close(j, ']');
	}
}

struct ranked {
	size_t index;
	float score;
};

/* Best first; equal ones in the order of the texts. */
static int by_score(const void *x, const void *y)
{
	const struct ranked *a = x, *b = y;

	if (a->score != b->score) {
		return a->score > b->score ? -1 : 1;
	}
	return (a->index > b->index) - (a->index < b->index);
}

enum loom_status loom_encode_rerank(struct loom_body *b, const struct loom_answer *a, size_t n, bool raw, double total_ms,
	const struct loom_encode_opts *o, struct loom_err *err)
{
	struct loom_writer w;
	struct loom_json_out *j = &w.j;
	struct ranked *order;
	int64_t n_prompt = 0;
	bool truncated = false;

	loom_writer_begin(&w, o, err);
	order = loom_arena_alloc(&w.arena, n, sizeof(*order));
	for (size_t i = 0; order && i < n; i++) {
		double score = a[i].embedding[0];
		order[i] = (struct ranked){i, (float)(a[i].sigmoid && !raw ? 1 / (1 + exp(-score)) : score)};
		n_prompt += (int64_t)a[i].n_prompt;
		truncated = truncated || a[i].truncated;
	}
	if (!order) {
		w.rc = loom_err_nomem(err, "answer", n * sizeof(*order));
		n = 0;
	}
	loom_json_open(j, '{');
	loom_json_key(j, "results");
	loom_json_open(j, '[');
	if (n > 1) {
		qsort(order, n, sizeof(*order), by_score);
	}
	for (size_t i = 0; i < n; i++) {
		loom_json_open(j, '{');
		loom_json_key(j, "index");
		loom_json_put_int(j, (int64_t)order[i].index);
		loom_json_key(j, "score");
		loom_json_put_num(j, (double)order[i].score);
		loom_json_close(j, '}');
	}
	loom_json_close(j, ']');
	loom_json_key(j, "total_time_ms");
	loom_json_put_num(j, total_ms);
	loom_json_key(j, "texts_processed");
	loom_json_put_int(j, (int64_t)n);
	if (n > 0) {
		put_embed_metadata(j, o, &a[0], total_ms, n_prompt, truncated);
	}
	loom_json_close(j, '}');
	return loom_writer_finish(&w, b);
}

enum loom_status loom_encode_embed_batch(struct loom_body *b, const struct loom_answer *a, const struct loom_request *q, size_t n,
	double total_ms, const struct loom_encode_opts *o, struct loom_err *err)
{
	struct loom_writer w;
	struct loom_json_out *j = &w.j;
	int64_t n_prompt = 0;
	bool truncated = false;

	loom_writer_begin(&w, o, err);
	loom_json_open(j, '{');
	if (o->format != LOOM_FORMAT_SAFETENSORS) {
		loom_json_key(j, "embeddings");
		loom_json_open(j, '[');
	}
	for (size_t i = 0; i < n; i++) {
		w.item = (int64_t)i;
		(o->format == LOOM_FORMAT_SAFETENSORS ? add_vector : put_vector)(&w, &a[i]);
		n_prompt += (int64_t)a[i].n_prompt;
		truncated = truncated || a[i].truncated;
	}
	if (o->format != LOOM_FORMAT_SAFETENSORS) {
		loom_json_close(j, ']');
		put_encoding(&w);
	}
	loom_json_key(j, "shapes");
	loom_json_open(j, '[');
	for (size_t i = 0; i < n; i++) {
		put_shape(j, &a[i]);
	}
	loom_json_close(j, ']');
	put_embed_extras(&w, a, &q[0], n);
	loom_json_key(j, "total_time_ms");
	loom_json_put_num(j, total_ms);
	loom_json_key(j, "texts_processed");
	loom_json_put_int(j, (int64_t)n);
	put_embed_metadata(j, o, &a[0], total_ms, n_prompt, truncated);
	loom_json_close(j, '}');
	return loom_writer_finish(&w, b);
}
