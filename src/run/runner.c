/* runner.c: one step after another over the sequences of a model: choose rows (schedule.c), list the copies, run, hand out.
 *
 * Stands between the sequences and the backend's exec. It allocates when sequences come and when the list of copies grows, never
 * inside exec. Queues, threads and waiting are the engine's. */
#include "runner.h"

#include <string.h>

#include "clock.h"
#include "mem.h"

/* Rotary types that look at the length give a position other numbers when it is run again later. */
static bool looks_at_length(const struct loom_plan *p)
{
	for (int32_t i = 0; i < p->n_rope; i++) {
		if (p->ropes[i].type == LOOM_ROPE_DYNAMIC || p->ropes[i].type == LOOM_ROPE_LONGROPE)
			return true;
	}
	return false;
}

enum loom_status loom_runner_init(struct loom_runner *r, const struct loom_backend *b, struct loom_device_state *state,
	const struct loom_plan *plan, const struct loom_state_opts *o, int32_t keep, struct loom_err *err)
{
	size_t n_tok = (size_t)o->max_tok, n_out = (size_t)o->max_out, n_logit = (size_t)plan->n_logit;
	*r = (struct loom_runner){.backend = b, .state = state, .plan = plan, .max_tok = o->max_tok, .max_out = o->max_out,
		.now_ms = loom_clock_ms};
	r->whole = !plan->causal || looks_at_length(plan);
	/* what a state was at the end of a page is not kept; nor do pages say by which adapter they were filled */
	r->share = !r->whole && keep > 0 && plan->state_floats == 0 && plan->n_adapter == 0;
	enum loom_status st = loom_kv_init(&r->kv, o->n_page, r->share ? keep : 0, err);
	if (st)
		return st;
	r->spans = loom_calloc(n_tok, sizeof *r->spans);
	r->ids = loom_calloc(n_tok, sizeof *r->ids);
	r->pos = loom_calloc(n_tok, sizeof *r->pos);
	r->counted = loom_calloc(n_tok, sizeof *r->counted);
	r->types = loom_calloc(n_tok, sizeof *r->types);
	r->batch = loom_calloc(n_tok, sizeof *r->batch);
	r->out_rows = loom_calloc(n_out, sizeof *r->out_rows);
	r->out_pos = loom_calloc(n_out, sizeof *r->out_pos);
	r->scratch = loom_calloc(n_logit, 2 * sizeof *r->scratch);
	r->order = loom_calloc(n_logit, sizeof *r->order);
	r->states = loom_calloc((size_t)o->n_state, sizeof *r->states);
	for (int32_t i = 0; r->states && i < o->n_state; i++)
		r->states[r->n_state_free++] = o->n_state - 1 - i;
	if (r->states && r->spans && r->ids && r->pos && r->counted && r->types && r->batch && r->out_rows && r->out_pos && r->scratch && r->order)
		return LOOM_OK;
	loom_runner_release(r);
	return loom_err_nomem(err, "rows of a step", n_tok * sizeof *r->spans);
}

void loom_runner_release(struct loom_runner *r)
{
	loom_kv_release(&r->kv);
	loom_copy_list_release(&r->copies);
	loom_free(r->seqs);
	loom_free(r->line);
	loom_free(r->spans);
	loom_free(r->ids);
	loom_free(r->pos);
	loom_free(r->counted);
	loom_free(r->types);
	loom_free(r->batch);
	loom_free(r->out_rows);
	loom_free(r->out_pos);
	loom_free(r->scratch);
	loom_free(r->order);
	loom_free(r->states);
	*r = (struct loom_runner){0};
}

static bool grow(struct loom_runner *r)
{
	size_t cap = r->cap_seq ? 2 * r->cap_seq : 16;
	if (r->n_seq < r->cap_seq)
		return true;
	struct loom_seq **v = loom_reallocarray(r->seqs, cap, sizeof(struct loom_seq *));
	if (!v)
		return false;
	r->seqs = v;
	struct loom_turn *line = loom_reallocarray(r->line, cap, sizeof *line);
	if (!line)
		return false;
	r->line = line;
	r->cap_seq = cap;
	return true;
}

/* The first position that a capture may want: what lies before it need not be run. */
static int32_t first_wanted(const struct loom_seq *s)
{
	int32_t first = s->n_limit;
	for (size_t i = 0; i < s->n_capture; i++) {
		const struct loom_capture *c = &s->captures[i];
		int32_t at = c->roll ? s->n_prompt - 1 : c->n_row > 0 ? c->lo : s->n_limit;
		first = at < first ? at : first;
	}
	return first;
}

