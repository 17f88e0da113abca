/* test_gguf.c: each rule of the format (shared/reference/reliability.md 1.2) as a file that breaks it, and the files that are fine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gguf.h"
#include "ggufmake.h"
#include "mem.h"
#include "tempdir.h"

static struct tempdir dir;
static struct gguf_bytes b;

static int setup(void **state)
{
	(void)state;
	tempdir_make(&dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tempdir_remove(&dir);
	return 0;
}

static enum loom_status open_bytes(struct loom_err *err)
{
	struct loom_gguf g;
	struct loom_store s;
	loom_store_init(&s);
	enum loom_status rc = loom_gguf_open(&g, &s, tempdir_write(&dir, "f.gguf", b.data, b.n), "f.gguf", err);
	loom_gguf_release(&g);
	loom_store_release(&s);
	return rc;
}

static void refused(const char *message)
{
	struct loom_err err;
	int64_t before = loom_mem_live();
	if (open_bytes(&err) != LOOM_E_MODEL)
		fail_msg("accepted, expected: %s", message);
	if (strncmp(err.message, "f.gguf: ", 8) != 0 || !strstr(err.message, message))
		fail_msg("%s; expected: %s", err.message, message);
	assert_int_equal(loom_mem_live(), before);
}

static const uint64_t d32[] = {32, 2};

/* Three keys, two tensors: F32 [2,3] and Q4_0 [2,32]. */
static void good(void)
{
	put_head(&b, 3, 2, 3);
	put_key(&b, "general.architecture", LOOM_GGUF_STRING);
	put_str(&b, "llama");
	put_key(&b, "n", LOOM_GGUF_U32);
	put_u(&b, 7, 4);
	put_key(&b, "tokens", LOOM_GGUF_ARRAY);
	put_u(&b, LOOM_GGUF_STRING, 4);
	put_u(&b, 2, 8);
	put_str(&b, "ab");
	put_str(&b, "");
	put_tensor(&b, "a", (const uint64_t[]){3, 2}, 2, 0, 0);
	put_tensor(&b, "q", d32, 2, 2, 32);
	put_pad(&b, 32);
	for (unsigned i = 0; i < 32 + 36; i++)
		put_u(&b, i, 1);
}

static void tensors_and_keys_are_read(void **state)
{
	struct loom_gguf g;
	struct loom_store s;
	struct loom_err err;
	unsigned char out[4];
	int64_t n = 0;
	(void)state;
	good();
	loom_store_init(&s);
	if (loom_gguf_open(&g, &s, tempdir_write(&dir, "f.gguf", b.data, b.n), "f.gguf", &err))
		fail_msg("%s", err.message);
	assert_string_equal(loom_gguf_string(&g, "general.architecture"), "llama");
	assert_true(loom_gguf_int(&g, "n", &n) && n == 7);
	assert_null(loom_gguf_string(&g, "n"));
	const struct loom_gguf_value *v = loom_gguf_find(&g, "tokens");
	assert_int_equal(v->n, 2);
	assert_string_equal(v->str[0].data, "ab");
	assert_int_equal(v->str[1].len, 0);
	assert_null(loom_gguf_find(&g, "absent"));
	const struct loom_tensor *a = loom_store_find(&s, "a"), *q = loom_store_find(&s, "q");
	assert_int_equal(a->shape[0], 2); /* outermost first */
	assert_int_equal(a->shape[1], 3);
	assert_int_equal(q->dtype, LOOM_Q4_0);
	assert_int_equal(q->bytes, 36);
	assert_int_equal(loom_store_read(&s, q, 32, out, 4, &err), LOOM_OK);
	assert_memory_equal(out, "\100\101\102\103", 4);
	loom_gguf_release(&g);
	loom_store_release(&s);
	/* metadata alone */
	assert_int_equal(loom_gguf_open(&g, NULL, tempdir_path(&dir, "f.gguf"), "f.gguf", &err), LOOM_OK);
	assert_int_equal(g.n_value, 3);
	loom_gguf_release(&g);
	assert_int_equal(loom_gguf_open(&g, NULL, tempdir_path(&dir, "absent"), "absent", &err), LOOM_E_NOT_FOUND);
	loom_gguf_release(&g);
}

