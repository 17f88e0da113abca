/* bpe.h: byte-pair encoding. A piece starts as its characters and the merge of lowest rank (leftmost first)
 * is applied until none is left; a heap keeps that at n log n for a piece of any length. */
#ifndef LOOM_BPE_H
#define LOOM_BPE_H

#include "tokens.h"
#include "vocab.h"

#define LOOM_BPE_DIRECT 0x200 /* characters below have their ids in a table */

struct loom_bpe_rule;
struct loom_bpe {
	const struct loom_vocab *vocab;
	struct loom_bpe_rule *rules; /* [cap] open addressing on the pair */
	size_t n, cap;
	int32_t last;                /* what the last merge made */
	uint64_t seed;
	const char *unk;             /* NULL: characters outside the vocabulary vanish, as in the library */
	const char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix; NULL: none */
	size_t n_prefix, n_suffix;
	int32_t unk_id;              /* -1: not in the vocabulary, an error when it is needed */
	bool fuse_unk, byte_fallback, ignore_merges;
	int32_t direct[LOOM_BPE_DIRECT]; /* -1: none */
	int32_t bytes[256];          /* ids of <0x00>..<0xFF>, -1: none */
};

/* Room for n merges; grows. The vocabulary is complete by then; other fields may be set after. */
enum loom_status loom_bpe_init(struct loom_bpe *b, const struct loom_vocab *v, size_t n, struct loom_err *err) LOOM_MUST_CHECK;
void loom_bpe_release(struct loom_bpe *b);
/* The next merge in order of rank. Errors name it by its number. */
enum loom_status loom_bpe_add(struct loom_bpe *b, const char *left, size_t n_left, const char *right, size_t n_right,
	struct loom_err *err) LOOM_MUST_CHECK;
/* The same in two steps, for many merges one behind the other: the ids of the pair and of what it makes, for loom_bpe_add_ids. The hashes are those
 * of vocab->by_name. And the memory that loom_bpe_add_ids will touch is asked for. */
struct loom_bpe_pair {
	const char *left, *right;
	size_t n_left, n_right;
	uint64_t h_left, h_right;
};
enum loom_status loom_bpe_resolve(struct loom_bpe *b, const struct loom_bpe_pair *p, int32_t ids[3], struct loom_err *err) LOOM_MUST_CHECK;
void loom_bpe_prefetch(const struct loom_bpe *b, int32_t left, int32_t right);
/* A merge as merges.txt has it: "left right". */
enum loom_status loom_bpe_add_line(struct loom_bpe *b, const char *line, size_t n, struct loom_err *err) LOOM_MUST_CHECK;
/* The same by ids. */
enum loom_status loom_bpe_add_ids(struct loom_bpe *b, int32_t left, int32_t right, int32_t merged, struct loom_err *err)
	LOOM_MUST_CHECK;
/* All merges, those applied first in front: out [b->n], of which *n are filled (a pair that was added twice counts once). */
struct loom_bpe_listed {
	int32_t left, right, id;
	uint32_t rank;
};
void loom_bpe_list(const struct loom_bpe *b, struct loom_bpe_listed *out, size_t *n);
/* For files that list no merges (bpe_derive.c): those of each token into two of the vocabulary, ranked by the merged
 * token: by id and the shorter left part; by score (the best first), id and the shorter left part; by score, the
 * longer left part and id; or by id and the ids of the left and right parts. scores and normal are [n]; normal, when
 * not NULL, says by id which tokens take part. */
enum loom_bpe_order { LOOM_BPE_BY_ID, LOOM_BPE_BY_SCORE, LOOM_BPE_BY_SCORE_LONG, LOOM_BPE_BY_RANK };
enum loom_status loom_bpe_derive(struct loom_bpe *b, enum loom_bpe_order order, const float *scores, const bool *normal, size_t n,
	struct loom_err *err) LOOM_MUST_CHECK;
/* Appends the tokens of s to t. */
bool loom_bpe_run(const struct loom_bpe *b, struct loom_work *w, struct loom_tokens *t, const char *s, size_t n);

#endif
