/* test_tokenizer.c: every folder of tests/tokenizers against what `tokenizers` said of it (cases.json, written
 * by tools/make-tokenizer-fixtures.py). Folders named on the command line are checked instead. */
#include "tokenizers/check.h"

static const char *const folders[] = { "gpt2", "roberta", "trimmed", "llama3", "added", "qwen2", "tekken", "gpt4o", "smollm",
	"bert-uncased", "bert-cased", "bert-odd", "llama2", "metaspace", "affixes", "compat", "older-gpt2", "older-bert",
	"older-bert-cased", "xlmr", "t5", "wordlevel", "fixed", "spm-llama", "spm-own", "spm-xlmr", "spm-t5",
	"config-bert", "config-gpt2", "tekken-own", "older-qwen2", "older-roberta" };
#define N_FOLDER (sizeof folders / sizeof folders[0])

static void check_folder(void **state)
{
	const char *folder = *state;
	char path[4096];
	struct loom_tokenizer *t;
	struct loom_err err;
	int64_t live = loom_mem_live();
	check_path(path, sizeof path, folder, "");
	if (loom_tokenizer_open(path, &t, &err))
		fail_msg("%s: %s", folder, err.message);
	check_all(folder, t);
	loom_tokenizer_free(t);
	assert_int_equal(loom_mem_live(), live);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[64] = { { 0 } };
	size_t n = argc > 1 ? (size_t)argc - 1 : N_FOLDER;
	loom_json_setup();
	for (size_t i = 0; i < n && i < 64; i++) {
		char *name = argc > 1 ? argv[i + 1] : (char *)(uintptr_t)folders[i];
		tests[i] = (struct CMUnitTest){ name, check_folder, NULL, NULL, name };
	}
	return _cmocka_run_group_tests("tokenizer", tests, n < 64 ? n : 64, NULL, NULL);
}
