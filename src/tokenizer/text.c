/* text.c: the buffers and pieces of text.h: growing, rewriting, cutting. */
#include "text.h"

#include <string.h>

#include "mem.h"
#include "regex.h"
#include "str.h"

void loom_work_init(struct loom_work *w, struct loom_err *err)
{
	memset(w, 0, sizeof *w);
	w->err = err;
}

static void text_release(struct loom_text *t)
{
	loom_free(t->s);
	loom_free(t->start);
	loom_free(t->end);
}

void loom_work_release(struct loom_work *w)
{
	text_release(&w->now);
	text_release(&w->spare);
	loom_free(w->pieces);
	loom_free(w->next);
	loom_free(w->ranges);
	loom_regex_run_free(w->run);
	memset(w, 0, sizeof *w);
}

bool loom_work_nomem(struct loom_work *w)
{
	w->status = loom_err_nomem(w->err, "tokenizing", w->now.n);
	return false;
}

static bool text_grow(struct loom_work *w, struct loom_text *t, size_t more)
{
	size_t want, cap;
	if (!loom_add(t->n, more, &want))
		return loom_work_nomem(w);
	if (want <= t->cap)
		return true;
	if (!loom_add(want, want / 2 + 64, &cap))
		return loom_work_nomem(w);
	char *s = loom_realloc(t->s, cap);
	if (s)
		t->s = s;
	uint32_t *start = loom_reallocarray(t->start, cap, sizeof *start);
	if (start)
		t->start = start;
	uint32_t *end = loom_reallocarray(t->end, cap, sizeof *end);
	if (end)
		t->end = end;
	if (!s || !start || !end)
		return loom_work_nomem(w);
	t->cap = cap;
	return true;
}

bool loom_work_start(struct loom_work *w, const char *text, size_t n)
{
	struct loom_text *t = &w->now;
	uint32_t at = 0;
	t->n = 0;
	w->n_piece = w->n_next = 0;
	if (!text_grow(w, t, n))
		return false;
	if (n)
		memcpy(t->s, text, n);
	for (size_t i = 0, k; i < n; i += k, at++) {
		uint32_t cp;
		k = loom_next_char(text + i, &cp);
		for (size_t j = i; j < i + k; j++) {
			t->start[j] = at;
			t->end[j] = at + 1;
		}
	}
	t->n = n;
	if (n && !loom_work_push(w, 0, n, -1))
		return false;
	loom_work_swap_pieces(w);
	return true;
}

bool loom_text_put_all(struct loom_work *w, const char *s, size_t n, uint32_t start, uint32_t end)
{
	struct loom_text *t = &w->spare;
	if (!text_grow(w, t, n))
		return false;
	for (size_t i = 0; i < n; i++) {
		t->s[t->n + i] = s[i];
		t->start[t->n + i] = start;
		t->end[t->n + i] = end;
	}
	t->n += n;
	return true;
}

bool loom_text_put(struct loom_work *w, uint32_t cp, uint32_t start, uint32_t end)
{
	char s[4];
	return loom_text_put_all(w, s, loom_utf8_encode(cp, s), start, end);
}

bool loom_text_copy(struct loom_work *w, size_t off, size_t n)
{
	struct loom_text *t = &w->spare;
	if (!text_grow(w, t, n))
		return false;
	if (!n)
		return true;
	memcpy(t->s + t->n, w->now.s + off, n);
	memcpy(t->start + t->n, w->now.start + off, n * sizeof *t->start);
	memcpy(t->end + t->n, w->now.end + off, n * sizeof *t->end);
	t->n += n;
	return true;
}

bool loom_work_rewrite(struct loom_work *w, loom_rewrite *fn, const void *stage)
{
	w->spare.n = 0;
	if (!text_grow(w, &w->spare, w->now.n))
		return false;
	for (size_t i = 0; i < w->n_piece; i++) {
		struct loom_piece *p = &w->pieces[i];
		size_t off = w->spare.n;
		if (!(p->id >= 0 ? loom_text_copy(w, p->off, p->n) : fn(stage, w, p)))
			return false;
		p->off = off;
		p->n = w->spare.n - off;
	}
	struct loom_text old = w->now;
	w->now = w->spare;
	w->spare = old;
	return true;
}

bool loom_work_push(struct loom_work *w, size_t off, size_t n, int32_t id)
{
	if (n == 0)
		return true;
	if (w->n_next == w->cap_next) {
		size_t cap = w->cap_next * 2 + 64;
		struct loom_piece *p = loom_reallocarray(w->next, cap, sizeof *p);
		if (!p)
			return loom_work_nomem(w);
		w->next = p;
		w->cap_next = cap;
	}
	w->next[w->n_next++] = (struct loom_piece){ off, n, id };
	return true;
}

void loom_work_swap_pieces(struct loom_work *w)
{
	struct loom_piece *p = w->pieces;
	size_t cap = w->cap_piece;
	w->pieces = w->next;
	w->n_piece = w->n_next;
	w->cap_piece = w->cap_next;
	w->next = p;
	w->cap_next = cap;
	w->n_next = 0;
}

bool loom_work_range(struct loom_work *w, size_t start, size_t end, bool match)
{
	if (w->n_range == w->cap_range) {
		size_t cap = w->cap_range * 2 + 64;
		struct loom_range *r = loom_reallocarray(w->ranges, cap, sizeof *r);
		if (!r)
			return loom_work_nomem(w);
		w->ranges = r;
		w->cap_range = cap;
	}
	w->ranges[w->n_range++] = (struct loom_range){ start, end, match };
	return true;
}

/* Merging backwards is merging forwards on the list read from its end. */
static bool merge_next(struct loom_work *w, const struct loom_piece *p)
{
	size_t n = w->n_range, out = n;
	bool previous = false;
	for (size_t i = n; i-- > 0;) {
		struct loom_range r = w->ranges[i];
		if (r.match && !previous && out < n)
			w->ranges[out].start = r.start;
		else
			w->ranges[--out] = r;
		previous = r.match;
	}
	for (; out < n; out++)
		if (!loom_work_push(w, p->off + w->ranges[out].start, w->ranges[out].end - w->ranges[out].start, -1))
			return false;
	return true;
}

static bool cut_piece(struct loom_work *w, const struct loom_piece *p, enum loom_behavior behavior)
{
	bool previous = false, open = false;
	size_t start = 0, end = 0;
	if (behavior == LOOM_MERGED_NEXT)
		return merge_next(w, p);
	for (size_t i = 0; i < w->n_range; i++) {
		struct loom_range r = w->ranges[i];
		if (behavior == LOOM_REMOVED && r.match)
			continue;
		bool join = open && ((behavior == LOOM_CONTIGUOUS && r.match == previous) ||
		                     (behavior == LOOM_MERGED_PREVIOUS && r.match && !previous));
		previous = r.match;
		if (join) {
			end = r.end;
			continue;
		}
		if (open && !loom_work_push(w, p->off + start, end - start, -1))
			return false;
		start = r.start;
		end = r.end;
		open = true;
	}
	return !open || loom_work_push(w, p->off + start, end - start, -1);
}

bool loom_work_cut(struct loom_work *w, loom_cut *fn, const void *stage, enum loom_behavior behavior)
{
	w->n_next = 0;
	for (size_t i = 0; i < w->n_piece; i++) {
		const struct loom_piece *p = &w->pieces[i];
		w->n_range = 0;
		if (p->id >= 0 ? !loom_work_push(w, p->off, p->n, p->id) : !fn(stage, w, p) || !cut_piece(w, p, behavior))
			return false;
	}
	loom_work_swap_pieces(w);
	return true;
}
