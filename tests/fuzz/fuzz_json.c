/* fuzz_json.c: changed JSON texts through the strict parser, half of them with an allocation that fails: an answer, no fault, nothing
 * kept. A fixed seed and a fixed count. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "jsonx.h"
#include "mem.h"

#define ROUNDS 60000

static size_t mutate(char *p, size_t n, size_t cap)
{
	static const char *const words[] = {"[", "]", "{", "}", "\"", "\\", "\\u0000", "\\ud83d", "\\ude00", "1e999", "-", ".", "e", "true", "null", ",", ":",
		"\xff", "\xc3\xa9", "99999999999999999999", "[[[[[[[[", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""};
	return fuzz_words(p, n, cap, words, sizeof words / sizeof words[0], 4);
}

int main(int argc, char **argv)
{
	long rounds = fuzz_begin(argc, argv, ROUNDS);
	static const char *const texts[] = {
		"{\"a\":[1,2.5,-3e7,true,false,null],\"b\":{\"c\":\"d\\n\\u00e9\\ud83d\\ude00\"},\"long\":\"0123456789abcdef0123456789abcdef0123456789abcdef\"}",
		"[{\"x\":{\"y\":[[],{}]}},\"\xe2\x82\xac\",0.1,123456789012345678]",
		"{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":64,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0}}",
	};
	int accepted = 0, starved = 0;
	loom_json_setup();
	for (long round = 0; round < rounds; round++) {
		char text[1024];
		struct loom_err err = {0};
		json_t *v = NULL;
		int64_t before = loom_mem_live();
		const char *from = texts[fuzz_next(3)];
		size_t n = strlen(from);
		memcpy(text, from, n);
		n = mutate(text, n, sizeof text);
		if (round % 2)
			loom_mem_fail_at(1 + fuzz_next(60), fuzz_next(2));
		enum loom_status rc = loom_json_parse(text, n, "f", LOOM_E_MODEL, &v, &err);
		loom_mem_fail_at(0, false);
		accepted += rc == LOOM_OK;
		starved += rc == LOOM_E_MEMORY;
		bool wrong = (rc == LOOM_OK) != (v != NULL) || (rc && rc != LOOM_E_MODEL && rc != LOOM_E_MEMORY) || (rc && !err.message[0]);
		json_decref(v);
		if (wrong || loom_mem_live() != before) {
			printf("fuzz_json: round %ld: status %d, \"%s\"\n", round, (int)rc, err.message);
			return 1;
		}
	}
	printf("fuzz_json: %ld texts, %d accepted, %d out of memory\n", rounds, accepted, starved);
	return 0;
}
