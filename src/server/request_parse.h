/* request_parse.h: JSON bodies → struct loom_request, checked in form (types, ranges, unknown fields); what needs the model is checked
 * by the engine. Errors are LOOM_E_INVALID naming the field, what was expected and what was found. */
#ifndef LOOM_REQUEST_PARSE_H
#define LOOM_REQUEST_PARSE_H

#include <jansson.h>

#include "answer_json.h"
#include "arena.h"
#include "input_fields.h"
#include "flow.h"

/* Owns everything the request points to; the JSON text's strings stay in root. */
struct loom_parsed {
	struct loom_arena arena;
	json_t *root;
	struct loom_request req;
	struct loom_request *items; /* [n_item] of a batch: req with each one's text or ids */
	size_t n_item, max_items;
	const char *model;
	int loader;              /* enum loom_loader, -1: detect */
	int format;              /* enum loom_format */
	int dtype;               /* enum loom_dtype of hidden states in binary formats */
	int64_t top_k, logprobs;
	bool return_token_ids;
	bool raw_scores;         /* of a rerank */
};
void loom_parsed_init(struct loom_parsed *p);
void loom_parsed_release(struct loom_parsed *p);

/* The bodies, for the route table. */
extern const struct loom_input_field *const loom_generate_body[];
extern const struct loom_input_field *const loom_stream_body[];
extern const struct loom_input_field *const loom_generate_batch_body[];
extern const struct loom_input_field *const loom_embed_body[];
extern const struct loom_input_field *const loom_embed_batch_body[];
extern const struct loom_input_field *const loom_rerank_body[];

/* Takes root (an object or anything else) also on failure. strict: unknown fields are refused. body: one of the above; generate: the first
 * three. */
enum loom_status loom_parse_request(struct loom_parsed *p, json_t *root, const struct loom_input_field *const *body, bool strict,
	struct loom_err *err) LOOM_MUST_CHECK;
/* The same for the command line, which names the model itself: "model" is unknown. */
enum loom_status loom_parse_bare(struct loom_parsed *p, json_t *root, bool embed, struct loom_err *err) LOOM_MUST_CHECK;

/* A list of token ids into arena. */
enum loom_status loom_parse_ids(const json_t *list, const char *key, struct loom_arena *arena, const int32_t **ids, size_t *n,
	struct loom_err *err) LOOM_MUST_CHECK;

#endif
