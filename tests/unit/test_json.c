/* test_json.c: what is refused as JSON, and typed members with one clear error. */
#include <math.h>
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

static enum loom_status parse(const char *text, size_t n, struct loom_err *err)
{
	json_t *v = NULL;
	enum loom_status rc = loom_json_parse(text, n, "f.json", LOOM_E_MODEL, &v, err);
	assert_true((rc == LOOM_OK) == (v != NULL));
	json_decref(v);
	return rc;
}

static void bad_json_is_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"{\"a\":1,\"a\":2}", "duplicate object key"}, {"{} x", "end of file expected"}, {"", "expected"}, {"{\"a\":1", "f.json: not valid JSON"},
		{"{\"a\":1e400}", "overflow"}, {"{'a':1}", "f.json"}, {"{\"a\":NaN}", "f.json"},
		{"{\"a\":01}", "f.json"}, {"[1,]", "f.json"}, {"{\"a\":\"\xff\"}", "invalid UTF-8 at byte 6"}, {"{\"a\":\"\xed\xa0\x80\"}", "invalid UTF-8"},
		{"{\"a\":\"\\ud800\"}", "f.json"}, {"{\"a\":\"\n\"}", "unexpected newline"}, {"// c\n{}", "f.json"}, {"\xef\xbb\xbf{}", "f.json"}, {"3", "f.json"},
	};
	struct loom_err err;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (parse(cases[i].text, strlen(cases[i].text), &err) != LOOM_E_MODEL)
			fail_msg("accepted: %s", cases[i].text);
		if (!strstr(err.message, cases[i].message))
			fail_msg("%s: %s", cases[i].text, err.message);
	}
}

static void good_json_is_read(void **state)
{
	static const char *const cases[] = {"{}", " \t\r\n{} \n", "[]", "{\"a\":\"\\u0000\"}", "{\"a\":-0.0}", "{\"a\":9223372036854775807}",
		"{\"\":null}", "{\"a\":\"\\ud83d\\ude00\"}", "{\"a\":\"[[[[{{{{\\\"\"}"};
	struct loom_err err;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (parse(cases[i], strlen(cases[i]), &err))
			fail_msg("%s: %s", cases[i], err.message);
	}
}

static void nesting_has_a_limit(void **state)
{
	static char text[200001];
	struct loom_err err;
	(void)state;
	for (size_t depth = LOOM_MAX_JSON_DEPTH; depth <= LOOM_MAX_JSON_DEPTH + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		assert_int_equal(parse(text, 2 * depth, &err), depth > LOOM_MAX_JSON_DEPTH ? LOOM_E_MODEL : LOOM_OK);
	}
	assert_string_equal(err.message, "f.json: JSON nested 65 deep; at most 64");
	memset(text, '[', 100000);
	memset(text + 100000, ']', 100000);
	assert_int_equal(parse(text, 200000, &err), LOOM_E_MODEL);
	assert_int_equal(parse(text, 100000, &err), LOOM_E_MODEL);
	/* many lists side by side are not deep */
	text[0] = '[';
	for (size_t i = 0; i < 1000; i++)
		memcpy(text + 1 + 3 * i, "[],", 3);
	text[3000] = ']';
	assert_int_equal(parse(text, 3001, &err), LOOM_OK);
}

