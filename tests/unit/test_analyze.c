/* test_analyze.c: statistics as numpy has them, histograms, and the bodies' tables of fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "analyze.h"
#include "input_fields.h"
#include "hist.h"
#include "jsonx.h"

static void near(double a, double b)
{
	assert_true(fabs(a - b) <= 1e-12 * (1 + fabs(b)));
}

static void test_statistics(void **state)
{
	/* numpy.std, numpy.percentile of the same */
	const float v[] = {3, -1, 0, 2, 1e-7f};
	struct loom_vector_stats s;
	struct loom_err err = {0};

	(void)state;
	assert_int_equal(loom_vector_analyze(v, 5, &s, &err), LOOM_OK);
	near(s.mean, (3 - 1 + 2 + (double)1e-7f) / 5);
	near(s.min, -1);
	near(s.max, 3);
	near(s.sparsity, 0.4);
	near(s.l2_norm, sqrt(14 + (double)1e-7f * (double)1e-7f));
	near(s.percentile[0], 0);
	near(s.percentile[1], (double)1e-7f);
	near(s.percentile[2], 2);
	assert_true(fabs(s.std - 1.469693823) < 1e-6);
	assert_int_equal(loom_vector_analyze(v, 1, &s, &err), LOOM_OK);
	near(s.percentile[1], 3);
	near(s.std, 0);
	assert_int_equal(loom_vector_analyze((const float[]){1, NAN}, 2, &s, &err), LOOM_OK);
	assert_true(isnan(s.mean) && isnan(s.min) && isnan(s.percentile[2]));
}

static void test_histogram(void **state)
{
	struct loom_hist h = {0};

	(void)state;
	loom_hist_add(&h, 0.0005);
	loom_hist_add(&h, 0.3);
	loom_hist_add(&h, 1e6);
	loom_hist_add(&h, -1);
	loom_hist_add(&h, NAN);
	assert_int_equal(atomic_load(&h.buckets[0]), 3);
	assert_int_equal(atomic_load(&h.buckets[9]), 1);
	assert_int_equal(atomic_load(&h.buckets[LOOM_N_HIST]), 1);
}

struct target {
	bool b;
	int64_t i;
	double n;
	const char *s;
	int w;
};
static const struct loom_input_word words[] = {{"one", 1}, {"two", 2}, {NULL, 0}};
static const struct loom_input_field fields[] = {
	{.name = "b", .kind = LOOM_INPUT_BOOL, .offset = offsetof(struct target, b), .help = "b"},
	{.name = "i", .kind = LOOM_INPUT_INT, .offset = offsetof(struct target, i), .min = -3, .max = 9, .fallback = "1", .help = "i"},
	{.name = "n", .kind = LOOM_INPUT_NUM, .offset = offsetof(struct target, n), .min = 0, .max = 1, .above = true, .help = "n"},
	{.name = "s", .kind = LOOM_INPUT_STR, .offset = offsetof(struct target, s), .required = true, .help = "s"},
	{.name = "word", .kind = LOOM_INPUT_WORD, .offset = offsetof(struct target, w), .words = words, .help = "w"},
	{.name = NULL},
};
static const struct loom_input_field *const tables[] = {fields, NULL};

static enum loom_status parse(const char *text, bool strict, struct target *t, struct loom_err *err)
{
	json_t *root = json_loads(text, JSON_DECODE_ANY, NULL);
	enum loom_status rc;

	assert_non_null(root);
	rc = loom_input_parse(tables, t, root, strict, err);
	if (rc == LOOM_OK) {
		t->s = ""; /* it goes with root */
	}
	json_decref(root);
	return rc;
}

static void test_fields(void **state)
{
	static const struct {
		const char *text, *param, *says;
	} bad[] = {
		{"{}", "s", "s: required: expected a string"}, {"{\"s\":null}", "s", "required"}, {"{\"s\":1}", "s", "expected a string, found 1"},
		{"{\"s\":\"\",\"i\":10}", "i", "an integer -3..9"}, {"{\"s\":\"\",\"i\":1.5}", "i", "an integer"}, {"{\"s\":\"\",\"n\":0}", "n", "above 0"},
		{"{\"s\":\"\",\"b\":1}", "b", "true or false"}, {"{\"s\":\"\",\"word\":\"three\"}", "word", "\"one\" or \"two\", found \"three\""},
		{"{\"s\":\"\",\"wrod\":\"one\"}", "wrod", "did you mean \"word\""}, {"[]", "", "expected a JSON object"}, {"3", "", "expected a JSON object"},
	};
	struct target t = {.i = 1, .w = 7};
	struct loom_err err = {0};

	(void)state;
	assert_int_equal(parse("{\"s\":\"x\",\"i\":-3,\"n\":1,\"b\":true,\"word\":\"two\"}", true, &t, &err), LOOM_OK);
	assert_true(t.b && t.i == -3 && t.n == 1 && t.w == 2);
	assert_int_equal(parse("{\"s\":\"x\",\"word\":null,\"other\":1}", false, &t, &err), LOOM_OK);
	assert_int_equal(t.w, 2);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&err, 0, sizeof(err));
		assert_int_equal(parse(bad[i].text, true, &t, &err), LOOM_E_INVALID);
		assert_string_equal(err.param, bad[i].param);
		assert_non_null(strstr(err.message, bad[i].says));
	}
}

static void test_schema(void **state)
{
	struct loom_buf b;
	struct loom_json_out j;
	json_t *root, *p;

	(void)state;
	loom_buf_init(&b, 100000);
	loom_json_out_init(&j, &b);
	loom_input_schema(tables, true, &j);
	root = json_loadb(b.data, b.len, 0, NULL);
	assert_non_null(root);
	p = json_object_get(root, "properties");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(p, "i"), "maximum")), 9);
	assert_true(json_number_value(json_object_get(json_object_get(p, "n"), "exclusiveMinimum")) == 0);
	assert_int_equal(json_array_size(json_object_get(json_object_get(p, "word"), "enum")), 3);
	assert_string_equal(json_string_value(json_array_get(json_object_get(root, "required"), 0)), "s");
	assert_true(json_is_false(json_object_get(root, "additionalProperties")));
	json_decref(root);
	loom_buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_schema),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
