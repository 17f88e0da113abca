/* pretokenize.h: the pre-tokenizer stage: a list of steps that cut pieces (and, for ByteLevel and Metaspace,
 * rewrite them). Sequences are flattened when read. */
#ifndef LOOM_PRETOKENIZE_H
#define LOOM_PRETOKENIZE_H

#include "arena.h"
#include "jsonx.h"
#include "text.h"

struct loom_pretokenize_step;
struct loom_pretokenizer {
	struct loom_pretokenize_step *steps; /* [n_step] */
	size_t n_step;
};

/* spec: the "pre_tokenizer" value of tokenizer.json, NULL or null for none. */
enum loom_status loom_pretokenizer_open(struct loom_pretokenizer *p, struct loom_arena *a, const json_t *spec,
	struct loom_err *err) LOOM_MUST_CHECK;
void loom_pretokenizer_release(struct loom_pretokenizer *p);
bool loom_pretokenizer_run(const struct loom_pretokenizer *p, struct loom_work *w);

enum loom_prepend { LOOM_PREPEND_NEVER, LOOM_PREPEND_FIRST, LOOM_PREPEND_ALWAYS };
struct loom_metaspace {
	uint32_t cp;         /* the replacement for a space */
	char text[5];        /* the same as UTF-8, n bytes */
	size_t n;
	enum loom_prepend prepend;
	bool split;
};
/* Reads the fields of a Metaspace, which is a pre-tokenizer and a decoder. */
enum loom_status loom_metaspace_read(const struct loom_json_ctx *c, const json_t *spec, struct loom_metaspace *m,
	struct loom_err *err) LOOM_MUST_CHECK;

#endif
