/* wordlevel.h: the WordLevel model: a piece is a token, or unknown. */
#ifndef LOOM_WORDLEVEL_H
#define LOOM_WORDLEVEL_H

#include "tokens.h"
#include "vocab.h"

struct loom_wordlevel {
	const struct loom_vocab *vocab;
	const char *unk;
	int32_t unk_id; /* -1: not in the vocabulary, an error when it is needed */
};

static inline bool loom_wordlevel_run(const struct loom_wordlevel *m, struct loom_work *w, struct loom_tokens *t, const char *s, size_t n)
{
	int32_t id = loom_vocab_id(m->vocab, s, n);
	if (id < 0)
		id = m->unk_id;
	if (id >= 0)
		return loom_tokens_push(t, w, id, 0, n);
	w->status = loom_err_set(w->err, LOOM_E_INVALID, "the text has a word outside the tokenizer's vocabulary, and its unk_token "
		"\"%.60s\" is not in the vocabulary either", m->unk);
	return false;
}

#endif
