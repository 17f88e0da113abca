/* test_safetensors.c: each rule of the format (shared/reference/reliability.md 1.1) as a file that breaks it, and the files that are fine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bounds.h"
#include "jsonx.h"
#include "mem.h"
#include "safetensors.h"
#include "tempdir.h"

static struct tempdir dir;

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

/* A file of a header and n bytes 0, 1, 2, … of data. */
static const char *write_file(const char *name, const char *header, size_t n)
{
	static unsigned char bytes[1 << 16];
	uint64_t len = strlen(header);
	memcpy(bytes, &len, 8);
	memcpy(bytes + 8, header, len);
	for (size_t i = 0; i < n; i++)
		bytes[8 + len + i] = (unsigned char)i;
	return tempdir_write(&dir, name, bytes, 8 + (size_t)len + n);
}

static enum loom_status open_path(const char *path, struct loom_err *err)
{
	struct loom_store s;
	loom_store_init(&s);
	enum loom_status rc = loom_safetensors_open(&s, path, "f.st", err);
	loom_store_release(&s);
	return rc;
}

#define T(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void each_broken_rule_is_named(void **state)
{
	static const struct {
		const char *header;
		size_t n;
		const char *message;
	} cases[] = {
		{"{\"a\":" T("F32", "[2]", "[0,8]") "}", 7, "data_offsets end at 8, the file holds 7"},
		{"{\"a\":" T("F32", "[2]", "[0,8]") "}", 9, "tensors end at byte 8 of the data, the file holds 9"},
		{"{\"a\":" T("F32", "[2]", "[0,4]") "}", 4, "shape [2] of F32 takes 8 bytes, data_offsets give 4"},
		{"{\"a\":" T("F32", "[2]", "[8,0]") "}", 8, "expected [begin, end]"},
		{"{\"a\":" T("F32", "[2]", "[-8,0]") "}", 8, "expected [begin, end]"},
		{"{\"a\":" T("F32", "[2]", "[0,8,9]") "}", 8, "expected [begin, end]"},
		{"{\"a\":" T("F32", "[2]", "[0.0,8]") "}", 8, "expected [begin, end]"},
		{"{\"a\":" T("F32", "[2]", "\"0,8\"") "}", 8, "expected [begin, end]"},
		{"{\"a\":" T("F32", "[1]", "[4,8]") "}", 8, "a hole"},
		{"{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("F32", "[1]", "[8,12]") "}", 12, "tensor b: begins at byte 8 of the data, expected 4 (a hole)"},
		{"{\"a\":" T("F32", "[2]", "[0,8]") ",\"b\":" T("F32", "[2]", "[4,12]") "}", 12, "tensors overlap"},
		{"{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("F32", "[1]", "[0,4]") "}", 4, "tensors overlap"},
		{"{\"a\":" T("F32", "[1]", "[0,4]") ",\"a\":" T("F32", "[1]", "[4,8]") "}", 8, "duplicate"},
		{"{\"a\":" T("F99", "[1]", "[0,4]") "}", 4, "dtype F99 is not one of the format"},
		{"{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype: expected a string"},
		{"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype: expected a string"},
		{"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape: expected a list"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "expected [begin, end]"},
		{"{\"a\":" T("F32", "[-1]", "[0,4]") "}", 4, "shape: expected integers of 0 or more"},
		{"{\"a\":" T("F32", "[1.0]", "[0,4]") "}", 4, "shape: expected integers of 0 or more"},
		{"{\"a\":" T("F32", "{}", "[0,4]") "}", 4, "shape: expected a list"},
		{"{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "9 dimensions; at most 8"},
		{"{\"a\":" T("F32", "[2,9223372036854775807]", "[0,8]") "}", 8, "overflows"},
		/* the product is 4 modulo 2^64 (reliability.md A1) */
		{"{\"a\":" T("F32", "[4194305,4194305,211106198978564]", "[0,16]") "}", 16, "overflows"},
		{"{\"a\":" T("F32", "[18446744073709551616]", "[0,8]") "}", 8, "shape: expected integers"},
		{"{\"a\":" T("F4", "[1]", "[0,0]") "}", 0, "no whole number of bytes"},
		{"{\"a\":7}", 0, "expected an object"},
		{"{\"__metadata__\":7}", 0, "__metadata__: expected an object"},
		{"{\"__metadata__\":{\"a\":7}}", 0, "__metadata__: a: expected a string"},
		{"[]", 0, "not a JSON object"},
		{"", 0, "not valid JSON"},
		{"{\"a\":", 0, "not valid JSON"},
		{"{} {}", 0, "not valid JSON"},
		{"{\"\xff\":7}", 0, "invalid UTF-8"},
	};
	struct loom_err err;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t before = loom_mem_live();
		if (open_path(write_file("f.st", cases[i].header, cases[i].n), &err) != LOOM_E_MODEL)
			fail_msg("accepted: %s", cases[i].header);
		if (strncmp(err.message, "f.st: ", 6) != 0 || !strstr(err.message, cases[i].message))
			fail_msg("%s: %s", cases[i].header, err.message);
		assert_int_equal(loom_mem_live(), before);
	}
}

