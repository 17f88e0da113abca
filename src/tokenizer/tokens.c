/* tokens.c: the list of tokens that the models fill. */
#include "tokens.h"

#include <string.h>

#include "mem.h"

bool loom_tokens_push(struct loom_tokens *t, struct loom_work *w, int32_t id, size_t start, size_t end)
{
	if (t->n == t->cap) {
		size_t cap = t->cap * 2 + 256;
		struct loom_token *p = loom_reallocarray(t->t, cap, sizeof *p);
		if (!p)
			return loom_work_nomem(w);
		t->t = p;
		t->cap = cap;
	}
	t->t[t->n++] = (struct loom_token){ id, (uint32_t)start, (uint32_t)end };
	return true;
}

void loom_tokens_release(struct loom_tokens *t)
{
	loom_free(t->t);
	loom_free(t->symbols);
	loom_free(t->heap);
	loom_free(t->ways);
	loom_buf_release(&t->key);
	memset(t, 0, sizeof *t);
}
