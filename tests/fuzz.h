/* fuzz.h: what the fuzz targets of tests/fuzz share: a repeatable source of chance, and how long to go on. `make test` runs each for a fixed count;
 * by hand longer and elsewhere: build/tests/fuzz/fuzz_json ROUNDS [SEED]. */
#ifndef LOOM_TEST_FUZZ_H
#define LOOM_TEST_FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint64_t fuzz_state = 20261125;

/* Rounds to run: the first argument, else as many as given; the second argument is the seed. */
static long fuzz_begin(int argc, char **argv, long rounds)
{
	if (argc > 2)
		fuzz_state = strtoull(argv[2], NULL, 10);
	return argc > 1 ? strtol(argv[1], NULL, 10) : rounds;
}

/* 0 .. n-1 */
static uint32_t fuzz_next(uint32_t n)
{
	fuzz_state = fuzz_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(fuzz_state >> 33) % n;
}

/* Up to four times puts one of the words [n_word] ("": a NUL) into text [n] at any place, half the time over up to most_cut - 1 bytes of it; never beyond cap.
 * Returns the new length. */
static inline size_t fuzz_words(char *text, size_t n, size_t cap, const char *const *words, size_t n_word, uint32_t most_cut)
{
	for (uint32_t times = fuzz_next(5); times-- > 0;) {
		size_t at = fuzz_next((uint32_t)n + 1);
		const char *w = words[fuzz_next((uint32_t)n_word)];
		size_t len = w[0] ? strlen(w) : 1, cut = fuzz_next(2) ? 0 : fuzz_next(most_cut);
		cut = cut < n - at ? cut : n - at;
		if (n - cut + len <= cap) {
			memmove(text + at + len, text + at + cut, n - at - cut);
			memcpy(text + at, w, len);
			n += len - cut;
		}
	}
	return n;
}

#endif