static void what_the_format_allows_is_read(void **state)
{
	static const struct {
		const char *header;
		size_t n;
	} cases[] = {
		{"{}", 0}, {"{}      ", 0}, {"  \n{}", 0}, {"{\"__metadata__\":{\"format\":\"pt\"}}", 0},
		{"{\"a\":" T("F32", "[]", "[0,4]") "}", 4},                                                /* rank 0 */
		{"{\"a\":" T("F32", "[0,7]", "[0,0]") ",\"b\":" T("I8", "[3]", "[0,3]") "}", 3},           /* an empty one shares an offset */
		{"{\"b\":" T("I8", "[3]", "[2,5]") ",\"a\":" T("F16", "[1]", "[0,2]") "}", 5},             /* not in order */
		{"{\"a\":" T("F4", "[2,3]", "[0,3]") ",\"b\":" T("F8_E4M3", "[1]", "[3,4]") "}", 4},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"later\":1}}", 4},       /* as the reference: ignored */
	};
	struct loom_err err;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (open_path(write_file("f.st", cases[i].header, cases[i].n), &err))
			fail_msg("%s: %s", cases[i].header, err.message);
	}
}

static void tensors_are_found_and_read(void **state)
{
	struct loom_store s;
	struct loom_err err;
	unsigned char out[8];
	(void)state;
	loom_store_init(&s);
	const char *path = write_file("f.st", "{\"w\":" T("BF16", "[2,3]", "[4,16]") ",\"v\":" T("I32", "[]", "[0,4]") "}", 16);
	assert_int_equal(loom_safetensors_open(&s, path, "f.st", &err), LOOM_OK);
	const struct loom_tensor *w = loom_store_find(&s, "w"), *v = loom_store_find(&s, "v");
	assert_non_null(w);
	assert_non_null(v);
	assert_null(loom_store_find(&s, "x"));
	assert_int_equal(w->dtype, LOOM_BF16);
	assert_int_equal(w->n_dim, 2);
	assert_int_equal(w->shape[0], 2);
	assert_int_equal(w->shape[1], 3);
	assert_int_equal(w->n_elem, 6);
	assert_int_equal(w->bytes, 12);
	assert_int_equal(v->n_dim, 0);
	assert_int_equal(v->n_elem, 1);
	assert_int_equal(loom_store_read(&s, w, 2, out, 4, &err), LOOM_OK);
	assert_memory_equal(out, "\6\7\10\11", 4);
	assert_int_equal(loom_store_read(&s, w, 8, out, 5, &err), LOOM_E_INTERNAL);
	assert_int_equal(loom_store_read(&s, w, UINT64_MAX, out, 2, &err), LOOM_E_INTERNAL);
	/* the same names again, from another file */
	assert_int_equal(loom_safetensors_open(&s, path, "g.st", &err), LOOM_E_MODEL);
	assert_non_null(strstr(err.message, "is there already, in f.st"));
	loom_store_release(&s);
}

