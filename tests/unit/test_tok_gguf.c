/* test_tok_gguf.c: the tokenizer of GGUF metadata. The metadata is made here from the tokenizer.json of
 * tests/tokenizers and must give what that file gives. With arguments FILE.gguf FOLDER: that file against the
 * folder's cases.json. */
#include "tokenizers/check.h"

#include <math.h>

#include "base64.h"
#include "gguf.h"

enum { MODEL, PRE, TOKENS, TYPES, BOS, ADD_BOS, MERGES, SCORES, CHARSMAP, UNK, SEP, N_VALUE };
static const char *const keys[N_VALUE] = { "tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.tokens",
	"tokenizer.ggml.token_type", "tokenizer.ggml.bos_token_id", "tokenizer.ggml.add_bos_token", "tokenizer.ggml.merges",
	"tokenizer.ggml.scores", "tokenizer.ggml.precompiled_charsmap", "tokenizer.ggml.unknown_token_id",
	"tokenizer.ggml.seperator_token_id" };

struct made {
	struct loom_gguf g;
	struct loom_gguf_value values[N_VALUE];
	struct loom_gguf_str model, pre, *tokens, *merges;
	int32_t *types;
	float *scores;
	uint8_t *charsmap;
	json_t *root;
	char *joined; /* the merges' text */
};

static struct loom_gguf_str str_of(const char *s)
{
	return (struct loom_gguf_str){ s, strlen(s) };
}

static void make_tokens(struct made *m)
{
	json_t *vocab = json_object_get(json_object_get(m->root, "model"), "vocab"), *added = json_object_get(m->root, "added_tokens"), *v;
	const char *key;
	size_t n = json_object_size(vocab) + json_array_size(added), n_id = 0, i;
	m->tokens = loom_calloc(n, sizeof *m->tokens);
	m->types = loom_calloc(n, sizeof *m->types);
	assert_true(m->tokens && m->types);
	json_object_foreach(vocab, key, v) {
		size_t id = (size_t)json_integer_value(v);
		assert_true(id < n);
		m->tokens[id] = str_of(key);
		m->types[id] = 1;
		n_id = id + 1 > n_id ? id + 1 : n_id;
	}
	json_array_foreach(added, i, v) {
		size_t id = (size_t)json_integer_value(json_object_get(v, "id"));
		assert_true(id < n);
		m->tokens[id] = str_of(json_string_value(json_object_get(v, "content")));
		m->types[id] = json_is_true(json_object_get(v, "special")) ? 3 : 4;
		n_id = id + 1 > n_id ? id + 1 : n_id;
	}
	m->values[TOKENS] = (struct loom_gguf_value){ .type = LOOM_GGUF_ARRAY, .elem_type = LOOM_GGUF_STRING, .n = n_id, .str = m->tokens };
	m->values[TYPES] = (struct loom_gguf_value){ .type = LOOM_GGUF_ARRAY, .elem_type = LOOM_GGUF_I32, .n = n_id, .raw = m->types };
}

static void make_merges(struct made *m)
{
	json_t *merges = json_object_get(json_object_get(m->root, "model"), "merges"), *v;
	size_t n = json_array_size(merges), i;
	m->merges = loom_calloc(n, sizeof *m->merges);
	m->joined = loom_calloc(n, 256);
	assert_true(m->merges && m->joined);
	json_array_foreach(merges, i, v) {
		char *s = m->joined + i * 256;
		if (json_is_string(v))
			snprintf(s, 256, "%s", json_string_value(v));
		else
			snprintf(s, 256, "%s %s", json_string_value(json_array_get(v, 0)), json_string_value(json_array_get(v, 1)));
		m->merges[i] = str_of(s);
	}
	m->values[MERGES] = (struct loom_gguf_value){ .type = LOOM_GGUF_ARRAY, .elem_type = LOOM_GGUF_STRING, .n = n, .str = m->merges };
}

