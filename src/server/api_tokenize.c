/* api_tokenize.c: POST /tokenize and POST /detokenize. */
#include <string.h>

#include "arena.h"
#include "exchange.h"
#include "json_out.h"
#include "request_parse.h"
#include "str.h"

struct input {
	const char *model, *text;
	size_t n_text;
	bool special;              /* add_special_tokens or skip_special_tokens */
	struct loom_arena *arena;
	const int32_t *ids;        /* [n_id] */
	size_t n_id;
};

static enum loom_status need_model(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct input *in = target;
	const char *s = json_string_value(v);

	if (!s || s[0] == '\0' || strlen(s) != json_string_length(v)) {
		return loom_input_wrong(name, s ? "a model's id" : "a string", v, err);
	}
	in->model = s;
	return LOOM_OK;
}

static enum loom_status need_text(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct input *in = target;

	if (!json_is_string(v)) {
		return loom_input_wrong(name, "a string", v, err);
	}
	in->text = json_string_value(v);
	in->n_text = json_string_length(v);
	return LOOM_OK;
}

static enum loom_status need_ids(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct input *in = target;

	return loom_parse_ids(v, name, in->arena, &in->ids, &in->n_id, err);
}

static const struct loom_input_field model_fields[] = {
	{.name = "model", .kind = LOOM_INPUT_OTHER, .parse = need_model, .expected = "a string", .required = true,
		.schema = "{\"type\":\"string\",\"minLength\":1}", .help = "hub id, folder or GGUF file"},
	{.name = NULL},
};
static const struct loom_input_field text_fields[] = {
	{.name = "text", .kind = LOOM_INPUT_OTHER, .parse = need_text, .expected = "a string", .required = true, .schema = "{\"type\":\"string\"}",
		.help = "what is cut into tokens"},
	{.name = "add_special_tokens", .kind = LOOM_INPUT_BOOL, .offset = offsetof(struct input, special), .fallback = "true",
		.help = "let the tokenizer add what it adds"},
	{.name = NULL},
};
static const struct loom_input_field ids_fields[] = {
	{.name = "ids", .kind = LOOM_INPUT_OTHER, .parse = need_ids, .expected = "a list of token ids", .required = true,
		.schema = "{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":2147483647}}", .help = "token ids"},
	{.name = "skip_special_tokens", .kind = LOOM_INPUT_BOOL, .offset = offsetof(struct input, special), .fallback = "true",
		.help = "leave out what is no text"},
	{.name = NULL},
};
const struct loom_input_field *const loom_tokenize_body[] = {model_fields, text_fields, NULL};
const struct loom_input_field *const loom_detokenize_body[] = {model_fields, ids_fields, NULL};

static void put_encoding(const struct loom_tokenizer *t, const struct loom_encoding *e, struct loom_buf *out)
{
	struct loom_json_out j;

	loom_json_out_init(&j, out);
	loom_json_open(&j, '{');
	loom_json_key(&j, "ids");
	loom_json_open(&j, '[');
	for (size_t i = 0; i < e->n; i++) {
		loom_json_put_int(&j, e->ids[i]);
	}
	loom_json_close(&j, ']');
	loom_json_key(&j, "tokens");
	loom_json_open(&j, '[');
	for (size_t i = 0; i < e->n; i++) {
		size_t len = 0;
		const char *s = loom_tokenizer_token(t, e->ids[i], &len);
		loom_json_put_text(&j, s ? s : "", len);
	}
	loom_json_close(&j, ']');
	loom_json_key(&j, "offsets");
	loom_json_open(&j, '[');
	for (size_t i = 0; i < e->n; i++) {
		loom_json_open(&j, '[');
		loom_json_put_int(&j, e->start[i]);
		loom_json_put_int(&j, e->end[i]);
		loom_json_close(&j, ']');
	}
	loom_json_close(&j, ']');
	loom_json_key(&j, "special_tokens_mask");
	loom_json_open(&j, '[');
	for (size_t i = 0; i < e->n; i++) {
		loom_json_put_int(&j, e->special[i]);
	}
	loom_json_close(&j, ']');
	loom_json_close(&j, '}');
}

enum loom_status loom_tokenize_json(const struct loom_tokenizer *t, const json_t *root, bool with_model, struct loom_buf *out,
	struct loom_err *err)
{
	struct loom_encoding e;
	struct input in = {.special = true};
	enum loom_status rc = loom_input_parse(loom_tokenize_body + !with_model, &in, root, true, err);

	if (rc) {
		return rc;
	}
	loom_encoding_init(&e);
	rc = loom_tokenizer_encode(t, in.text, in.n_text, in.special, &e, err);
	if (rc == LOOM_OK) {
		put_encoding(t, &e, out);
		rc = out->failed ? loom_err_nomem(err, "answer", out->len) : LOOM_OK;
	}
	loom_encoding_release(&e);
	return rc;
}

enum loom_status loom_detokenize_json(const struct loom_tokenizer *t, const json_t *root, bool with_model, struct loom_buf *out,
	struct loom_err *err)
{
	struct loom_arena arena;
	struct loom_buf text;
	struct loom_json_out j;
	struct input in = {.special = true, .arena = &arena};
	enum loom_status rc;

	loom_arena_init(&arena);
	loom_buf_init(&text, SIZE_MAX / 4);
	rc = loom_input_parse(loom_detokenize_body + !with_model, &in, root, true, err);
	rc = rc ? rc : loom_tokenizer_decode(t, in.ids, in.n_id, in.special, &text, err);
	if (rc == LOOM_OK) {
		loom_json_out_init(&j, out);
		loom_json_open(&j, '{');
		loom_json_key(&j, "text");
		loom_json_put_text(&j, text.data ? text.data : "", text.len);
		loom_json_close(&j, '}');
		rc = out->failed ? loom_err_nomem(err, "answer", out->len) : LOOM_OK;
	}
	loom_buf_release(&text);
	loom_arena_release(&arena);
	return rc;
}

typedef enum loom_status (*convert)(const struct loom_tokenizer *t, const json_t *root, bool with_model, struct loom_buf *out,
	struct loom_err *err);

static enum loom_status with_tokenizer(struct loom_exchange *x, convert fn, struct loom_err *err)
{
	static const struct loom_input_field *const just_model[] = {model_fields, NULL};
	struct input in = {.special = true};
	struct loom_load_spec spec = {.loader = -1};
	struct loom_resident *r = NULL;
	json_t *root = NULL;
	enum loom_status rc = loom_exchange_json(x, &root, err);

	if (rc == LOOM_OK && !json_is_object(root)) {
		rc = loom_err_set(err, LOOM_E_INVALID, "body: expected a JSON object");
	}
	rc = rc ? rc : loom_input_parse(just_model, &in, root, false, err);
	spec.id = in.model;
	rc = rc ? rc : loom_engine_acquire(x->engine, &spec, &r, err);
	if (rc == LOOM_OK) {
		(void)loom_str_copy(x->facts.model, sizeof(x->facts.model), spec.id);
		rc = fn(loom_resident_tokenizer(r), root, true, &x->body.head, err);
		loom_engine_release(x->engine, r);
	}
	json_decref(root);
	return rc;
}

enum loom_status loom_api_tokenize(struct loom_exchange *x, struct loom_err *err)
{
	return with_tokenizer(x, loom_tokenize_json, err);
}

enum loom_status loom_api_detokenize(struct loom_exchange *x, struct loom_err *err)
{
	return with_tokenizer(x, loom_detokenize_json, err);
}
