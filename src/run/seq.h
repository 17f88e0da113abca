/* seq.h: one sequence on its way through the model: its ids, where it stands, what it still wants, and what came out of it.
 *
 * The engine fills it and hands it to a runner; from then until phase DONE only the runner's thread touches it. The fields under
 * "asked" are the engine's and outlive the sequence; what is under "made" is the sequence's own. */
#ifndef LOOM_SEQ_H
#define LOOM_SEQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "buf.h"
#include "capture.h"
#include "err.h"
#include "sample.h"
#include "tokenizer.h"

enum loom_phase { LOOM_PHASE_WAITING, LOOM_PHASE_PREFILL, LOOM_PHASE_DECODE, LOOM_PHASE_DONE };

/* Log probability of a generated token and of the best ones at its place. */
struct loom_seq_logprob {
	float value;
	int32_t top_ids[LOOM_MAX_LOGPROBS];
	float top[LOOM_MAX_LOGPROBS];
};

struct loom_seq {
	/* asked */
	int32_t n_prompt;             /* P, at least 1 */
	int32_t n_first;              /* tokens from here on are of type 1: the second text of a pair */
	int32_t adapter;              /* the model's, from 1; 0 none */
	int32_t n_limit;              /* positions it may have in all; n_limit - n_prompt tokens are generated at most */
	struct loom_sampling sampling;
	const int32_t *eos;           /* [n_eos] */
	int n_eos;
	const char *const *stops;     /* [n_stop], each stop_len[i] bytes */
	const size_t *stop_len;
	int n_stop;
	int n_logprobs;               /* best ones wanted; -1: no log probabilities */
	bool want_offsets;            /* fill ends */
	const struct loom_tokenizer *tokenizer; /* NULL: no text is made */
	struct loom_capture *captures; /* [n_capture] begun */
	size_t n_capture;
	void (*on_token)(void *ctx, int32_t id, const char *piece, size_t n_piece);
	void *on_token_ctx;
	atomic_bool cancelled;        /* set by anybody: ends at the next step */
	void *owner;                  /* the engine's */
	uint64_t client;              /* who asks, for fairness alone; 0: nobody in particular */
	double start_tag;             /* queue.h */
	struct loom_seq *next;        /* queue of whoever holds it */
	/* made */
	int32_t *ids;                 /* [n_limit], n_id known: prompt, then generated */
	int32_t n_id;
	int32_t n_done;               /* positions that were run */
	enum loom_phase phase;
	bool last;                    /* the one step after the last token, for captures alone */
	bool stopped;                 /* by end of sequence or a stop string, not by length */
	int32_t *pages;               /* [n_page] held; room for those of n_limit positions */
	int32_t n_page;
	int32_t state;                /* number of its state in the backend, where the plan keeps any; from when it is taken until it is reaped */
	int32_t n_named;              /* pages of it whose content has a name (kv.h), the last of them `name` */
	uint64_t name;
	int32_t n_share;              /* positions below this may come from pages that others filled: no capture wants them */
	int32_t n_found;              /* positions that did, for people */
	struct loom_decode_stream stream;
	struct loom_buf text;         /* decoded continuation; up to the stop string once stopped */
	size_t n_told;                /* bytes of it that on_token was given */
	uint32_t *ends;               /* [generated] code points of text after each token, when want_offsets */
	uint32_t n_char;              /* code points in text up to n_counted bytes */
	size_t n_counted;
	struct loom_seq_logprob *logprobs; /* [generated, cap_logprob] */
	size_t cap_logprob;
	struct loom_err err;          /* status LOOM_OK: it went well */
};

/* prompt [n_prompt] is copied. The rest of "asked" is set by the caller afterwards, before it is run. */
enum loom_status loom_seq_init(struct loom_seq *s, const int32_t *prompt, int32_t n_prompt, int32_t n_limit, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Frees what it made; captures are the caller's. */
void loom_seq_release(struct loom_seq *s);
static inline int32_t loom_seq_n_new(const struct loom_seq *s)
{
	return s->n_id - s->n_prompt;
}
/* Takes the logits that follow the last position run: samples, decodes, tells, and decides whether it goes on (phase, last, stopped).
 * scratch [2 n] and order [n] are the runner's. */
enum loom_status loom_seq_take_logits(struct loom_seq *s, const float *logits, int32_t n, float *scratch, int32_t *order,
	struct loom_err *err) LOOM_MUST_CHECK;
/* Nothing more to run: DONE. */
void loom_seq_finish(struct loom_seq *s);
void loom_seq_fail(struct loom_seq *s, const struct loom_err *err);

#endif
