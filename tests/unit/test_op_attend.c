/* test_op_attend.c: the ATTEND op with everything that can stand beside a plain softmax (windows both ways, chunks, linear biases,
 * soft caps, sinks, values of another width): the numbers of float64, and the same bits however a sequence is cut. */
#include "../opcase.h"

#include <math.h>

#include "alibi.h"
#include "f16.h"

#define H 6
#define K 3
#define D 10
#define DV 7
#define N 150

struct attend_case {
	int32_t window;
	bool chunked, causal;
	float softcap;
	enum loom_score_bias bias;
	bool sinks;
	bool rel_bias, rel_key, rel_query;
};

#define FAR 30 /* distances from here on are one */
#define ZERO (FAR + LOOM_FAR - 1)
#define N_DISTANCE (2 * ZERO + 1)

static int32_t distance(int32_t q, int32_t k)
{
	return ZERO + (k - q < -FAR ? -FAR : k - q > FAR ? FAR : k - q);
}

static double bf16(double x)
{
	float f = (float)x;
	uint16_t h;

	loom_f32_to_bf16_n(&f, &h, 1);
	return (double)loom_bf16_to_f32(h);
}

static bool seen(const struct attend_case *t, int32_t q, int32_t k)
{
	if (t->causal && k > q) {
		return false;
	}
	if (t->chunked) {
		return k / t->window == q / t->window;
	}
	return t->window == 0 || abs(q - k) < t->window;
}

/* probs [N], out [DV] of one head at one position. */
static void exact(const struct opcase *c, const struct loom_op *op, const struct attend_case *t, int32_t h, int32_t q, double *probs,
	double *out)
{
	double slope = t->bias ? (double)c->plan.alibi[h] : 0, sink = t->sinks ? (double)c->plain[op->sinks][h] : -INFINITY, top = sink, sum;
	int32_t kv = h / (H / K);

	for (int32_t k = 0; k < N; k++) {
		const float *query = opcase_input(c, q) + h * D, *key = opcase_input(c, k) + H * D + kv * D;
		double s = 0;
		for (int32_t i = 0; i < D; i++) {
			s += (double)query[i] * (double)key[i];
			s += t->rel_key ? (double)query[i] * (double)c->plain[op->rel_key][(kv * D + i) * N_DISTANCE + distance(q, k)] : 0;
			s += t->rel_query ? (double)key[i] * (double)c->plain[op->rel_query][(kv * D + i) * N_DISTANCE + distance(q, k)] : 0;
		}
		s *= (double)op->scale;
		s = t->softcap > 0 ? (double)t->softcap * tanh(s / (double)t->softcap) : s;
		s += t->rel_bias ? (double)c->plain[op->rel_bias][h * N_DISTANCE + distance(q, k)] : 0;
		s += t->bias == LOOM_SCORE_ALIBI ? -slope * abs(q - k) : 0;
		s += t->bias == LOOM_SCORE_ALIBI_BF16 ? (double)op->scale * (bf16(bf16(slope) * bf16(k)) - bf16(bf16(slope) * bf16(q))) : 0;
		probs[k] = seen(t, q, k) ? s : -INFINITY;
		top = fmax(top, probs[k]);
	}
	sum = t->sinks ? exp(sink - top) : 0;
	for (int32_t k = 0; k < N; k++) {
		probs[k] = exp(probs[k] - top);
		sum += probs[k];
	}
	memset(out, 0, DV * sizeof(*out));
	for (int32_t k = 0; k < N; k++) {
		probs[k] /= sum;
		for (int32_t i = 0; i < DV; i++) {
			out[i] += probs[k] * (double)opcase_input(c, k)[H * D + K * D + kv * DV + i];
		}
	}
}

/* A table of distances, whose far ends are alike. */
static int32_t far_alike(struct opcase *c, int32_t n_row)
{
	int32_t w = opcase_weight(c, LOOM_WEIGHT_VECTOR, n_row * N_DISTANCE, 1);
	float *v = c->packed[w].vector;

	for (int32_t r = 0; r < n_row; r++, v += N_DISTANCE) {
		for (int32_t i = 0; i < LOOM_FAR; i++) {
			v[i] = v[LOOM_FAR - 1];
			v[N_DISTANCE - 1 - i] = v[N_DISTANCE - LOOM_FAR];
		}
	}
	memcpy(c->plain[w], c->packed[w].vector, (size_t)n_row * N_DISTANCE * sizeof(float));
	return w;
}

