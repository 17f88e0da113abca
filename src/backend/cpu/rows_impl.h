/* rows_impl.h: the functions of rows.h over vec16, compiled once for each instruction set. The including file sets LOOM_VEC and
 * LOOM_ROWS (the table's name).
 *
 * Sums over a row: element i is added to lane i % 16 in ascending order, then the lanes are folded by vec_sum's tree. */
#include "rows.h"
#include "vmath.h"

VEC_INLINE vec16 load_part(const float *p, size_t left)
{
	return left >= 16 ? vec_load(p) : vec_load_n(p, left);
}

VEC_INLINE void store_part(float *p, vec16 v, size_t left)
{
	if (left >= 16)
		vec_store(p, v);
	else
		vec_store_n(p, v, left);
}

static float row_mean(const float *x, size_t n)
{
	vec16 s = vec_zero();
	for (size_t i = 0; i < n; i += 16)
		s = vec_add(s, load_part(x + i, n - i));
	return vec_sum(s) / (float)n;
}

/* Mean of (x - mean)^2; lanes past the end add nothing. */
static float row_mean_square(const float *x, float mean, size_t n)
{
	vec16 s = vec_zero(), m = vec_set1(mean);
	size_t i = 0;
	for (; i + 16 <= n; i += 16) {
		vec16 c = vec_sub(vec_load(x + i), m);
		s = vec_fma(c, c, s);
	}
	if (i < n) {
		vec16 c = vec_select(vec_range(0, (int)(n - i)), vec_sub(vec_load_n(x + i, n - i), m), vec_zero());
		s = vec_fma(c, c, s);
	}
	return vec_sum(s) / (float)n;
}

/* y = (x - mean) * rstd (* w) (+ b) */
static void row_affine(const float *x, float mean, float rstd, const float *w, const float *b, float *y, size_t n)
{
	vec16 m = vec_set1(mean), r = vec_set1(rstd);
	for (size_t i = 0; i < n; i += 16) {
		vec16 v = vec_mul(vec_sub(load_part(x + i, n - i), m), r);
		if (w)
			v = vec_mul(v, load_part(w + i, n - i));
		if (b)
			v = vec_add(v, load_part(b + i, n - i));
		store_part(y + i, v, n - i);
	}
}

static void layer_norm(const float *x, const float *w, const float *b, float eps, float *y, size_t n)
{
	float mean = row_mean(x, n);
	float rstd = 1.0f / sqrtf(row_mean_square(x, mean, n) + eps);
	row_affine(x, mean, rstd, w, b, y, n);
}

static void rms_norm(const float *x, const float *w, const float *b, float eps, float *y, size_t n)
{
	float rstd = 1.0f / sqrtf(row_mean_square(x, 0.0f, n) + eps);
	row_affine(x, 0.0f, rstd, w, b, y, n);
}

VEC_INLINE vec16 sigmoid_times(vec16 x, vec16 z)
{
	return vec_div(x, vec_add(vec_set1(1.0f), vec_exp(vec_sub(vec_zero(), z)))); /* x / (1 + exp(-z)) */
}

VEC_INLINE vec16 act_vec(enum loom_act_kind kind, vec16 x)
{
	vec16 half = vec_set1(0.5f), one = vec_set1(1.0f), t;
	switch (kind) {
	case LOOM_ACT_SILU:
		return sigmoid_times(x, x);
	case LOOM_ACT_QUICK_GELU:
		return sigmoid_times(x, vec_mul(vec_set1(1.702f), x));
	case LOOM_ACT_GELU_ERF:
		t = vec_erf(vec_mul(x, vec_set1(0.707106781f)));
		return vec_mul(vec_mul(x, half), vec_add(one, t));
	case LOOM_ACT_GELU_TANH:
		t = vec_fma(vec_mul(vec_set1(0.044715f), vec_mul(vec_mul(x, x), x)), one, x);
		t = vec_tanh(vec_mul(vec_set1(0.797884561f), t));
		return vec_mul(vec_mul(half, x), vec_add(one, t));
	case LOOM_ACT_RELU:
		return vec_max(vec_zero(), x);
	case LOOM_ACT_RELU2:
		t = vec_max(vec_zero(), x);
		return vec_mul(t, t);
	case LOOM_ACT_TANH:
		return vec_tanh(x);
	case LOOM_ACT_SIGMOID:
		return sigmoid_times(one, x);
	default:
		return x;
	}
}

