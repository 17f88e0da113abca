/* buf.c: a growable byte buffer with a cap. See buf.h. */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

void loom_buf_init(struct loom_buf *b, size_t max)
{
	memset(b, 0, sizeof *b);
	b->max = max;
}

void loom_buf_release(struct loom_buf *b)
{
	size_t max = b->max;
	loom_free(b->data);
	loom_buf_init(b, max);
}

void loom_buf_reset(struct loom_buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

char *loom_buf_reserve(struct loom_buf *b, size_t n)
{
	size_t need;
	if (b->failed || !loom_add(b->len, n, &need) || need > b->max || !loom_add(need, 1, &need)) {
		b->failed = true;
		return NULL;
	}
	if (need > b->cap) {
		size_t cap = b->cap + b->cap / 2 + 64;
		if (cap < need)
			cap = need;
		char *p = loom_realloc(b->data, cap);
		if (!p) {
			b->failed = true;
			return NULL;
		}
		b->data = p;
		b->cap = cap;
		b->data[b->len] = '\0';
	}
	return b->data + b->len;
}

bool loom_buf_append(struct loom_buf *b, const void *data, size_t n)
{
	char *p = loom_buf_reserve(b, n);
	if (!p)
		return false;
	if (n)
		memcpy(p, data, n);
	b->len += n;
	b->data[b->len] = '\0';
	return true;
}

bool loom_buf_puts(struct loom_buf *b, const char *s)
{
	return loom_buf_append(b, s, strlen(s));
}

bool loom_buf_putc(struct loom_buf *b, char c)
{
	return loom_buf_append(b, &c, 1);
}

bool loom_buf_printf(struct loom_buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *p = n < 0 ? NULL : loom_buf_reserve(b, (size_t)n);
	if (!p) {
		b->failed = true;
		return false;
	}
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return true;
}

char *loom_buf_take(struct loom_buf *b, size_t *len)
{
	if (!b->data && !loom_buf_append(b, "", 0))
		return NULL;
	char *p = b->data;
	if (len)
		*len = b->len;
	loom_buf_init(b, b->max);
	return p;
}
