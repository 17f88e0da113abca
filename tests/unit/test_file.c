/* test_file.c: what is opened, what is refused without blocking, and reads that end where the file does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "file.h"
#include "mem.h"
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

static void only_regular_files_are_opened(void **state)
{
	struct loom_file f;
	struct loom_err err;
	(void)state;
	assert_int_equal(loom_file_open(&f, tempdir_path(&dir, "absent"), "absent", &err), LOOM_E_NOT_FOUND);
	assert_string_equal(err.message, "absent: no such file");
	assert_int_equal(f.fd, -1);
	assert_int_equal(loom_file_open(&f, dir.path, "folder", &err), LOOM_E_MODEL);
	assert_string_equal(err.message, "folder: not a regular file");
	assert_int_equal(mkfifo(tempdir_path(&dir, "fifo"), 0600), 0);
	assert_int_equal(loom_file_open(&f, tempdir_path(&dir, "fifo"), "fifo", &err), LOOM_E_MODEL); /* must not block */
	assert_int_equal(loom_file_open(&f, "/dev/null", "null", &err), LOOM_E_MODEL);
	assert_int_equal(loom_file_open(&f, tempdir_path(&dir, "fifo/x"), "x", &err), LOOM_E_NOT_FOUND);
	assert_int_equal(f.fd, -1);
	loom_file_close(&f);
}

static void reads_stay_inside_the_file(void **state)
{
	struct loom_file f;
	struct loom_err err;
	char out[8] = "";
	const char *path = tempdir_text(&dir, "ten", "0123456789");
	(void)state;
	assert_int_equal(loom_file_open(&f, path, "ten", &err), LOOM_OK);
	assert_int_equal(f.size, 10);
	assert_int_equal(loom_file_read(&f, 4, out, 6, &err), LOOM_OK);
	assert_memory_equal(out, "456789", 6);
	assert_int_equal(loom_file_read(&f, 10, out, 0, &err), LOOM_OK);
	assert_int_equal(loom_file_read(&f, 4, out, 7, &err), LOOM_E_MODEL);
	assert_string_equal(err.message, "ten: bytes 4..11 wanted, the file has 10");
	assert_int_equal(loom_file_read(&f, 11, out, 0, &err), LOOM_E_MODEL);
	assert_int_equal(loom_file_read(&f, UINT64_MAX, out, 2, &err), LOOM_E_MODEL);
	/* cut under our feet: an error, not zeros */
	assert_int_equal(truncate(path, 5), 0);
	assert_int_equal(loom_file_read(&f, 4, out, 6, &err), LOOM_E_MODEL);
	assert_string_equal(err.message, "ten: ends at byte 5, the file had 10 when it was opened");
	loom_file_close(&f);
	loom_file_close(&f); /* twice is fine */
}

static void a_whole_file_has_a_cap(void **state)
{
	struct loom_err err;
	char *data = NULL;
	size_t n = 0;
	int64_t before = loom_mem_live();
	const char *path = tempdir_text(&dir, "five", "12345");
	(void)state;
	assert_int_equal(loom_file_slurp(path, "five", 4, &data, &n, &err), LOOM_E_MODEL);
	assert_string_equal(err.message, "five: 5 bytes, at most 4 are read");
	assert_int_equal(loom_file_slurp(path, "five", 5, &data, &n, &err), LOOM_OK);
	assert_int_equal(n, 5);
	assert_string_equal(data, "12345");
	loom_free(data);
	loom_mem_fail_at(1, false);
	assert_int_equal(loom_file_slurp(path, "five", 5, &data, &n, &err), LOOM_E_MEMORY);
	loom_mem_fail_at(0, false);
	assert_int_equal(loom_mem_live(), before);
}

static void paths_are_told_apart(void **state)
{
	char out[8];
	const char *path = tempdir_text(&dir, "f", "");
	(void)state;
	assert_true(loom_path_is_file(path) && !loom_path_is_dir(path));
	assert_true(loom_path_is_dir(dir.path) && !loom_path_is_file(dir.path));
	assert_false(loom_path_is_file(tempdir_path(&dir, "none")));
	assert_true(loom_path_join(out, sizeof out, "abc", "def"));
	assert_string_equal(out, "abc/def");
	assert_false(loom_path_join(out, sizeof out, "abcd", "def"));
}

static void only_what_lies_below_a_root_is(void **state)
{
	char roots[256];
	(void)state;
	tempdir_text(&dir, "root/model/x", "");
	tempdir_text(&dir, "rootless/x", "");
	assert_int_equal(symlink(tempdir_path(&dir, "rootless"), tempdir_path(&dir, "root/out")), 0);
	snprintf(roots, sizeof roots, "/nonexistent::%s", tempdir_path(&dir, "root"));
	assert_true(loom_path_below(tempdir_path(&dir, "root/model"), roots));
	assert_true(loom_path_below(tempdir_path(&dir, "root"), roots));
	assert_false(loom_path_below(tempdir_path(&dir, "rootless"), roots));
	assert_false(loom_path_below(tempdir_path(&dir, "root/out"), roots));
	assert_false(loom_path_below(tempdir_path(&dir, "root/../rootless"), roots));
	assert_false(loom_path_below(tempdir_path(&dir, "root/none"), roots));
	assert_false(loom_path_below(tempdir_path(&dir, "root"), ""));
	assert_false(loom_path_below(tempdir_path(&dir, "root"), NULL));
	assert_true(loom_path_below(tempdir_path(&dir, "root"), "/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_regular_files_are_opened),
		cmocka_unit_test(reads_stay_inside_the_file),
		cmocka_unit_test(a_whole_file_has_a_cap),
		cmocka_unit_test(paths_are_told_apart),
		cmocka_unit_test(only_what_lies_below_a_root_is),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
