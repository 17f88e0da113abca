/* post.c: see post.h. Two stages that both add tokens are refused: no published tokenizer has them. */
#include "post.h"

#include <string.h>

#include "bounds.h"
#include "text.h"
#include "unicode.h"

struct reader {
	struct loom_post *p;
	struct loom_arena *arena;
	struct loom_json_ctx ctx;
	struct loom_err *err;
};

static enum loom_status bad(struct reader *r, const char *what)
{
	return loom_err_set(r->err, LOOM_E_MODEL, "%s: %s", r->ctx.where, what);
}

static enum loom_status set_one(struct loom_template *t, struct loom_arena *a, const struct loom_post_item *items, size_t n,
	struct loom_err *err)
{
	t->items = loom_arena_alloc(a, n ? n : 1, sizeof *items);
	if (!t->items)
		return loom_err_nomem(err, "the post-processor", n * sizeof *items);
	t->n = n;
	t->n_added = 0;
	for (size_t i = 0; i < n; i++) {
		t->items[i] = items[i];
		t->n_added += items[i].id >= 0;
	}
	return LOOM_OK;
}

enum loom_status loom_post_set(struct loom_post *p, struct loom_arena *a, const struct loom_post_item *single, size_t n_single,
	const struct loom_post_item *pair, size_t n_pair, struct loom_err *err)
{
	enum loom_status status = set_one(&p->single, a, single, n_single, err);
	return status ? status : set_one(&p->pair, a, pair, n_pair, err);
}

enum loom_status loom_post_around(struct loom_post *p, struct loom_arena *a, int32_t bos, int32_t eos, struct loom_err *err)
{
	struct loom_post_item items[6];
	size_t n = 0, n_single = 0;
	for (uint8_t text = 0; text < 2; text++) {
		if (bos >= 0)
			items[n++] = (struct loom_post_item){ bos, text };
		items[n++] = (struct loom_post_item){ text ? LOOM_POST_SECOND : LOOM_POST_FIRST, text };
		if (eos >= 0)
			items[n++] = (struct loom_post_item){ eos, text };
		n_single = text ? n_single : n;
	}
	return loom_post_set(p, a, items, n_single, items, n, err);
}

enum loom_status loom_post_bert(struct loom_post *p, struct loom_arena *a, int32_t cls, int32_t sep, struct loom_err *err)
{
	const struct loom_post_item items[] = { { cls, 0 }, { LOOM_POST_FIRST, 0 }, { sep, 0 }, { LOOM_POST_SECOND, 1 }, { sep, 1 } };
	return loom_post_set(p, a, items, 3, items, 5, err);
}

enum loom_status loom_post_roberta(struct loom_post *p, struct loom_arena *a, int32_t cls, int32_t sep, struct loom_err *err)
{
	const struct loom_post_item items[] = { { cls, 0 }, { LOOM_POST_FIRST, 0 }, { sep, 0 }, { sep, 0 }, { LOOM_POST_SECOND, 0 },
		{ sep, 0 } };
	return loom_post_set(p, a, items, 3, items, 6, err);
}

static enum loom_status read_trim(struct reader *r, const json_t *spec)
{
	bool trim = true, prefix = true;
	enum loom_status status;
	if ((status = loom_json_bool(&r->ctx, spec, "trim_offsets", &trim, r->err)) ||
	    (status = loom_json_bool(&r->ctx, spec, "add_prefix_space", &prefix, r->err)) || !trim)
		return status;
	if (r->p->n_trim == LOOM_MAX_TRIMS)
		return bad(r, "more than 8 stages that trim offsets");
	r->p->prefix[r->p->n_trim++] = prefix;
	return LOOM_OK;
}

/* ["token", id] */
static enum loom_status read_token(struct reader *r, const json_t *spec, const char *key, int32_t *out)
{
	const json_t *id = json_array_get(json_object_get(spec, key), 1);
	if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= LOOM_MAX_VOCAB)
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: %s: expected [\"token\", id]", r->ctx.where, key);
	*out = (int32_t)json_integer_value(id);
	return LOOM_OK;
}

static enum loom_status read_bert(struct reader *r, const json_t *spec, bool roberta)
{
	int32_t cls, sep;
	enum loom_status status = roberta ? read_trim(r, spec) : LOOM_OK;
	if (status || (status = read_token(r, spec, "cls", &cls)) || (status = read_token(r, spec, "sep", &sep)))
		return status;
	return roberta ? loom_post_roberta(r->p, r->arena, cls, sep, r->err) : loom_post_bert(r->p, r->arena, cls, sep, r->err);
}

struct items {
	struct loom_post_item list[LOOM_MAX_TEMPLATE];
	size_t n;
};

static enum loom_status put(struct reader *r, struct items *to, int64_t id, uint8_t type)
{
	if (to->n == LOOM_MAX_TEMPLATE)
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: a template of more than %d pieces", r->ctx.where, LOOM_MAX_TEMPLATE);
	if (id >= LOOM_MAX_VOCAB)
		return bad(r, "a token id out of range");
	to->list[to->n++] = (struct loom_post_item){ (int32_t)id, type };
	return LOOM_OK;
}

