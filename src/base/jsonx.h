/* jsonx.h: strict JSON in, through jansson: duplicate keys, trailing text, invalid UTF-8, numbers that
 * overflow a double and nesting over LOOM_MAX_JSON_DEPTH are refused; NUL inside strings is allowed.
 * Typed getters give one clear error. `where` names the file or "" for a request body. */
#ifndef LOOM_JSONX_H
#define LOOM_JSONX_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* *out is a new reference (json_decref). Status on malformed input is `bad` (LOOM_E_BAD_REQUEST for
 * bodies, LOOM_E_MODEL for files); the message names where, line and column. */
enum loom_status loom_json_parse(const char *text, size_t n, const char *where, enum loom_status bad, json_t **out,
	struct loom_err *err) LOOM_MUST_CHECK;
/* Reads at most max bytes of a regular file and parses it. Missing: LOOM_E_NOT_FOUND. `where` as above. */
enum loom_status loom_json_load(const char *path, const char *where, size_t max, json_t **out, struct loom_err *err)
	LOOM_MUST_CHECK;

/* Optional members: absent or null leaves *out as it is. A wrong type or range is an error with status
 * `bad`, naming where and key: "config.json: num_attention_heads: expected an integer 1..4096, found "x"". */
struct loom_json_ctx {
	const char *where;      /* "config.json" or "" */
	enum loom_status bad;   /* LOOM_E_MODEL, LOOM_E_INVALID, … */
};
enum loom_status loom_json_int(const struct loom_json_ctx *c, const json_t *obj, const char *key, int64_t min, int64_t max,
	int64_t *out, struct loom_err *err) LOOM_MUST_CHECK;
/* Accepts integers and finite reals. */
enum loom_status loom_json_num(const struct loom_json_ctx *c, const json_t *obj, const char *key, double min, double max,
	double *out, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_json_bool(const struct loom_json_ctx *c, const json_t *obj, const char *key, bool *out,
	struct loom_err *err) LOOM_MUST_CHECK;
/* *out points into the JSON value. NUL bytes inside are refused. */
enum loom_status loom_json_str(const struct loom_json_ctx *c, const json_t *obj, const char *key, const char **out,
	struct loom_err *err) LOOM_MUST_CHECK;
/* A short quoted form of v for messages (at most 40 bytes of it), e.g. `"x"`, `-3`, `an object`. */
void loom_json_show(const json_t *v, char *out, size_t cap);
/* Points jansson at loom_malloc and friends; call once at start of every program. */
void loom_json_setup(void);

#endif
