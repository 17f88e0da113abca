/* test_attn.c: attention: every instruction set gives plain C's bits; a row's bits do not depend on its neighbours in the call; the
 * numbers are softmax(q K^T) V in float64; keys that a row does not see are never touched, NaN or not. */
#include "check.h"

#include <math.h>

#include "attn.h"
#include "loom_backend.h"

#define N_POS 200
#define N_PAGE 5

struct pages {
	float *kv;
	int32_t map[N_PAGE];
	int32_t d, dv;
	size_t stride;
};

/* What may stand beside the plain softmax. */
struct extras {
	float softcap;
	bool bias, sink;
	bool rel_key, rel_query;
};

#define N_FAR 90 /* columns of tables of distances */

static int32_t column(const struct loom_attn_row *r, int32_t j)
{
	int32_t first = j / 16 * 16, at = first + r->at;

	return (at < 0 ? 0 : at > r->last ? r->last : at) + j % 16;
}

static void open_pages(struct pages *p, int32_t d, int32_t dv)
{
	static const int32_t order[N_PAGE] = {3, 0, 4, 1, 2};

	p->d = d;
	p->dv = dv;
	p->stride = (size_t)(d + dv) * LOOM_PAGE + 32;
	p->kv = malloc(N_PAGE * p->stride * sizeof(float));
	assert_non_null(p->kv);
	check_fill(p->kv, N_PAGE * p->stride, (uint64_t)d);
	memcpy(p->map, order, sizeof(order));
}

static struct loom_attn_kv view(const struct pages *p)
{
	return (struct loom_attn_kv){.base = p->kv, .pages = p->map, .page_stride = p->stride, .v_offset = (size_t)p->d * LOOM_PAGE,
		.d = p->d, .dv = p->dv, .scale = 0.17f};
}

static float *key(const struct pages *p, int32_t pos, int32_t i)
{
	return p->kv + (size_t)p->map[pos / LOOM_PAGE] * p->stride + (size_t)i * LOOM_PAGE + (size_t)(pos % LOOM_PAGE);
}

static float *value(const struct pages *p, int32_t pos, int32_t i)
{
	return p->kv + (size_t)p->map[pos / LOOM_PAGE] * p->stride + (size_t)p->d * LOOM_PAGE + (size_t)(pos % LOOM_PAGE) * (size_t)p->dv +
		(size_t)i;
}

/* probs [N_POS], out [dv] in float64. */
static void exact(const struct pages *p, const struct loom_attn_kv *kv, const struct loom_attn_row *r, double *probs, double *out)
{
	double top = r->sink ? (double)*r->sink : -INFINITY, sum = 0, cap = (double)kv->softcap;

	memset(probs, 0, N_POS * sizeof(*probs));
	for (int32_t j = r->lo; j < r->hi; j++) {
		double s = 0;
		for (int32_t i = 0; i < p->d; i++) {
			s += (double)r->q[i] * (double)*key(p, j, i);
			s += kv->rel_key ? (double)r->q[i] * (double)kv->rel_key[i * N_FAR + column(r, j)] : 0;
			s += kv->rel_query ? (double)*key(p, j, i) * (double)kv->rel_query[i * N_FAR + column(r, j)] : 0;
		}
		s *= (double)kv->scale;
		s = cap > 0 ? cap * tanh(s / cap) : s;
		probs[j] = s + (r->bias ? (double)r->bias[column(r, j)] - (double)r->bias_base : 0);
		top = fmax(top, probs[j]);
	}
	sum = r->sink ? exp((double)*r->sink - top) : 0;
	for (int32_t j = r->lo; j < r->hi; j++) {
		probs[j] = exp(probs[j] - top);
		sum += probs[j];
	}
	for (int32_t j = r->lo; j < r->hi; j++) {
		probs[j] /= sum;
	}
	for (int32_t i = 0; i < p->dv; i++) {
		out[i] = 0;
		for (int32_t j = r->lo; j < r->hi; j++) {
			out[i] += probs[j] * (double)*value(p, j, i);
		}
	}
}

