/* test_capture.c: what a capture may ask for: layers and positions as Python counts them, and the refusals with their ranges. How rows
 * are placed is in test_runner.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture.h"

static struct loom_op ops[] = {
	{.kind = LOOM_OP_TAP, .site = LOOM_SITE_HIDDEN, .layer = 0, .a = {.width = 4}},
	{.kind = LOOM_OP_TAP, .site = LOOM_SITE_ATTN_PROBS, .layer = 0, .a = {.width = 2}},
	{.kind = LOOM_OP_TAP, .site = LOOM_SITE_MLP_ACT, .layer = 0, .a = {.width = 8}},
	{.kind = LOOM_OP_TAP, .site = LOOM_SITE_HIDDEN, .layer = 1, .a = {.width = 4}},
	{.kind = LOOM_OP_TAP, .site = LOOM_SITE_MLP_ACT, .layer = 1, .a = {.width = 12}},
	{.kind = LOOM_OP_TAP, .site = LOOM_SITE_HIDDEN, .layer = 2, .a = {.width = 4}},
	{.kind = LOOM_OP_TAP, .site = LOOM_SITE_FINAL_NORM, .layer = -1, .a = {.width = 4}},
};
static struct loom_model model;
static struct loom_arena arena;
static struct loom_err err;

static int setup(void **state)
{
	(void)state;
	model.plan = (struct loom_plan){.n_layer = 2, .n_head = 2, .causal = true, .ops = ops, .n_op = 7};
	loom_arena_init(&arena);
	loom_err_clear(&err);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loom_arena_release(&arena);
	return 0;
}

static struct loom_capture_spec hidden(enum loom_select select)
{
	return (struct loom_capture_spec){.name = "h", .site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_ALL, .select = select,
		.dtype = LOOM_F32};
}

/* Resolves for 4 prompt tokens and up to n_limit positions. */
static enum loom_status resolve(struct loom_capture *c, const struct loom_capture_spec *s, int32_t n_limit)
{
	return loom_capture_resolve(c, s, &model, 4, n_limit, NULL, &arena, &err);
}

static void expect_positions(const struct loom_capture_spec *s, int32_t total, const int64_t *want, size_t n_want)
{
	struct loom_capture c;
	int64_t got[32];
	size_t n = 0;
	assert_int_equal(resolve(&c, s, total), LOOM_OK);
	assert_int_equal(loom_capture_positions(&c, total, got, &n, &err), LOOM_OK);
	assert_int_equal(n, n_want);
	if (n)
		assert_memory_equal(got, want, n * sizeof *got);
}

static void test_positions(void **state)
{
	struct loom_capture_spec s = hidden(LOOM_SELECT_SLICE);
	(void)state;
	s.slice = (struct loom_slice){.has_start = true, .start = -3, .step = 2};
	expect_positions(&s, 7, (int64_t[]){4, 6}, 2);
	s.slice = (struct loom_slice){.has_start = true, .start = 5, .has_stop = true, .stop = 100, .step = 1};
	expect_positions(&s, 7, (int64_t[]){5, 6}, 2);
	s.slice = (struct loom_slice){.has_start = true, .start = 50, .step = 1};
	expect_positions(&s, 7, NULL, 0);
	s = hidden(LOOM_SELECT_LAST);
	expect_positions(&s, 7, (int64_t[]){6}, 1);
	expect_positions(&s, 4, (int64_t[]){3}, 1);
	s = hidden(LOOM_SELECT_GENERATED);
	expect_positions(&s, 7, (int64_t[]){4, 5, 6}, 3);
	expect_positions(&s, 4, NULL, 0);
	s = hidden(LOOM_SELECT_PREDICTORS);
	expect_positions(&s, 7, (int64_t[]){3, 4, 5}, 3);
	s = hidden(LOOM_SELECT_LAST_PREDICTOR);
	expect_positions(&s, 7, (int64_t[]){5}, 1);
	expect_positions(&s, 4, (int64_t[]){3}, 1);
	s = hidden(LOOM_SELECT_LIST);
	s.positions = (const int64_t[]){2, -1, 0};
	s.n_position = 3;
	expect_positions(&s, 6, (int64_t[]){2, 5, 0}, 3);
}

