/* normalize.c: reading the normalizer and its simple steps. */
#include "normalize.h"

#include <string.h>

#include "bounds.h"
#include "mem.h"
#include "str.h"
#include "unicode.h"

struct loom_normalize_step {
	loom_rewrite *run;
	bool compat, compose;     /* Unicode forms */
	bool left, right;         /* Strip */
	const char *text;         /* Prepend, Replace: what is put in */
	size_t n_text;
	struct loom_regex *regex; /* Replace */
	struct loom_precompiled *charsmap; /* Precompiled */
};

static const char *at(const struct loom_work *w, const struct loom_piece *p)
{
	return w->now.s + p->off;
}

static bool run_form(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	const struct loom_normalize_step *step = stage;
	return loom_normalize_form(w, p, step->compat, step->compose);
}

static bool run_lowercase(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	(void)stage;
	for (size_t i = 0, n; i < p->n; i += n) {
		uint32_t cp, low[2];
		n = loom_next_char(at(w, p) + i, &cp);
		int k = loom_uc_to_lower(cp, low);
		for (int j = 0; j < k; j++)
			if (!loom_text_put(w, low[j], w->now.start[p->off + i], w->now.end[p->off + i]))
				return false;
	}
	return true;
}

/* Copies the characters that keep() wants. */
static bool filter(struct loom_work *w, const struct loom_piece *p, enum loom_uc dropped)
{
	for (size_t i = 0, n; i < p->n; i += n) {
		uint32_t cp;
		n = loom_next_char(at(w, p) + i, &cp);
		if (!loom_uc_is(cp, dropped) && !loom_text_copy(w, p->off + i, n))
			return false;
	}
	return true;
}

static bool run_strip_accents(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	(void)stage;
	return loom_is_ascii(at(w, p), p->n) ? loom_text_copy(w, p->off, p->n) : filter(w, p, LOOM_UC_MARK);
}

static bool run_drop_nonspacing(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	(void)stage;
	return loom_is_ascii(at(w, p), p->n) ? loom_text_copy(w, p->off, p->n) : filter(w, p, LOOM_UC_MARK_N);
}

static bool run_strip(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	const struct loom_normalize_step *step = stage;
	size_t from = 0, to = p->n, n;
	uint32_t cp;
	while (step->left && from < to && (n = loom_next_char(at(w, p) + from, &cp), loom_uc_is_space(cp)))
		from += n;
	while (step->right && from < to && (n = loom_prev_char(at(w, p), to, &cp), loom_uc_is_space(cp)))
		to -= n;
	return loom_text_copy(w, p->off + from, to - from);
}

static bool run_prepend(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	const struct loom_normalize_step *step = stage;
	if (p->n && !loom_text_put_all(w, step->text, step->n_text, w->now.start[p->off], w->now.end[p->off]))
		return false;
	return loom_text_copy(w, p->off, p->n);
}

static bool run_replace(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	const struct loom_normalize_step *step = stage;
	if (p->n == 0)
		return true;
	w->n_range = 0;
	if (!loom_regex_ranges(step->regex, w, at(w, p), p->n, false))
		return false;
	for (size_t i = 0; i < w->n_range; i++) {
		struct loom_range r = w->ranges[i];
		uint32_t start = p->off ? w->now.end[p->off - 1] : 0, end = start; /* before all of the text, or what lies behind the token before */
		if (!r.match) {
			if (!loom_text_copy(w, p->off + r.start, r.end - r.start))
				return false;
			continue;
		}
		if (r.end > 0) { /* the new text stands for the last byte before its place */
			start = w->now.start[p->off + r.end - 1];
			end = w->now.end[p->off + r.end - 1];
		}
		if (!loom_text_put_all(w, step->text, step->n_text, start, end))
			return false;
	}
	return true;
}

static bool run_clean_text(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	(void)stage;
	for (size_t i = 0, n; i < p->n; i += n) {
		uint32_t cp;
		n = loom_next_char(at(w, p) + i, &cp);
		bool plain_space = cp == '\t' || cp == '\n' || cp == '\r';
		if (cp == 0 || cp == 0xFFFD || (!plain_space && loom_uc_is(cp, LOOM_UC_CONTROL)))
			continue;
		if (loom_uc_is_space(cp) ? !loom_text_put_all(w, " ", 1, w->now.start[p->off + i], w->now.end[p->off + i])
		                         : !loom_text_copy(w, p->off + i, n))
			return false;
	}
	return true;
}

static bool run_precompiled(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	return loom_precompiled_run(((const struct loom_normalize_step *)stage)->charsmap, w, p);
}

/* SentencePiece's NMT rules: controls vanish, other kinds of blank become a space. */
static bool run_nmt(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	(void)stage;
	for (size_t i = 0, n; i < p->n; i += n) {
		uint32_t cp;
		n = loom_next_char(at(w, p) + i, &cp);
		bool space = cp == '\t' || cp == '\n' || cp == '\f' || cp == '\r' || cp == 0x1680 || (cp >= 0x200B && cp <= 0x200F) ||
		             cp == 0x2028 || cp == 0x2029 || cp == 0x2581 || cp == 0xFEFF || cp == 0xFFFD;
		if (!space && ((cp >= 1 && cp < ' ') || cp == 0x7F || cp == 0x8F || cp == 0x9F))
			continue;
		if (space ? !loom_text_put_all(w, " ", 1, w->now.start[p->off + i], w->now.end[p->off + i])
		          : !loom_text_copy(w, p->off + i, n))
			return false;
	}
	return true;
}

