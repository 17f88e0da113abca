/* tokenize.c: encoding: a text (or two) through the stages to tokens with their ranges of the original, cut to length, with the tokens around
 * that the post-processor's template names. */
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
	size_t base; /* tokens of the texts before this one */
	size_t skip; /* tokens at the start of this one that will be cut */
	uint8_t type;
};

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
	loom_free(e->type);
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
	uint8_t *type = loom_realloc(e->type, n);
	e->type = type ? type : e->type;
	if (!ids || !start || !end || !special || !type)
		return loom_work_nomem(&c->w);
	e->cap = n;
	return true;
}

static void put(struct loom_encoding *e, int32_t id, uint32_t start, uint32_t end, bool special, uint8_t type)
{
	e->type[e->n] = type;
	e->ids[e->n] = id;
	e->start[e->n] = start;
	e->end[e->n] = end;
	e->special[e->n++] = special;
}

static bool run_model(struct encoder *c, const char *s, size_t n)
{
	if (c->t->model == LOOM_MODEL_WORDPIECE)
		return loom_wordpiece_run(&c->t->wordpiece, &c->w, &c->tokens, s, n);
	if (c->t->model == LOOM_MODEL_WORDLEVEL)
		return loom_wordlevel_run(&c->t->wordlevel, &c->w, &c->tokens, s, n);
	if (c->t->model == LOOM_MODEL_UNIGRAM)
		return loom_unigram_run(&c->t->unigram, &c->w, &c->tokens, s, n);
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
				if (p->id < 0 && t->model == LOOM_MODEL_UNIGRAM && tokens[k].id == t->unigram.unk_id) {
					s += from; /* there an unknown token is called what it stands for */
					len = to - from;
				} else if (p->id < 0) {
					s = loom_tokenizer_token(t, tokens[k].id, &len);
				}
				if (s)
					loom_post_trim(&t->post, s, len, c->e->n - c->base - c->skip, &start, &end);
			}
			put(c->e, tokens[k].id, start, end, false, c->type);
		}
	}
	return true;
}

/* Appends the tokens of one text. */
static bool run(struct encoder *c, const char *text, size_t n)
{
	const struct loom_tokenizer *t = c->t;
	c->base = c->e->n;
	c->tokens.n = 0;
	if (c->cache)
		memset(c->cache, 0, CACHE_SLOTS * sizeof *c->cache);
	else if (n >= CACHE_MIN_TEXT && !(c->cache = loom_calloc(CACHE_SLOTS, sizeof *c->cache)))
		return loom_work_nomem(&c->w);
	return loom_work_start(&c->w, text, n) && loom_added_cut(&t->added, &c->w, false) &&
	       loom_normalizer_run(&t->normalizer, &c->w) && loom_added_cut(&t->added, &c->w, true) &&
	       loom_pretokenizer_run(&t->pretokenizer, &c->w) &&
	       reserve(c, c->base + c->w.n_piece + c->w.n_piece / 4 + 16) && collect(c);
}

/* --- cutting to length, and the tokens around */

/* How many tokens of each text stay; false: the strategy can't make it fit. */
static bool room_for(const struct loom_input *in, size_t max, size_t *n_first, size_t *n_second)
{
	size_t a = *n_first, b = *n_second;
	if (a + b <= max)
		return true;
	if (max == 0) {
		*n_first = *n_second = 0;
		return true;
	}
	size_t over = a + b - max;
	if (in->strategy != LOOM_TRUNCATE_LONGEST_FIRST) {
		size_t *n = in->strategy == LOOM_TRUNCATE_ONLY_FIRST ? n_first : n_second;
		if (*n <= over)
			return false;
		*n -= over;
		return true;
	}
	size_t less = a < b ? a : b, more = max > less ? max - less : 0;
	more = more > less ? more : less;
	if (!in->pair) {
		*n_first = max;
		return true;
	}
	if (less + more > max) {
		less = max / 2;
		more = less + max % 2;
	}
	*n_first = a > b ? more : less;
	*n_second = a > b ? less : more;
	return true;
}

static void copy(struct loom_encoding *to, const struct loom_encoding *from, size_t at, size_t n, uint8_t type)
{
	memcpy(to->ids + to->n, from->ids + at, n * sizeof *to->ids);
	memcpy(to->start + to->n, from->start + at, n * sizeof *to->start);
	memcpy(to->end + to->n, from->end + at, n * sizeof *to->end);
	memset(to->special + to->n, 0, n);
	memset(to->type + to->n, type, n);
	to->n += n;
}

/* Writes the template with the first n[0] tokens of the first text and n[1] of the second (the last with left). */
static bool fill(struct encoder *c, const struct loom_input *in, size_t n_first, const size_t n[2])
{
	const struct loom_template *p = in->pair ? &c->t->post.pair : &c->t->post.single;
	struct loom_encoding *e = c->e, texts = *e;
	size_t total = 0, at[2] = { 0, n_first };
	if (in->left) {
		at[0] = n_first - n[0];
		at[1] = e->n - n[1];
	}
	for (size_t i = 0; i < p->n; i++)
		total += p->items[i].id < 0 ? n[p->items[i].id == LOOM_POST_SECOND] : in->add_special;
	*e = (struct loom_encoding){ 0 };
	bool ok = n_first <= texts.n && reserve(c, total ? total : 1);
	for (size_t i = 0; ok && i < p->n; i++) {
		const struct loom_post_item *item = &p->items[i];
		int second = item->id == LOOM_POST_SECOND;
		if (item->id < 0)
			copy(e, &texts, at[second], n[second], item->type);
		else if (in->add_special)
			put(e, item->id, 0, 0, true, item->type);
	}
	loom_encoding_release(&texts);
	return ok;
}

