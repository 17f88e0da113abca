/* decode.h: the decoder: token strings in, text out, one token at a time. Each step passes on what can't
 * change any more and keeps the rest, so that decoding a stream and decoding all at once are the same code:
 * feed every token, then finish. */
#ifndef LOOM_DECODE_H
#define LOOM_DECODE_H

#include "arena.h"
#include "buf.h"
#include "jsonx.h"

struct loom_decode_step;
struct loom_decoder {
	struct loom_decode_step *steps; /* [n_step] */
	size_t n_step;
};

/* spec: the "decoder" value of tokenizer.json; NULL or null: tokens with a space between. */
enum loom_status loom_decoder_open(struct loom_decoder *d, struct loom_arena *a, const json_t *spec, struct loom_err *err)
	LOOM_MUST_CHECK;
void loom_decoder_release(struct loom_decoder *d);

struct loom_decode_state;
/* NULL: out of memory. d must outlive it. */
struct loom_decode_state *loom_decode_state_new(const struct loom_decoder *d);
void loom_decode_state_free(struct loom_decode_state *s);
/* One token's string; settled text is appended to out. */
enum loom_status loom_decode_feed(struct loom_decode_state *s, const char *token, size_t n, struct loom_buf *out,
	struct loom_err *err) LOOM_MUST_CHECK;
/* What was held back. The state is then as new. */
enum loom_status loom_decode_finish(struct loom_decode_state *s, struct loom_buf *out, struct loom_err *err) LOOM_MUST_CHECK;

#endif
