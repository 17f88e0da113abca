/* wordpiece.c: see wordpiece.h. */
#include "wordpiece.h"

#include "str.h"

static bool unknown(const struct loom_wordpiece *m, struct loom_work *w, struct loom_tokens *t, size_t n)
{
	if (m->unk_id >= 0)
		return loom_tokens_push(t, w, m->unk_id, 0, n);
	w->status = loom_err_set(w->err, LOOM_E_INVALID, "the text has a word outside the tokenizer's vocabulary, and its unk_token "
		"\"%.60s\" is not in the vocabulary either", m->unk);
	return false;
}

/* The longest string of the vocabulary that s starts with (continuing: after the prefix); 0: none. */
static size_t longest(const struct loom_wordpiece *m, struct loom_tokens *t, const char *s, size_t n, bool continuing, int32_t *id)
{
	uint32_t cp;
	size_t k = n < m->vocab->max_len ? n : m->vocab->max_len;
	while (k > 0 && k < n && ((unsigned char)s[k] & 0xC0) == 0x80)
		k--;
	if (continuing) {
		loom_buf_reset(&t->key);
		loom_buf_append(&t->key, m->prefix, m->n_prefix);
		loom_buf_append(&t->key, s, k);
		if (t->key.failed)
			return 0;
	}
	for (; k > 0; k -= loom_prev_char(s, k, &cp)) {
		*id = continuing ? loom_vocab_id(m->vocab, t->key.data, m->n_prefix + k) : loom_vocab_id(m->vocab, s, k);
		if (*id >= 0)
			return k;
	}
	return 0;
}

bool loom_wordpiece_run(const struct loom_wordpiece *m, struct loom_work *w, struct loom_tokens *t, const char *s, size_t n)
{
	size_t first = t->n;
	if (n > m->max_chars && loom_utf8_count(s, n) > m->max_chars)
		return unknown(m, w, t, n);
	for (size_t at = 0, k; at < n; at += k) {
		int32_t id;
		k = longest(m, t, s + at, n - at, at > 0, &id);
		if (t->key.failed)
			return loom_work_nomem(w);
		if (k == 0) {
			t->n = first;
			return unknown(m, w, t, n);
		}
		if (!loom_tokens_push(t, w, id, at, at + k))
			return false;
	}
	return true;
}
