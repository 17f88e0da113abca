/* answer_json.c: answers as bytes. One writer makes the JSON of all three formats; in safetensors the tensors lose their "data" there and
 * follow as a file. */
#include "answer_json.h"

#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "mem.h"
#include "model.h"
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

struct writer {
	struct loom_json_out j;
	struct loom_buf json;
	const struct loom_encode_opts *o;
	struct loom_arena arena;
	struct loom_st_entry *entries; /* [n_entry] of a safetensors body */
	size_t n_entry, cap_entry;
	struct loom_err *err;
	enum loom_status rc;
};

static void begin(struct writer *w, const struct loom_encode_opts *o, struct loom_err *err)
{
	memset(w, 0, sizeof(*w));
	w->o = o;
	w->err = err;
	loom_buf_init(&w->json, SIZE_MAX / 4);
	loom_json_out_init(&w->j, &w->json);
	loom_arena_init(&w->arena);
}

static enum loom_status finish(struct writer *w, struct loom_body *b)
{
	if (w->rc == LOOM_OK && w->json.failed) {
		w->rc = loom_err_nomem(w->err, "answer", w->json.len);
	}
	if (w->rc == LOOM_OK && w->o->format == LOOM_FORMAT_SAFETENSORS) {
		w->rc = loom_body_safetensors(b, w->entries, w->n_entry, w->json.data, w->json.len, w->err);
	} else if (w->rc == LOOM_OK) {
		loom_buf_release(&b->head);
		b->head = w->json;
		loom_buf_init(&w->json, 0);
	}
	loom_buf_release(&w->json);
	loom_arena_release(&w->arena);
	loom_free(w->entries);
	return w->rc;
}

static void add_entry(struct writer *w, const char *group, const char *name, const struct loom_answer_tensor *t, enum loom_dtype dtype)
{
	char full[160];

	if (w->n_entry == w->cap_entry) {
		size_t cap = w->cap_entry ? w->cap_entry * 2 : 16;
		struct loom_st_entry *more = loom_reallocarray(w->entries, cap, sizeof(*more));
		if (!more) {
			w->rc = loom_err_nomem(w->err, "answer", cap * sizeof(*more));
			return;
		}
		w->entries = more;
		w->cap_entry = cap;
	}
	(void)snprintf(full, sizeof(full), "%s%s%s", group, name[0] ? "." : "", name);
	struct loom_st_entry e = {loom_arena_strdup(&w->arena, full), dtype, t->n_dim, t->shape, t->data};
	if (!e.name) {
		w->rc = loom_err_nomem(w->err, "answer", sizeof(full));
		return;
	}
	w->entries[w->n_entry++] = e;
}

static void put_ints(struct loom_json_out *j, const char *key, const int64_t *v, size_t n)
{
	loom_json_key(j, key);
	loom_json_open(j, '[');
	for (size_t i = 0; i < n; i++) {
		loom_json_put_int(j, v[i]);
	}
	loom_json_close(j, ']');
}

static size_t count(const struct loom_answer_tensor *t)
{
	size_t n = 1;

	for (int i = 0; i < t->n_dim; i++) {
		n *= (size_t)t->shape[i];
	}
	return n;
}

static void put_base64(struct writer *w, const float *v, size_t n, enum loom_dtype dtype)
{
	struct loom_body tmp;

	loom_json_raw(&w->j);
	(void)loom_buf_putc(&w->json, '"');
	if (dtype == LOOM_F32) {
		loom_base64_put(&w->json, v, n * sizeof(float));
	} else {
		loom_body_init(&tmp);
		w->rc = w->rc ? w->rc : loom_body_floats(&tmp, v, n, dtype, w->err);
		if (tmp.n_part > 0) {
			loom_base64_put(&w->json, tmp.parts[0].data, tmp.parts[0].n);
		}
		loom_body_release(&tmp);
	}
	(void)loom_buf_putc(&w->json, '"');
}

/* "data" of a tensor; nested: rows as lists. Returns how many numbers are not finite. */
static size_t put_data(struct writer *w, const struct loom_answer_tensor *t, bool nested)
{
	size_t n = count(t), bad = 0;

	loom_json_key(&w->j, "data");
	if (!nested) {
		return loom_json_put_floats(&w->j, t->data, n);
	}
	size_t rows = (size_t)t->shape[0], width = rows ? n / rows : 0;
	loom_json_open(&w->j, '[');
	for (size_t r = 0; r < rows; r++) {
		bad += loom_json_put_floats(&w->j, t->data + r * width, width);
	}
	loom_json_close(&w->j, ']');
	return bad;
}

