/* tokenizer.c: the door: making and freeing a tokenizer, decoding, looking up. Encoding is tokenize.c, the stages are in files of
 * their own, the formats in open_*.c. */
#include <string.h>

#include "mem.h"
#include "tokenizer_internal.h"

void loom_tokenizer_free(struct loom_tokenizer *t)
{
	if (!t)
		return;
	loom_added_release(&t->added);
	loom_normalizer_release(&t->normalizer);
	loom_pretokenizer_release(&t->pretokenizer);
	loom_bpe_release(&t->bpe);
	loom_unigram_release(&t->unigram);
	loom_vocab_release(&t->vocab);
	loom_decoder_release(&t->decoder);
	loom_arena_release(&t->arena);
	loom_free(t);
}

enum loom_status loom_tokenizer_new(struct loom_tokenizer **out, size_t n_vocab, struct loom_err *err)
{
	struct loom_tokenizer *t = loom_calloc(1, sizeof *t);
	enum loom_status status;
	*out = t;
	if (!t)
		return loom_err_nomem(err, "the tokenizer", sizeof *t);
	loom_arena_init(&t->arena);
	if ((status = loom_vocab_init(&t->vocab, &t->arena, n_vocab, err)) || (status = loom_added_init(&t->added, &t->arena, err))) {
		loom_tokenizer_free(t);
		*out = NULL;
	}
	return status;
}

/* --- decoding */

void loom_decode_stream_init(struct loom_decode_stream *s, const struct loom_tokenizer *t, bool skip_special)
{
	*s = (struct loom_decode_stream){ t, skip_special, NULL };
}

void loom_decode_stream_release(struct loom_decode_stream *s)
{
	loom_decode_state_free(s->state);
	s->state = NULL;
}

enum loom_status loom_decode_stream_push(struct loom_decode_stream *s, int32_t id, struct loom_buf *out, struct loom_err *err)
{
	const struct loom_added_token *added = loom_added_find(&s->t->added, id);
	size_t n = 0;
	const char *text = added ? added->pattern : loom_tokenizer_token(s->t, id, &n);
	if (added)
		n = added->n_pattern;
	if (!text || (s->skip_special && loom_added_is_special(&s->t->added, text, n)))
		return LOOM_OK;
	if (!s->state && !(s->state = loom_decode_state_new(&s->t->decoder)))
		return loom_err_nomem(err, "decoding", 0);
	return loom_decode_feed(s->state, text, n, out, err);
}

enum loom_status loom_decode_stream_flush(struct loom_decode_stream *s, struct loom_buf *out, struct loom_err *err)
{
	return s->state ? loom_decode_finish(s->state, out, err) : LOOM_OK;
}

enum loom_status loom_tokenizer_decode(const struct loom_tokenizer *t, const int32_t *ids, size_t n, bool skip_special,
	struct loom_buf *out, struct loom_err *err)
{
	struct loom_decode_stream s;
	enum loom_status status = LOOM_OK;
	loom_decode_stream_init(&s, t, skip_special);
	for (size_t i = 0; !status && i < n; i++)
		status = loom_decode_stream_push(&s, ids[i], out, err);
	if (!status)
		status = loom_decode_stream_flush(&s, out, err);
	loom_decode_stream_release(&s);
	return status;
}

/* --- looking up */

int32_t loom_tokenizer_n_vocab(const struct loom_tokenizer *t)
{
	int32_t n = (int32_t)t->vocab.n_id;
	return t->added.max_id >= n ? t->added.max_id + 1 : n;
}

const char *loom_tokenizer_token(const struct loom_tokenizer *t, int32_t id, size_t *len)
{
	size_t n = 0;
	const char *s = NULL;
	if (id >= 0 && (size_t)id < t->vocab.n_id) {
		s = t->vocab.tokens[id].s;
		n = t->vocab.tokens[id].len;
	}
	if (!s) {
		const struct loom_added_token *added = loom_added_find(&t->added, id);
		s = added ? added->content : NULL;
		n = added ? added->n_content : 0;
	}
	if (len)
		*len = n;
	return s;
}

int32_t loom_tokenizer_id(const struct loom_tokenizer *t, const char *token, size_t len)
{
	int64_t i = loom_table_get(&t->added.by_content, token, len, -1);
	return i >= 0 ? t->added.tokens[i].id : loom_vocab_id(&t->vocab, token, len);
}

bool loom_tokenizer_is_special(const struct loom_tokenizer *t, int32_t id)
{
	const struct loom_added_token *added = loom_added_find(&t->added, id);
	return added && added->special;
}

size_t loom_tokenizer_n_added(const struct loom_tokenizer *t)
{
	return t->post.single.n_added;
}

enum loom_status loom_tokenizer_lower(struct loom_tokenizer *t, struct loom_err *err)
{
	return loom_normalizer_lower(&t->normalizer) ? LOOM_OK : loom_err_set(err, LOOM_E_MODEL, "the normalizer has more than %d steps", LOOM_MAX_STEPS);
}

size_t loom_tokenizer_max_length(const struct loom_tokenizer *t)
{
	return t->max_length;
}

bool loom_tokenizer_cuts_left(const struct loom_tokenizer *t)
{
	return t->cuts_left;
}

size_t loom_tokenizer_n_added_pair(const struct loom_tokenizer *t)
{
	return t->post.pair.n_added;
}
