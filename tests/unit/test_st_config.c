/* test_st_config.c: what a sentence-transformers folder says, in the old and the new spelling, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "jsonx.h"
#include "mem.h"
#include "st_config.h"
#include "tempdir.h"

#define TRANSFORMER "{\"idx\":0,\"name\":\"0\",\"path\":\"\",\"type\":\"sentence_transformers.models.Transformer\"}"
#define POOLING "{\"idx\":1,\"name\":\"1\",\"path\":\"1_Pooling\",\"type\":\"sentence_transformers.models.Pooling\"}"
#define NORMALIZE "{\"idx\":2,\"name\":\"2\",\"path\":\"2_Normalize\",\"type\":\"sentence_transformers.models.Normalize\"}"
#define ALL "[" TRANSFORMER "," POOLING "," NORMALIZE "]"

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

static void write_all(const char *modules, const char *pooling, const char *limits, const char *prompts)
{
	(void)tempdir_text(&dir, "modules.json", modules);
	(void)tempdir_text(&dir, "1_Pooling/config.json", pooling);
	(void)tempdir_text(&dir, "sentence_bert_config.json", limits);
	(void)tempdir_text(&dir, "config_sentence_transformers.json", prompts);
}

static void a_folder_without_modules_is_none(void **state)
{
	struct loom_st_config c;
	struct loom_err err;
	(void)state;
	loom_st_config_init(&c);
	assert_int_equal(loom_st_config_load(&c, dir.path, &err), LOOM_OK);
	assert_false(c.present);
	loom_st_config_release(&c);
}

static void everything_said_is_kept(void **state)
{
	struct loom_st_config c;
	struct loom_err err;
	(void)state;
	write_all(ALL, "{\"word_embedding_dimension\":4,\"pooling_mode_cls_token\":true,\"pooling_mode_mean_tokens\":false}",
		"{\"max_seq_length\":256,\"do_lower_case\":false}",
		"{\"prompts\":{\"query\":\"query: \",\"document\":\"\"},\"default_prompt_name\":\"query\",\"similarity_fn_name\":\"cosine\"}");
	loom_st_config_init(&c);
	if (loom_st_config_load(&c, dir.path, &err))
		fail_msg("%s", err.message);
	assert_true(c.present && c.n_layer == 1 && c.layers[0].kind == LOOM_SMALL_UNIT);
	assert_int_equal(c.pooling, LOOM_POOL_CLS);
	assert_int_equal(c.max_seq_length, 256);
	assert_int_equal(c.do_lower_case, 0);
	assert_int_equal(c.n_prompt, 2);
	assert_string_equal(c.default_prompt, "query");
	for (int i = 0; i < 2; i++)
		assert_string_equal(c.prompts[i].text, strcmp(c.prompts[i].name, "query") == 0 ? "query: " : "");
	loom_st_config_release(&c);
}

static void pooling_has_two_spellings(void **state)
{
	static const struct {
		const char *text;
		enum loom_pooling pooling;
	} cases[] = {{"{\"pooling_mode\":\"lasttoken\"}", LOOM_POOL_LAST}, {"{\"pooling_mode\":\"mean\"}", LOOM_POOL_MEAN},
		{"{\"pooling_mode\":\"cls\"}", LOOM_POOL_CLS}, {"{\"pooling_mode_max_tokens\":true}", LOOM_POOL_MAX},
		{"{\"pooling_mode_mean_sqrt_len_tokens\":true}", LOOM_POOL_MEAN_SQRT_LEN}, {"{\"pooling_mode_weightedmean_tokens\":true}",
		LOOM_POOL_WEIGHTED_MEAN}, {"{\"pooling_mode_lasttoken\":true}", LOOM_POOL_LAST}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct loom_st_config c;
		struct loom_err err;
		write_all("[" TRANSFORMER "," POOLING "]", cases[i].text, "{}", "{}");
		loom_st_config_init(&c);
		if (loom_st_config_load(&c, dir.path, &err))
			fail_msg("%s: %s", cases[i].text, err.message);
		assert_int_equal(c.pooling, cases[i].pooling);
		assert_int_equal(c.n_layer, 0);
		assert_int_equal(c.max_seq_length, 0);
		assert_int_equal(c.do_lower_case, -1);
		loom_st_config_release(&c);
	}
	for (int p = 0; p < LOOM_N_POOL; p++)
		assert_int_equal(loom_pooling_parse(loom_pooling_name((enum loom_pooling)p)), p);
	assert_int_equal(loom_pooling_parse("first_token"), LOOM_POOL_CLS);
	assert_int_equal(loom_pooling_parse("median"), -1);
}

static void what_loom_does_not_run_is_refused(void **state)
{
	static const struct {
		const char *modules, *pooling, *limits, *prompts, *message;
	} cases[] = {
		{"{}", "{}", "{}", "{}", "modules.json: expected a list"},
		{"[]", "{}", "{}", "{}", "modules.json: expected a list"},
		{"[7]", "{}", "{}", "{}", "[0]: expected an object"},
		{"[" POOLING "]", "{}", "{}", "{}", "is not supported here"},
		{"[" TRANSFORMER "," POOLING ",{\"path\":\"2_Dense\",\"type\":\"sentence_transformers.models.Dense\"}]", "{}", "{}", "{}", "2_Dense/model.safetensors is missing"},
		{"[" TRANSFORMER "," POOLING ",{\"path\":\"\",\"type\":\"a.WordWeights\"}]", "{}", "{}", "{}", "a.WordWeights\" is not"},
		{"[" TRANSFORMER ",{\"path\":\"../x\",\"type\":\"a.Pooling\"}]", "{}", "{}", "{}", "[1].path: expected a folder's plain name"},
		{"[" TRANSFORMER ",{\"path\":\"..\",\"type\":\"a.Pooling\"}]", "{}", "{}", "{}", "[1].path: expected a folder's plain name"},
		{"[" TRANSFORMER ",{\"path\":\"none\",\"type\":\"a.Pooling\"}]", "{}", "{}", "{}", "none/config.json is missing"},
		{"[" TRANSFORMER ",{\"path\":7,\"type\":\"a.Pooling\"}]", "{}", "{}", "{}", "path: expected a string"},
		{"[" TRANSFORMER ",{\"path\":\"\"}]", "{}", "{}", "{}", "module \"null\""},
		{ALL, "{\"pooling_mode\":\"median\"}", "{}", "{}", "pooling_mode \"median\""},
		{ALL, "{\"pooling_mode_cls_token\":1}", "{}", "{}", "expected true or false, found 1"},
		{ALL, "{}", "{\"max_seq_length\":0}", "{}", "max_seq_length: expected an integer"},
		{ALL, "{}", "{\"max_seq_length\":\"256\"}", "{}", "max_seq_length: expected an integer"},
		{ALL, "{}", "{}", "{\"prompts\":{\"a\":7}}", "prompts.a: expected a string"},
		{ALL, "{}", "{}", "{\"prompts\":{\"a\":\"x\"},\"default_prompt_name\":\"b\"}", "default_prompt_name \"b\" is not among"},
		{ALL, "{", "{}", "{}", "1_Pooling/config.json: not valid JSON"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct loom_st_config c;
		struct loom_err err;
		int64_t before = loom_mem_live();
		write_all(cases[i].modules, cases[i].pooling, cases[i].limits, cases[i].prompts);
		loom_st_config_init(&c);
		if (loom_st_config_load(&c, dir.path, &err) != LOOM_E_MODEL)
			fail_msg("accepted; expected: %s", cases[i].message);
		if (!strstr(err.message, cases[i].message))
			fail_msg("%s; expected: %s", err.message, cases[i].message);
		assert_false(c.present);
		loom_st_config_release(&c);
		assert_int_equal(loom_mem_live(), before);
	}
}

static void every_failed_allocation_is_survived(void **state)
{
	(void)state;
	write_all(ALL, "{\"pooling_mode_cls_token\":true}", "{\"max_seq_length\":9}", "{\"prompts\":{\"q\":\"q: \"}}");
	for (int sticky = 0; sticky < 2; sticky++) {
		enum loom_status rc = LOOM_E_MEMORY;
		for (uint64_t k = 1; rc; k++) {
			struct loom_st_config c;
			struct loom_err err;
			int64_t before = loom_mem_live();
			assert_true(k < 1000);
			loom_st_config_init(&c);
			loom_mem_fail_at(k, sticky != 0);
			rc = loom_st_config_load(&c, dir.path, &err);
			loom_mem_fail_at(0, false);
			loom_st_config_release(&c);
			assert_int_equal(loom_mem_live(), before);
			assert_true(rc == LOOM_OK || rc == LOOM_E_MEMORY);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_folder_without_modules_is_none),
		cmocka_unit_test(everything_said_is_kept),
		cmocka_unit_test(pooling_has_two_spellings),
		cmocka_unit_test(what_loom_does_not_run_is_refused),
		cmocka_unit_test(every_failed_allocation_is_survived),
	};
	loom_json_setup();
	return cmocka_run_group_tests(tests, setup, teardown);
}