/* Rows over odd ranges: causal, windowed, whole. */
static int make_rows(struct loom_attn_row *rows, const float *q, float *out, const struct pages *p, const struct extras *x)
{
	static float bias[2 * N_POS], sinks[LOOM_ATTN_ROWS];
	static const int32_t range[LOOM_ATTN_ROWS][2] = {{0, 1}, {0, 2}, {0, 63}, {0, 64}, {0, 65}, {0, 128}, {0, 129}, {0, 200}, {0, 200},
		{0, 200}, {0, 200}, {10, 61}, {60, 70}, {64, 128}, {130, 137}, {199, 200}};

	check_fill(bias, 2 * N_POS, 11);
	check_fill(sinks, LOOM_ATTN_ROWS, 12);
	for (int i = 0; i < LOOM_ATTN_ROWS; i++) {
		rows[i] = (struct loom_attn_row){.q = q + (size_t)i * (size_t)p->d, .out = out + (size_t)i * (size_t)p->dv, .lo = range[i][0],
			.hi = range[i][1]};
		if (x->bias) {
			rows[i].bias = bias;
			rows[i].at = i;
			rows[i].last = INT32_MAX;
			rows[i].bias_base = bias[i];
		}
		if (x->rel_key || x->rel_query || (x->bias && x->sink)) { /* before, inside and beyond the table */
			rows[i].at = 40 - 11 * i;
			rows[i].last = N_FAR - 16;
		}
		rows[i].sink = x->sink ? &sinks[i] : NULL;
	}
	return LOOM_ATTN_ROWS;
}

static void check_probs(const struct pages *p, const struct loom_attn_kv *kv, const struct loom_attn_row *row)
{
	float want[N_POS], got[N_POS];
	double probs[N_POS], out[256];

	exact(p, kv, row, probs, out);
	loom_attn_ref.probs(kv, row, N_POS, want);
	for (int i = 0; i < N_POS; i++) {
		assert_true(fabs((double)want[i] - probs[i]) < 1e-3);
	}
	for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
		loom_attn_for((enum loom_isa)isa)->probs(kv, row, N_POS, got);
		assert_memory_equal(got, want, sizeof(want));
	}
}

static void check_width(int32_t d, int32_t dv, const struct extras *x)
{
	size_t n_q = (size_t)LOOM_ATTN_ROWS * (size_t)d, n = (size_t)LOOM_ATTN_ROWS * (size_t)dv;
	struct pages p;
	struct loom_attn_row rows[LOOM_ATTN_ROWS];
	float *q = malloc(n_q * sizeof(float)), *want = check_guarded(n), *got = check_guarded(n);
	double probs[N_POS], truth[256];

	open_pages(&p, d, dv);
	struct loom_attn_kv kv = view(&p);
	static float tables[2][64 * N_FAR];
	assert_true(d <= 64 || !x->rel_key);
	check_fill(tables[0], sizeof(tables) / sizeof(float), 31);
	kv.softcap = x->softcap;
	kv.rel_key = x->rel_key ? tables[0] : NULL;
	kv.rel_query = x->rel_query ? tables[1] : NULL;
	kv.rel_stride = N_FAR;
	check_fill(q, n_q, 77);
	int m = make_rows(rows, q, want, &p, x);
	loom_attn_ref.attend(&kv, rows, m);
	for (int r = 0; r < m; r++) {
		exact(&p, &kv, &rows[r], probs, truth);
		for (int32_t i = 0; i < dv; i++) {
			assert_true(fabs(truth[i] - (double)rows[r].out[i]) < 1e-4 * (1 + fabs(truth[i])) * 20);
		}
		check_probs(&p, &kv, &rows[r]);
	}
	(void)make_rows(rows, q, got, &p, x);
	for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
		const struct loom_attn *a = loom_attn_for((enum loom_isa)isa);
		for (int step = 1; step <= m; step += 3) { /* cut into calls of 1, 4, 7, … rows */
			memset(got, 0xee, n * sizeof(float));
			for (int r = 0; r < m; r += step) {
				a->attend(&kv, rows + r, m - r < step ? m - r : step);
			}
			assert_memory_equal(got, want, n * sizeof(float));
			check_canaries(got, n);
		}
	}
	check_guarded_free(want);
	check_guarded_free(got);
	free(q);
	free(p.kv);
}

