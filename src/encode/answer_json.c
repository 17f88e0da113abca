/* answer_json.c: answers as bytes: single ones, batches, the events of a stream, estimates and errors. */
#include "answer_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answer_writer.h"
#include "str.h"

static const char *const format_names[LOOM_N_FORMAT] = {"list", "base64", "safetensors"};

const char *loom_format_name(enum loom_format f)
{
	return format_names[f];
}

int loom_format_parse(const char *name)
{
	for (int i = 0; i < LOOM_N_FORMAT; i++) {
		if (loom_str_eq(name, format_names[i])) {
			return i;
		}
	}
	return -1;
}

static void put_ids(struct loom_json_out *j, const char *key, const int32_t *ids, size_t n)
{
	loom_json_key(j, key);
	loom_json_open(j, '[');
	for (size_t i = 0; i < n; i++) {
		loom_json_put_int(j, ids[i]);
	}
	loom_json_close(j, ']');
}

static void put_logprobs(struct loom_json_out *j, const struct loom_answer *a)
{
	loom_json_key(j, "logprobs");
	loom_json_open(j, '[');
	for (size_t i = 0; i < a->n_logprobs; i++) {
		const struct loom_logprob *p = &a->logprobs[i];
		loom_json_open(j, '{');
		loom_json_key(j, "token_id");
		loom_json_put_int(j, p->id);
		loom_json_key(j, "logprob");
		loom_json_put_num(j, (double)p->logprob);
		loom_json_key(j, "top");
		loom_json_open(j, '[');
		for (int k = 0; k < p->n_top; k++) {
			loom_json_open(j, '{');
			loom_json_key(j, "token_id");
			loom_json_put_int(j, p->top[k].id);
			loom_json_key(j, "logprob");
			loom_json_put_num(j, (double)p->top[k].logprob);
			loom_json_close(j, '}');
		}
		loom_json_close(j, ']');
		loom_json_close(j, '}');
	}
	loom_json_close(j, ']');
}

static void put_token_list(struct loom_json_out *j, const struct loom_answer *a)
{
	loom_json_open(j, '[');
	for (size_t i = 0; i < a->n_tokens; i++) {
		const struct loom_token_info *t = &a->tokens[i];
		loom_json_open(j, '{');
		loom_json_key(j, "position");
		loom_json_put_int(j, t->position);
		loom_json_key(j, "id");
		loom_json_put_int(j, t->id);
		loom_json_key(j, "text");
		loom_json_put_str(j, t->text);
		loom_json_key(j, "start");
		loom_json_put_int(j, t->start);
		loom_json_key(j, "end");
		loom_json_put_int(j, t->end);
		loom_json_key(j, "special");
		loom_json_put_bool(j, t->special);
		loom_json_key(j, "source");
		loom_json_put_str(j, t->generated ? "generated" : "prompt");
		loom_json_close(j, '}');
	}
	loom_json_close(j, ']');
}

static void put_token_infos(struct loom_json_out *j, const struct loom_answer *a)
{
	loom_json_key(j, "tokens");
	put_token_list(j, a);
}

static void put_named(struct loom_json_out *j, const char *key, const char *value)
{
	loom_json_key(j, key);
	loom_json_put_str(j, value);
}

static void put_generate_metadata(struct loom_writer *w, const struct loom_answer *a, const struct loom_request *q)
{
	struct loom_json_out *j = &w->j;

	loom_json_key(j, "metadata");
	loom_json_open(j, '{');
	loom_json_key(j, "inference_time_ms");
	loom_json_put_num(j, a->inference_ms);
	loom_json_key(j, "tokens_generated");
	loom_json_put_int(j, (int64_t)a->n_ids);
	loom_json_key(j, "tokens_per_second");
	loom_json_put_num(j, a->inference_ms > 0 ? (double)a->n_ids * 1e3 / a->inference_ms : 0);
	loom_json_key(j, "input_tokens");
	loom_json_put_int(j, (int64_t)a->n_prompt);
	loom_json_key(j, "temperature");
	loom_json_put_num(j, q->sampling.temperature);
	put_named(j, "model_id", w->o->model_id);
	loom_json_key(j, "full_sequence");
	loom_json_put_bool(j, q->return_full_sequence);
	put_named(j, "compute", w->o->compute);
	put_named(j, "device", w->o->device);
	if (a->beyond_context) {
		loom_json_key(j, "beyond_context");
		loom_json_put_bool(j, true);
	}
	if (w->o->warning[0]) {
		put_named(j, "warning", w->o->warning);
	}
	loom_json_close(j, '}');
}

