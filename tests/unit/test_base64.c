/* test_base64.c: the letters of RFC 4648 at every length, also where many bytes go at once, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"

/* One letter at a time. */
static size_t plainly(const uint8_t *s, size_t n, char *out)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t k = 0;
	for (size_t bit = 0; bit < n * 8; bit += 6) {
		unsigned v = 0;
		for (size_t b = bit; b < bit + 6; b++)
			v = v << 1 | (b < n * 8 ? s[b / 8] >> (7 - b % 8) & 1u : 0);
		out[k++] = letters[v];
	}
	while (k % 4)
		out[k++] = '=';
	return k;
}

static void test_every_length(void **state)
{
	uint8_t data[700], back[700];
	char want[1000];
	uint32_t seed = 1;
	struct loom_buf b;
	(void)state;
	for (size_t i = 0; i < sizeof(data); i++) {
		seed = seed * 1664525u + 1013904223u;
		data[i] = (uint8_t)(seed >> 24);
	}
	loom_buf_init(&b, 1 << 20);
	for (size_t n = 0; n <= sizeof(data); n++) {
		size_t k = plainly(data, n, want), n_back = 0;
		loom_buf_reset(&b);
		loom_base64_put(&b, data, n);
		assert_int_equal(b.len, k);
		assert_memory_equal(n ? b.data : want, want, k);
		assert_true(loom_unbase64(want, k, back, &n_back));
		assert_int_equal(n_back, n);
		assert_memory_equal(back, data, n);
	}
	loom_buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_length)};
	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
