/* test_config.c: config.json in both spellings, defaults, and one clear message for each thing that is wrong or not supported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "jsonx.h"
#include "mem.h"

#define BASE "\"num_hidden_layers\":2,\"hidden_size\":32,\"num_attention_heads\":4,\"vocab_size\":100,\"intermediate_size\":64"
#define LLAMA "\"architectures\":[\"LlamaForCausalLM\"]," BASE

static enum loom_status read_text(const char *text, struct loom_config *cfg, struct loom_err *err)
{
	json_t *root = NULL;
	enum loom_status rc;

	loom_config_init(cfg);
	memset(err, 0, sizeof(*err));
	assert_int_equal(loom_json_parse(text, strlen(text), "config.json", LOOM_E_MODEL, &root, err), LOOM_OK);
	rc = loom_config_from_json(cfg, root, "config.json", err);
	json_decref(root);
	return rc;
}

static void refusals_say_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"[]", "expected an object"},
		{"{}", "neither \"architectures\" nor \"model_type\""},
		{"{\"architectures\":[\"LlamaForCausalLm\"]," BASE "}", "\"LlamaForCausalLm\" is not supported (did you mean \"LlamaForCausalLM\"?)"},
		{"{\"architectures\":[\"RwkvForCausalLM\"]}", "\"RwkvForCausalLM\" is not supported"},
		{"{\"architectures\":[7]}", "architectures[0]: expected a string"},
		{"{\"architectures\":\"x\"}", "expected a list"},
		{"{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":32}", "\"num_hidden_layers\" is missing"},
		{"{" LLAMA ",\"num_key_value_heads\":3}", "4 attention heads do not divide among 3"},
		{"{" LLAMA ",\"num_key_value_heads\":8}", "4 attention heads do not divide among 8"},
		{"{" LLAMA ",\"hidden_act\":\"mish\"}", "activation \"mish\""},
		{"{" LLAMA ",\"rms_norm_eps\":\"x\"}", "rms_norm_eps"},
		{"{" LLAMA ",\"head_dim\":7}", "expected an even number"},
		{"{" LLAMA ",\"rope_theta\":-1}", "rope_theta"},
		{"{" LLAMA ",\"rope_theta\":0}", "rope_theta"},
		{"{" LLAMA ",\"rope_scaling\":{\"type\":\"magic\",\"factor\":2}}", "rope type \"magic\""},
		{"{" LLAMA ",\"rope_scaling\":{\"type\":\"linear\"}}", "\"linear\" needs a valid \"factor\""},
		{"{" LLAMA ",\"rope_scaling\":{\"rope_type\":\"longrope\",\"long_factor\":[1,2,3,4],\"short_factor\":[1,2]}}", "short_factor"},
		{"{" LLAMA ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8}}", "low_freq_factor"},
		{"{" LLAMA ",\"rope_scaling\":[]}", "rope_scaling: expected an object"},
		{"{" LLAMA ",\"partial_rotary_factor\":0.5}", "partial_rotary_factor"},
		{"{" LLAMA ",\"quantization_config\":{\"quant_method\":\"hqq\"}}", "quant_method is \"hqq\""},
		{"{" LLAMA ",\"eos_token_id\":\"x\"}", "eos_token_id"},
		{"{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":0,\"hidden_size\":32,\"num_attention_heads\":4,\"vocab_size\":9}",
			"num_hidden_layers"},
		{"{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":2,\"hidden_size\":33,\"num_attention_heads\":4,\"vocab_size\":9,"
			"\"intermediate_size\":6}", "hidden size 33 is not a multiple of 4"},
		{"{\"architectures\":[\"Qwen2ForCausalLM\"]," BASE ",\"num_key_value_heads\":4,\"use_sliding_window\":true,"
			"\"layer_types\":[\"full_attention\"]}", "layer_types: expected 2 entries, found 1"},
		{"{\"architectures\":[\"Qwen2ForCausalLM\"]," BASE ",\"num_key_value_heads\":4,\"use_sliding_window\":true,"
			"\"layer_types\":[\"full_attention\",\"linear_attention\"]}", "layer_types[1]: \"linear_attention\""},
		{"{\"architectures\":[\"BertModel\"]," BASE ",\"position_embedding_type\":\"relative_key\"}", "position_embedding_type is"},
		{"{\"architectures\":[\"BertModel\"]," BASE ",\"is_decoder\":true}", "is_decoder is true"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loom_config cfg;
		struct loom_err err;
		enum loom_status rc = read_text(cases[i].text, &cfg, &err);

		if (rc != LOOM_E_MODEL || !strstr(err.message, cases[i].says)) {
			fail_msg("case %zu: status %d, \"%s\", expected \"%s\"", i, rc, err.message, cases[i].says);
		}
		loom_config_release(&cfg);
	}
}

static void both_spellings_mean_the_same(void **state)
{
	struct loom_config a, b;
	struct loom_err err;

	(void)state;
	assert_int_equal(read_text("{" LLAMA ",\"rope_theta\":500000.0,\"rope_scaling\":{\"type\":\"linear\",\"factor\":4},"
		"\"torch_dtype\":\"bfloat16\"}", &a, &err), LOOM_OK);
	assert_int_equal(read_text("{" LLAMA ",\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":4.0,\"rope_theta\":500000.0},"
		"\"dtype\":\"bfloat16\"}", &b, &err), LOOM_OK);
	assert_int_equal(a.dtype, LOOM_BF16);
	assert_int_equal(b.dtype, LOOM_BF16);
	assert_int_equal(a.ropes[0].n_freq, 4);
	assert_memory_equal(a.ropes[0].inv_freq, b.ropes[0].inv_freq, 4 * sizeof(float));
	assert_true(a.ropes[0].inv_freq[0] == 0.25f);
	loom_config_release(&a);
	loom_config_release(&b);
}

static void defaults_and_nulls(void **state)
{
	struct loom_config cfg;
	struct loom_err err;

	(void)state;
	assert_int_equal(read_text("{" LLAMA ",\"num_key_value_heads\":null,\"eos_token_id\":[2,7]}", &cfg, &err), LOOM_OK);
	assert_int_equal(cfg.n_head_kv, 4);
	assert_int_equal(cfg.d_head, 8);
	assert_int_equal(cfg.n_ctx, 2048);
	assert_int_equal(cfg.n_eos, 2);
	assert_true(cfg.has_head && !cfg.tied && cfg.causal && cfg.window == 0);
	json_t *gen = json_pack("{s:i, s:n}", "eos_token_id", 5, "bos_token_id");
	assert_int_equal(loom_config_generation(&cfg, gen, &err), LOOM_OK);
	assert_int_equal(cfg.n_eos, 1);
	assert_int_equal(cfg.eos_ids[0], 5);
	json_decref(gen);
	loom_config_release(&cfg);
	/* Mistral's absent window is 4096, null is none; a base model has no head; model_type alone is enough. */
	assert_int_equal(read_text("{\"architectures\":[\"MistralModel\"]," BASE ",\"num_key_value_heads\":2}", &cfg, &err), LOOM_OK);
	assert_true(cfg.window == 4096 && !cfg.has_head);
	loom_config_release(&cfg);
	assert_int_equal(read_text("{\"architectures\":[\"MistralModel\"]," BASE ",\"num_key_value_heads\":2,\"sliding_window\":null}", &cfg,
		&err), LOOM_OK);
	assert_int_equal(cfg.window, 0);
	loom_config_release(&cfg);
	assert_int_equal(read_text("{\"model_type\":\"bert\"," BASE "}", &cfg, &err), LOOM_OK);
	assert_true(!cfg.causal && cfg.embed_norm && !cfg.has_head);
	loom_config_release(&cfg);
}

