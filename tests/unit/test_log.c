/* test_log.c: lines of the log as text and as JSON, and that nothing a client sends begins a line of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

#include "log.h"
#include "tempdir.h"

static struct tempdir dir;
static char path[128];

static size_t lines(char *out, size_t cap)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, out, cap - 1);
	size_t count = 0;

	assert_true(fd >= 0 && n >= 0);
	close(fd);
	out[n] = 0;
	for (ssize_t i = 0; i < n; i++) {
		count += out[i] == '\n';
	}
	assert_int_equal(truncate(path, 0), 0);
	return count;
}

static void start(void **state)
{
	struct loom_err err = {0};

	(void)state;
	loom_log_set_level(LOOM_LOG_INFO);
	loom_log_set_json(false);
	assert_int_equal(loom_log_open(path, &err), LOOM_OK);
}

static void test_text_lines(void **state)
{
	char text[8192];
	const struct loom_log_field f[] = {{.key = "path", .text = "/a\r\nforged b"}, {.key = "plain", .text = "GET"}, {.key = "none", .text = NULL},
		{.key = "n", .kind = LOOM_LOG_INTEGER, .integer = -3}, {.key = "ms", .kind = LOOM_LOG_NUMBER, .number = 1.25}};

	start(state);
	loom_log(LOOM_LOG_DEBUG, "not written");
	loom_log(LOOM_LOG_INFO, "one %s", "two\nthree\x1b[0m");
	loom_log_fields(LOOM_LOG_ERROR, "request", f, 5);
	assert_int_equal(lines(text, sizeof(text)), 2);
	assert_non_null(strstr(text, " info one two?three?[0m\n"));
	assert_non_null(strstr(text, " error request path=\"/a\\u000d\\u000aforged b\" plain=GET n=-3 ms=1.2\n"));
}

static void test_json_lines_parse(void **state)
{
	char text[8192];
	static char big[9000];
	struct loom_log_field f[] = {{.key = "path", .text = "\"\\\n\xff\xc2\x85 \xc3\xa9"}, {.key = "n", .kind = LOOM_LOG_INTEGER, .integer = 7},
		{.key = "big", .text = big}, {.key = "big2", .text = big}, {.key = "big3", .text = big}};

	start(state);
	memset(big, 'x', sizeof(big) - 1);
	loom_log_set_json(true);
	loom_log_fields(LOOM_LOG_INFO, "request", f, 5);
	loom_log(LOOM_LOG_WARNING, "a \"quoted\"\nline");
	assert_int_equal(lines(text, sizeof(text)), 2);
	for (char *s = text; *s;) {
		char *stop = strchr(s, '\n');
		json_error_t e;
		json_t *v = json_loadb(s, (size_t)(stop - s), 0, &e);
		assert_non_null(v);
		assert_non_null(json_object_get(v, "time"));
		assert_non_null(json_object_get(v, "message"));
		json_decref(v);
		s = stop + 1;
	}
	loom_log_set_json(false);
}

static void test_a_file_that_cannot_be(void **state)
{
	struct loom_err err = {0};

	(void)state;
	assert_int_equal(loom_log_open("/nonexistent/dir/x.log", &err), LOOM_E_IO);
	assert_non_null(strstr(err.message, "log file /nonexistent/dir/x.log"));
	assert_int_equal(loom_log_parse_level("WARNING"), LOOM_LOG_WARNING);
	assert_int_equal(loom_log_parse_level("loud"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_lines),
		cmocka_unit_test(test_json_lines_parse),
		cmocka_unit_test(test_a_file_that_cannot_be),
	};
	int rc;

	tempdir_make(&dir);
	(void)snprintf(path, sizeof(path), "%s", tempdir_path(&dir, "log"));
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	tempdir_remove(&dir);
	return rc;
}
