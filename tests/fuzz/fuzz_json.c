/* fuzz_json.c: changed JSON texts through the strict parser, half of them with an allocation that fails: an answer, no fault, nothing
 * kept. A fixed seed and a fixed count. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "jsonx.h"
#include "mem.h"

#define ROUNDS 60000

static uint64_t seed = 20261124;

static uint32_t next(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % n;
}

static size_t mutate(char *p, size_t n, size_t cap)
{
	static const char *const words[] = {"[", "]", "{", "}", "\"", "\\", "\\u0000", "\\ud83d", "\\ude00", "1e999", "-", ".", "e", "true", "null", ",", ":",
		"\xff", "\xc3\xa9", "99999999999999999999", "[[[[[[[[", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""};
	for (uint32_t times = next(5); times-- > 0 && n > 0;) {
		size_t at = next((uint32_t)n);
		const char *w = words[next(sizeof words / sizeof words[0])];
		size_t len = strlen(w), cut = next(2) ? 0 : next(4);
		cut = cut < n - at ? cut : n - at;
		if (n - cut + len <= cap) {
			memmove(p + at + len, p + at + cut, n - at - cut);
			memcpy(p + at, w, len);
			n += len - cut;
		}
	}
	return n;
}

int main(void)
{
	static const char *const texts[] = {
		"{\"a\":[1,2.5,-3e7,true,false,null],\"b\":{\"c\":\"d\\n\\u00e9\\ud83d\\ude00\"},\"long\":\"0123456789abcdef0123456789abcdef0123456789abcdef\"}",
		"[{\"x\":{\"y\":[[],{}]}},\"\xe2\x82\xac\",0.1,123456789012345678]",
		"{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":64,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0}}",
	};
	int accepted = 0, starved = 0;
	loom_json_setup();
	for (int round = 0; round < ROUNDS; round++) {
		char text[1024];
		struct loom_err err = {0};
		json_t *v = NULL;
		int64_t before = loom_mem_live();
		const char *from = texts[next(3)];
		size_t n = strlen(from);
		memcpy(text, from, n);
		n = mutate(text, n, sizeof text);
		if (round % 2)
			loom_mem_fail_at(1 + next(60), next(2));
		enum loom_status rc = loom_json_parse(text, n, "f", LOOM_E_MODEL, &v, &err);
		loom_mem_fail_at(0, false);
		accepted += rc == LOOM_OK;
		starved += rc == LOOM_E_MEMORY;
		bool wrong = (rc == LOOM_OK) != (v != NULL) || (rc && rc != LOOM_E_MODEL && rc != LOOM_E_MEMORY) || (rc && !err.message[0]);
		json_decref(v);
		if (wrong || loom_mem_live() != before) {
			printf("fuzz_json: round %d: status %d, \"%s\"\n", round, (int)rc, err.message);
			return 1;
		}
	}
	printf("fuzz_json: %d texts, %d accepted, %d out of memory\n", ROUNDS, accepted, starved);
	return 0;
}
