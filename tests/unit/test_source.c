/* test_source.c: ids to files in the Hugging Face cache and beside it, probing, opening. Models: tests/models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "file.h"
#include "ggufmake.h"
#include "jsonx.h"
#include "mem.h"
#include "source.h"
#include "str.h"
#include "tempdir.h"

#define LLAMA LOOM_TEST_DIR "/models/llama-base"
#define BERT LOOM_TEST_DIR "/models/bert"
#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static struct tempdir dir;

static int setup(void **state)
{
	(void)state;
	tempdir_make(&dir);
	(void)tempdir_text(&dir, "models--org--name/refs/main", COMMIT "\n");
	(void)tempdir_text(&dir, "models--org--name/refs/pr/1", COMMIT);
	(void)tempdir_text(&dir, "models--org--name/refs/lost", "1111111111111111111111111111111111111111");
	(void)tempdir_text(&dir, "models--org--name/refs/evil", "../../../etc");
	(void)tempdir_text(&dir, "models--org--name/snapshots/" COMMIT "/config.json", "{}");
	(void)tempdir_text(&dir, "models--alone/refs/main", "abc");
	(void)tempdir_text(&dir, "models--alone/snapshots/abc/model.Q4_0.gguf", "GGUF");
	(void)tempdir_text(&dir, "models--two/refs/main", "abc");
	(void)tempdir_text(&dir, "models--two/snapshots/abc/a.gguf", "GGUF");
	(void)tempdir_text(&dir, "models--two/snapshots/abc/b.gguf", "GGUF");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tempdir_remove(&dir);
	return 0;
}

static void ids_are_found_in_the_cache(void **state)
{
	static const char *const found[] = {"org/name", "org/name@main", "org/name@pr/1", ("org/name@" COMMIT)};
	struct loom_source s;
	struct loom_err err;
	(void)state;
	for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
		if (loom_source_find(found[i], dir.path, false, &s, &err))
			fail_msg("%s: %s", found[i], err.message);
		assert_string_equal(s.id, found[i]);
		assert_string_equal(s.path, tempdir_path(&dir, "models--org--name/snapshots/" COMMIT));
		assert_false(s.is_gguf);
	}
	assert_int_equal(loom_source_find("alone", dir.path, false, &s, &err), LOOM_OK);
	assert_true(s.is_gguf);
	assert_string_equal(s.path, tempdir_path(&dir, "models--alone/snapshots/abc/model.Q4_0.gguf"));
	assert_int_equal(loom_source_find("two", dir.path, false, &s, &err), LOOM_E_NOT_FOUND);
	assert_non_null(strstr(err.message, "holds 2 GGUF files"));
}

static void other_ids_are_not_found(void **state)
{
	static const char *const ids[] = {"", "/", "org/", "/name", "a/b/c", "org/other", "org/name@", "org/name@lost", "org/name@evil", "org/name@../x",
		"org/name@/etc", "org/name@a b", "..", "../x", "org/..", "org/.hidden", "-x", "org/na me", "org/na\nme", "org/n\xc3\xa9", "org--name",
		"org/name@main@main", "~", "name?x", "org\\name", ".gguf", "/etc/passwd"};
	char id[700];
	struct loom_source s;
	struct loom_err err;
	(void)state;
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		if (loom_source_find(ids[i], dir.path, false, &s, &err) != LOOM_E_NOT_FOUND)
			fail_msg("found: %s", ids[i]);
		assert_true(err.message[0] != '\0');
		assert_null(strstr(err.message, dir.path));
	}
	for (size_t n = 190; n < sizeof id; n += 100) {
		memset(id, 'a', n);
		id[n] = '\0';
		assert_int_equal(loom_source_find(id, dir.path, true, &s, &err), LOOM_E_NOT_FOUND);
	}
	/* a path is one only when allowed */
	assert_int_equal(loom_source_find(LLAMA, dir.path, false, &s, &err), LOOM_E_NOT_FOUND);
	assert_int_equal(loom_source_find(LLAMA, dir.path, true, &s, &err), LOOM_OK);
	assert_string_equal(s.path, LLAMA);
}

