/* request_parse.c: bodies of /generate and /embed. Captures are capture_parse.c's. */
#include "request_parse.h"

#include <string.h>

#include "capture_parse.h"
#include "jsonx.h"
#include "source.h"
#include "str.h"

static const struct loom_json_ctx body = {"", LOOM_E_INVALID};

void loom_parsed_init(struct loom_parsed *p)
{
	memset(p, 0, sizeof(*p));
	loom_arena_init(&p->arena);
	p->loader = -1;
	p->dtype = LOOM_F32;
	p->req.pooling = p->req.normalize = -1;
	p->req.layer = -1;
	p->req.add_special_tokens = p->req.truncate = true;
}

void loom_parsed_release(struct loom_parsed *p)
{
	json_decref(p->root);
	loom_arena_release(&p->arena);
	memset(p, 0, sizeof(*p));
}

enum loom_status loom_check_fields(const json_t *root, const char *const *fields, struct loom_err *err)
{
	const char *key, *near;
	json_t *value;

	if (!json_is_object(root)) {
		char shown[64];
		loom_json_show(root, shown, sizeof(shown));
		return loom_err_set(err, LOOM_E_INVALID, "body: expected a JSON object, found %s", shown);
	}
	json_object_foreach((json_t *)(uintptr_t)root, key, value) {
		const char *const *f = fields;
		while (*f && strcmp(*f, key) != 0) {
			f++;
		}
		if (!*f) {
			near = loom_str_nearest(key, fields);
			return loom_err_param(err, LOOM_E_INVALID, key, "unknown field \"%.60s\"%s%s%s", key, near ? " (did you mean \"" : "",
				near ? near : "", near ? "\"?)" : "");
		}
	}
	return LOOM_OK;
}

static enum loom_status wrong(const char *key, const char *expected, const json_t *found, struct loom_err *err)
{
	char shown[64];

	if (!found) {
		return loom_err_param(err, LOOM_E_INVALID, key, "%s: required: expected %s", key, expected);
	}
	loom_json_show(found, shown, sizeof(shown));
	return loom_err_param(err, LOOM_E_INVALID, key, "%s: expected %s, found %s", key, expected, shown);
}

enum loom_status loom_need_string(const json_t *root, const char *key, const char **out, size_t *n, struct loom_err *err)
{
	const json_t *v = json_object_get(root, key);

	if (!json_is_string(v)) {
		return wrong(key, "a string", v, err);
	}
	*out = json_string_value(v);
	if (n) {
		*n = json_string_length(v);
	} else if (strlen(*out) != json_string_length(v)) {
		return loom_err_param(err, LOOM_E_INVALID, key, "%s: a NUL character is not allowed here", key);
	}
	return LOOM_OK;
}

enum loom_status loom_parse_ids(const json_t *list, const char *key, struct loom_arena *arena, const int32_t **ids, size_t *n,
	struct loom_err *err)
{
	size_t count = json_array_size(list);
	int32_t *v;

	if (!json_is_array(list)) {
		return wrong(key, "a list of token ids", list, err);
	}
	v = loom_arena_alloc(arena, count + 1, sizeof(*v));
	if (!v) {
		return loom_err_nomem(err, "token ids", count * sizeof(*v));
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *e = json_array_get(list, i);
		if (!json_is_integer(e) || json_integer_value(e) < 0 || json_integer_value(e) > INT32_MAX) {
			char shown[64];
			loom_json_show(e, shown, sizeof(shown));
			return loom_err_param(err, LOOM_E_INVALID, key, "%s[%zu]: expected a token id, found %s", key, i, shown);
		}
		v[i] = (int32_t)json_integer_value(e);
	}
	*ids = v;
	*n = count;
	return LOOM_OK;
}

enum loom_status loom_check_quantization(const json_t *root, struct loom_err *err)
{
	const char *q = NULL;
	enum loom_status rc = loom_json_str(&body, root, "quantization", &q, err);

