/* sample.c: from a row of logits to a token, or to log probabilities.
 *
 * Stands after the step: the engine hands it the row that the backend made. Comparisons are made on float32 logits, sums in
 * float64 in a fixed order, so a row and a seed give one answer. NaN counts as minus infinity. It knows no text and no stops. */
#include "sample.h"

#include <math.h>

void loom_sampling_default(struct loom_sampling *s)
{
	*s = (struct loom_sampling){.temperature = 0.7, .top_p = 0.9, .min_p = 0, .repetition_penalty = 1, .top_k = 0};
}

/* splitmix64's finalizer (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Uniform in [0, 1), a function of seed and step alone. */
static double uniform(uint64_t seed, uint64_t step)
{
	return (double)(mix(mix(seed) ^ mix(~step)) >> 11) * 0x1p-53;
}

/* As transformers' RepetitionPenaltyLogitsProcessor: once for each id seen, however often it was. */
static void penalize(float *row, const float *logits, int32_t n, const int32_t *seen, size_t n_seen, double penalty)
{
	float p = (float)penalty;
	for (size_t i = 0; i < n_seen; i++) {
		int32_t id = seen[i];
		if (id >= 0 && id < n)
			row[id] = logits[id] < 0 ? logits[id] * p : logits[id] / p;
	}
}

static int32_t argmax(const float *row, int32_t n)
{
	int32_t best = 0;
	for (int32_t i = 1; i < n; i++) {
		if (row[i] > row[best])
			best = i;
	}
	return best;
}

/* Is id a before id b in descending order of logits? Ties go to the lower id. */
static bool before(const float *row, int32_t a, int32_t b)
{
	return row[a] > row[b] || (row[a] == row[b] && a < b);
}

static void sift_down(const float *row, int32_t *heap, int32_t n, int32_t i)
{
	for (;;) {
		int32_t child = 2 * i + 1, t = heap[i];
		if (child >= n)
			return;
		if (child + 1 < n && before(row, heap[child + 1], heap[child]))
			child++;
		if (!before(row, heap[child], t))
			return;
		heap[i] = heap[child];
		heap[child] = t;
		i = child;
	}
}

/* Moves the best of heap[0..n) to its end; the rest is a heap of n - 1. */
static int32_t pop(const float *row, int32_t *heap, int32_t n)
{
	int32_t best = heap[0];
	heap[0] = heap[n - 1];
	heap[n - 1] = best;
	sift_down(row, heap, n - 1, 0);
	return best;
}

struct kept {
	const float *row;
	double top, temperature;
};

static double weight(const struct kept *k, int32_t id)
{
	return exp(((double)k->row[id] - k->top) / k->temperature);
}

/* Puts the ids that survive top_k, top_p and min_p, best first, at the end of order (backwards); returns how many. The best one
 * always survives. top_p keeps a token while the tokens before it hold less than top_p of what top_k kept. */
static int32_t filter(const struct loom_sampling *s, const struct kept *k, int32_t *order, int32_t n)
{
	int32_t limit = s->top_k > 0 && s->top_k < n ? s->top_k : n, m = 0;
	double total = 0, above = 0;
	for (int32_t i = 0; i < n; i++)
		order[i] = i;
	for (int32_t i = n / 2 - 1; i >= 0; i--)
		sift_down(k->row, order, n, i);
	if (limit < n) {
		for (; m < limit; m++)
			total += weight(k, pop(k->row, order, n - m));
	} else {
		for (int32_t i = 0; i < n; i++)
			total += weight(k, i);
	}
	for (int32_t i = 0; i < limit; i++) {
		int32_t id = i < m ? order[n - 1 - i] : pop(k->row, order, n - i);
		double w = weight(k, id);
		if (i > 0 && (above >= s->top_p * total || w < s->min_p))
			return i;
		above += w;
	}
	return limit;
}

static int32_t draw(const struct loom_sampling *s, const struct kept *k, const int32_t *order, int32_t n, int32_t m, uint64_t step)
{
	double total = 0, at = 0, u = uniform(s->seed, step);
	for (int32_t i = 0; i < m; i++)
		total += weight(k, order[n - 1 - i]);
	for (int32_t i = 0; i < m; i++) {
		at += weight(k, order[n - 1 - i]);
		if (u * total < at)
			return order[n - 1 - i];
	}
	return order[n - m];
}

/* Without filters no order is needed: one walk in the order of ids. */
static int32_t draw_any(const struct loom_sampling *s, const struct kept *k, int32_t n, uint64_t step)
{
	double total = 0, at = 0, u = uniform(s->seed, step);
	int32_t last = 0;
	for (int32_t i = 0; i < n; i++)
		total += weight(k, i);
	for (int32_t i = 0; i < n; i++) {
		double w = weight(k, i);
		at += w;
		if (w > 0)
			last = i;
		if (u * total < at)
			return i;
	}
	return last;
}

int32_t loom_sample(const struct loom_sampling *s, const float *logits, int32_t n, const int32_t *seen, size_t n_seen,
	uint64_t step, float *scratch, int32_t *order)
{
	struct kept k = {.row = scratch, .temperature = s->temperature};
	for (int32_t i = 0; i < n; i++)
		scratch[i] = isnan(logits[i]) ? -INFINITY : logits[i];
	if (s->repetition_penalty != 1)
		penalize(scratch, logits, n, seen, n_seen, s->repetition_penalty);
	for (size_t i = 0; i < n_seen && s->repetition_penalty != 1; i++) {
		if (seen[i] >= 0 && seen[i] < n && isnan(scratch[seen[i]]))
			scratch[seen[i]] = -INFINITY;
	}
	int32_t best = argmax(scratch, n);
	k.top = scratch[best];
	if (!(s->temperature > 0) || !isfinite(k.top))
		return best;
	if (s->top_k <= 0 && s->top_p >= 1 && s->min_p <= 0)
		return draw_any(s, &k, n, step);
	return draw(s, &k, order, n, filter(s, &k, order, n), step);
}

/* log(sum(exp(logits))) as top + log of a float64 sum in the order of ids. */
static double log_sum_exp(const float *logits, int32_t n)
{
	double top = -INFINITY, sum = 0;
	for (int32_t i = 0; i < n; i++) {
		if ((double)logits[i] > top)
			top = logits[i];
	}
	if (!isfinite(top))
		return top;
	for (int32_t i = 0; i < n; i++)
		sum += isnan(logits[i]) ? 0 : exp((double)logits[i] - top);
	return top + log(sum);
}

void loom_logprobs(const float *logits, int32_t n, int32_t id, int n_top, float *value, int32_t *top_ids, float *top_values)
{
	double lse = log_sum_exp(logits, n);
	int m = 0;
	*value = (float)((double)logits[id] - lse);
	for (int32_t i = 0; i < n && n_top > 0; i++) {
		int at = m;
		if (isnan(logits[i]) || (m == n_top && !before(logits, i, top_ids[m - 1])))
			continue;
		if (m < n_top)
			m++;
		else
			at = m - 1;
		for (; at > 0 && before(logits, i, top_ids[at - 1]); at--)
			top_ids[at] = top_ids[at - 1];
		top_ids[at] = i;
	}
	for (int i = 0; i < n_top; i++) {
		top_values[i] = i < m ? (float)((double)logits[top_ids[i]] - lse) : -INFINITY;
		top_ids[i] = i < m ? top_ids[i] : -1;
	}
}
