/* runner.h: continuous batching: each step packs rows of many sequences, runs them, and hands every sequence what is its own.
 *
 * One thread owns a runner. Decode rows go first, then shares of prompts; where they do not all fit, each step starts with another
 * sequence, so that none waits for ever. What a sequence gets never depends on the others: the backend promises the same bits for
 * any packing (loom_backend.h), and a sequence chooses its tokens from its own logits alone. */
#ifndef LOOM_RUNNER_H
#define LOOM_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

#include "capture.h"
#include "kv.h"
#include "loom_backend.h"
#include "seq.h"

/* Rows of one sequence in the step being built. */
struct loom_span {
	struct loom_seq *seq;
	struct loom_capture_span rows;
	bool logits;                   /* the last row's logits are for the sequence itself, as the span's last gathered row */
};

struct loom_runner {
	const struct loom_backend *backend;
	struct loom_device_state *state;
	const struct loom_plan *plan;
	int32_t max_tok, max_out;
	struct loom_kv kv;
	struct loom_seq **seqs;        /* [n_seq] in order of arrival */
	size_t n_seq, cap_seq;
	size_t turn;                   /* counts steps: where the next one starts */
	/* the step */
	struct loom_span *spans;       /* [n_span], at most max_tok */
	int32_t n_span, n_tok, n_out;
	int32_t *ids, *pos;            /* [max_tok] */
	int32_t *out_rows, *out_pos;   /* [max_out] */
	struct loom_batch_seq *batch;  /* [max_tok] */
	struct loom_copy_list copies;
	float *scratch;                /* [n_logit] */
	int32_t *order;                /* [n_logit] */
};

/* The state is the caller's and outlives the runner. */
enum loom_status loom_runner_init(struct loom_runner *r, const struct loom_backend *b, struct loom_device_state *state,
	const struct loom_plan *plan, const struct loom_state_opts *o, struct loom_err *err) LOOM_MUST_CHECK;
void loom_runner_release(struct loom_runner *r);
/* Takes the pages that s may need and s itself; false, with nothing taken, when there are too few free ones (or no memory). */
bool loom_runner_add(struct loom_runner *r, struct loom_seq *s);
/* One step of whatever is there. Failures end up in the sequences they concern. */
void loom_runner_step(struct loom_runner *r);
/* Removes a sequence that is DONE, its pages given back; NULL when there is none. */
struct loom_seq *loom_runner_reap(struct loom_runner *r);
/* Ends everything with err. */
void loom_runner_fail_all(struct loom_runner *r, const struct loom_err *err);

#endif