static void test_the_last_step_is_run_only_when_asked(void **state)
{
	static const enum loom_select yes[] = {LOOM_SELECT_LAST, LOOM_SELECT_ALL, LOOM_SELECT_GENERATED},
		no[] = {LOOM_SELECT_PROMPT, LOOM_SELECT_PREDICTORS, LOOM_SELECT_LAST_PREDICTOR};
	struct loom_capture c;
	struct loom_capture_spec s;
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		s = hidden(yes[i]);
		assert_int_equal(resolve(&c, &s, 8), LOOM_OK);
		assert_true(loom_capture_needs_last(&c, 6));
		s = hidden(no[i]);
		assert_int_equal(resolve(&c, &s, 8), LOOM_OK);
		assert_false(loom_capture_needs_last(&c, 6));
	}
}

static void expect_refused(const struct loom_capture_spec *s, int32_t n_limit, const char *param, const char *says)
{
	struct loom_capture c;
	loom_err_clear(&err);
	assert_int_equal(resolve(&c, s, n_limit), LOOM_E_INVALID);
	assert_string_equal(err.param, param);
	if (!strstr(err.message, says))
		fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

static void test_refusals_name_the_range(void **state)
{
	struct loom_capture_spec s = hidden(LOOM_SELECT_ALL);
	(void)state;
	s.layer_select = LOOM_SELECT_LIST;
	s.layers = (const int64_t[]){0, 3};
	s.n_layer = 2;
	expect_refused(&s, 8, "capture.layers", "0..2");
	s = hidden(LOOM_SELECT_LIST);
	s.positions = (const int64_t[]){8};
	s.n_position = 1;
	expect_refused(&s, 8, "capture.positions", "0..7");
	s = hidden(LOOM_SELECT_ALL);
	s.site = LOOM_SITE_ROUTER;
	expect_refused(&s, 8, "capture.site", "attn_probs");
	s.site = LOOM_SITE_MLP_ACT;
	expect_refused(&s, 8, "capture.layers", "8 and 12");
	s.site = LOOM_SITE_FINAL_NORM;
	s.layer_select = LOOM_SELECT_LIST;
	s.layers = (const int64_t[]){1};
	s.n_layer = 1;
	expect_refused(&s, 8, "capture.layers", "no layers");
}

static void test_shapes(void **state)
{
	struct loom_capture c;
	struct loom_capture_shape shape;
	struct loom_capture_spec s = hidden(LOOM_SELECT_PROMPT);
	(void)state;
	assert_int_equal(resolve(&c, &s, 8), LOOM_OK);
	assert_int_equal(loom_capture_shape(&c, 8, &shape, &err), LOOM_OK);
	assert_int_equal(shape.n_float, 3 * 4 * 4);
	s.site = LOOM_SITE_ATTN_PROBS;
	assert_int_equal(resolve(&c, &s, 8), LOOM_OK);
	assert_int_equal(loom_capture_shape(&c, 8, &shape, &err), LOOM_OK);
	assert_int_equal(shape.n_key, 4);
	assert_int_equal(shape.n_float, 4 * 2 * 4);
	s = hidden(LOOM_SELECT_GENERATED);
	s.reduce = LOOM_REDUCE_MEAN;
	assert_int_equal(resolve(&c, &s, 4), LOOM_OK);
	assert_int_equal(loom_capture_shape(&c, 4, &shape, &err), LOOM_E_INVALID);
}

/* A site that some layers lack (no attention in a convolution's layer): a range takes those that have it, a list must name them. */
static void test_some_layers_lack_the_site(void **state)
{
	struct loom_capture_spec s = hidden(LOOM_SELECT_ALL);
	struct loom_capture c;
	int64_t lacking[] = {1};
	(void)state;
	s.site = LOOM_SITE_ATTN_PROBS;
	assert_int_equal(resolve(&c, &s, 6), LOOM_OK);
	assert_int_equal(c.n_layer, 1);
	assert_int_equal(c.layers[0], 0);
	s.layer_select = LOOM_SELECT_LIST;
	s.layers = lacking;
	s.n_layer = 1;
	assert_int_equal(resolve(&c, &s, 6), LOOM_E_INVALID);
	assert_non_null(strstr(err.message, "layers that have it: 0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_positions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_some_layers_lack_the_site, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_last_step_is_run_only_when_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals_name_the_range, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shapes, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
