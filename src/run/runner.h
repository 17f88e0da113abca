/* runner.h: continuous batching: each step packs rows of many sequences, runs them, and hands every sequence what is its own.
 *
 * One thread owns a runner. A step takes the decode rows, then prompts: the shortest first, half of the room being the oldest's, so that
 * a short text never waits for a long one's end and a long one never waits for ever (schedule.c). Pages are taken as positions come;
 * when none is left, the youngest sequence gives its own back and is run again later. Prompts that begin alike share pages. What a
 * sequence gets never depends on any of it: the backend promises the same bits for any packing (loom_backend.h), and a sequence chooses
 * its tokens from its own logits alone. */
#ifndef LOOM_RUNNER_H
#define LOOM_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

#include "capture.h"
#include "kv.h"
#include "loom_backend.h"
#include "pace.h"
#include "seq.h"

/* Rows of one sequence in the step being built. */
struct loom_span {
	struct loom_seq *seq;
	struct loom_capture_span rows;
	bool logits;                   /* the last row's logits are for the sequence itself, as the span's last gathered row */
};

/* A waiting prompt: rows left, and where it stands among the sequences. */
struct loom_turn {
	int32_t left;
	size_t index;
};

struct loom_runner {
	const struct loom_backend *backend;
	struct loom_device_state *state;
	const struct loom_plan *plan;
	int32_t max_tok, max_out;
	struct loom_kv kv;
	int32_t *states;               /* [n_state] numbers of free states of sequences at [0, n_state_free), where the plan keeps any */
	int32_t n_state_free;
	struct loom_seq **seqs;        /* [n_seq] in order of arrival */
	size_t n_seq, cap_seq;
	struct loom_turn *line;        /* [cap_seq] waiting prompts in the order of their turns */
	size_t turn;                   /* counts steps: where the next one starts */
	bool share;                    /* prompts that begin alike share pages */
	bool whole;                    /* a sequence takes all its pages when it starts, and is never run again */
	struct loom_pace pace;
	double (*now_ms)(void);        /* the clock of pace */
	uint64_t n_preempted, n_found; /* since the start: sequences run again, positions found in pages of others */
	/* the step */
	struct loom_span *spans;       /* [n_span], at most max_tok */
	int32_t n_span, n_tok, n_out, n_decode;
	int32_t *ids, *pos;            /* [max_tok] */
	int32_t *counted, *types;      /* [max_tok] */
	int32_t *out_rows, *out_pos;   /* [max_out] */
	struct loom_batch_seq *batch;  /* [max_tok] */
	struct loom_copy_list copies;
	float *scratch;                /* [2 n_logit] */
	int32_t *order;                /* [n_logit] */
};

/* The state is the caller's and outlives the runner. keep: pages kept for prompts that begin alike (kv.h). */
enum loom_status loom_runner_init(struct loom_runner *r, const struct loom_backend *b, struct loom_device_state *state,
	const struct loom_plan *plan, const struct loom_state_opts *o, int32_t keep, struct loom_err *err) LOOM_MUST_CHECK;
void loom_runner_release(struct loom_runner *r);
/* Takes s when the pages of what is known of it, and a state where the plan keeps any, are to be had beside what runs; false, with
 * nothing taken, when not (or no memory). The pages of s->n_limit positions must not be more than there are. */
bool loom_runner_add(struct loom_runner *r, struct loom_seq *s);
/* One step of whatever is there. Failures end up in the sequences they concern. */
void loom_runner_step(struct loom_runner *r);
/* Removes a sequence that is DONE, its pages given back; NULL when there is none. */
struct loom_seq *loom_runner_reap(struct loom_runner *r);
/* schedule.c: fills the step (spans, ids, pos, batch, out_rows): which rows of which sequences. */
void loom_runner_choose(struct loom_runner *r);
/* Ends everything with err. */
void loom_runner_fail_all(struct loom_runner *r, const struct loom_err *err);

#endif
