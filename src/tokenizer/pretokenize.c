/* pretokenize.c: reading the pre-tokenizer and its steps. */
#include "pretokenize.h"

#include <string.h>

#include "bounds.h"
#include "normalize.h"
#include "regex.h"
#include "str.h"
#include "unicode.h"

static const char gpt2_pattern[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct loom_pretokenize_step {
	bool (*run)(const struct loom_pretokenize_step *step, struct loom_work *w);
	enum loom_behavior behavior;
	bool invert;                 /* Split */
	bool add_prefix_space;       /* ByteLevel */
	struct loom_regex *regex;    /* Split, ByteLevel with use_regex */
	bool (*is)(uint32_t cp);     /* the delimiters of the steps by class */
	uint32_t delimiter;          /* CharDelimiterSplit */
	size_t length;               /* FixedLength, characters */
	struct loom_metaspace meta;
};

/* --- cuts */

static bool cut_regex(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	const struct loom_pretokenize_step *step = stage;
	return loom_regex_ranges(step->regex, w, w->now.s + p->off, p->n, step->invert);
}

static bool cut_class(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	const struct loom_pretokenize_step *step = stage;
	size_t from = 0;
	for (size_t i = 0, n; i < p->n; i += n) {
		uint32_t cp;
		n = loom_next_char(w->now.s + p->off + i, &cp);
		if (step->is ? !step->is(cp) : cp != step->delimiter)
			continue;
		if ((from < i && !loom_work_range(w, from, i, false)) || !loom_work_range(w, i, i + n, true))
			return false;
		from = i + n;
	}
	return from == p->n || loom_work_range(w, from, p->n, false);
}

/* \w+|[^\w\s]+ with the white space between removed. */
static bool cut_words(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	size_t from = 0;
	int kind = -1, before = -1; /* 0 space, 1 word, 2 other */
	(void)stage;
	for (size_t i = 0, n; i < p->n; i += n, before = kind) {
		uint32_t cp;
		n = loom_next_char(w->now.s + p->off + i, &cp);
		kind = loom_uc_is(cp, LOOM_UC_WORD) ? 1 : loom_uc_is_space(cp) ? 0 : 2;
		if (kind == before || i == 0)
			continue;
		if (!loom_work_range(w, from, i, before == 0))
			return false;
		from = i;
	}
	return loom_work_range(w, from, p->n, before == 0);
}

static bool is_punctuation(uint32_t cp)
{
	return loom_uc_is(cp, LOOM_UC_PUNCT);
}
static bool is_numeric(uint32_t cp)
{
	return loom_uc_is(cp, LOOM_UC_NUMERIC);
}

static bool cut_lengths(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	const struct loom_pretokenize_step *step = stage;
	size_t from = 0, n = 0;
	for (size_t i = 0; i < p->n; n++) {
		uint32_t cp;
		if (n > 0 && n % step->length == 0) {
			if (!loom_work_range(w, from, i, true))
				return false;
			from = i;
		}
		i += loom_next_char(w->now.s + p->off + i, &cp);
	}
	return loom_work_range(w, from, p->n, true);
}

/* Han, Hiragana, Katakana and the long vowel sign are one script; a space is of any. */
static int script_of(uint32_t cp)
{
	return cp == ' ' ? LOOM_SCRIPT_ANY : cp == 0x30FC ? loom_uc_script(0x4E00) : loom_uc_script(cp);
}

/* A cut before each character of another script. What stands before the first script is lost, as in the library. */
static bool cut_scripts(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	int last = LOOM_SCRIPT_ANY;
	size_t from = 0;
	(void)stage;
	for (size_t i = 0, n; i < p->n; i += n) {
		uint32_t cp;
		n = loom_next_char(w->now.s + p->off + i, &cp);
		int script = script_of(cp);
		if (script == LOOM_SCRIPT_ANY || script == last)
			continue;
		if (i > 0 && !loom_work_range(w, from, i, last == LOOM_SCRIPT_ANY))
			return false;
		from = i;
		last = script;
	}
	return loom_work_range(w, from, p->n, last == LOOM_SCRIPT_ANY);
}

static bool run_lengths(const struct loom_pretokenize_step *step, struct loom_work *w)
{
	return loom_work_cut(w, cut_lengths, step, LOOM_ISOLATED);
}
static bool run_scripts(const struct loom_pretokenize_step *step, struct loom_work *w)
{
	return loom_work_cut(w, cut_scripts, step, LOOM_REMOVED);
}
static bool run_class(const struct loom_pretokenize_step *step, struct loom_work *w)
{
	return loom_work_cut(w, cut_class, step, step->behavior);
}
static bool run_words(const struct loom_pretokenize_step *step, struct loom_work *w)
{
	return loom_work_cut(w, cut_words, step, LOOM_REMOVED);
}
static bool run_split(const struct loom_pretokenize_step *step, struct loom_work *w)
{
	return loom_work_cut(w, cut_regex, step, step->behavior);
}

/* --- ByteLevel and Metaspace, which also rewrite */

static bool prefix_space(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	(void)stage;
	if (p->n && w->now.s[p->off] != ' ' &&
	    !loom_text_put_all(w, " ", 1, w->now.start[p->off], w->now.end[p->off]))
		return false;
	return loom_text_copy(w, p->off, p->n);
}

static bool run_byte_level(const struct loom_pretokenize_step *step, struct loom_work *w)
{
	return (!step->add_prefix_space || loom_work_rewrite(w, prefix_space, step)) &&
	       (!step->regex || loom_work_cut(w, cut_regex, step, LOOM_ISOLATED)) &&
	       loom_work_rewrite(w, loom_byte_level_rewrite, step);
}

static bool meta_rewrite(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	const struct loom_metaspace *m = &((const struct loom_pretokenize_step *)stage)->meta;
	const char *s = w->now.s + p->off;
	if (p->n == 0)
		return true;
	bool has = s[0] == ' ' || (p->n >= m->n && memcmp(s, m->text, m->n) == 0);
	bool wants = m->prepend == LOOM_PREPEND_ALWAYS || (m->prepend == LOOM_PREPEND_FIRST && w->now.start[p->off] == 0);
	if (!has && wants && !loom_text_put_all(w, m->text, m->n, w->now.start[p->off], w->now.end[p->off]))
		return false;
	for (size_t i = 0, from = 0; i <= p->n; i++) {
		if (i < p->n && s[i] != ' ')
			continue;
		if (!loom_text_copy(w, p->off + from, i - from))
			return false;
		if (i < p->n && !loom_text_put_all(w, m->text, m->n, w->now.start[p->off + i], w->now.end[p->off + i]))
			return false;
		from = i + 1;
	}
	return true;
}

static bool meta_cut(const void *stage, struct loom_work *w, const struct loom_piece *p)
{
	const struct loom_metaspace *m = &((const struct loom_pretokenize_step *)stage)->meta;
	size_t from = 0;
	for (size_t i = 0, n; i < p->n; i += n) {
		uint32_t cp;
		n = loom_next_char(w->now.s + p->off + i, &cp);
		if (cp != m->cp)
			continue;
		if ((from < i && !loom_work_range(w, from, i, false)) || !loom_work_range(w, i, i + n, true))
			return false;
		from = i + n;
	}
	return from == p->n || loom_work_range(w, from, p->n, false);
}

static bool run_metaspace(const struct loom_pretokenize_step *step, struct loom_work *w)
{
	return loom_work_rewrite(w, meta_rewrite, step) &&
	       (!step->meta.split || loom_work_cut(w, meta_cut, step, LOOM_MERGED_NEXT));
}

/* --- reading */

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
	step->run = run_byte_level;
	if ((status = loom_json_bool(&r->ctx, spec, "add_prefix_space", &step->add_prefix_space, r->err)) ||
	    (status = loom_json_bool(&r->ctx, spec, "use_regex", &use_regex, r->err)) || !use_regex)
		return status;
	return loom_regex_open(gpt2_pattern, sizeof gpt2_pattern - 1, false, r->ctx.where, &step->regex, r->err);
}

