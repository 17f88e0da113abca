/* request_parse.h: JSON bodies → struct loom_request, checked in form (types, ranges, unknown fields); what needs the model is checked
 * by the engine. Errors are LOOM_E_INVALID naming the field, what was expected and what was found. */
#ifndef LOOM_REQUEST_PARSE_H
#define LOOM_REQUEST_PARSE_H

#include <jansson.h>

#include "answer_json.h"
#include "arena.h"
#include "flow.h"

/* Owns everything the request points to; the JSON text's strings stay in root. */
struct loom_parsed {
	struct loom_arena arena;
	json_t *root;
	struct loom_request req;
	const char *model;
	int loader;              /* enum loom_loader, -1: detect */
	enum loom_format format;
	enum loom_dtype dtype;   /* of hidden states in binary formats */
	bool return_token_ids;
};
void loom_parsed_init(struct loom_parsed *p);
void loom_parsed_release(struct loom_parsed *p);

/* Takes root (an object or anything else) also on failure. strict: unknown fields are refused. need_model: else "model" is refused as unknown
 * (the command line names it itself). */
enum loom_status loom_parse_generate(struct loom_parsed *p, json_t *root, bool strict, bool need_model, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_parse_embed(struct loom_parsed *p, json_t *root, bool strict, bool need_model, struct loom_err *err) LOOM_MUST_CHECK;

/* For bodies that are not requests of a model's run: an object with fields of the list only (NULL-terminated), nearest name suggested. */
enum loom_status loom_check_fields(const json_t *root, const char *const *fields, struct loom_err *err) LOOM_MUST_CHECK;
/* A required string field. */
enum loom_status loom_need_string(const json_t *root, const char *key, const char **out, size_t *n, struct loom_err *err) LOOM_MUST_CHECK;
/* A list of token ids into arena. */
enum loom_status loom_parse_ids(const json_t *list, const char *key, struct loom_arena *arena, const int32_t **ids, size_t *n,
	struct loom_err *err) LOOM_MUST_CHECK;
/* "quantization": absent, null and "none" are fine, others are refused by name (they come with the quantization work). */
enum loom_status loom_check_quantization(const json_t *root, struct loom_err *err) LOOM_MUST_CHECK;

#endif
