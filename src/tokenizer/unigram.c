/* unigram.c: see unigram.h. */
#include "unigram.h"

#include <math.h>
#include <string.h>

#include "mem.h"

#define UNIGRAM_UNK_PENALTY 10.0

/* The best way to a place. */
struct loom_unigram_way {
	double score;
	uint32_t from; /* where its last token starts; UINT32_MAX: no way yet */
	int32_t id;
};

static enum loom_status build(struct loom_unigram *u, struct loom_err *err)
{
	struct loom_trie_key *keys = loom_reallocarray(NULL, u->n ? u->n : 1, sizeof *keys);
	if (!keys)
		return loom_err_nomem(err, "the vocabulary", u->n * sizeof *keys);
	double least = INFINITY;
	size_t n_key = 0;
	for (size_t i = 0; i < u->n; i++) {
		const struct loom_vocab_token *k = &u->vocab->tokens[i];
		if (u->scores[i] < least)
			least = u->scores[i];
		if (k->s)
			keys[n_key++] = (struct loom_trie_key){ k->s, k->len, (int32_t)i };
	}
	u->unk_score = least - UNIGRAM_UNK_PENALTY;
	enum loom_status status = loom_trie_init(&u->trie, keys, n_key, err);
	loom_free(keys);
	return status;
}

enum loom_status loom_unigram_init(struct loom_unigram *u, const struct loom_vocab *v, double *scores, size_t n, int64_t unk_id,
	bool byte_fallback, struct loom_err *err)
{
	memset(u, 0, sizeof *u);
	u->vocab = v;
	u->scores = scores;
	u->n = n;
	u->unk_id = (int32_t)unk_id;
	u->byte_fallback = byte_fallback;
	if (unk_id >= 0 && (uint64_t)unk_id >= n)
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer: unk_id %lld, but the vocabulary has %zu tokens", (long long)unk_id, n);
	loom_vocab_bytes(v, u->bytes);
	return build(u, err);
}

void loom_unigram_release(struct loom_unigram *u)
{
	loom_trie_release(&u->trie);
	loom_free(u->scores);
	memset(u, 0, sizeof *u);
}

static bool no_unk(struct loom_work *w)
{
	w->status = loom_err_set(w->err, LOOM_E_INVALID, "the text has a character outside the tokenizer's vocabulary, and its model "
		"names no unk_id");
	return false;
}

static inline void consider(struct loom_unigram_way *to, double score, size_t from, int32_t id)
{
	if (to->from == UINT32_MAX || score > to->score)
		*to = (struct loom_unigram_way){ score, (uint32_t)from, id };
}

static bool find_ways(const struct loom_unigram *u, struct loom_work *w, struct loom_unigram_way *ways, const char *s, size_t n)
{
	uint32_t cp;
	for (size_t i = 1; i <= n; i++)
		ways[i].from = UINT32_MAX;
	ways[0] = (struct loom_unigram_way){ 0, UINT32_MAX, -1 };
	for (size_t at = 0, len; at < n; at += len) {
		double here = ways[at].score;
		uint32_t node = 0;
		bool single = false;
		len = loom_next_char(s + at, &cp);
		for (size_t end = at; end < n && (node = loom_trie_step(&u->trie, node, (uint8_t)s[end])) != 0;) {
			int32_t id = u->trie.nodes[node].value;
			end++;
			if (id < 0)
				continue;
			consider(&ways[end], here + u->scores[id], at, id);
			single = single || end - at == len;
		}
		if (!single) {
			double score = here + u->unk_score;
			struct loom_unigram_way *to = &ways[at + len];
			if ((to->from == UINT32_MAX || score > to->score) && u->unk_id < 0)
				return no_unk(w);
			consider(to, score, at, u->unk_id);
		}
	}
	return true;
}

/* A run of unknown characters: a token when the vocabulary has that string after all, else bytes, else unknown. */
static bool put_run(const struct loom_unigram *u, struct loom_work *w, struct loom_tokens *t, const char *s, size_t from, size_t to)
{
	int32_t id = loom_vocab_id(u->vocab, s + from, to - from);
	bool bytes = id < 0 && u->byte_fallback;
	for (size_t i = from; bytes && i < to; i++)
		bytes = u->bytes[(uint8_t)s[i]] >= 0;
	if (!bytes)
		return loom_tokens_push(t, w, id >= 0 ? id : u->unk_id, from, to);
	for (size_t i = from; i < to; i++)
		if (!loom_tokens_push(t, w, u->bytes[(uint8_t)s[i]], from, to))
			return false;
	return true;
}

bool loom_unigram_run(const struct loom_unigram *u, struct loom_work *w, struct loom_tokens *t, const char *s, size_t n)
{
	if (n + 1 > t->cap_way) {
		size_t cap = n + n / 2 + 64;
		struct loom_unigram_way *p = loom_reallocarray(t->ways, cap, sizeof *p);
		if (!p)
			return loom_work_nomem(w);
		t->ways = p;
		t->cap_way = cap;
	}
	struct loom_unigram_way *ways = t->ways;
	if (!find_ways(u, w, ways, s, n))
		return false;
	/* Backwards along the best way, turning the links around. */
	size_t next = n;
	for (size_t at = n, from; at > 0; at = from) {
		from = ways[at].from;
		ways[at].from = (uint32_t)next;
		next = at;
	}
	for (size_t from = 0, to = next; from < n;) {
		int32_t id = ways[to].id;
		size_t after = ways[to].from;
		while (id == u->unk_id && to < n && ways[after].id == u->unk_id) {
			to = after;
			after = ways[to].from;
		}
		if (id == u->unk_id ? !put_run(u, w, t, s, from, to) : !loom_tokens_push(t, w, id, from, to))
			return false;
		from = to;
		to = after;
	}
	return true;
}
