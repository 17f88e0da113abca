/* request_parse.c: bodies of /generate and /embed, of their batches and streams, as tables of fields. Captures are capture_parse.c's. */
#include "request_parse.h"

#include <stdio.h>
#include <string.h>

#include "capture_parse.h"
#include "jsonx.h"
#include "source.h"
#include "str.h"

void loom_parsed_init(struct loom_parsed *p)
{
	static const int64_t last = -1;

	memset(p, 0, sizeof(*p));
	loom_arena_init(&p->arena);
	p->loader = -1;
	p->format = LOOM_FORMAT_LIST;
	p->dtype = LOOM_F32;
	p->max_items = LOOM_MAX_BATCH_ITEMS;
	p->req.pooling = p->req.normalize = -1;
	p->req.layer = -1;
	p->req.add_special_tokens = p->req.truncate = true;
	p->req.hidden_layers = &last;
	p->req.n_hidden_layer = 1;
}

void loom_parsed_release(struct loom_parsed *p)
{
	json_decref(p->root);
	loom_arena_release(&p->arena);
	memset(p, 0, sizeof(*p));
}

/* ---- fields that are more than a number or a word ---- */

enum loom_status loom_parse_ids(const json_t *list, const char *key, struct loom_arena *arena, const int32_t **ids, size_t *n,
	struct loom_err *err)
{
	size_t count = json_array_size(list);
	int32_t *v;

