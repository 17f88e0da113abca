/* base64.c: three bytes to four letters, two letters at a time. */
#include "base64.h"

#include <stdint.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void loom_base64_put(struct loom_buf *b, const void *data, size_t n)
{
	const uint8_t *s = data;
	char *p = n < SIZE_MAX / 2 ? loom_buf_reserve(b, (n + 2) / 3 * 4) : NULL;
	char *start = p;

	if (!p) {
		b->failed = true;
		return;
	}
	for (; n >= 3; n -= 3, s += 3) {
		uint32_t v = (uint32_t)s[0] << 16 | (uint32_t)s[1] << 8 | s[2];
		*p++ = letters[v >> 18];
		*p++ = letters[v >> 12 & 63];
		*p++ = letters[v >> 6 & 63];
		*p++ = letters[v & 63];
	}
	if (n > 0) {
		uint32_t v = (uint32_t)s[0] << 16 | (n > 1 ? (uint32_t)s[1] << 8 : 0);
		*p++ = letters[v >> 18];
		*p++ = letters[v >> 12 & 63];
		*p++ = n > 1 ? letters[v >> 6 & 63] : '=';
		*p++ = '=';
	}
	b->len += (size_t)(p - start);
}
