/* fuzz_settings.c: changed configuration files, half of them with an allocation that fails: an answer in one line, no fault, nothing kept. A
 * fixed seed and a fixed count. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "settings.h"

#define ROUNDS 15000

static uint64_t seed = 20261125;

static uint32_t next(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % n;
}

static size_t mutate(char *p, size_t n, size_t cap)
{
	static const char *const words[] = {"[", "]", "{", "}", "\"", "'", "\n", "  ", "\t", ": ", "- ", "&a ", "*a", "!x ", "? ", "---\n", "...\n", "|\n", "#",
		"<<: ", "\xff", "\xc3\xa9", "\0", "99999999999999999999", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "server:\n", "http_port: 1\n", "%YAML 9.9\n"};
	for (uint32_t times = next(5); times-- > 0 && n > 0;) {
		size_t at = next((uint32_t)n);
		const char *w = words[next(sizeof words / sizeof words[0])];
		size_t len = w[0] ? strlen(w) : 1, cut = next(2) ? 0 : next(8);
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
		"server:\n  http_port: 8080\n  http_host: 127.0.0.1\n  cors_origins: [a, 'b']\ngpu:\n  devices: [0, 1]\n  default_device: 0\n  memory_fraction: 0.9\n",
		"models: {max_loaded: 3, default_dtype: auto, preload: [\"org/a\", org/b]}\nhidden_states:\n  default_layers: [-1]\n  precision: float32\nthreads: 4\n",
		"model_overrides:\n  org/a: {loader: gguf, dtype: float16}\n  org/b:\n    device: cuda:1\n    quantization: 4bit\nloaders:\n  fallback_order:\n  - gguf\n",
	};
	int accepted = 0;
	for (int round = 0; round < ROUNDS; round++) {
		char text[1024];
		struct loom_err err = {0};
		struct loom_settings s;
		int64_t before = loom_mem_live();
		const char *from = texts[next(3)];
		size_t n = strlen(from);
		memcpy(text, from, n);
		n = mutate(text, n, sizeof text);
		loom_settings_init(&s);
		if (round % 2)
			loom_mem_fail_at(1 + next(30), next(2));
		enum loom_status rc = loom_settings_yaml(&s, text, n, "f", &err);
		loom_mem_fail_at(0, false);
		accepted += rc == LOOM_OK;
		bool wrong = (rc && !err.message[0]) || strchr(err.message, '\n') || (rc == LOOM_E_INVALID && strncmp(err.message, "f:", 2) != 0);
		loom_settings_release(&s);
		if (wrong || loom_mem_live() != before) {
			printf("fuzz_settings: round %d: status %d, \"%s\"\n", round, (int)rc, err.message);
			return 1;
		}
	}
	printf("fuzz_settings: %d texts, %d accepted\n", ROUNDS, accepted);
	return 0;
}