/* y = act(a) (* b); kind is a constant in each caller, so that the loop holds one activation only. */
VEC_INLINE void act_loop(enum loom_act_kind kind, const float *a, const float *b, float *y, size_t n)
{
	for (size_t i = 0; i < n; i += 16) {
		vec16 v = act_vec(kind, load_part(a + i, n - i));
		if (b)
			v = vec_mul(v, load_part(b + i, n - i));
		store_part(y + i, v, n - i);
	}
}

#define ACT_SWITCH(kind, a, b, y, n) \
	switch (kind) { \
	case LOOM_ACT_SILU: act_loop(LOOM_ACT_SILU, a, b, y, n); break; \
	case LOOM_ACT_GELU_ERF: act_loop(LOOM_ACT_GELU_ERF, a, b, y, n); break; \
	case LOOM_ACT_GELU_TANH: act_loop(LOOM_ACT_GELU_TANH, a, b, y, n); break; \
	case LOOM_ACT_RELU: act_loop(LOOM_ACT_RELU, a, b, y, n); break; \
	case LOOM_ACT_RELU2: act_loop(LOOM_ACT_RELU2, a, b, y, n); break; \
	case LOOM_ACT_QUICK_GELU: act_loop(LOOM_ACT_QUICK_GELU, a, b, y, n); break; \
	case LOOM_ACT_TANH: act_loop(LOOM_ACT_TANH, a, b, y, n); break; \
	case LOOM_ACT_SIGMOID: act_loop(LOOM_ACT_SIGMOID, a, b, y, n); break; \
	case LOOM_ACT_NONE: act_loop(LOOM_ACT_NONE, a, b, y, n); break; \
	case LOOM_ACT_XIELU: case LOOM_N_ACT: break; \
	}

static void act(enum loom_act_kind kind, const float *x, float *y, size_t n)
{
	ACT_SWITCH(kind, x, NULL, y, n)
}

static void gate(enum loom_act_kind kind, const float *a, const float *b, float *y, size_t n)
{
	ACT_SWITCH(kind, a, b, y, n)
}

static void add(const float *a, const float *b, float *y, size_t n)
{
	for (size_t i = 0; i < n; i += 16)
		store_part(y + i, vec_add(load_part(a + i, n - i), load_part(b + i, n - i)), n - i);
}

static void scale(float s, const float *x, float *y, size_t n)
{
	for (size_t i = 0; i < n; i += 16)
		store_part(y + i, vec_mul(vec_set1(s), load_part(x + i, n - i)), n - i);
}

static void softcap(float cap, const float *x, float *y, size_t n)
{
	vec16 c = vec_set1(cap);
	for (size_t i = 0; i < n; i += 16)
		store_part(y + i, vec_mul(c, vec_tanh(vec_div(load_part(x + i, n - i), c))), n - i);
}

static void softmax(const float *x, float *y, size_t n)
{
	float top = -INFINITY;
	vec16 sum = vec_zero();
	for (size_t i = 0; i < n; i++)
		top = x[i] > top ? x[i] : top;
	for (size_t i = 0; i < n; i += 16) {
		vec16 e = vec_exp(vec_sub(load_part(x + i, n - i), vec_set1(top)));
		store_part(y + i, e, n - i);
		sum = vec_add(sum, vec_select(vec_range(0, n - i < 16 ? (int)(n - i) : 16), e, vec_zero()));
	}
	vec16 total = vec_set1(vec_sum(sum));
	for (size_t i = 0; i < n; i += 16)
		store_part(y + i, vec_div(load_part(y + i, n - i), total), n - i);
}

