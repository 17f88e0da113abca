/* match.c: many patterns at once, leftmost-longest, in time linear in the text. The patterns are read
 * backwards into an Aho-Corasick automaton and the text is read backwards too: the state at a place then
 * knows the longest pattern that starts there. */
#include <string.h>

#include "added.h"
#include "bounds.h"
#include "mem.h"

struct node {
	int32_t child, sibling; /* -1: none; edges of a node are a list */
	int32_t fail;           /* node of the longest proper suffix */
	int32_t hit;            /* nearest node on the chain of suffixes, itself first, that ends a pattern; -1 */
	int32_t value;          /* of the pattern that ends here; -1 */
	uint32_t depth;
	uint8_t byte;
};
struct loom_matcher {
	struct node *nodes; /* [n] 0 is the root */
	size_t n, cap;
	int32_t *edges;     /* [cap_edges] open addressing: the child of (node, byte), -1 empty */
	size_t cap_edges;
	int32_t root[256];  /* children of the root */
};

static bool grow(struct loom_matcher *m)
{
	if (m->n < m->cap)
		return true;
	size_t cap = m->cap * 2 + 64;
	struct node *p = loom_reallocarray(m->nodes, cap, sizeof *p);
	if (!p)
		return false;
	m->nodes = p;
	m->cap = cap;
	return true;
}

enum loom_status loom_matcher_new(struct loom_matcher **out, struct loom_err *err)
{
	struct loom_matcher *m = loom_calloc(1, sizeof *m);
	*out = m;
	if (!m || !grow(m)) {
		loom_matcher_free(m);
		*out = NULL;
		return loom_err_nomem(err, "added tokens", sizeof *m);
	}
	m->nodes[m->n++] = (struct node){ .child = -1, .sibling = -1, .hit = -1, .value = -1 };
	memset(m->root, 0xff, sizeof m->root);
	return LOOM_OK;
}

void loom_matcher_free(struct loom_matcher *m)
{
	if (!m)
		return;
	loom_free(m->nodes);
	loom_free(m->edges);
	loom_free(m);
}

static int32_t list_child(const struct loom_matcher *m, int32_t node, uint8_t byte)
{
	int32_t c = m->nodes[node].child;
	while (c >= 0 && m->nodes[c].byte != byte)
		c = m->nodes[c].sibling;
	return c;
}

enum loom_status loom_matcher_add(struct loom_matcher *m, const char *s, size_t n, int32_t value, struct loom_err *err)
{
	int32_t at = 0;
	if (n > LOOM_MAX_CONFIG_BYTES || m->n + n > (size_t)LOOM_MAX_VOCAB * 8)
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer.json: added tokens are too long");
	for (size_t i = n; i-- > 0;) {
		uint8_t byte = (uint8_t)s[i];
		int32_t c = at ? list_child(m, at, byte) : m->root[byte];
		if (c < 0) {
			if (!grow(m))
				return loom_err_nomem(err, "added tokens", n);
			c = (int32_t)m->n++;
			m->nodes[c] = (struct node){ .child = -1, .sibling = m->nodes[at].child, .hit = -1, .value = -1,
				.depth = m->nodes[at].depth + 1, .byte = byte };
			m->nodes[at].child = c;
			if (!at)
				m->root[byte] = c;
		}
		at = c;
	}
	if (at && m->nodes[at].value < 0)
		m->nodes[at].value = value;
	return LOOM_OK;
}

static size_t edge_slot(const struct loom_matcher *m, int32_t node, uint8_t byte)
{
	return (size_t)(((uint64_t)(uint32_t)node << 8 | byte) * 0x9e3779b97f4a7c15ull >> 32) & (m->cap_edges - 1);
}

/* The parent of an edge's child is found through its fail-independent key: parents are stored beside. */
static int32_t child_of(const struct loom_matcher *m, int32_t node, uint8_t byte)
{
	if (node == 0)
		return m->root[byte];
	for (size_t i = edge_slot(m, node, byte); m->edges[2 * i] >= 0; i = (i + 1) & (m->cap_edges - 1))
		if (m->edges[2 * i] == node && m->nodes[m->edges[2 * i + 1]].byte == byte)
			return m->edges[2 * i + 1];
	return -1;
}

static int32_t step(const struct loom_matcher *m, int32_t state, uint8_t byte)
{
	int32_t c;
	while ((c = child_of(m, state, byte)) < 0 && state != 0)
		state = m->nodes[state].fail;
	return c < 0 ? 0 : c;
}

enum loom_status loom_matcher_finish(struct loom_matcher *m, struct loom_err *err)
{
	size_t head = 0, tail = 0;
	for (m->cap_edges = 16; m->cap_edges < m->n * 2; m->cap_edges *= 2)
		;
	m->edges = loom_reallocarray(NULL, m->cap_edges, 2 * sizeof *m->edges);
	int32_t *queue = loom_reallocarray(NULL, m->n, sizeof *queue); /* nodes by depth */
	if (!m->edges || !queue) {
		loom_free(queue);
		return loom_err_nomem(err, "added tokens", m->n);
	}
	memset(m->edges, 0xff, m->cap_edges * 2 * sizeof *m->edges);
	for (size_t node = 1; node < m->n; node++)
		for (int32_t c = m->nodes[node].child; c >= 0; c = m->nodes[c].sibling) {
			size_t i = edge_slot(m, (int32_t)node, m->nodes[c].byte);
			while (m->edges[2 * i] >= 0)
				i = (i + 1) & (m->cap_edges - 1);
			m->edges[2 * i] = (int32_t)node;
			m->edges[2 * i + 1] = c;
		}
	queue[tail++] = 0;
	while (head < tail) {
		int32_t node = queue[head++];
		for (int32_t c = m->nodes[node].child; c >= 0; c = m->nodes[c].sibling) {
			struct node *k = &m->nodes[c];
			k->fail = node ? step(m, m->nodes[node].fail, k->byte) : 0;
			k->hit = k->value >= 0 ? c : m->nodes[k->fail].hit;
			queue[tail++] = c;
		}
	}
	loom_free(queue);
	return LOOM_OK;
}

bool loom_matcher_run(const struct loom_matcher *m, struct loom_work *w, const char *s, size_t n, struct loom_match **hits,
	size_t *n_hit, size_t *cap)
{
	int32_t state = 0;
	*n_hit = 0;
	for (size_t i = n; i-- > 0;) {
		uint8_t byte = (uint8_t)s[i];
		state = state ? step(m, state, byte) : m->root[byte] < 0 ? 0 : m->root[byte];
		if (state == 0 || m->nodes[state].hit < 0)
			continue;
		/* The longest pattern that starts here is the deepest hit, which is the first on the chain. */
		const struct node *hit = &m->nodes[m->nodes[state].hit];
		if (*n_hit == *cap) {
			size_t more = *cap * 2 + 32;
			struct loom_match *p = loom_reallocarray(*hits, more, sizeof *p);
			if (!p)
				return loom_work_nomem(w);
			*hits = p;
			*cap = more;
		}
		(*hits)[(*n_hit)++] = (struct loom_match){ i, hit->depth, hit->value };
	}
	return true;
}
