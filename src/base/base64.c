/* base64.c: three bytes to four letters and back. */
#include "base64.h"

#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#if defined(__x86_64__)
/* W. Mula's way: 24 bytes are spread over 32 lanes of six bits, and each range of letters has its own distance from its code. Reads 28 bytes.
 * Returns how many bytes were done. */
__attribute__((target("avx2"))) static size_t put_avx2(const uint8_t *s, size_t n, char *out)
{
	const __m256i spread = _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10, 1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
	const __m256i distance = _mm256_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
		'0' - 52, '+' - 62, '/' - 63, 'A', 0, 0, 'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
		'0' - 52, '+' - 62, '/' - 63, 'A', 0, 0);
	size_t i = 0;

	for (; n - i >= 28; i += 24, out += 32) {
		__m128i low = _mm_loadu_si128((const __m128i *)(const void *)(s + i)), high = _mm_loadu_si128((const __m128i *)(const void *)(s + i + 12));
		__m256i v = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), spread);
		__m256i a = _mm256_mulhi_epu16(_mm256_and_si256(v, _mm256_set1_epi32(0x0fc0fc00)), _mm256_set1_epi32(0x04000040));
		__m256i b = _mm256_mullo_epi16(_mm256_and_si256(v, _mm256_set1_epi32(0x003f03f0)), _mm256_set1_epi32(0x01000010));
		__m256i six = _mm256_or_si256(a, b);
		__m256i range = _mm256_subs_epu8(six, _mm256_set1_epi8(51)); /* 0 below 52, 1..10 digits, 11, 12; then 13 for A..Z */
		range = _mm256_or_si256(range, _mm256_and_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(26), six), _mm256_set1_epi8(13)));
		v = _mm256_add_epi8(six, _mm256_shuffle_epi8(distance, range));
		_mm256_storeu_si256((__m256i *)(void *)out, v);
	}
	return i;
}
#endif

void loom_base64_put(struct loom_buf *b, const void *data, size_t n)
{
	const uint8_t *s = data;
	char *p = n < SIZE_MAX / 2 ? loom_buf_reserve(b, (n + 2) / 3 * 4) : NULL;
	char *start = p;

	if (!p) {
		b->failed = true;
		return;
	}
#if defined(__x86_64__)
	if (n >= 64 && __builtin_cpu_supports("avx2")) {
		size_t done = put_avx2(s, n, p);
		s += done;
		n -= done;
		p += done / 3 * 4;
	}
#endif
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