	if (!json_is_array(list)) {
		return loom_input_wrong(key, "a list of token ids", list, err);
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

static enum loom_status parse_model(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_parsed *p = target;
	const char *s = json_string_value(v);

	if (!s) {
		return loom_input_wrong(name, "a string", v, err);
	}
	if (s[0] == '\0' || strlen(s) != json_string_length(v)) {
		return loom_input_wrong(name, "a model's id", v, err);
	}
	p->model = s;
	return LOOM_OK;
}

/* One prompt or text into q; key names it in messages. */
static enum loom_status parse_input(struct loom_parsed *p, struct loom_request *q, const char *key, bool ids, const json_t *v,
	struct loom_err *err)
{
	if (ids && json_is_array(v)) {
		return loom_parse_ids(v, key, &p->arena, &q->ids, &q->n_ids, err);
	}
	if (!json_is_string(v)) {
		return loom_input_wrong(key, ids ? "a string or a list of token ids" : "a string", v, err);
	}
	q->text = json_string_value(v);
	q->n_text = json_string_length(v);
	return LOOM_OK;
}

static enum loom_status parse_prompt(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_parsed *p = target;

	return parse_input(p, &p->req, name, true, v, err);
}

static enum loom_status parse_text(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_parsed *p = target;

	return parse_input(p, &p->req, name, false, v, err);
}

/* Stands last in its body: the items are copies of what the other fields made. */
static enum loom_status parse_items(struct loom_parsed *p, const char *name, bool ids, const json_t *v, struct loom_err *err)
{
	size_t n = json_array_size(v);
	char key[40];
	enum loom_status rc = LOOM_OK;

	if (!json_is_array(v) || n == 0 || n > p->max_items) {
		if (!json_is_array(v)) {
			return loom_input_wrong(name, ids ? "a list of prompts" : "a list of texts", v, err);
		}
		return loom_err_param(err, LOOM_E_INVALID, name, "%s: expected 1..%zu of them, found %zu", name, p->max_items, n);
	}
	p->items = loom_arena_alloc(&p->arena, n, sizeof(*p->items));
	if (!p->items) {
		return loom_err_nomem(err, "a batch", n * sizeof(*p->items));
	}
	for (size_t i = 0; i < n && rc == LOOM_OK; i++) {
		p->items[i] = p->req;
		(void)snprintf(key, sizeof(key), "%s[%zu]", name, i);
		rc = parse_input(p, &p->items[i], key, ids, json_array_get(v, i), err);
	}
	p->n_item = n;
	return rc;
}

static enum loom_status parse_prompts(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	return parse_items(target, name, true, v, err);
}

static enum loom_status parse_texts(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	return parse_items(target, name, false, v, err);
}

static enum loom_status parse_loader(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_parsed *p = target;

	if (json_is_string(v) && loom_str_eq(json_string_value(v), "auto")) {
		return LOOM_OK;
	}
	p->loader = json_is_string(v) ? loom_loader_parse(json_string_value(v)) : -1;
	if (p->loader < 0) {
		return loom_input_wrong(name, "\"auto\", \"transformers\", \"sentence_transformers\", \"custom\" or \"gguf\"", v, err);
	}
	return LOOM_OK;
}

static enum loom_status parse_stops(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_request *q = &((struct loom_parsed *)target)->req;
	size_t n = json_is_array(v) ? json_array_size(v) : 1;

	if (n > LOOM_MAX_STOPS) {
		return loom_err_param(err, LOOM_E_INVALID, name, "%s: at most %d strings, found %zu", name, LOOM_MAX_STOPS, n);
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *s = json_is_array(v) ? json_array_get(v, i) : v;
		if (!json_is_string(s)) {
			return loom_input_wrong(name, "a string or a list of strings", s, err);
		}
		if (json_string_length(s) == 0 || json_string_length(s) > LOOM_MAX_STOP_BYTES) {
			return loom_err_param(err, LOOM_E_INVALID, name, "%s: expected strings of 1..%d bytes", name, LOOM_MAX_STOP_BYTES);
		}
		q->stops[q->n_stop] = json_string_value(s);
		q->stop_len[q->n_stop++] = json_string_length(s);
	}
	return LOOM_OK;
}

static enum loom_status parse_layers(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_parsed *p = target;
	struct loom_request *q = &p->req;
	size_t n = json_array_size(v);
	int64_t *layers;

	if (json_is_string(v) && strcmp(json_string_value(v), "all") == 0) {
		q->all_layers = true;
		return LOOM_OK;
	}
	if (!json_is_array(v) || n == 0 || n > 4096) {
		return loom_input_wrong(name, "a list of 1..4096 integers, or \"all\"", v, err);
	}
	layers = loom_arena_alloc(&p->arena, n, sizeof(*layers));
	if (!layers) {
		return loom_err_nomem(err, "layers", n * sizeof(*layers));
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *e = json_array_get(v, i);
		if (!json_is_integer(e)) {
			return loom_input_wrong(name, "integers", e, err);
		}
		layers[i] = json_integer_value(e);
	}
	q->all_layers = false;
	q->hidden_layers = layers;
	q->n_hidden_layer = n;
	return LOOM_OK;
}

static enum loom_status parse_seed(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_sampling *s = &((struct loom_parsed *)target)->req.sampling;

	if (!json_is_integer(v)) {
		return loom_input_wrong(name, "an integer of 64 bits", v, err);
	}
	s->seed = (uint64_t)json_integer_value(v);
	s->has_seed = true;
	return LOOM_OK;
}

static enum loom_status parse_pooling(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_parsed *p = target;

	p->req.pooling = json_is_string(v) ? loom_pooling_parse(json_string_value(v)) : -1;
	if (p->req.pooling < 0) {
		return loom_input_wrong(name, "last_token, mean, first_token, cls, max, weightedmean, mean_sqrt_len_tokens or none", v, err);
	}
	return LOOM_OK;
}

static enum loom_status parse_normalize(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_parsed *p = target;

	if (!json_is_boolean(v)) {
		return loom_input_wrong(name, "true or false", v, err);
	}
	p->req.normalize = json_is_true(v);
	return LOOM_OK;
}

static enum loom_status parse_capture(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	(void)name;
	return loom_parse_captures(target, v, err);
}

/* ---- the tables ---- */

#define AT(member) offsetof(struct loom_parsed, member)
#define END {.name = NULL}

static const struct loom_input_word formats[] = {{"list", LOOM_FORMAT_LIST}, {"base64", LOOM_FORMAT_BASE64}, {"safetensors", LOOM_FORMAT_SAFETENSORS},
	{NULL, 0}};
static const struct loom_input_word dtypes[] = {{"float32", LOOM_F32}, {"float16", LOOM_F16}, {"bfloat16", LOOM_BF16}, {NULL, 0}};

static const struct loom_input_field model_fields[] = {
	{.name = "model", .kind = LOOM_INPUT_OTHER, .parse = parse_model, .expected = "a string", .required = true,
		.schema = "{\"type\":\"string\",\"minLength\":1}", .help = "hub id (org/name, org/name@revision), folder or GGUF file"},
	END,
};

static const struct loom_input_field common_fields[] = {
	{.name = "loader", .kind = LOOM_INPUT_OTHER, .parse = parse_loader,
		.schema = "{\"enum\":[\"auto\",\"transformers\",\"sentence_transformers\",\"custom\",\"gguf\"]}", .fallback = "\"auto\"",
		.help = "who opens the model"},
	{.name = "hidden_state_format", .kind = LOOM_INPUT_WORD, .offset = AT(format), .words = formats, .fallback = "\"list\"",
		.help = "numbers as lists, as base64 of little-endian bytes, or the whole answer as one safetensors file"},
	{.name = "hidden_state_dtype", .kind = LOOM_INPUT_WORD, .offset = AT(dtype), .words = dtypes, .fallback = "\"float32\"",
		.help = "of the binary formats"},
	{.name = "add_special_tokens", .kind = LOOM_INPUT_BOOL, .offset = AT(req.add_special_tokens), .fallback = "true",
		.help = "let the tokenizer add what it adds"},
	{.name = "return_tokens", .kind = LOOM_INPUT_BOOL, .offset = AT(req.return_tokens), .fallback = "false",
		.help = "say which token each position is"},
	{.name = "dry_run", .kind = LOOM_INPUT_BOOL, .offset = AT(req.dry_run), .fallback = "false", .help = "only the size of the captures"},
	{.name = "capture", .kind = LOOM_INPUT_OTHER, .parse = parse_capture, .schema = LOOM_CAPTURE_SCHEMA,
		.help = "rows of any site, layer and position; at most 16"},
	END,
};

static const struct loom_input_field sampling_fields[] = {
	{.name = "max_tokens", .kind = LOOM_INPUT_INT, .offset = AT(req.max_tokens), .min = 0, .max = LOOM_MAX_CONTEXT, .fallback = "256",
		.help = "0 only runs the prompt"},
	{.name = "temperature", .kind = LOOM_INPUT_NUM, .offset = AT(req.sampling.temperature), .min = 0, .max = 2, .fallback = "0.7",
		.help = "0 is greedy"},
	{.name = "top_p", .kind = LOOM_INPUT_NUM, .offset = AT(req.sampling.top_p), .min = 0, .max = 1, .above = true, .fallback = "0.9",
		.help = "keep the likeliest tokens of this mass"},
	{.name = "min_p", .kind = LOOM_INPUT_NUM, .offset = AT(req.sampling.min_p), .min = 0, .max = 1, .fallback = "0",
		.help = "drop tokens less likely than this share of the likeliest"},
	{.name = "repetition_penalty", .kind = LOOM_INPUT_NUM, .offset = AT(req.sampling.repetition_penalty), .min = 0, .max = 100, .above = true,
		.fallback = "1", .help = "over 1 makes what was seen less likely"},
	{.name = "top_k", .kind = LOOM_INPUT_INT, .offset = AT(top_k), .min = 0, .max = INT32_MAX, .fallback = "0", .help = "0: off"},
	{.name = "seed", .kind = LOOM_INPUT_OTHER, .parse = parse_seed, .schema = "{\"type\":\"integer\",\"minimum\":-9223372036854775808,"
		"\"maximum\":9223372036854775807}", .help = "the same seed gives the same text"},
	{.name = "logprobs", .kind = LOOM_INPUT_INT, .offset = AT(logprobs), .min = 0, .max = LOOM_MAX_LOGPROBS, .fallback = "0",
		.help = "of the token and of this many best ones"},
	{.name = "stop", .kind = LOOM_INPUT_OTHER, .parse = parse_stops, .schema = "{\"type\":\"string\",\"minLength\":1},{\"type\":\"array\","
		"\"maxItems\":16,\"items\":{\"type\":\"string\",\"minLength\":1}}", .help = "ends the text before it"},
	{.name = "return_hidden_states", .kind = LOOM_INPUT_BOOL, .offset = AT(req.return_hidden_states),
		.help = "the state that predicted the last token; true by default in /generate, false in streams and batches"},
	{.name = "hidden_state_layers", .kind = LOOM_INPUT_OTHER, .parse = parse_layers, .schema = "{\"const\":\"all\"},{\"type\":\"array\","
		"\"minItems\":1,\"maxItems\":4096,\"items\":{\"type\":\"integer\"}}", .fallback = "[-1]",
		.help = "0 embeddings, k output of block k, -1 the last; or all"},
	{.name = "return_full_sequence", .kind = LOOM_INPUT_BOOL, .offset = AT(req.return_full_sequence), .fallback = "false",
		.help = "the state that predicted each token"},
	{.name = "return_attention", .kind = LOOM_INPUT_BOOL, .offset = AT(req.return_attention), .fallback = "false",
		.help = "the attention of the last query"},
	{.name = "return_token_ids", .kind = LOOM_INPUT_BOOL, .offset = AT(return_token_ids), .fallback = "false", .help = "the prompt's ids too"},
	END,
};

static const struct loom_input_field prompt_fields[] = {
	{.name = "prompt", .kind = LOOM_INPUT_OTHER, .parse = parse_prompt, .expected = "a string or a list of token ids", .required = true,
		.schema = "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":2147483647}}]}",
		.help = "what is continued: text, or token ids"},
	END,
};

