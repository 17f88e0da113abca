/* test_rows.c: row operations: every instruction set gives the bits of plain C, at odd lengths, in place and beside, and writes nothing
 * else; exp, tanh and erf are close to the C library's in float64. */
#include "check.h"

#include <math.h>

#include "rows.h"

static const size_t lengths[] = {1, 2, 7, 15, 16, 17, 31, 33, 40, 48, 63, 64, 65, 100, 576, 1001};
#define N_LENGTH (sizeof(lengths) / sizeof(lengths[0]))
#define MOST 1001

enum what { LAYER_NORM, RMS_NORM, ACT, GATE, ADD, SCALE, SOFTCAP, SOFTMAX, CLIP, XIELU, EXP, ERF, N_WHAT };

static const float xielu_numbers[] = {0.2f, -0.9f, 0.5f, -1e-6f};

static void apply(const struct loom_rows *r, enum what w, int act, const float *a, const float *b, const float *c, float *y, size_t n)
{
	switch (w) {
	case LAYER_NORM:
		r->layer_norm(a, b, c, 1e-5f, y, n);
		break;
	case RMS_NORM:
		r->rms_norm(a, b, act % 2 ? c : NULL, 1e-6f, y, n);
		break;
	case ACT:
		r->act((enum loom_act_kind)act, a, y, n);
		break;
	case GATE:
		r->gate((enum loom_act_kind)act, a, b, y, n);
		break;
	case ADD:
		r->add(a, b, y, n);
		break;
	case SCALE:
		r->scale(1.7f, a, y, n);
		break;
	case SOFTCAP:
		r->softcap(30.0f, a, y, n);
		break;
	case SOFTMAX:
		r->softmax(a, y, n);
		break;
	case CLIP:
		r->clip(0.4f, a, y, n);
		break;
	case XIELU:
		r->xielu(xielu_numbers, a, y, n);
		break;
	case EXP:
		r->exp(a, y, n);
		break;
	case ERF:
		r->erf(a, y, n);
		break;
	case N_WHAT:
		break;
	}
}

static void isas_agree(void **state)
{
	float a[MOST], b[MOST], c[MOST], want[MOST];

	(void)state;
	for (size_t l = 0; l < N_LENGTH; l++) {
		size_t n = lengths[l];
		check_fill(a, n, l + 1);
		check_fill(b, n, l + 100);
		check_fill(c, n, l + 200);
		for (int w = 0; w < N_WHAT; w++) {
			for (int act = 0; act < (w == ACT || w == GATE ? (int)LOOM_N_ACT : 2); act++) {
				if (act == LOOM_ACT_XIELU) { /* has a function of its own */
					continue;
				}
				apply(&loom_rows_ref, (enum what)w, act, a, b, c, want, n);
				for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
					float *y = check_guarded(n);
					apply(loom_rows_for((enum loom_isa)isa), (enum what)w, act, a, b, c, y, n);
					assert_memory_equal(y, want, n * sizeof(float));
					check_canaries(y, n);
					memcpy(y, a, n * sizeof(float));
					apply(loom_rows_for((enum loom_isa)isa), (enum what)w, act, y, b, c, y, n); /* in place */
					assert_memory_equal(y, want, n * sizeof(float));
					check_canaries(y, n);
					check_guarded_free(y);
				}
			}
		}
	}
}

/* What experts need, of two inputs a number or into what is there. */
static void expert_rows_agree(void **state)
{
	float x[2 * MOST], halves[2 * MOST], want[MOST], sum[MOST], was[MOST];

	(void)state;
	for (size_t l = 0; l < N_LENGTH; l++) {
		size_t n = lengths[l];
		check_fill(x, 2 * n, l + 7);
		check_fill(was, n, l + 8);
		loom_rows_ref.clamped_glu(1.5f, 1.702f, x, x + 1, 2, want, n);
		for (size_t i = 0; i < n; i++) {
			double gate = fmin((double)x[2 * i], 1.5), up = fmax(fmin((double)x[2 * i + 1], 1.5), -1.5);
			double exact = (up + 1) * gate / (1 + exp(-(double)1.702f * gate));
			assert_true(fabs((double)want[i] - exact) <= 2e-6 * fabs(exact) + 1e-30);
			sum[i] = was[i] + 0.3f * x[i];
		}
		for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
			float *y = check_guarded(n);
			loom_rows_for((enum loom_isa)isa)->clamped_glu(1.5f, 1.702f, x, x + 1, 2, y, n);
			assert_memory_equal(y, want, n * sizeof(float));
			for (size_t i = 0; i < n; i++) { /* the halves one after the other */
				halves[i] = x[2 * i];
				halves[n + i] = x[2 * i + 1];
			}
			loom_rows_for((enum loom_isa)isa)->clamped_glu(1.5f, 1.702f, halves, halves + n, 1, y, n);
			assert_memory_equal(y, want, n * sizeof(float));
			memcpy(y, was, n * sizeof(float));
			loom_rows_for((enum loom_isa)isa)->add_scaled(0.3f, x, y, n);
			assert_memory_equal(y, sum, n * sizeof(float));
			check_canaries(y, n);
			check_guarded_free(y);
		}
	}
}

