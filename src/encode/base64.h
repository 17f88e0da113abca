/* base64.h: RFC 4648 base64 with padding. */
#ifndef LOOM_BASE64_H
#define LOOM_BASE64_H

#include <stddef.h>

#include "buf.h"

/* Appends the text of n bytes. */
void loom_base64_put(struct loom_buf *b, const void *data, size_t n);

#endif