static const struct loom_input_field prompts_fields[] = {
	{.name = "prompts", .kind = LOOM_INPUT_OTHER, .parse = parse_prompts, .expected = "a list of prompts", .required = true,
		.schema = "{\"type\":\"array\",\"minItems\":1,\"items\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":"
		"\"integer\",\"minimum\":0,\"maximum\":2147483647}}]}}", .help = "texts or lists of token ids; 100 at most unless configured otherwise"},
	END,
};

static const struct loom_input_field stream_fields[] = {
	{.name = "stream_hidden_states", .kind = LOOM_INPUT_BOOL, .offset = AT(req.stream_hidden_states), .fallback = "false",
		.help = "each token's state in its event"},
	END,
};

static const struct loom_input_field pooling_fields[] = {
	{.name = "encoding", .kind = LOOM_INPUT_WORD, .offset = AT(format), .words = formats, .fallback = "\"list\"", .help = "of the vectors"},
	{.name = "pooling", .kind = LOOM_INPUT_OTHER, .parse = parse_pooling, .schema = "{\"enum\":[\"last_token\",\"mean\",\"first_token\","
		"\"cls\",\"max\",\"weightedmean\",\"mean_sqrt_len_tokens\",\"none\"]}", .help = "absent: the model's own"},
	{.name = "normalize", .kind = LOOM_INPUT_OTHER, .parse = parse_normalize, .schema = "{\"type\":\"boolean\"}",
		.help = "absent: the model's own"},
	{.name = "truncate", .kind = LOOM_INPUT_BOOL, .offset = AT(req.truncate), .fallback = "true", .help = "cut what is too long, and say so"},
	{.name = "prompt_name", .kind = LOOM_INPUT_STR, .offset = AT(req.prompt_name), .help = "a prompt of the model's configuration"},
	{.name = "dimensions", .kind = LOOM_INPUT_INT, .offset = AT(req.dimensions), .min = 1, .max = LOOM_MAX_EMBD,
		.help = "keep the first numbers only"},
	{.name = "layer", .kind = LOOM_INPUT_INT, .offset = AT(req.layer), .min = -LOOM_MAX_LAYER - 1, .max = LOOM_MAX_LAYER, .fallback = "-1",
		.help = "whose states are pooled"},
	END,
};

