/* test_shards.c: one file, an index with its shards, and every way an index can lie. Element types' sizes too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "jsonx.h"
#include "mem.h"
#include "shards.h"
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

/* A safetensors file of one int8 tensor of three bytes. */
static void shard(const char *name, const char *tensor)
{
	char bytes[256];
	int n = snprintf(bytes + 8, sizeof bytes - 8, "{\"%s\":{\"dtype\":\"I8\",\"shape\":[3],\"data_offsets\":[0,3]}}abc", tensor);
	uint64_t len = (uint64_t)n - 3;
	memcpy(bytes, &len, 8);
	(void)tempdir_write(&dir, name, bytes, (size_t)n + 8);
}

static enum loom_status open_dir(struct loom_err *err)
{
	struct loom_store s;
	loom_store_init(&s);
	enum loom_status rc = loom_shards_open(&s, dir.path, err);
	loom_store_release(&s);
	return rc;
}

static void no_weights_are_named(void **state)
{
	struct loom_err err;
	(void)state;
	assert_int_equal(open_dir(&err), LOOM_E_NOT_FOUND);
	assert_non_null(strstr(err.message, "neither model.safetensors nor model.safetensors.index.json"));
	(void)tempdir_text(&dir, "pytorch_model.bin", "x");
	assert_int_equal(open_dir(&err), LOOM_E_MODEL);
	assert_non_null(strstr(err.message, "pytorch_model.bin; convert to safetensors"));
}

static void an_index_gathers_its_shards(void **state)
{
	struct loom_store s;
	struct loom_err err;
	char out[3];
	(void)state;
	shard("m-1.safetensors", "a");
	shard("m-2.safetensors", "b");
	(void)tempdir_text(&dir, "model.safetensors.index.json", "{\"metadata\":{\"total_size\":6},\"weight_map\":{\"b\":\"m-2.safetensors\","
		"\"a\":\"m-1.safetensors\"}}");
	loom_store_init(&s);
	if (loom_shards_open(&s, dir.path, &err))
		fail_msg("%s", err.message);
	assert_int_equal(s.n_file, 2);
	assert_int_equal(s.n_tensor, 2);
	assert_int_equal(loom_store_read(&s, loom_store_find(&s, "b"), 0, out, 3, &err), LOOM_OK);
	assert_memory_equal(out, "abc", 3);
	loom_store_release(&s);
	/* the single file wins */
	shard("model.safetensors", "alone");
	assert_int_equal(loom_shards_open(&s, dir.path, &err), LOOM_OK);
	assert_int_equal(s.n_tensor, 1);
	assert_non_null(loom_store_find(&s, "alone"));
	loom_store_release(&s);
	assert_int_equal(unlink(tempdir_path(&dir, "model.safetensors")), 0);
}

static void a_lying_index_is_refused(void **state)
{
	static const struct {
		const char *index, *message;
	} cases[] = {
		{"[]", "weight_map: expected an object"}, {"{}", "weight_map: expected an object"}, {"{\"weight_map\":{}}", "weight_map: expected an object"},
		{"{\"weight_map\":{\"a\":7}}", "expected the name of a .safetensors file"},
		{"{\"weight_map\":{\"a\":\"../m-1.safetensors\"}}", "expected the name of a .safetensors file"},
		{"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "expected the name of a .safetensors file"},
		{"{\"weight_map\":{\"a\":\".safetensors\"}}", "expected the name of a .safetensors file"},
		{"{\"weight_map\":{\"a\":\"x\\\\m-1.safetensors\"}}", "expected the name of a .safetensors file"},
		{"{\"weight_map\":{\"a\":\"m-1.safetensors\\u0000\"}}", "expected the name of a .safetensors file"},
		{"{\"weight_map\":{\"a\":\"pytorch_model.bin\"}}", "expected the name of a .safetensors file"},
		{"{\"weight_map\":{\"a\":\"m-3.safetensors\"}}", "names m-3.safetensors, which is not in the folder"},
		{"{\"weight_map\":{\"c\":\"m-1.safetensors\"}}", "tensor c is not in m-1.safetensors"},
		{"{\"weight_map\":{\"a\":\"m-2.safetensors\",\"b\":\"m-1.safetensors\"}}", "is not in m-"},
		{"{\"weight_map\":{\"a\":\"m-1.safetensors\",\"x\":\"same.safetensors\"}}", "tensor a is there already"},
		{"{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"short.safetensors\"}}", "short.safetensors: "},
		{"{\"weight_map\":", "model.safetensors.index.json: not valid JSON"},
	};
	struct loom_err err;
	(void)state;
	shard("same.safetensors", "a");
	shard("short.safetensors", "b");
	assert_int_equal(truncate(tempdir_path(&dir, "short.safetensors"), 66), 0);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t before = loom_mem_live();
		(void)tempdir_text(&dir, "model.safetensors.index.json", cases[i].index);
		if (open_dir(&err) != LOOM_E_MODEL)
			fail_msg("accepted: %s", cases[i].index);
		if (!strstr(err.message, cases[i].message))
			fail_msg("%s: %s", cases[i].index, err.message);
		assert_null(strstr(err.message, dir.path)); /* no path outside the model's folder */
		assert_int_equal(loom_mem_live(), before);
	}
}

