/* trie.h: the strings of a vocabulary as a tree over their bytes, for models that look for every string that
 * starts at a place. The children of a node lie side by side, their bytes in an array of their own, so that a
 * step is one short search. */
#ifndef LOOM_TRIE_H
#define LOOM_TRIE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "err.h"

struct loom_trie_key {
	const char *s; /* [n] */
	uint32_t n;
	int32_t value; /* >= 0 */
};
struct loom_trie_node {
	uint32_t first; /* its first child */
	int32_t value;  /* -1: no string ends here */
	uint16_t n;     /* children */
};
struct loom_trie {
	struct loom_trie_node *nodes; /* [n] 0 is the root */
	uint8_t *labels;              /* [n] the byte that leads to each node */
	size_t n;
	uint32_t root[256];           /* child of the root; 0: none */
};

/* Sorts keys. Of equal strings the one with the largest value counts; empty strings are passed over. */
enum loom_status loom_trie_init(struct loom_trie *t, struct loom_trie_key *keys, size_t n, struct loom_err *err) LOOM_MUST_CHECK;
void loom_trie_release(struct loom_trie *t);

/* The child of node by byte; 0: none. */
static inline uint32_t loom_trie_step(const struct loom_trie *t, uint32_t node, uint8_t byte)
{
	const struct loom_trie_node *k = &t->nodes[node];
	const uint8_t *label = t->labels + k->first;
	if (node == 0)
		return t->root[byte];
	if (k->n <= 4) {
		for (uint32_t i = 0; i < k->n; i++)
			if (label[i] == byte)
				return k->first + i;
		return 0;
	}
	const uint8_t *hit = memchr(label, byte, k->n);
	return hit ? (uint32_t)(hit - t->labels) : 0;
}

#endif
