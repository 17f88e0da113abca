/* answer_json.c: answers to /generate as bytes, single ones and batches. Vectors are answer_embed.c's, events and errors answer_event.c's. */
#include "answer_json.h"

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
	loom_json_member(j, "model_id", w->o->model_id);
	loom_json_key(j, "full_sequence");
	loom_json_put_bool(j, q->return_full_sequence);
	loom_json_member(j, "compute", w->o->compute);
	loom_json_member(j, "device", w->o->device);
	if (a->beyond_context) {
		loom_json_key(j, "beyond_context");
		loom_json_put_bool(j, true);
	}
	if (w->o->warning[0]) {
		loom_json_member(j, "warning", w->o->warning);
	}
	loom_json_close(j, '}');
}

/* A member that clients of The Loom find whether they asked for it or not: null then. */
static void put_group(struct loom_writer *w, bool asked, const char *key, const struct loom_answer_tensor *t, size_t n, bool nested)
{
	if (asked) {
		loom_writer_tensors(w, key, t, n, false, nested);
	} else {
		loom_json_key(&w->j, key);
		loom_json_put_null(&w->j);
	}
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
	loom_json_member(j, "finish_reason", a->finish_reason);
	put_group(w, q->return_hidden_states, "hidden_states", a->hidden, a->n_hidden, false);
	put_group(w, q->return_full_sequence, "sequence_hidden_states", a->sequence, a->n_sequence, true);
	put_group(w, q->return_attention, "attention_weights", a->attention, a->n_attention, false);
	if (q->n_capture > 0) {
		loom_writer_tensors(w, "captures", a->captures, a->n_capture, true, false);
	}
	if (q->return_tokens) {
		loom_writer_tokens(j, "tokens", a);
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
