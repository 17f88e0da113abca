/* text.h: the text on its way through the stages, as `tokenizers`' NormalizedString and PreTokenizedString.
 *
 * One buffer holds the text as it is now, with the original range of every byte, so that offsets come out
 * exact whatever a normalizer did. Pieces are ranges of the buffer; a piece that an added token claimed
 * carries its id and is left alone by later stages. A stage either cuts pieces (same buffer) or rewrites
 * their text (into the spare buffer, then the two change places). */
#ifndef LOOM_TEXT_H
#define LOOM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct loom_text {
	char *s;              /* [n] UTF-8 */
	uint32_t *start, *end; /* [n] range of the original, in code points, that each byte stands for */
	size_t n, cap;
};

struct loom_piece {
	size_t off, n; /* bytes of the buffer */
	int32_t id;    /* of the added token; -1: text */
};

/* A match list: consecutive ranges of one piece that cover it, told apart as match or between. */
struct loom_range {
	size_t start, end;
	bool match;
};

/* How a delimiter (a match) is treated. */
enum loom_behavior { LOOM_REMOVED, LOOM_ISOLATED, LOOM_MERGED_PREVIOUS, LOOM_MERGED_NEXT, LOOM_CONTIGUOUS };

struct loom_work {
	struct loom_text now, spare;
	struct loom_piece *pieces; /* [n_piece] */
	size_t n_piece, cap_piece;
	struct loom_piece *next; /* [n_next] being built */
	size_t n_next, cap_next;
	struct loom_range *ranges; /* [n_range] of the piece being cut */
	size_t n_range, cap_range;
	struct loom_regex_run *run; /* scratch of patterns, made at first use */
	struct loom_err *err;      /* where a failing stage writes; status LOOM_OK so far */
	enum loom_status status;   /* sticky */
};

void loom_work_init(struct loom_work *w, struct loom_err *err);
void loom_work_release(struct loom_work *w);
/* One piece with the whole text; n bytes of valid UTF-8. Empty text gives no piece. */
bool loom_work_start(struct loom_work *w, const char *text, size_t n);
/* Records "out of memory"; always false. */
bool loom_work_nomem(struct loom_work *w);

/* Runs fn on each text piece; fn appends the piece's new text to w->spare with the functions below.
 * Added-token pieces are copied. Pieces may become empty; they stay. */
typedef bool loom_rewrite(const void *stage, struct loom_work *w, const struct loom_piece *p);
bool loom_work_rewrite(struct loom_work *w, loom_rewrite *fn, const void *stage);
/* Appends one character that stands for original [start, end). */
bool loom_text_put(struct loom_work *w, uint32_t cp, uint32_t start, uint32_t end);
/* Appends bytes [off, off+n) of the present text with their ranges. */
bool loom_text_copy(struct loom_work *w, size_t off, size_t n);
/* Appends n bytes that all stand for the same range. */
bool loom_text_put_all(struct loom_work *w, const char *s, size_t n, uint32_t start, uint32_t end);

/* Runs fn on each text piece; fn fills w->ranges with loom_work_range, then the piece is cut by behavior.
 * Empty pieces vanish. */
typedef bool loom_cut(const void *stage, struct loom_work *w, const struct loom_piece *p);
bool loom_work_cut(struct loom_work *w, loom_cut *fn, const void *stage, enum loom_behavior behavior);
/* start and end are relative to the piece. */
bool loom_work_range(struct loom_work *w, size_t start, size_t end, bool match);
/* Adds a piece to the list being built; for stages that cut on their own (added tokens). */
bool loom_work_push(struct loom_work *w, size_t off, size_t n, int32_t id);
void loom_work_swap_pieces(struct loom_work *w);
/* Original range of bytes [off, off+n) of the present text, n > 0. */
static inline uint32_t loom_text_start(const struct loom_text *t, size_t off)
{
	return t->start[off];
}
static inline uint32_t loom_text_end(const struct loom_text *t, size_t off, size_t n)
{
	return t->end[off + n - 1];
}

/* Next character of valid UTF-8 at s; *cp gets it; returns its bytes. */
static inline size_t loom_next_char(const char *s, uint32_t *cp)
{
	const unsigned char *u = (const unsigned char *)s;
	if (u[0] < 0x80) {
		*cp = u[0];
		return 1;
	}
	if (u[0] < 0xE0) {
		*cp = (uint32_t)(u[0] & 0x1F) << 6 | (u[1] & 0x3F);
		return 2;
	}
	if (u[0] < 0xF0) {
		*cp = (uint32_t)(u[0] & 0x0F) << 12 | (uint32_t)(u[1] & 0x3F) << 6 | (u[2] & 0x3F);
		return 3;
	}
	*cp = (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3F) << 12 | (uint32_t)(u[2] & 0x3F) << 6 | (u[3] & 0x3F);
	return 4;
}
/* Bytes of the character that ends just before s + n, n > 0. */
static inline size_t loom_prev_char(const char *s, size_t n, uint32_t *cp)
{
	size_t k = 1;
	while (k < n && ((unsigned char)s[n - k] & 0xC0) == 0x80)
		k++;
	loom_next_char(s + n - k, cp);
	return k;
}
static inline bool loom_is_ascii(const char *s, size_t n)
{
	unsigned char any = 0;
	for (size_t i = 0; i < n; i++)
		any |= (unsigned char)s[i];
	return any < 0x80;
}

#endif
