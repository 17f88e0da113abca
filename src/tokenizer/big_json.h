/* big_json.h: the two large values of a tokenizer.json, model.vocab and model.merges, read straight from the text:
 * as trees they cost a second for 30 MB. The rest of the file goes through jsonx.h with these two emptied. */
#ifndef LOOM_BIG_JSON_H
#define LOOM_BIG_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "bpe.h"
#include "buf.h"
#include "vocab.h"

struct loom_big_json {
	const char *vocab, *vocab_end;   /* the value's text, brackets included; NULL: absent */
	const char *merges, *merges_end;
};

/* Finds the two in text [n] and writes the file without them into rest ("{}" or "[]" in their place). false: the text
 * is not the JSON that is expected; the ordinary reader then says what is wrong with it. */
bool loom_big_json_find(const char *text, size_t n, struct loom_big_json *b, struct loom_buf *rest);
/* Vocabulary {"token": id, …} of a file named by where. */
enum loom_status loom_big_json_vocab(const struct loom_big_json *b, const char *where, struct loom_vocab *v, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Vocabulary [["piece", score], …]; *scores [*n] is the caller's to free, also after a failure. */
enum loom_status loom_big_json_pieces(const struct loom_big_json *b, struct loom_vocab *v, double **scores, size_t *n,
	struct loom_err *err) LOOM_MUST_CHECK;
/* Merges ["a b", …] or [["a", "b"], …]. */
enum loom_status loom_big_json_merges(const struct loom_big_json *b, struct loom_bpe *bpe, struct loom_err *err) LOOM_MUST_CHECK;

#endif
