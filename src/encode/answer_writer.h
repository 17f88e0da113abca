/* answer_writer.h: what the encoders of answers share: JSON in the making, and the tensors that follow it in a safetensors body. */
#ifndef LOOM_ANSWER_WRITER_H
#define LOOM_ANSWER_WRITER_H

#include "answer_json.h"

struct loom_writer {
	struct loom_json_out j;
	struct loom_buf json;
	const struct loom_encode_opts *o;
	struct loom_arena arena;
	struct loom_st_entry *entries; /* [n_entry] of a safetensors body */
	size_t n_entry, cap_entry;
	int64_t item;                  /* of a batch: before the names of tensors; -1 no batch */
	struct loom_err *err;
	enum loom_status rc;           /* of the first failure */
};

void loom_writer_begin(struct loom_writer *w, const struct loom_encode_opts *o, struct loom_err *err);
/* The body; frees w. */
enum loom_status loom_writer_finish(struct loom_writer *w, struct loom_body *b) LOOM_MUST_CHECK;
/* A string of base64. */
void loom_writer_base64(struct loom_writer *w, const float *v, size_t n, enum loom_dtype dtype);
/* A tensor of a safetensors body, named group.name; t must live until the body is made. */
void loom_writer_entry(struct loom_writer *w, const char *group, const char *name, const struct loom_answer_tensor *t, enum loom_dtype dtype);
/* A member of tensors. own: each names its dtype (captures); else the options' for all. nested: data as rows. */
void loom_writer_tensors(struct loom_writer *w, const char *group, const struct loom_answer_tensor *t, size_t n, bool own, bool nested);
/* The object alone. */
void loom_writer_members(struct loom_writer *w, const char *group, const struct loom_answer_tensor *t, size_t n, bool own, bool nested);
/* Numbers in a tensor. */
size_t loom_writer_count(const struct loom_answer_tensor *t);
/* "key": [which token each position is]; key NULL: the list alone. */
void loom_writer_tokens(struct loom_json_out *j, const char *key, const struct loom_answer *a);
/* "key": [integers] */
void loom_writer_ints(struct loom_json_out *j, const char *key, const int64_t *v, size_t n);

#endif
