/* bpe.c: merges as a hash of pairs, and the merging of one piece over a linked list and a heap. */
#include "bpe.h"

#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "mem.h"
#include "str.h"

#define BPE_MAX_STRING 4096 /* of a merge, joined */

struct loom_bpe_rule {
	int32_t left, right; /* left -1: empty slot */
	uint32_t rank;
	int32_t id;
};
struct loom_bpe_symbol {
	int32_t id;
	uint32_t len;       /* bytes; 0: merged away */
	int32_t prev, next; /* -1: none */
};
struct loom_bpe_merge {
	uint32_t rank;
	int32_t pos, id;
};

/* --- the table of merges */

static size_t home_of(const struct loom_bpe *b, int32_t left, int32_t right)
{
	uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) ^ b->seed;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93ull;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93ull;
	return (size_t)(h ^ h >> 32) & (b->cap - 1);
}

static struct loom_bpe_rule *slot_of(const struct loom_bpe *b, int32_t left, int32_t right)
{
	size_t i = home_of(b, left, right);
	while (b->rules[i].left >= 0 && (b->rules[i].left != left || b->rules[i].right != right))
		i = (i + 1) & (b->cap - 1);
	return &b->rules[i];
}

enum loom_status loom_bpe_init(struct loom_bpe *b, const struct loom_vocab *v, size_t n, struct loom_err *err)
{
	char s[8];
	memset(b, 0, sizeof *b);
	b->vocab = v;
	b->seed = v->by_name.seed;
	b->unk_id = -1;
	if (n > LOOM_MAX_VOCAB)
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer: %zu merges, at most %d", n, LOOM_MAX_VOCAB);
	for (b->cap = 16; b->cap < n * 2; b->cap *= 2)
		;
	b->rules = loom_reallocarray(NULL, b->cap, sizeof *b->rules);
	if (!b->rules)
		return loom_err_nomem(err, "merges", b->cap * sizeof *b->rules);
	memset(b->rules, 0xff, b->cap * sizeof *b->rules);
	for (uint32_t cp = 0; cp < LOOM_BPE_DIRECT; cp++)
		b->direct[cp] = loom_vocab_id(v, s, loom_utf8_encode(cp, s));
	loom_vocab_bytes(v, b->bytes);
	return LOOM_OK;
}

void loom_bpe_release(struct loom_bpe *b)
{
	loom_free(b->rules);
	memset(b, 0, sizeof *b);
}

static bool grow(struct loom_bpe *b)
{
	struct loom_bpe old = *b;
	b->cap *= 2;
	b->rules = loom_reallocarray(NULL, b->cap, sizeof *b->rules);
	if (!b->rules) {
		*b = old;
		return false;
	}
	memset(b->rules, 0xff, b->cap * sizeof *b->rules);
	for (size_t i = 0; i < old.cap; i++)
		if (old.rules[i].left >= 0)
			*slot_of(b, old.rules[i].left, old.rules[i].right) = old.rules[i];
	loom_free(old.rules);
	return true;
}

enum loom_status loom_bpe_add_ids(struct loom_bpe *b, int32_t left, int32_t right, int32_t merged, struct loom_err *err)
{
	if (b->n == UINT32_MAX || (b->n * 2 >= b->cap && !grow(b)))
		return loom_err_nomem(err, "merges", b->cap * 2 * sizeof *b->rules);
	*slot_of(b, left, right) = (struct loom_bpe_rule){ left, right, (uint32_t)b->n++, merged };
	return LOOM_OK;
}

/* Is id the token that s stands for? Its name alone is not enough where strings share an id or come twice. */
static bool names(const struct loom_vocab *v, int32_t id, const char *s, size_t n)
{
	return v->distinct && id >= 0 && (size_t)id < v->n_id && v->tokens[id].s && v->tokens[id].len == n &&
	       memcmp(v->tokens[id].s, s, n) == 0;
}

enum loom_status loom_bpe_resolve(struct loom_bpe *b, const struct loom_bpe_pair *p, int32_t ids[3], struct loom_err *err)
{
	char joined[BPE_MAX_STRING];
	const struct loom_table *t = &b->vocab->by_name;
	int32_t l = (int32_t)loom_table_get_hashed(t, p->h_left, p->left, p->n_left, -1);
	int32_t r = (int32_t)loom_table_get_hashed(t, p->h_right, p->right, p->n_right, -1), id = -1;
	if (l < 0 || r < 0) {
		size_t n = l < 0 ? p->n_left : p->n_right;
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer: merge %zu: \"%.*s\" is not in the vocabulary", b->n, (int)(n < 60 ? n : 60),
			l < 0 ? p->left : p->right);
	}
	if (p->n_right >= b->n_prefix && p->n_left + p->n_right - b->n_prefix <= sizeof joined) {
		size_t n = p->n_left + p->n_right - b->n_prefix;
		memcpy(joined, p->left, p->n_left);
		memcpy(joined + p->n_left, p->right + b->n_prefix, p->n_right - b->n_prefix);
		id = b->last; /* most files list merges in the order of what they make: the same token again, or the next */
		if (!names(b->vocab, id, joined, n) && !names(b->vocab, ++id, joined, n))
			id = loom_vocab_id(b->vocab, joined, n);
		b->last = id;
	}
	if (id < 0)
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer: merge %zu: \"%.*s\" + \"%.*s\" gives no token of the vocabulary", b->n,
			p->n_left < 40 ? (int)p->n_left : 40, p->left, p->n_right < 40 ? (int)p->n_right : 40, p->right);
	ids[0] = l;
	ids[1] = r;
	ids[2] = id;
	return LOOM_OK;
}

