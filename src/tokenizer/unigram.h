/* unigram.h: the Unigram model of SentencePiece: of all ways to cut a piece into strings of the vocabulary, the
 * one with the largest sum of scores, found from left to right with the best way to each place. Characters that
 * no string covers cost more than any string; a run of them is one unknown token, or its bytes. */
#ifndef LOOM_UNIGRAM_H
#define LOOM_UNIGRAM_H

#include "tokens.h"
#include "trie.h"
#include "vocab.h"

struct loom_unigram {
	const struct loom_vocab *vocab;
	struct loom_trie trie;
	double *scores;     /* [n] by id */
	size_t n;
	double unk_score;   /* of one unknown character */
	int32_t unk_id;     /* -1: none, an error when it is needed */
	int32_t bytes[256]; /* ids of <0x00>..<0xFF>, -1: none */
	bool byte_fallback;
};

/* The vocabulary is complete; scores [n] are taken over, also on failure. unk_id: -1 for none. */
enum loom_status loom_unigram_init(struct loom_unigram *u, const struct loom_vocab *v, double *scores, size_t n, int64_t unk_id,
	bool byte_fallback, struct loom_err *err) LOOM_MUST_CHECK;
void loom_unigram_release(struct loom_unigram *u);
bool loom_unigram_run(const struct loom_unigram *u, struct loom_work *w, struct loom_tokens *t, const char *s, size_t n);

#endif
