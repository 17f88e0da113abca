/* capture_parse.h: the "capture" field: one object or a list of them. */
#ifndef LOOM_CAPTURE_PARSE_H
#define LOOM_CAPTURE_PARSE_H

#include "request_parse.h"

/* v is there and not null. */
enum loom_status loom_parse_captures(struct loom_parsed *p, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;

/* The field as JSON schemas, one object or a list. */
#define LOOM_CAPTURE_SCHEMA LOOM_CAPTURE_OBJECT ",{\"type\":\"array\",\"maxItems\":16,\"items\":" LOOM_CAPTURE_OBJECT "}"
#define LOOM_CAPTURE_OBJECT "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"name\":{\"type\":[\"string\",\"null\"]," \
	"\"minLength\":1,\"maxLength\":63},\"site\":{\"enum\":[\"hidden\",\"resid_pre\",\"resid_mid\",\"resid_post\",\"attn_norm\",\"mlp_norm\"," \
	"\"attn_out\",\"mlp_out\",\"q\",\"k\",\"v\",\"attn_heads\",\"attn_probs\",\"mlp_act\",\"router\",\"final_norm\",\"logits\",null]}," \
	"\"layers\":" LOOM_CAPTURE_LIST "\"all\"]}]},\"positions\":" LOOM_CAPTURE_LIST "\"last\",\"prompt\",\"generated\",\"all\"]}]}," \
	"\"reduce\":{\"enum\":[null,\"mean\",\"max\",\"sum\"]},\"dtype\":{\"enum\":[\"float32\",\"float16\",\"bfloat16\",null]}}}"
#define LOOM_CAPTURE_LIST "{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"integer\"}},{\"type\":\"string\"," \
	"\"pattern\":\"^-?[0-9]*:-?[0-9]*(:[0-9]*)?$\"},{\"enum\":["

#endif
