/* gguf_words.h: a tokenizer as GGUF metadata: the other direction of open_gguf.c. */
#ifndef LOOM_GGUF_WORDS_H
#define LOOM_GGUF_WORDS_H

#include "gguf_write.h"
#include "tokenizer.h"

/* What the model says of the words. */
struct loom_gguf_model {
	int32_t n_vocab;      /* rows of the embedding table: the file has as many tokens */
	int32_t bos_id;       /* -1: none */
	const int32_t *eos_ids; /* [n_eos] those that end a generation */
	int n_eos;
};
/* tokenizer.ggml.* and tokenizer.chat_template. dir: the folder that t is from. LOOM_E_MODEL: no key of GGUF says how t works, with what it is. */
enum loom_status loom_tokenizer_to_gguf(const struct loom_tokenizer *t, const char *dir, const struct loom_gguf_model *m, struct loom_gguf_out *o,
	struct loom_err *err) LOOM_MUST_CHECK;
/* Do two tokenizers, one written as GGUF and read again, give the same ids for a text of many scripts? false: where they part is in why. */
enum loom_status loom_tokenizer_same(const struct loom_tokenizer *a, const struct loom_tokenizer *b, bool *same, struct loom_err *err) LOOM_MUST_CHECK;

#endif
