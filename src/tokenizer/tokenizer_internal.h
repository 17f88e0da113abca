/* tokenizer_internal.h: the stages of one tokenizer together, for the files that open it from a format. */
#ifndef LOOM_TOKENIZER_INTERNAL_H
#define LOOM_TOKENIZER_INTERNAL_H

#include "added.h"
#include "bpe.h"
#include "decode.h"
#include "normalize.h"
#include "post.h"
#include "pretokenize.h"
#include "tokenizer.h"
#include "unigram.h"
#include "vocab.h"
#include "wordlevel.h"
#include "wordpiece.h"

enum loom_tokenizer_model { LOOM_MODEL_BPE, LOOM_MODEL_WORDPIECE, LOOM_MODEL_UNIGRAM, LOOM_MODEL_WORDLEVEL };

struct loom_tokenizer {
	struct loom_arena arena;
	struct loom_added added;
	struct loom_normalizer normalizer;
	struct loom_pretokenizer pretokenizer;
	enum loom_tokenizer_model model;
	struct loom_vocab vocab;
	struct loom_bpe bpe;             /* when model is BPE */
	struct loom_wordpiece wordpiece; /* when it is WordPiece */
	struct loom_unigram unigram;     /* when it is Unigram */
	struct loom_wordlevel wordlevel; /* when it is WordLevel */
	struct loom_post post;
	struct loom_decoder decoder;
	size_t max_length;               /* of the "truncation" section; 0: none */
	bool cuts_left;
};

/* An empty tokenizer, then in this order: its vocabulary and model, its stages, its added tokens, finish. */
enum loom_status loom_tokenizer_new(struct loom_tokenizer **out, size_t n_vocab, struct loom_err *err) LOOM_MUST_CHECK;
/* spec: an object with normalizer, pre_tokenizer, post_processor and decoder as tokenizer.json has them. */
enum loom_status loom_tokenizer_stages(struct loom_tokenizer *t, const json_t *spec, struct loom_err *err) LOOM_MUST_CHECK;
/* The same from JSON text. */
enum loom_status loom_tokenizer_stages_text(struct loom_tokenizer *t, const char *json, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_tokenizer_wordpiece(struct loom_tokenizer *t, const char *unk, const char *prefix, size_t n_prefix,
	size_t max_chars, struct loom_err *err) LOOM_MUST_CHECK;
/* Adds one special token as is (not normalized, no strips). */
enum loom_status loom_tokenizer_special(struct loom_tokenizer *t, const char *s, size_t n, struct loom_err *err)
	LOOM_MUST_CHECK;
/* spec: an object {content, single_word, …}; a list of them is "added_tokens". */
enum loom_status loom_tokenizer_added(struct loom_tokenizer *t, const json_t *spec, const char *where, struct loom_err *err)
	LOOM_MUST_CHECK;
/* spec: {"token": id, …}; where names it. */
enum loom_status loom_tokenizer_vocab(struct loom_tokenizer *t, const json_t *spec, const char *where, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Folders without tokenizer.json (open_files.c). */
enum loom_status loom_tokenizer_open_gpt2(const char *dir, struct loom_tokenizer **out, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_tokenizer_open_bert(const char *dir, struct loom_tokenizer **out, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_tokenizer_open_spm(const char *dir, const char *name, struct loom_tokenizer **out, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_tokenizer_open_tekken(const char *dir, struct loom_tokenizer **out, struct loom_err *err) LOOM_MUST_CHECK;

#endif
