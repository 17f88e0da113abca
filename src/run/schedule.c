/* schedule.c: which rows of which sequences the next step runs, and the pages they need.
 *
 * Decode rows first. What is left of the step, or what loom_pace.h leaves of it beside decode rows, goes to prompts: the shortest first, half
 * being the oldest's. Sequences stand in order of arrival; where pages run out the youngest gives up its own, so that the oldest always
 * goes on and all come to an end. */
#include "runner.h"

#include <stdlib.h>
#include <string.h>

/* ---- pages ---- */

static void let_go(struct loom_runner *r, struct loom_seq *s)
{
	loom_kv_give(&r->kv, s->pages, s->n_page);
	s->n_page = s->n_named = 0;
	s->name = 0;
}

/* From its first position again, when there is room; its ids, text and kept rows stay, the rows being written again with the same bits. */
static void preempt(struct loom_runner *r, struct loom_seq *s)
{
	let_go(r, s);
	s->n_done = 0;
	s->phase = LOOM_PHASE_PREFILL;
	r->n_preempted++;
}

/* Takes pages from the youngest sequence behind index i; false when none there holds any. */
static bool preempt_behind(struct loom_runner *r, size_t i)
{
	for (size_t k = r->n_seq; k-- > i + 1;) {
		if (r->seqs[k]->n_page > 0) {
			preempt(r, r->seqs[k]);
			return true;
		}
	}
	return false;
}

/* Takes pages for positions below n_pos, as many as are to be had; returns how many positions are covered then. */
static int32_t cover(struct loom_runner *r, struct loom_seq *s, int32_t n_pos)
{
	int32_t want = loom_kv_need(n_pos) - s->n_page, can = loom_kv_available(&r->kv), covered;
	if (want > can)
		want = can;
	if (want > 0 && loom_kv_take(&r->kv, s->pages + s->n_page, want))
		s->n_page += want;
	covered = s->n_page * LOOM_PAGE;
	return covered < n_pos ? covered : n_pos;
}

/* A page for each sequence that generates, the oldest first. */
static void cover_decodes(struct loom_runner *r)
{
	for (size_t i = 0; i < r->n_seq; i++) {
		struct loom_seq *s = r->seqs[i];
		if (s->phase != LOOM_PHASE_DECODE)
			continue;
		while (cover(r, s, s->n_done + 1) <= s->n_done) {
			if (preempt_behind(r, i))
				continue;
			preempt(r, s);
			break;
		}
	}
}

/* Takes over the pages that others have filled with what s has next. */
static void find_pages(struct loom_runner *r, struct loom_seq *s)
{
	int32_t end = s->n_share < s->n_id - 1 ? s->n_share : s->n_id - 1; /* one row at least is run */
	while (r->share && s->n_done + LOOM_PAGE <= end && s->n_done == s->n_page * LOOM_PAGE) {
		int32_t page = loom_kv_find(&r->kv, s->name, s->ids + s->n_done, &s->name);
		if (page < 0)
			return;
		s->pages[s->n_page++] = page;
		s->n_named++;
		s->n_done += LOOM_PAGE;
		s->n_found += LOOM_PAGE;
		r->n_found += LOOM_PAGE;
	}
}

/* Does a sequence of this step fill the page that s would fill next? Then s waits and takes it over. */
static bool filled_by_another(const struct loom_runner *r, const struct loom_seq *s)
{
	int32_t end = s->n_done + LOOM_PAGE;
	if (!r->share || s->n_done % LOOM_PAGE != 0 || end > s->n_share || end >= s->n_id)
		return false;
	for (int32_t i = r->n_decode; i < r->n_span; i++) {
		const struct loom_seq *o = r->spans[i].seq;
		if (o->n_id >= end && o->n_done < end && memcmp(o->ids, s->ids, (size_t)end * sizeof *s->ids) == 0)
			return true;
	}
	return false;
}

/* ---- rows ---- */

/* Do the logits at pos choose the sequence's next token? */
static bool feeds(const struct loom_seq *s, int32_t pos)
{
	return !s->last && pos == s->n_id - 1 && s->n_id < s->n_limit;
}

static bool wants_out(const struct loom_seq *s, int32_t pos)
{
	if (feeds(s, pos))
		return true;
	for (size_t i = 0; i < s->n_capture; i++) {
		if (s->captures[i].out_rows && loom_capture_wants(&s->captures[i], pos, s->last))
			return true;
	}
	return false;
}