static const struct loom_input_field text_fields[] = {
	{.name = "text", .kind = LOOM_INPUT_OTHER, .parse = parse_text, .expected = "a string", .required = true, .schema = "{\"type\":\"string\"}",
		.help = "what becomes a vector"},
	END,
};

static const struct loom_input_field texts_fields[] = {
	{.name = "texts", .kind = LOOM_INPUT_OTHER, .parse = parse_texts, .expected = "a list of texts", .required = true,
		.schema = "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}}",
		.help = "what becomes vectors; 100 at most unless configured otherwise"},
	END,
};

static const struct loom_input_field rerank_fields[] = {
	{.name = "query", .kind = LOOM_INPUT_OTHER, .parse = parse_text, .expected = "a string", .required = true, .schema = "{\"type\":\"string\"}",
		.help = "what the texts are scored against"},
	{.name = "raw_scores", .kind = LOOM_INPUT_BOOL, .offset = AT(raw_scores), .fallback = "false",
		.help = "the model's own numbers, not squashed to 0..1"},
	{.name = "truncate", .kind = LOOM_INPUT_BOOL, .offset = AT(req.truncate), .fallback = "true", .help = "cut what is too long, and say so"},
	{.name = "loader", .kind = LOOM_INPUT_OTHER, .parse = parse_loader,
		.schema = "{\"enum\":[\"auto\",\"transformers\",\"sentence_transformers\",\"custom\",\"gguf\"]}", .fallback = "\"auto\"",
		.help = "who opens the model"},
	END,
};