static void make(struct made *m, const char *folder, const char *pre, int bos)
{
	char path[4096];
	struct loom_err err;
	memset(m, 0, sizeof *m);
	check_path(path, sizeof path, folder, "tokenizer.json");
	assert_int_equal(loom_json_load(path, "tokenizer.json", LOOM_MAX_TOKENIZER_BYTES, &m->root, &err), LOOM_OK);
	make_tokens(m);
	make_merges(m);
	m->model = str_of("gpt2");
	m->pre = str_of(pre);
	m->values[MODEL] = (struct loom_gguf_value){ .type = LOOM_GGUF_STRING, .n = 1, .str = &m->model };
	m->values[PRE] = (struct loom_gguf_value){ .type = LOOM_GGUF_STRING, .n = 1, .str = &m->pre };
	m->values[BOS] = (struct loom_gguf_value){ .type = LOOM_GGUF_U32, .n = 1, .num.u = bos < 0 ? 0 : (uint64_t)bos };
	m->values[ADD_BOS] = (struct loom_gguf_value){ .type = LOOM_GGUF_BOOL, .n = 1, .num.u = bos >= 0 };
	m->g.values = m->values;
	m->g.n_value = N_VALUE;
	assert_true(loom_table_init(&m->g.by_key, N_VALUE));
	for (int i = 0; i <= MERGES; i++)
		assert_true(loom_table_put(&m->g.by_key, keys[i], strlen(keys[i]), i));
}

static void give(struct made *m, int i, struct loom_gguf_value v)
{
	m->values[i] = v;
	assert_true(loom_table_put(&m->g.by_key, keys[i], strlen(keys[i]), i));
}

static void give_id(struct made *m, int i, uint64_t id)
{
	give(m, i, (struct loom_gguf_value){ .type = LOOM_GGUF_U32, .n = 1, .num.u = id });
}

static void release(struct made *m)
{
	loom_table_release(&m->g.by_key);
	loom_free(m->tokens);
	loom_free(m->types);
	loom_free(m->scores);
	loom_free(m->charsmap);
	loom_free(m->merges);
	loom_free(m->joined);
	json_decref(m->root);
}

static void gives_what_the_file_gives(void **state)
{
	static const struct {
		const char *folder, *pre, *bos;
	} list[] = { { "gpt2", "gpt-2", NULL }, { "gpt2", "default", NULL }, { "smollm", "smollm", NULL }, { "qwen2", "qwen2", NULL },
		{ "llama3", "llama-bpe", "<|begin|>" }, { "llama3", "llama3", "<|begin|>" }, { "tekken", "tekken", NULL }, { "gpt4o", "gpt-4o", NULL } };
	(void)state;
	for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
		struct made m;
		struct loom_tokenizer *t;
		struct loom_err err;
		int bos = -1;
		make(&m, list[i].folder, list[i].pre, -1);
		for (uint64_t k = 0; list[i].bos && k < m.values[TOKENS].n; k++)
			if (strcmp(m.tokens[k].data, list[i].bos) == 0)
				bos = (int)k;
		m.values[BOS].num.u = bos < 0 ? 0 : (uint64_t)bos;
		m.values[ADD_BOS].num.u = bos >= 0;
		if (loom_tokenizer_open_gguf(&m.g, &t, &err))
			fail_msg("%s: %s", list[i].pre, err.message);
		check_all(list[i].folder, t);
		loom_tokenizer_free(t);
		release(&m);
	}
}