static bool too_long(struct encoder *c, const struct loom_input *in)
{
	c->w.status = loom_err_set(c->w.err, LOOM_E_INVALID, "%zu tokens and those around are too many for %zu, and cutting only the %s "
		"text can't make them fit", c->e->n, in->max, in->strategy == LOOM_TRUNCATE_ONLY_FIRST ? "first" : "second");
	return false;
}

/* The tokens of all texts, one after the other; *n_first of the first. skip: as in struct encoder, of each. */
static bool run_all(struct encoder *c, const struct loom_input *in, const size_t skip[2], size_t *n_first)
{
	c->e->n = 0;
	c->type = 0;
	c->skip = skip[0];
	if (!run(c, in->text, in->n))
		return false;
	*n_first = c->e->n;
	c->type = 1;
	c->skip = skip[1];
	return !in->pair || run(c, in->pair, in->n_pair);
}

static bool encode(struct encoder *c, const struct loom_input *in, bool *truncated)
{
	const struct loom_post *post = &c->t->post;
	const struct loom_template *p = in->pair ? &post->pair : &post->single;
	struct loom_encoding *e = c->e;
	size_t skip[2] = { 0, 0 }, n_first;
	if (!run_all(c, in, skip, &n_first))
		return false;
	size_t n[2] = { n_first, e->n - n_first };
	if (in->max && !room_for(in, in->max - (in->add_special ? p->n_added : 0), &n[0], &n[1]))
		return too_long(c, in);
	*truncated = n[0] + n[1] < e->n;
	if (*truncated && in->left && post->n_trim) { /* offsets are trimmed after the cut, and the first token has rights */
		skip[0] = n_first - n[0];
		skip[1] = e->n - n_first - n[1];
		if (!run_all(c, in, skip, &n_first))
			return false;
	}
	bool text_alone = p->n == 1 && p->items[0].id == LOOM_POST_FIRST && p->items[0].type == 0;
	if (!text_alone || (in->left && *truncated))
		return fill(c, in, n_first, n);
	e->n = n[0];
	return true;
}

static enum loom_status check(const struct loom_tokenizer *t, const struct loom_input *in, struct loom_err *err)
{
	size_t added = in->pair ? t->post.pair.n_added : t->post.single.n_added;
	for (int second = 0; second <= (in->pair != NULL); second++) {
		const char *s = second ? in->pair : in->text;
		size_t n = second ? in->n_pair : in->n;
		if (n > TOKENIZER_MAX_TEXT)
			return loom_err_set(err, LOOM_E_TOO_LARGE, "text of %zu bytes, at most %u can be tokenized", n, TOKENIZER_MAX_TEXT);
		if (!loom_utf8_valid(s, n))
			return loom_err_set(err, LOOM_E_INVALID, "text%s is not valid UTF-8 at byte %zu", second ? " of the pair" : "",
				loom_utf8_valid_prefix(s, n));
	}
	if (in->max && in->add_special && added > in->max)
		return loom_err_set(err, LOOM_E_INVALID, "at most %zu tokens were asked for, but the tokenizer adds %zu of its own", in->max,
			added);
	return LOOM_OK;
}

enum loom_status loom_tokenizer_encode_input(const struct loom_tokenizer *t, const struct loom_input *in, struct loom_encoding *e,
	bool *truncated, struct loom_err *err)
{
	struct encoder c = { .t = t, .e = e };
	enum loom_status status = check(t, in, err);
	e->n = 0;
	*truncated = false;
	if (status)
		return status;
	loom_work_init(&c.w, err);
	loom_buf_init(&c.tokens.key, TOKENIZER_MAX_TEXT);
	bool ok = encode(&c, in, truncated);
	status = ok ? LOOM_OK : c.w.status;
	loom_work_release(&c.w);
	loom_tokens_release(&c.tokens);
	loom_free(c.cache);
	if (!ok)
		e->n = 0;
	return status;
}

enum loom_status loom_tokenizer_encode_max(const struct loom_tokenizer *t, const char *text, size_t n, bool add_special,
	size_t max, struct loom_encoding *e, bool *truncated, struct loom_err *err)
{
	const struct loom_input in = { .text = text, .n = n, .add_special = add_special, .max = max };
	return loom_tokenizer_encode_input(t, &in, e, truncated, err);
}

enum loom_status loom_tokenizer_encode(const struct loom_tokenizer *t, const char *text, size_t n, bool add_special,
	struct loom_encoding *e, struct loom_err *err)
{
	bool truncated;
	return loom_tokenizer_encode_max(t, text, n, add_special, 0, e, &truncated, err);
}
