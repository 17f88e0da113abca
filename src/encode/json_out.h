/* json_out.h: JSON out: exact escaping, and float32 numbers as the shortest decimals that restore them. Over a loom_buf, whose sticky
 * failure is checked once at the end. */
#ifndef LOOM_JSON_OUT_H
#define LOOM_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

struct loom_json_out {
	struct loom_buf *b;
	bool comma; /* something stands before in the open object or array */
};
void loom_json_out_init(struct loom_json_out *j, struct loom_buf *b);
/* '{', '}', '[' or ']' */
void loom_json_open(struct loom_json_out *j, char bracket);
void loom_json_close(struct loom_json_out *j, char bracket);
void loom_json_key(struct loom_json_out *j, const char *key);
void loom_json_put_str(struct loom_json_out *j, const char *s); /* NULL: null */
void loom_json_member(struct loom_json_out *j, const char *key, const char *value); /* "key": "value" */
void loom_json_put_text(struct loom_json_out *j, const char *s, size_t n);
void loom_json_put_int(struct loom_json_out *j, int64_t v);
void loom_json_put_num(struct loom_json_out *j, double v); /* not finite: null */
void loom_json_put_bool(struct loom_json_out *j, bool v);
void loom_json_put_null(struct loom_json_out *j);
/* An array of floats; those that are not finite are null. Returns how many were not. */
size_t loom_json_put_floats(struct loom_json_out *j, const float *v, size_t n);
/* Makes room for something written directly into b after a comma where one is due. */
void loom_json_raw(struct loom_json_out *j);

#endif
