/* fuzz_settings.c: changed configuration files, half of them with an allocation that fails: an answer in one line, no fault, nothing kept. A
 * fixed seed and a fixed count. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "mem.h"
#include "settings.h"

#define ROUNDS 15000

static size_t mutate(char *p, size_t n, size_t cap)
{
	static const char *const words[] = {"[", "]", "{", "}", "\"", "'", "\n", "  ", "\t", ": ", "- ", "&a ", "*a", "!x ", "? ", "---\n", "...\n", "|\n", "#",
		"<<: ", "\xff", "\xc3\xa9", "\0", "99999999999999999999", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "server:\n", "http_port: 1\n", "%YAML 9.9\n"};
	return fuzz_words(p, n, cap, words, sizeof words / sizeof words[0], 8);
}

int main(int argc, char **argv)
{
	long rounds = fuzz_begin(argc, argv, ROUNDS);
	static const char *const texts[] = {
		"server:\n  http_port: 8080\n  http_host: 127.0.0.1\n  cors_origins: [a, 'b']\ngpu:\n  devices: [0, 1]\n  default_device: 0\n  memory_fraction: 0.9\n",
		"models: {max_loaded: 3, default_dtype: auto, preload: [\"org/a\", org/b]}\nhidden_states:\n  default_layers: [-1]\n  precision: float32\nthreads: 4\n",
		"model_overrides:\n  org/a: {loader: gguf, dtype: float16}\n  org/b:\n    device: cuda:1\n    quantization: 4bit\nloaders:\n  fallback_order:\n  - gguf\n",
	};
	int accepted = 0;
	for (long round = 0; round < rounds; round++) {
		char text[1024];
		struct loom_err err = {0};
		struct loom_settings s;
		int64_t before = loom_mem_live();
		const char *from = texts[fuzz_next(3)];
		size_t n = strlen(from);
		memcpy(text, from, n);
		n = mutate(text, n, sizeof text);
		loom_settings_init(&s);
		if (round % 2)
			loom_mem_fail_at(1 + fuzz_next(30), fuzz_next(2));
		enum loom_status rc = loom_settings_yaml(&s, text, n, "f", &err);
		loom_mem_fail_at(0, false);
		accepted += rc == LOOM_OK;
		bool wrong = (rc && !err.message[0]) || strchr(err.message, '\n') || (rc == LOOM_E_INVALID && strncmp(err.message, "f:", 2) != 0);
		loom_settings_release(&s);
		if (wrong || loom_mem_live() != before) {
			printf("fuzz_settings: round %ld: status %d, \"%s\"\n", round, (int)rc, err.message);
			return 1;
		}
	}
	printf("fuzz_settings: %ld texts, %d accepted\n", rounds, accepted);
	return 0;
}
