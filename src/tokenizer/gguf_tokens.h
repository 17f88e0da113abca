/* gguf_tokens.h: the tokenizer part of a GGUF file while a tokenizer is made of it (open_gguf.c, gguf_pieces.c). */
#ifndef LOOM_GGUF_TOKENS_H
#define LOOM_GGUF_TOKENS_H

#include "gguf.h"
#include "tokenizer_internal.h"

#define LOOM_GGUF_T "tokenizer.ggml."

enum { LOOM_GGUF_NORMAL = 1, LOOM_GGUF_UNKNOWN, LOOM_GGUF_CONTROL, LOOM_GGUF_USER_DEFINED, LOOM_GGUF_UNUSED, LOOM_GGUF_BYTE };

struct loom_gguf_tokens {
	const struct loom_gguf *g;
	const struct loom_gguf_value *tokens;         /* [n] strings */
	const struct loom_gguf_value *types, *scores; /* [n]; NULL: absent */
	struct loom_tokenizer *t;
};

/* The vocabulary, as the file spells it. */
enum loom_status loom_gguf_tokens_add(struct loom_gguf_tokens *f, struct loom_err *err) LOOM_MUST_CHECK;
/* BPE with the merges that the file lists. */
enum loom_status loom_gguf_tokens_merges(struct loom_gguf_tokens *f, struct loom_err *err) LOOM_MUST_CHECK;
/* Control and user-defined tokens. */
enum loom_status loom_gguf_tokens_added(struct loom_gguf_tokens *f, struct loom_err *err) LOOM_MUST_CHECK;
/* Keys without their prefix: the id of the second when the first says so (add: when it is absent); else -1. */
enum loom_status loom_gguf_tokens_around(const struct loom_gguf_tokens *f, const char *ask, const char *id_of, bool add, int32_t *out,
	struct loom_err *err) LOOM_MUST_CHECK;

enum loom_status loom_gguf_fill_llama(struct loom_gguf_tokens *f, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_gguf_fill_gemma(struct loom_gguf_tokens *f, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_gguf_fill_bert(struct loom_gguf_tokens *f, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_gguf_fill_t5(struct loom_gguf_tokens *f, struct loom_err *err) LOOM_MUST_CHECK;

/* The stages around SentencePiece's BPE: does each text get a space in front? */
const char *loom_gguf_spaced(bool prefix);
/* Those around Unigram, as JSON appended to b: the charsmap's bytes (NULL: none); a space in front; runs of spaces are one. */
void loom_gguf_t5_stages(struct loom_buf *b, const void *charsmap, size_t n, bool prefix, bool words);

#endif
