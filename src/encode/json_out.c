/* json_out.c: the JSON writer. See json_out.h. */
#include "json_out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* digits (no trailing zeros) times 10^(exponent - count + 1), in Python's manner. */
static size_t lay_out(bool negative, const char *digits, int count, int exponent, char *out)
{
	char *p = out;

	if (negative) {
		*p++ = '-';
	}
	if (exponent < -4 || exponent >= 16) {
		*p++ = digits[0];
		if (count > 1) {
			*p++ = '.';
			memcpy(p, digits + 1, (size_t)count - 1);
			p += count - 1;
		}
		*p++ = 'e';
		*p++ = exponent < 0 ? '-' : '+';
		int e = abs(exponent);
		*p++ = (char)('0' + e / 10);
		*p++ = (char)('0' + e % 10);
	} else if (exponent < 0) {
		*p++ = '0';
		*p++ = '.';
		for (int i = -1; i > exponent; i--) {
			*p++ = '0';
		}
		memcpy(p, digits, (size_t)count);
		p += count;
	} else {
		for (int i = 0; i < count || i <= exponent; i++) {
			if (i == exponent + 1) {
				*p++ = '.';
			}
			*p++ = i < count ? digits[i] : '0';
		}
		if (count <= exponent + 1) {
			*p++ = '.';
			*p++ = '0';
		}
	}
	*p = '\0';
	return (size_t)(p - out);
}

static const double tens[23] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
	1e20, 1e21, 1e22};

/* n * 10^e, rounded once: n has at most 9 digits and |e| <= 22, so both are exact doubles. */
static double scaled(uint32_t n, int e)
{
	return e >= 0 ? (double)n * tens[e] : (double)n / tens[-e];
}

/* Any float, slowly. */
static size_t slow_text(float v, char *out)
{
	char text[32], digits[12];
	int count = 0;

	for (int n = 1; n <= 9; n++) {
		(void)snprintf(text, sizeof(text), "%.*e", n - 1, (double)fabsf(v));
		if (strtof(text, NULL) == fabsf(v)) {
			break;
		}
	}
	for (const char *p = text; *p != 'e'; p++) {
		if (*p != '.') {
			digits[count++] = *p;
		}
	}
	while (count > 1 && digits[count - 1] == '0') {
		count--;
	}
	return lay_out(signbit(v) != 0, digits, count, (int)strtol(strchr(text, 'e') + 1, NULL, 10), out);
}

size_t loom_float_text(float v, char out[32])
{
	double a = (double)fabsf(v), half_ulp;
	int exponent, shift, binary;
	uint32_t nine, best;
	char digits[12];
	int count = 9;

	if (v == 0) {
		return lay_out(signbit(v) != 0, "0", 1, 0, out);
	}
	if (!(a >= 1e-10 && a < 1e15)) {
		return slow_text(v, out);
	}
	/* nine significant digits: always enough */
	(void)frexp(a, &binary);
	exponent = (int)floor((binary - 1) * 0.30102999566398120); /* at most one too small */
	shift = 8 - exponent;
	double m = shift >= 0 ? a * tens[shift] : a / tens[-shift];
	if (m >= 999999999.5) {
		shift = 8 - ++exponent;
		m = shift >= 0 ? a * tens[shift] : a / tens[-shift];
	}
	nine = (uint32_t)(m + 0.5);
	half_ulp = ((double)nextafterf((float)a, INFINITY) - a) * 0.5 * 0.999999;
	if ((double)nextafterf((float)a, 0) > 0) { /* the gap below a power of two is half as wide */
		double below = (a - (double)nextafterf((float)a, 0)) * 0.5 * 0.999999;
		half_ulp = below < half_ulp ? below : half_ulp;
	}
	best = nine;
	for (int drop = 1; drop <= 8; drop++) {
		uint32_t unit = (uint32_t)tens[drop], n = (uint32_t)(m / (double)unit + 0.5);
		double c = scaled(n, drop - shift);
		/* A tie restores the even neighbour; it is certain only where c is exact. */
		if (n == 0 || (fabs(c - a) > half_ulp && !(drop >= shift && (double)(float)c == a))) {
			break;
		}
		best = n;
		count = 9 - drop;
	}
	char backwards[12];
	int len = 0;
	for (uint32_t n = best; n > 0; n /= 10) {
		backwards[len++] = (char)('0' + n % 10);
	}
	for (int i = 0; i < len; i++) {
		digits[i] = backwards[len - 1 - i];
	}
	exponent += len - count; /* rounding up may have made one digit more */
	while (len > 1 && digits[len - 1] == '0') {
		len--;
	}
	return lay_out(signbit(v) != 0, digits, len, exponent, out);
}

size_t loom_json_put_floats(struct loom_json_out *j, const float *v, size_t n)
{
	size_t bad = 0;

	loom_json_open(j, '[');
	for (size_t i = 0; i < n; i++) {
		char *p = loom_buf_reserve(j->b, 34);
		char *start = p;
		if (!p) {
			break;
		}
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
		j->b->len += (size_t)(p - start);
	}
	loom_json_close(j, ']');
	return bad;
}
