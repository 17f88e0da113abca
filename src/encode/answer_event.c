/* answer_event.c: what is sent beside whole answers: the events of a stream, estimates and errors. */
#include "answer_json.h"

#include "answer_writer.h"

/* ---- the events of a stream ---- */

enum loom_status loom_encode_token_event(struct loom_buf *b, const struct loom_stream_token *t, const struct loom_encode_opts *o,
	struct loom_err *err)
{
	struct loom_writer w;
	struct loom_json_out *j = &w.j;
	struct loom_body body;
	enum loom_status rc;

	loom_writer_begin(&w, o, err);
	loom_json_open(j, '{');
	loom_json_key(j, "token");
	loom_json_put_text(j, t->text, t->n_text);
	loom_json_key(j, "token_id");
	if (t->id < 0) {
		loom_json_put_null(j);
	} else {
		loom_json_put_int(j, t->id);
	}
	loom_json_key(j, "is_finished");
	loom_json_put_bool(j, t->finish_reason != NULL);
	loom_json_member(j, "finish_reason", t->finish_reason);
	if (t->n_state > 0) {
		loom_writer_tensors(&w, "hidden_states", t->states, t->n_state, false, false);
	}
	loom_json_close(j, '}');
	loom_body_init(&body);
	rc = loom_writer_finish(&w, &body);
	if (rc == LOOM_OK) {
		(void)loom_buf_puts(b, "event: token\ndata: ");
		(void)loom_buf_append(b, body.head.data, body.head.len);
		(void)loom_buf_puts(b, "\n\n");
		rc = b->failed ? loom_err_nomem(err, "event", b->len) : LOOM_OK;
	}
	loom_body_release(&body);
	return rc;
}

void loom_encode_error_event(struct loom_buf *b, const struct loom_err *err)
{
	struct loom_json_out j;

	(void)loom_buf_puts(b, "event: error\ndata: ");
	loom_json_out_init(&j, b);
	loom_json_open(&j, '{');
	loom_json_member(&j, "error", err->message);
	loom_json_member(&j, "code", err->code[0] ? err->code : loom_status_code(err->status));
	loom_json_member(&j, "param", err->param[0] ? err->param : NULL);
	loom_json_close(&j, '}');
	(void)loom_buf_puts(b, "\n\n");
}

/* ---- estimates and errors ---- */

static void put_estimate(struct loom_json_out *j, const struct loom_answer *a)
{
	loom_json_open(j, '{');
	loom_json_key(j, "prompt_tokens");
	loom_json_put_int(j, (int64_t)a->n_prompt);
	loom_json_key(j, "bytes");
	loom_json_put_int(j, (int64_t)a->estimate_bytes);
	loom_json_key(j, "captures");
	loom_json_open(j, '{');
	for (size_t i = 0; i < a->n_capture; i++) {
		const struct loom_answer_tensor *t = &a->captures[i];
		loom_json_key(j, t->name);
		loom_json_open(j, '{');
		loom_writer_ints(j, "shape", t->shape, (size_t)t->n_dim);
		loom_json_key(j, "bytes");
		loom_json_put_int(j, (int64_t)(loom_writer_count(t) * (t->dtype == LOOM_F32 ? 4 : 2)));
		loom_json_close(j, '}');
	}
	loom_json_close(j, '}');
	loom_json_close(j, '}');
}

enum loom_status loom_encode_dry_run(struct loom_body *b, const struct loom_answer *a, struct loom_err *err)
{
	struct loom_json_out j;

	loom_json_out_init(&j, &b->head);
	put_estimate(&j, a);
	return b->head.failed ? loom_err_nomem(err, "answer", b->head.len) : LOOM_OK;
}

enum loom_status loom_encode_dry_run_batch(struct loom_body *b, const struct loom_answer *a, size_t n, struct loom_err *err)
{
	struct loom_json_out j;
	uint64_t bytes = 0;

	loom_json_out_init(&j, &b->head);
	loom_json_open(&j, '{');
	loom_json_key(&j, "results");
	loom_json_open(&j, '[');
	for (size_t i = 0; i < n; i++) {
		put_estimate(&j, &a[i]);
		bytes += a[i].estimate_bytes;
	}
	loom_json_close(&j, ']');
	loom_json_key(&j, "bytes");
	loom_json_put_int(&j, (int64_t)bytes);
	loom_json_close(&j, '}');
	return b->head.failed ? loom_err_nomem(err, "answer", b->head.len) : LOOM_OK;
}

void loom_encode_error(struct loom_buf *b, const struct loom_err *err)
{
	struct loom_json_out j;
	int http = loom_status_http(err->status);

	loom_json_out_init(&j, b);
	loom_json_open(&j, '{');
	loom_json_key(&j, "error");
	loom_json_open(&j, '{');
	loom_json_member(&j, "message", err->message);
	loom_json_member(&j, "type", http >= 500 ? "server_error" : http == 429 ? "rate_limit_error" : "invalid_request_error");
	loom_json_member(&j, "param", err->param[0] ? err->param : NULL);
	loom_json_member(&j, "code", err->code[0] ? err->code : loom_status_code(err->status));
	loom_json_close(&j, '}');
	loom_json_member(&j, "detail", err->message);
	loom_json_close(&j, '}');
}