bool loom_runner_add(struct loom_runner *r, struct loom_seq *s)
{
	int32_t room = loom_kv_need(s->n_limit), n = r->whole ? room : loom_kv_need(s->n_id + 1 < s->n_limit ? s->n_id + 1 : s->n_limit);
	int32_t beside = r->whole ? 0 : (int32_t)r->n_seq; /* those that run may each take a page before this one ends */
	bool state = r->plan->state_floats > 0;
	if ((state && r->n_state_free == 0) || room > r->kv.n_page || n + beside > loom_kv_available(&r->kv) || !grow(r))
		return false;
	s->pages = loom_calloc((size_t)room, sizeof *s->pages);
	if (!s->pages || (r->whole && !loom_kv_take(&r->kv, s->pages, n))) {
		loom_free(s->pages);
		s->pages = NULL;
		return false;
	}
	if (state)
		s->state = r->states[--r->n_state_free];
	s->n_page = r->whole ? n : 0;
	s->n_share = first_wanted(s);
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
		s->n_page = 0;
		if (r->plan->state_floats > 0)
			r->states[r->n_state_free++] = s->state;
		loom_free(s->pages);
		s->pages = NULL;
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

/* ---- the step ---- */

/* The copies of all spans; *culprit is whose could not be listed. */
static enum loom_status list_copies(struct loom_runner *r, struct loom_seq **culprit, struct loom_err *err)
{
	r->copies.n = 0;
	for (int32_t i = 0; i < r->n_span; i++) {
		struct loom_seq *s = r->spans[i].seq;
		for (size_t k = 0; k < s->n_capture; k++) {
			enum loom_status st = loom_capture_copies(&s->captures[k], &r->spans[i].rows, &r->copies, err);
			*culprit = s;
			if (st)
				return st;
		}
	}
	loom_copy_list_sort(&r->copies);
	return LOOM_OK;
}

/* Pages that are full now get their names, so that others find them. */
static void name_pages(struct loom_runner *r, struct loom_seq *s)
{
	while (r->share && (s->n_named + 1) * LOOM_PAGE <= s->n_done) {
		s->name = loom_kv_publish(&r->kv, s->pages[s->n_named], s->name, s->ids + (size_t)s->n_named * LOOM_PAGE);
		s->n_named++;
	}
}

/* What the step made, to one sequence. */
static void hand_out(struct loom_runner *r, const struct loom_span *p, const float *logits)
{
	struct loom_seq *s = p->seq;
	struct loom_err err;
	s->n_done += p->rows.n_row;
	name_pages(r, s);
	if (p->logits) {
		size_t row = (size_t)(p->rows.out0 + p->rows.n_out - 1);
		if (loom_seq_take_logits(s, logits + row * (size_t)r->plan->n_logit, r->plan->n_logit, r->scratch, r->order, &err))
			loom_seq_fail(s, &err);
	} else if (s->n_done == s->n_id) {
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

/* Chooses rows and lists their copies. Who has no memory for its own fails alone: the step is chosen again without it. */
static void prepare(struct loom_runner *r)
{
	struct loom_err err;
	struct loom_seq *culprit = NULL;
	loom_runner_choose(r);
	while (list_copies(r, &culprit, &err)) {
		loom_seq_fail(culprit, &err);
		loom_runner_choose(r);
	}
}

void loom_runner_step(struct loom_runner *r)
{
	struct loom_err err;
	const float *logits = NULL;
	drop_cancelled(r);
	prepare(r);
	r->turn++;
	if (r->n_span == 0)
		return;
	struct loom_batch b = {.n_tok = r->n_tok, .n_seq = r->n_span, .n_out = r->n_out, .ids = r->ids, .pos = r->pos, .types = r->types,
		.counted = r->plan->skip_id >= 0 ? r->counted : NULL, .seqs = r->batch,
		.out_rows = r->out_rows};
	double start = r->now_ms();
	loom_mem_forbid(true); /* in debug builds an allocation inside exec is a fault */
	enum loom_status st = r->backend->exec(r->state, &b, r->copies.v, r->copies.n, &logits, &err);
	loom_mem_forbid(false);
	loom_pace_note(&r->pace, r->n_decode, r->n_tok - r->n_decode, r->now_ms() - start);
	if (!st && r->n_out > 0 && r->plan->n_logit > 0 && !logits)
		st = loom_err_set(&err, LOOM_E_INTERNAL, "backend %s gave no logits", r->backend->name);
	for (int32_t i = 0; i < r->n_span; i++) {
		if (st)
			loom_seq_fail(r->spans[i].seq, &err);
		else
			hand_out(r, &r->spans[i], logits);
	}
}
