/* wordpiece.h: WordPiece: the longest vocabulary string from the left, again and again; a piece that can't be
 * covered, or has more than max_chars characters, is one unknown token. */
#ifndef LOOM_WORDPIECE_H
#define LOOM_WORDPIECE_H

#include "tokens.h"
#include "vocab.h"

struct loom_wordpiece {
	const struct loom_vocab *vocab;
	const char *unk;
	int32_t unk_id;    /* -1: not in the vocabulary, an error when it is needed */
	const char *prefix; /* of a continuing piece, "##" */
	size_t n_prefix;
	size_t max_chars;
};

bool loom_wordpiece_run(const struct loom_wordpiece *m, struct loom_work *w, struct loom_tokens *t, const char *s, size_t n);

#endif
