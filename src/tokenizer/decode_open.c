/* decode_open.c: reads the decoder's steps. */
#include <string.h>

#include "bounds.h"
#include "decode.h"
#include "decode_step.h"
#include "normalize.h"
#include "str.h"

struct reader {
	struct loom_decoder *d;
	struct loom_arena *arena;
	struct loom_json_ctx ctx;
	struct loom_err *err;
};

static enum loom_status read_text(struct reader *r, const json_t *spec, const char *key, const char **text, size_t *n)
{
	const json_t *v = json_object_get(spec, key);
	if (!json_is_string(v))
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: %s: expected a string", r->ctx.where, key);
	*n = json_string_length(v);
	*text = loom_arena_strndup(r->arena, json_string_value(v), *n);
	return *text ? LOOM_OK : loom_err_nomem(r->err, "the decoder", *n);
}

static enum loom_status read_strip(struct reader *r, const json_t *spec, struct loom_decode_step *step)
{
	const char *content = NULL;
	int64_t start = 0, stop = 0;
	enum loom_status status;
	if ((status = loom_json_str(&r->ctx, spec, "content", &content, r->err)) ||
	    (status = loom_json_int(&r->ctx, spec, "start", 0, INT32_MAX, &start, r->err)) ||
	    (status = loom_json_int(&r->ctx, spec, "stop", 0, INT32_MAX, &stop, r->err)))
		return status;
	size_t n = content ? strlen(content) : 0;
	if (n == 0 || loom_utf8_decode(content, n, &step->strip_cp) != n)
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: content: expected one character", r->ctx.where);
	step->strip_start = (size_t)start;
	step->strip_stop = (size_t)stop;
	return LOOM_OK;
}

static enum loom_status read_fields(struct reader *r, const json_t *spec, struct loom_decode_step *step)
{
	enum loom_status status;
	switch (step->kind) {
	case LOOM_DECODE_WORDPIECE:
		step->cleanup = true;
		status = read_text(r, spec, "prefix", &step->text, &step->n_text);
		return status ? status : loom_json_bool(&r->ctx, spec, "cleanup", &step->cleanup, r->err);
	case LOOM_DECODE_METASPACE:
		return loom_metaspace_read(&r->ctx, spec, &step->meta, r->err);
	case LOOM_DECODE_REPLACE:
		status = read_text(r, spec, "content", &step->text, &step->n_text);
		return status ? status : loom_pattern_open(json_object_get(spec, "pattern"), r->ctx.where, &step->regex, r->err);
	case LOOM_DECODE_STRIP:
		return read_strip(r, spec, step);
	case LOOM_DECODE_BPE_SUFFIX:
		return read_text(r, spec, "suffix", &step->text, &step->n_text);
	case LOOM_DECODE_CTC:
		if ((status = read_text(r, spec, "pad_token", &step->text, &step->n_text)) ||
		    (status = read_text(r, spec, "word_delimiter_token", &step->delimiter, &step->n_delimiter)))
			return status;
		return loom_json_bool(&r->ctx, spec, "cleanup", &step->cleanup, r->err);
	default:
		return LOOM_OK;
	}
}

static enum loom_status read_step(struct reader *r, const json_t *spec, int depth)
{
	static const struct {
		const char *type;
		enum loom_decode_kind kind;
	} kinds[] = { { "ByteLevel", LOOM_DECODE_BYTE_LEVEL }, { "WordPiece", LOOM_DECODE_WORDPIECE }, { "Metaspace", LOOM_DECODE_METASPACE },
		{ "ByteFallback", LOOM_DECODE_BYTE_FALLBACK }, { "Fuse", LOOM_DECODE_FUSE }, { "Replace", LOOM_DECODE_REPLACE }, { "Strip", LOOM_DECODE_STRIP },
		{ "BPEDecoder", LOOM_DECODE_BPE_SUFFIX }, { "CTC", LOOM_DECODE_CTC } };
	const char *type = NULL;
	const json_t *list = json_object_get(spec, "decoders");
	enum loom_status status = loom_json_str(&r->ctx, spec, "type", &type, r->err);
	if (status)
		return status;
	if (type && strcmp(type, "Sequence") == 0 && json_is_array(list) && depth <= LOOM_MAX_JSON_DEPTH) {
		for (size_t i = 0; !status && i < json_array_size(list); i++)
			status = read_step(r, json_array_get(list, i), depth + 1);
		return status;
	}
	if (r->d->n_step == LOOM_MAX_STEPS)
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: more than %d steps", r->ctx.where, LOOM_MAX_STEPS);
	for (size_t i = 0; type && i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(type, kinds[i].type) == 0) {
			struct loom_decode_step *step = &r->d->steps[r->d->n_step++];
			step->kind = kinds[i].kind;
			return read_fields(r, spec, step);
		}
	return loom_err_set(r->err, LOOM_E_MODEL, "tokenizer.json: decoder.type \"%.60s\" is not supported; supported: "
		"BPEDecoder, ByteFallback, ByteLevel, LOOM_DECODE_CTC, Fuse, Metaspace, Replace, Sequence, Strip, WordPiece", type ? type : "");
}

enum loom_status loom_decoder_open(struct loom_decoder *d, struct loom_arena *a, const json_t *spec, struct loom_err *err)
{
	struct reader r = { d, a, { "tokenizer.json: decoder", LOOM_E_MODEL }, err };
	bool fused = false;
	enum loom_status status = LOOM_OK;
	d->n_step = 0;
	d->steps = loom_arena_alloc(a, LOOM_MAX_STEPS, sizeof *d->steps);
	if (!d->steps)
		return loom_err_nomem(err, "the decoder", LOOM_MAX_STEPS * sizeof *d->steps);
	if (!spec || json_is_null(spec))
		d->steps[d->n_step++].kind = LOOM_DECODE_JOIN;
	else
		status = read_step(&r, spec, 0);
	for (size_t k = 0; k < d->n_step; k++) {
		struct loom_decode_step *step = &d->steps[k];
		step->fused = fused;
		step->collects = fused && step->kind != LOOM_DECODE_FUSE && step->kind != LOOM_DECODE_METASPACE &&
		                 !(step->kind == LOOM_DECODE_STRIP && !step->strip_stop);
		fused = fused || step->kind == LOOM_DECODE_FUSE || step->kind == LOOM_DECODE_BYTE_LEVEL;
	}
	return status;
}

void loom_decoder_release(struct loom_decoder *d)
{
	for (size_t k = 0; k < d->n_step; k++)
		loom_regex_free(d->steps[k].regex);
	d->n_step = 0;
}