/* Adds up to n rows of s, fewer where the gathered rows end; none when `whole` and they do not all fit. */
static void add_span(struct loom_runner *r, struct loom_seq *s, int32_t n, bool whole)
{
	int32_t pos0 = s->n_done, out0 = r->n_out, n_out = 0, k = 0;
	for (; k < n; k++) {
		if (!wants_out(s, pos0 + k))
			continue;
		if (out0 + n_out == r->max_out)
			break;
		r->out_rows[out0 + n_out] = r->n_tok + k;
		r->out_pos[out0 + n_out++] = pos0 + k;
	}
	if (k == 0 || (whole && k < n))
		return;
	struct loom_span *p = &r->spans[r->n_span];
	*p = (struct loom_span){.seq = s, .logits = feeds(s, pos0 + k - 1)};
	p->rows = (struct loom_capture_span){.pos0 = pos0, .row0 = r->n_tok, .n_row = k, .out0 = out0, .n_out = n_out,
		.out_pos = r->out_pos + out0, .last = s->last};
	/* rotary types that look at the length see the whole prompt, or the length at a generated token's step */
	r->batch[r->n_span] = (struct loom_batch_seq){.row0 = r->n_tok, .n_row = k, .pos0 = pos0, .pages = s->pages, .state = s->state, .adapter = s->adapter,
		.rope_len = s->phase == LOOM_PHASE_PREFILL ? s->n_prompt : pos0 + k};
	for (int32_t i = 0, counted = 0; i < k; i++) {
		int32_t row = r->n_tok + i, id = s->ids[pos0 + i];
		r->ids[row] = id;
		r->pos[row] = pos0 + i;
		r->types[row] = pos0 + i >= s->n_first;
		r->counted[row] = id == r->plan->skip_id ? -1 : counted++; /* models that count take a sequence in one step */
	}
	r->n_span++;
	r->n_tok += k;
	r->n_out += n_out;
}

/* ---- prompts ---- */

static int by_left(const void *a, const void *b)
{
	const struct loom_turn *x = a, *y = b;
	return x->left != y->left ? (x->left < y->left ? -1 : 1) : (x->index > y->index) - (x->index < y->index);
}

/* The waiting prompts, the shortest first; returns how many. *oldest: which of the sequences has waited longest. */
static size_t line_up(struct loom_runner *r, size_t *oldest)
{
	size_t n = 0;
	for (size_t i = 0; i < r->n_seq; i++) {
		struct loom_seq *s = r->seqs[i];
		if (s->phase != LOOM_PHASE_PREFILL)
			continue;
		find_pages(r, s);
		if (n == 0)
			*oldest = i;
		r->line[n++] = (struct loom_turn){s->n_id - s->n_done, i};
	}
	if (n > 1)
		qsort(r->line, n, sizeof *r->line, by_left);
	return n;
}

static void add_prompt(struct loom_runner *r, struct loom_seq *s, int32_t room)
{
	int32_t left = s->n_id - s->n_done, n = left < room ? left : room;
	if (n <= 0 || filled_by_another(r, s))
		return;
	n = cover(r, s, s->n_done + n) - s->n_done;
	if (n > 0)
		add_span(r, s, n, false);
}

/* One that starts (again) needs room for all that is known of it, and a page for each that generates, lest it be sent back at once. */
static bool may_start(const struct loom_runner *r, const struct loom_seq *s)
{
	return s->n_page > 0 || loom_kv_need(s->n_id + 1) + r->n_decode <= loom_kv_available(&r->kv);
}

static void add_prompts(struct loom_runner *r)
{
	size_t oldest = 0, n = line_up(r, &oldest);
	int32_t room = loom_pace_rows(&r->pace, r->n_decode, r->max_tok - r->n_tok), kept = 0;
	if (n == 0)
		return;
	const struct loom_seq *first = r->seqs[oldest];
	kept = first->n_id - first->n_done < room / 2 ? first->n_id - first->n_done : room / 2;
	for (size_t k = 0; k < n && room > 0; k++) {
		struct loom_seq *s = r->seqs[r->line[k].index];
		int32_t before = r->n_tok;
		if (s == first)
			kept = 0;
		if (may_start(r, s))
			add_prompt(r, s, room - kept);
		room -= r->n_tok - before;
	}
}

/* Prompts that must go in whole: by age and by length in turn; those that do not fit are passed over, and the oldest always fits. */
static void add_whole_prompts(struct loom_runner *r)
{
	size_t oldest = 0, n = line_up(r, &oldest);
	if (n > 0 && r->turn % 2 == 0)
		add_span(r, r->seqs[oldest], r->seqs[oldest]->n_id - r->seqs[oldest]->n_done, true);
	for (size_t k = 0; k < n; k++) {
		struct loom_seq *s = r->seqs[r->line[k].index];
		int32_t left = s->n_id - s->n_done;
		if (left <= r->max_tok - r->n_tok && !(r->n_span > 0 && r->spans[0].seq == s))
			add_span(r, s, left, true);
	}
}

void loom_runner_choose(struct loom_runner *r)
{
	r->n_span = r->n_tok = r->n_out = r->n_decode = 0;
	for (size_t i = 0; i < r->n_seq; i++) {
		if (r->seqs[i]->phase == LOOM_PHASE_DONE)
			let_go(r, r->seqs[i]);
	}
	if (!r->plan->causal) {
		add_whole_prompts(r);
		return;
	}
	cover_decodes(r);
	for (size_t i = 0; i < r->n_seq && r->n_tok < r->max_tok; i++) {
		struct loom_seq *s = r->seqs[(r->turn + i) % r->n_seq];
		if (s->phase == LOOM_PHASE_DECODE)
			add_span(r, s, 1, false);
	}
	r->n_decode = r->n_span;
	add_prompts(r);
	/* Only prompts are left and none gets a page: the oldest takes what the youngest has. */
	for (size_t i = 0; r->n_span == 0 && i < r->n_seq; i++) {
		if (r->seqs[i]->phase != LOOM_PHASE_PREFILL)
			continue;
		do
			add_prompt(r, r->seqs[i], r->max_tok);
		while (r->n_span == 0 && preempt_behind(r, i));
		return;
	}
}
