/* vocab.h: the model's vocabulary: strings and ids, both ways. Ids may have holes. */
#ifndef LOOM_VOCAB_H
#define LOOM_VOCAB_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "table.h"

struct loom_vocab_token {
	const char *s; /* [len], NUL after it; NULL: no such id */
	uint32_t len;
};
struct loom_vocab {
	struct loom_arena *arena;        /* owns the strings */
	struct loom_table by_name;
	struct loom_vocab_token *tokens; /* [n_id] */
	size_t n_id, cap;                /* n_id: largest id + 1 */
	size_t n;                        /* how many strings: the "vocabulary size" of `tokenizers` */
	size_t max_len;                  /* longest string, bytes */
	bool distinct;                   /* no string came twice and no id had two strings */
};

enum loom_status loom_vocab_init(struct loom_vocab *v, struct loom_arena *a, size_t expected, struct loom_err *err)
	LOOM_MUST_CHECK;
void loom_vocab_release(struct loom_vocab *v);
/* Copies s. A string that is there already gets the new id; of two strings with one id the first names it. */
enum loom_status loom_vocab_add(struct loom_vocab *v, const char *s, size_t len, int64_t id, struct loom_err *err)
	LOOM_MUST_CHECK;
/* The ids of <0x00>..<0xFF>, -1: none; for models that fall back to bytes. */
void loom_vocab_bytes(const struct loom_vocab *v, int32_t ids[256]);
static inline int32_t loom_vocab_id(const struct loom_vocab *v, const char *s, size_t len)
{
	return (int32_t)loom_table_get(&v->by_name, s, len, -1);
}

#endif
