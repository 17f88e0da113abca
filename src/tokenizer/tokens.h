/* tokens.h: what a model stage hands out for one piece, and the scratch it needs. */
#ifndef LOOM_TOKENS_H
#define LOOM_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "text.h"

/* One token of a piece: bytes [start, end) of the piece's text. */
struct loom_token {
	int32_t id;
	uint32_t start, end;
};

/* Lives through one encode call. */
struct loom_tokens {
	struct loom_token *t; /* [n] of all pieces so far */
	size_t n, cap;
	struct loom_bpe_symbol *symbols; /* bpe.c */
	size_t cap_symbol;
	struct loom_bpe_merge *heap;
	size_t n_heap, cap_heap;
	struct loom_unigram_way *ways; /* unigram.c */
	size_t cap_way;
	struct loom_buf key; /* a string being looked up */
};

/* Room for one more; records out of memory in w. */
bool loom_tokens_push(struct loom_tokens *t, struct loom_work *w, int32_t id, size_t start, size_t end);

void loom_tokens_release(struct loom_tokens *t);

#endif
