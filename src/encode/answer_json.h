/* answer_json.h: struct loom_answer → the body of an HTTP answer (api.md): JSON with lists or base64, or one safetensors file. */
#ifndef LOOM_ANSWER_JSON_H
#define LOOM_ANSWER_JSON_H

#include "body.h"
#include "flow.h"
#include "json_out.h"

enum loom_format { LOOM_FORMAT_LIST, LOOM_FORMAT_BASE64, LOOM_FORMAT_SAFETENSORS, LOOM_N_FORMAT };
const char *loom_format_name(enum loom_format f);
int loom_format_parse(const char *name); /* -1 */

struct loom_encode_opts {
	enum loom_format format;
	enum loom_dtype dtype;        /* of hidden_states, sequence_hidden_states, attention_weights in binary formats */
	bool return_token_ids;
	const char *model_id, *device, *compute, *warning; /* warning "" none */
};

/* The answer must outlive the body: safetensors are sent from its memory. */
enum loom_status loom_encode_generate(struct loom_body *b, const struct loom_answer *a, const struct loom_request *q,
	const struct loom_encode_opts *o, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_encode_embed(struct loom_body *b, const struct loom_answer *a, const struct loom_request *q,
	const struct loom_encode_opts *o, struct loom_err *err) LOOM_MUST_CHECK;
/* The member "metadata" of an answer to /embed. */
void loom_embed_metadata(struct loom_json_out *j, const struct loom_answer *a, const struct loom_encode_opts *o);
/* Batches: a [n] and q [n] in order; total_ms for all of them. */
enum loom_status loom_encode_generate_batch(struct loom_body *b, const struct loom_answer *a, const struct loom_request *q, size_t n,
	double total_ms, const struct loom_encode_opts *o, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_encode_embed_batch(struct loom_body *b, const struct loom_answer *a, const struct loom_request *q, size_t n,
	double total_ms, const struct loom_encode_opts *o, struct loom_err *err) LOOM_MUST_CHECK;

/* {"results": [{"index", "score"}], best first} of the n texts of a rerank; raw: the model's own numbers even where it wants them squashed. */
enum loom_status loom_encode_rerank(struct loom_body *b, const struct loom_answer *a, size_t n, bool raw, double total_ms,
	const struct loom_encode_opts *o, struct loom_err *err) LOOM_MUST_CHECK;

/* A token of a stream. */
struct loom_stream_token {
	int32_t id;                   /* -1: none was generated */
	const char *text;             /* [n_text] */
	size_t n_text;
	const char *finish_reason;    /* NULL: it goes on */
	const struct loom_answer_tensor *states; /* [n_state] */
	size_t n_state;
};
/* Append server-sent events. */
enum loom_status loom_encode_token_event(struct loom_buf *b, const struct loom_stream_token *t, const struct loom_encode_opts *o,
	struct loom_err *err) LOOM_MUST_CHECK;
void loom_encode_error_event(struct loom_buf *b, const struct loom_err *err);

/* The estimate of "dry_run". */
enum loom_status loom_encode_dry_run(struct loom_body *b, const struct loom_answer *a, struct loom_err *err) LOOM_MUST_CHECK;
/* {"results": [estimates], "bytes": of all} */
enum loom_status loom_encode_dry_run_batch(struct loom_body *b, const struct loom_answer *a, size_t n, struct loom_err *err) LOOM_MUST_CHECK;
/* {"error": {"message", "type", "param", "code"}, "detail"} */
void loom_encode_error(struct loom_buf *b, const struct loom_err *err);

#endif