/* The whole object. */
static void put_generate(struct loom_writer *w, const struct loom_answer *a, const struct loom_request *q)
{
	struct loom_json_out *j = &w->j;

	loom_json_open(j, '{');
	loom_json_key(j, "text");
	loom_json_put_text(j, a->text ? a->text : "", a->n_text);
	loom_json_key(j, "token_count");
	loom_json_put_int(j, (int64_t)a->n_ids);
	put_ids(j, "token_ids", a->ids, a->n_ids);
	if (w->o->return_token_ids) {
		put_ids(j, "prompt_token_ids", a->prompt_ids, a->n_prompt);
	}
	put_named(j, "finish_reason", a->finish_reason);
	if (q->return_hidden_states) {
		loom_writer_tensors(w, "hidden_states", a->hidden, a->n_hidden, false, false);
	} else {
		loom_json_key(j, "hidden_states");
		loom_json_put_null(j);
	}
	if (q->return_full_sequence) {
		loom_writer_tensors(w, "sequence_hidden_states", a->sequence, a->n_sequence, false, true);
	}
	if (q->return_attention) {
		loom_writer_tensors(w, "attention_weights", a->attention, a->n_attention, false, false);
	}
	if (q->n_capture > 0) {
		loom_writer_tensors(w, "captures", a->captures, a->n_capture, true, false);
	}
	if (q->return_tokens) {
		put_token_infos(j, a);
	}
	if (a->logprobs) {
		put_logprobs(j, a);
	}
	put_generate_metadata(w, a, q);
	loom_json_close(j, '}');
}

enum loom_status loom_encode_generate(struct loom_body *b, const struct loom_answer *a, const struct loom_request *q,
	const struct loom_encode_opts *o, struct loom_err *err)
{
	struct loom_writer w;

	loom_writer_begin(&w, o, err);
	put_generate(&w, a, q);
	return loom_writer_finish(&w, b);
}

enum loom_status loom_encode_generate_batch(struct loom_body *b, const struct loom_answer *a, const struct loom_request *q, size_t n,
	double total_ms, const struct loom_encode_opts *o, struct loom_err *err)
{
	struct loom_writer w;
	struct loom_json_out *j = &w.j;
	int64_t tokens = 0;

	loom_writer_begin(&w, o, err);
	loom_json_open(j, '{');
	loom_json_key(j, "results");
	loom_json_open(j, '[');
	for (size_t i = 0; i < n; i++) {
		w.item = (int64_t)i;
		put_generate(&w, &a[i], &q[i]);
		tokens += (int64_t)a[i].n_ids;
	}
	loom_json_close(j, ']');
	loom_json_key(j, "total_tokens");
	loom_json_put_int(j, tokens);
	loom_json_key(j, "total_time_ms");
	loom_json_put_num(j, total_ms);
	loom_json_key(j, "prompts_processed");
	loom_json_put_int(j, (int64_t)n);
	loom_json_close(j, '}');
	return loom_writer_finish(&w, b);
}

/* The vector, or the rows of pooling none, as a value. */
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
		put_named(&w->j, "encoding", "base64");
		put_named(&w->j, "dtype", loom_dtype_name(w->o->dtype));
	}
}

