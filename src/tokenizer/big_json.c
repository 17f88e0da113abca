/* big_json.c: see big_json.h. A reader that goes once over the text; strings without escapes are used in place. */
#include "big_json.h"

#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "mem.h"
#include "str.h"

struct scan {
	const char *p, *end;
	const char *where;
	struct loom_buf text[2]; /* strings that had escapes; two may be alive */
	struct loom_err *err;
};
struct word {
	const char *s; /* [n] */
	size_t n;
};

static bool space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static char peek(struct scan *s)
{
	while (s->p < s->end && space(*s->p))
		s->p++;
	return s->p < s->end ? *s->p : '\0';
}

static bool eat(struct scan *s, char c)
{
	if (peek(s) != c)
		return false;
	s->p++;
	return true;
}

/* --- finding */

/* Past a string; s->p stands at its quote. */
static bool skip_string(struct scan *s)
{
	for (s->p++; s->p < s->end; s->p++) {
		if (*s->p == '"') {
			s->p++;
			return true;
		}
		if (*s->p == '\\')
			s->p++;
	}
	return false;
}

static bool skip_value(struct scan *s)
{
	int depth = 0;
	do {
		char c = peek(s);
		if (c == '"') {
			if (!skip_string(s))
				return false;
		} else if (c == '{' || c == '[') {
			depth++;
			s->p++;
		} else if (c == '}' || c == ']') {
			depth--;
			s->p++;
		} else if (c == '\0') {
			return false;
		} else if (c == ',' || c == ':') {
			if (depth == 0)
				return false;
			s->p++;
		} else {
			while (s->p < s->end && !strchr(",:]}[{\" \n\t\r", *s->p))
				s->p++;
		}
	} while (depth > 0);
	return depth == 0;
}

/* The next member of the object that s is in: its key (raw) and where its value starts. */
static bool next_member(struct scan *s, bool first, struct word *key)
{
	if (!first && !eat(s, ','))
		return false;
	if (peek(s) != '"')
		return false;
	key->s = s->p + 1;
	if (!skip_string(s))
		return false;
	key->n = (size_t)(s->p - 1 - key->s);
	return eat(s, ':') && peek(s) != '\0';
}

static bool is(struct word w, const char *s)
{
	return w.n == strlen(s) && memcmp(w.s, s, w.n) == 0;
}

static bool find_in_model(struct scan *s, struct loom_big_json *b)
{
	struct word key;
	if (!eat(s, '{'))
		return false;
	for (bool first = true; peek(s) != '}'; first = false) {
		if (!next_member(s, first, &key))
			return false;
		const char *start = s->p;
		if (!skip_value(s))
			return false;
		bool vocab = is(key, "vocab") && (*start == '{' || *start == '['), merges = is(key, "merges") && *start == '[';
		if ((vocab && b->vocab) || (merges && b->merges))
			return false;
		if (vocab) {
			b->vocab = start;
			b->vocab_end = s->p;
		} else if (merges) {
			b->merges = start;
			b->merges_end = s->p;
		}
	}
	s->p++;
	return true;
}

static void put_rest(struct loom_buf *rest, const char *from, const char *to, const char *value)
{
	loom_buf_append(rest, from, (size_t)(to - from));
	loom_buf_puts(rest, value ? (*value == '{' ? "{}" : "[]") : "");
}

bool loom_big_json_find(const char *text, size_t n, struct loom_big_json *b, struct loom_buf *rest)
{
	struct scan s = { .p = text, .end = text + n };
	struct word key;
	bool model = false;
	*b = (struct loom_big_json){ 0 };
	if (!loom_utf8_valid(text, n) || !eat(&s, '{'))
		return false;
	for (bool first = true; peek(&s) != '}'; first = false) {
		if (!next_member(&s, first, &key) || (is(key, "model") && model))
			return false;
		model = model || is(key, "model");
		if (is(key, "model") && *s.p == '{' ? !find_in_model(&s, b) : !skip_value(&s))
			return false;
	}
	if (!b->vocab)
		return false;
	bool vocab_first = !b->merges || b->vocab < b->merges;
	const char *one = vocab_first ? b->vocab : b->merges, *one_end = vocab_first ? b->vocab_end : b->merges_end;
	const char *two = vocab_first ? b->merges : b->vocab, *two_end = vocab_first ? b->merges_end : b->vocab_end;
	put_rest(rest, text, one, one);
	if (two) {
		put_rest(rest, one_end, two, two);
		one_end = two_end;
	}
	put_rest(rest, one_end, text + n, NULL);
	return !rest->failed;
}

/* --- reading */

