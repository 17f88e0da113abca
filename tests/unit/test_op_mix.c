/* test_op_mix.c: CONV, SCAN and DELTA, the ops with a state: float64's numbers, and the same bits however a sequence is cut into steps,
 * on every instruction set and number of threads, beside another sequence; position 0 begins anew. */
#include "../opcase.h"

#include <math.h>

#define N 150

/* Everything within -1 .. 1, so that long recurrences stay finite. */
static void tame(struct opcase *c)
{
	for (int32_t i = 0; i < c->plan.n_weight; i++) {
		struct loom_weight *w = &c->weights[i];
		size_t n = (size_t)(w->n_row * w->n_col);
		for (size_t k = 0; k < n; k++) {
			c->plain[i][k] /= 1 + fabsf(c->plain[i][k]);
		}
		memcpy(w->kind == LOOM_WEIGHT_VECTOR ? (void *)c->packed[i].vector : c->packed[i].table, c->plain[i], n * sizeof(float));
	}
}

static void tap(struct opcase *c, int16_t slot, int32_t width)
{
	struct loom_op *op = opcase_op(c, LOOM_OP_TAP);

	op->a = (struct loom_view){slot, 0, width};
}

static double softplus(double x)
{
	return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static void close_to(float got, double want, double size)
{
	if (fabs((double)got - want) > 2e-5 * (size + fabs(want))) {
		fail_msg("%.9g, expected %.9g", (double)got, want);
	}
}

static void a_convolution_looks_back(void **state)
{
	static float out[N * 37];

	(void)state;
	for (int n_tap = 1; n_tap <= 5; n_tap += 2) {
		struct opcase c;
		int32_t width = 37;
		opcase_open(&c, width);
		c.plan.slot_width[c.plan.n_slot++] = width;
		c.plan.state_floats = 5 + (n_tap - 1) * width;
		struct loom_op *op = opcase_op(&c, LOOM_OP_CONV);
		op->a = (struct loom_view){0, 0, width};
		op->out = (struct loom_view){1, 0, width};
		op->n_tap = n_tap;
		op->state_at = 5;
		op->w = opcase_weight(&c, LOOM_WEIGHT_TABLE, n_tap, width);
		op->bias = n_tap == 5 ? opcase_weight(&c, LOOM_WEIGHT_VECTOR, width, 1) : -1;
		tap(&c, 1, width);
		opcase_invariant(&c, N, 2, out, (size_t)width, false);
		for (int32_t t = 0; t < N; t++) {
			for (int32_t i = 0; i < width; i++) {
				double y = op->bias < 0 ? 0 : (double)c.plain[op->bias][i], size = 0;
				for (int j = 0; j < n_tap; j++) {
					int32_t at = t - n_tap + 1 + j;
					double part = at < 0 ? 0 : (double)c.plain[op->w][j * width + i] * (double)opcase_input(&c, at)[i];
					y += part;
					size += fabs(part);
				}
				close_to(out[t * width + i], y, size);
			}
		}
		opcase_close(&c);
	}
}

#define C 83 /* columns of the scan: more than one share, odd */
#define S 7

static void a_scan_carries_its_state(void **state)
{
	static float out[N * C];
	static double h[S][C];
	struct opcase c;
	struct loom_op *op;

	(void)state;
	opcase_open(&c, 2 * C + 2 * S);
	c.plan.slot_width[c.plan.n_slot++] = C;
	c.plan.state_floats = S * C;
	op = opcase_op(&c, LOOM_OP_SCAN);
	op->a = (struct loom_view){0, 0, C};
	op->b = (struct loom_view){0, C, C};
	op->c = (struct loom_view){0, 2 * C, 2 * S};
	op->out = (struct loom_view){1, 0, C};
	op->d_state = S;
	op->w = opcase_weight(&c, LOOM_WEIGHT_TABLE, S, C);
	op->bias = opcase_weight(&c, LOOM_WEIGHT_VECTOR, C, 1);
	tap(&c, 1, C);
	tame(&c);
	for (int i = 0; i < S * C; i++) { /* decays */
		c.plain[op->w][i] = -fabsf(c.plain[op->w][i]) - 0.1f;
	}
	memcpy(c.packed[op->w].table, c.plain[op->w], S * C * sizeof(float));
	opcase_invariant(&c, N, 2, out, C, false);
	memset(h, 0, sizeof(h));
	for (int32_t t = 0; t < N; t++) {
		const float *x = opcase_input(&c, t), *bc = x + 2 * C;
		for (int i = 0; i < C; i++) {
			double dt = softplus((double)x[C + i]), y = (double)c.plain[op->bias][i] * (double)x[i], size = fabs(y);
			for (int k = 0; k < S; k++) {
				h[k][i] = exp((double)c.plain[op->w][k * C + i] * dt) * h[k][i] + dt * (double)bc[k] * (double)x[i];
				y += h[k][i] * (double)bc[S + k];
				size += fabs(h[k][i] * (double)bc[S + k]);
			}
			close_to(out[t * C + i], y, size);
		}
	}
	opcase_close(&c);
}

#define HEADS 6
#define GROUPS 2
#define P 19 /* columns of a head: odd */

static void a_scan_by_heads_shares_b_and_c(void **state)
{
	static float out[N * HEADS * P];
	static double h[HEADS][S][P];
	struct opcase c;
	struct loom_op *op;

	(void)state;
	opcase_open(&c, HEADS * P + HEADS + 2 * GROUPS * S);
	c.plan.slot_width[c.plan.n_slot++] = HEADS * P;
	c.plan.state_floats = 3 + HEADS * S * P;
	op = opcase_op(&c, LOOM_OP_SCAN_HEADS);
	op->a = (struct loom_view){0, 0, HEADS * P};
	op->b = (struct loom_view){0, HEADS * P, HEADS};
	op->c = (struct loom_view){0, HEADS * P + HEADS, 2 * GROUPS * S};
	op->out = (struct loom_view){1, 0, HEADS * P};
	op->n_head = HEADS;
	op->n_group = GROUPS;
	op->d_state = S;
	op->d_value = P;
	op->state_at = 3;
	op->w = opcase_weight(&c, LOOM_WEIGHT_VECTOR, HEADS, 1);
	op->bias = opcase_weight(&c, LOOM_WEIGHT_VECTOR, HEADS, 1);
	op->bias2 = opcase_weight(&c, LOOM_WEIGHT_VECTOR, HEADS, 1);
	tap(&c, 1, HEADS * P);
	tame(&c);
	for (int i = 0; i < HEADS; i++) { /* decays */
		c.plain[op->w][i] = -fabsf(c.plain[op->w][i]) - 0.1f;
	}
	memcpy(c.packed[op->w].vector, c.plain[op->w], HEADS * sizeof(float));
	opcase_invariant(&c, N, 2, out, (size_t)HEADS * P, false);
	memset(h, 0, sizeof(h));
	for (int32_t t = 0; t < N; t++) {
		const float *x = opcase_input(&c, t), *bc = x + HEADS * P + HEADS;
		for (int i = 0; i < HEADS * P; i++) {
			int head = i / P;
			const float *b = bc + head / (HEADS / GROUPS) * S;
			double dt = softplus((double)x[HEADS * P + head] + (double)c.plain[op->bias2][head]);
			double y = (double)c.plain[op->bias][head] * (double)x[i], size = fabs(y);
			for (int k = 0; k < S; k++) {
				double *at = &h[head][k][i % P];
				*at = exp((double)c.plain[op->w][head] * dt) * *at + dt * (double)b[k] * (double)x[i];
				y += *at * (double)b[GROUPS * S + k];
				size += fabs(*at * (double)b[GROUPS * S + k]);
			}
			close_to(out[t * HEADS * P + i], y, size);
		}
	}
	opcase_close(&c);
}

/* Queries grow by steps of positions. */
static void positions_temper(void **state)
{
	static float out[N * 21];
	struct opcase c;
	struct loom_op *op;

	(void)state;
	opcase_open(&c, 21);
	c.plan.slot_width[c.plan.n_slot++] = 21;
	op = opcase_op(&c, LOOM_OP_TEMPER);
	op->a = (struct loom_view){0, 0, 21};
	op->out = (struct loom_view){1, 0, 21};
	op->scale = 0.3f;
	op->every = 40;
	op->index_add = 1;
	tap(&c, 1, 21);
	opcase_invariant(&c, N, 2, out, 21, false);
	for (int32_t t = 0; t < N; t++) {
		for (int i = 0; i < 21; i++) {
			double by = 1 + (double)op->scale * log(1 + floor((t + 1) / 40.0)), x = (double)opcase_input(&c, t)[i];
			close_to(out[t * 21 + i], x * by, fabs(x));
		}
	}
	opcase_close(&c);
}

#define V 6
#define K 3
#define DK 10
#define DV 21

static void a_delta_rule_forgets_and_writes(void **state)
{
	static float out[N * V * DV];
	static double s[V][DK][DV];
	struct opcase c;
	struct loom_op *op;

	(void)state;
	opcase_open(&c, 2 * K * DK + V * DV + 2 * V);
	c.plan.slot_width[c.plan.n_slot++] = V * DV;
	c.plan.state_floats = V * DK * DV;
	op = opcase_op(&c, LOOM_OP_DELTA);
	op->a = (struct loom_view){0, 0, 2 * K * DK + V * DV};
	op->b = (struct loom_view){0, 2 * K * DK + V * DV, 2 * V};
	op->out = (struct loom_view){1, 0, V * DV};
	op->n_head = V;
	op->n_head_kv = K;
	op->d_head = DK;
	op->d_value = DV;
	op->scale = 0.3f;
	op->w = opcase_weight(&c, LOOM_WEIGHT_VECTOR, V, 1);
	op->bias = opcase_weight(&c, LOOM_WEIGHT_VECTOR, V, 1);
	tap(&c, 1, V * DV);
	tame(&c);
	for (int i = 0; i < V; i++) {
		c.plain[op->w][i] = c.packed[op->w].vector[i] = -fabsf(c.plain[op->w][i]) - 0.05f;
	}
	opcase_invariant(&c, N, 2, out, (size_t)V * DV, false);
	memset(s, 0, sizeof(s));
	for (int32_t t = 0; t < N; t++) {
		const float *x = opcase_input(&c, t), *gates = x + 2 * K * DK + V * DV;
		for (int v = 0; v < V; v++) {
			const float *q = x + v / (V / K) * DK, *k = q + K * DK;
			double qq = 1e-6, kk = 1e-6, keep = exp((double)c.plain[op->w][v] * softplus((double)gates[V + v] + (double)c.plain[op->bias][v]));
			double write = 1 / (1 + exp(-(double)gates[v]));
			for (int d = 0; d < DK; d++) {
				qq += (double)q[d] * (double)q[d];
				kk += (double)k[d] * (double)k[d];
			}
			for (int i = 0; i < DV; i++) {
				double known = 0, y = 0;
				for (int d = 0; d < DK; d++) {
					s[v][d][i] *= keep;
					known += s[v][d][i] * (double)k[d] / sqrt(kk);
				}
				for (int d = 0; d < DK; d++) {
					s[v][d][i] += (double)k[d] / sqrt(kk) * write * ((double)x[2 * K * DK + v * DV + i] - known);
					y += s[v][d][i] * (double)q[d] / sqrt(qq) * (double)op->scale;
				}
				close_to(out[(t * V + v) * DV + i], y, 0.5);
			}
		}
	}
	opcase_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_convolution_looks_back), cmocka_unit_test(a_scan_carries_its_state),
		cmocka_unit_test(a_scan_by_heads_shares_b_and_c), cmocka_unit_test(positions_temper),
		cmocka_unit_test(a_delta_rule_forgets_and_writes)};

	return cmocka_run_group_tests_name("op_mix", tests, NULL, NULL);
}
