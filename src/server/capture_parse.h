/* capture_parse.h: the "capture" field: one object or a list of them. */
#ifndef LOOM_CAPTURE_PARSE_H
#define LOOM_CAPTURE_PARSE_H

#include "request_parse.h"

/* NULL and null: none. */
enum loom_status loom_parse_captures(struct loom_parsed *p, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;
/* A "float32" | "float16" | "bfloat16" member; param names it in messages. */
enum loom_status loom_parse_dtype(const json_t *root, const char *key, const char *param, enum loom_dtype *out, struct loom_err *err)
	LOOM_MUST_CHECK;

#endif