static void put_final_norm(struct loom_json_out *j, const struct loom_answer_tensor *t)
{
	char text[32];

	loom_json_key(j, "final_norm");
	if (t->final_norm == 2) {
		(void)snprintf(text, sizeof(text), "layer %d only", t->final_norm_layer);
		loom_json_put_str(j, text);
	} else {
		loom_json_put_bool(j, t->final_norm != 0);
	}
}

static void put_tensor(struct writer *w, const char *group, const struct loom_answer_tensor *t, enum loom_dtype dtype, bool nested)
{
	struct loom_json_out *j = &w->j;
	enum loom_dtype sent = w->o->format == LOOM_FORMAT_LIST ? LOOM_F32 : dtype;
	bool one_layer = !loom_str_eq(group, "captures");

	loom_json_key(j, t->name);
	loom_json_open(j, '{');
	if (w->o->format == LOOM_FORMAT_LIST) {
		size_t bad = put_data(w, t, nested);
		if (bad > 0) {
			loom_json_key(j, "nonfinite");
			loom_json_put_int(j, (int64_t)bad);
		}
	} else if (w->o->format == LOOM_FORMAT_BASE64) {
		loom_json_key(j, "data");
		put_base64(w, t->data, count(t), sent);
		loom_json_key(j, "encoding");
		loom_json_put_str(j, "base64");
	} else {
		add_entry(w, group, t->name, t, sent);
	}
	put_ints(j, "shape", t->shape, (size_t)t->n_dim);
	loom_json_key(j, "dtype");
	loom_json_put_str(j, loom_dtype_name(sent));
	loom_json_key(j, "site");
	loom_json_put_str(j, loom_site_name(t->site));
	if (one_layer && t->n_layer == 1) {
		loom_json_key(j, "layer");
		loom_json_put_int(j, t->layers[0]);
	} else {
		loom_json_key(j, "layers");
		loom_json_open(j, '[');
		for (size_t i = 0; i < t->n_layer; i++) {
			loom_json_put_int(j, t->layers[i]);
		}
		loom_json_close(j, ']');
	}
	put_ints(j, "positions", t->positions, t->n_position);
	if (t->reduce) {
		loom_json_key(j, "reduce");
		loom_json_put_str(j, t->reduce);
	}
	put_final_norm(j, t);
	loom_json_close(j, '}');
}

