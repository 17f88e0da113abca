/* sample.c: from a row of logits to a token, or to log probabilities.
 *
 * Stands after the step: the engine hands it the row that the backend made. Comparisons are made on float32 logits, sums in
 * float64 of float32 weights in a fixed order, so a row and a seed give one answer. NaN counts as minus infinity. It knows no text and no stops. */
#include "sample.h"

#include <math.h>

#define LANES 16 /* sums and maxima are taken by so many, for the compiler to put side by side */

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

/* The first of the greatest; 0 where all are NaN. */
static int32_t argmax(const float *row, int32_t n)
{
	float top[LANES], most = -INFINITY;
	int32_t i = 0;
	for (int j = 0; j < LANES; j++)
		top[j] = -INFINITY;
	for (; i + LANES <= n; i += LANES)
		for (int j = 0; j < LANES; j++)
			top[j] = row[i + j] > top[j] ? row[i + j] : top[j];
	for (; i < n; i++)
		most = row[i] > most ? row[i] : most;
	for (int j = 0; j < LANES; j++)
		most = top[j] > most ? top[j] : most;
	for (i = 0; i < n && !(row[i] == most); i++)
		;
	return i < n ? i : 0;
}

/* exp of x <= 0 in plain products and sums, so that every compiler and machine gives the same bits; 0 from -87 on, NaN and
 * -infinity included. exp(x) = 2^k exp(r), |r| <= ln 2 / 2, the Taylor series of exp(r) up to r^7 / 7!: relative error below 2e-7. */
static inline float exp_of(float x)
{
	union { float f; uint32_t u; } two;
	float z = x > -87.0f ? x : -87.0f;
	float t = z * 1.44269504f + 12582912.0f; /* 1.5 * 2^23 rounds to an integer */
	float k = t - 12582912.0f, r = z - k * 0.693145752f - k * 1.42860677e-6f;
	float p = 1.0f / 5040;
	p = p * r + 1.0f / 720;
	p = p * r + 1.0f / 120;
	p = p * r + 1.0f / 24;
	p = p * r + 1.0f / 6;
	p = p * r + 0.5f;
	p = p * r + 1.0f;
	p = p * r + 1.0f;
	two.f = t;
	two.u = (two.u << 23) + 0x3f800000u; /* 2^k: the low bits of t are k */
	return x > -87.0f ? p * two.f : 0.0f;
}

