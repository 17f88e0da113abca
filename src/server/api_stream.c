/* api_stream.c: POST /generate/stream: tokens as server-sent events while they are made.
 *
 * The model's worker leaves each token in a buffer and goes on; this connection's own thread writes events. So a client that stops reading holds
 * nobody: when the buffer is full, or nothing was taken for stream_stall_seconds, the work is stopped; and once the work is done the model is let go
 * before what is left is written. */
#include <pthread.h>
#include <string.h>

#include "api_run.h"
#include "clock.h"
#include "mem.h"

#define WAIT_MS 50
#define PING_MS 15000

/* What the worker leaves of a token; the text and the floats follow it. */
struct record {
	int32_t id;
	uint32_t n_text, n_state;
	int64_t position;
};

struct stream {
	struct loom_exchange *x;
	struct loom_run run;
	pthread_mutex_t lock;
	struct loom_buf pending;       /* records */
	struct loom_answer_tensor *shapes; /* [n_shape] of the states, without data, once the first token came */
	size_t n_shape;
	bool too_slow, no_memory;      /* a record was lost: the reader was left behind, or there was no memory for it */
	/* this thread's own */
	bool lost;                     /* an event could not be made */
	struct loom_buf taken, out;
	int32_t last_id;               /* -1 none yet */
	double written_ms;
};

/* ---- on the worker's thread ---- */

/* Everything about the states but their rows is the same for each token. Lock held. */
static bool keep_shapes(struct stream *s, const struct loom_token_event *t)
{
	if (s->shapes || t->n_state == 0) {
		return true;
	}
	s->shapes = loom_calloc(t->n_state, sizeof(*s->shapes));
	if (!s->shapes) {
		return false;
	}
	memcpy(s->shapes, t->states, t->n_state * sizeof(*s->shapes));
	s->n_shape = t->n_state;
	return true;
}

