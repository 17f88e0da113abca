/* gguf_pre.h: what the names of tokenizer.ggml.pre stand for: normalizer and pre-tokenizer as the tokenizer.json
 * of the family has them. */
#ifndef LOOM_GGUF_PRE_H
#define LOOM_GGUF_PRE_H

#include "jsonx.h"

struct loom_gguf_pre {
	const char *const *names; /* NULL-terminated */
	bool nfc, ignore_merges;
	bool add_bos;             /* when the file does not say */
	const char *steps[7];     /* patterns that split, or one of the words of gguf_pre.c */
};

/* NULL: unknown. */
const struct loom_gguf_pre *loom_gguf_pre_find(const char *name);
/* Its first name that is no mere fallback. */
const char *loom_gguf_pre_name(const struct loom_gguf_pre *p);
/* The i-th of the table; NULL behind the last. */
const struct loom_gguf_pre *loom_gguf_pre_at(size_t i);
/* An object with normalizer, pre_tokenizer and decoder; NULL: out of memory. */
json_t *loom_gguf_pre_stages(const struct loom_gguf_pre *p);

#endif
