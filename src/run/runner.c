/* runner.c: one step after another over the sequences of a model: choose rows, list the copies, run, hand out.
 *
 * Stands between the sequences and the backend's exec. It allocates when sequences come and when the list of copies grows, never
 * inside exec. Queues, threads and waiting are the engine's. */
#include "runner.h"

#include <string.h>

#include "mem.h"

/* Fewest rows that a waiting prompt is given when many share a step. */
#define LEAST_SHARE LOOM_PAGE

enum loom_status loom_runner_init(struct loom_runner *r, const struct loom_backend *b, struct loom_device_state *state,
	const struct loom_plan *plan, const struct loom_state_opts *o, struct loom_err *err)
{
	size_t n_tok = (size_t)o->max_tok, n_out = (size_t)o->max_out, n_logit = (size_t)plan->n_logit;
	*r = (struct loom_runner){.backend = b, .state = state, .plan = plan, .max_tok = o->max_tok, .max_out = o->max_out};
	enum loom_status st = loom_kv_init(&r->kv, o->n_page, err);
	if (st)
		return st;
	r->spans = loom_calloc(n_tok, sizeof *r->spans);
	r->ids = loom_calloc(n_tok, sizeof *r->ids);
	r->pos = loom_calloc(n_tok, sizeof *r->pos);
	r->batch = loom_calloc(n_tok, sizeof *r->batch);
	r->out_rows = loom_calloc(n_out, sizeof *r->out_rows);
	r->out_pos = loom_calloc(n_out, sizeof *r->out_pos);
	r->scratch = loom_calloc(n_logit, sizeof *r->scratch);
	r->order = loom_calloc(n_logit, sizeof *r->order);
	if (r->spans && r->ids && r->pos && r->batch && r->out_rows && r->out_pos && r->scratch && r->order)
		return LOOM_OK;
	loom_runner_release(r);
	return loom_err_nomem(err, "rows of a step", n_tok * sizeof *r->spans);
}

void loom_runner_release(struct loom_runner *r)
{
	loom_kv_release(&r->kv);
	loom_copy_list_release(&r->copies);
	loom_free(r->seqs);
	loom_free(r->spans);
	loom_free(r->ids);
	loom_free(r->pos);
	loom_free(r->batch);
	loom_free(r->out_rows);
	loom_free(r->out_pos);
	loom_free(r->scratch);
	loom_free(r->order);
	*r = (struct loom_runner){0};
}

bool loom_runner_add(struct loom_runner *r, struct loom_seq *s)
{
	int32_t n = loom_kv_need(s->n_limit);
	if (n > r->kv.n_free)
		return false;
	if (r->n_seq == r->cap_seq) {
		size_t cap = r->cap_seq ? 2 * r->cap_seq : 16;
		struct loom_seq **v = loom_reallocarray(r->seqs, cap, sizeof(struct loom_seq *));
		if (!v)
			return false;
		r->seqs = v;
		r->cap_seq = cap;
	}
	s->pages = loom_calloc((size_t)n, sizeof *s->pages);
	if (!s->pages || !loom_kv_take(&r->kv, s->pages, n)) {
		loom_free(s->pages);
		s->pages = NULL;
		return false;
	}
	s->n_page = n;
	s->phase = LOOM_PHASE_PREFILL;
	r->seqs[r->n_seq++] = s;
	return true;
}

struct loom_seq *loom_runner_reap(struct loom_runner *r)
{
	for (size_t i = 0; i < r->n_seq; i++) {
		struct loom_seq *s = r->seqs[i];
		if (s->phase != LOOM_PHASE_DONE)
			continue;
		loom_kv_give(&r->kv, s->pages, s->n_page);
		loom_free(s->pages);
		s->pages = NULL;
		s->n_page = 0;
		r->n_seq--;
		memmove(r->seqs + i, r->seqs + i + 1, (r->n_seq - i) * sizeof(struct loom_seq *));
		return s;
	}
	return NULL;
}

void loom_runner_fail_all(struct loom_runner *r, const struct loom_err *err)
{
	for (size_t i = 0; i < r->n_seq; i++) {
		if (r->seqs[i]->phase != LOOM_PHASE_DONE)
			loom_seq_fail(r->seqs[i], err);
	}
}

/* ---- choosing rows ---- */

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
	r->batch[r->n_span] = (struct loom_batch_seq){.row0 = r->n_tok, .n_row = k, .pos0 = pos0, .pages = s->pages,
		.rope_len = s->phase == LOOM_PHASE_PREFILL ? s->n_prompt : pos0 + k};
	for (int32_t i = 0; i < k; i++) {
		r->ids[r->n_tok + i] = s->ids[pos0 + i];
		r->pos[r->n_tok + i] = pos0 + i;
	}
	r->n_span++;
	r->n_tok += k;
	r->n_out += n_out;
}