static void numbers_keep_sign_and_width(void **state)
{
	static const struct {
		uint32_t type;
		size_t n;
		uint64_t bits;
		double want;
	} cases[] = {{LOOM_GGUF_U8, 1, 0xff, 255}, {LOOM_GGUF_I8, 1, 0xff, -1}, {LOOM_GGUF_I8, 1, 0x7f, 127}, {LOOM_GGUF_U16, 2, 0xfffe, 65534},
		{LOOM_GGUF_I16, 2, 0x8000, -32768}, {LOOM_GGUF_U32, 4, 0xffffffff, 4294967295.0}, {LOOM_GGUF_I32, 4, 0xfffffffe, -2},
		{LOOM_GGUF_F32, 4, 0xbfc00000, -1.5}, {LOOM_GGUF_U64, 8, 1ull << 62, 0x1p62}, {LOOM_GGUF_I64, 8, ~0ull - 4, -5},
		{LOOM_GGUF_F64, 8, 0x4004000000000000ull, 2.5}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct loom_gguf g;
		struct loom_err err;
		double x = 0;
		int64_t n = 0;
		put_head(&b, 3, 0, 2);
		put_key(&b, "x", cases[i].type);
		put_u(&b, cases[i].bits, cases[i].n);
		put_key(&b, "xs", LOOM_GGUF_ARRAY);
		put_u(&b, cases[i].type, 4);
		put_u(&b, 2, 8);
		put_u(&b, 0, cases[i].n);
		put_u(&b, cases[i].bits, cases[i].n);
		if (loom_gguf_open(&g, NULL, tempdir_write(&dir, "n.gguf", b.data, b.n), "n.gguf", &err))
			fail_msg("%s", err.message);
		assert_true(loom_gguf_num(&g, "x", &x) && x == cases[i].want);
		assert_true(loom_gguf_array_num(loom_gguf_find(&g, "xs"), 1) == cases[i].want);
		assert_true(loom_gguf_array_num(loom_gguf_find(&g, "xs"), 0) == 0);
		if (cases[i].want == (double)(int64_t)cases[i].want)
			assert_true(loom_gguf_array_int(loom_gguf_find(&g, "xs"), 1) == (int64_t)cases[i].want);
		bool real = cases[i].type == LOOM_GGUF_F32 || cases[i].type == LOOM_GGUF_F64;
		assert_int_equal(loom_gguf_int(&g, "x", &n), !real);
		assert_false(loom_gguf_bool(&g, "x", &(bool){false}));
		loom_gguf_release(&g);
	}
	struct loom_gguf g;
	struct loom_err err;
	int64_t n = 3;
	bool t = false;
	put_head(&b, 2, 0, 2); /* version 2 too */
	put_key(&b, "big", LOOM_GGUF_U64);
	put_u(&b, UINT64_MAX, 8);
	put_key(&b, "b", LOOM_GGUF_BOOL);
	put_u(&b, 1, 1);
	assert_int_equal(loom_gguf_open(&g, NULL, tempdir_write(&dir, "n.gguf", b.data, b.n), "n.gguf", &err), LOOM_OK);
	assert_false(loom_gguf_int(&g, "big", &n)); /* fits no int64 */
	assert_true(loom_gguf_bool(&g, "b", &t) && t);
	loom_gguf_release(&g);
}

static void a_bad_head_is_refused(void **state)
{
	static const uint32_t versions[] = {0, 1, 4, 0x03000000, UINT32_MAX};
	static const uint64_t counts[] = {UINT64_MAX, 1ull << 63, 1ull << 60, 1000, 2};
	(void)state;
	for (size_t i = 0; i < 5; i++) {
		put_head(&b, versions[i], 0, 0);
		refused("GGUF version");
	}
	for (size_t i = 0; i < 5; i++) {
		put_head(&b, 3, counts[i], 0);
		refused("more keys or tensors than the file can hold");
		put_head(&b, 3, 0, counts[i]);
		refused("more keys or tensors than the file can hold");
	}
	put_head(&b, 3, 0, 0);
	b.data[0] = 'g';
	refused("no magic");
	b.n = 0;
	refused("no magic");
}

