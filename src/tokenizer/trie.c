/* trie.c: building trie.h's tree from sorted strings, breadth first. */
#include "trie.h"

#include <stdbool.h>
#include <stdlib.h>

#include "mem.h"

/* The keys below a node: those that share the bytes which lead to it. */
struct span {
	uint32_t from, to, depth;
};
struct build {
	struct loom_trie *t;
	const struct loom_trie_key *keys;
	struct span *spans; /* [cap] of each node */
	size_t cap;
};

static int by_string(const void *left, const void *right)
{
	const struct loom_trie_key *a = left, *b = right;
	int order = memcmp(a->s, b->s, a->n < b->n ? a->n : b->n);
	if (order == 0)
		order = (a->n > b->n) - (a->n < b->n);
	return order ? order : (a->value > b->value) - (a->value < b->value);
}

static bool grow(struct build *b)
{
	struct loom_trie *t = b->t;
	if (t->n < b->cap)
		return true;
	size_t cap = b->cap * 2 + 1024;
	struct loom_trie_node *nodes = loom_reallocarray(t->nodes, cap, sizeof *nodes);
	t->nodes = nodes ? nodes : t->nodes;
	uint8_t *labels = loom_realloc(t->labels, cap);
	t->labels = labels ? labels : t->labels;
	struct span *spans = loom_reallocarray(b->spans, cap, sizeof *spans);
	b->spans = spans ? spans : b->spans;
	if (!nodes || !labels || !spans || cap > UINT32_MAX)
		return false;
	b->cap = cap;
	return true;
}

static bool add(struct build *b, uint8_t label, struct span s)
{
	if (!grow(b))
		return false;
	b->t->nodes[b->t->n] = (struct loom_trie_node){ 0, -1, 0 };
	b->t->labels[b->t->n] = label;
	b->spans[b->t->n++] = s;
	return true;
}

/* Gives a node its value and its children. */
static bool expand(struct build *b, size_t node)
{
	struct span s = b->spans[node];
	b->t->nodes[node].first = (uint32_t)b->t->n;
	while (s.from < s.to && b->keys[s.from].n == s.depth)
		b->t->nodes[node].value = b->keys[s.from++].value;
	for (uint32_t i = s.from, from = i; from < s.to; from = i) {
		uint8_t label = (uint8_t)b->keys[from].s[s.depth];
		while (i < s.to && (uint8_t)b->keys[i].s[s.depth] == label)
			i++;
		if (!add(b, label, (struct span){ from, i, s.depth + 1 }))
			return false;
		b->t->nodes[node].n++;
	}
	return true;
}

enum loom_status loom_trie_init(struct loom_trie *t, struct loom_trie_key *keys, size_t n, struct loom_err *err)
{
	struct build b = { .t = t, .keys = keys };
	size_t skip = 0;
	memset(t, 0, sizeof *t);
	qsort(keys, n, sizeof *keys, by_string);
	while (skip < n && keys[skip].n == 0)
		skip++;
	bool ok = n <= UINT32_MAX && add(&b, 0, (struct span){ (uint32_t)skip, (uint32_t)n, 0 });
	for (size_t node = 0; ok && node < t->n; node++)
		ok = expand(&b, node);
	loom_free(b.spans);
	if (!ok)
		return loom_err_nomem(err, "the vocabulary", t->n);
	for (uint32_t i = 0; i < t->nodes[0].n; i++)
		t->root[t->labels[t->nodes[0].first + i]] = t->nodes[0].first + i;
	return LOOM_OK;
}

void loom_trie_release(struct loom_trie *t)
{
	loom_free(t->nodes);
	loom_free(t->labels);
	memset(t, 0, sizeof *t);
}
