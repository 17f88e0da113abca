/* gguf.h: GGUF v2 and v3 (ggml-org/ggml docs/gguf.md): metadata and tensor table. Tensors go into a
 * store, shapes outermost first; every size is checked against the file before it is believed. */
#ifndef LOOM_GGUF_H
#define LOOM_GGUF_H

#include <stdbool.h>

#include "store.h"

enum loom_gguf_type {
	LOOM_GGUF_U8, LOOM_GGUF_I8, LOOM_GGUF_U16, LOOM_GGUF_I16, LOOM_GGUF_U32, LOOM_GGUF_I32, LOOM_GGUF_F32, LOOM_GGUF_BOOL,
	LOOM_GGUF_STRING, LOOM_GGUF_ARRAY, LOOM_GGUF_U64, LOOM_GGUF_I64, LOOM_GGUF_F64
};

struct loom_gguf_str {
	const char *data; /* [len], valid as long as the gguf; NUL-terminated too */
	size_t len;
};

struct loom_gguf_value {
	const char *key;
	enum loom_gguf_type type;      /* ARRAY: elements are elem_type */
	enum loom_gguf_type elem_type;
	uint64_t n;                    /* array length, 1 for scalars */
	union {
		uint64_t u;            /* unsigned, bool */
		int64_t i;             /* signed */
		double f;              /* F32, F64 */
	} num;                         /* scalars */
	const void *raw;               /* arrays of numbers: packed little-endian elements [n] */
	struct loom_gguf_str *str;     /* STRING (1) or array of strings [n] */
};

struct loom_gguf {
	struct loom_arena arena;
	struct loom_gguf_value *values; /* [n_value] */
	size_t n_value;
	struct loom_table by_key;
	uint32_t version, alignment;
};

/* Opens path: metadata into g, tensors into s (which takes the file). With s NULL only metadata is read.
 * On failure both may be released. LOOM_E_MODEL for malformed files, naming what, where, expected, found. */
enum loom_status loom_gguf_open(struct loom_gguf *g, struct loom_store *s, const char *path, const char *name,
	struct loom_err *err) LOOM_MUST_CHECK;
void loom_gguf_release(struct loom_gguf *g);
const struct loom_gguf_value *loom_gguf_find(const struct loom_gguf *g, const char *key);
/* Typed look-ups: false when absent or of another kind. Integers accept any integer type that fits. */
bool loom_gguf_int(const struct loom_gguf *g, const char *key, int64_t *out);
bool loom_gguf_num(const struct loom_gguf *g, const char *key, double *out); /* integers too */
bool loom_gguf_bool(const struct loom_gguf *g, const char *key, bool *out);
const char *loom_gguf_string(const struct loom_gguf *g, const char *key); /* NULL when absent */
/* Element i of an array of numbers as a double / integer. */
double loom_gguf_array_num(const struct loom_gguf_value *v, uint64_t i);
int64_t loom_gguf_array_int(const struct loom_gguf_value *v, uint64_t i);

#endif