static void make(struct opcase *c, const struct attend_case *t, float *slopes)
{
	struct loom_op *op;

	opcase_open(c, H * D + K * D + K * DV);
	c->plan.causal = t->causal;
	c->plan.n_head = H;
	c->plan.slot_width[c->plan.n_slot++] = H * DV;
	loom_alibi_slopes(slopes, H, 8);
	c->plan.alibi = slopes;
	op = opcase_op(c, LOOM_OP_KV_STORE);
	op->a = (struct loom_view){0, H * D, K * D};
	op->b = (struct loom_view){0, H * D + K * D, K * DV};
	op->n_head_kv = K;
	op->d_head = D;
	op->d_value = DV;
	op = opcase_op(c, LOOM_OP_ATTEND);
	op->a = (struct loom_view){0, 0, H * D};
	op->out = (struct loom_view){1, 0, H * DV};
	op->n_head = H;
	op->n_head_kv = K;
	op->d_head = D;
	op->d_value = DV;
	op->scale = 0.11f;
	op->window = t->window;
	op->chunked = t->chunked;
	op->causal = t->causal;
	op->softcap = t->softcap;
	op->score_bias = t->bias;
	op->sinks = t->sinks ? opcase_weight(c, LOOM_WEIGHT_VECTOR, H, 1) : -1;
	if (t->rel_bias || t->rel_key || t->rel_query) {
		c->plan.distances = (struct loom_distances){.n = N_DISTANCE, .zero = ZERO};
		op->rel_bias = t->rel_bias ? far_alike(c, H) : -1;
		op->rel_key = t->rel_key ? far_alike(c, K * D) : -1;
		op->rel_query = t->rel_query ? far_alike(c, K * D) : -1;
	}
	c->ops[c->plan.n_op] = *op;
	c->ops[c->plan.n_op].kind = LOOM_OP_TAP;
	c->ops[c->plan.n_op++].site = LOOM_SITE_ATTN_PROBS;
	op = opcase_op(c, LOOM_OP_TAP);
	op->site = LOOM_SITE_ATTN_HEADS;
	op->a = (struct loom_view){1, 0, H * DV};
}

static void check_case(const struct attend_case *t)
{
	static float heads[N * H * DV], probs[N * H * N];
	struct opcase c;
	float slopes[H];
	double want[N], out[DV];

	make(&c, t, slopes);
	opcase_invariant(&c, N, 4, heads, (size_t)H * DV, !t->causal);
	opcase_run(&c, N, N, "avx512", 2, 3, probs, (size_t)H * N);
	for (int32_t q = 0; q < N; q++) {
		for (int32_t h = 0; h < H; h++) {
			exact(&c, &c.ops[2], t, h, q, want, out);
			for (int32_t k = 0; k < N; k++) {
				double p = (double)probs[((size_t)q * H + (size_t)h) * N + (size_t)k];
				assert_true(fabs(p - want[k]) < 2e-4 && (seen(t, q, k) || p == 0));
			}
			for (int32_t i = 0; i < DV; i++) {
				assert_true(fabs((double)heads[(q * H + h) * DV + i] - out[i]) < 1e-3 * (1 + fabs(out[i])));
			}
		}
	}
	opcase_close(&c);
}

static void extras_are_what_they_say(void **state)
{
	static const struct attend_case cases[] = {
		{.causal = true}, {.causal = true, .window = 9}, {.causal = true, .window = 40, .chunked = true}, {.causal = false},
		{.causal = false, .window = 5}, {.causal = false, .window = 70}, {.causal = true, .softcap = 1.5f},
		{.causal = true, .bias = LOOM_SCORE_ALIBI}, {.causal = false, .bias = LOOM_SCORE_ALIBI},
		{.causal = true, .bias = LOOM_SCORE_ALIBI_BF16}, {.causal = true, .sinks = true}, {.causal = true, .sinks = true, .window = 8},
		{.causal = false, .rel_bias = true}, {.causal = true, .rel_bias = true}, {.causal = false, .rel_key = true},
		{.causal = false, .rel_query = true}, {.causal = false, .rel_key = true, .rel_query = true, .rel_bias = true, .window = 70},
		{.causal = true, .rel_key = true, .rel_query = true}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_case(&cases[i]);
	}
}

static void slopes_are_powers_of_two(void **state)
{
	static const int power8[] = {1, 2, 3, 4, 5, 6, 7, 8}, power6[] = {2, 4, 6, 8, 1, 3};
	float s[8];

	(void)state;
	loom_alibi_slopes(s, 8, 8);
	for (int i = 0; i < 8; i++) {
		assert_true(s[i] == ldexpf(1.0f, -power8[i]));
	}
	loom_alibi_slopes(s, 6, 8);
	for (int i = 0; i < 6; i++) {
		assert_true(s[i] == ldexpf(1.0f, -power6[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(extras_are_what_they_say), cmocka_unit_test(slopes_are_powers_of_two)};

	return cmocka_run_group_tests_name("op_attend", tests, NULL, NULL);
}
