/* pretokenize.c: reading the pre-tokenizer, and its steps in order. */
#include "pretokenize_internal.h"

#include <string.h>

#include "bounds.h"
#include "normalize.h"
#include "regex.h"
#include "str.h"
#include "unicode.h"

static const char gpt2_pattern[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct reader {
	struct loom_pretokenizer *p;
	struct loom_json_ctx ctx;
	struct loom_err *err;
};

static const struct {
	const char *name;
	enum loom_behavior behavior;
} behaviors[] = { { "Removed", LOOM_REMOVED }, { "Isolated", LOOM_ISOLATED }, { "MergedWithPrevious", LOOM_MERGED_PREVIOUS },
	{ "MergedWithNext", LOOM_MERGED_NEXT }, { "Contiguous", LOOM_CONTIGUOUS } };

static enum loom_status read_behavior(struct reader *r, const json_t *spec, enum loom_behavior *out)
{
	const char *name = NULL;
	enum loom_status status = loom_json_str(&r->ctx, spec, "behavior", &name, r->err);
	if (status || !name)
		return status;
	for (size_t i = 0; i < sizeof behaviors / sizeof behaviors[0]; i++)
		if (strcmp(name, behaviors[i].name) == 0) {
			*out = behaviors[i].behavior;
			return LOOM_OK;
		}
	return loom_err_set(r->err, LOOM_E_MODEL, "%s: behavior \"%.40s\" is unknown", r->ctx.where, name);
}

enum loom_status loom_metaspace_read(const struct loom_json_ctx *c, const json_t *spec, struct loom_metaspace *m,
	struct loom_err *err)
{
	const char *text = "\xE2\x96\x81", *scheme = NULL;
	bool prefix = true;
	enum loom_status status;
	memset(m, 0, sizeof *m);
	m->split = true;
	if ((status = loom_json_str(c, spec, "replacement", &text, err)) ||
	    (status = loom_json_str(c, spec, "prepend_scheme", &scheme, err)) ||
	    (status = loom_json_bool(c, spec, "add_prefix_space", &prefix, err)) ||
	    (status = loom_json_bool(c, spec, "split", &m->split, err)))
		return status;
	m->n = loom_utf8_decode(text, strlen(text), &m->cp);
	if (m->n == 0 || m->n != strlen(text))
		return loom_err_set(err, LOOM_E_MODEL, "%s: replacement: expected one character", c->where);
	memcpy(m->text, text, m->n);
	m->prepend = !scheme || strcmp(scheme, "always") == 0 ? LOOM_PREPEND_ALWAYS
	             : strcmp(scheme, "first") == 0 ? LOOM_PREPEND_FIRST : LOOM_PREPEND_NEVER;
	if (scheme && m->prepend == LOOM_PREPEND_NEVER && strcmp(scheme, "never") != 0)
		return loom_err_set(err, LOOM_E_MODEL, "%s: prepend_scheme \"%.40s\" is unknown", c->where, scheme);
	if (!prefix)
		m->prepend = LOOM_PREPEND_NEVER;
	return LOOM_OK;
}

static enum loom_status read_byte_level(struct reader *r, const json_t *spec, struct loom_pretokenize_step *step)
{
	bool use_regex = true;
	enum loom_status status;
	step->add_prefix_space = true;
	step->run = loom_step_byte_level;
	if ((status = loom_json_bool(&r->ctx, spec, "add_prefix_space", &step->add_prefix_space, r->err)) ||
	    (status = loom_json_bool(&r->ctx, spec, "use_regex", &use_regex, r->err)) || !use_regex)
		return status;
	return loom_regex_open(gpt2_pattern, sizeof gpt2_pattern - 1, false, r->ctx.where, &step->regex, r->err);
}

static enum loom_status read_split(struct reader *r, const json_t *spec, struct loom_pretokenize_step *step)
{
	enum loom_status status;
	step->run = loom_step_split;
	step->behavior = LOOM_ISOLATED;
	if ((status = read_behavior(r, spec, &step->behavior)) ||
	    (status = loom_json_bool(&r->ctx, spec, "invert", &step->invert, r->err)))
		return status;
	return loom_pattern_open(json_object_get(spec, "pattern"), r->ctx.where, &step->regex, r->err);
}

static enum loom_status read_delimiter(struct reader *r, const json_t *spec, struct loom_pretokenize_step *step)
{
	const json_t *v = json_object_get(spec, "delimiter");
	size_t n = json_string_length(v);
	step->is = NULL;
	if (!json_is_string(v) || n == 0 || loom_utf8_decode(json_string_value(v), n, &step->delimiter) != n)
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: CharDelimiterSplit: delimiter: expected one character", r->ctx.where);
	step->run = loom_step_class;
	step->behavior = LOOM_REMOVED;
	return LOOM_OK;
}

static enum loom_status read_length(struct reader *r, const json_t *spec, struct loom_pretokenize_step *step)
{
	int64_t n = 5;
	enum loom_status status = loom_json_int(&r->ctx, spec, "length", 1, INT32_MAX, &n, r->err);
	step->run = loom_step_lengths;
	step->length = (size_t)n;
	return status;
}

static struct loom_pretokenize_step *add_step(struct reader *r, bool (*run)(const struct loom_pretokenize_step *, struct loom_work *),
	bool (*is)(uint32_t), enum loom_behavior behavior)
{
	if (r->p->n_step == LOOM_MAX_STEPS)
		return NULL;
	struct loom_pretokenize_step *step = &r->p->steps[r->p->n_step++];
	step->run = run;
	step->is = is;
	step->behavior = behavior;
	return step;
}

static enum loom_status read_step(struct reader *r, const json_t *spec, int depth);

static enum loom_status read_sequence(struct reader *r, const json_t *spec, int depth)
{
	const json_t *list = json_object_get(spec, "pretokenizers");
	if (!json_is_array(list) || depth > LOOM_MAX_JSON_DEPTH)
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: Sequence without its list \"pretokenizers\"", r->ctx.where);
	for (size_t i = 0; i < json_array_size(list); i++) {
		enum loom_status status = read_step(r, json_array_get(list, i), depth + 1);
		if (status)
			return status;
	}
	return LOOM_OK;
}

