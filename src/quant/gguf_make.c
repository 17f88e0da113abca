/* gguf_make.c: float32 → ggml's blocks. The simple types follow ggml's own rule to the bit; the K types search each group's scale for the least
 * squared error, then round scales to what the block can hold and code again. */
#include <math.h>
#include <string.h>

#include "dequant.h"
#include "f16.h"
#include "gguf_blocks.h"

#define MOST 1e9f      /* no type's scale reaches further */
#define SMALLEST 1e-36f /* of steps: far below float16's, so that less is zero */

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static float kept16(uint8_t *p, float v)
{
	uint16_t h = loom_f32_to_f16(v);
	put16(p, h);
	return loom_f16_to_f32(h);
}

static float inverse_of(float d)
{
	return fabsf(d) > SMALLEST ? 1.0f / d : 0.0f;
}

static int bounded(int v, int lo, int hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* The value of largest magnitude, its sign kept. */
static float peak(const float *x, int n)
{
	float top = 0, v = 0;
	for (int i = 0; i < n; i++) {
		if (fabsf(x[i]) > top) {
			top = fabsf(x[i]);
			v = x[i];
		}
	}
	return v;
}

/* Codes 0..31 of 32 elements as nibbles, the fifth bits beside them when high is not NULL. */
static void put_nibbles(const uint8_t *code, uint8_t *q, uint8_t *high)
{
	uint32_t bits = 0;
	for (int i = 0; i < 16; i++)
		q[i] = (uint8_t)((code[i] & 15) | (code[i + 16] & 15) << 4);
	for (int i = 0; high && i < 32; i++)
		bits |= (uint32_t)(code[i] >> 4 & 1) << i;
	for (int i = 0; high && i < 4; i++)
		high[i] = (uint8_t)(bits >> 8 * i);
}

/* Q4_0 and Q5_0: the peak is the lowest code. */
static void make_centred(const float *x, uint8_t *p, int half)
{
	float d = peak(x, 32) / (float)-half, id = inverse_of(d);
	uint8_t code[32];
	put16(p, loom_f32_to_f16(d));
	for (int i = 0; i < 32; i++)
		code[i] = (uint8_t)bounded((int)(x[i] * id + (float)half + 0.5f), 0, 2 * half - 1);
	put_nibbles(code, p + (half == 16 ? 6 : 2), half == 16 ? p + 2 : NULL);
}

/* Q4_1 and Q5_1: from the smallest to the largest. */
static void make_ranged(const float *x, uint8_t *p, int top)
{
	float lo = x[0], hi = x[0];
	uint8_t code[32];
	for (int i = 1; i < 32; i++) {
		lo = x[i] < lo ? x[i] : lo;
		hi = x[i] > hi ? x[i] : hi;
	}
	float d = (hi - lo) / (float)top, id = inverse_of(d);
	put16(p, loom_f32_to_f16(d));
	put16(p + 2, loom_f32_to_f16(lo));
	for (int i = 0; i < 32; i++)
		code[i] = (uint8_t)bounded((int)((x[i] - lo) * id + 0.5f), 0, top);
	put_nibbles(code, p + (top == 31 ? 8 : 4), top == 31 ? p + 4 : NULL);
}

static void make_q8_0(const float *x, uint8_t *p)
{
	float d = fabsf(peak(x, 32)) / 127.0f, id = inverse_of(d);
	put16(p, loom_f32_to_f16(d));
	for (int i = 0; i < 32; i++)
		p[2 + i] = (uint8_t)(int8_t)roundf(x[i] * id);
}

/* Scale and minimum (as a positive number to take away) of 32 elements in codes 0..top: among a few spreads, the least squares. */
static void fit_ranged(const float *x, int top, float *scale, float *min)
{
	float lo = 0, hi = x[0], best = INFINITY;
	for (int i = 0; i < 32; i++) {
		lo = x[i] < lo ? x[i] : lo;
		hi = x[i] > hi ? x[i] : hi;
	}
	*scale = 0;
	*min = -lo;
	for (int step = 0; step <= 16 && hi > lo; step++) {
		float inverse = ((float)top - 0.8f + 0.1f * (float)step) / (hi - lo);
		float q[32], sq = 0, sqq = 0, sx = 0, sqx = 0, error = 0;
		for (int i = 0; i < 32; i++) {
			q[i] = (float)bounded((int)lrintf((x[i] - lo) * inverse), 0, top);
			sq += q[i];
			sqq += q[i] * q[i];
			sx += x[i];
			sqx += q[i] * x[i];
		}
		float det = 32 * sqq - sq * sq, s = det > 0 ? (32 * sqx - sq * sx) / det : 0, b = (sx - s * sq) / 32;
		if (b > 0) { /* minima are taken away: none below zero */
			b = 0;
			s = sqq > 0 ? sqx / sqq : 0;
		}
		for (int i = 0; i < 32; i++) {
			float e = s * q[i] + b - x[i];
			error += e * e;
		}
		if (error < best && s > 0) {
			best = error;
			*scale = s;
			*min = -b;
		}
	}
}

/* Q4_K and Q5_K. */
static void make_k(const float *x, uint8_t *p, int top)
{
	float scale[8], min[8], most = 0, most_min = 0;
	uint8_t code[256], s[8], m[8];
	for (int g = 0; g < 8; g++) {
		fit_ranged(x + 32 * g, top, &scale[g], &min[g]);
		most = scale[g] > most ? scale[g] : most;
		most_min = min[g] > most_min ? min[g] : most_min;
	}
	float d = kept16(p, most / 63.0f), dmin = kept16(p + 2, most_min / 63.0f);
	for (int g = 0; g < 8; g++) {
		s[g] = (uint8_t)(d > 0 ? bounded((int)lrintf(scale[g] / d), 0, 63) : 0);
		m[g] = (uint8_t)(dmin > 0 ? bounded((int)lrintf(min[g] / dmin), 0, 63) : 0);
		float a = d * (float)s[g], b = dmin * (float)m[g];
		for (int i = 0; i < 32; i++)
			code[32 * g + i] = (uint8_t)(a > 0 ? bounded((int)lrintf((x[32 * g + i] + b) / a), 0, top) : 0);
	}
	for (int g = 0; g < 4; g++) {
		p[4 + g] = (uint8_t)(s[g] | s[g + 4] >> 4 << 6);
		p[8 + g] = (uint8_t)(m[g] | m[g + 4] >> 4 << 6);
		p[12 + g] = (uint8_t)((s[g + 4] & 15) | (m[g + 4] & 15) << 4);
	}
	uint8_t *low = p + (top == 31 ? 48 : 16), *high = p + 16;
	memset(high, 0, top == 31 ? 160 : 128);
	for (int i = 0; i < 256; i++) {
		low[i / 64 * 32 + i % 32] |= (uint8_t)((code[i] & 15) << 4 * (i / 32 % 2));
		if (top == 31)
			high[i % 32] |= (uint8_t)((code[i] >> 4) << i / 32);
	}
}

/* Scale of 16 elements in codes -32..31: among a few spreads, the least squares. */
static float fit_centred(const float *x)
{
	float top = peak(x, 16), best = INFINITY, scale = 0;
	for (int step = -9; step <= 9 && top != 0; step++) {
		float inverse = -(32.0f + 0.1f * (float)step) / top, sqq = 0, sqx = 0, sxx = 0;
		for (int i = 0; i < 16; i++) {
			float q = (float)bounded((int)lrintf(x[i] * inverse), -32, 31);
			sqq += q * q;
			sqx += q * x[i];
			sxx += x[i] * x[i];
		}
		float s = sqq > 0 ? sqx / sqq : 0, error = sxx - s * sqx;
		if (error < best) {
			best = error;
			scale = s;
		}
	}
	return scale;
}

static void make_q6_k(const float *x, uint8_t *p)
{
	float scale[16], most = 0;
	uint8_t code[256];
	for (int g = 0; g < 16; g++) {
		scale[g] = fit_centred(x + 16 * g);
		most = fabsf(scale[g]) > fabsf(most) ? scale[g] : most;
	}
	float d = kept16(p + 208, most / -128.0f);
	for (int g = 0; g < 16; g++) {
		int s = d != 0 ? bounded((int)lrintf(scale[g] / d), -128, 127) : 0;
		float a = d * (float)s;
		p[192 + g] = (uint8_t)(int8_t)s;
		for (int i = 16 * g; i < 16 * g + 16; i++)
			code[i] = (uint8_t)((a != 0 ? bounded((int)lrintf(x[i] / a), -32, 31) : 0) + 32);
	}
	memset(p, 0, 192);
	for (int i = 0; i < 256; i++) {
		int n = i / 128, j = i / 32 % 4, l = i % 32;
		p[64 * n + 32 * (j % 2) + l] |= (uint8_t)((code[i] & 15) << 4 * (j / 2));
		p[128 + 32 * n + l] |= (uint8_t)((code[i] >> 4) << 2 * j);
	}
}

bool loom_quantize_supported(enum loom_dtype t)
{
	return t == LOOM_Q4_0 || t == LOOM_Q5_0 || t == LOOM_Q4_1 || t == LOOM_Q5_1 || t == LOOM_Q8_0 || t == LOOM_Q4_K || t == LOOM_Q5_K || t == LOOM_Q6_K;
}

bool loom_quantize_blocks(enum loom_dtype t, const float *src, void *dst, size_t n)
{
	size_t step = loom_dtype_block(t), bytes = loom_dtype_block_bytes(t);
	for (size_t i = 0; i < n; i++) {
		if (!(fabsf(src[i]) <= MOST))
			return false;
	}
	for (size_t i = 0; i + step <= n; i += step) {
		uint8_t *p = (uint8_t *)dst + i / step * bytes;
		switch (t) {
		case LOOM_Q4_0: make_centred(src + i, p, 8); break;
		case LOOM_Q5_0: make_centred(src + i, p, 16); break;
		case LOOM_Q4_1: make_ranged(src + i, p, 15); break;
		case LOOM_Q5_1: make_ranged(src + i, p, 31); break;
		case LOOM_Q8_0: make_q8_0(src + i, p); break;
		case LOOM_Q4_K: make_k(src + i, p, 15); break;
		case LOOM_Q5_K: make_k(src + i, p, 31); break;
		case LOOM_Q6_K: make_q6_k(src + i, p); break;
		default: break;
		}
	}
	return loom_blocks_finite(t, dst, n);
}