static void the_cache_is_where_huggingface_hub_has_it(void **state)
{
	struct loom_source s;
	struct loom_err err;
	(void)state;
	assert_int_equal(mkdir(tempdir_path(&dir, "home"), 0700), 0);
	assert_int_equal(symlink(dir.path, tempdir_path(&dir, "home/hub")), 0);
	assert_int_equal(setenv("HF_HUB_CACHE", dir.path, 1), 0);
	assert_int_equal(loom_source_find("org/name", NULL, false, &s, &err), LOOM_OK);
	assert_int_equal(unsetenv("HF_HUB_CACHE"), 0);
	assert_int_equal(setenv("HF_HOME", tempdir_path(&dir, "home"), 1), 0);
	assert_int_equal(loom_source_find("org/name", NULL, false, &s, &err), LOOM_OK);
	assert_int_equal(unsetenv("HF_HOME"), 0);
	assert_int_equal(setenv("XDG_CACHE_HOME", tempdir_path(&dir, "none"), 1), 0);
	assert_int_equal(loom_source_find("org/name", NULL, false, &s, &err), LOOM_E_NOT_FOUND);
	assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
	assert_int_equal(unlink(tempdir_path(&dir, "home/hub")), 0);
}

static void loaders_are_probed(void **state)
{
	struct loom_source s;
	struct loom_probe p;
	struct loom_err err;
	(void)state;
	assert_int_equal(loom_source_find(LLAMA, NULL, true, &s, &err), LOOM_OK);
	assert_int_equal(loom_source_probe(&s, NULL, &p, &err), LOOM_OK);
	assert_true(p.can[LOOM_LOADER_TRANSFORMERS]);
	assert_false(p.can[LOOM_LOADER_GGUF] || p.can[LOOM_LOADER_SENTENCE_TRANSFORMERS] || p.can[LOOM_LOADER_CUSTOM]);
	assert_int_equal(p.selected, LOOM_LOADER_TRANSFORMERS);
	assert_string_equal(p.architecture, "LlamaModel");
	for (int i = 0; i < LOOM_N_LOADER; i++) {
		assert_true(p.reason[i][0] != '\0');
		assert_int_equal(loom_loader_parse(loom_loader_name((enum loom_loader)i)), i);
	}
	assert_int_equal(loom_loader_parse("onnx"), -1);
	assert_int_equal(loom_source_find("org/name", dir.path, false, &s, &err), LOOM_OK);
	assert_int_equal(loom_source_probe(&s, NULL, &p, &err), LOOM_OK);
	assert_int_equal(p.selected, -1);
	assert_int_equal(loom_source_find("alone", dir.path, false, &s, &err), LOOM_OK);
	assert_int_equal(loom_source_probe(&s, NULL, &p, &err), LOOM_OK);
	assert_int_equal(p.selected, -1);
	assert_false(p.can[LOOM_LOADER_GGUF]);
}

static void a_folder_is_opened(void **state)
{
	static const char *const folders[] = {LLAMA, BERT};
	int64_t before = loom_mem_live();
	struct loom_source s;
	struct loom_err err;
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct loom_opened o;
		assert_int_equal(loom_source_find(folders[i], NULL, true, &s, &err), LOOM_OK);
		loom_opened_init(&o);
		if (loom_source_open(&s, -1, NULL, LOOM_DTYPE_UNKNOWN, NULL, &o, &err))
			fail_msg("%s: %s", folders[i], err.message);
		assert_non_null(o.tokenizer);
		assert_int_equal(o.loader, LOOM_LOADER_TRANSFORMERS);
		assert_true(o.max_seq > 0 && o.max_seq <= o.model->cfg.n_ctx);
		loom_opened_release(&o);
		/* loaders that do not fit */
		assert_int_equal(loom_source_open(&s, LOOM_LOADER_GGUF, NULL, LOOM_DTYPE_UNKNOWN, NULL, &o, &err), LOOM_E_MODEL);
		assert_int_equal(loom_source_open(&s, LOOM_LOADER_SENTENCE_TRANSFORMERS, NULL, LOOM_DTYPE_UNKNOWN, NULL, &o, &err), LOOM_E_MODEL);
		assert_non_null(strstr(err.message, "modules.json"));
		assert_int_equal(loom_source_open(&s, LOOM_LOADER_CUSTOM, NULL, LOOM_DTYPE_UNKNOWN, NULL, &o, &err), LOOM_E_MODEL);
		loom_opened_release(&o);
	}
	struct loom_model *m = NULL;
	struct loom_tokenizer *t = NULL;
	assert_int_equal(loom_source_plan(&s, &m, &err), LOOM_OK);
	assert_int_equal(loom_source_tokenizer(&s, &t, &err), LOOM_OK);
	loom_model_release(m);
	loom_free(m);
	loom_tokenizer_free(t);
	assert_int_equal(loom_mem_live(), before);
}

static void copy(const char *from, const char *name)
{
	char path[512], *data = NULL;
	size_t n = 0;
	snprintf(path, sizeof path, "%s/%s", from, name);
	assert_int_equal(loom_file_slurp(path, name, 16 << 20, &data, &n, NULL), LOOM_OK);
	snprintf(path, sizeof path, "st/%s", name);
	(void)tempdir_write(&dir, path, data, n);
	loom_free(data);
}

