/* added.c: the list of added tokens, their ids, and cutting them out of the text. */
#include "added.h"

#include <string.h>

#include "bounds.h"
#include "mem.h"
#include "unicode.h"

enum loom_status loom_added_init(struct loom_added *a, struct loom_arena *arena, struct loom_err *err)
{
	memset(a, 0, sizeof *a);
	a->arena = arena;
	a->next_id = -1;
	a->max_id = -1;
	if (!loom_table_init(&a->by_content, 64) || !loom_table_init(&a->special, 64) || !loom_table_init(&a->by_id, 64))
		return loom_err_nomem(err, "added tokens", 64);
	return LOOM_OK;
}

void loom_added_release(struct loom_added *a)
{
	loom_free(a->tokens);
	loom_table_release(&a->by_content);
	loom_table_release(&a->special);
	loom_table_release(&a->by_id);
	loom_matcher_free(a->raw);
	loom_matcher_free(a->normalized);
	memset(a, 0, sizeof *a);
}

const struct loom_added_token *loom_added_find(const struct loom_added *a, int32_t id)
{
	int64_t i = loom_table_get(&a->by_id, (const char *)&id, sizeof id, -1);
	return i < 0 ? NULL : &a->tokens[i];
}

bool loom_added_is_special(const struct loom_added *a, const char *s, size_t n)
{
	return loom_table_get(&a->special, s, n, -1) >= 0;
}

/* What the normalizer makes of the content. */
static enum loom_status normalized_pattern(struct loom_added *a, struct loom_added_token *t, const struct loom_normalizer *n,
	struct loom_err *err)
{
	struct loom_work w;
	loom_work_init(&w, err);
	if (loom_work_start(&w, t->content, t->n_content) && loom_normalizer_run(n, &w)) {
		t->n_pattern = w.n_piece ? w.pieces[0].n : 0;
		t->pattern = loom_arena_strndup(a->arena, w.now.s + (w.n_piece ? w.pieces[0].off : 0), t->n_pattern);
		if (!t->pattern)
			w.status = loom_err_nomem(err, "added tokens", t->n_pattern);
	}
	enum loom_status status = w.status;
	loom_work_release(&w);
	return status;
}

static enum loom_status store(struct loom_added *a, struct loom_added_token t, struct loom_err *err)
{
	int64_t old = loom_table_get(&a->by_content, t.content, t.n_content, -1);
	int64_t at = old < 0 ? (int64_t)a->n : old;
	if (a->n == a->cap) {
		size_t cap = a->cap * 2 + 32;
		struct loom_added_token *p = loom_reallocarray(a->tokens, cap, sizeof *p);
		if (!p)
			return loom_err_nomem(err, "added tokens", cap * sizeof *p);
		a->tokens = p;
		a->cap = cap;
	}
	/* Keys must outlive the table: the id's bytes go to the arena. */
	char *key = loom_arena_strndup(a->arena, (const char *)&t.id, sizeof t.id);
	if (!key || !loom_table_put(&a->by_content, t.content, t.n_content, at) || !loom_table_put(&a->by_id, key, sizeof t.id, at) ||
	    (t.special && !loom_table_put(&a->special, t.content, t.n_content, at)))
		return loom_err_nomem(err, "added tokens", t.n_content);
	a->tokens[at] = t;
	a->n += old < 0;
	if (t.id > a->max_id)
		a->max_id = t.id;
	return LOOM_OK;
}

enum loom_status loom_added_add(struct loom_added *a, const struct loom_added_token *token, const struct loom_vocab *v,
	const struct loom_normalizer *n, struct loom_err *err)
{
	struct loom_added_token t = *token;
	if (t.n_content == 0)
		return LOOM_OK;
	int64_t old = loom_table_get(&a->by_content, t.content, t.n_content, -1);
	int64_t id = old >= 0 ? a->tokens[old].id : loom_vocab_id(v, t.content, t.n_content);
	if (a->next_id < 0)
		a->next_id = (int64_t)v->n;
	if (id < 0)
		id = a->next_id++;
	if (id >= LOOM_MAX_VOCAB)
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer.json: more than %d tokens", LOOM_MAX_VOCAB);
	t.id = (int32_t)id;
	t.content = loom_arena_strndup(a->arena, t.content, t.n_content);
	if (!t.content)
		return loom_err_nomem(err, "added tokens", t.n_content);
	t.pattern = t.content;
	t.n_pattern = t.n_content;
	if (t.normalized) {
		enum loom_status status = normalized_pattern(a, &t, n, err);
		if (status)
			return status;
	}
	return store(a, t, err);
}

