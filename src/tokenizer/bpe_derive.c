/* bpe_derive.c: merges for vocabularies that come with scores or ranks instead of a list of merges. */
#include <stdlib.h>
#include <string.h>

#include "bpe.h"
#include "mem.h"
#include "str.h"

#define BPE_MAX_DERIVED 1024 /* bytes of a token whose merges are derived: time goes with the square */

struct split {
	float score;
	int32_t left, right, merged;
	uint16_t n_left, n_right; /* characters */
};
struct splits {
	struct split *list; /* [n] */
	size_t n, cap;
};

static int by_id(const void *left, const void *right)
{
	const struct split *a = left, *b = right;
	if (a->merged != b->merged)
		return a->merged < b->merged ? -1 : 1;
	return (a->n_left > b->n_left) - (a->n_left < b->n_left);
}

static int by_score(const void *left, const void *right)
{
	const struct split *a = left, *b = right;
	return a->score != b->score ? (a->score > b->score ? -1 : 1) : by_id(a, b);
}

static int by_score_long(const void *left, const void *right)
{
	const struct split *a = left, *b = right;
	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	if (a->n_left != b->n_left)
		return a->n_left > b->n_left ? -1 : 1;
	if (a->n_right != b->n_right)
		return a->n_right > b->n_right ? -1 : 1;
	return (a->merged > b->merged) - (a->merged < b->merged);
}

static int by_rank(const void *left, const void *right)
{
	const struct split *a = left, *b = right;
	if (a->merged != b->merged)
		return a->merged < b->merged ? -1 : 1;
	if (a->left != b->left)
		return a->left < b->left ? -1 : 1;
	return (a->right > b->right) - (a->right < b->right);
}

static bool push(struct splits *s, struct split one)
{
	if (s->n == s->cap) {
		size_t cap = s->cap * 2 + 1024;
		struct split *p = loom_reallocarray(s->list, cap, sizeof *p);
		if (!p)
			return false;
		s->list = p;
		s->cap = cap;
	}
	s->list[s->n++] = one;
	return true;
}

/* The splits of one token. */
static bool split(const struct loom_vocab *v, int32_t id, float score, const bool *normal, size_t n, struct splits *out)
{
	const struct loom_vocab_token *t = &v->tokens[id];
	size_t chars = loom_utf8_count(t->s, t->len), at = 0;
	uint32_t cp;
	for (size_t k = loom_next_char(t->s, &cp); k < t->len; k += loom_next_char(t->s + k, &cp)) {
		at++;
		int32_t left = loom_vocab_id(v, t->s, k), right = left < 0 ? -1 : loom_vocab_id(v, t->s + k, t->len - k);
		if (right < 0 || (normal && ((size_t)left >= n || (size_t)right >= n || !normal[left] || !normal[right])))
			continue;
		if (!push(out, (struct split){ score, left, right, id, (uint16_t)at, (uint16_t)(chars - at) }))
			return false;
	}
	return true;
}

enum loom_status loom_bpe_derive(struct loom_bpe *b, enum loom_bpe_order order, const float *scores, const bool *normal, size_t n,
	struct loom_err *err)
{
	static int (*const orders[])(const void *, const void *) = { by_id, by_score, by_score_long, by_rank };
	const struct loom_vocab *v = b->vocab;
	struct splits s = { 0 };
	enum loom_status status = LOOM_OK;
	for (size_t i = 0; !status && i < n && i < v->n_id; i++) {
		const struct loom_vocab_token *t = &v->tokens[i];
		if (!t->s || t->len == 0 || (normal && !normal[i]) || loom_vocab_id(v, t->s, t->len) != (int32_t)i)
			continue;
		if (t->len > BPE_MAX_DERIVED)
			status = loom_err_set(err, LOOM_E_MODEL, "tokenizer: token %zu is %u bytes long, and merges are derived for %d at most", i,
				t->len, BPE_MAX_DERIVED);
		else if (!split(v, (int32_t)i, scores ? scores[i] : 0, normal, n, &s))
			status = loom_err_nomem(err, "merges", s.n * sizeof *s.list);
	}
	if (!status && s.n)
		qsort(s.list, s.n, sizeof *s.list, orders[order]);
	for (size_t i = 0; !status && i < s.n; i++)
		status = loom_bpe_add_ids(b, s.list[i].left, s.list[i].right, s.list[i].merged, err);
	loom_free(s.list);
	return status;
}
