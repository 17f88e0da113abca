/* regex_translate.c: one pattern from Oniguruma's syntax (Ruby, UTF-8) to PCRE2's. See regex.h for what
 * differs. It reads the pattern once, left to right; only {n,m}+ needs to know where its atom began. */
#include "regex_translate.h"

#include <ctype.h>
#include <string.h>

#include "str.h"

enum loom_status loom_regex_refuse(struct loom_regex_translation *t, const char *what)
{
	return loom_err_set(t->err, LOOM_E_MODEL, "%s: pattern uses %s, which is not supported", t->where, what);
}

static enum loom_status open_group(struct loom_regex_translation *t)
{
	if (t->n_group == LOOM_REGEX_MAX_GROUPS)
		return loom_regex_refuse(t, "groups nested too deep");
	t->groups[t->n_group++] = t->out->len;
	loom_buf_putc(t->out, *t->p++);
	t->atom = SIZE_MAX;
	if (t->p < t->end && *t->p == '*')
		return loom_regex_refuse(t, "a verb of PCRE");
	if (t->p == t->end || *t->p != '?')
		return LOOM_OK;
	const char *p = t->p + 1;
	if (p < t->end && !strchr(":=!><'#imx-~(", *p))
		return loom_regex_refuse(t, "a group of PCRE alone");
	if (p < t->end && (*p == '~' || *p == '('))
		return loom_regex_refuse(t, *p == '~' ? "an absent group" : "a conditional group");
	while (p < t->end && strchr("imx-", *p))
		p++;
	if (p == t->end || (*p != ':' && *p != ')') || p == t->p + 1)
		return LOOM_OK; /* (?: (?= (?! (?> (?< are the same; the rest of the group follows as usual */
	for (; t->p < p; t->p++)
		loom_buf_putc(t->out, *t->p == 'm' ? 's' : *t->p); /* Ruby's m is dot-all */
	return LOOM_OK;
}

/* {n}, {n,}, {,m}, {n,m}: its length, 0 when the brace is text. */
static size_t interval(const char *p, const char *end, bool *exact)
{
	const char *q = p + 1;
	bool digits = false;
	*exact = true;
	for (; q < end && isdigit((unsigned char)*q); q++)
		digits = true;
	if (q < end && *q == ',') {
		*exact = false;
		for (q++; q < end && isdigit((unsigned char)*q); q++)
			digits = true;
	}
	return digits && q < end && *q == '}' ? (size_t)(q + 1 - p) : 0;
}

/* Puts `(?:` before the last atom and closes after it. */
static enum loom_status wrap_atom(struct loom_regex_translation *t)
{
	char *room = loom_buf_reserve(t->out, 4);
	if (!room)
		return loom_err_nomem(t->err, "a pattern", t->out->len);
	memmove(t->out->data + t->atom + 3, t->out->data + t->atom, t->out->len - t->atom);
	memcpy(t->out->data + t->atom, "(?:", 3);
	t->out->len += 3;
	t->out->data[t->out->len] = '\0';
	loom_buf_putc(t->out, ')');
	return LOOM_OK;
}

static enum loom_status quantify(struct loom_regex_translation *t)
{
	bool exact;
	size_t n = interval(t->p, t->end, &exact);
	if (!n) {
		t->atom = t->out->len;
		loom_buf_puts(t->out, "\\{");
		t->p++;
		return LOOM_OK;
	}
	if (t->p[1] == ',') {
		loom_buf_puts(t->out, "{0");
		loom_buf_append(t->out, t->p + 1, n - 1);
	} else {
		loom_buf_append(t->out, t->p, n);
	}
	t->p += n;
	if (t->atom != SIZE_MAX && t->p < t->end && (*t->p == '+' || (*t->p == '?' && exact)))
		return wrap_atom(t); /* the sign then quantifies the whole, as in Ruby */
	return LOOM_OK;
}

static enum loom_status translate(struct loom_regex_translation *t)
{
	while (t->p < t->end) {
		enum loom_status status = LOOM_OK;
		uint32_t cp;
		char c = *t->p;
		if (c == '*' || c == '+' || c == '?') {
			loom_buf_putc(t->out, c);
			t->p++;
			continue;
		}
		if (c == '{') {
			status = quantify(t);
			if (status)
				return status;
			continue;
		}
		if (c == '(') {
			status = open_group(t);
			if (status)
				return status;
			continue;
		}
		t->atom = t->out->len;
		if (c == ')') {
			if (t->n_group == 0)
				return loom_regex_refuse(t, "an unmatched )");
			t->atom = t->groups[--t->n_group];
			loom_buf_putc(t->out, c);
			t->p++;
		} else if (c == '\\') {
			status = loom_regex_escape(t, false);
		} else if (c == '[') {
			t->p++;
			status = loom_regex_class(t);
		} else {
			size_t n = loom_next_char(t->p, &cp);
			if (c == ']' || c == '}')
				loom_buf_putc(t->out, '\\');
			loom_buf_append(t->out, t->p, n);
			t->p += n;
		}
		if (status)
			return status;
	}
	return t->n_group ? loom_regex_refuse(t, "an unmatched (") : LOOM_OK;
}

enum loom_status loom_regex_translate(const char *pattern, size_t n, const char *where, struct loom_buf *out,
	struct loom_err *err)
{
	struct loom_regex_translation t = { .p = pattern, .end = pattern + n, .out = out, .where = where, .err = err, .atom = SIZE_MAX };
	enum loom_status status = translate(&t);
	if (!status && out->failed)
		return loom_err_nomem(err, "a pattern", n);
	return status;
}
