/* gguf_write.h: a GGUF v3 file written from front to back: metadata and tensor table are gathered first, then put down at once, then each
 * tensor's data in the table's order. Errors are sticky and told by loom_gguf_out_close. */
#ifndef LOOM_GGUF_WRITE_H
#define LOOM_GGUF_WRITE_H

#include <stdio.h>

#include "buf.h"
#include "gguf.h"

struct loom_gguf_out {
	struct loom_buf keys, table; /* as they will stand in the file */
	uint64_t n_key, n_tensor;
	uint64_t data;      /* bytes of tensors so far, padding included: the next one's offset */
	uint32_t alignment;
	const char *path;   /* the caller's */
	FILE *f;            /* NULL before loom_gguf_out_begin */
	uint64_t at;        /* bytes written */
	bool failed;
};

void loom_gguf_out_init(struct loom_gguf_out *o, const char *path, uint32_t alignment);
void loom_gguf_out_release(struct loom_gguf_out *o);

/* One key and its value. Strings are n bytes. */
void loom_gguf_out_u32(struct loom_gguf_out *o, const char *key, uint32_t v);
void loom_gguf_out_f32(struct loom_gguf_out *o, const char *key, double v);
void loom_gguf_out_bool(struct loom_gguf_out *o, const char *key, bool v);
void loom_gguf_out_string(struct loom_gguf_out *o, const char *key, const char *s, size_t n);
/* An array's head; its n elements follow, strings by _text, others by _bytes (little-endian, as this machine has them). */
void loom_gguf_out_array(struct loom_gguf_out *o, const char *key, enum loom_gguf_type type, uint64_t n);
void loom_gguf_out_text(struct loom_gguf_out *o, const char *s, size_t n);
void loom_gguf_out_bytes(struct loom_gguf_out *o, const void *data, size_t n);
/* A value of another file as it is. */
void loom_gguf_out_value(struct loom_gguf_out *o, const struct loom_gguf_value *v);

/* The next tensor of the table; shape outermost first. Its bytes are returned. */
uint64_t loom_gguf_out_tensor(struct loom_gguf_out *o, const char *name, int n_dim, const int64_t *shape, enum loom_dtype type);
/* ggml's number of a type. */
uint32_t loom_ggml_number(enum loom_dtype type);

/* Creates the file, which must not exist, with all that was gathered. */
enum loom_status loom_gguf_out_begin(struct loom_gguf_out *o, struct loom_err *err) LOOM_MUST_CHECK;
void loom_gguf_out_data(struct loom_gguf_out *o, const void *data, size_t n);
void loom_gguf_out_pad(struct loom_gguf_out *o); /* after each tensor's data */
/* Closes the file; rc is the caller's outcome. Where it or the writing failed the file is removed. Returns rc, or what went wrong. */
enum loom_status loom_gguf_out_close(struct loom_gguf_out *o, enum loom_status rc, struct loom_err *err) LOOM_MUST_CHECK;

#endif
