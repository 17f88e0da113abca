/* vmath.h: exp, tanh and erf on vec16, by our own minimax polynomials (fitted with weighted least squares in float64, coefficients
 * rounded to float32 one by one) and fused multiply-adds only. Errors, measured by test_rows.c: exp and tanh below 1.5, erf below
 * 1.5 units in the last place. */
#ifndef LOOM_VMATH_H
#define LOOM_VMATH_H

#include "vec16.h"

VEC_INLINE vec16 vec_madd(vec16 a, vec16 b, float c)
{
	return vec_fma(a, b, vec_set1(c));
}

/* exp(x) = 2^n exp(r), r = x - n ln 2, |r| <= ln 2 / 2. Below -105: 0 (with -inf); above 89: inf. NaN stays. */
VEC_INLINE vec16 vec_exp(vec16 x)
{
	x = vec_max(vec_set1(-105.0f), x);
	x = vec_min(vec_set1(89.0f), x);
	vec16 t = vec_fma(x, vec_set1(1.44269504f), vec_set1(12582912.0f)); /* 1.5 * 2^23 rounds to an integer */
	vec16 n = vec_sub(t, vec_set1(12582912.0f));
	vec16 r = vec_fma(n, vec_set1(-0.693145752f), x); /* ln 2 in two parts, the first exact times n */
	r = vec_fma(n, vec_set1(-1.42860677e-6f), r);
	vec16 p = vec_madd(vec_set1(1.381951151e-03f), r, 8.368690498e-03f);
	p = vec_madd(p, r, 4.166828096e-02f);
	p = vec_madd(p, r, 1.666652113e-01f);
	p = vec_madd(p, r, 4.999999404e-01f);
	p = vec_madd(p, r, 1.0f);
	p = vec_madd(p, r, 1.0f);
	return vec_scale2(p, t);
}

/* |x| < 0.625: x + x^3 P(x^2); beyond: 1 - 2 / (exp(2|x|) + 1), with x's sign. */
VEC_INLINE vec16 vec_tanh(vec16 x)
{
	vec16 a = vec_abs(x), z = vec_mul(x, x);
	vec16 p = vec_madd(vec_set1(-5.695879459e-03f), z, 2.063085884e-02f);
	p = vec_madd(p, z, -5.373714492e-02f);
	p = vec_madd(p, z, 1.333141029e-01f);
	p = vec_madd(p, z, -3.333328068e-01f);
	vec16 small = vec_fma(vec_mul(p, z), x, x);
	vec16 e = vec_exp(vec_add(a, a));
	vec16 large = vec_sub(vec_set1(1.0f), vec_div(vec_set1(2.0f), vec_add(e, vec_set1(1.0f))));
	return vec_select(vec_less(a, vec_set1(0.625f)), small, vec_copysign(large, x));
}

/* log(1 + exp(x)) = max(x, 0) + log1p(t), t = exp(-|x|): with s = t / (2 + t), log1p(t) = 2 (s + s^3/3 + s^5/5 + ...), s <= 1/3. */
VEC_INLINE vec16 vec_softplus(vec16 x)
{
	vec16 t = vec_exp(vec_sub(vec_zero(), vec_abs(x)));
	vec16 s = vec_div(t, vec_add(t, vec_set1(2.0f))), z = vec_mul(s, s);
	vec16 p = vec_madd(vec_set1(7.692307692e-02f), z, 9.090909091e-02f);
	p = vec_madd(p, z, 1.111111111e-01f);
	p = vec_madd(p, z, 1.428571429e-01f);
	p = vec_madd(p, z, 0.2f);
	p = vec_madd(p, z, 3.333333333e-01f);
	vec16 q = vec_fma(vec_mul(p, z), s, s);
	return vec_add(vec_max(vec_zero(), x), vec_add(q, q));
}

/* |x| < 1: x + x P(x^2); beyond: 1 - exp(Q(|x| - 2)), Q = log erfc, with x's sign; 1 from 4 on. */
VEC_INLINE vec16 vec_erf(vec16 x)
{
	vec16 a = vec_abs(x), z = vec_mul(x, x);
	vec16 p = vec_madd(vec_set1(7.806903159e-05f), z, -7.997853099e-04f);
	p = vec_madd(p, z, 5.187162198e-03f);
	p = vec_madd(p, z, -2.685334720e-02f);
	p = vec_madd(p, z, 1.128357872e-01f);
	p = vec_madd(p, z, -3.761262596e-01f);
	p = vec_madd(p, z, 1.283791661e-01f);
	vec16 small = vec_fma(p, x, x);
	vec16 u = vec_sub(vec_min(vec_set1(4.0f), a), vec_set1(2.0f));
	vec16 q = vec_madd(vec_set1(-8.542802789e-06f), u, 1.681790891e-04f);
	q = vec_madd(q, u, -7.168109296e-04f);
	q = vec_madd(q, u, 3.555125557e-03f);
	q = vec_madd(q, u, -1.647989452e-02f);
	q = vec_madd(q, u, -9.237529039e-01f);
	q = vec_madd(q, u, -4.418159962e+00f);
	q = vec_madd(q, u, -5.364941120e+00f);
	vec16 large = vec_sub(vec_set1(1.0f), vec_exp(q));
	return vec_select(vec_less(a, vec_set1(1.0f)), small, vec_copysign(large, x));
}

#endif
