/* manifest_words.c: the words that manifests have for layer bits and tests. */
#include "manifest.h"

#include "str.h"

static const struct {
	uint32_t bit;
	const char *word;
} bits[] = {
	{LOOM_LAYER_WINDOW, "window"}, {LOOM_LAYER_ROPE, "rope"}, {LOOM_LAYER_LOCAL_ROPE, "local_rope"}, {LOOM_LAYER_PARALLEL, "parallel"},
	{LOOM_LAYER_TWO_NORMS, "two_norms"}, {LOOM_LAYER_POST_NORM, "post_norm"}, {LOOM_LAYER_NORM_RESID, "norm_resid"},
	{LOOM_LAYER_MOE, "moe"}, {LOOM_LAYER_DENSE, "dense"}, {LOOM_LAYER_MIXER, "mixer"}, {LOOM_LAYER_BARE, "bare"},
	{LOOM_LAYER_WHOLE, "whole"}, {LOOM_LAYER_LATE, "late"},
};
#define N_BIT (sizeof(bits) / sizeof(bits[0]))

static const struct {
	enum loom_layer_test test;
	const char *word;
} tests[] = {
	{LOOM_TEST_FLAG, "flag"}, {LOOM_TEST_IS, "is"}, {LOOM_TEST_WORD, "word"}, {LOOM_TEST_LETTER, "letter"},
	{LOOM_TEST_FLAGS, "flags"}, {LOOM_TEST_LISTED, "listed"},
	{LOOM_TEST_FROM, "from"}, {LOOM_TEST_BELOW, "below"}, {LOOM_TEST_ABOVE, "above"}, {LOOM_TEST_EVERY, "every"}, {LOOM_TEST_MULTIPLE, "multiple"},
	{LOOM_TEST_PERIOD, "period"},
};
#define N_TEST (sizeof(tests) / sizeof(tests[0]))

const char *loom_layer_bit_name(uint32_t bit)
{
	for (size_t i = 0; i < N_BIT; i++) {
		if (bits[i].bit == bit) {
			return bits[i].word;
		}
	}
	return NULL;
}

uint32_t loom_layer_bit_find(const char *word)
{
	for (size_t i = 0; i < N_BIT; i++) {
		if (loom_str_eq(bits[i].word, word)) {
			return bits[i].bit;
		}
	}
	return 0;
}

const char *loom_layer_test_name(enum loom_layer_test t)
{
	for (size_t i = 0; i < N_TEST; i++) {
		if (tests[i].test == t) {
			return tests[i].word;
		}
	}
	return NULL;
}

enum loom_layer_test loom_layer_test_find(const char *word)
{
	for (size_t i = 0; i < N_TEST; i++) {
		if (loom_str_eq(tests[i].word, word)) {
			return tests[i].test;
		}
	}
	return LOOM_TEST_END;
}