/* Every allocation fails once: an error each time, nothing kept, and at last it works. */
/* A text_config may leave out what its class has by default; a model by itself may not. */
static void towers_have_their_class_s_sizes(void **state)
{
	struct loom_config cfg;
	struct loom_err err;

	(void)state;
	assert_int_equal(read_text("{\"architectures\":[\"LlavaForConditionalGeneration\"],\"vision_config\":{},\"text_config\":"
		"{\"model_type\":\"llama\",\"vocab_size\":32064}}", &cfg, &err), LOOM_OK);
	assert_true(cfg.n_layer == 32 && cfg.n_embd == 4096 && cfg.n_ffn == 11008 && cfg.n_head == 32 && cfg.n_vocab == 32064);
	loom_config_release(&cfg);
	assert_int_equal(read_text("{\"architectures\":[\"Gemma3ForConditionalGeneration\"],\"vision_config\":{},\"text_config\":"
		"{\"model_type\":\"gemma3_text\",\"hidden_size\":2560,\"intermediate_size\":10240,\"num_hidden_layers\":34}}", &cfg, &err), LOOM_OK);
	assert_true(cfg.n_layer == 34 && cfg.n_embd == 2560 && cfg.n_head == 8 && cfg.n_head_kv == 4 && cfg.d_head == 256 && cfg.n_vocab == 262208);
	loom_config_release(&cfg);
	assert_int_equal(read_text("{\"architectures\":[\"LlamaForCausalLM\"],\"vocab_size\":32064}", &cfg, &err), LOOM_E_MODEL);
	loom_config_release(&cfg);
}

static void no_allocation_may_be_missed(void **state)
{
	static const char text[] = "{\"architectures\":[\"Qwen2ForCausalLM\"]," BASE ",\"num_key_value_heads\":4,\"use_sliding_window\":true,"
		"\"max_window_layers\":1,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":64}}";
	struct loom_config cfg;
	struct loom_err err;
	json_t *root = NULL;
	enum loom_status rc = LOOM_E_MEMORY;

	(void)state;
	assert_int_equal(loom_json_parse(text, strlen(text), "config.json", LOOM_E_MODEL, &root, &err), LOOM_OK);
	for (uint64_t k = 1; rc != LOOM_OK; k++) {
		assert_true(k < 200);
		loom_config_init(&cfg);
		loom_mem_fail_at(k, false);
		rc = loom_config_from_json(&cfg, root, "config.json", &err);
		loom_mem_fail_at(0, false);
		assert_true(rc == LOOM_OK || rc == LOOM_E_MEMORY);
		loom_config_release(&cfg);
	}
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(refusals_say_what_is_wrong), cmocka_unit_test(both_spellings_mean_the_same),
		cmocka_unit_test(defaults_and_nulls), cmocka_unit_test(towers_have_their_class_s_sizes), cmocka_unit_test(no_allocation_may_be_missed)};

	loom_json_setup();
	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
