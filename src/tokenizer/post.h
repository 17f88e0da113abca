/* post.h: the post-processor: the templates for one text and for two, which say what tokens stand around and
 * between them, and whether offsets shed the spaces around a token. Every stage comes down to these. */
#ifndef LOOM_POST_H
#define LOOM_POST_H

#include "arena.h"
#include "jsonx.h"

#define LOOM_MAX_TEMPLATE 512
#define LOOM_MAX_TRIMS 8

/* A token that is added, or a whole text; and the type id that it gets. */
enum { LOOM_POST_FIRST = -1, LOOM_POST_SECOND = -2 };
struct loom_post_item {
	int32_t id; /* >= 0: the token; else one of the above */
	uint8_t type;
};
struct loom_template {
	struct loom_post_item *items; /* [n] */
	size_t n;
	size_t n_added; /* how many of them are tokens: what truncation makes room for */
};
struct loom_post {
	struct loom_template single, pair;
	bool has_template;           /* a stage gave them; else each text as it is, with types 0 and 1 */
	bool prefix[LOOM_MAX_TRIMS]; /* [n_trim] add_prefix_space of each trimming stage, in order */
	int n_trim;
};

/* spec: the "post_processor" value of tokenizer.json, NULL or null for none. */
enum loom_status loom_post_open(struct loom_post *p, struct loom_arena *a, const json_t *spec, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Replaces both templates; n at most LOOM_MAX_TEMPLATE each. */
enum loom_status loom_post_set(struct loom_post *p, struct loom_arena *a, const struct loom_post_item *single, size_t n_single,
	const struct loom_post_item *pair, size_t n_pair, struct loom_err *err) LOOM_MUST_CHECK;
/* The templates of a tokenizer that puts bos before and eos after each text (-1: not), as `transformers` makes them. */
enum loom_status loom_post_around(struct loom_post *p, struct loom_arena *a, int32_t bos, int32_t eos, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Those of BERT: cls A sep, and cls A sep B sep with type 1 from B on. */
enum loom_status loom_post_bert(struct loom_post *p, struct loom_arena *a, int32_t cls, int32_t sep, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Those of RoBERTa: cls A sep, and cls A sep sep B sep, all of type 0. */
enum loom_status loom_post_roberta(struct loom_post *p, struct loom_arena *a, int32_t cls, int32_t sep, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Trims one token's offsets: text is the token's own string, i its index in the text. */
void loom_post_trim(const struct loom_post *p, const char *text, size_t n, size_t i, uint32_t *start, uint32_t *end);

#endif
