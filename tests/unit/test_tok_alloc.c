/* test_tok_alloc.c: every allocation of encoding and decoding may fail, and those of opening at a stride: an
 * error comes back, nothing leaks, and the tokenizer works afterwards. Also: errors and look-ups of the door. */
#include "tokenizers/check.h"

#include "file.h"

static const char text[] = "Hello, w\xC3\xB6rld! 123 <|endoftext|> \xE4\xB8\xAD\xE6\x96\x87 e\xCC\x81 don't  \n stop";

static struct loom_tokenizer *open_one(const char *folder)
{
	char path[4096];
	struct loom_tokenizer *t;
	struct loom_err err;
	check_path(path, sizeof path, folder, "");
	if (loom_tokenizer_open(path, &t, &err))
		fail_msg("%s: %s", folder, err.message);
	return t;
}

static bool encode_and_decode(const struct loom_tokenizer *t, struct loom_err *err)
{
	struct loom_encoding e;
	struct loom_buf out;
	loom_encoding_init(&e);
	loom_buf_init(&out, 1u << 20);
	enum loom_status status = loom_tokenizer_encode(t, text, sizeof text - 1, true, &e, err);
	if (!status)
		status = loom_tokenizer_decode(t, e.ids, e.n, false, &out, err);
	loom_encoding_release(&e);
	loom_buf_release(&out);
	assert_true(status == LOOM_OK || status == LOOM_E_MEMORY);
	return status == LOOM_OK;
}

static void encoding_survives_no_memory(void **state)
{
	static const char *const folders[] = { "gpt2", "added", "qwen2", "bert-uncased", "llama2", "affixes", "compat",
		"xlmr", "t5", "wordlevel", "fixed" };
	(void)state;
	for (size_t f = 0; f < sizeof folders / sizeof folders[0]; f++) {
		struct loom_tokenizer *t = open_one(folders[f]);
		struct loom_err err;
		int64_t live = loom_mem_live();
		bool ok = false;
		for (uint64_t k = 1; !ok && k < 2000; k++) {
			loom_mem_fail_at(k, k % 2);
			ok = encode_and_decode(t, &err);
			loom_mem_fail_at(0, false);
			assert_int_equal(loom_mem_live(), live);
		}
		assert_true(ok);
		loom_tokenizer_free(t);
	}
}

static void opening_survives_no_memory(void **state)
{
	static const char *const folders[] = { "added", "bert-uncased", "older-gpt2", "older-bert", "t5", "spm-own", "spm-xlmr", "config-bert",
		"config-gpt2", "older-roberta", "older-qwen2", "tekken-own" };
	(void)state;
	for (size_t f = 0; f < sizeof folders / sizeof folders[0]; f++) {
		char path[4096];
		struct loom_tokenizer *t = NULL;
		struct loom_err err;
		int64_t live = loom_mem_live();
		enum loom_status status = LOOM_E_MEMORY;
		check_path(path, sizeof path, folders[f], "");
		for (uint64_t k = 1; status && k < 1000000; k += k < 40 ? 1 : 1 + k / 20) {
			loom_mem_fail_at(k, k % 2);
			status = loom_tokenizer_open(path, &t, &err);
			loom_mem_fail_at(0, false);
			if (status) {
				assert_null(t);
				assert_int_equal(loom_mem_live(), live);
			}
		}
		assert_int_equal(status, LOOM_OK);
		loom_tokenizer_free(t);
	}
}

static void look_ups(void **state)
{
	struct loom_tokenizer *t = open_one("added");
	size_t len;
	(void)state;
	int32_t id = loom_tokenizer_id(t, "<|endoftext|>", 13);
	assert_true(id >= 0 && loom_tokenizer_is_special(t, id));
	assert_string_equal(loom_tokenizer_token(t, id, &len), "<|endoftext|>");
	assert_int_equal(len, 13);
	id = loom_tokenizer_id(t, "NEWTOK", 6);
	assert_true(id >= 0 && id < loom_tokenizer_n_vocab(t) && !loom_tokenizer_is_special(t, id));
	assert_int_equal(loom_tokenizer_id(t, "no such token", 13), -1);
	assert_null(loom_tokenizer_token(t, -1, &len));
	assert_null(loom_tokenizer_token(t, loom_tokenizer_n_vocab(t), NULL));
	loom_tokenizer_free(t);
}

