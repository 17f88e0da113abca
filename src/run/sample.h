/* sample.h: from a row of logits to a token. Order of the filters as transformers': repetition penalty, temperature, top_k, top_p,
 * min_p; greedy at temperature 0. Own counter-based random numbers: the same seed gives the same text on every machine. */
#ifndef LOOM_SAMPLE_H
#define LOOM_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loom_sampling {
	double temperature, top_p, min_p, repetition_penalty;
	int32_t top_k;      /* 0 off */
	uint64_t seed;
	bool has_seed;      /* else the engine draws one */
};
void loom_sampling_default(struct loom_sampling *s); /* api.md: 0.7, 0.9, 0, 1, 0 */

/* logits [n]; seen [n_seen] ids so far (prompt and generated) for the penalty; step: index of the generated token (drives the random number).
 * scratch: 2 n floats; order: n int32. Returns the id. */
int32_t loom_sample(const struct loom_sampling *s, const float *logits, int32_t n, const int32_t *seen, size_t n_seen,
	uint64_t step, float *scratch, int32_t *order);
/* log softmax of the raw logits: value of id, and the n_top best (ids ascending on ties). */
void loom_logprobs(const float *logits, int32_t n, int32_t id, int n_top, float *value, int32_t *top_ids, float *top_values);

#endif
