/* post.h: the post-processor: which tokens stand before and after the text, and whether offsets shed the
 * spaces around a token. Everything of a sequence of stages comes down to these for one text. */
#ifndef LOOM_POST_H
#define LOOM_POST_H

#include "arena.h"
#include "jsonx.h"

#define LOOM_MAX_ADDED_AROUND 256
#define LOOM_MAX_TRIMS 8

struct loom_post {
	int32_t *before, *after; /* [n_before], [n_after] */
	size_t n_before, n_after;
	size_t n_added;          /* what truncation makes room for */
	bool drops_text;         /* a template without $A */
	int n_copy;              /* how often $A stands in it */
	bool prefix[LOOM_MAX_TRIMS]; /* [n_trim] add_prefix_space of each trimming stage, in order */
	int n_trim;
};

/* spec: the "post_processor" value of tokenizer.json, NULL or null for none. */
enum loom_status loom_post_open(struct loom_post *p, struct loom_arena *a, const json_t *spec, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Trims one token's offsets: text is the token's own string, i its index in the text. */
void loom_post_trim(const struct loom_post *p, const char *text, size_t n, size_t i, uint32_t *start, uint32_t *end);

#endif