	if (rc == LOOM_OK && q && strcmp(q, "none") != 0) {
		bool known = loom_str_eq(q, "4bit") || loom_str_eq(q, "8bit") || loom_str_eq(q, "gptq") || loom_str_eq(q, "awq");
		rc = loom_err_param(err, LOOM_E_INVALID, "quantization", known ? "quantization: \"%.40s\" is not built into this version"
			: "quantization: expected none, 4bit, 8bit, gptq or awq, found \"%.40s\"", q);
	}
	return rc;
}

/* A string or a list of strings. */
static enum loom_status parse_stops(struct loom_request *q, const json_t *v, struct loom_err *err)
{
	size_t n = json_is_array(v) ? json_array_size(v) : 1;

	if (!v || json_is_null(v)) {
		return LOOM_OK;
	}
	if (n > LOOM_MAX_STOPS) {
		return loom_err_param(err, LOOM_E_INVALID, "stop", "stop: at most %d strings, found %zu", LOOM_MAX_STOPS, n);
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *s = json_is_array(v) ? json_array_get(v, i) : v;
		if (!json_is_string(s)) {
			return wrong("stop", "a string or a list of strings", s, err);
		}
		if (json_string_length(s) == 0 || json_string_length(s) > LOOM_MAX_STOP_BYTES) {
			return loom_err_param(err, LOOM_E_INVALID, "stop", "stop: expected strings of 1..%d bytes", LOOM_MAX_STOP_BYTES);
		}
		q->stops[q->n_stop] = json_string_value(s);
		q->stop_len[q->n_stop++] = json_string_length(s);
	}
	return LOOM_OK;
}

/* "hidden_state_layers": integers or "all". */
static enum loom_status parse_layers(struct loom_parsed *p, const json_t *v, struct loom_err *err)
{
	static const int64_t last = -1;
	struct loom_request *q = &p->req;
	size_t n = json_array_size(v);
	int64_t *layers;

	if (!v || json_is_null(v)) {
		q->hidden_layers = &last;
		q->n_hidden_layer = 1;
		return LOOM_OK;
	}
	if (json_is_string(v) && strcmp(json_string_value(v), "all") == 0) {
		q->all_layers = true;
		return LOOM_OK;
	}
	if (!json_is_array(v) || n == 0 || n > 4096) {
		return wrong("hidden_state_layers", "a list of 1..4096 integers, or \"all\"", v, err);
	}
	layers = loom_arena_alloc(&p->arena, n, sizeof(*layers));
	if (!layers) {
		return loom_err_nomem(err, "layers", n * sizeof(*layers));
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *e = json_array_get(v, i);
		if (!json_is_integer(e)) {
			return wrong("hidden_state_layers", "integers", e, err);
		}
		layers[i] = json_integer_value(e);
	}
	q->hidden_layers = layers;
	q->n_hidden_layer = n;
	return LOOM_OK;
}

enum loom_status loom_parse_dtype(const json_t *root, const char *key, const char *param, enum loom_dtype *out, struct loom_err *err)
{
	const json_t *v = json_object_get(root, key);
	const char *s = json_string_value(v);

	if (!v || json_is_null(v)) {
		return LOOM_OK;
	}
	if (loom_str_eq(s, "float32")) {
		*out = LOOM_F32;
	} else if (loom_str_eq(s, "float16")) {
		*out = LOOM_F16;
	} else if (loom_str_eq(s, "bfloat16")) {
		*out = LOOM_BF16;
	} else {
		return wrong(param, "\"float32\", \"float16\" or \"bfloat16\"", v, err);
	}
	return LOOM_OK;
}

static enum loom_status parse_format(struct loom_parsed *p, const char *key, struct loom_err *err)
{
	const json_t *v = json_object_get(p->root, key);
	int format = loom_format_parse(json_string_value(v));

