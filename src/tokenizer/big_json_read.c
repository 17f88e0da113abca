/* big_json_read.c: reads the two values of big_json.h, once over the text; strings without escapes are used in place. What goes into the tables
 * waits in short queues, since their memory is slow and the text is not. */
#include <stdlib.h>
#include <string.h>

#include "big_json.h"
#include "bounds.h"
#include "json_scan.h"
#include "mem.h"
#include "str.h"

static enum loom_status broken(const struct loom_scan *s, size_t i, const char *expected)
{
	return loom_err_set(s->err, LOOM_E_MODEL, "%s[%zu]: expected %s", s->where, i, expected);
}

static bool hex4(const char *p, const char *end, uint32_t *out)
{
	*out = 0;
	for (int i = 0; i < 4; i++, p++) {
		if (p == end)
			return false;
		uint32_t digit = *p >= '0' && *p <= '9' ? (uint32_t)(*p - '0')
		                 : (*p | 32) >= 'a' && (*p | 32) <= 'f' ? (uint32_t)((*p | 32) - 'a' + 10) : 16;
		if (digit == 16)
			return false;
		*out = *out << 4 | digit;
	}
	return true;
}

/* The escape at s->p, which stands at the backslash. */
static bool unescape(struct loom_scan *s, struct loom_buf *to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	uint32_t cp, low;
	char utf8[4];
	if (s->end - s->p < 2)
		return false;
	char c = s->p[1];
	s->p += 2;
	if (c != 'u') {
		const char *at = c ? strchr(from, c) : NULL;
		return at && (loom_buf_putc(to, into[at - from]), true);
	}
	if (!hex4(s->p, s->end, &cp))
		return false;
	s->p += 4;
	if (cp >= 0xD800 && cp < 0xDC00) {
		if (s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u' || !hex4(s->p + 2, s->end, &low) || low < 0xDC00 || low > 0xDFFF)
			return false;
		cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
		s->p += 6;
	} else if (cp >= 0xDC00 && cp <= 0xDFFF) {
		return false;
	}
	loom_buf_append(to, utf8, loom_utf8_encode(cp, utf8));
	return true;
}

/* A string; scratch says which of the two buffers holds it when it has escapes. */
static bool string(struct loom_scan *s, struct loom_word *out, int scratch)
{
	struct loom_buf *b = &s->text[scratch];
	if (loom_scan_peek(s) != '"')
		return false;
	const char *start = ++s->p;
	while (s->p < s->end && *s->p != '"' && *s->p != '\\' && (unsigned char)*s->p >= ' ')
		s->p++;
	if (s->p < s->end && *s->p == '"') {
		*out = (struct loom_word){ start, (size_t)(s->p++ - start) };
		return true;
	}
	loom_buf_reset(b);
	loom_buf_append(b, start, (size_t)(s->p - start));
	while (s->p < s->end && *s->p != '"') {
		if ((unsigned char)*s->p < ' ' || (*s->p == '\\' && !unescape(s, b)))
			return false;
		const char *from = s->p;
		while (s->p < s->end && *s->p != '"' && *s->p != '\\' && (unsigned char)*s->p >= ' ')
			s->p++;
		loom_buf_append(b, from, (size_t)(s->p - from));
	}
	*out = (struct loom_word){ b->data ? b->data : "", b->len };
	return s->p < s->end && *s->p++ == '"' && !b->failed;
}

static bool integer(struct loom_scan *s, int64_t *out)
{
	bool negative = loom_scan_peek(s) == '-';
	const char *start = s->p += negative;
	*out = 0;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9' && s->p - start < 12)
		*out = *out * 10 + (*s->p++ - '0');
	if (negative)
		*out = -*out;
	return s->p > start && (s->p == s->end || loom_scan_space(*s->p) || *s->p == ',' || *s->p == '}');
}

static bool number(struct loom_scan *s, double *out)
{
	char text[64];
	size_t n = 0;
	(void)loom_scan_peek(s);
	while (s->p < s->end && n + 1 < sizeof text && (strchr("+-.eE", *s->p) || (*s->p >= '0' && *s->p <= '9')))
		text[n++] = *s->p++;
	text[n] = '\0';
	char *stop;
	*out = strtod(text, &stop);
	return n > 0 && *stop == '\0' && *out - *out == 0;
}

static struct loom_scan open_scan(const char *from, const char *to, const char *where, struct loom_err *err)
{
	struct loom_scan s = { .p = from + 1, .end = to, .where = where, .err = err };
	loom_buf_init(&s.text[0], LOOM_MAX_CONFIG_BYTES);
	loom_buf_init(&s.text[1], LOOM_MAX_CONFIG_BYTES);
	return s;
}

static void close_scan(struct loom_scan *s)
{
	loom_buf_release(&s->text[0]);
	loom_buf_release(&s->text[1]);
}

#define BIG_JSON_AHEAD 16 /* a power of two */

/* Tokens wait a little while the memory of their slots is on its way. */
struct waiting_tokens {
	struct loom_word words[BIG_JSON_AHEAD];
	int64_t ids[BIG_JSON_AHEAD];
	size_t n, n_added;
};

static enum loom_status add_tokens(struct waiting_tokens *w, struct loom_vocab *v, size_t keep, struct loom_err *err)
{
	enum loom_status status = LOOM_OK;
	for (; !status && w->n > w->n_added + keep; w->n_added++) {
		const struct loom_word *token = &w->words[w->n_added % BIG_JSON_AHEAD];
		status = loom_vocab_add(v, token->s, token->n, w->ids[w->n_added % BIG_JSON_AHEAD], err);
	}
	return status;
}

enum loom_status loom_big_json_vocab(const struct loom_big_json *b, const char *where, struct loom_vocab *v, struct loom_err *err)
{
	struct loom_scan s = open_scan(b->vocab, b->vocab_end, where, err);
	struct waiting_tokens w = { .n = 0 };
	enum loom_status status = LOOM_OK;
	for (size_t i = 0; !status && loom_scan_peek(&s) != '}'; i++) {
		struct loom_word token = { "", 0 };
		int64_t id;
		if ((i && !loom_scan_eat(&s, ',')) || !string(&s, &token, 0) || !loom_scan_eat(&s, ':'))
			status = broken(&s, i, "\"token\": id");
		else if (!integer(&s, &id))
			status = loom_err_set(err, LOOM_E_MODEL, "%s: \"%.*s\": expected an integer id", where, token.n < 60 ? (int)token.n : 60, token.s);
		else if (!(status = add_tokens(&w, v, BIG_JSON_AHEAD - 1, err))) {
			loom_table_prefetch(&v->by_name, loom_table_hash(&v->by_name, token.s, token.n));
			w.words[w.n % BIG_JSON_AHEAD] = token;
			w.ids[w.n++ % BIG_JSON_AHEAD] = id;
			if (token.s == s.text[0].data) /* a string that had escapes lives only until the next one */
				status = add_tokens(&w, v, 0, err);
		}
	}
	close_scan(&s);
	return status ? status : add_tokens(&w, v, 0, err);
}

enum loom_status loom_big_json_pieces(const struct loom_big_json *b, struct loom_vocab *v, double **scores, size_t *n,
	struct loom_err *err)
{
	struct loom_scan s = open_scan(b->vocab, b->vocab_end, "tokenizer.json: model.vocab", err);
	enum loom_status status = LOOM_OK;
	size_t cap = 0;
	*scores = NULL;
	for (*n = 0; !status && loom_scan_peek(&s) != ']'; ++*n) {
		struct loom_word piece;
		double score;
		if (*n == cap) {
			cap = cap * 2 + 4096;
			double *p = loom_reallocarray(*scores, cap, sizeof *p);
			if (!p) {
				status = loom_err_nomem(err, "the vocabulary", cap * sizeof *p);
				break;
			}
			*scores = p;
		}
		if ((*n && !loom_scan_eat(&s, ',')) || !loom_scan_eat(&s, '[') || !string(&s, &piece, 0) || !loom_scan_eat(&s, ',') ||
		    !number(&s, &score) || !loom_scan_eat(&s, ']')) {
			status = broken(&s, *n, "[\"piece\", score]");
			break;
		}
		(*scores)[*n] = score;
		status = loom_vocab_add(v, piece.s, piece.n, (int64_t)*n, err);
	}
	close_scan(&s);
	return status;
}

/* Merges wait a little while the memory of their look-ups is on its way: pairs for the slots of their names, then for the names; then their ids for
 * the slot of the merge. */
struct waiting {
	struct loom_bpe_pair pairs[BIG_JSON_AHEAD];
	int32_t ids[BIG_JSON_AHEAD][3];
	size_t n, n_resolved, n_added; /* merges seen, and how far each step is */
};

/* The ids of merges until only `keep` of them wait. */
static enum loom_status add_resolved(struct waiting *w, struct loom_bpe *bpe, size_t keep, struct loom_err *err)
{
	enum loom_status status = LOOM_OK;
	while (!status && w->n_resolved > w->n_added + keep) {
		const int32_t *ids = w->ids[w->n_added++ % BIG_JSON_AHEAD];
		status = loom_bpe_add_ids(bpe, ids[0], ids[1], ids[2], err);
	}
	return status;
}

static enum loom_status settle(struct waiting *w, struct loom_bpe *bpe, size_t keep, struct loom_err *err)
{
	enum loom_status status = LOOM_OK;
	while (!status && w->n > w->n_resolved + keep && !(status = add_resolved(w, bpe, BIG_JSON_AHEAD - 1, err))) {
		const struct loom_bpe_pair *pair = &w->pairs[w->n_resolved % BIG_JSON_AHEAD];
		int32_t *ids = w->ids[w->n_resolved % BIG_JSON_AHEAD];
		if (loom_bpe_resolve(bpe, pair, ids, err)) /* once more when those before it are in: the message counts them */
			return (status = add_resolved(w, bpe, 0, err)) ? status : loom_bpe_resolve(bpe, pair, ids, err);
		w->n_resolved++;
		loom_bpe_prefetch(bpe, ids[0], ids[1]);
	}
	return status || keep ? status : add_resolved(w, bpe, 0, err);
}

static enum loom_status add_pair(struct loom_scan *s, struct waiting *w, struct loom_bpe *bpe, struct loom_word left, struct loom_word right)
{
	const struct loom_table *t = &bpe->vocab->by_name;
	enum loom_status status = settle(w, bpe, BIG_JSON_AHEAD - 1, s->err);
	if (status)
		return status;
	const struct loom_bpe_pair pair = { left.s, right.s, left.n, right.n, loom_table_hash(t, left.s, left.n), loom_table_hash(t, right.s, right.n) };
	w->pairs[w->n % BIG_JSON_AHEAD] = pair;
	loom_table_prefetch(t, pair.h_left);
	loom_table_prefetch(t, pair.h_right);
	if (w->n >= w->n_resolved + BIG_JSON_AHEAD / 2) {
		const struct loom_bpe_pair *older = &w->pairs[(w->n - BIG_JSON_AHEAD / 2) % BIG_JSON_AHEAD];
		loom_table_prefetch_key(t, older->h_left);
		loom_table_prefetch_key(t, older->h_right);
	}
	w->n++;
	/* Strings that had escapes live only until the next one. */
	return left.s == s->text[0].data || right.s == s->text[1].data ? settle(w, bpe, 0, s->err) : LOOM_OK;
}

enum loom_status loom_big_json_merges(const struct loom_big_json *b, struct loom_bpe *bpe, struct loom_err *err)
{
	struct loom_scan s = open_scan(b->merges, b->merges_end, "tokenizer.json: model.merges", err);
	struct waiting w = { .n = 0 };
	enum loom_status status = LOOM_OK;
	for (size_t i = 0; !status && loom_scan_peek(&s) != ']'; i++) {
		struct loom_word left, right;
		bool ok = i == 0 || loom_scan_eat(&s, ',');
		if (ok && loom_scan_peek(&s) == '"') {
			ok = string(&s, &left, 0);
			const char *gap = ok ? memchr(left.s, ' ', left.n) : NULL;
			right.s = gap ? gap + 1 : NULL;
			right.n = gap ? left.n - (size_t)(right.s - left.s) : 0;
			if (ok && left.n >= 8 && memcmp(left.s, "#version", 8) == 0)
				continue;
			if (ok && (!gap || memchr(right.s, ' ', right.n))) /* one space is what it takes: the message is made there */
				status = (status = settle(&w, bpe, 0, err)) ? status : loom_bpe_add_line(bpe, left.s, left.n, err);
			else if (ok)
				status = add_pair(&s, &w, bpe, (struct loom_word){ left.s, (size_t)(gap - left.s) }, right);
		} else {
			ok = ok && loom_scan_eat(&s, '[') && string(&s, &left, 0) && loom_scan_eat(&s, ',') && string(&s, &right, 1) && loom_scan_eat(&s, ']');
			if (ok)
				status = add_pair(&s, &w, bpe, left, right);
		}
		if (!ok)
			status = broken(&s, i, "\"a b\" or [\"a\", \"b\"]");
	}
	if (!status)
		status = settle(&w, bpe, 0, err);
	close_scan(&s);
	return status;
}