static void sentence_transformers_say_how_long(void **state)
{
	struct loom_source s;
	struct loom_opened o;
	struct loom_err err;
	(void)state;
	copy(BERT, "config.json");
	copy(BERT, "model.safetensors");
	copy(BERT, "tokenizer.json");
	(void)tempdir_text(&dir, "st/modules.json", "[{\"path\":\"\",\"type\":\"a.Transformer\"},{\"path\":\"1_Pooling\",\"type\":\"a.Pooling\"}]");
	(void)tempdir_text(&dir, "st/1_Pooling/config.json", "{\"pooling_mode_cls_token\":true}");
	for (int i = 0; i < 3; i++) {
		static const int64_t want[] = {64, 160, 32}; /* the config has 160 positions */
		(void)tempdir_text(&dir, "st/tokenizer_config.json", i == 2 ? "{\"model_max_length\":32}" : "{\"model_max_length\":1e30}");
		(void)tempdir_text(&dir, "st/sentence_bert_config.json", i == 0 ? "{\"max_seq_length\":64}" : i == 1 ? "{\"max_seq_length\":9999}" : "{}");
		assert_int_equal(loom_source_find(tempdir_path(&dir, "st"), NULL, true, &s, &err), LOOM_OK);
		loom_opened_init(&o);
		if (loom_source_open(&s, -1, NULL, LOOM_DTYPE_UNKNOWN, NULL, &o, &err))
			fail_msg("%s", err.message);
		assert_int_equal(o.loader, LOOM_LOADER_SENTENCE_TRANSFORMERS);
		assert_int_equal(o.st.pooling, LOOM_POOL_CLS);
		assert_int_equal(o.max_seq, want[i]);
		loom_opened_release(&o);
	}
	/* a truncated weight file is a load error that names it */
	assert_int_equal(truncate(tempdir_path(&dir, "st/model.safetensors"), 5000), 0);
	loom_opened_init(&o);
	assert_int_equal(loom_source_open(&s, -1, NULL, LOOM_DTYPE_UNKNOWN, NULL, &o, &err), LOOM_E_MODEL);
	assert_non_null(strstr(err.message, "model.safetensors"));
	loom_opened_release(&o);
}

static void another_loader_of_the_order_steps_in_and_says_so(void **state)
{
	static const struct loom_loader_order only_st = {{LOOM_LOADER_SENTENCE_TRANSFORMERS}, 1}, only_gguf = {{LOOM_LOADER_GGUF}, 1},
		tf_first = {{LOOM_LOADER_TRANSFORMERS, LOOM_LOADER_SENTENCE_TRANSFORMERS}, 2};
	struct loom_source s;
	struct loom_opened o;
	struct loom_probe p;
	struct loom_err err;
	(void)state;
	copy(BERT, "config.json");
	copy(BERT, "model.safetensors");
	copy(BERT, "tokenizer.json");
	(void)tempdir_text(&dir, "st/modules.json", "[{\"path\":\"\",\"type\":\"a.Transformer\"},{\"path\":\"1_Pooling\",\"type\":\"a.Pooling\"}]");
	assert_int_equal(loom_source_find(tempdir_path(&dir, "st"), NULL, true, &s, &err), LOOM_OK);
	loom_opened_init(&o);
	/* what recognises it opens it, whatever stands first */
	assert_int_equal(loom_source_open(&s, -1, &tf_first, LOOM_DTYPE_UNKNOWN, NULL, &o, &err), LOOM_OK);
	assert_int_equal(o.loader, LOOM_LOADER_SENTENCE_TRANSFORMERS);
	assert_string_equal(o.note, "");
	loom_opened_release(&o);
	/* a module that is not known */
	(void)tempdir_text(&dir, "st/modules.json", "[{\"path\":\"\",\"type\":\"a.Transformer\"},{\"path\":\"1\",\"type\":\"a.Unheard\"}]");
	assert_int_equal(loom_source_open(&s, -1, NULL, LOOM_DTYPE_UNKNOWN, NULL, &o, &err), LOOM_OK);
	assert_int_equal(o.loader, LOOM_LOADER_TRANSFORMERS);
	assert_true(loom_str_starts(o.note, "opened by transformers, since sentence_transformers cannot: "));
	loom_opened_release(&o);
	assert_int_equal(loom_source_probe(&s, NULL, &p, &err), LOOM_OK);
	assert_int_equal(p.detected, LOOM_LOADER_SENTENCE_TRANSFORMERS);
	assert_int_equal(p.selected, LOOM_LOADER_TRANSFORMERS);
	assert_int_equal(loom_source_open(&s, -1, &only_st, LOOM_DTYPE_UNKNOWN, NULL, &o, &err), LOOM_E_MODEL);
	loom_opened_release(&o);
	/* who asks for a loader gets it or an error */
	assert_int_equal(loom_source_open(&s, LOOM_LOADER_SENTENCE_TRANSFORMERS, NULL, LOOM_DTYPE_UNKNOWN, NULL, &o, &err), LOOM_E_MODEL);
	loom_opened_release(&o);
	assert_int_equal(loom_source_open(&s, -1, &only_gguf, LOOM_DTYPE_UNKNOWN, NULL, &o, &err), LOOM_E_MODEL);
	assert_non_null(strstr(err.message, "fallback_order"));
	loom_opened_release(&o);
	assert_int_equal(loom_source_probe(&s, &only_gguf, &p, &err), LOOM_OK);
	assert_int_equal(p.detected, -1);
	assert_int_equal(p.selected, -1);
}