const struct loom_input_field *const loom_generate_body[] = {model_fields, common_fields, sampling_fields, prompt_fields, NULL};
const struct loom_input_field *const loom_stream_body[] = {model_fields, common_fields, sampling_fields, stream_fields, prompt_fields, NULL};
const struct loom_input_field *const loom_generate_batch_body[] = {model_fields, common_fields, sampling_fields, prompts_fields, NULL};
const struct loom_input_field *const loom_embed_body[] = {model_fields, common_fields, pooling_fields, text_fields, NULL};
const struct loom_input_field *const loom_embed_batch_body[] = {model_fields, common_fields, pooling_fields, texts_fields, NULL};
const struct loom_input_field *const loom_rerank_body[] = {model_fields, rerank_fields, texts_fields, NULL};

enum loom_status loom_parse_request(struct loom_parsed *p, json_t *root, const struct loom_input_field *const *body, bool strict,
	struct loom_err *err)
{
	struct loom_request *q = &p->req;
	bool rerank = body == loom_rerank_body, embed = rerank || body == loom_embed_body || body == loom_embed_batch_body;
	enum loom_status rc;

	p->root = root;
	q->kind = embed ? LOOM_REQUEST_EMBED : LOOM_REQUEST_GENERATE;
	q->return_hidden_states = body == loom_generate_body;
	q->scores = rerank;
	q->max_tokens = 256;
	loom_sampling_default(&q->sampling);
	rc = loom_input_parse(body, p, root, strict, err);
	q->sampling.top_k = (int32_t)p->top_k;
	q->n_logprobs = (int)p->logprobs;
	for (size_t i = 0; i < p->n_item; i++) {
		p->items[i].sampling.top_k = q->sampling.top_k;
		p->items[i].n_logprobs = q->n_logprobs;
		if (rerank) {
			p->items[i].pair = p->items[i].text;
			p->items[i].n_pair = p->items[i].n_text;
			p->items[i].text = q->text;
			p->items[i].n_text = q->n_text;
		}
	}
	return rc;
}

enum loom_status loom_parse_bare(struct loom_parsed *p, json_t *root, bool embed, struct loom_err *err)
{
	struct loom_request *q = &p->req;
	enum loom_status rc;

	p->root = root;
	q->kind = embed ? LOOM_REQUEST_EMBED : LOOM_REQUEST_GENERATE;
	q->return_hidden_states = !embed;
	q->max_tokens = 256;
	loom_sampling_default(&q->sampling);
	rc = loom_input_parse((embed ? loom_embed_body : loom_generate_body) + 1, p, root, true, err);
	q->sampling.top_k = (int32_t)p->top_k;
	q->n_logprobs = (int)p->logprobs;
	return rc;
}
