/* seq.c: what one sequence does with the logits of a step: a token, its text, stop strings, log probabilities, and the end.
 *
 * Stands between the runner, which packs rows and calls the backend, and the engine, which makes an answer of it. It knows
 * nothing of other sequences, so that nothing in it can depend on them. */
#include "seq.h"

#include <string.h>

#include "mem.h"
#include "str.h"

#define MAX_TEXT_BYTES ((size_t)1 << 30)

enum loom_status loom_seq_init(struct loom_seq *s, const int32_t *prompt, int32_t n_prompt, int32_t n_limit, struct loom_err *err)
{
	memset(s, 0, sizeof *s);
	s->n_prompt = s->n_id = n_prompt;
	s->n_limit = s->n_first = n_limit;
	s->n_logprobs = -1;
	loom_buf_init(&s->text, MAX_TEXT_BYTES);
	loom_err_clear(&s->err);
	loom_sampling_default(&s->sampling);
	s->ids = loom_calloc((size_t)n_limit, sizeof *s->ids);
	if (!s->ids)
		return loom_err_nomem(err, "ids of a sequence", (unsigned long long)n_limit * sizeof *s->ids);
	memcpy(s->ids, prompt, (size_t)n_prompt * sizeof *prompt);
	return LOOM_OK;
}

void loom_seq_release(struct loom_seq *s)
{
	loom_free(s->ids);
	loom_free(s->pages);
	loom_free(s->ends);
	loom_free(s->logprobs);
	loom_buf_release(&s->text);
	if (s->stream.t)
		loom_decode_stream_release(&s->stream);
	s->ids = s->pages = NULL;
	s->ends = NULL;
	s->logprobs = NULL;
	s->stream.t = NULL;
}

void loom_seq_finish(struct loom_seq *s)
{
	s->phase = LOOM_PHASE_DONE;
}

void loom_seq_fail(struct loom_seq *s, const struct loom_err *err)
{
	s->err = *err;
	s->phase = LOOM_PHASE_DONE;
}

/* ---- text ---- */

static bool is_eos(const struct loom_seq *s, int32_t id)
{
	for (int i = 0; i < s->n_eos; i++) {
		if (s->eos[i] == id)
			return true;
	}
	return false;
}

/* Cuts the text at the first stop string that ends after byte from; at equal places the earliest asked wins, the place being the same. */
static bool cut_at_stop(struct loom_seq *s, size_t from)
{
	size_t at = SIZE_MAX;
	for (int i = 0; i < s->n_stop && s->text.len > 0; i++) {
		size_t n = s->stop_len[i], begin = n == 0 || from < n ? 0 : from - n + 1;
		const char *hit = n == 0 ? NULL : memmem(s->text.data + begin, s->text.len - begin, s->stops[i], n);
		if (hit && (size_t)(hit - s->text.data) < at)
			at = (size_t)(hit - s->text.data);
	}
	if (at == SIZE_MAX)
		return false;
	s->text.len = at;
	s->text.data[at] = 0;
	return true;
}

/* Bytes of text that no stop string can take back: all but the longest tail that begins one. */
static size_t settled(const struct loom_seq *s)
{
	size_t hold = 0;
	for (int i = 0; i < s->n_stop; i++) {
		size_t n = s->stop_len[i] ? s->stop_len[i] - 1 : 0;
		if (n > s->text.len)
			n = s->text.len;
		for (; n > hold; n--) {
			if (memcmp(s->text.data + s->text.len - n, s->stops[i], n) == 0)
				hold = n;
		}
	}
	return s->text.len - hold;
}

static enum loom_status note_end(struct loom_seq *s, struct loom_err *err)
{
	size_t n = (size_t)loom_seq_n_new(s);
	if (!s->want_offsets)
		return LOOM_OK;
	if (!s->ends) {
		s->ends = loom_calloc((size_t)(s->n_limit - s->n_prompt), sizeof *s->ends);
		if (!s->ends)
			return loom_err_nomem(err, "offsets of tokens", (unsigned long long)(s->n_limit - s->n_prompt) * sizeof *s->ends);
	}
	if (s->text.len > s->n_counted) {
		s->n_char += (uint32_t)loom_utf8_count(s->text.data + s->n_counted, s->text.len - s->n_counted);
		s->n_counted = s->text.len;
	}
	s->ends[n - 1] = s->n_char;
	return LOOM_OK;
}