/* {"SpecialToken": {"id": name}} → the ids of special_tokens[name]. */
static enum loom_status read_special(struct reader *r, const json_t *spec, const char *key, const char *name, uint8_t type,
	struct items *to)
{
	const json_t *ids = name ? json_object_get(json_object_get(json_object_get(spec, "special_tokens"), name), "ids") : NULL;
	if (!json_is_array(ids))
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: %s names the special token \"%.60s\", which special_tokens lacks",
			r->ctx.where, key, name ? name : "");
	for (size_t i = 0; i < json_array_size(ids); i++) {
		const json_t *id = json_array_get(ids, i);
		enum loom_status status = json_is_integer(id) && json_integer_value(id) >= 0
			? put(r, to, json_integer_value(id), type) : bad(r, "a token id that is no integer from 0 on");
		if (status)
			return status;
	}
	return LOOM_OK;
}

static enum loom_status read_template(struct reader *r, const json_t *spec, const char *key, struct items *to)
{
	const json_t *list = json_object_get(spec, key);
	bool pair = key[0] == 'p';
	to->n = 0;
	if (!json_is_array(list))
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: TemplateProcessing without its list \"%s\"", r->ctx.where, key);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *piece = json_array_get(list, i), *special = json_object_get(piece, "SpecialToken");
		const json_t *body = special ? special : json_object_get(piece, "Sequence");
		const char *id = json_string_value(json_object_get(body, "id"));
		int64_t type = 0;
		enum loom_status status = loom_json_int(&r->ctx, body, "type_id", 0, 255, &type, r->err);
		if (status)
			return status;
		if (special)
			status = read_special(r, spec, key, id, (uint8_t)type, to);
		else if (id && (strcmp(id, "A") == 0 || (pair && strcmp(id, "B") == 0)))
			status = put(r, to, id[0] == 'A' ? LOOM_POST_FIRST : LOOM_POST_SECOND, (uint8_t)type);
		else
			status = loom_err_set(r->err, LOOM_E_MODEL, "%s: %s[%zu]: expected a special token or $A%s", r->ctx.where, key, i,
				pair ? " or $B" : "");
		if (status)
			return status;
	}
	return LOOM_OK;
}

static enum loom_status read_templates(struct reader *r, const json_t *spec)
{
	struct items single, pair;
	enum loom_status status;
	if ((status = read_template(r, spec, "single", &single)) || (status = read_template(r, spec, "pair", &pair)))
		return status;
	return loom_post_set(r->p, r->arena, single.list, single.n, pair.list, pair.n, r->err);
}

static enum loom_status read_stage(struct reader *r, const json_t *spec, int depth)
{
	const char *type = NULL;
	const json_t *list = json_object_get(spec, "processors");
	enum loom_status status = loom_json_str(&r->ctx, spec, "type", &type, r->err);
	if (status || !type)
		return status ? status : bad(r, "no \"type\"");
	if (strcmp(type, "Sequence") == 0) {
		if (!json_is_array(list) || depth > LOOM_MAX_JSON_DEPTH)
			return bad(r, "Sequence without its list \"processors\"");
		for (size_t i = 0; !status && i < json_array_size(list); i++)
			status = read_stage(r, json_array_get(list, i), depth + 1);
		return status;
	}
	if (strcmp(type, "ByteLevel") == 0)
		return read_trim(r, spec);
	bool roberta = strcmp(type, "RobertaProcessing") == 0, bert = strcmp(type, "BertProcessing") == 0;
	if (!roberta && !bert && strcmp(type, "TemplateProcessing") != 0)
		return loom_err_set(r->err, LOOM_E_MODEL, "tokenizer.json: post_processor.type \"%.60s\" is not supported; "
			"supported: BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing", type);
	if (r->p->has_template)
		return bad(r, "two stages that add tokens are not supported");
	r->p->has_template = true;
	return roberta || bert ? read_bert(r, spec, roberta) : read_templates(r, spec);
}

enum loom_status loom_post_open(struct loom_post *p, struct loom_arena *a, const json_t *spec, struct loom_err *err)
{
	struct reader r = { p, a, { "tokenizer.json: post_processor", LOOM_E_MODEL }, err };
	memset(p, 0, sizeof *p);
	enum loom_status status = loom_post_around(p, a, -1, -1, err);
	return status || !spec || json_is_null(spec) ? status : read_stage(&r, spec, 0);
}

static bool sheds(uint32_t cp)
{
	return cp == 0x120 || loom_uc_is_space(cp); /* "Ġ" is the byte-level space */
}

void loom_post_trim(const struct loom_post *p, const char *text, size_t n, size_t i, uint32_t *start, uint32_t *end)
{
	for (int k = 0; k < p->n_trim; k++) {
		uint32_t leading = 0, trailing = 0, cp;
		for (size_t at = 0, len; at < n && (len = loom_next_char(text + at, &cp), sheds(cp)); at += len)
			leading++;
		for (size_t at = n, len; at > 0 && (len = loom_prev_char(text, at, &cp), sheds(cp)); at -= len)
			trailing++;
		/* One space at the front is the one that add_prefix_space put there. */
		if (leading == 1 && p->prefix[k] && (i == 0 || *start == 0))
			leading = 0;
		*start = *start + leading < *end ? *start + leading : (leading ? *end : *start);
		if (trailing && *end >= trailing)
			*end = *end - trailing > *start ? *end - trailing : *start;
	}
}