static void isas_and_cuts_agree(void **state)
{
	static const int32_t widths[] = {1, 10, 14, 16, 17, 64, 80, 128};

	(void)state;
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		check_width(widths[i], widths[i], &(struct extras){0});
	}
}

static void with_extras_too(void **state)
{
	static const struct extras extras[] = {{.softcap = 3.5f}, {.bias = true}, {.sink = true},
		{.softcap = 2.0f, .bias = true, .sink = true}, {.rel_key = true}, {.rel_query = true}, {.rel_key = true, .rel_query = true, .bias = true}};

	(void)state;
	for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
		check_width(14, 14, &extras[i]);
		check_width(24, 16, &extras[i]);
		check_width(10, 33, &extras[i]);
	}
}

/* A head whose sink outweighs every key gives almost nothing, and no NaN. */
static void a_large_sink_takes_all(void **state)
{
	struct pages p;
	float q[16], out[16], probs[N_POS], sink = 90000.0f;

	(void)state;
	open_pages(&p, 16, 16);
	struct loom_attn_kv kv = view(&p);
	check_fill(q, 16, 3);
	struct loom_attn_row row = {.q = q, .out = out, .lo = 0, .hi = 150, .sink = &sink};
	for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
		loom_attn_for((enum loom_isa)isa)->attend(&kv, &row, 1);
		loom_attn_for((enum loom_isa)isa)->probs(&kv, &row, N_POS, probs);
		for (int i = 0; i < 16; i++) {
			assert_true(out[i] == 0.0f && probs[9 * i] == 0.0f);
		}
	}
	free(p.kv);
}

static void unseen_keys_do_not_matter(void **state)
{
	struct pages p;
	float q[20], a[20], b[20];

	(void)state;
	open_pages(&p, 20, 20);
	struct loom_attn_kv kv = view(&p);
	check_fill(q, 20, 5);
	struct loom_attn_row row = {.q = q, .out = a, .lo = 3, .hi = 70};
	loom_attn_ref.attend(&kv, &row, 1);
	for (int32_t pos = 0; pos < N_POS; pos++) {
		for (int32_t i = 0; i < 20 && (pos < 3 || pos >= 70); i++) {
			*key(&p, pos, i) = NAN;
			*value(&p, pos, i) = INFINITY;
		}
	}
	row.out = b;
	for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
		loom_attn_for((enum loom_isa)isa)->attend(&kv, &row, 1);
		assert_memory_equal(a, b, sizeof(a));
	}
	free(p.kv);
}

static void probabilities_sum_to_one(void **state)
{
	struct pages p;
	float q[20], want[140], got[140];

	(void)state;
	open_pages(&p, 20, 20);
	struct loom_attn_kv kv = view(&p);
	check_fill(q, 20, 6);
	struct loom_attn_row row = {.q = q, .lo = 5, .hi = 131};
	loom_attn_ref.probs(&kv, &row, 140, want);
	double sum = 0;
	for (int i = 0; i < 140; i++) {
		assert_true(want[i] >= 0 && (want[i] == 0) == (i < 5 || i >= 131 || want[i] == 0));
		sum += (double)want[i];
	}
	assert_true(fabs(sum - 1) < 1e-5);
	for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
		loom_attn_for((enum loom_isa)isa)->probs(&kv, &row, 140, got);
		assert_memory_equal(got, want, sizeof(want));
	}
	free(p.kv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(isas_and_cuts_agree), cmocka_unit_test(with_extras_too),
		cmocka_unit_test(a_large_sink_takes_all), cmocka_unit_test(unseen_keys_do_not_matter),
		cmocka_unit_test(probabilities_sum_to_one)};

	return cmocka_run_group_tests_name("attn", tests, NULL, NULL);
}