void loom_bpe_prefetch(const struct loom_bpe *b, int32_t left, int32_t right)
{
	__builtin_prefetch(&b->rules[home_of(b, left, right)], 1);
}

static int by_rank(const void *a, const void *b)
{
	const struct loom_bpe_listed *x = a, *y = b;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

void loom_bpe_list(const struct loom_bpe *b, struct loom_bpe_listed *out, size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < b->cap; i++)
		if (b->rules[i].left >= 0)
			out[(*n)++] = (struct loom_bpe_listed){ b->rules[i].left, b->rules[i].right, b->rules[i].id, b->rules[i].rank };
	qsort(out, *n, sizeof *out, by_rank);
}

enum loom_status loom_bpe_add(struct loom_bpe *b, const char *left, size_t n_left, const char *right, size_t n_right,
	struct loom_err *err)
{
	const struct loom_table *t = &b->vocab->by_name;
	const struct loom_bpe_pair p = { left, right, n_left, n_right, loom_table_hash(t, left, n_left), loom_table_hash(t, right, n_right) };
	int32_t ids[3];
	enum loom_status status = loom_bpe_resolve(b, &p, ids, err);
	return status ? status : loom_bpe_add_ids(b, ids[0], ids[1], ids[2], err);
}

enum loom_status loom_bpe_add_line(struct loom_bpe *b, const char *line, size_t n, struct loom_err *err)
{
	const char *space = memchr(line, ' ', n);
	size_t left = space ? (size_t)(space - line) : 0;
	if (!space || memchr(space + 1, ' ', n - left - 1))
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer: merge %zu: expected two strings and one space, found \"%.*s\"", b->n,
			n < 60 ? (int)n : 60, line);
	return loom_bpe_add(b, line, left, space + 1, n - left - 1, err);
}

/* --- one piece */

static bool heap_push(struct loom_tokens *t, struct loom_work *w, struct loom_bpe_merge m)
{
	if (t->n_heap == t->cap_heap) {
		size_t cap = t->cap_heap * 2 + 64;
		struct loom_bpe_merge *p = loom_reallocarray(t->heap, cap, sizeof *p);
		if (!p)
			return loom_work_nomem(w);
		t->heap = p;
		t->cap_heap = cap;
	}
	size_t i = t->n_heap++;
	for (; i > 0; i = (i - 1) / 2) {
		const struct loom_bpe_merge *up = &t->heap[(i - 1) / 2];
		if (up->rank < m.rank || (up->rank == m.rank && up->pos <= m.pos))
			break;
		t->heap[i] = *up;
	}
	t->heap[i] = m;
	return true;
}

static bool before(struct loom_bpe_merge a, struct loom_bpe_merge b)
{
	return a.rank < b.rank || (a.rank == b.rank && a.pos < b.pos);
}

static struct loom_bpe_merge heap_pop(struct loom_tokens *t)
{
	struct loom_bpe_merge top = t->heap[0], last = t->heap[--t->n_heap];
	size_t i = 0;
	for (size_t k = 1; k < t->n_heap; k = 2 * i + 1) {
		if (k + 1 < t->n_heap && before(t->heap[k + 1], t->heap[k]))
			k++;
		if (!before(t->heap[k], last))
			break;
		t->heap[i] = t->heap[k];
		i = k;
	}
	t->heap[i] = last;
	return top;
}

static bool consider(const struct loom_bpe *b, struct loom_work *w, struct loom_tokens *t, int32_t pos)
{
	const struct loom_bpe_symbol *s = t->symbols;
	if (pos < 0 || s[pos].next < 0)
		return true;
	const struct loom_bpe_rule *r = slot_of(b, s[pos].id, s[s[pos].next].id);
	return r->left < 0 || heap_push(t, w, (struct loom_bpe_merge){ r->rank, pos, r->id });
}

static bool merge_all(const struct loom_bpe *b, struct loom_work *w, struct loom_tokens *t, size_t n)
{
	struct loom_bpe_symbol *s = t->symbols;
	t->n_heap = 0;
	for (size_t i = 0; i + 1 < n; i++)
		if (!consider(b, w, t, (int32_t)i))
			return false;
	while (t->n_heap) {
		struct loom_bpe_merge top = heap_pop(t);
		struct loom_bpe_symbol *left = &s[top.pos];
		if (left->len == 0 || left->next < 0)
			continue;
		struct loom_bpe_symbol *right = &s[left->next];
		const struct loom_bpe_rule *r = slot_of(b, left->id, right->id);
		if (r->left < 0 || r->id != top.id)
			continue; /* one of the two has merged elsewhere since */
		left->id = top.id;
		left->len += right->len;
		left->next = right->next;
		right->len = 0;
		if (left->next >= 0)
			s[left->next].prev = top.pos;
		if (!consider(b, w, t, left->prev) || !consider(b, w, t, top.pos))
			return false;
	}
	return true;
}

