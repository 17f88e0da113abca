/* test_manifest.c: loom.json manifests: what is wrong is named with its line, a folder with one is opened and run like the built-in family it
 * repeats, nothing leaks when memory runs out. */
#include "../tempdir.h"
#include "../tiny.h"
#include "bounds.h"
#include "file.h"
#include "jsonline.h"
#include "manifest.h"
#include "model.h"

static char *exported(const char *family, size_t *n)
{
	struct loom_buf text;

	loom_buf_init(&text, 1 << 20);
	loom_manifest_write(loom_family_named(family), &text);
	return loom_buf_take(&text, n);
}

/* The text with the first `from` replaced by `to`. */
static char *changed(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	struct loom_buf out;

	assert_non_null(at);
	loom_buf_init(&out, 1 << 20);
	assert_true(loom_buf_append(&out, text, (size_t)(at - text)) && loom_buf_puts(&out, to) && loom_buf_puts(&out, at + strlen(from)));
	return loom_buf_take(&out, NULL);
}

static int line_of(const char *text, const char *part)
{
	int line = 1;

	for (const char *p = text, *end = strstr(text, part); p < end; p++) {
		line += *p == '\n';
	}
	return line;
}

static void faults_name_their_line(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} cases[] = {
		{"\"loom\": 1", "\"loom\": 2", "expected 1, the version"},
		{"\"prefixes\"", "\"prefixs\"", "there is no such member; did you mean \"prefixes\"?"},
		{"\"field\": \"n_embd\"", "\"field\": \"n_emd\"", "\"n_emd\" is no field"},
		{"\"field\": \"norm\", \"value\": \"rms\"", "\"field\": \"norm\", \"value\": \"rsm\"", "\"rsm\" is no value of norm"},
		{"\"field\": \"norm\", \"value\": \"rms\"", "\"field\": \"norm\"", "neither \"keys\" nor \"value\""},
		{"\"field\": \"norm\", \"value\": \"rms\"", "\"field\": \"pos\", \"keys\": \"x\", \"map\": \"true=alibi|false=nothing\"",
			"\"nothing\" is no value of pos"},
		{"\"field\": \"norm\", \"value\": \"rms\"", "\"field\": \"norm\", \"valeu\": \"rms\"", "did you mean \"value\"?"},
		{"\"field\": \"n_layer\"", "\"field\": \"n_type\"", "no row for n_layer"},
		{"\"bits\": [\"window\"], \"test\": \"word\"", "\"bits\": [\"windows\"], \"test\": \"word\"", "\"windows\" is nothing that a layer can have"},
		{"\"test\": \"from\"", "\"test\": \"form\"", "\"form\" is no test"},
		{"\"attn.q\": {\"safetensors\": [\"layers.%d", "\"attn.q\": {\"safetensors\": [\"layers.%s", "\"%\" in a name"},
		{"\"attn.q\"", "\"attn.query\"", "there is no weight of this name"},
		{"\"embed_tokens\"", "\"embed_types\"", "no name for embed_tokens"},
		{"\"rotate\"", "\"rotates\"", "\"rotates\" is no step"},
		{"\"tap resid_pre\"", "\"tap residual\"", "\"residual\" is no site"},
		{"\"norm attn_norm resid x\"", "\"norm attn_norm resid\"", "norm needs more words"},
		{"\"norm attn_norm resid x\"", "\"norm attn_norm resid x x\"", "one word too many"},
		{"\"norm attn_norm resid x\"", "\"norm attn_norm resid qkv\"", "only resid, x, sub and sub2"},
		{"\"norm attn_norm resid x\"", "\"norm attn_norm sub x\"", "has not been written yet"},
		{"\"kv_store\",", "", "attend stands before kv_store"},
		{"\"kv_store\"", "\"kv_store\", \"kv_store\"", "stores its keys once"},
		{"\"tap q\"", "\"tap q sub\"", "another width"},
		{"\"tap q\"", "\"tap q\", \"tap q\"", "tapped twice"},
		{"\"tap q\"", "\"tap logits\"", "not inside a block"},
		{"\"project sub\"", "\"project nowhere\"", "\"nowhere\" is no buffer"},
	};
	size_t n;
	char *text = exported("qwen2_moe", &n);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *bad = changed(text, cases[i].from, cases[i].to), where[32];
		const struct loom_family *f;
		struct loom_arena arena;
		struct loom_err err = {0};
		int line = line_of(text, cases[i].from);

		loom_arena_init(&arena);
		assert_int_equal(loom_manifest_read(bad, strlen(bad), "loom.json", &arena, &f, &err), LOOM_E_MODEL);
		if (!strstr(err.message, cases[i].says)) {
			fail_msg("case %zu: \"%s\", expected \"%s\"", i, err.message, cases[i].says);
		}
		/* Lists as a whole have the line of their name; everything else its own. */
		(void)snprintf(where, sizeof(where), "loom.json:%d: ", line);
		bool whole = strstr(err.message, "no row for") || strstr(err.message, "no name for") || strstr(err.message, "attend stands");
		if (!whole && strncmp(err.message, where, strlen(where)) != 0) {
			fail_msg("case %zu: \"%s\", expected line %d", i, err.message, line);
		}
		assert_true(strncmp(err.message, "loom.json:", 10) == 0);
		loom_arena_release(&arena);
		loom_free(bad);
	}
	loom_free(text);
}

