/* post.c: see post.h. Two stages that both add tokens are refused: no published tokenizer has them. */
#include "post.h"

#include <string.h>

#include "bounds.h"
#include "text.h"
#include "unicode.h"

struct reader {
	struct loom_post *p;
	struct loom_json_ctx ctx;
	struct loom_err *err;
	bool adds; /* a stage that adds tokens was read */
};

static enum loom_status bad(struct reader *r, const char *what)
{
	return loom_err_set(r->err, LOOM_E_MODEL, "%s: %s", r->ctx.where, what);
}

static enum loom_status put_id(struct reader *r, int64_t id, bool after)
{
	struct loom_post *p = r->p;
	if (id < 0 || id >= LOOM_MAX_VOCAB)
		return bad(r, "a token id out of range");
	if (p->n_before + p->n_after == LOOM_MAX_ADDED_AROUND)
		return bad(r, "adds more than 256 tokens");
	if (after)
		p->after[p->n_after++] = (int32_t)id;
	else
		p->before[p->n_before++] = (int32_t)id;
	return LOOM_OK;
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

static enum loom_status read_pair(struct reader *r, const json_t *spec, const char *key, bool after)
{
	const json_t *id = json_array_get(json_object_get(spec, key), 1);
	if (!json_is_integer(id))
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: %s: expected [\"token\", id]", r->ctx.where, key);
	return put_id(r, json_integer_value(id), after);
}

static enum loom_status read_around(struct reader *r, const json_t *spec, bool trims)
{
	enum loom_status status = trims ? read_trim(r, spec) : LOOM_OK;
	if (status || (status = read_pair(r, spec, "cls", false)) || (status = read_pair(r, spec, "sep", true)))
		return status;
	r->p->n_added = 2;
	return LOOM_OK;
}

/* {"SpecialToken": {"id": name}} → the ids of special_tokens[name]. */
static enum loom_status read_special(struct reader *r, const json_t *spec, const json_t *piece)
{
	const char *name = json_string_value(json_object_get(piece, "id"));
	const json_t *ids = name ? json_object_get(json_object_get(json_object_get(spec, "special_tokens"), name), "ids") : NULL;
	if (!json_is_array(ids))
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: single names the special token \"%.60s\", which special_tokens lacks",
			r->ctx.where, name ? name : "");
	for (size_t i = 0; i < json_array_size(ids); i++) {
		const json_t *id = json_array_get(ids, i);
		enum loom_status status = json_is_integer(id) ? put_id(r, json_integer_value(id), r->p->n_copy > 0)
		                                              : bad(r, "a token id that is no integer");
		if (status)
			return status;
		r->p->n_added++;
	}
	return LOOM_OK;
}

static enum loom_status read_template(struct reader *r, const json_t *spec)
{
	const json_t *single = json_object_get(spec, "single");
	if (!json_is_array(single))
		return bad(r, "TemplateProcessing without its list \"single\"");
	for (size_t i = 0; i < json_array_size(single); i++) {
		const json_t *piece = json_array_get(single, i), *special = json_object_get(piece, "SpecialToken");
		const json_t *text = json_object_get(piece, "Sequence");
		const char *id = json_string_value(json_object_get(text, "id"));
		enum loom_status status = LOOM_OK;
		if (special)
			status = read_special(r, spec, special);
		else if (id && strcmp(id, "A") == 0 && r->p->n_copy == 0)
			r->p->n_copy++;
		else
			status = bad(r, "single: expected special tokens and $A once");
		if (status)
			return status;
	}
	r->p->drops_text = r->p->n_copy == 0;
	return LOOM_OK;
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
		return loom_err_set(r->err, LOOM_E_MODEL, "tokenizer.json: post_processor.type \"%.60s\" is not supported yet; "
			"supported: BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing", type);
	if (r->adds)
		return bad(r, "two stages that add tokens are not supported");
	r->adds = true;
	return roberta || bert ? read_around(r, spec, roberta) : read_template(r, spec);
}

enum loom_status loom_post_open(struct loom_post *p, struct loom_arena *a, const json_t *spec, struct loom_err *err)
{
	struct reader r = { p, { "tokenizer.json: post_processor", LOOM_E_MODEL }, err, false };
	memset(p, 0, sizeof *p);
	p->before = loom_arena_alloc(a, LOOM_MAX_ADDED_AROUND, sizeof *p->before);
	p->after = loom_arena_alloc(a, LOOM_MAX_ADDED_AROUND, sizeof *p->after);
	if (!p->before || !p->after)
		return loom_err_nomem(err, "the post-processor", 2 * LOOM_MAX_ADDED_AROUND * sizeof *p->before);
	return !spec || json_is_null(spec) ? LOOM_OK : read_stage(&r, spec, 0);
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