	if (!v || json_is_null(v)) {
		return LOOM_OK;
	}
	if (format < 0) {
		return wrong(key, "\"list\", \"base64\" or \"safetensors\"", v, err);
	}
	p->format = (enum loom_format)format;
	return LOOM_OK;
}

/* What both routes have: model, loader, format, dtype, captures, special tokens. */
static enum loom_status parse_common(struct loom_parsed *p, bool need_model, struct loom_err *err)
{
	const char *loader = NULL;
	enum loom_status rc = LOOM_OK;

	if (need_model && (rc = loom_need_string(p->root, "model", &p->model, NULL, err))) {
		return rc;
	}
	if (need_model && p->model[0] == '\0') {
		return loom_err_param(err, LOOM_E_INVALID, "model", "model: expected a model's id, found \"\"");
	}
	if ((rc = loom_json_str(&body, p->root, "loader", &loader, err))) {
		return rc;
	}
	if (loader && strcmp(loader, "auto") != 0) {
		p->loader = loom_loader_parse(loader);
		if (p->loader < 0) {
			return wrong("loader", "\"transformers\", \"sentence_transformers\", \"custom\" or \"gguf\"", json_object_get(p->root, "loader"),
				err);
		}
	}
	if ((rc = parse_format(p, "hidden_state_format", err)) ||
		(rc = loom_parse_dtype(p->root, "hidden_state_dtype", "hidden_state_dtype", &p->dtype, err)) ||
		(rc = loom_json_bool(&body, p->root, "add_special_tokens", &p->req.add_special_tokens, err)) ||
		(rc = loom_json_bool(&body, p->root, "return_tokens", &p->req.return_tokens, err)) ||
		(rc = loom_json_bool(&body, p->root, "dry_run", &p->req.dry_run, err)) ||
		(rc = loom_parse_captures(p, json_object_get(p->root, "capture"), err))) {
		return rc;
	}
	return LOOM_OK;
}

static enum loom_status parse_sampling(struct loom_request *q, const json_t *root, struct loom_err *err)
{
	struct loom_sampling *s = &q->sampling;
	int64_t top_k = 0, seed = 0, logprobs = 0;
	enum loom_status rc;

	loom_sampling_default(s);
	q->max_tokens = 256;
	if ((rc = loom_json_int(&body, root, "max_tokens", 0, LOOM_MAX_CONTEXT, &q->max_tokens, err)) ||
		(rc = loom_json_num(&body, root, "temperature", 0, 2, &s->temperature, err)) ||
		(rc = loom_json_num(&body, root, "top_p", 0, 1, &s->top_p, err)) ||
		(rc = loom_json_num(&body, root, "min_p", 0, 1, &s->min_p, err)) ||
		(rc = loom_json_num(&body, root, "repetition_penalty", 0, 100, &s->repetition_penalty, err)) ||
		(rc = loom_json_int(&body, root, "top_k", 0, INT32_MAX, &top_k, err)) ||
		(rc = loom_json_int(&body, root, "seed", INT64_MIN, INT64_MAX, &seed, err)) ||
		(rc = loom_json_int(&body, root, "logprobs", 0, LOOM_MAX_LOGPROBS, &logprobs, err)) ||
		(rc = parse_stops(q, json_object_get(root, "stop"), err))) {
		return rc;
	}
	if (s->top_p <= 0) {
		return wrong("top_p", "a number above 0 and at most 1", json_object_get(root, "top_p"), err);
	}
	if (s->repetition_penalty <= 0) {
		return wrong("repetition_penalty", "a number above 0", json_object_get(root, "repetition_penalty"), err);
	}
	s->top_k = (int32_t)top_k;
	s->seed = (uint64_t)seed;
	s->has_seed = json_is_number(json_object_get(root, "seed"));
	q->n_logprobs = (int)logprobs;
	return LOOM_OK;
}

static enum loom_status parse_prompt(struct loom_parsed *p, struct loom_err *err)
{
	const json_t *v = json_object_get(p->root, "prompt");

