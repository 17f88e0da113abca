/* buf.h: a growable byte buffer with a cap; always NUL-terminated after the last byte.
 *
 * Errors are sticky: after a failed append `failed` is true, later appends do nothing, and the caller
 * checks once at the end. */
#ifndef LOOM_BUF_H
#define LOOM_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct loom_buf {
	char *data; /* [len], then a NUL; NULL while nothing was appended */
	size_t len, cap;
	size_t max; /* most bytes it may hold */
	bool failed;
};

void loom_buf_init(struct loom_buf *b, size_t max);
void loom_buf_release(struct loom_buf *b);
void loom_buf_reset(struct loom_buf *b); /* len = 0, memory kept, failed cleared */
bool loom_buf_append(struct loom_buf *b, const void *data, size_t n);
bool loom_buf_puts(struct loom_buf *b, const char *s);
bool loom_buf_putc(struct loom_buf *b, char c);
bool loom_buf_printf(struct loom_buf *b, const char *fmt, ...) LOOM_PRINTF(2, 3);
/* Room for n more bytes; returns where to write (then advance len yourself), NULL on failure. */
char *loom_buf_reserve(struct loom_buf *b, size_t n);
/* Hands the bytes to the caller (free with loom_free) and empties b. */
char *loom_buf_take(struct loom_buf *b, size_t *len);

#endif