static void bad_keys_are_refused(void **state)
{
	(void)state;
	put_head(&b, 3, 0, 1);
	put_key(&b, "", LOOM_GGUF_U64);
	put_u(&b, 0, 8);
	refused("an empty key");
	put_head(&b, 3, 0, 1);
	put_u(&b, 3, 8);
	put(&b, "a\0b", 3);
	put_u(&b, LOOM_GGUF_U64, 4);
	put_u(&b, 0, 8);
	refused("with NUL");
	put_head(&b, 3, 0, 2);
	for (int i = 0; i < 2; i++) {
		put_key(&b, "twice", LOOM_GGUF_U32);
		put_u(&b, 0, 4);
	}
	refused("key twice is there twice");
	for (uint32_t i = 0; i < 3; i++) {
		put_head(&b, 3, 0, 1);
		put_u(&b, (const uint64_t[]){1ull << 40, UINT64_MAX, 60}[i], 8);
		put(&b, "abcdefghijklmnop", 16);
		refused("a string longer than the file");
		put_head(&b, 3, 0, 1);
		put_key(&b, "k", (const uint32_t[]){13, UINT32_MAX, 99}[i]);
		put_u(&b, 0, 8);
		refused("a value of an unknown type");
		put_head(&b, 3, 0, 1);
		put_key(&b, "k", LOOM_GGUF_ARRAY);
		put_u(&b, LOOM_GGUF_U32, 4);
		put_u(&b, (const uint64_t[]){1ull << 60, UINT64_MAX, 3}[i], 8);
		put_u(&b, 0, 8);
		refused("an array longer than the file");
	}
	put_head(&b, 3, 0, 1);
	put_key(&b, "k", LOOM_GGUF_BOOL);
	put_u(&b, 2, 1);
	refused("a bool that is neither");
	for (uint32_t type = LOOM_GGUF_ARRAY; type < 20; type += 4) {
		put_head(&b, 3, 0, 1);
		put_key(&b, "k", LOOM_GGUF_ARRAY);
		put_u(&b, type, 4);
		put_u(&b, 0, 8);
		refused(type == LOOM_GGUF_ARRAY ? "an array of arrays" : "an array of an unknown type");
	}
}

static void a_bad_alignment_is_refused(void **state)
{
	static const uint64_t bad[] = {0, 3, 48, 0x80000000u, UINT32_MAX, 2u << 20};
	struct loom_err err;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		put_head(&b, 3, 0, 1);
		put_key(&b, "general.alignment", LOOM_GGUF_U32);
		put_u(&b, bad[i], 4);
		refused("general.alignment");
	}
	put_head(&b, 3, 0, 1);
	put_key(&b, "general.alignment", LOOM_GGUF_U64);
	put_u(&b, 32, 8);
	refused("general.alignment");
	put_head(&b, 3, 2, 1);
	put_key(&b, "general.alignment", LOOM_GGUF_U32);
	put_u(&b, 8, 4);
	put_tensor(&b, "a", (const uint64_t[]){1}, 1, 0, 0);
	put_tensor(&b, "b", (const uint64_t[]){1}, 1, 0, 8);
	put_pad(&b, 8);
	put_u(&b, 0, 8);
	put_u(&b, 0, 4);
	if (open_bytes(&err))
		fail_msg("%s", err.message);
}