static void every_failed_allocation_is_survived(void **state)
{
	struct loom_err err;
	(void)state;
	(void)tempdir_text(&dir, "model.safetensors.index.json", "{\"weight_map\":{\"b\":\"m-2.safetensors\",\"a\":\"m-1.safetensors\"}}");
	for (int sticky = 0; sticky < 2; sticky++) {
		enum loom_status rc = LOOM_E_MEMORY;
		for (uint64_t k = 1; rc; k++) {
			int64_t before = loom_mem_live();
			assert_true(k < 1000);
			loom_mem_fail_at(k, sticky != 0);
			rc = open_dir(&err);
			loom_mem_fail_at(0, false);
			assert_int_equal(loom_mem_live(), before);
			if (rc && rc != LOOM_E_MEMORY)
				fail_msg("allocation %d: %s", (int)k, err.message);
		}
	}
}

static void sizes_of_elements_are_checked(void **state)
{
	uint64_t n = 0;
	char shape[32];
	(void)state;
	assert_true(loom_dtype_bytes(LOOM_F32, 3, &n) && n == 12);
	assert_true(loom_dtype_bytes(LOOM_F4, 4, &n) && n == 2);
	assert_false(loom_dtype_bytes(LOOM_F4, 3, &n));
	assert_true(loom_dtype_bytes(LOOM_F6_E2M3, 4, &n) && n == 3);
	assert_false(loom_dtype_bytes(LOOM_F32, UINT64_MAX / 16, &n));
	assert_true(loom_dtype_bytes(LOOM_Q4_0, 64, &n) && n == 36);
	assert_false(loom_dtype_bytes(LOOM_Q4_0, 33, &n));
	assert_false(loom_dtype_bytes(LOOM_Q8_0, UINT64_MAX - 31, &n));
	assert_false(loom_dtype_bytes(LOOM_GGML_OTHER, 32, &n));
	assert_false(loom_dtype_bytes(LOOM_DTYPE_UNKNOWN, 32, &n));
	assert_int_equal(loom_dtype_from_torch("torch.bfloat16"), LOOM_BF16);
	assert_int_equal(loom_dtype_from_torch("auto"), LOOM_DTYPE_UNKNOWN);
	assert_int_equal(loom_dtype_from_safetensors("BOOL"), LOOM_BOOL);
	assert_int_equal(loom_dtype_from_safetensors(""), LOOM_DTYPE_UNKNOWN);
	assert_string_equal(loom_dtype_name(LOOM_Q4_1), "q4_1");
	assert_string_equal(loom_dtype_name((enum loom_dtype)-1), "unknown");
	loom_shape_show(0, NULL, shape, sizeof shape);
	assert_string_equal(shape, "[]");
	loom_shape_show(2, (const int64_t[]){2, 3}, shape, sizeof shape);
	assert_string_equal(shape, "[2,3]");
	loom_shape_show(2, (const int64_t[]){INT64_MAX, INT64_MAX}, shape, 8); /* cut, never past the end */
	assert_int_equal(strlen(shape), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_weights_are_named),
		cmocka_unit_test(an_index_gathers_its_shards),
		cmocka_unit_test(a_lying_index_is_refused),
		cmocka_unit_test(every_failed_allocation_is_survived),
		cmocka_unit_test(sizes_of_elements_are_checked),
	};
	loom_json_setup();
	return cmocka_run_group_tests(tests, setup, teardown);
}
