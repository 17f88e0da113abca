/* normalize.h: the normalizer stage: a list of steps, each rewriting the text of a piece. Sequences are
 * flattened when read. A new kind is a line in the table of normalize.c and a function. */
#ifndef LOOM_NORMALIZE_H
#define LOOM_NORMALIZE_H

#include "arena.h"
#include "buf.h"
#include "jsonx.h"
#include "regex.h"
#include "text.h"

#define LOOM_MAX_STEPS 64

struct loom_normalize_step;
struct loom_normalizer {
	struct loom_normalize_step *steps; /* [n_step] */
	size_t n_step;
};

/* spec: the "normalizer" value of tokenizer.json, NULL or null for none. n may be released after a failure. */
enum loom_status loom_normalizer_open(struct loom_normalizer *n, struct loom_arena *a, const json_t *spec,
	struct loom_err *err) LOOM_MUST_CHECK;
/* Lowercase before all other steps, unless it is one of them; false: they are too many. */
bool loom_normalizer_lower(struct loom_normalizer *n);
void loom_normalizer_release(struct loom_normalizer *n);
/* The first charsmap among the steps; NULL: none. */
const struct loom_precompiled *loom_normalizer_charsmap(const struct loom_normalizer *n);
bool loom_normalizer_run(const struct loom_normalizer *n, struct loom_work *w);

/* Writing a piece anew with the library's alignment: characters in output order, each with a change: 1 when it
 * was added beside its neighbour, 0 when it stands for one of the input, -k when also for k that followed. */
struct loom_align {
	struct loom_work *w;
	const struct loom_piece *p;
	size_t read;                       /* bytes of the piece that the changes so far have used up */
	uint32_t before_start, before_end; /* range of the byte before read */
};
void loom_align_init(struct loom_align *a, struct loom_work *w, const struct loom_piece *p);
bool loom_align_put(struct loom_align *a, uint32_t cp, int32_t change);
/* The next n bytes of the piece as they are. */
bool loom_align_copy(struct loom_align *a, size_t n);

/* The charsmap of SentencePiece: base64 text in, at most LOOM_MAX_CONFIG_BYTES (precompiled.c). */
struct loom_precompiled;
enum loom_status loom_precompiled_open(const char *base64, size_t n, const char *where, struct loom_precompiled **out,
	struct loom_err *err) LOOM_MUST_CHECK;
/* The same from the bytes themselves. */
enum loom_status loom_precompiled_open_bytes(const void *data, size_t n, const char *where, struct loom_precompiled **out,
	struct loom_err *err) LOOM_MUST_CHECK;
void loom_precompiled_free(struct loom_precompiled *c);
/* Appends the bytes that it was opened from. */
void loom_precompiled_bytes(const struct loom_precompiled *c, struct loom_buf *out);
bool loom_precompiled_run(const struct loom_precompiled *c, struct loom_work *w, const struct loom_piece *p);

/* Unicode normalization forms with the library's alignment of each character (normalize_unicode.c). */
bool loom_normalize_form(struct loom_work *w, const struct loom_piece *p, bool compat, bool compose);
/* Bytes to the characters that stand for them, for the ByteLevel stages. */
bool loom_byte_level_rewrite(const void *unused, struct loom_work *w, const struct loom_piece *p);
/* The "pattern" of Replace and Split: {"String": …} or {"Regex": …}. */
enum loom_status loom_pattern_open(const json_t *spec, const char *where, struct loom_regex **out, struct loom_err *err)
	LOOM_MUST_CHECK;

#endif
