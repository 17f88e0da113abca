/* api_tokenize.c: POST /tokenize and POST /detokenize. */
#include <string.h>

#include "arena.h"
#include "exchange.h"
#include "json_out.h"
#include "jsonx.h"
#include "request_parse.h"
#include "str.h"

static const struct loom_json_ctx ctx = {"", LOOM_E_INVALID};

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
	static const char *const fields[] = {"text", "add_special_tokens", "model", NULL};
	static const char *const bare[] = {"text", "add_special_tokens", NULL};
	struct loom_encoding e;
	const char *text;
	size_t n;
	bool special = true;
	enum loom_status rc;

	if ((rc = loom_check_fields(root, with_model ? fields : bare, err)) || (rc = loom_need_string(root, "text", &text, &n, err)) ||
		(rc = loom_json_bool(&ctx, root, "add_special_tokens", &special, err))) {
		return rc;
	}
	loom_encoding_init(&e);
	rc = loom_tokenizer_encode(t, text, n, special, &e, err);
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
	static const char *const fields[] = {"ids", "skip_special_tokens", "model", NULL};
	static const char *const bare[] = {"ids", "skip_special_tokens", NULL};
	struct loom_arena arena;
	struct loom_buf text;
	struct loom_json_out j;
	const int32_t *ids = NULL;
	size_t n = 0;
	bool skip = true;
	enum loom_status rc;

	if ((rc = loom_check_fields(root, with_model ? fields : bare, err)) ||
		(rc = loom_json_bool(&ctx, root, "skip_special_tokens", &skip, err))) {
		return rc;
	}
	if (!json_object_get(root, "ids")) {
		return loom_err_param(err, LOOM_E_INVALID, "ids", "ids: required: expected a list of token ids");
	}
	loom_arena_init(&arena);
	loom_buf_init(&text, SIZE_MAX / 4);
	rc = loom_parse_ids(json_object_get(root, "ids"), "ids", &arena, &ids, &n, err);
	rc = rc ? rc : loom_tokenizer_decode(t, ids, n, skip, &text, err);
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
	struct loom_load_spec spec = {.loader = -1};
	struct loom_resident *r = NULL;
	json_t *root = NULL;
	enum loom_status rc = loom_exchange_json(x, &root, err);

	if (rc == LOOM_OK && !json_is_object(root)) {
		rc = loom_err_set(err, LOOM_E_INVALID, "body: expected a JSON object");
	}
	rc = rc ? rc : loom_need_string(root, "model", &spec.id, NULL, err);
	rc = rc ? rc : loom_engine_acquire(x->engine, &spec, &r, err);
	if (rc == LOOM_OK) {
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