static void clamped_glu(float limit, float alpha, const float *gates, const float *ups, size_t step, float *y, size_t n)
{
	for (size_t i = 0; i < n; i += 16) {
		size_t m = n - i < 16 ? n - i : 16;
		float gate[16] = {0}, up[16] = {0};
		for (size_t j = 0; j < m; j++) {
			gate[j] = gates[step * (i + j)];
			up[j] = ups[step * (i + j)];
		}
		vec16 g = vec_min(vec_set1(limit), vec_load(gate));
		vec16 u = vec_max(vec_set1(-limit), vec_min(vec_set1(limit), vec_load(up)));
		vec16 glu = sigmoid_times(g, vec_mul(g, vec_set1(alpha)));
		store_part(y + i, vec_mul(vec_add(u, vec_set1(1.0f)), glu), n - i);
	}
}

static void add_scaled(float s, const float *x, float *y, size_t n)
{
	for (size_t i = 0; i < n; i += 16)
		store_part(y + i, vec_add(load_part(y + i, n - i), vec_mul(vec_set1(s), load_part(x + i, n - i))), n - i);
}

/* x > 0: ap x^2 + beta x; else an (expm1(min(x, eps)) - x) + beta x. exp(t) - 1 = tanh(t / 2) (exp(t) + 1) keeps its bits near 0. */
static void xielu(const float *w, const float *x, float *y, size_t n)
{
	vec16 ap = vec_set1(log1pf(expf(w[0]))), an = vec_set1(w[2] + log1pf(expf(w[1]))), beta = vec_set1(w[2]), eps = vec_set1(w[3]);
	for (size_t i = 0; i < n; i += 16) {
		vec16 v = load_part(x + i, n - i), line = vec_mul(beta, v), t = vec_min(eps, v);
		vec16 up = vec_add(vec_mul(vec_mul(ap, v), v), line);
		vec16 e = vec_mul(vec_tanh(vec_mul(vec_set1(0.5f), t)), vec_add(vec_exp(t), vec_set1(1.0f)));
		vec16 down = vec_add(vec_mul(vec_sub(e, v), an), line);
		store_part(y + i, vec_select(vec_less(vec_zero(), v), up, down), n - i);
	}
}

static void clip(float most, const float *x, float *y, size_t n)
{
	vec16 hi = vec_set1(most), lo = vec_set1(-most);
	for (size_t i = 0; i < n; i += 16)
		store_part(y + i, vec_max(lo, vec_min(hi, load_part(x + i, n - i))), n - i);
}

static void rotate_pairs(float *x, const float *cos, const float *sin, size_t n_freq)
{
	for (size_t i = 0; i < n_freq; i++) {
		float a = x[2 * i], b = x[2 * i + 1];
		x[2 * i] = a * cos[i] - b * sin[i];
		x[2 * i + 1] = b * cos[i] + a * sin[i];
	}
}

static void rotate(float *x, const float *cos, const float *sin, size_t n_freq, bool interleaved)
{
	if (interleaved) {
		rotate_pairs(x, cos, sin, n_freq);
		return;
	}
	float *hi = x + n_freq;
	for (size_t i = 0; i < n_freq; i += 16) {
		size_t left = n_freq - i;
		vec16 a = load_part(x + i, left), b = load_part(hi + i, left);
		vec16 c = load_part(cos + i, left), s = load_part(sin + i, left);
		store_part(x + i, vec_sub(vec_mul(a, c), vec_mul(b, s)), left);
		store_part(hi + i, vec_add(vec_mul(b, c), vec_mul(a, s)), left);
	}
}

static void row_exp(const float *x, float *y, size_t n)
{
	for (size_t i = 0; i < n; i += 16)
		store_part(y + i, vec_exp(load_part(x + i, n - i)), n - i);
}

static void row_erf(const float *x, float *y, size_t n)
{
	for (size_t i = 0; i < n; i += 16)
		store_part(y + i, vec_erf(load_part(x + i, n - i)), n - i);
}

const struct loom_rows LOOM_ROWS = {
	.layer_norm = layer_norm,
	.rms_norm = rms_norm,
	.act = act,
	.gate = gate,
	.add = add,
	.scale = scale,
	.softcap = softcap,
	.softmax = softmax,
	.clamped_glu = clamped_glu,
	.add_scaled = add_scaled,
	.clip = clip,
	.xielu = xielu,
	.rotate = rotate,
	.exp = row_exp,
	.erf = row_erf,
};