static bool is_chinese(uint32_t cp)
{
	/* 0x2B920, not 0x2B820: the library's slip, kept. */
	return (cp >= 0x4E00 && cp <= 0x9FFF) || (cp >= 0x3400 && cp <= 0x4DBF) || (cp >= 0x20000 && cp <= 0x2A6DF) ||
	       (cp >= 0x2A700 && cp <= 0x2B73F) || (cp >= 0x2B740 && cp <= 0x2B81F) || (cp >= 0x2B920 && cp <= 0x2CEAF) ||
	       (cp >= 0xF900 && cp <= 0xFAFF) || (cp >= 0x2F800 && cp <= 0x2FA1F);
}

static bool run_chinese(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	(void)stage;
	if (loom_is_ascii(at(w, p), p->n))
		return loom_text_copy(w, p->off, p->n);
	for (size_t i = 0, n; i < p->n; i += n) {
		uint32_t cp, start = w->now.start[p->off + i], end = w->now.end[p->off + i];
		n = loom_next_char(at(w, p) + i, &cp);
		bool apart = is_chinese(cp);
		if ((apart && !loom_text_put_all(w, " ", 1, start, end)) || !loom_text_copy(w, p->off + i, n) ||
		    (apart && !loom_text_put_all(w, " ", 1, start, end)))
			return false;
	}
	return true;
}

bool loom_byte_level_rewrite(const void *unused, struct loom_work *w, const struct loom_piece *p)
{
	(void)unused;
	for (size_t i = 0; i < p->n; i++)
		if (!loom_text_put(w, loom_byte_char((uint8_t)at(w, p)[i]), w->now.start[p->off + i], w->now.end[p->off + i]))
			return false;
	return true;
}

/* --- reading */

struct reader {
	struct loom_normalizer *n;
	struct loom_arena *arena;
	struct loom_json_ctx ctx;
	struct loom_err *err;
};

enum loom_status loom_pattern_open(const json_t *spec, const char *where, struct loom_regex **out, struct loom_err *err)
{
	const json_t *regex = json_object_get(spec, "Regex"), *text = json_object_get(spec, "String");
	const json_t *v = regex ? regex : text;
	if (!json_is_string(v))
		return loom_err_set(err, LOOM_E_MODEL, "%s: pattern: expected {\"String\": …} or {\"Regex\": …}", where);
	return loom_regex_open(json_string_value(v), json_string_length(v), !regex, where, out, err);
}

static struct loom_normalize_step *add_step(struct reader *r, loom_rewrite *run)
{
	if (r->n->n_step == LOOM_MAX_STEPS)
		return NULL;
	struct loom_normalize_step *step = &r->n->steps[r->n->n_step++];
	step->run = run;
	return step;
}

static enum loom_status too_many(struct reader *r)
{
	return loom_err_set(r->err, LOOM_E_MODEL, "%s: more than %d steps", r->ctx.where, LOOM_MAX_STEPS);
}

static enum loom_status read_text(struct reader *r, const json_t *spec, const char *key, struct loom_normalize_step *step)
{
	const json_t *v = json_object_get(spec, key);
	if (!json_is_string(v))
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: %s: expected a string", r->ctx.where, key);
	step->n_text = json_string_length(v);
	step->text = loom_arena_strndup(r->arena, json_string_value(v), step->n_text);
	return step->text ? LOOM_OK : loom_err_nomem(r->err, "the normalizer", step->n_text);
}

static enum loom_status read_charsmap(struct reader *r, const json_t *spec, struct loom_normalize_step *step)
{
	const json_t *v = json_object_get(spec, "precompiled_charsmap");
	if (!json_is_string(v))
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: precompiled_charsmap: expected a string", r->ctx.where);
	return loom_precompiled_open(json_string_value(v), json_string_length(v), r->ctx.where, &step->charsmap, r->err);
}

static enum loom_status read_bert(struct reader *r, const json_t *spec)
{
	bool clean = true, chinese = true, lower = true, accents;
	enum loom_status status;
	if ((status = loom_json_bool(&r->ctx, spec, "clean_text", &clean, r->err)) ||
	    (status = loom_json_bool(&r->ctx, spec, "handle_chinese_chars", &chinese, r->err)) ||
	    (status = loom_json_bool(&r->ctx, spec, "lowercase", &lower, r->err)))
		return status;
	accents = lower;
	if ((status = loom_json_bool(&r->ctx, spec, "strip_accents", &accents, r->err)))
		return status;
	if ((clean && !add_step(r, run_clean_text)) || (chinese && !add_step(r, run_chinese)) ||
	    (accents && (!add_step(r, run_form) || !add_step(r, run_drop_nonspacing))) || (lower && !add_step(r, run_lowercase)))
		return too_many(r);
	return LOOM_OK;
}

