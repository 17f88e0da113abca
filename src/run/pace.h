/* pace.h: how many prompt rows a step takes while other sequences decode, from the times of the steps before.
 *
 * Whoever generates waits for each step, so prompt rows may at most stretch a step to LOOM_PACE_STRETCH times what the decode rows alone
 * take. Measured, not computed: what a row costs depends on the model, the machine and the context. No number of an answer depends on it. */
#ifndef LOOM_PACE_H
#define LOOM_PACE_H

#include <stdint.h>

#define LOOM_PACE_STRETCH 2.0
#define LOOM_PACE_LEAST 16    /* rows that a prompt always gets */
#define LOOM_PACE_CLASSES 8

struct loom_pace {
	double decode_ms[LOOM_PACE_CLASSES]; /* a step of 1, 2-3, 4-7, … decode rows alone; 0: not known */
	double row_ms;                       /* what a prompt row adds; 0: not known */
};
/* A step of n_decode and n_prefill rows took ms. */
void loom_pace_note(struct loom_pace *p, int32_t n_decode, int32_t n_prefill, double ms);
/* Prompt rows that a step beside n_decode decode rows may take; `most` when n_decode is 0. */
int32_t loom_pace_rows(const struct loom_pace *p, int32_t n_decode, int32_t most);

#endif
