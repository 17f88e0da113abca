/* big_json.c: finds the large values of big_json.h in the text. Reading them is big_json_read.c. */
#include "big_json.h"

#include <string.h>

#include "json_scan.h"
#include "str.h"

/* Past a string; s->p stands at its quote. */
static bool skip_string(struct loom_scan *s)
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

static bool skip_value(struct loom_scan *s)
{
	int depth = 0;
	do {
		char c = loom_scan_peek(s);
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
static bool next_member(struct loom_scan *s, bool first, struct loom_word *key)
{
	if (!first && !loom_scan_eat(s, ','))
		return false;
	if (loom_scan_peek(s) != '"')
		return false;
	key->s = s->p + 1;
	if (!skip_string(s))
		return false;
	key->n = (size_t)(s->p - 1 - key->s);
	return loom_scan_eat(s, ':') && loom_scan_peek(s) != '\0';
}

static bool is(struct loom_word w, const char *s)
{
	return w.n == strlen(s) && memcmp(w.s, s, w.n) == 0;
}

static bool find_in_model(struct loom_scan *s, struct loom_big_json *b)
{
	struct loom_word key;
	if (!loom_scan_eat(s, '{'))
		return false;
	for (bool first = true; loom_scan_peek(s) != '}'; first = false) {
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
	struct loom_scan s = { .p = text, .end = text + n };
	struct loom_word key;
	bool model = false;
	*b = (struct loom_big_json){ 0 };
	if (!loom_utf8_valid(text, n) || !loom_scan_eat(&s, '{'))
		return false;
	for (bool first = true; loom_scan_peek(&s) != '}'; first = false) {
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