/* The tokenizer of the metadata and that of the folder give the same ids for the folder's texts that do not hold skip. */
static void same_as_folder(struct made *m, const char *folder, const char *skip)
{
	char path[4096];
	struct loom_tokenizer *t, *want;
	struct loom_encoding a, b;
	struct loom_err err;
	json_t *cases, *v;
	size_t i, n = 0;
	check_path(path, sizeof path, folder, "");
	if (loom_tokenizer_open_gguf(&m->g, &t, &err) || loom_tokenizer_open(path, &want, &err))
		fail_msg("%s: %s", folder, err.message);
	check_path(path, sizeof path, folder, "cases.json");
	assert_int_equal(loom_json_load(path, "cases.json", LOOM_MAX_TOKENIZER_BYTES, &cases, &err), LOOM_OK);
	loom_encoding_init(&a);
	loom_encoding_init(&b);
	json_array_foreach(json_object_get(cases, "cases"), i, v) {
		const json_t *text = json_object_get(v, "text");
		const char *s = json_string_value(text);
		if (skip && strstr(s, skip))
			continue;
		assert_int_equal(loom_tokenizer_encode(t, s, json_string_length(text), true, &a, &err), LOOM_OK);
		assert_int_equal(loom_tokenizer_encode(want, s, json_string_length(text), true, &b, &err), LOOM_OK);
		if (a.n != b.n || memcmp(a.ids, b.ids, a.n * sizeof *a.ids) != 0)
			fail_msg("%s: other ids for \"%.200s\"", folder, s);
		n++;
	}
	assert_true(n > 100);
	loom_encoding_release(&a);
	loom_encoding_release(&b);
	loom_tokenizer_free(t);
	loom_tokenizer_free(want);
	json_decref(cases);
}

static void llama_with_merges(void **state)
{
	struct made m;
	(void)state;
	make(&m, "llama2", "default", 1);
	m.model = str_of("llama");
	same_as_folder(&m, "llama2", NULL);
	release(&m);
}

static void word_pieces(void **state)
{
	struct made m;
	size_t n;
	(void)state;
	make(&m, "bert-uncased", "default", -1);
	n = (size_t)m.values[TOKENS].n;
	char *text = loom_calloc(n, 64);
	for (size_t i = 0; i < n; i++) {
		const char *s = m.tokens[i].data;
		char *to = text + i * 64;
		bool bracketed = m.types[i] == 3;
		snprintf(to, 64, "%s%s", bracketed || strncmp(s, "##", 2) == 0 ? "" : "\xE2\x96\x81", strncmp(s, "##", 2) == 0 ? s + 2 : s);
		m.tokens[i] = str_of(to);
	}
	m.model = str_of("bert");
	m.values[ADD_BOS].num.u = 1;
	m.values[BOS].num.u = 2;
	give_id(&m, UNK, 1);
	give_id(&m, SEP, 3);
	same_as_folder(&m, "bert-uncased", NULL);
	loom_free(text);
	release(&m);
}

static void unigram(void **state)
{
	struct made m;
	struct loom_err err;
	char path[4096];
	size_t n, i;
	json_t *v;
	(void)state;
	make(&m, "gpt2", "default", 0);
	json_decref(m.root);
	check_path(path, sizeof path, "xlmr", "tokenizer.json");
	assert_int_equal(loom_json_load(path, "tokenizer.json", LOOM_MAX_TOKENIZER_BYTES, &m.root, &err), LOOM_OK);
	const json_t *vocab = json_object_get(json_object_get(m.root, "model"), "vocab");
	const json_t *map = json_object_get(json_object_get(m.root, "normalizer"), "precompiled_charsmap");
	n = json_array_size(vocab);
	m.scores = loom_calloc(n, sizeof *m.scores);
	m.charsmap = loom_calloc(json_string_length(map), 1);
	m.tokens = loom_reallocarray(m.tokens, n, sizeof *m.tokens);
	m.types = loom_reallocarray(m.types, n, sizeof *m.types);
	json_array_foreach(vocab, i, v) {
		m.tokens[i] = str_of(json_string_value(json_array_get(v, 0)));
		m.scores[i] = (float)json_number_value(json_array_get(v, 1));
		m.types[i] = i < 4 ? 3 : 1;
	}
	size_t n_map;
	assert_true(loom_unbase64(json_string_value(map), json_string_length(map), m.charsmap, &n_map));
	m.model = str_of("t5");
	m.values[TOKENS].n = m.values[TYPES].n = n;
	m.values[TOKENS].str = m.tokens;
	m.values[TYPES].raw = m.types;
	give(&m, SCORES, (struct loom_gguf_value){ .type = LOOM_GGUF_ARRAY, .elem_type = LOOM_GGUF_F32, .n = n, .raw = m.scores });
	give(&m, CHARSMAP, (struct loom_gguf_value){ .type = LOOM_GGUF_ARRAY, .elem_type = LOOM_GGUF_U8, .n = n_map, .raw = m.charsmap });
	give_id(&m, UNK, 3);
	struct loom_gguf_value eos = { .type = LOOM_GGUF_U32, .n = 1, .num.u = 2 };
	m.values[PRE] = eos; /* the name of the pre-tokenizer is not asked for; its place serves for eos */
	assert_true(loom_table_put(&m.g.by_key, "tokenizer.ggml.eos_token_id", 27, PRE));
	same_as_folder(&m, "xlmr", "<mask>");
	m.scores[5] = NAN;
	struct loom_tokenizer *t;
	assert_int_equal(loom_tokenizer_open_gguf(&m.g, &t, &err), LOOM_E_MODEL);
	assert_non_null(strstr(err.message, "scores: not all of them are numbers"));
	release(&m);
}