enum loom_status loom_added_finish(struct loom_added *a, struct loom_err *err)
{
	enum loom_status status;
	for (size_t i = 0; i < a->n; i++) {
		const struct loom_added_token *t = &a->tokens[i];
		struct loom_matcher **m = t->normalized ? &a->normalized : &a->raw;
		if (loom_added_find(a, t->id) != t)
			continue; /* a later one took its id */
		if (a->split_special && t->special)
			continue;
		if ((!*m && (status = loom_matcher_new(m, err))) ||
		    (status = loom_matcher_add(*m, t->pattern, t->n_pattern, (int32_t)i, err)))
			return status;
	}
	if (a->raw && (status = loom_matcher_finish(a->raw, err)))
		return status;
	return a->normalized ? loom_matcher_finish(a->normalized, err) : LOOM_OK;
}

/* --- cutting */

static bool word_before(const char *s, size_t at)
{
	uint32_t cp;
	return at > 0 && (loom_prev_char(s, at, &cp), loom_uc_is(cp, LOOM_UC_WORD));
}
static bool word_after(const char *s, size_t at, size_t n)
{
	uint32_t cp;
	return at < n && (loom_next_char(s + at, &cp), loom_uc_is(cp, LOOM_UC_WORD));
}

/* Hits come last first; overlapping ones after the leftmost-longest are passed over. */
static bool cut_piece(const struct loom_added *a, struct loom_work *w, const struct loom_piece *p, const struct loom_match *hits,
	size_t n_hit)
{
	const char *s = w->now.s + p->off;
	size_t free_from = 0; /* where the search goes on */
	size_t done = 0;      /* up to where pieces were made; strips may carry it beyond free_from */
	uint32_t cp;
	for (size_t i = n_hit; i-- > 0;) {
		const struct loom_added_token *t = &a->tokens[hits[i].value];
		size_t start = hits[i].start, stop = start + hits[i].n, k;
		if (start < free_from)
			continue;
		free_from = stop;
		if (t->single_word && (word_before(s, start) || word_after(s, stop, p->n)))
			continue;
		while (t->lstrip && start > done && (k = loom_prev_char(s, start, &cp), loom_uc_is_space(cp)))
			start -= k;
		if (t->lstrip && start < done)
			start = done;
		while (t->rstrip && stop < p->n && (k = loom_next_char(s + stop, &cp), loom_uc_is_space(cp)))
			stop += k;
		if ((done < start && !loom_work_push(w, p->off + done, start - done, -1)) ||
		    (start < stop && !loom_work_push(w, p->off + start, stop - start, t->id)))
			return false;
		done = stop;
	}
	return done >= p->n || loom_work_push(w, p->off + done, p->n - done, -1);
}

bool loom_added_cut(const struct loom_added *a, struct loom_work *w, bool normalized)
{
	const struct loom_matcher *m = normalized ? a->normalized : a->raw;
	struct loom_match *hits = NULL;
	size_t n_hit = 0, cap = 0;
	bool ok = true;
	w->n_next = 0;
	for (size_t i = 0; ok && i < w->n_piece; i++) {
		const struct loom_piece *p = &w->pieces[i];
		if (p->id >= 0 || !m)
			ok = loom_work_push(w, p->off, p->n, p->id);
		else
			ok = loom_matcher_run(m, w, w->now.s + p->off, p->n, &hits, &n_hit, &cap) && cut_piece(a, w, p, hits, n_hit);
	}
	loom_free(hits);
	if (ok)
		loom_work_swap_pieces(w);
	return ok;
}