static enum loom_status read_split(struct reader *r, const json_t *spec, struct loom_pretokenize_step *step)
{
	enum loom_status status;
	step->run = run_split;
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
	step->run = run_class;
	step->behavior = LOOM_REMOVED;
	return LOOM_OK;
}

static enum loom_status read_length(struct reader *r, const json_t *spec, struct loom_pretokenize_step *step)
{
	int64_t n = 5;
	enum loom_status status = loom_json_int(&r->ctx, spec, "length", 1, INT32_MAX, &n, r->err);
	step->run = run_lengths;
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
		step->run = run_words;
		return LOOM_OK;
	}
	if (strcmp(type, "Metaspace") == 0) {
		step->run = run_metaspace;
		return loom_metaspace_read(&r->ctx, spec, &step->meta, r->err);
	}
	if (strcmp(type, "CharDelimiterSplit") == 0)
		return read_delimiter(r, spec, step);
	if (strcmp(type, "FixedLength") == 0)
		return read_length(r, spec, step);
	if (strcmp(type, "UnicodeScripts") == 0) {
		step->run = run_scripts;
		return LOOM_OK;
	}
	step->run = run_class;
	if (strcmp(type, "WhitespaceSplit") == 0) {
		step->is = loom_uc_is_space;
		step->behavior = LOOM_REMOVED;
		return LOOM_OK;
	}
	if (strcmp(type, "Digits") == 0) {
		status = loom_json_bool(&r->ctx, spec, "individual_digits", &individual, r->err);
		step->is = is_numeric;
		step->behavior = individual ? LOOM_ISOLATED : LOOM_CONTIGUOUS;
		return status;
	}
	if (strcmp(type, "Punctuation") == 0) {
		step->is = is_punctuation;
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
	struct loom_pretokenize_step *step = add_step(r, run_class, loom_uc_is_space, LOOM_REMOVED);
	if (!step || (bert && !add_step(r, run_class, is_punctuation, LOOM_ISOLATED)))
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
