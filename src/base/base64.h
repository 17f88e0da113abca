/* base64.h: RFC 4648 base64 with padding. */
#ifndef LOOM_BASE64_H
#define LOOM_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* Appends the text of n bytes. */
void loom_base64_put(struct loom_buf *b, const void *data, size_t n);

/* Room that n letters need at most. */
#define LOOM_UNBASE64_ROOM(n) ((n) / 4 * 3 + 3)
/* Decodes s [n] into out; false when it is not strict base64 (alphabet, padding, no stray bits). */
bool loom_unbase64(const char *s, size_t n, uint8_t *out, size_t *n_out);

#endif