/* w = exp((row - top) * scale), row <= top; returns their sum, by lanes, then the lanes in order. */
static double weigh(const float *row, int32_t n, float top, float scale, float *w)
{
	double lane[LANES] = {0}, sum = 0;
	int32_t i = 0;
	for (int32_t k = 0; k < n; k++)
		w[k] = exp_of((row[k] - top) * scale);
	for (; i + LANES <= n; i += LANES)
		for (int j = 0; j < LANES; j++)
			lane[j] += (double)w[i + j];
	for (; i < n; i++)
		sum += (double)w[i];
	for (int j = 0; j < LANES; j++)
		sum += lane[j];
	return sum;
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

/* A row under a temperature. */
struct kept {
	const float *row; /* [n] NaN is -infinity */
	const float *w;   /* [n] exp((row - the greatest) / temperature) */
	int32_t n;
	double total;     /* of w */
};

/* Of the weights that are at least `least`: how many, and their sum. */
static double mass(const struct kept *k, float least, int32_t *count)
{
	double lane[LANES] = {0}, sum = 0;
	int32_t i = 0, many[LANES] = {0}, m = 0;
	for (; i + LANES <= k->n; i += LANES) {
		for (int j = 0; j < LANES; j++)
			lane[j] += (double)(k->w[i + j] >= least ? k->w[i + j] : 0.0f);
		for (int j = 0; j < LANES; j++)
			many[j] += k->w[i + j] >= least;
	}
	for (; i < k->n; i++) {
		sum += (double)(k->w[i] >= least ? k->w[i] : 0.0f);
		m += k->w[i] >= least;
	}
	for (int j = 0; j < LANES; j++) {
		sum += lane[j];
		m += many[j];
	}
	*count = m;
	return sum;
}

/* A weight at or above which lie all ids that the filters can keep: few of a whole vocabulary, as a rule. */
static float least_weight(const struct loom_sampling *s, const struct kept *k)
{
	bool by_count = s->top_k > 0 && s->top_k < k->n, by_mass = !by_count && s->top_p < 1;
	int32_t count;
	if (!by_count && !by_mass)
		return (float)s->min_p * 0.999f; /* rounded down */
	for (int e = 3; e < 40; e += 4) {
		float least = ldexpf(1, -e);
		double sum = mass(k, least, &count);
		if (by_count ? count >= s->top_k : sum > s->top_p * 1.000001 * k->total)
			return least;
	}
	return 0;
}

/* Puts the ids that survive top_k, top_p and min_p, best first, at the end of order[0..*m) (backwards); returns how many. The best one
 * always survives. top_p keeps a token while the tokens before it hold less than top_p of what top_k kept. */
static int32_t filter(const struct loom_sampling *s, const struct kept *k, int32_t *order, int32_t *m)
{
	float least = least_weight(s, k);
	int32_t n = 0, limit, taken = 0;
	double total = 0, above = 0;
	for (int32_t i = 0; i < k->n; i++) {
		order[n] = i;
		n += k->w[i] >= least;
	}
	for (int32_t i = n / 2 - 1; i >= 0; i--)
		sift_down(k->row, order, n, i);
	*m = n;
	limit = s->top_k > 0 && s->top_k < n ? s->top_k : n;
	if (s->top_k > 0 && s->top_k < k->n) {
		for (; taken < limit; taken++)
			total += (double)k->w[pop(k->row, order, n - taken)];
	} else {
		total = k->total;
	}
	for (int32_t i = 0; i < limit; i++) {
		double w = (double)k->w[i < taken ? order[n - 1 - i] : pop(k->row, order, n - i)];
		if (i > 0 && (above >= s->top_p * total || w < s->min_p))
			return i;
		above += w;
	}
	return limit;
}

/* One of the n ids that filter left at the end of order[0..m). */
static int32_t draw(const struct loom_sampling *s, const struct kept *k, const int32_t *order, int32_t m, int32_t n, uint64_t step)
{
	double total = 0, at = 0, u = uniform(s->seed, step);
	for (int32_t i = 0; i < n; i++)
		total += (double)k->w[order[m - 1 - i]];
	for (int32_t i = 0; i < n; i++) {
		at += (double)k->w[order[m - 1 - i]];
		if (u * total < at)
			return order[m - 1 - i];
	}
	return order[m - n];
}

/* Without filters no order is needed: one walk in the order of ids. */
static int32_t draw_any(const struct loom_sampling *s, const struct kept *k, uint64_t step)
{
	double at = 0, u = uniform(s->seed, step);
	int32_t last = 0;
	for (int32_t i = 0; i < k->n; i++) {
		at += (double)k->w[i];
		if (k->w[i] > 0)
			last = i;
		if (u * k->total < at)
			return i;
	}
	return last;
}

int32_t loom_sample(const struct loom_sampling *s, const float *logits, int32_t n, const int32_t *seen, size_t n_seen,
	uint64_t step, float *scratch, int32_t *order)
{
	struct kept k = {.row = scratch, .w = scratch + n, .n = n};
	bool penalized = s->repetition_penalty != 1;
	int32_t m, best;
	if (!(s->temperature > 0) && !penalized)
		return argmax(logits, n);
	for (int32_t i = 0; i < n; i++)
		scratch[i] = isnan(logits[i]) ? -INFINITY : logits[i];
	if (penalized)
		penalize(scratch, logits, n, seen, n_seen, s->repetition_penalty);
	for (size_t i = 0; i < n_seen && penalized; i++) {
		if (seen[i] >= 0 && seen[i] < n && isnan(scratch[seen[i]]))
			scratch[seen[i]] = -INFINITY;
	}
	best = argmax(scratch, n);
	if (!(s->temperature > 0) || !isfinite(scratch[best]))
		return best;
	k.total = weigh(scratch, n, scratch[best], (float)(1 / s->temperature), scratch + n);
	if (s->top_k <= 0 && s->top_p >= 1 && s->min_p <= 0)
		return draw_any(s, &k, step);
	int32_t kept = filter(s, &k, order, &m);
	return draw(s, &k, order, m, kept, step);
}

/* log(sum(exp(logits))) as top + log of a float64 sum by lanes. */
static double log_sum_exp(const float *logits, int32_t n)
{
	float top = logits[argmax(logits, n)];
	double lane[LANES] = {0}, sum = 0;
	int32_t i = 0;
	if (!isfinite(top))
		return isnan(top) ? -INFINITY : (double)top;
	for (; i + LANES <= n; i += LANES)
		for (int j = 0; j < LANES; j++)
			lane[j] += (double)exp_of(logits[i + j] - top);
	for (; i < n; i++)
		sum += (double)exp_of(logits[i] - top);
	for (int j = 0; j < LANES; j++)
		sum += lane[j];
	return (double)top + log(sum);
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
