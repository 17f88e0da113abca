/* tokenizer.c: the door: the pipeline in order, for encoding and for decoding. The stages are in files of
 * their own, the formats in open_*.c. */
#include <string.h>

#include "bounds.h"
#include "mem.h"
#include "str.h"
#include "tokenizer_internal.h"

#define TOKENIZER_MAX_TEXT (1u << 30)
#define CACHE_SLOTS 4096      /* a power of two */
#define CACHE_MAX_PIECE 64    /* bytes */
#define CACHE_MIN_TEXT 512    /* shorter texts do without */

/* The same word comes again and again: slots remember where in this call it was tokenized. */
struct cache_slot {
	size_t off, n;            /* bytes of the text; n 0: empty */
	size_t first, n_token;    /* of the tokens */
};

struct encoder {
	const struct loom_tokenizer *t;
	struct loom_work w;
	struct loom_tokens tokens;
	struct cache_slot *cache; /* [CACHE_SLOTS] or NULL */
	struct loom_encoding *e;
};

void loom_tokenizer_free(struct loom_tokenizer *t)
{
	if (!t)
		return;
	loom_added_release(&t->added);
	loom_normalizer_release(&t->normalizer);
	loom_pretokenizer_release(&t->pretokenizer);
	loom_bpe_release(&t->bpe);
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

/* --- encoding */

void loom_encoding_init(struct loom_encoding *e)
{
	memset(e, 0, sizeof *e);
}

void loom_encoding_release(struct loom_encoding *e)
{
	loom_free(e->ids);
	loom_free(e->start);
	loom_free(e->end);
	loom_free(e->special);
	memset(e, 0, sizeof *e);
}

static bool reserve(struct encoder *c, size_t n)
{
	struct loom_encoding *e = c->e;
	if (n <= e->cap)
		return true;
	int32_t *ids = loom_reallocarray(e->ids, n, sizeof *ids);
	e->ids = ids ? ids : e->ids;
	uint32_t *start = loom_reallocarray(e->start, n, sizeof *start);
	e->start = start ? start : e->start;
	uint32_t *end = loom_reallocarray(e->end, n, sizeof *end);
	e->end = end ? end : e->end;
	uint8_t *special = loom_realloc(e->special, n);
	e->special = special ? special : e->special;
	if (!ids || !start || !end || !special)
		return loom_work_nomem(&c->w);
	e->cap = n;
	return true;
}

static void put(struct loom_encoding *e, int32_t id, uint32_t start, uint32_t end, bool special)
{
	e->ids[e->n] = id;
	e->start[e->n] = start;
	e->end[e->n] = end;
	e->special[e->n++] = special;
}

static bool run_model(struct encoder *c, const char *s, size_t n)
{
	if (c->t->model == LOOM_MODEL_WORDPIECE)
		return loom_wordpiece_run(&c->t->wordpiece, &c->w, &c->tokens, s, n);
	return loom_bpe_run(&c->t->bpe, &c->w, &c->tokens, s, n);
}

/* Tokens of a text piece, from the cache when it was seen. Returns where they start, SIZE_MAX on failure. */
static size_t tokenize_piece(struct encoder *c, const struct loom_piece *p, size_t *n_token)
{
	const char *text = c->w.now.s, *s = text + p->off;
	struct cache_slot *slot = NULL;
	size_t first = c->tokens.n;
	if (c->cache && p->n <= CACHE_MAX_PIECE) {
		uint64_t h = 0xcbf29ce484222325ull;
		for (size_t i = 0; i < p->n; i++)
			h = (h ^ (uint8_t)s[i]) * 0x100000001b3ull;
		slot = &c->cache[(h ^ h >> 32) & (CACHE_SLOTS - 1)];
		if (slot->n == p->n && memcmp(text + slot->off, s, p->n) == 0) {
			*n_token = slot->n_token;
			return slot->first;
		}
	}
	if (!run_model(c, s, p->n))
		return SIZE_MAX;
	*n_token = c->tokens.n - first;
	if (slot)
		*slot = (struct cache_slot){ p->off, p->n, first, *n_token };
	return first;
}

/* The tokens of every piece with their ranges of the original text. */
static bool collect(struct encoder *c)
{
	const struct loom_tokenizer *t = c->t;
	const struct loom_text *text = &c->w.now;
	for (size_t i = 0; i < c->w.n_piece; i++) {
		const struct loom_piece *p = &c->w.pieces[i];
		struct loom_token whole = { p->id, 0, (uint32_t)p->n };
		size_t n = 1, first = 0;
		if (p->n == 0)
			continue;
		if (p->id < 0 && (first = tokenize_piece(c, p, &n)) == SIZE_MAX)
			return false;
		const struct loom_token *tokens = p->id >= 0 ? &whole : c->tokens.t + first;
		if (!reserve(c, c->e->n + n) && !reserve(c, (c->e->n + n) * 3 / 2))
			return false;
		for (size_t k = 0; k < n; k++) {
			uint32_t from = tokens[k].start, to = tokens[k].end < p->n ? tokens[k].end : (uint32_t)p->n;
			uint32_t start = loom_text_start(text, p->off + (from < p->n ? from : p->n - 1));
			uint32_t end = loom_text_end(text, p->off, to);
			if (t->post.n_trim) {
				const char *s = text->s + p->off;
				size_t len = p->n;
				if (p->id < 0)
					s = loom_tokenizer_token(t, tokens[k].id, &len);
				if (s)
					loom_post_trim(&t->post, s, len, c->e->n, &start, &end);
			}
			put(c->e, tokens[k].id, start, end, false);
		}
	}
	return true;
}

static bool run(struct encoder *c, const char *text, size_t n)
{
	const struct loom_tokenizer *t = c->t;
	if (n >= CACHE_MIN_TEXT && !(c->cache = loom_calloc(CACHE_SLOTS, sizeof *c->cache)))
		return loom_work_nomem(&c->w);
	return loom_work_start(&c->w, text, n) && loom_added_cut(&t->added, &c->w, false) &&
	       loom_normalizer_run(&t->normalizer, &c->w) && loom_added_cut(&t->added, &c->w, true) &&
	       loom_pretokenizer_run(&t->pretokenizer, &c->w) && reserve(c, c->w.n_piece + c->w.n_piece / 4 + 16) && collect(c);
}

/* Cuts to room, then puts the post-processor's tokens around. */
static bool finish(struct encoder *c, bool add_special, size_t max, bool *truncated)
{
	const struct loom_post *p = &c->t->post;
	struct loom_encoding *e = c->e;
	size_t added = add_special ? p->n_before + p->n_after : 0, room = max - added;
	*truncated = e->n > room;
	if (*truncated)
		e->n = room;
	if (p->drops_text)
		e->n = 0;
	if (!add_special || added == 0)
		return true;
	if (!reserve(c, e->n + added))
		return false;
	size_t n = e->n, shift = p->n_before;
	memmove(e->ids + shift, e->ids, n * sizeof *e->ids);
	memmove(e->start + shift, e->start, n * sizeof *e->start);
	memmove(e->end + shift, e->end, n * sizeof *e->end);
	memmove(e->special + shift, e->special, n);
	e->n = 0;
	for (size_t i = 0; i < p->n_before; i++)
		put(e, p->before[i], 0, 0, true);
	e->n += n;
	for (size_t i = 0; i < p->n_after; i++)
		put(e, p->after[i], 0, 0, true);
	return true;
}

enum loom_status loom_tokenizer_encode_max(const struct loom_tokenizer *t, const char *text, size_t n, bool add_special,
	size_t max, struct loom_encoding *e, bool *truncated, struct loom_err *err)
{
	struct encoder c = { .t = t, .e = e };
	e->n = 0;
	*truncated = false;
	if (n > TOKENIZER_MAX_TEXT)
		return loom_err_set(err, LOOM_E_TOO_LARGE, "text of %zu bytes, at most %u can be tokenized", n, TOKENIZER_MAX_TEXT);
	if (!loom_utf8_valid(text, n))
		return loom_err_set(err, LOOM_E_INVALID, "text is not valid UTF-8 at byte %zu", loom_utf8_valid_prefix(text, n));
	if (add_special && t->post.n_before + t->post.n_after > max)
		return loom_err_set(err, LOOM_E_INVALID, "at most %zu tokens were asked for, but the tokenizer adds %zu of its own", max,
			t->post.n_before + t->post.n_after);
	loom_work_init(&c.w, err);
	loom_buf_init(&c.tokens.key, TOKENIZER_MAX_TEXT);
	bool ok = run(&c, text, n) && finish(&c, add_special, max, truncated);
	enum loom_status status = ok ? LOOM_OK : c.w.status;
	loom_work_release(&c.w);
	loom_free(c.tokens.t);
	loom_free(c.tokens.symbols);
	loom_free(c.tokens.heap);
	loom_buf_release(&c.tokens.key);
	loom_free(c.cache);
	if (!ok)
		e->n = 0;
	return status;
}

enum loom_status loom_tokenizer_encode(const struct loom_tokenizer *t, const char *text, size_t n, bool add_special,
	struct loom_encoding *e, struct loom_err *err)
{
	bool truncated;
	return loom_tokenizer_encode_max(t, text, n, add_special, SIZE_MAX, e, &truncated, err);
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
	return t->post.n_before + t->post.n_after;
}