/* Of one answer, or of a batch's first with the sums of all. */
static void put_embed_metadata(struct loom_json_out *j, const struct loom_encode_opts *o, const struct loom_answer *a, double ms,
	int64_t n_prompt, bool truncated)
{
	loom_json_key(j, "metadata");
	loom_json_open(j, '{');
	put_named(j, "pooling", a->sparse ? "splade" : loom_pooling_name(a->pooling));
	loom_json_key(j, "inference_time_ms");
	loom_json_put_num(j, ms);
	loom_json_key(j, "input_tokens");
	loom_json_put_int(j, n_prompt);
	put_named(j, "model_id", o->model_id);
	loom_json_key(j, "normalized");
	loom_json_put_bool(j, a->normalized);
	loom_json_key(j, "truncated");
	loom_json_put_bool(j, truncated);
	put_named(j, "compute", o->compute);
	put_named(j, "device", o->device);
	if (o->warning[0]) {
		put_named(j, "warning", o->warning);
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
		put_token_infos(j, a);
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
			put_token_list(j, &a[i]);
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

/* ---- the events of a stream ---- */

enum loom_status loom_encode_token_event(struct loom_buf *b, const struct loom_stream_token *t, const struct loom_encode_opts *o,
	struct loom_err *err)
{
	struct loom_writer w;
	struct loom_json_out *j = &w.j;
	struct loom_body body;
	enum loom_status rc;

	loom_writer_begin(&w, o, err);
	loom_json_open(j, '{');
	loom_json_key(j, "token");
	loom_json_put_text(j, t->text, t->n_text);
	loom_json_key(j, "token_id");
	if (t->id < 0) {
		loom_json_put_null(j);
	} else {
		loom_json_put_int(j, t->id);
	}
	loom_json_key(j, "is_finished");
	loom_json_put_bool(j, t->finish_reason != NULL);
	put_named(j, "finish_reason", t->finish_reason);
	if (t->n_state > 0) {
		loom_writer_tensors(&w, "hidden_states", t->states, t->n_state, false, false);
	}
	loom_json_close(j, '}');
	loom_body_init(&body);
	rc = loom_writer_finish(&w, &body);
	if (rc == LOOM_OK) {
		(void)loom_buf_puts(b, "event: token\ndata: ");
		(void)loom_buf_append(b, body.head.data, body.head.len);
		(void)loom_buf_puts(b, "\n\n");
		rc = b->failed ? loom_err_nomem(err, "event", b->len) : LOOM_OK;
	}
	loom_body_release(&body);
	return rc;
}

void loom_encode_error_event(struct loom_buf *b, const struct loom_err *err)
{
	struct loom_json_out j;

	(void)loom_buf_puts(b, "event: error\ndata: ");
	loom_json_out_init(&j, b);
	loom_json_open(&j, '{');
	put_named(&j, "error", err->message);
	put_named(&j, "code", err->code[0] ? err->code : loom_status_code(err->status));
	put_named(&j, "param", err->param[0] ? err->param : NULL);
	loom_json_close(&j, '}');
	(void)loom_buf_puts(b, "\n\n");
}

/* ---- estimates and errors ---- */

static void put_estimate(struct loom_json_out *j, const struct loom_answer *a)
{
	loom_json_open(j, '{');
	loom_json_key(j, "prompt_tokens");
	loom_json_put_int(j, (int64_t)a->n_prompt);
	loom_json_key(j, "bytes");
	loom_json_put_int(j, (int64_t)a->estimate_bytes);
	loom_json_key(j, "captures");
	loom_json_open(j, '{');
	for (size_t i = 0; i < a->n_capture; i++) {
		const struct loom_answer_tensor *t = &a->captures[i];
		loom_json_key(j, t->name);
		loom_json_open(j, '{');
		loom_writer_ints(j, "shape", t->shape, (size_t)t->n_dim);
		loom_json_key(j, "bytes");
		loom_json_put_int(j, (int64_t)(loom_writer_count(t) * (t->dtype == LOOM_F32 ? 4 : 2)));
		loom_json_close(j, '}');
	}
	loom_json_close(j, '}');
	loom_json_close(j, '}');
}

enum loom_status loom_encode_dry_run(struct loom_body *b, const struct loom_answer *a, struct loom_err *err)
{
	struct loom_json_out j;

	loom_json_out_init(&j, &b->head);
	put_estimate(&j, a);
	return b->head.failed ? loom_err_nomem(err, "answer", b->head.len) : LOOM_OK;
}

enum loom_status loom_encode_dry_run_batch(struct loom_body *b, const struct loom_answer *a, size_t n, struct loom_err *err)
{
	struct loom_json_out j;
	uint64_t bytes = 0;

	loom_json_out_init(&j, &b->head);
	loom_json_open(&j, '{');
	loom_json_key(&j, "results");
	loom_json_open(&j, '[');
	for (size_t i = 0; i < n; i++) {
		put_estimate(&j, &a[i]);
		bytes += a[i].estimate_bytes;
	}
	loom_json_close(&j, ']');
	loom_json_key(&j, "bytes");
	loom_json_put_int(&j, (int64_t)bytes);
	loom_json_close(&j, '}');
	return b->head.failed ? loom_err_nomem(err, "answer", b->head.len) : LOOM_OK;
}

void loom_encode_error(struct loom_buf *b, const struct loom_err *err)
{
	struct loom_json_out j;
	int http = loom_status_http(err->status);

	loom_json_out_init(&j, b);
	loom_json_open(&j, '{');
	loom_json_key(&j, "error");
	loom_json_open(&j, '{');
	loom_json_key(&j, "message");
	loom_json_put_str(&j, err->message);
	loom_json_key(&j, "type");
	loom_json_put_str(&j, http >= 500 ? "server_error" : http == 429 ? "rate_limit_error" : "invalid_request_error");
	loom_json_key(&j, "param");
	loom_json_put_str(&j, err->param[0] ? err->param : NULL);
	loom_json_key(&j, "code");
	loom_json_put_str(&j, err->code[0] ? err->code : loom_status_code(err->status));
	loom_json_close(&j, '}');
	loom_json_key(&j, "detail");
	loom_json_put_str(&j, err->message);
	loom_json_close(&j, '}');
}
