/* pace.c: running means of what steps cost, and the share of a step that is left for prompts. See pace.h. */
#include "pace.h"

#define UNKNOWN_ROWS 64 /* until something was measured */

static int class_of(int32_t n_decode)
{
	int c = 0;
	while (c + 1 < LOOM_PACE_CLASSES && n_decode >> (c + 1))
		c++;
	return c;
}

static void mean(double *m, double x, double weight)
{
	*m = *m > 0 ? *m + (x - *m) * weight : x;
}

/* Of n_decode rows alone; a neighbouring class's when this one was never seen, 0 when none was. */
static double decode_ms(const struct loom_pace *p, int32_t n_decode)
{
	int at = class_of(n_decode);
	for (int d = 0; d < LOOM_PACE_CLASSES; d++) {
		if (at + d < LOOM_PACE_CLASSES && p->decode_ms[at + d] > 0)
			return p->decode_ms[at + d];
		if (at - d >= 0 && p->decode_ms[at - d] > 0)
			return p->decode_ms[at - d];
	}
	return 0;
}

void loom_pace_note(struct loom_pace *p, int32_t n_decode, int32_t n_prefill, double ms)
{
	double alone;
	if (n_decode == 0 || ms <= 0)
		return;
	if (n_prefill == 0) {
		mean(&p->decode_ms[class_of(n_decode)], ms, 0.125);
		return;
	}
	alone = decode_ms(p, n_decode);
	if (alone > 0) {
		double row = (ms - alone) / n_prefill, least = alone / 1024;
		mean(&p->row_ms, row > least ? row : least, 0.25);
	}
}

int32_t loom_pace_rows(const struct loom_pace *p, int32_t n_decode, int32_t most)
{
	double alone = decode_ms(p, n_decode), n;
	if (n_decode == 0)
		return most;
	n = alone > 0 && p->row_ms > 0 ? (LOOM_PACE_STRETCH - 1) * alone / p->row_ms : UNKNOWN_ROWS;
	if (n < LOOM_PACE_LEAST)
		n = LOOM_PACE_LEAST;
	return n < most ? (int32_t)n : most;
}
