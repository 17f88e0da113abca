/* regex.h: patterns of tokenizer.json, which are Oniguruma's (Ruby syntax), run by PCRE2 with JIT.
 *
 * The pattern is translated first: `$` and `^` are per line, \h is a hex digit, (?m) is dot-all, {n,m}+ is
 * not possessive, and \p{L}, \w, \s and the like get the members that the library's Unicode version has.
 * Constructs with no faithful translation (absent groups, conditions) are refused. Ignoring case, one character
 * never matches two (Oniguruma lets "ß" match "ss"). Running is bounded: a pattern that takes too long on a text is
 * an error, not a hang. */
#ifndef LOOM_REGEX_H
#define LOOM_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "err.h"
#include "text.h"

struct loom_regex;
struct loom_regex_run;

/* where names the place in messages. literal: the pattern is plain text. LOOM_E_MODEL on a bad pattern. */
enum loom_status loom_regex_open(const char *pattern, size_t n, bool literal, const char *where, struct loom_regex **out,
	struct loom_err *err) LOOM_MUST_CHECK;
void loom_regex_free(struct loom_regex *r);
/* The translation alone, for its test. */
enum loom_status loom_regex_translate(const char *pattern, size_t n, const char *where, struct loom_buf *out,
	struct loom_err *err) LOOM_MUST_CHECK;

/* All matches in s, as Oniguruma's find_iter gives them, and the stretches between, into w->ranges
 * (relative to s); invert swaps match and between. */
bool loom_regex_ranges(const struct loom_regex *r, struct loom_work *w, const char *s, size_t n, bool invert);
void loom_regex_run_free(struct loom_regex_run *run);

#endif
