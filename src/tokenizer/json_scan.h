/* json_scan.h: a place in a JSON text, for the two readers of big_json.h. */
#ifndef LOOM_JSON_SCAN_H
#define LOOM_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "err.h"

struct loom_scan {
	const char *p, *end;
	const char *where;
	struct loom_buf text[2]; /* strings that had escapes; two may be alive */
	struct loom_err *err;
};
struct loom_word {
	const char *s; /* [n] */
	size_t n;
};

static inline bool loom_scan_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline char loom_scan_peek(struct loom_scan *s)
{
	while (s->p < s->end && loom_scan_space(*s->p))
		s->p++;
	return s->p < s->end ? *s->p : '\0';
}

static inline bool loom_scan_eat(struct loom_scan *s, char c)
{
	if (loom_scan_peek(s) != c)
		return false;
	s->p++;
	return true;
}

#endif