static void bad_input_is_named(void **state)
{
	struct loom_tokenizer *t = open_one("bert-uncased");
	struct loom_encoding e;
	struct loom_err err;
	bool truncated;
	(void)state;
	loom_encoding_init(&e);
	assert_int_equal(loom_tokenizer_encode(t, "ab\xFF", 3, true, &e, &err), LOOM_E_INVALID);
	assert_non_null(strstr(err.message, "not valid UTF-8 at byte 2"));
	assert_int_equal(loom_tokenizer_encode_max(t, "a", 1, true, 1, &e, &truncated, &err), LOOM_E_INVALID);
	assert_int_equal(e.n, 0);
	loom_encoding_release(&e);
	loom_tokenizer_free(t);
	assert_int_equal(loom_tokenizer_open(LOOM_TEST_DIR "/tokenizers", &t, &err), LOOM_E_NOT_FOUND);
	assert_null(t);
}

static void refused(const char *json, const char *message)
{
	struct loom_tokenizer *t;
	struct loom_err err;
	assert_int_equal(loom_tokenizer_open_json(json, strlen(json), &t, &err), LOOM_E_MODEL);
	assert_null(t);
	if (!strstr(err.message, message))
		fail_msg("expected \"%s\" in \"%s\"", message, err.message);
}

static void what_is_not_supported_is_refused_by_name(void **state)
{
#define BPE "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[[\"a\",\"b\"]]}"
	(void)state;
	refused("{}", "no object \"model\"");
	refused("{\"model\":{\"type\":\"Odd\",\"vocab\":[]}}", "model.type \"Odd\" is not supported");
	refused("{\"model\":{\"type\":\"Unigram\",\"vocab\":[],\"unk_id\":0}}", "unk_id 0, but the vocabulary has 0 tokens");
	refused("{\"model\":{\"type\":\"Unigram\",\"vocab\":{}}}", "model.vocab: expected a list of pieces and scores");
	refused("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1],[\"b\"]]}}", "model.vocab[1]: expected [\"piece\", score]");
	refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", "no list \"merges\"");
	refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":\"0\"},\"merges\":[]}}", "\"a\": expected an integer id");
	refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", "has id -1, expected 0..");
	refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}}", "gives no token of the vocabulary");
	refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}}", "expected two strings and one space");
	refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}}", "would make tokens random");
	refused("{\"version\":\"2.0\"," BPE "}", "version: expected \"1.0\", found \"2.0\"");
	refused("{" BPE ",\"normalizer\":{\"type\":\"Odd\"}}", "normalizer.type \"Odd\" is not supported");
	refused("{" BPE ",\"normalizer\":{\"type\":\"Precompiled\"}}", "precompiled_charsmap: expected a string");
	refused("{" BPE ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"a*==\"}}", "precompiled_charsmap: expected base64");
	refused("{" BPE ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"\"}}", "a table of 0 bytes in 0");
	refused("{" BPE ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////wAA\"}}", "bytes in 6");
	refused("{" BPE ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAAAP8=\"}}", "not valid UTF-8");
	refused("{" BPE ",\"pre_tokenizer\":{\"type\":\"Odd\"}}", "pre_tokenizer.type \"Odd\" is not supported");
	refused("{" BPE ",\"pre_tokenizer\":{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"ab\"}}", "delimiter: expected one character");
	refused("{" BPE ",\"pre_tokenizer\":{\"type\":\"FixedLength\",\"length\":0}}", "length: expected an integer 1..");
	refused("{" BPE ",\"post_processor\":{\"type\":\"Odd\"}}", "post_processor.type \"Odd\" is not supported");
	refused("{" BPE ",\"decoder\":{\"type\":\"Odd\"}}", "decoder.type \"Odd\" is not supported");
	refused("{" BPE ",\"decoder\":{\"type\":\"CTC\"}}", "pad_token: expected a string");
	refused("{" BPE ",\"decoder\":{\"type\":\"BPEDecoder\"}}", "suffix: expected a string");
	refused("{\"model\":{\"type\":\"WordLevel\",\"vocab\":{}}}", "WordLevel without its unk_token");
	refused("{" BPE ",\"added_tokens\":[{\"id\":3}]}", "content: expected a string");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoding_survives_no_memory), cmocka_unit_test(opening_survives_no_memory), cmocka_unit_test(look_ups),
		cmocka_unit_test(bad_input_is_named), cmocka_unit_test(what_is_not_supported_is_refused_by_name),
	};
	loom_json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
