/* json_out.c: the JSON writer. See json_out.h. */
#include "json_out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "float_text.h"

#define FLOATS_AT_ONCE 64 /* written before the buffer is asked for more room */

void loom_json_out_init(struct loom_json_out *j, struct loom_buf *b)
{
	*j = (struct loom_json_out){.b = b};
}

void loom_json_raw(struct loom_json_out *j)
{
	if (j->comma) {
		(void)loom_buf_putc(j->b, ',');
	}
	j->comma = true;
}

void loom_json_open(struct loom_json_out *j, char bracket)
{
	loom_json_raw(j);
	(void)loom_buf_putc(j->b, bracket);
	j->comma = false;
}

void loom_json_close(struct loom_json_out *j, char bracket)
{
	(void)loom_buf_putc(j->b, bracket);
	j->comma = true;
}

static void put_escaped(struct loom_buf *b, const char *s, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	size_t start = 0;

	(void)loom_buf_putc(b, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c >= 0x20 && c != '"' && c != '\\') {
			continue;
		}
		(void)loom_buf_append(b, s + start, i - start);
		start = i + 1;
		if (c == '"' || c == '\\') {
			(void)loom_buf_putc(b, '\\');
			(void)loom_buf_putc(b, (char)c);
		} else if (c == '\n') {
			(void)loom_buf_puts(b, "\\n");
		} else if (c == '\r') {
			(void)loom_buf_puts(b, "\\r");
		} else if (c == '\t') {
			(void)loom_buf_puts(b, "\\t");
		} else {
			char u[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
			(void)loom_buf_append(b, u, sizeof(u));
		}
	}
	(void)loom_buf_append(b, s + start, n - start);
	(void)loom_buf_putc(b, '"');
}

void loom_json_key(struct loom_json_out *j, const char *key)
{
	loom_json_raw(j);
	put_escaped(j->b, key, strlen(key));
	(void)loom_buf_putc(j->b, ':');
	j->comma = false;
}

void loom_json_put_text(struct loom_json_out *j, const char *s, size_t n)
{
	loom_json_raw(j);
	put_escaped(j->b, s, n);
}

void loom_json_put_str(struct loom_json_out *j, const char *s)
{
	if (s) {
		loom_json_put_text(j, s, strlen(s));
	} else {
		loom_json_put_null(j);
	}
}

void loom_json_put_null(struct loom_json_out *j)
{
	loom_json_raw(j);
	(void)loom_buf_puts(j->b, "null");
}

void loom_json_put_bool(struct loom_json_out *j, bool v)
{
	loom_json_raw(j);
	(void)loom_buf_puts(j->b, v ? "true" : "false");
}

void loom_json_put_int(struct loom_json_out *j, int64_t v)
{
	loom_json_raw(j);
	(void)loom_buf_printf(j->b, "%lld", (long long)v);
}

void loom_json_put_num(struct loom_json_out *j, double v)
{
	char text[40];

	if (!isfinite(v)) {
		loom_json_put_null(j);
		return;
	}
	if (v == floor(v) && fabs(v) < 1e15) {
		loom_json_raw(j);
		(void)loom_buf_printf(j->b, "%.1f", v);
		return;
	}
	for (int digits = 1; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v) {
			break;
		}
	}
	loom_json_raw(j);
	(void)loom_buf_puts(j->b, text);
}

size_t loom_json_put_floats(struct loom_json_out *j, const float *v, size_t n)
{
	size_t bad = 0;

	loom_json_open(j, '[');
	for (size_t i = 0; i < n;) {
		size_t end = n - i < FLOATS_AT_ONCE ? n : i + FLOATS_AT_ONCE;
		char *p = loom_buf_reserve(j->b, FLOATS_AT_ONCE * 34), *start = p;
		if (!p) {
			break;
		}
		for (; i < end; i++) {
			if (i > 0) {
				*p++ = ',';
			}
			if (isfinite(v[i])) {
				p += loom_float_text(v[i], p);
			} else {
				memcpy(p, "null", 5);
				p += 4;
				bad++;
			}
		}
		j->b->len += (size_t)(p - start);
	}
	loom_json_close(j, ']');
	return bad;
}

void loom_json_member(struct loom_json_out *j, const char *key, const char *value)
{
	loom_json_key(j, key);
	loom_json_put_str(j, value);
}
