/* mix_impl.h: the functions of mix.h over vec16, compiled once for each instruction set. The including file sets LOOM_VEC and
 * LOOM_MIX (the table's name). */
#include "mix.h"
#include "vmath.h"

VEC_INLINE vec16 take(const float *p, size_t left)
{
	return left >= 16 ? vec_load(p) : vec_load_n(p, left);
}

VEC_INLINE void put(float *p, vec16 v, size_t left)
{
	if (left >= 16)
		vec_store(p, v);
	else
		vec_store_n(p, v, left);
}

static void conv(const float *const *x, int n_tap, const float *w, size_t ldw, const float *bias, float *y, size_t n)
{
	for (size_t i = 0; i < n; i += 16) {
		vec16 sum = vec_zero();
		for (int j = 0; j < n_tap; j++)
			sum = vec_fma(take(w + (size_t)j * ldw + i, n - i), take(x[j] + i, n - i), sum);
		put(y + i, bias ? vec_add(sum, take(bias + i, n - i)) : sum, n - i);
	}
}

static void scan(float *h, size_t ldh, const float *a, size_t lda, int d_state, const float *x, const float *dt, const float *bc,
	const float *d, float *y, size_t n)
{
	for (size_t i = 0; i < n; i += 16) {
		vec16 step = vec_softplus(take(dt + i, n - i)), u = take(x + i, n - i), sum = vec_zero();
		for (int k = 0; k < d_state; k++) {
			float *state = h + (size_t)k * ldh + i;
			vec16 keep = vec_exp(vec_mul(take(a + (size_t)k * lda + i, n - i), step));
			vec16 in = vec_mul(vec_mul(step, vec_set1(bc[k])), u);
			vec16 s = vec_fma(keep, take(state, n - i), in);
			put(state, s, n - i);
			sum = vec_fma(s, vec_set1(bc[d_state + k]), sum);
		}
		put(y + i, vec_fma(take(d + i, n - i), u, sum), n - i);
	}
}

static void scan_head(float *h, const struct loom_scan_head *s, float *y)
{
	vec16 step = vec_softplus(vec_set1(s->dt + s->bias)), keep = vec_exp(vec_mul(vec_set1(s->a), step));
	size_t n = s->width;

	for (size_t i = 0; i < n; i += 16) {
		vec16 u = take(s->x + i, n - i), sum = vec_zero();
		for (size_t k = 0; k < s->n_state; k++) {
			vec16 v = vec_fma(keep, take(h + k * n + i, n - i), vec_mul(vec_mul(step, vec_set1(s->b[k])), u));
			put(h + k * n + i, v, n - i);
			sum = vec_fma(v, vec_set1(s->c[k]), sum);
		}
		put(y + i, vec_fma(vec_set1(s->d), u, sum), n - i);
	}
}

/* y = x / sqrt(sum of squares + 1e-6) * scale */
static void normalize(const float *x, float scale, float *y, size_t n)
{
	vec16 s = vec_zero();

	for (size_t i = 0; i < n; i += 16) {
		vec16 v = take(x + i, n - i);
		s = vec_fma(v, v, s);
	}
	vec16 by = vec_set1(1.0f / sqrtf(vec_sum(s) + 1e-6f));
	for (size_t i = 0; i < n; i += 16)
		put(y + i, vec_mul(vec_mul(take(x + i, n - i), by), vec_set1(scale)), n - i);
}

static void delta(float *s, const struct loom_delta_head *h, float *y, float *work)
{
	float *q = work, *k = work + h->dk, *change = k + h->dk;
	vec16 keep = vec_exp(vec_mul(vec_set1(h->a), vec_softplus(vec_set1(h->decay + h->bias))));
	vec16 write = vec_div(vec_set1(1.0f), vec_add(vec_set1(1.0f), vec_exp(vec_set1(-h->write))));
	size_t dv = h->dv;

	normalize(h->q, h->scale, q, h->dk);
	normalize(h->k, 1.0f, k, h->dk);
	for (size_t i = 0; i < dv; i += 16) {
		size_t left = dv - i;
		vec16 known = vec_zero(), out = vec_zero();
		for (size_t r = 0; r < h->dk; r++) {
			vec16 m = vec_mul(take(s + r * dv + i, left), keep);
			put(s + r * dv + i, m, left);
			known = vec_fma(m, vec_set1(k[r]), known);
		}
		put(change + i, vec_mul(vec_sub(take(h->v + i, left), known), write), left);
		for (size_t r = 0; r < h->dk; r++) {
			vec16 m = vec_fma(vec_set1(k[r]), take(change + i, left), take(s + r * dv + i, left));
			put(s + r * dv + i, m, left);
			out = vec_fma(m, vec_set1(q[r]), out);
		}
		put(y + i, out, left);
	}
}

const struct loom_mix LOOM_MIX = {.conv = conv, .scan = scan, .scan_head = scan_head, .delta = delta};