static void add_prefill(struct loom_runner *r, struct loom_seq *s, int32_t share)
{
	int32_t left = s->n_prompt - s->n_done, room = r->max_tok - r->n_tok;
	if (!r->plan->causal) {
		if (left <= room)
			add_span(r, s, left, true);
		return;
	}
	int32_t n = left < share ? left : share;
	add_span(r, s, n < room ? n : room, false);
}

static size_t count(const struct loom_runner *r, enum loom_phase phase)
{
	size_t n = 0;
	for (size_t i = 0; i < r->n_seq; i++)
		n += r->seqs[i]->phase == phase;
	return n;
}

/* Decode rows, then prompts, each a fair share of the room that is left. Prompts that must go in whole are taken by age, those that
 * do not fit being passed over: the oldest always fits. */
static void choose(struct loom_runner *r)
{
	size_t n_prefill = count(r, LOOM_PHASE_PREFILL);
	r->n_span = r->n_tok = r->n_out = 0;
	for (size_t i = 0; i < r->n_seq && r->n_tok < r->max_tok; i++) {
		struct loom_seq *s = r->seqs[(r->turn + i) % r->n_seq];
		if (s->phase == LOOM_PHASE_DECODE)
			add_span(r, s, 1, false);
	}
	if (n_prefill == 0)
		return;
	for (size_t i = 0; i < r->n_seq && r->n_tok < r->max_tok; i++) {
		struct loom_seq *s = r->seqs[((r->plan->causal ? r->turn : 0) + i) % r->n_seq];
		if (s->phase != LOOM_PHASE_PREFILL)
			continue;
		int32_t share = (int32_t)((size_t)(r->max_tok - r->n_tok) / n_prefill--);
		add_prefill(r, s, share < LEAST_SHARE ? LEAST_SHARE : share);
	}
}

/* ---- the step ---- */

static enum loom_status list_copies(struct loom_runner *r, struct loom_err *err)
{
	r->copies.n = 0;
	for (int32_t i = 0; i < r->n_span; i++) {
		struct loom_seq *s = r->spans[i].seq;
		for (size_t k = 0; k < s->n_capture; k++) {
			enum loom_status st = loom_capture_copies(&s->captures[k], &r->spans[i].rows, &r->copies, err);
			if (st)
				return st;
		}
	}
	loom_copy_list_sort(&r->copies);
	return LOOM_OK;
}

/* What the step made, to one sequence. */
static void hand_out(struct loom_runner *r, const struct loom_span *p, const float *logits)
{
	struct loom_seq *s = p->seq;
	struct loom_err err;
	s->n_done += p->rows.n_row;
	if (p->logits) {
		size_t row = (size_t)(p->rows.out0 + p->rows.n_out - 1);
		if (loom_seq_take_logits(s, logits + row * (size_t)r->plan->n_logit, r->plan->n_logit, r->scratch, r->order, &err))
			loom_seq_fail(s, &err);
	} else if (s->last || s->n_done == s->n_prompt) {
		loom_seq_finish(s);
	}
}

static void drop_cancelled(struct loom_runner *r)
{
	struct loom_err err;
	(void)loom_err_set(&err, LOOM_E_CANCELLED, "the client left");
	for (size_t i = 0; i < r->n_seq; i++) {
		if (r->seqs[i]->phase != LOOM_PHASE_DONE && atomic_load_explicit(&r->seqs[i]->cancelled, memory_order_relaxed))
			loom_seq_fail(r->seqs[i], &err);
	}
}

void loom_runner_step(struct loom_runner *r)
{
	struct loom_err err;
	const float *logits = NULL;
	drop_cancelled(r);
	choose(r);
	r->turn++;
	if (r->n_span == 0)
		return;
	struct loom_batch b = {.n_tok = r->n_tok, .n_seq = r->n_span, .n_out = r->n_out, .ids = r->ids, .pos = r->pos, .seqs = r->batch,
		.out_rows = r->out_rows};
	enum loom_status st = list_copies(r, &err);
	if (!st) {
		loom_mem_forbid(true); /* in debug builds an allocation inside exec is a fault */
		st = r->backend->exec(r->state, &b, r->copies.v, r->copies.n, &logits, &err);
		loom_mem_forbid(false);
	}
	if (!st && r->n_out > 0 && r->plan->n_logit > 0 && !logits)
		st = loom_err_set(&err, LOOM_E_INTERNAL, "backend %s gave no logits", r->backend->name);
	for (int32_t i = 0; i < r->n_span; i++) {
		if (st)
			loom_seq_fail(r->spans[i].seq, &err);
		else
			hand_out(r, &r->spans[i], logits);
	}
}