/* The id of one character with the prefix and suffix of its place; -1: none. key keeps the string. */
static int32_t char_id(const struct loom_bpe *b, struct loom_tokens *t, const char *s, size_t n, bool first, bool last)
{
	uint32_t cp;
	bool prefix = b->prefix && !first, suffix = b->suffix && last;
	if (!prefix && !suffix) {
		loom_next_char(s, &cp);
		return cp < LOOM_BPE_DIRECT ? b->direct[cp] : loom_vocab_id(b->vocab, s, n);
	}
	loom_buf_reset(&t->key);
	loom_buf_append(&t->key, b->prefix, prefix ? b->n_prefix : 0);
	loom_buf_append(&t->key, s, n);
	loom_buf_append(&t->key, b->suffix, suffix ? b->n_suffix : 0);
	return t->key.failed ? -1 : loom_vocab_id(b->vocab, t->key.data, t->key.len);
}

struct split {
	size_t n;        /* symbols */
	size_t unk_len;  /* bytes of the unknowns held back, 0: none */
};

static void add_symbol(struct loom_tokens *t, struct split *sp, int32_t id, size_t len)
{
	int32_t i = (int32_t)sp->n++;
	t->symbols[i] = (struct loom_bpe_symbol){ id, (uint32_t)len, i - 1, -1 };
	if (i > 0)
		t->symbols[i - 1].next = i;
}

static void flush_unk(const struct loom_bpe *b, struct loom_tokens *t, struct split *sp)
{
	if (sp->unk_len)
		add_symbol(t, sp, b->unk_id, sp->unk_len);
	sp->unk_len = 0;
}

/* All bytes of s as <0x..> tokens, or none of them. */
static bool fall_back(const struct loom_bpe *b, struct loom_tokens *t, struct split *sp, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (b->bytes[(uint8_t)s[i]] < 0)
			return false;
	for (size_t i = 0; i < n; i++)
		add_symbol(t, sp, b->bytes[(uint8_t)s[i]], 1);
	return true;
}

static bool unknown(const struct loom_bpe *b, struct loom_work *w, struct loom_tokens *t, struct split *sp, size_t n)
{
	if (!b->unk)
		return true;
	if (b->unk_id < 0) {
		w->status = loom_err_set(w->err, LOOM_E_INVALID, "the text has a character outside the tokenizer's vocabulary, and its "
			"unk_token \"%.60s\" is not in the vocabulary either", b->unk);
		return false;
	}
	if (!b->fuse_unk)
		flush_unk(b, t, sp);
	sp->unk_len += n;
	return true;
}

static bool split_chars(const struct loom_bpe *b, struct loom_work *w, struct loom_tokens *t, const char *s, size_t n,
	struct split *sp)
{
	for (size_t i = 0, k; i < n; i += k) {
		uint32_t cp;
		k = loom_next_char(s + i, &cp);
		int32_t id = char_id(b, t, s + i, k, i == 0, i + k == n);
		if (id >= 0) {
			flush_unk(b, t, sp);
			add_symbol(t, sp, id, k);
		} else if (t->key.failed) {
			return loom_work_nomem(w);
		} else if (!(b->byte_fallback && fall_back(b, t, sp, s + i, k)) && !unknown(b, w, t, sp, k)) {
			return false;
		}
	}
	flush_unk(b, t, sp);
	return true;
}

bool loom_bpe_run(const struct loom_bpe *b, struct loom_work *w, struct loom_tokens *t, const char *s, size_t n)
{
	struct split sp = { 0, 0 };
	size_t at = 0;
	int32_t whole = b->ignore_merges ? loom_vocab_id(b->vocab, s, n) : -1;
	if (whole >= 0)
		return loom_tokens_push(t, w, whole, 0, n);
	if (n > t->cap_symbol) {
		size_t cap = n + n / 2 + 64;
		struct loom_bpe_symbol *p = loom_reallocarray(t->symbols, cap, sizeof *p);
		if (!p)
			return loom_work_nomem(w);
		t->symbols = p;
		t->cap_symbol = cap;
	}
	if (!split_chars(b, w, t, s, n, &sp) || !merge_all(b, w, t, sp.n))
		return false;
	for (size_t i = 0; i < sp.n; i++) {
		if (t->symbols[i].len == 0)
			continue;
		if (!loom_tokens_push(t, w, t->symbols[i].id, at, at + t->symbols[i].len))
			return false;
		at += t->symbols[i].len;
	}
	return true;
}