static void code_of_a_repository_is_never_run(void **state)
{
	struct loom_source s;
	struct loom_opened o;
	struct loom_err err;
	(void)state;
	(void)tempdir_text(&dir, "own/config.json", "{\"architectures\":[\"UnheardForCausalLM\"],\"auto_map\":{\"AutoModel\":\"modeling_x.X\"}}");
	assert_int_equal(loom_source_find(tempdir_path(&dir, "own"), NULL, true, &s, &err), LOOM_OK);
	loom_opened_init(&o);
	assert_int_equal(loom_source_open(&s, -1, NULL, LOOM_DTYPE_UNKNOWN, NULL, &o, &err), LOOM_E_MODEL);
	assert_non_null(strstr(err.message, "UnheardForCausalLM"));
	assert_non_null(strstr(err.message, "trust_remote_code"));
	assert_non_null(strstr(err.message, "loom.json"));
	loom_opened_release(&o);
}

static void opening_survives_failed_allocations(void **state)
{
	struct loom_source s;
	struct loom_err err;
	(void)state;
	assert_int_equal(loom_source_find(LLAMA, NULL, true, &s, &err), LOOM_OK);
	enum loom_status rc = LOOM_E_MEMORY;
	for (uint64_t k = 1; rc; k += 1 + k / 8) { /* thousands: ever wider steps */
		struct loom_opened o;
		int64_t before = loom_mem_live();
		loom_opened_init(&o);
		loom_mem_fail_at(k, true);
		rc = loom_source_open(&s, -1, NULL, LOOM_DTYPE_UNKNOWN, NULL, &o, &err);
		loom_mem_fail_at(0, false);
		loom_opened_release(&o);
		if (rc && rc != LOOM_E_MEMORY)
			fail_msg("allocation %d: %s", (int)k, err.message);
		assert_int_equal(loom_mem_live(), before);
	}
}

static void a_gguf_that_lacks_everything_is_refused(void **state)
{
	static struct gguf_bytes b;
	struct loom_source s;
	struct loom_opened o;
	struct loom_err err;
	(void)state;
	put_head(&b, 3, 0, 1);
	put_key(&b, "general.architecture", 8);
	put_str(&b, "llama");
	(void)tempdir_write(&dir, "x.gguf", b.data, b.n);
	assert_int_equal(loom_source_find(tempdir_path(&dir, "x.gguf"), NULL, true, &s, &err), LOOM_OK);
	assert_true(s.is_gguf);
	loom_opened_init(&o);
	assert_int_equal(loom_source_open(&s, -1, NULL, LOOM_DTYPE_UNKNOWN, NULL, &o, &err), LOOM_E_MODEL);
	assert_true(loom_str_starts(err.message, "x.gguf: "));
	assert_int_equal(loom_source_open(&s, LOOM_LOADER_TRANSFORMERS, NULL, LOOM_DTYPE_UNKNOWN, NULL, &o, &err), LOOM_E_MODEL);
	loom_opened_release(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_found_in_the_cache),
		cmocka_unit_test(other_ids_are_not_found),
		cmocka_unit_test(the_cache_is_where_huggingface_hub_has_it),
		cmocka_unit_test(loaders_are_probed),
		cmocka_unit_test(a_folder_is_opened),
		cmocka_unit_test(sentence_transformers_say_how_long),
		cmocka_unit_test(another_loader_of_the_order_steps_in_and_says_so),
		cmocka_unit_test(code_of_a_repository_is_never_run),
		cmocka_unit_test(opening_survives_failed_allocations),
		cmocka_unit_test(a_gguf_that_lacks_everything_is_refused),
	};
	loom_json_setup();
	return cmocka_run_group_tests(tests, setup, teardown);
}