/* Offsets never point beyond a text that a stop string cut. */
static void clip_ends(struct loom_seq *s)
{
	uint32_t n = (uint32_t)loom_utf8_count(s->text.len ? s->text.data : "", s->text.len);
	for (int32_t i = 0; s->ends && i < loom_seq_n_new(s); i++) {
		if (s->ends[i] > n)
			s->ends[i] = n;
	}
}

/* Text of the newest token; *over: it was the last one. */
static enum loom_status decode_token(struct loom_seq *s, int32_t id, bool *over, struct loom_err *err)
{
	size_t from = s->text.len;
	if (!s->tokenizer)
		return LOOM_OK;
	if (!s->stream.t)
		loom_decode_stream_init(&s->stream, s->tokenizer, true);
	enum loom_status st = loom_decode_stream_push(&s->stream, id, &s->text, err);
	if (!st && *over)
		st = loom_decode_stream_flush(&s->stream, &s->text, err);
	if (!st && s->text.failed)
		st = loom_err_nomem(err, "text of a sequence", s->text.len);
	if (!st)
		st = note_end(s, err);
	if (!st && cut_at_stop(s, from)) {
		s->stopped = *over = true;
		clip_ends(s);
	}
	return st;
}

static void tell(struct loom_seq *s, int32_t id, bool over)
{
	size_t upto = over ? s->text.len : settled(s);
	if (!s->on_token)
		return;
	if (upto < s->n_told)
		upto = s->n_told;
	s->on_token(s->on_token_ctx, id, s->text.data ? s->text.data + s->n_told : "", upto - s->n_told);
	s->n_told = upto;
}

/* ---- a token ---- */

static enum loom_status note_logprob(struct loom_seq *s, const float *logits, int32_t n, int32_t id, struct loom_err *err)
{
	size_t at = (size_t)loom_seq_n_new(s) - 1;
	if (s->n_logprobs < 0)
		return LOOM_OK;
	if (at >= s->cap_logprob) {
		size_t cap = s->cap_logprob ? 2 * s->cap_logprob : 32;
		struct loom_seq_logprob *v = loom_reallocarray(s->logprobs, cap, sizeof *v);
		if (!v)
			return loom_err_nomem(err, "log probabilities", (unsigned long long)cap * sizeof *v);
		s->logprobs = v;
		s->cap_logprob = cap;
	}
	struct loom_seq_logprob *p = &s->logprobs[at];
	loom_logprobs(logits, n, id, s->n_logprobs, &p->value, p->top_ids, p->top);
	return LOOM_OK;
}

/* After the last token: one more step when a capture asks for the state of that token. */
static void end(struct loom_seq *s)
{
	for (size_t i = 0; i < s->n_capture; i++) {
		if (loom_capture_needs_last(&s->captures[i], s->n_id)) {
			s->last = true;
			s->phase = LOOM_PHASE_DECODE;
			return;
		}
	}
	loom_seq_finish(s);
}

enum loom_status loom_seq_take_logits(struct loom_seq *s, const float *logits, int32_t n, float *scratch, int32_t *order,
	struct loom_err *err)
{
	int32_t id = loom_sample(&s->sampling, logits, n, s->ids, (size_t)s->n_id, (uint64_t)loom_seq_n_new(s), scratch, order);
	s->ids[s->n_id++] = id;
	s->stopped = is_eos(s, id);
	bool over = s->stopped || s->n_id == s->n_limit;
	enum loom_status st = note_logprob(s, logits, n, id, err);
	if (!st)
		st = decode_token(s, id, &over, err);
	if (st)
		return st;
	tell(s, id, over);
	s->phase = LOOM_PHASE_DECODE;
	if (over)
		end(s);
	return LOOM_OK;
}
