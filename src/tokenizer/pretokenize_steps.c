/* pretokenize_steps.c: the steps of a pre-tokenizer. */
#include <string.h>

#include "normalize.h"
#include "pretokenize_internal.h"
#include "regex.h"
#include "unicode.h"

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

bool loom_is_punctuation(uint32_t cp)
{
	return loom_uc_is(cp, LOOM_UC_PUNCT);
}
bool loom_is_numeric(uint32_t cp)
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

bool loom_step_lengths(const struct loom_pretokenize_step *step, struct loom_work *w)
{
	return loom_work_cut(w, cut_lengths, step, LOOM_ISOLATED);
}
bool loom_step_scripts(const struct loom_pretokenize_step *step, struct loom_work *w)
{
	return loom_work_cut(w, cut_scripts, step, LOOM_REMOVED);
}
bool loom_step_class(const struct loom_pretokenize_step *step, struct loom_work *w)
{
	return loom_work_cut(w, cut_class, step, step->behavior);
}
bool loom_step_words(const struct loom_pretokenize_step *step, struct loom_work *w)
{
	return loom_work_cut(w, cut_words, step, LOOM_REMOVED);
}
bool loom_step_split(const struct loom_pretokenize_step *step, struct loom_work *w)
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

bool loom_step_byte_level(const struct loom_pretokenize_step *step, struct loom_work *w)
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

bool loom_step_metaspace(const struct loom_pretokenize_step *step, struct loom_work *w)
{
	return loom_work_rewrite(w, meta_rewrite, step) &&
	       (!step->meta.split || loom_work_cut(w, meta_cut, step, LOOM_MERGED_NEXT));
}