/* own: each tensor names its dtype (captures); else the options' for all. */
static void put_tensors(struct writer *w, const char *group, const struct loom_answer_tensor *t, size_t n, bool own, bool nested)
{
	loom_json_key(&w->j, group);
	loom_json_open(&w->j, '{');
	for (size_t i = 0; i < n; i++) {
		put_tensor(w, group, &t[i], own ? t[i].dtype : w->o->dtype, nested);
	}
	loom_json_close(&w->j, '}');
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

static void put_token_infos(struct loom_json_out *j, const struct loom_answer *a)
{
	loom_json_key(j, "tokens");
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

static void put_named(struct loom_json_out *j, const char *key, const char *value)
{
	loom_json_key(j, key);
	loom_json_put_str(j, value);
}

static void put_generate_metadata(struct writer *w, const struct loom_answer *a, const struct loom_request *q)
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

enum loom_status loom_encode_generate(struct loom_body *b, const struct loom_answer *a, const struct loom_request *q,
	const struct loom_encode_opts *o, struct loom_err *err)
{
	struct writer w;
	struct loom_json_out *j = &w.j;

	begin(&w, o, err);
	loom_json_open(j, '{');
	loom_json_key(j, "text");
	loom_json_put_text(j, a->text ? a->text : "", a->n_text);
	loom_json_key(j, "token_count");
	loom_json_put_int(j, (int64_t)a->n_ids);
	put_ids(j, "token_ids", a->ids, a->n_ids);
	if (o->return_token_ids) {
		put_ids(j, "prompt_token_ids", a->prompt_ids, a->n_prompt);
	}
	put_named(j, "finish_reason", a->finish_reason);
	if (q->return_hidden_states) {
		put_tensors(&w, "hidden_states", a->hidden, a->n_hidden, false, false);
	} else {
		loom_json_key(j, "hidden_states");
		loom_json_put_null(j);
	}
	if (q->return_full_sequence) {
		put_tensors(&w, "sequence_hidden_states", a->sequence, a->n_sequence, false, true);
	}
	if (q->return_attention) {
		put_tensors(&w, "attention_weights", a->attention, a->n_attention, false, false);
	}
	if (q->n_capture > 0) {
		put_tensors(&w, "captures", a->captures, a->n_capture, true, false);
	}
	if (q->return_tokens) {
		put_token_infos(j, a);
	}
	if (a->logprobs) {
		put_logprobs(j, a);
	}
	put_generate_metadata(&w, a, q);
	loom_json_close(j, '}');
	return finish(&w, b);
}

static void put_embedding(struct writer *w, const struct loom_answer *a)
{
	struct loom_json_out *j = &w->j;
	int64_t shape[2] = {a->n_row, a->width};
	bool rows = a->pooling == LOOM_POOL_NONE;
	size_t n = (size_t)(a->n_row * a->width);
	struct loom_answer_tensor t = {.name = "", .n_dim = 2, .shape = {a->n_row, a->width}, .data = a->embedding};

	if (!rows) {
		t.n_dim = 1;
		t.shape[0] = a->width;
	}
	if (w->o->format == LOOM_FORMAT_LIST) {
		loom_json_key(j, "embedding");
		if (rows) {
			loom_json_open(j, '[');
		}
		for (int64_t r = 0; r < a->n_row; r++) {
			(void)loom_json_put_floats(j, a->embedding + r * a->width, (size_t)a->width);
		}
		if (rows) {
			loom_json_close(j, ']');
		}
	} else if (w->o->format == LOOM_FORMAT_BASE64) {
		loom_json_key(j, "embedding");
		put_base64(w, a->embedding, n, w->o->dtype);
		put_named(j, "encoding", "base64");
		put_named(j, "dtype", loom_dtype_name(w->o->dtype));
	} else {
		/* The shape must live until the body is made. */
		struct loom_answer_tensor *kept = loom_arena_alloc(&w->arena, 1, sizeof(*kept));
		if (!kept) {
			w->rc = loom_err_nomem(w->err, "answer", sizeof(*kept));
			return;
		}
		*kept = t;
		add_entry(w, "embedding", "", kept, w->o->dtype);
	}
	put_ints(j, "shape", rows ? shape : shape + 1, rows ? 2 : 1);
}

enum loom_status loom_encode_embed(struct loom_body *b, const struct loom_answer *a, const struct loom_request *q,
	const struct loom_encode_opts *o, struct loom_err *err)
{
	struct writer w;
	struct loom_json_out *j = &w.j;

	begin(&w, o, err);
	loom_json_open(j, '{');
	put_embedding(&w, a);
	if (q->n_capture > 0) {
		put_tensors(&w, "captures", a->captures, a->n_capture, true, false);
	}
	if (q->return_tokens) {
		put_token_infos(j, a);
	}
	loom_json_key(j, "metadata");
	loom_json_open(j, '{');
	put_named(j, "pooling", loom_pooling_name(a->pooling));
	loom_json_key(j, "inference_time_ms");
	loom_json_put_num(j, a->inference_ms);
	loom_json_key(j, "input_tokens");
	loom_json_put_int(j, (int64_t)a->n_prompt);
	put_named(j, "model_id", o->model_id);
	loom_json_key(j, "normalized");
	loom_json_put_bool(j, a->normalized);
	loom_json_key(j, "truncated");
	loom_json_put_bool(j, a->truncated);
	put_named(j, "compute", o->compute);
	put_named(j, "device", o->device);
	if (o->warning[0]) {
		put_named(j, "warning", o->warning);
	}
	loom_json_close(j, '}');
	loom_json_close(j, '}');
	return finish(&w, b);
}

enum loom_status loom_encode_dry_run(struct loom_body *b, const struct loom_answer *a, struct loom_err *err)
{
	struct loom_json_out j;

	loom_json_out_init(&j, &b->head);
	loom_json_open(&j, '{');
	loom_json_key(&j, "prompt_tokens");
	loom_json_put_int(&j, (int64_t)a->n_prompt);
	loom_json_key(&j, "bytes");
	loom_json_put_int(&j, (int64_t)a->estimate_bytes);
	loom_json_key(&j, "captures");
	loom_json_open(&j, '{');
	for (size_t i = 0; i < a->n_capture; i++) {
		const struct loom_answer_tensor *t = &a->captures[i];
		loom_json_key(&j, t->name);
		loom_json_open(&j, '{');
		put_ints(&j, "shape", t->shape, (size_t)t->n_dim);
		loom_json_key(&j, "bytes");
		loom_json_put_int(&j, (int64_t)(count(t) * (t->dtype == LOOM_F32 ? 4 : 2)));
		loom_json_close(&j, '}');
	}
	loom_json_close(&j, '}');
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
