/* request_parse.c: bodies of /generate and /embed, of their batches and streams, as tables of fields. Those that are more than a number or a word are
 * request_fields.c's, captures capture_parse.c's. */
#include "request_parse.h"

#include <string.h>

#include "capture_parse.h"
#include "request_fields.h"

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

/* ---- the tables ---- */

#define AT(member) offsetof(struct loom_parsed, member)
#define END {.name = NULL}

static const struct loom_input_word formats[] = {{"list", LOOM_FORMAT_LIST}, {"base64", LOOM_FORMAT_BASE64}, {"safetensors", LOOM_FORMAT_SAFETENSORS},
	{NULL, 0}};
static const struct loom_input_word dtypes[] = {{"float32", LOOM_F32}, {"float16", LOOM_F16}, {"bfloat16", LOOM_BF16}, {NULL, 0}};

static const struct loom_input_field model_fields[] = {
	{.name = "model", .kind = LOOM_INPUT_OTHER, .parse = loom_field_model, .expected = "a string", .required = true,
		.schema = "{\"type\":\"string\",\"minLength\":1}", .help = "hub id (org/name, org/name@revision), folder or GGUF file"},
	END,
};

static const struct loom_input_field common_fields[] = {
	{.name = "loader", .kind = LOOM_INPUT_OTHER, .parse = loom_field_loader,
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
	{.name = "capture", .kind = LOOM_INPUT_OTHER, .parse = loom_field_capture, .schema = LOOM_CAPTURE_SCHEMA,
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
	{.name = "seed", .kind = LOOM_INPUT_OTHER, .parse = loom_field_seed, .schema = "{\"type\":\"integer\",\"minimum\":-9223372036854775808,"
		"\"maximum\":9223372036854775807}", .help = "the same seed gives the same text"},
	{.name = "logprobs", .kind = LOOM_INPUT_INT, .offset = AT(logprobs), .min = 0, .max = LOOM_MAX_LOGPROBS, .fallback = "0",
		.help = "of the token and of this many best ones"},
	{.name = "stop", .kind = LOOM_INPUT_OTHER, .parse = loom_field_stops, .schema = "{\"type\":\"string\",\"minLength\":1},{\"type\":\"array\","
		"\"maxItems\":16,\"items\":{\"type\":\"string\",\"minLength\":1}}", .help = "ends the text before it"},
	{.name = "return_hidden_states", .kind = LOOM_INPUT_BOOL, .offset = AT(req.return_hidden_states),
		.help = "the state that predicted the last token; true by default in /generate, false in streams and batches"},
	{.name = "hidden_state_layers", .kind = LOOM_INPUT_OTHER, .parse = loom_field_layers, .schema = "{\"const\":\"all\"},{\"type\":\"array\","
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
	{.name = "prompt", .kind = LOOM_INPUT_OTHER, .parse = loom_field_prompt, .expected = "a string or a list of token ids", .required = true,
		.schema = "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":2147483647}}]}",
		.help = "what is continued: text, or token ids"},
	END,
};

static const struct loom_input_field prompts_fields[] = {
	{.name = "prompts", .kind = LOOM_INPUT_OTHER, .parse = loom_field_prompts, .expected = "a list of prompts", .required = true,
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
	{.name = "pooling", .kind = LOOM_INPUT_OTHER, .parse = loom_field_pooling, .schema = "{\"enum\":[\"last_token\",\"mean\",\"first_token\","
		"\"cls\",\"max\",\"weightedmean\",\"mean_sqrt_len_tokens\",\"none\"]}", .help = "absent: the model's own"},
	{.name = "normalize", .kind = LOOM_INPUT_OTHER, .parse = loom_field_normalize, .schema = "{\"type\":\"boolean\"}",
		.help = "absent: the model's own"},
	{.name = "truncate", .kind = LOOM_INPUT_BOOL, .offset = AT(req.truncate), .fallback = "true", .help = "cut what is too long, and say so"},
	{.name = "prompt_name", .kind = LOOM_INPUT_STR, .offset = AT(req.prompt_name),
		.help = "a prompt of the model's configuration; absent: the task's, else the model's default; \"\": none"},
	{.name = "task", .kind = LOOM_INPUT_STR, .offset = AT(req.task), .help = "whose adapter the model computes the text with; absent: none"},
	{.name = "dimensions", .kind = LOOM_INPUT_INT, .offset = AT(req.dimensions), .min = 1, .max = LOOM_MAX_EMBD,
		.help = "keep the first numbers only"},
	{.name = "layer", .kind = LOOM_INPUT_INT, .offset = AT(req.layer), .min = -LOOM_MAX_LAYER - 1, .max = LOOM_MAX_LAYER, .fallback = "-1",
		.help = "whose states are pooled"},
	END,
};

static const struct loom_input_field text_fields[] = {
	{.name = "text", .kind = LOOM_INPUT_OTHER, .parse = loom_field_text, .expected = "a string", .required = true, .schema = "{\"type\":\"string\"}",
		.help = "what becomes a vector"},
	END,
};

static const struct loom_input_field texts_fields[] = {
	{.name = "texts", .kind = LOOM_INPUT_OTHER, .parse = loom_field_texts, .expected = "a list of texts", .required = true,
		.schema = "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}}",
		.help = "what becomes vectors; 100 at most unless configured otherwise"},
	END,
};

static const struct loom_input_field rerank_fields[] = {
	{.name = "query", .kind = LOOM_INPUT_OTHER, .parse = loom_field_text, .expected = "a string", .required = true, .schema = "{\"type\":\"string\"}",
		.help = "what the texts are scored against"},
	{.name = "raw_scores", .kind = LOOM_INPUT_BOOL, .offset = AT(raw_scores), .fallback = "false",
		.help = "the model's own numbers, not squashed to 0..1"},
	{.name = "truncate", .kind = LOOM_INPUT_BOOL, .offset = AT(req.truncate), .fallback = "true", .help = "cut what is too long, and say so"},
	{.name = "loader", .kind = LOOM_INPUT_OTHER, .parse = loom_field_loader,
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