static void lines_are_found(void **state)
{
	static const char text[] = "{\n \"a\": [1, {\"b\\\"\": \"}]\"},\n  [2,\n 3]],\n\n \"c\": null }";

	(void)state;
	assert_int_equal(loom_json_line(text, sizeof(text) - 1, ""), 1);
	assert_int_equal(loom_json_line(text, sizeof(text) - 1, "a"), 2);
	assert_int_equal(loom_json_line(text, sizeof(text) - 1, "a[0]"), 2);
	assert_int_equal(loom_json_line(text, sizeof(text) - 1, "a[2][1]"), 4);
	assert_int_equal(loom_json_line(text, sizeof(text) - 1, "c"), 6);
	assert_int_equal(loom_json_line(text, sizeof(text) - 1, "a[7].x"), 2);
}

static void copy_file(const char *from_dir, const struct tempdir *to, const char *name)
{
	char path[600], *data;
	size_t n;
	struct loom_err err;

	(void)snprintf(path, sizeof(path), "%s/%s", from_dir, name);
	assert_int_equal(loom_file_slurp(path, name, (size_t)1 << 24, &data, &n, &err), LOOM_OK);
	(void)tempdir_write(to, name, data, n);
	loom_free(data);
}

/* Every state of a prompt of the model in dir. Free with loom_free. */
static float *states(struct loom_engine *e, const char *dir, size_t *n)
{
	static const int32_t ids[] = {5, 6, 7, 200, 9};
	struct loom_load_spec spec = {.id = dir, .loader = -1};
	struct loom_resident *r = NULL;
	struct loom_request q;
	struct loom_capture_spec c;
	struct loom_answer a;
	struct loom_err err;
	float *copy;

	if (loom_engine_acquire(e, &spec, &r, &err)) {
		fail_msg("%s: %s", dir, err.message);
	}
	tiny_request(&q, &c, true, ids, 5, 0);
	tiny_run(e, r, &q, &a);
	*n = tiny_floats(&a.captures[0]);
	copy = loom_malloc(*n * sizeof(float));
	assert_non_null(copy);
	memcpy(copy, a.captures[0].data, *n * sizeof(float));
	loom_answer_release(&a);
	loom_engine_release(e, r);
	return copy;
}