static enum loom_status broken(const struct scan *s, size_t i, const char *expected)
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
static bool unescape(struct scan *s, struct loom_buf *to)
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
static bool string(struct scan *s, struct word *out, int scratch)
{
	struct loom_buf *b = &s->text[scratch];
	if (peek(s) != '"')
		return false;
	const char *start = ++s->p;
	while (s->p < s->end && *s->p != '"' && *s->p != '\\' && (unsigned char)*s->p >= ' ')
		s->p++;
	if (s->p < s->end && *s->p == '"') {
		*out = (struct word){ start, (size_t)(s->p++ - start) };
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
	*out = (struct word){ b->data ? b->data : "", b->len };
	return s->p < s->end && *s->p++ == '"' && !b->failed;
}

static bool integer(struct scan *s, int64_t *out)
{
	bool negative = peek(s) == '-';
	const char *start = s->p += negative;
	*out = 0;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9' && s->p - start < 12)
		*out = *out * 10 + (*s->p++ - '0');
	if (negative)
		*out = -*out;
	return s->p > start && (s->p == s->end || space(*s->p) || *s->p == ',' || *s->p == '}');
}

static bool number(struct scan *s, double *out)
{
	char text[64];
	size_t n = 0;
	(void)peek(s);
	while (s->p < s->end && n + 1 < sizeof text && (strchr("+-.eE", *s->p) || (*s->p >= '0' && *s->p <= '9')))
		text[n++] = *s->p++;
	text[n] = '\0';
	char *stop;
	*out = strtod(text, &stop);
	return n > 0 && *stop == '\0' && *out - *out == 0;
}

static struct scan open_scan(const char *from, const char *to, const char *where, struct loom_err *err)
{
	struct scan s = { .p = from + 1, .end = to, .where = where, .err = err };
	loom_buf_init(&s.text[0], LOOM_MAX_CONFIG_BYTES);
	loom_buf_init(&s.text[1], LOOM_MAX_CONFIG_BYTES);
	return s;
}

static void close_scan(struct scan *s)
{
	loom_buf_release(&s->text[0]);
	loom_buf_release(&s->text[1]);
}

enum loom_status loom_big_json_vocab(const struct loom_big_json *b, const char *where, struct loom_vocab *v, struct loom_err *err)
{
	struct scan s = open_scan(b->vocab, b->vocab_end, where, err);
	enum loom_status status = LOOM_OK;
	for (size_t i = 0; !status && peek(&s) != '}'; i++) {
		struct word token = { "", 0 };
		int64_t id;
		if ((i && !eat(&s, ',')) || !string(&s, &token, 0) || !eat(&s, ':'))
			status = broken(&s, i, "\"token\": id");
		else if (!integer(&s, &id))
			status = loom_err_set(err, LOOM_E_MODEL, "%s: \"%.*s\": expected an integer id", where, token.n < 60 ? (int)token.n : 60, token.s);
		else
			status = loom_vocab_add(v, token.s, token.n, id, err);
	}
	close_scan(&s);
	return status;
}

enum loom_status loom_big_json_pieces(const struct loom_big_json *b, struct loom_vocab *v, double **scores, size_t *n,
	struct loom_err *err)
{
	struct scan s = open_scan(b->vocab, b->vocab_end, "tokenizer.json: model.vocab", err);
	enum loom_status status = LOOM_OK;
	size_t cap = 0;
	*scores = NULL;
	for (*n = 0; !status && peek(&s) != ']'; ++*n) {
		struct word piece;
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
		if ((*n && !eat(&s, ',')) || !eat(&s, '[') || !string(&s, &piece, 0) || !eat(&s, ',') || !number(&s, &score) || !eat(&s, ']')) {
			status = broken(&s, *n, "[\"piece\", score]");
			break;
		}
		(*scores)[*n] = score;
		status = loom_vocab_add(v, piece.s, piece.n, (int64_t)*n, err);
	}
	close_scan(&s);
	return status;
}

/* Merges wait a little while the memory of their look-ups is on its way. */
#define BIG_JSON_AHEAD 16
struct waiting {
	struct word list[BIG_JSON_AHEAD][2];
	size_t from, n;
};

static enum loom_status settle(struct waiting *w, struct loom_bpe *bpe, size_t keep, struct loom_err *err)
{
	enum loom_status status = LOOM_OK;
	for (; !status && w->n > keep; w->n--, w->from = (w->from + 1) % BIG_JSON_AHEAD) {
		const struct word *pair = w->list[w->from];
		status = loom_bpe_add(bpe, pair[0].s, pair[0].n, pair[1].s, pair[1].n, err);
	}
	return status;
}

static enum loom_status add_pair(struct scan *s, struct waiting *w, struct loom_bpe *bpe, struct word left, struct word right)
{
	enum loom_status status = settle(w, bpe, BIG_JSON_AHEAD - 1, s->err);
	if (status)
		return status;
	struct word *pair = w->list[(w->from + w->n++) % BIG_JSON_AHEAD];
	pair[0] = left;
	pair[1] = right;
	loom_table_prefetch(&bpe->vocab->by_name, left.s, left.n);
	loom_table_prefetch(&bpe->vocab->by_name, right.s, right.n);
	/* Strings that had escapes live only until the next one. */
	return left.s == s->text[0].data || right.s == s->text[1].data ? settle(w, bpe, 0, s->err) : LOOM_OK;
}

enum loom_status loom_big_json_merges(const struct loom_big_json *b, struct loom_bpe *bpe, struct loom_err *err)
{
	struct scan s = open_scan(b->merges, b->merges_end, "tokenizer.json: model.merges", err);
	struct waiting w = { .n = 0 };
	enum loom_status status = LOOM_OK;
	for (size_t i = 0; !status && peek(&s) != ']'; i++) {
		struct word left, right;
		bool ok = i == 0 || eat(&s, ',');
		if (ok && peek(&s) == '"') {
			ok = string(&s, &left, 0);
			const char *gap = ok ? memchr(left.s, ' ', left.n) : NULL;
			right.s = gap ? gap + 1 : NULL;
			right.n = gap ? left.n - (size_t)(right.s - left.s) : 0;
			if (ok && left.n >= 8 && memcmp(left.s, "#version", 8) == 0)
				continue;
			if (ok && (!gap || memchr(right.s, ' ', right.n))) /* one space is what it takes: the message is made there */
				status = (status = settle(&w, bpe, 0, err)) ? status : loom_bpe_add_line(bpe, left.s, left.n, err);
			else if (ok)
				status = add_pair(&s, &w, bpe, (struct word){ left.s, (size_t)(gap - left.s) }, right);
		} else {
			ok = ok && eat(&s, '[') && string(&s, &left, 0) && eat(&s, ',') && string(&s, &right, 1) && eat(&s, ']');
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