static const struct {
	const char *type;
	loom_rewrite *run;
	bool compat, compose;
} simple[] = {
	{ "NFC", run_form, false, true },       { "NFD", run_form, false, false },
	{ "NFKC", run_form, true, true },       { "NFKD", run_form, true, false },
	{ "Lowercase", run_lowercase, 0, 0 },   { "StripAccents", run_strip_accents, 0, 0 },
	{ "ByteLevel", loom_byte_level_rewrite, 0, 0 }, { "Nmt", run_nmt, 0, 0 },
};

static enum loom_status read_step(struct reader *r, const json_t *spec, int depth);

static enum loom_status read_sequence(struct reader *r, const json_t *spec, int depth)
{
	const json_t *list = json_object_get(spec, "normalizers");
	if (!json_is_array(list) || depth > LOOM_MAX_JSON_DEPTH)
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: Sequence without its list \"normalizers\"", r->ctx.where);
	for (size_t i = 0; i < json_array_size(list); i++) {
		enum loom_status status = read_step(r, json_array_get(list, i), depth + 1);
		if (status)
			return status;
	}
	return LOOM_OK;
}

static enum loom_status read_step(struct reader *r, const json_t *spec, int depth)
{
	const char *type = NULL;
	struct loom_normalize_step *step;
	enum loom_status status = loom_json_str(&r->ctx, spec, "type", &type, r->err);
	if (status)
		return status;
	if (!type)
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: no \"type\"", r->ctx.where);
	if (strcmp(type, "Sequence") == 0)
		return read_sequence(r, spec, depth);
	if (strcmp(type, "BertNormalizer") == 0)
		return read_bert(r, spec);
	for (size_t i = 0; i < sizeof simple / sizeof simple[0]; i++)
		if (strcmp(type, simple[i].type) == 0) {
			if (!(step = add_step(r, simple[i].run)))
				return too_many(r);
			step->compat = simple[i].compat;
			step->compose = simple[i].compose;
			return LOOM_OK;
		}
	if (strcmp(type, "Strip") == 0) {
		if (!(step = add_step(r, run_strip)))
			return too_many(r);
		status = loom_json_bool(&r->ctx, spec, "strip_left", &step->left, r->err);
		return status ? status : loom_json_bool(&r->ctx, spec, "strip_right", &step->right, r->err);
	}
	if (strcmp(type, "Prepend") == 0)
		return (step = add_step(r, run_prepend)) ? read_text(r, spec, "prepend", step) : too_many(r);
	if (strcmp(type, "Replace") == 0) {
		if (!(step = add_step(r, run_replace)))
			return too_many(r);
		status = read_text(r, spec, "content", step);
		return status ? status : loom_pattern_open(json_object_get(spec, "pattern"), r->ctx.where, &step->regex, r->err);
	}
	if (strcmp(type, "Precompiled") == 0)
		return (step = add_step(r, run_precompiled)) ? read_charsmap(r, spec, step) : too_many(r);
	return loom_err_set(r->err, LOOM_E_MODEL, "tokenizer.json: normalizer.type \"%.60s\" is not supported; supported: "
		"BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled, Prepend, Replace, Sequence, Strip, StripAccents",
		type);
}

enum loom_status loom_normalizer_open(struct loom_normalizer *n, struct loom_arena *a, const json_t *spec,
	struct loom_err *err)
{
	struct reader r = { n, a, { "tokenizer.json: normalizer", LOOM_E_MODEL }, err };
	n->n_step = 0;
	n->steps = loom_arena_alloc(a, LOOM_MAX_STEPS, sizeof *n->steps);
	if (!n->steps)
		return loom_err_nomem(err, "the normalizer", LOOM_MAX_STEPS * sizeof *n->steps);
	return !spec || json_is_null(spec) ? LOOM_OK : read_step(&r, spec, 0);
}

bool loom_normalizer_lower(struct loom_normalizer *n)
{
	for (size_t i = 0; i < n->n_step; i++)
		if (n->steps[i].run == run_lowercase)
			return true;
	if (n->n_step == LOOM_MAX_STEPS)
		return false;
	memmove(n->steps + 1, n->steps, n->n_step++ * sizeof *n->steps);
	n->steps[0] = (struct loom_normalize_step){ .run = run_lowercase };
	return true;
}

const struct loom_precompiled *loom_normalizer_charsmap(const struct loom_normalizer *n)
{
	for (size_t i = 0; i < n->n_step; i++)
		if (n->steps[i].charsmap)
			return n->steps[i].charsmap;
	return NULL;
}

void loom_normalizer_release(struct loom_normalizer *n)
{
	for (size_t i = 0; i < n->n_step; i++) {
		loom_regex_free(n->steps[i].regex);
		loom_precompiled_free(n->steps[i].charsmap);
	}
	n->n_step = 0;
}

bool loom_normalizer_run(const struct loom_normalizer *n, struct loom_work *w)
{
	for (size_t i = 0; i < n->n_step; i++)
		if (!loom_work_rewrite(w, n->steps[i].run, &n->steps[i]))
			return false;
	return true;
}