static void rotation_agrees_and_turns(void **state)
{
	static const size_t freqs[] = {1, 5, 7, 16, 20, 32, 64};

	(void)state;
	for (size_t f = 0; f < sizeof(freqs) / sizeof(freqs[0]); f++) {
		for (int interleaved = 0; interleaved < 2; interleaved++) {
			size_t n = freqs[f];
			float x[128], cs[64], sn[64], want[128];
			check_fill(x, 2 * n, f + 3);
			for (size_t i = 0; i < n; i++) {
				cs[i] = (float)cos(0.3 * (double)i + 0.1);
				sn[i] = (float)sin(0.3 * (double)i + 0.1);
			}
			for (size_t i = 0; i < n; i++) {
				size_t p = interleaved ? 2 * i : i, q = interleaved ? 2 * i + 1 : i + n;
				want[p] = x[p] * cs[i] - x[q] * sn[i];
				want[q] = x[q] * cs[i] + x[p] * sn[i];
			}
			for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
				float *y = check_guarded(2 * n);
				memcpy(y, x, 2 * n * sizeof(float));
				loom_rows_for((enum loom_isa)isa)->rotate(y, cs, sn, n, interleaved);
				assert_memory_equal(y, want, 2 * n * sizeof(float));
				check_canaries(y, 2 * n);
				check_guarded_free(y);
			}
		}
	}
}

/* Worst error in units of the last place of the exact value. */
static double worst(void (*fn)(const float *, float *, size_t), double (*exact)(double), float lo, float hi)
{
	double bad = 0;

	for (int i = 0; i <= 200000; i++) {
		float x = lo + (hi - lo) * (float)i / 200000.0f, y;
		double e = exact((double)x), ulp;
		fn(&x, &y, 1);
		ulp = (double)(nextafterf(fabsf((float)e), INFINITY) - fabsf((float)e));
		bad = fmax(bad, fabs((double)y - e) / ulp);
	}
	return bad;
}

static void row_tanh(const float *x, float *y, size_t n)
{
	loom_rows_ref.act(LOOM_ACT_TANH, x, y, n);
}

static void functions_are_accurate(void **state)
{
	float special[] = {-INFINITY, INFINITY, 0.0f, -200.0f, 200.0f}, y[5];

	(void)state;
	assert_true(worst(loom_rows_ref.exp, exp, -87.0f, 88.0f) < 1.5);
	assert_true(worst(row_tanh, tanh, -10.0f, 10.0f) < 1.5);
	assert_true(worst(loom_rows_ref.erf, erf, -5.0f, 5.0f) < 1.5);
	loom_rows_ref.exp(special, y, 5);
	assert_true(y[0] == 0 && isinf(y[1]) && y[2] == 1.0f && y[3] == 0 && isinf(y[4]));
	special[0] = NAN;
	loom_rows_ref.exp(special, y, 1);
	assert_true(isnan(y[0]));
}

static double softplus(double x)
{
	return log1p(exp(x));
}

static void xielu_and_clip_are_what_they_say(void **state)
{
	const float *w = xielu_numbers;

	(void)state;
	for (int i = 0; i <= 4000; i++) {
		float x = -10.0f + 20.0f * (float)i / 4000.0f, y;
		double t = fmin((double)x, (double)w[3]), beta = (double)w[2];
		double want = x > 0 ? softplus((double)w[0]) * x * x + beta * x
				    : (expm1(t) - (double)x) * (beta + softplus((double)w[1])) + beta * x;
		loom_rows_ref.xielu(w, &x, &y, 1);
		assert_true(fabs((double)y - want) <= 5e-7 * fmax(1, fabs(want)));
		loom_rows_ref.clip(0.4f, &x, &y, 1);
		assert_true(y == fminf(fmaxf(x, -0.4f), 0.4f));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(isas_agree), cmocka_unit_test(rotation_agrees_and_turns),
		cmocka_unit_test(expert_rows_agree), cmocka_unit_test(xielu_and_clip_are_what_they_say),
		cmocka_unit_test(functions_are_accurate)};

	return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