/* A model of an architecture that is in no table: OLMo 2's, under names of its own and with all sizes in the manifest. */
static void a_folder_with_a_manifest_runs(void **state)
{
	static const char own[] = LOOM_TEST_DIR "/models/olmo2";
	struct tempdir dir;
	size_t n_text, n, n_own;
	char *text = exported("olmo2", &n_text), *one, *two;
	struct loom_engine *e = tiny_engine(1, 0);

	(void)state;
	tempdir_make(&dir);
	copy_file(own, &dir, "model.safetensors");
	copy_file(own, &dir, "tokenizer.json");
	one = changed(text, "{\"field\": \"n_layer\", \"keys\": [\"num_hidden_layers\"]},\n\t\t{\"field\": \"n_embd\", \"keys\": [\"hidden_size\"]},\n"
		"\t\t{\"field\": \"n_head\", \"keys\": [\"num_attention_heads\"]},\n\t\t{\"field\": \"n_vocab\", \"keys\": [\"vocab_size\"]},\n"
		"\t\t{\"field\": \"n_ffn\", \"keys\": [\"intermediate_size\"]}",
		"{\"field\": \"n_layer\", \"value\": 2}, {\"field\": \"n_embd\", \"value\": 24}, {\"field\": \"n_head\", \"value\": 3},"
		"{\"field\": \"n_vocab\", \"value\": 260}, {\"field\": \"n_ffn\", \"value\": 22}");
	two = changed(one, "{\"field\": \"n_head_kv\", \"keys\": [\"num_key_value_heads\"]}", "{\"field\": \"n_head_kv\", \"value\": 1}");
	(void)tempdir_text(&dir, "loom.json", two);
	float *a = states(e, dir.path, &n), *b = states(e, own, &n_own);
	assert_int_equal(n, n_own);
	assert_memory_equal(a, b, n * sizeof(float));
	loom_free(a);
	loom_free(b);
	tempdir_remove(&dir);
	loom_free(text);
	loom_free(one);
	loom_free(two);
	loom_engine_free(e, 1000);
}

static void no_allocation_may_be_missed(void **state)
{
	size_t n;
	char *text = exported("gemma3", &n);
	enum loom_status rc = LOOM_E_MEMORY;

	(void)state;
	for (uint64_t k = 1; rc != LOOM_OK; k += 1 + k / 16) {
		const struct loom_family *f;
		struct loom_arena arena;
		struct loom_err err = {0};
		loom_arena_init(&arena);
		loom_mem_fail_at(k, true);
		rc = loom_manifest_read(text, n, "loom.json", &arena, &f, &err);
		loom_mem_fail_at(0, false);
		if (rc != LOOM_OK && rc != LOOM_E_MEMORY) {
			fail_msg("allocation %d: %s", (int)k, err.message);
		}
		loom_arena_release(&arena);
	}
	loom_free(text);
}

/* Texts broken at random: refused or read, never a crash; and what is read can be unrolled. */
static void broken_manifests_are_harmless(void **state)
{
	static const char *const families[] = {"falcon", "gemma3", "opt", "stablelm"};
	static const char config[] = "{\"num_hidden_layers\":2,\"hidden_size\":8,\"num_attention_heads\":2,\"vocab_size\":9,\"intermediate_size\":6}";
	uint32_t seed = 7;
	int planned = 0;
	json_t *root = NULL;
	struct loom_err err = {0};

	(void)state;
	assert_int_equal(loom_json_parse(config, strlen(config), "", LOOM_E_MODEL, &root, &err), LOOM_OK);
	for (int i = 0; i < 3000; i++) {
		size_t n;
		char *text = exported(families[i % 4], &n);
		for (int k = 0; k < 1 + i % 3; k++) {
			seed = seed * 1664525u + 1013904223u;
			size_t at = seed % n, from = (seed >> 7) % n, len = (seed >> 20) % 12;
			if (at + len < n && from + len < n) {
				memmove(text + at, text + from, len);
			}
		}
		const struct loom_family *f;
		struct loom_arena arena;
		struct loom_config cfg;
		struct loom_model m;
		loom_arena_init(&arena);
		loom_config_init(&cfg);
		loom_model_init(&m);
		if (loom_manifest_read(text, n, "loom.json", &arena, &f, &err) == LOOM_OK &&
			loom_config_of_family(&cfg, f, root, "config.json", &err) == LOOM_OK) {
			planned += loom_model_plan_only(&m, &cfg, &err) == LOOM_OK;
		}
		loom_model_release(&m);
		loom_config_release(&cfg);
		loom_arena_release(&arena);
		loom_free(text);
	}
	json_decref(root);
	assert_true(planned > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(faults_name_their_line), cmocka_unit_test(lines_are_found),
		cmocka_unit_test(a_folder_with_a_manifest_runs), cmocka_unit_test(no_allocation_may_be_missed),
		cmocka_unit_test(broken_manifests_are_harmless)};

	loom_json_setup();
	return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