static void bad_tensors_are_refused(void **state)
{
	static const struct {
		const char *name;
		uint64_t dims[5];
		uint32_t n_dim, type;
		uint64_t offset;
		const char *message;
	} cases[] = {
		{"", {1}, 1, 0, 0, "a tensor name that is empty"},
		{"0123456789012345678901234567890123456789012345678901234567890123", {1}, 1, 0, 0, "64 bytes or longer"},
		{"a", {1}, 0, 0, 0, "0 dimensions"}, {"a", {1, 1, 1, 1, 1}, 5, 0, 0, "5 dimensions, expected 1..4"},
		{"a", {1ull << 63}, 1, 0, 0, "overflows"}, {"a", {UINT64_MAX}, 1, 0, 0, "overflows"}, {"a", {1ull << 40, 1ull << 40}, 2, 0, 0, "overflows"},
		{"a", {1ull << 62}, 1, 0, 0, "its size in bytes overflows"},
		{"a", {0x7fffffffffffffc0ull}, 1, 24, 0, "its size in bytes overflows"}, {"a", {1ull << 50}, 1, 24, 0, "reach past the file's end"}, {"a", {33}, 1, 0, 0, "reach past the file's end"},
		{"a", {16, 2}, 2, 2, 0, "no multiple of q4_0's block of 32"}, {"a", {1}, 1, 4, 0, "ggml type number 4 is unknown"},
		{"a", {1}, 1, UINT32_MAX, 0, "is unknown"}, {"a", {1}, 1, 1000, 0, "is unknown"}, {"a", {64}, 1, 40, 0, "ggml type number 40 is not supported"},
		{"a", {1}, 1, 0, 32, "offset 32, expected 0"}, {"a", {1}, 1, 0, UINT64_MAX, "expected 0"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		put_head(&b, 3, 1, 0);
		put_tensor(&b, cases[i].name, cases[i].dims, cases[i].n_dim, cases[i].type, cases[i].offset);
		put_pad(&b, 32);
		for (int k = 0; k < 16; k++)
			put_u(&b, 0, 8);
		refused(cases[i].message);
	}
	put_head(&b, 3, 1, 0);
	put_u(&b, 60, 8); /* a count of dimensions that would run off the file */
	put_u(&b, 0, 8);
	put_u(&b, 0, 8);
	refused("f.gguf: ");
	put_head(&b, 3, 2, 0);
	put_tensor(&b, "a", (const uint64_t[]){1}, 1, 0, 0);
	put_tensor(&b, "a", (const uint64_t[]){1}, 1, 0, 32);
	put_pad(&b, 32);
	for (int k = 0; k < 8; k++)
		put_u(&b, 0, 8);
	refused("tensor a is there already");
	put_head(&b, 3, 2, 0);
	put_tensor(&b, "a", (const uint64_t[]){1}, 1, 0, 0);
	put_tensor(&b, "b", (const uint64_t[]){1}, 1, 0, 4);
	put_pad(&b, 32);
	for (int k = 0; k < 8; k++)
		put_u(&b, 0, 8);
	refused("tensor b: offset 4, expected 32");
}

static void every_prefix_is_refused(void **state)
{
	struct loom_err err;
	(void)state;
	good();
	if (open_bytes(&err))
		fail_msg("%s", err.message);
	while (b.n-- > 0)
		refused("f.gguf: ");
	b.n = 0;
}

static void every_failed_allocation_is_survived(void **state)
{
	struct loom_err err;
	(void)state;
	good();
	for (int sticky = 0; sticky < 2; sticky++) {
		enum loom_status rc = LOOM_E_MEMORY;
		for (uint64_t k = 1; rc; k++) {
			int64_t before = loom_mem_live();
			assert_true(k < 1000);
			loom_mem_fail_at(k, sticky != 0);
			rc = open_bytes(&err);
			loom_mem_fail_at(0, false);
			assert_int_equal(loom_mem_live(), before);
			assert_true(rc == LOOM_OK || rc == LOOM_E_MEMORY);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tensors_and_keys_are_read),
		cmocka_unit_test(numbers_keep_sign_and_width),
		cmocka_unit_test(a_bad_head_is_refused),
		cmocka_unit_test(bad_keys_are_refused),
		cmocka_unit_test(a_bad_alignment_is_refused),
		cmocka_unit_test(bad_tensors_are_refused),
		cmocka_unit_test(every_prefix_is_refused),
		cmocka_unit_test(every_failed_allocation_is_survived),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
