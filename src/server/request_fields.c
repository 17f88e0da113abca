/* request_fields.c: fields of a body that are more than a number or a word: models, prompts, texts, layers, stop strings. */
#include "request_fields.h"

#include <stdio.h>
#include <string.h>

#include "capture_parse.h"
#include "jsonx.h"
#include "source.h"
#include "str.h"

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

enum loom_status loom_field_model(void *target, const char *name, const json_t *v, struct loom_err *err)
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

enum loom_status loom_field_prompt(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_parsed *p = target;

	return parse_input(p, &p->req, name, true, v, err);
}

enum loom_status loom_field_text(void *target, const char *name, const json_t *v, struct loom_err *err)
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

enum loom_status loom_field_prompts(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	return parse_items(target, name, true, v, err);
}

enum loom_status loom_field_texts(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	return parse_items(target, name, false, v, err);
}

enum loom_status loom_field_loader(void *target, const char *name, const json_t *v, struct loom_err *err)
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

enum loom_status loom_field_stops(void *target, const char *name, const json_t *v, struct loom_err *err)
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

enum loom_status loom_field_layers(void *target, const char *name, const json_t *v, struct loom_err *err)
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

enum loom_status loom_field_seed(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_sampling *s = &((struct loom_parsed *)target)->req.sampling;

	if (!json_is_integer(v)) {
		return loom_input_wrong(name, "an integer of 64 bits", v, err);
	}
	s->seed = (uint64_t)json_integer_value(v);
	s->has_seed = true;
	return LOOM_OK;
}

enum loom_status loom_field_pooling(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_parsed *p = target;

	p->req.pooling = json_is_string(v) ? loom_pooling_parse(json_string_value(v)) : -1;
	if (p->req.pooling < 0) {
		return loom_input_wrong(name, "last_token, mean, first_token, cls, max, weightedmean, mean_sqrt_len_tokens or none", v, err);
	}
	return LOOM_OK;
}

enum loom_status loom_field_normalize(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_parsed *p = target;

	if (!json_is_boolean(v)) {
		return loom_input_wrong(name, "true or false", v, err);
	}
	p->req.normalize = json_is_true(v);
	return LOOM_OK;
}

enum loom_status loom_field_capture(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	(void)name;
	return loom_parse_captures(target, v, err);
}
