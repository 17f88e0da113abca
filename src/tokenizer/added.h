/* added.h: added tokens: strings that are found in the text before the model sees it, the ones with
 * normalized: false in the text as given, the others in the normalized text. Finding is leftmost-longest and
 * linear in the text however the tokens overlap. */
#ifndef LOOM_ADDED_H
#define LOOM_ADDED_H

#include "normalize.h"
#include "table.h"
#include "text.h"
#include "vocab.h"

struct loom_added_token {
	const char *content;  /* [n_content] as the file has it */
	size_t n_content;
	const char *pattern;  /* [n_pattern] what is looked for and decoded: content, normalized when so marked */
	size_t n_pattern;
	int32_t id;
	bool single_word, lstrip, rstrip, normalized, special;
};

struct loom_matcher; /* the automaton over one set of patterns */
struct loom_added {
	struct loom_arena *arena;
	struct loom_added_token *tokens; /* [n] in the order of the file */
	size_t n, cap;
	struct loom_table by_content;    /* → index of the token */
	struct loom_table special;       /* contents of special tokens */
	struct loom_table by_id;         /* key: 4 bytes of the id → index */
	struct loom_matcher *raw, *normalized; /* NULL: nothing to find */
	bool split_special;              /* special tokens are not looked for: written out they are text */
	int64_t next_id;                 /* for a token that the vocabulary lacks */
	int32_t max_id;
};

enum loom_status loom_added_init(struct loom_added *a, struct loom_arena *arena, struct loom_err *err) LOOM_MUST_CHECK;
void loom_added_release(struct loom_added *a);
/* t's content and flags; strings are copied. Ids are given as the library does: that of the vocabulary, or the
 * next free one, whatever the file says. Empty contents are ignored. */
enum loom_status loom_added_add(struct loom_added *a, const struct loom_added_token *t, const struct loom_vocab *v,
	const struct loom_normalizer *n, struct loom_err *err) LOOM_MUST_CHECK;
/* After the last token. */
enum loom_status loom_added_finish(struct loom_added *a, struct loom_err *err) LOOM_MUST_CHECK;

/* Claims the added tokens of one kind in all text pieces. */
bool loom_added_cut(const struct loom_added *a, struct loom_work *w, bool normalized);
/* NULL when id is no added token. */
const struct loom_added_token *loom_added_find(const struct loom_added *a, int32_t id);
/* Is this string the content of a special token? */
bool loom_added_is_special(const struct loom_added *a, const char *s, size_t n);

/* match.c: finds, for each place where a pattern starts, the longest one. */
enum loom_status loom_matcher_new(struct loom_matcher **out, struct loom_err *err) LOOM_MUST_CHECK;
void loom_matcher_free(struct loom_matcher *m);
enum loom_status loom_matcher_add(struct loom_matcher *m, const char *s, size_t n, int32_t value, struct loom_err *err)
	LOOM_MUST_CHECK;
enum loom_status loom_matcher_finish(struct loom_matcher *m, struct loom_err *err) LOOM_MUST_CHECK;
struct loom_match {
	size_t start, n;
	int32_t value;
};
/* Hits in s, last start first, into *hits [*n_hit] (grown as needed, the caller's to free). */
bool loom_matcher_run(const struct loom_matcher *m, struct loom_work *w, const char *s, size_t n, struct loom_match **hits,
	size_t *n_hit, size_t *cap);

#endif