static void members_are_checked(void **state)
{
	static const char text[] = "{\"i\":7,\"r\":1.5,\"s\":\"x\",\"n\":null,\"b\":true,\"z\":\"a\\u0000b\",\"big\":1e300,\"o\":{}}";
	const struct loom_json_ctx file = {"config.json", LOOM_E_MODEL}, body = {"", LOOM_E_INVALID};
	json_t *v = NULL;
	struct loom_err err;
	int64_t i = -1;
	double x = -1;
	bool b = false;
	const char *s = "unset";
	(void)state;
	assert_int_equal(loom_json_parse(text, strlen(text), "", LOOM_E_BAD_REQUEST, &v, &err), LOOM_OK);
	assert_int_equal(loom_json_int(&file, v, "absent", 0, 9, &i, &err), LOOM_OK);
	assert_int_equal(loom_json_int(&file, v, "n", 0, 9, &i, &err), LOOM_OK);
	assert_int_equal(i, -1);
	assert_int_equal(loom_json_int(&file, v, "i", 0, 7, &i, &err), LOOM_OK);
	assert_int_equal(i, 7);
	assert_int_equal(loom_json_int(&file, v, "i", 8, 9, &i, &err), LOOM_E_MODEL);
	assert_string_equal(err.message, "config.json: i: expected an integer 8..9, found 7");
	assert_string_equal(err.param, "i");
	assert_int_equal(loom_json_int(&body, v, "r", 0, 9, &i, &err), LOOM_E_INVALID);
	assert_string_equal(err.message, "r: expected an integer 0..9, found 1.5");
	assert_int_equal(loom_json_int(&file, v, "s", 0, 9, &i, &err), LOOM_E_MODEL);
	assert_string_equal(err.message, "config.json: s: expected an integer 0..9, found \"x\"");
	assert_int_equal(loom_json_num(&file, v, "i", 0, 9, &x, &err), LOOM_OK);
	assert_true(x == 7);
	assert_int_equal(loom_json_num(&file, v, "big", 0, 9, &x, &err), LOOM_E_MODEL);
	assert_int_equal(loom_json_num(&file, v, "b", 0, 9, &x, &err), LOOM_E_MODEL);
	assert_string_equal(err.message, "config.json: b: expected a number 0..9, found true");
	assert_int_equal(loom_json_bool(&file, v, "b", &b, &err), LOOM_OK);
	assert_true(b);
	assert_int_equal(loom_json_bool(&file, v, "i", &b, &err), LOOM_E_MODEL);
	assert_int_equal(loom_json_str(&file, v, "s", &s, &err), LOOM_OK);
	assert_string_equal(s, "x");
	assert_int_equal(loom_json_str(&file, v, "z", &s, &err), LOOM_E_MODEL);
	assert_int_equal(loom_json_str(&file, v, "o", &s, &err), LOOM_E_MODEL);
	assert_string_equal(err.message, "config.json: o: expected a string without NUL, found an object");
	json_decref(v);
}

static void integers_beyond_int64_are_numbers(void **state)
{
	static const char text[] = "{\"model_max_length\":1000000000000000019884624838656,\"n\":12,\"x\":1.5}";
	const struct loom_json_ctx c = {"x.json", LOOM_E_MODEL};
	struct loom_err err;
	json_t *root = NULL;
	int64_t n = 0;
	double x = 0;
	(void)state;
	assert_int_equal(loom_json_parse(text, strlen(text), "x.json", LOOM_E_MODEL, &root, &err), LOOM_OK);
	assert_int_equal(loom_json_int(&c, root, "n", 0, 100, &n, &err), LOOM_OK);
	assert_int_equal(n, 12);
	assert_int_equal(loom_json_num(&c, root, "model_max_length", 0, 1e300, &x, &err), LOOM_OK);
	assert_true(x > 9e29);
	assert_int_equal(loom_json_int(&c, root, "x", 0, 100, &n, &err), LOOM_E_MODEL);
	json_decref(root);
}

/* tests/corpus/json.txt: what RFC 8259 takes, what it refuses, and what we do where it leaves that open (tools/make-json-cases.py). */
static void every_case_of_the_corpus(void **state)
{
	static char line[4096], text[2048];
	int n_case = 0;
	FILE *f = fopen(LOOM_TEST_DIR "/corpus/json.txt", "r");
	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		char *hex = strchr(line, ' ');
		size_t n = 0;
		struct loom_err err;
		assert_non_null(hex);
		*hex++ = 0;
		for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2)
			text[n++] = (char)byte;
		bool taken = line[0] == 'y' || strncmp(line, "i_taken", 7) == 0;
		enum loom_status rc = parse(text, n, &err);
		if (rc != (taken ? LOOM_OK : LOOM_E_MODEL))
			fail_msg("%s: status %d, %s", line, (int)rc, rc ? err.message : "taken");
		n_case++;
	}
	fclose(f);
	assert_true(n_case > 500);
}

/* Each allocation in turn fails: an error, and nothing leaks. */
static void parsing_survives_every_failed_allocation(void **state)
{
	static const char text[] = "{\"a\":[1,2,{\"b\":\"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\"}],\"d\":1.5}";
	struct loom_err err;
	(void)state;
	for (int sticky = 0; sticky < 2; sticky++) {
		enum loom_status rc = LOOM_E_MEMORY;
		for (uint64_t k = 1; rc; k++) {
			int64_t before = loom_mem_live();
			assert_true(k < 1000);
			loom_mem_fail_at(k, sticky != 0);
			rc = parse(text, strlen(text), &err);
			loom_mem_fail_at(0, false);
			assert_int_equal(loom_mem_live(), before);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_json_is_refused),
		cmocka_unit_test(good_json_is_read),
		cmocka_unit_test(nesting_has_a_limit),
		cmocka_unit_test(members_are_checked),
		cmocka_unit_test(integers_beyond_int64_are_numbers),
		cmocka_unit_test(every_case_of_the_corpus),
		cmocka_unit_test(parsing_survives_every_failed_allocation),
	};
	loom_json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
