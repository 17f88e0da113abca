/* vocab.c: see vocab.h. */
#include "vocab.h"

#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "mem.h"

enum loom_status loom_vocab_init(struct loom_vocab *v, struct loom_arena *a, size_t expected, struct loom_err *err)
{
	memset(v, 0, sizeof *v);
	v->arena = a;
	v->distinct = true;
	if (!loom_table_init(&v->by_name, expected))
		return loom_err_nomem(err, "the vocabulary", expected);
	return LOOM_OK;
}

void loom_vocab_release(struct loom_vocab *v)
{
	loom_table_release(&v->by_name);
	loom_free(v->tokens);
	memset(v, 0, sizeof *v);
}

static bool reach(struct loom_vocab *v, size_t id)
{
	if (id < v->cap)
		return true;
	size_t cap = id + id / 4 + 256;
	struct loom_vocab_token *t = loom_reallocarray(v->tokens, cap, sizeof *t);
	if (!t)
		return false;
	memset(t + v->cap, 0, (cap - v->cap) * sizeof *t);
	v->tokens = t;
	v->cap = cap;
	return true;
}

enum loom_status loom_vocab_add(struct loom_vocab *v, const char *s, size_t len, int64_t id, struct loom_err *err)
{
	if (id < 0 || id >= LOOM_MAX_VOCAB)
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer: token \"%.*s\" has id %lld, expected 0..%d", len < 60 ? (int)len : 60,
			s, (long long)id, LOOM_MAX_VOCAB - 1);
	if (len > LOOM_MAX_CONFIG_BYTES)
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer: token %lld is %zu bytes long", (long long)id, len);
	bool fresh = loom_vocab_id(v, s, len) < 0;
	char *copy = loom_arena_strndup(v->arena, s, len);
	if (!copy || !reach(v, (size_t)id) || !loom_table_put(&v->by_name, copy, len, id))
		return loom_err_nomem(err, "the vocabulary", len);
	v->distinct = v->distinct && fresh && !v->tokens[id].s;
	if (!v->tokens[id].s)
		v->tokens[id] = (struct loom_vocab_token){ copy, (uint32_t)len };
	v->n += fresh;
	if ((size_t)id >= v->n_id)
		v->n_id = (size_t)id + 1;
	if (len > v->max_len)
		v->max_len = len;
	return LOOM_OK;
}

void loom_vocab_bytes(const struct loom_vocab *v, int32_t ids[256])
{
	char s[8];
	for (unsigned byte = 0; byte < 256; byte++) {
		(void)snprintf(s, sizeof s, "<0x%02X>", byte);
		ids[byte] = loom_vocab_id(v, s, 6);
	}
}
