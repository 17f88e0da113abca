/* exchange.h: one request and its answer, as the handlers see them: no sockets here. */
#ifndef LOOM_EXCHANGE_H
#define LOOM_EXCHANGE_H

#include <jansson.h>

#include "body.h"
#include "input_fields.h"
#include "metrics.h"
#include "server.h"

/* What a handler found out, for the log and the counters. */
struct loom_facts {
	char model[256];
	int64_t n_prompt, n_generated;
	double inference_ms;
};

struct loom_exchange {
	struct loom_engine *engine;
	const struct loom_server_opts *opts;
	struct loom_metrics *metrics;
	const char *method, *path;  /* path without query, not decoded */
	const char *rest;           /* what a route's '*' stands for, percent-decoded */
	const char *id;             /* X-Request-Id */
	uint64_t client;            /* who asks (flow.h) */
	const char *data;           /* [n_data] the request's body */
	size_t n_data;
	bool strict;                /* refuse unknown fields */
	/* true when the client has hung up */
	bool (*gone)(void *ctx);
	void *gone_ctx;             /* of the next two as well */
	/* An answer in pieces (server-sent events): open sends the head; both are false when the client is gone, or takes nothing for so many
	 * seconds. What a handler returns after open is only logged: it tells the client itself. */
	bool (*stream_open)(void *ctx);
	bool (*stream_write)(void *ctx, const char *data, size_t n, unsigned idle_seconds);
	/* filled by the handler */
	int status;                 /* 200 unless it says otherwise */
	struct loom_body body;
	struct loom_answer answer;  /* what the body may point into */
	struct loom_answer *answers; /* [n_answer] of a batch, likewise */
	size_t n_answer;
	struct loom_facts facts;
};

/* A handler fills x->body, or returns an error that becomes the error answer. */
typedef enum loom_status (*loom_handler)(struct loom_exchange *x, struct loom_err *err);

struct loom_route {
	const char *method;
	const char *path;           /* a last "*" takes the rest */
	loom_handler handler;
	const struct loom_input_field *const *body; /* tables of the body's fields, up to NULL; NULL: no body */
	bool lenient;               /* unknown fields are ignored (/v1) */
	const char *summary;
	const char *answer;         /* JSON schema of the answer; NULL: no JSON */
	const char *answer_type;    /* its media type; NULL: application/json */
};
extern const struct loom_route loom_routes[]; /* up to a NULL method */
/* LOOM_E_NOT_FOUND, or LOOM_E_METHOD; allow: the methods that the path has. HEAD finds GET, OPTIONS the path's first row. */
enum loom_status loom_route_find(const char *method, const char *path, const struct loom_route **route, const char **rest, char *allow,
	size_t cap, struct loom_err *err) LOOM_MUST_CHECK;

/* The body as JSON; LOOM_E_BAD_REQUEST when it is not. */
enum loom_status loom_exchange_json(const struct loom_exchange *x, json_t **root, struct loom_err *err) LOOM_MUST_CHECK;
/* LOOM_OK, or out of memory when the body's head could not be written. */
enum loom_status loom_exchange_done(const struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;

enum loom_status loom_api_generate(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_generate_stream(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_generate_batch(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_embed(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_embed_batch(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_rerank(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_analyze(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_tokenize(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_detokenize(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_models(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_model(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_model_load(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_model_unload(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_loaders(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_probe(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_health(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_metrics(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_api_openapi(struct loom_exchange *x, struct loom_err *err) LOOM_MUST_CHECK;

/* Bodies of the routes that are not request_parse.h's. */
extern const struct loom_input_field *const loom_tokenize_body[];
extern const struct loom_input_field *const loom_detokenize_body[];
extern const struct loom_input_field *const loom_load_body[];

/* Shared with the command line: a request parsed from JSON run against a model, and its body. */
struct loom_parsed;
enum loom_status loom_answer_parsed(struct loom_engine *e, struct loom_resident *r, struct loom_parsed *p, struct loom_answer *a,
	struct loom_body *b, struct loom_err *err) LOOM_MUST_CHECK;
/* {"text", "add_special_tokens"} → ids …, and back; t is the model's tokenizer. Fields beside those and "model" (when with_model) are refused. */
enum loom_status loom_tokenize_json(const struct loom_tokenizer *t, const json_t *root, bool with_model, struct loom_buf *out,
	struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_detokenize_json(const struct loom_tokenizer *t, const json_t *root, bool with_model, struct loom_buf *out,
	struct loom_err *err) LOOM_MUST_CHECK;

#endif
