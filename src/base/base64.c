/* base64.c: three bytes to four letters and back. */
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

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool loom_unbase64(const char *s, size_t n, uint8_t *out, size_t *n_out)
{
	size_t k = 0, text = n;
	*n_out = 0;
	if (n % 4)
		return false;
	while (text > 0 && n - text < 2 && s[text - 1] == '=')
		text--;
	for (size_t i = 0; i < n; i += 4) {
		uint32_t word = 0;
		size_t here = text - i < 4 ? text - i : 4;
		for (size_t j = 0; j < 4; j++) {
			int v = j < here ? value_of(s[i + j]) : 0;
			if (v < 0)
				return false;
			word = word << 6 | (uint32_t)v;
		}
		if ((here == 2 && word & 0xFFFF) || (here == 3 && word & 0xFF))
			return false;
		for (size_t j = 0; j + 1 < here; j++)
			out[k++] = (uint8_t)(word >> (16 - 8 * j));
	}
	*n_out = k;
	return true;
}