static bool on_token(void *ctx, const struct loom_token_event *t)
{
	struct stream *s = ctx;
	struct record r = {.id = t->id, .n_text = (uint32_t)t->n_piece, .n_state = (uint32_t)t->n_state,
		.position = t->n_state > 0 ? t->states[0].positions[0] : 0};
	size_t before, bytes = sizeof(r) + t->n_piece;
	bool fits, ok;

	for (size_t i = 0; i < t->n_state; i++) {
		bytes += (size_t)t->states[i].shape[1] * sizeof(float);
	}
	(void)pthread_mutex_lock(&s->lock);
	before = s->pending.len;
	fits = bytes <= s->pending.max - before;
	ok = fits && keep_shapes(s, t) && loom_buf_append(&s->pending, &r, sizeof(r)) && loom_buf_append(&s->pending, t->piece, t->n_piece);
	for (size_t i = 0; ok && i < t->n_state; i++) {
		ok = loom_buf_append(&s->pending, t->states[i].data, (size_t)t->states[i].shape[1] * sizeof(float));
	}
	if (!ok) {
		s->pending.len = before; /* no half of a record */
		s->too_slow = s->too_slow || !fits;
		s->no_memory = s->no_memory || fits;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return ok;
}

/* ---- on the connection's thread ---- */

/* One record's event; returns the bytes that the record took, 0 after a failure. */
static size_t put_record(struct stream *s, const char *at)
{
	struct record r;
	struct loom_stream_token t;
	int64_t position;
	size_t n = sizeof(r);

	memcpy(&r, at, sizeof(r));
	position = r.position;
	t = (struct loom_stream_token){.id = r.id, .text = at + n, .n_text = r.n_text, .states = s->shapes, .n_state = r.n_state};
	n += r.n_text;
	for (size_t i = 0; i < r.n_state; i++) {
		struct loom_answer_tensor *state = &s->shapes[i];
		size_t bytes = (size_t)state->shape[1] * sizeof(float);
		float *row = loom_malloc(bytes ? bytes : 1); /* the record's floats may lie at any byte */
		if (!row) {
			t.n_state = i;
			n = 0;
			break;
		}
		memcpy(row, at + n, bytes);
		state->data = row;
		state->positions = &position;
		n += bytes;
	}
	if (n > 0 && loom_encode_token_event(&s->out, &t, &s->run.encode, NULL) != LOOM_OK) {
		n = 0;
	}
	for (size_t i = 0; i < t.n_state; i++) {
		loom_free(s->shapes[i].data);
		s->shapes[i].data = NULL;
	}
	s->last_id = r.id;
	return n;
}

static bool write_out(struct stream *s, unsigned idle_seconds)
{
	static const char starved[] = "event: error\ndata: {\"error\":\"out of memory\",\"code\":\"insufficient_memory\",\"param\":null}\n\n";
	const char *data = s->out.failed ? starved : s->out.data;
	bool ok = s->x->stream_write(s->x->gone_ctx, data, s->out.failed ? sizeof(starved) - 1 : s->out.len, idle_seconds) && !s->out.failed;

	loom_buf_reset(&s->out);
	s->written_ms = loom_clock_ms();
	return ok;
}

/* What the worker left becomes events; false when one was lost. */
static bool take(struct stream *s)
{
	struct loom_buf swap;

	(void)pthread_mutex_lock(&s->lock);
	swap = s->taken;
	s->taken = s->pending;
	s->pending = swap;
	(void)pthread_mutex_unlock(&s->lock);
	for (size_t at = 0; at < s->taken.len && !s->lost;) {
		size_t n = put_record(s, s->taken.data + at);
		s->lost = n == 0;
		at += n;
	}
	loom_buf_reset(&s->taken);
	return !s->lost;
}

/* Writes them; false when the client is gone. */
static bool drain(struct stream *s)
{
	if (!take(s)) {
		return false;
	}
	if (s->out.len == 0 && loom_clock_ms() - s->written_ms > PING_MS) {
		(void)loom_buf_puts(&s->out, ": still here\n\n");
	}
	if (s->out.failed) {
		s->lost = true;
		return false;
	}
	return s->out.len == 0 || write_out(s, s->x->opts->stream_stall_seconds);
}

static enum loom_status put_done(struct stream *s, struct loom_err *err)
{
	const struct loom_answer *a = &s->x->answer;
	struct loom_stream_token last = {.id = s->last_id, .text = "", .finish_reason = a->finish_reason};
	struct loom_body b;
	enum loom_status rc;

	loom_body_init(&b);
	rc = loom_encode_generate(&b, a, &s->run.p.req, &s->run.encode, err);
	rc = rc ? rc : loom_encode_token_event(&s->out, &last, &s->run.encode, err);
	if (rc == LOOM_OK) {
		(void)loom_buf_puts(&s->out, "event: done\ndata: ");
		(void)loom_buf_append(&s->out, b.head.data, b.head.len);
		(void)loom_buf_puts(&s->out, "\n\n");
		rc = s->out.failed ? loom_err_nomem(err, "event", s->out.len) : LOOM_OK;
	}
	loom_body_release(&b);
	return rc;
}

/* The end of a stream that did not go well: whoever still listens is told why. */
static void put_failure(struct stream *s, struct loom_err *err)
{
	if (s->too_slow) {
		(void)loom_err_set(err, LOOM_E_CANCELLED, "the events were read too slowly: more than %zu bytes waited", s->x->opts->stream_buffer_bytes);
		(void)memcpy(err->code, "slow_reader", sizeof("slow_reader"));
	} else if (s->no_memory || s->lost) {
		(void)loom_err_nomem(err, "an event", s->out.len);
	} else if (err->status == LOOM_E_CANCELLED) {
		(void)loom_err_set(err, LOOM_E_UNAVAILABLE, "shutting down");
	}
	if (s->out.failed) {
		loom_buf_reset(&s->out);
	}
	loom_encode_error_event(&s->out, err);
}

/* Runs it to its end. The head of the answer is sent once the work is queued, so that everything refused before is a plain error. */
static enum loom_status fly(struct stream *s, struct loom_err *err)
{
	struct loom_exchange *x = s->x;
	struct loom_flight *f = NULL;
	bool there;
	enum loom_status rc = loom_engine_begin(x->engine, s->run.r, &s->run.p.req, &x->answer, &f, err);

	if (rc) {
		return rc;
	}
	if (s->run.p.req.dry_run) {
		rc = loom_flight_end(f, err);
		return rc ? rc : loom_encode_dry_run(&x->body, &x->answer, err);
	}
	there = x->stream_open(x->gone_ctx);
	s->written_ms = loom_clock_ms();
	while (there && !loom_flight_wait(f, WAIT_MS)) {
		there = drain(s) && !x->gone(x->gone_ctx);
	}
	if (!there) {
		loom_flight_cancel(f);
	}
	rc = loom_flight_end(f, err);
	if (!take(s) && rc == LOOM_OK) {
		rc = loom_err_nomem(err, "event", s->out.len);
	}
	rc = rc ? rc : put_done(s, err);
	if (rc) {
		put_failure(s, err);
	} else {
		loom_run_note(&s->run, x, &x->answer);
	}
	loom_engine_release(x->engine, s->run.r);
	s->run.r = NULL;
	there = write_out(s, x->opts->idle_seconds) && there;
	loom_metrics_stream(x->metrics, !there || s->too_slow);
	return err->status && rc ? err->status : rc;
}

enum loom_status loom_api_generate_stream(struct loom_exchange *x, struct loom_err *err)
{
	struct stream s = {.x = x, .last_id = -1};
	enum loom_status rc;

	loom_buf_init(&s.pending, x->opts->stream_buffer_bytes);
	loom_buf_init(&s.taken, x->opts->stream_buffer_bytes);
	loom_buf_init(&s.out, SIZE_MAX / 4);
	if (pthread_mutex_init(&s.lock, NULL) != 0) {
		return loom_err_set(err, LOOM_E_UNAVAILABLE, "no lock to be had");
	}
	rc = loom_run_open(&s.run, x, loom_stream_body, err);
	if (rc == LOOM_OK && s.run.p.format == LOOM_FORMAT_SAFETENSORS) {
		rc = loom_err_param(err, LOOM_E_INVALID, "hidden_state_format", "hidden_state_format: expected \"list\" or \"base64\" in a stream");
	}
	s.run.p.req.on_token = on_token;
	s.run.p.req.on_token_ctx = &s;
	rc = rc ? rc : fly(&s, err);
	loom_run_release(&s.run, x);
	(void)pthread_mutex_destroy(&s.lock);
	loom_free(s.shapes);
	loom_buf_release(&s.pending);
	loom_buf_release(&s.taken);
	loom_buf_release(&s.out);
	return rc;
}