static enum loom_status read_kind(struct reader *r, const json_t *spec, const char *type, struct loom_pretokenize_step *step)
{
	bool individual = false;
	enum loom_status status;
	if (strcmp(type, "ByteLevel") == 0)
		return read_byte_level(r, spec, step);
	if (strcmp(type, "Split") == 0)
		return read_split(r, spec, step);
	if (strcmp(type, "Whitespace") == 0) {
		step->run = loom_step_words;
		return LOOM_OK;
	}
	if (strcmp(type, "Metaspace") == 0) {
		step->run = loom_step_metaspace;
		return loom_metaspace_read(&r->ctx, spec, &step->meta, r->err);
	}
	if (strcmp(type, "CharDelimiterSplit") == 0)
		return read_delimiter(r, spec, step);
	if (strcmp(type, "FixedLength") == 0)
		return read_length(r, spec, step);
	if (strcmp(type, "UnicodeScripts") == 0) {
		step->run = loom_step_scripts;
		return LOOM_OK;
	}
	step->run = loom_step_class;
	if (strcmp(type, "WhitespaceSplit") == 0) {
		step->is = loom_uc_is_space;
		step->behavior = LOOM_REMOVED;
		return LOOM_OK;
	}
	if (strcmp(type, "Digits") == 0) {
		status = loom_json_bool(&r->ctx, spec, "individual_digits", &individual, r->err);
		step->is = loom_is_numeric;
		step->behavior = individual ? LOOM_ISOLATED : LOOM_CONTIGUOUS;
		return status;
	}
	if (strcmp(type, "Punctuation") == 0) {
		step->is = loom_is_punctuation;
		step->behavior = LOOM_ISOLATED;
		return read_behavior(r, spec, &step->behavior);
	}
	return loom_err_set(r->err, LOOM_E_MODEL, "tokenizer.json: pre_tokenizer.type \"%.60s\" is not supported; supported: "
		"BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, FixedLength, Metaspace, Punctuation, Sequence, Split, UnicodeScripts, "
		"Whitespace, WhitespaceSplit", type);
}

static enum loom_status read_step(struct reader *r, const json_t *spec, int depth)
{
	const char *type = NULL;
	enum loom_status status = loom_json_str(&r->ctx, spec, "type", &type, r->err);
	if (status)
		return status;
	if (!type)
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: no \"type\"", r->ctx.where);
	if (strcmp(type, "Sequence") == 0)
		return read_sequence(r, spec, depth);
	bool bert = strcmp(type, "BertPreTokenizer") == 0;
	struct loom_pretokenize_step *step = add_step(r, loom_step_class, loom_uc_is_space, LOOM_REMOVED);
	if (!step || (bert && !add_step(r, loom_step_class, loom_is_punctuation, LOOM_ISOLATED)))
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: more than %d steps", r->ctx.where, LOOM_MAX_STEPS);
	return bert ? LOOM_OK : read_kind(r, spec, type, step);
}

enum loom_status loom_pretokenizer_open(struct loom_pretokenizer *p, struct loom_arena *a, const json_t *spec,
	struct loom_err *err)
{
	struct reader r = { p, { "tokenizer.json: pre_tokenizer", LOOM_E_MODEL }, err };
	p->n_step = 0;
	p->steps = loom_arena_alloc(a, LOOM_MAX_STEPS, sizeof *p->steps);
	if (!p->steps)
		return loom_err_nomem(err, "the pre-tokenizer", LOOM_MAX_STEPS * sizeof *p->steps);
	return !spec || json_is_null(spec) ? LOOM_OK : read_step(&r, spec, 0);
}

void loom_pretokenizer_release(struct loom_pretokenizer *p)
{
	for (size_t i = 0; i < p->n_step; i++)
		loom_regex_free(p->steps[i].regex);
	p->n_step = 0;
}

bool loom_pretokenizer_run(const struct loom_pretokenizer *p, struct loom_work *w)
{
	for (size_t i = 0; i < p->n_step; i++)
		if (!p->steps[i].run(&p->steps[i], w))
			return false;
	return true;
}