	if (json_is_array(v)) {
		return loom_parse_ids(v, "prompt", &p->arena, &p->req.ids, &p->req.n_ids, err);
	}
	if (!json_is_string(v)) {
		return wrong("prompt", "a string or a list of token ids", v, err);
	}
	p->req.text = json_string_value(v);
	p->req.n_text = json_string_length(v);
	return LOOM_OK;
}

enum loom_status loom_parse_generate(struct loom_parsed *p, json_t *root, bool strict, bool need_model, struct loom_err *err)
{
	static const char *const fields[] = {"prompt", "max_tokens", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "seed", "stop",
		"return_hidden_states", "hidden_state_layers", "return_full_sequence", "return_attention", "hidden_state_format",
		"hidden_state_dtype", "add_special_tokens", "logprobs", "loader", "return_token_ids", "return_tokens", "capture", "dry_run", "model",
		NULL};
	struct loom_request *q = &p->req;
	enum loom_status rc;

	p->root = root;
	q->kind = LOOM_REQUEST_GENERATE;
	q->return_hidden_states = true;
	if (strict || !json_is_object(root)) {
		if ((rc = loom_check_fields(root, fields, err))) {
			return rc;
		}
	}
	if ((rc = parse_common(p, need_model, err)) || (rc = parse_prompt(p, err)) || (rc = parse_sampling(q, root, err)) ||
		(rc = loom_json_bool(&body, root, "return_hidden_states", &q->return_hidden_states, err)) ||
		(rc = loom_json_bool(&body, root, "return_full_sequence", &q->return_full_sequence, err)) ||
		(rc = loom_json_bool(&body, root, "return_attention", &q->return_attention, err)) ||
		(rc = loom_json_bool(&body, root, "return_token_ids", &p->return_token_ids, err)) ||
		(rc = parse_layers(p, json_object_get(root, "hidden_state_layers"), err))) {
		return rc;
	}
	return LOOM_OK;
}

enum loom_status loom_parse_embed(struct loom_parsed *p, json_t *root, bool strict, bool need_model, struct loom_err *err)
{
	static const char *const fields[] = {"text", "pooling", "normalize", "loader", "prompt_name", "truncate", "dimensions", "layer", "capture",
		"hidden_state_format", "hidden_state_dtype", "encoding", "add_special_tokens", "return_tokens", "dry_run", "model", NULL};
	struct loom_request *q = &p->req;
	const char *pooling = NULL;
	bool normalize = false;
	enum loom_status rc;

	p->root = root;
	q->kind = LOOM_REQUEST_EMBED;
	if (strict || !json_is_object(root)) {
		if ((rc = loom_check_fields(root, fields, err))) {
			return rc;
		}
	}
	if ((rc = parse_common(p, need_model, err)) || (rc = loom_need_string(root, "text", &q->text, &q->n_text, err)) ||
		(rc = parse_format(p, "encoding", err)) || (rc = loom_json_str(&body, root, "pooling", &pooling, err)) ||
		(rc = loom_json_bool(&body, root, "normalize", &normalize, err)) ||
		(rc = loom_json_bool(&body, root, "truncate", &q->truncate, err)) ||
		(rc = loom_json_str(&body, root, "prompt_name", &q->prompt_name, err)) ||
		(rc = loom_json_int(&body, root, "dimensions", 1, LOOM_MAX_EMBD, &q->dimensions, err)) ||
		(rc = loom_json_int(&body, root, "layer", -LOOM_MAX_LAYER - 1, LOOM_MAX_LAYER, &q->layer, err))) {
		return rc;
	}
	if (pooling && (q->pooling = loom_pooling_parse(pooling)) < 0) {
		return wrong("pooling", "last_token, mean, first_token, cls, max, weightedmean, mean_sqrt_len_tokens or none",
			json_object_get(root, "pooling"), err);
	}
	if (json_is_boolean(json_object_get(root, "normalize"))) {
		q->normalize = normalize;
	}
	return LOOM_OK;
}