static void the_length_field_is_not_believed(void **state)
{
	static const uint64_t lengths[] = {3, 99999999, LOOM_MAX_ST_HEADER_BYTES, LOOM_MAX_ST_HEADER_BYTES + 1ull, 1ull << 40, 1ull << 63, UINT64_MAX,
		UINT64_MAX - 7};
	struct loom_err err;
	(void)state;
	for (size_t n = 0; n < 8; n++)
		assert_int_equal(open_path(tempdir_write(&dir, "f.st", "\2\0\0\0\0\0\0\0", n), &err), LOOM_E_MODEL);
	assert_non_null(strstr(err.message, "has at least 8"));
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		char bytes[10];
		memcpy(bytes, &lengths[i], 8);
		memcpy(bytes + 8, "{}", 2);
		loom_mem_fail_at(0, false);
		assert_int_equal(open_path(tempdir_write(&dir, "f.st", bytes, 10), &err), LOOM_E_MODEL);
		assert_true(loom_mem_calls() < 2); /* nothing was allocated for it */
	}
	assert_int_equal(open_path(tempdir_path(&dir, "absent"), &err), LOOM_E_NOT_FOUND);
}

static void every_prefix_is_refused(void **state)
{
	const char *header = "{\"a\":" T("F32", "[2]", "[0,8]") ",\"b\":" T("I8", "[3]", "[8,11]") "}";
	struct loom_err err;
	size_t len = 8 + strlen(header) + 11;
	(void)state;
	for (size_t n = len; n-- > 0;) {
		assert_int_equal(truncate(write_file("f.st", header, 11), (off_t)n), 0);
		assert_int_equal(open_path(tempdir_path(&dir, "f.st"), &err), LOOM_E_MODEL);
	}
}

static void every_failed_allocation_is_survived(void **state)
{
	const char *path = write_file("f.st", "{\"a\":" T("F32", "[2]", "[0,8]") ",\"b\":" T("I8", "[3]", "[8,11]") "}", 11);
	struct loom_err err;
	(void)state;
	for (int sticky = 0; sticky < 2; sticky++) {
		enum loom_status rc = LOOM_E_MEMORY;
		for (uint64_t k = 1; rc; k++) {
			int64_t before = loom_mem_live();
			assert_true(k < 1000);
			loom_mem_fail_at(k, sticky != 0);
			rc = open_path(path, &err);
			loom_mem_fail_at(0, false);
			assert_int_equal(loom_mem_live(), before);
			if (rc && rc != LOOM_E_MEMORY)
				fail_msg("allocation %d: %s", (int)k, err.message);
		}
	}
}

/* Files of another project's making, kept with the tests. */
static void the_corpus_is_told_apart(void **state)
{
	static const char *const good[] = {"good", "esc", "scalar", "empty"}, *const bad[] = {"dup", "hole", "neg", "oob"};
	char path[512];
	struct loom_err err;
	(void)state;
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof path, LOOM_TEST_DIR "/corpus/safetensors/%s.st", good[i]);
		if (open_path(path, &err))
			fail_msg("%s: %s", good[i], err.message);
		snprintf(path, sizeof path, LOOM_TEST_DIR "/corpus/safetensors/%s.st", bad[i]);
		if (open_path(path, &err) != LOOM_E_MODEL)
			fail_msg("%s: accepted", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_broken_rule_is_named),
		cmocka_unit_test(what_the_format_allows_is_read),
		cmocka_unit_test(tensors_are_found_and_read),
		cmocka_unit_test(the_length_field_is_not_believed),
		cmocka_unit_test(every_prefix_is_refused),
		cmocka_unit_test(every_failed_allocation_is_survived),
		cmocka_unit_test(the_corpus_is_told_apart),
	};
	loom_json_setup();
	return cmocka_run_group_tests(tests, setup, teardown);
}
