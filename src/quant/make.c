/* make.c: quantizing as bitsandbytes does: NF4 in blocks of 64, int8 by rows, and nested scales by a rule of our own, which does not depend on
 * the order of a sum (bitsandbytes' does; shared/reference/quantization.md, section 4). */
#include <math.h>
#include <string.h>

#include "f16.h"
#include "module.h"

const float loom_nf4_values[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
	-0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f,
	0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};
const float loom_fp4_values[16] = {0.0f, 0.0052083334885537624f, 0.6666666865348816f, 1.0f, 0.3333333432674408f, 0.5f, 0.1666666716337204f,
	0.25f, 0.0f, -0.0052083334885537624f, -0.6666666865348816f, -1.0f, -0.3333333432674408f, -0.5f, -0.1666666716337204f, -0.25f};

static float largest(const float *w, size_t n)
{
	float top = 0;
	for (size_t i = 0; i < n; i++)
		top = fabsf(w[i]) > top ? fabsf(w[i]) : top;
	return top;
}

float loom_nf4_block(const float *w, size_t n, bool whole, uint8_t *codes)
{
	float top = largest(w, n), divisor = top > 1e-38f ? top : 1e-38f, inverse = 1.0f / divisor;
	for (size_t i = 0; i < n; i++) {
		float v = whole ? w[i] * inverse : w[i] / divisor; /* a last, short block divides */
		v = v < -1.0f ? -1.0f : v > 1.0f ? 1.0f : v;
		uint8_t code = 0;
		for (int c = 0; c < 15; c++) /* midpoints strictly below v */
			code = (uint8_t)(code + ((loom_nf4_values[c] + loom_nf4_values[c + 1]) / 2.0f < v));
		codes[i] = code;
	}
	return top;
}

float loom_int8_row(const float *w, size_t n, uint8_t *codes)
{
	float top = 0;
	for (size_t i = 0; i < n; i++) {
		float h = fabsf(loom_f16_to_f32(loom_f32_to_f16(w[i])));
		top = h > top ? h : top;
	}
	float scale = top > 0 ? 1.0f / top * 127.0f : 0; /* torch takes 127.0 / x as the reciprocal times 127 */
	for (size_t i = 0; i < n; i++)
		codes[i] = (uint8_t)(int8_t)rintf(loom_f16_to_f32(loom_f32_to_f16(w[i])) * scale);
	return top;
}

/* The 8-bit dynamic map: seven decades, 2^i means in each, both signs, and 0 and 1; ascending. */
static void dynamic_map(float map[256])
{
	int n = 0;
	map[n++] = 0;
	map[n++] = 1;
	for (int i = 0; i < 7; i++) {
		int points = (1 << i) + 1;
		float step = (1.0f - 0.1f) / (float)(points - 1), edge[65];
		for (int j = 0; j < points; j++) /* torch's linspace: from the start below the middle, from the end above it */
			edge[j] = j < points / 2 ? fmaf(step, (float)j, 0.1f) : fmaf(-step, (float)(points - 1 - j), 1.0f);
		for (int j = 0; j + 1 < points; j++) {
			float v = (float)pow(10, i - 6) * ((edge[j] + edge[j + 1]) / 2.0f);
			map[n++] = v;
			map[n++] = -v;
		}
	}
	for (int i = 1; i < n; i++) { /* 256 numbers, once a model */
		float v = map[i];
		int j = i;
		for (; j > 0 && map[j - 1] > v; j--)
			map[j] = map[j - 1];
		map[j] = v;
	}
}

float loom_nest_scales(float *absmax, size_t n, uint8_t *codes, float *outer, float map[256])
{
	double sum = 0;
	dynamic_map(map);
	for (size_t i = 0; i < n; i++)
		sum += (double)absmax[i];
	float offset = (float)(sum / (double)n);
	for (size_t at = 0; at < n; at += LOOM_NEST_GROUP) {
		size_t count = n - at < LOOM_NEST_GROUP ? n - at : LOOM_NEST_GROUP;
		float top = 0;
		for (size_t i = 0; i < count; i++)
			top = fabsf(absmax[at + i] - offset) > top ? fabsf(absmax[at + i] - offset) : top;
		outer[at / LOOM_NEST_GROUP] = top;
		for (size_t i = 0; i < count; i++) {
			float x = top > 0 ? (absmax[at + i] - offset) / top : 0;
			int lo = 0, hi = 255;
			while (lo < hi) { /* the nearest code: the number of midpoints below x */
				int mid = (lo + hi) / 2;
				if ((map[mid] + map[mid + 1]) / 2.0f < x)
					lo = mid + 1;
				else
					hi = mid;
			}
			float product = map[lo] * top;
			absmax[at + i] = product + offset;
			codes[at + i] = (uint8_t)lo;
		}
	}
	return offset;
}