static void expect(struct made *m, const char *message)
{
	struct loom_tokenizer *t = NULL;
	struct loom_err err;
	assert_int_equal(loom_tokenizer_open_gguf(&m->g, &t, &err), LOOM_E_MODEL);
	assert_null(t);
	if (!strstr(err.message, message))
		fail_msg("expected \"%s\" in \"%s\"", message, err.message);
}

static void refuses_by_name(void **state)
{
	struct made m;
	(void)state;
	int64_t live = loom_mem_live();
	make(&m, "gpt2", "no-such-pre", -1);
	expect(&m, "tokenizer.ggml.pre \"no-such-pre\" is not supported");
	m.pre = str_of("gpt-2");
	m.model = str_of("odd");
	expect(&m, "tokenizer.ggml.model \"odd\" is not supported");
	m.model = str_of("t5");
	expect(&m, "no array of numbers tokenizer.ggml.scores");
	m.model = str_of("gpt2");
	m.values[TOKENS].elem_type = LOOM_GGUF_I32;
	expect(&m, "no array of strings tokenizer.ggml.tokens");
	m.values[TOKENS].elem_type = LOOM_GGUF_STRING;
	m.values[TYPES].n--;
	expect(&m, "tokenizer.ggml.token_type: expected an array of");
	m.values[TYPES].n++;
	m.values[ADD_BOS].num.u = 1;
	m.values[BOS].num.u = 1u << 30;
	expect(&m, "tokenizer.ggml.bos_token_id: expected the id of a token");
	m.values[ADD_BOS].type = LOOM_GGUF_U32;
	expect(&m, "tokenizer.ggml.add_bos_token: expected a boolean");
	m.values[ADD_BOS].type = LOOM_GGUF_BOOL;
	m.values[ADD_BOS].num.u = 0;
	struct loom_gguf_str kept = m.merges[5];
	m.merges[5] = str_of("no-space");
	expect(&m, "merge 5: expected two strings and one space");
	m.merges[5] = str_of("zzzqqq a");
	expect(&m, "merge 5: \"zzzqqq\" is not in the vocabulary");
	m.merges[5] = kept;
	release(&m);
	assert_int_equal(loom_mem_live(), live);
}

static int check_file(const char *path, const char *folder)
{
	struct loom_gguf g;
	struct loom_tokenizer *t;
	struct loom_err err;
	memset(&g, 0, sizeof g);
	if (loom_gguf_open(&g, NULL, path, "model.gguf", &err) || loom_tokenizer_open_gguf(&g, &t, &err)) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	check_all(folder, t);
	loom_tokenizer_free(t);
	loom_gguf_release(&g);
	printf("%s: as expected\n", path);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(gives_what_the_file_gives), cmocka_unit_test(llama_with_merges),
		cmocka_unit_test(word_pieces), cmocka_unit_test(unigram), cmocka_unit_test(refuses_by_name) };
	loom_json_setup();
	return argc == 3 ? check_file(argv[1], argv[2]) : cmocka_run_group_tests(tests, NULL, NULL);
}
