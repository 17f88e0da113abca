/* request_fields.h: parsers of single fields for the tables of request_parse.c (input_fields.h): target is a struct loom_parsed, v is there and not
 * null, LOOM_E_INVALID names the field. */
#ifndef LOOM_REQUEST_FIELDS_H
#define LOOM_REQUEST_FIELDS_H

#include "request_parse.h"

enum loom_status loom_field_model(void *target, const char *name, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_field_prompt(void *target, const char *name, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_field_text(void *target, const char *name, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_field_prompts(void *target, const char *name, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_field_texts(void *target, const char *name, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_field_loader(void *target, const char *name, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_field_stops(void *target, const char *name, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_field_layers(void *target, const char *name, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_field_seed(void *target, const char *name, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_field_pooling(void *target, const char *name, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_field_normalize(void *target, const char *name, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_field_capture(void *target, const char *name, const json_t *v, struct loom_err *err) LOOM_MUST_CHECK;

#endif
