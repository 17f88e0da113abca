/* gguf_grids.c: ggml's blocks of 256 elements that index a grid (IQ1, IQ2, IQ3), and the two rare ones with no 16-bit-scaled codes
 * of whole bits (TQ1_0: five trits a byte; Q8_K: a float32 scale) → float32. */
#include <string.h>

#include "gguf_blocks.h"
#include "f16.h"
#include "iq_tables.h"

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

/* Seven stored signs; the eighth makes the number of minus signs even. */
static unsigned even_signs(unsigned seven)
{
	return seven | (unsigned)__builtin_parity(seven) << 7;
}

/* Eight elements of an IQ2 grid. */
static void eight(float db, unsigned entry, unsigned signs, float *dst)
{
	static const float level[4] = {8, 25, 43, 0};
	for (int i = 0; i < 8; i++) {
		float v = db * level[entry >> 2 * i & 3];
		dst[i] = v * (signs >> i & 1 ? -1.0f : 1.0f);
	}
}

/* Eight elements of two entries of an IQ3 grid. */
static void four_four(float db, const float *level, unsigned a, unsigned b, unsigned signs, float *dst)
{
	for (int i = 0; i < 8; i++) {
		float v = db * level[(i < 4 ? a : b) >> 3 * (i % 4) & 7];
		dst[i] = v * (signs >> i & 1 ? -1.0f : 1.0f);
	}
}

static void iq2_xxs(const uint8_t *p, float *dst)
{
	float d = loom_f16_to_f32(le16(p));
	for (int g = 0; g < 8; g++) {
		uint32_t index = le32(p + 2 + 8 * g), rest = le32(p + 6 + 8 * g);
		float db = d * (0.5f + (float)(rest >> 28)) * 0.25f;
		for (int l = 0; l < 4; l++)
			eight(db, loom_grid_iq2_xxs[index >> 8 * l & 255], even_signs(rest >> 7 * l & 127), dst + 32 * g + 8 * l);
	}
}

static void iq2_xs(const uint8_t *p, float *dst)
{
	float d = loom_f16_to_f32(le16(p));
	for (int i = 0; i < 32; i++) {
		unsigned q = le16(p + 2 + 2 * i), s = p[66 + i / 4] >> 4 * (i / 2 % 2) & 15;
		eight(d * (0.5f + (float)s) * 0.25f, loom_grid_iq2_xs[q & 511], even_signs(q >> 9), dst + 8 * i);
	}
}

static void iq2_s(const uint8_t *p, float *dst)
{
	const uint8_t *qs = p + 2, *signs = p + 34, *qh = p + 66, *scales = p + 74;
	float d = loom_f16_to_f32(le16(p));
	for (int i = 0; i < 32; i++) {
		unsigned index = qs[i] | (qh[i / 4] >> 2 * (i % 4) & 3u) << 8, s = scales[i / 4] >> 4 * (i / 2 % 2) & 15;
		eight(d * (0.5f + (float)s) * 0.25f, loom_grid_iq2_s[index], signs[i], dst + 8 * i);
	}
}

static void iq3_xxs(const uint8_t *p, float *dst)
{
	static const float level[8] = {4, 12, 20, 28, 36, 44, 52, 62};
	float d = loom_f16_to_f32(le16(p));
	for (int g = 0; g < 8; g++) {
		uint32_t rest = le32(p + 66 + 4 * g);
		float db = d * (0.5f + (float)(rest >> 28)) * 0.5f;
		for (int l = 0; l < 4; l++) {
			const uint8_t *q = p + 2 + 8 * g + 2 * l;
			four_four(db, level, loom_grid_iq3_xxs[q[0]], loom_grid_iq3_xxs[q[1]], even_signs(rest >> 7 * l & 127), dst + 32 * g + 8 * l);
		}
	}
}

static void iq3_s(const uint8_t *p, float *dst)
{
	static const float level[8] = {1, 3, 5, 7, 9, 11, 13, 15};
	const uint8_t *qs = p + 2, *qh = p + 66, *signs = p + 74, *scales = p + 106;
	float d = loom_f16_to_f32(le16(p));
	for (int i = 0; i < 32; i++) {
		unsigned a = qs[2 * i] | (qh[i / 4] >> (2 * i % 8) & 1u) << 8, b = qs[2 * i + 1] | (qh[i / 4] >> (2 * i % 8 + 1) & 1u) << 8;
		float db = d * (float)(1 + 2 * (scales[i / 8] >> 4 * (i / 4 % 2) & 15));
		four_four(db, level, loom_grid_iq3_s[a], loom_grid_iq3_s[b], signs[i], dst + 8 * i);
	}
}

/* Eight elements of the IQ1 grid: levels -1, 0, 1, moved by an eighth. */
static void moved(float dl, unsigned entry, bool down, float *dst)
{
	for (int i = 0; i < 8; i++)
		dst[i] = dl * ((float)((int)(entry >> 2 * i & 3) - 1) + (down ? -0.125f : 0.125f));
}

static void iq1_s(const uint8_t *p, float *dst)
{
	float d = loom_f16_to_f32(le16(p));
	for (int i = 0; i < 32; i++) {
		unsigned qh = le16(p + 34 + 2 * (i / 4)), index = p[2 + i] | (qh >> 3 * (i % 4) & 7) << 8;
		moved(d * (float)(2 * (qh >> 12 & 7) + 1), loom_grid_iq1[index], qh >> 15, dst + 8 * i);
	}
}

/* The float16 scale lies in the top nibbles of the four words of scales. */
static void iq1_m(const uint8_t *p, float *dst)
{
	const uint8_t *qh = p + 32, *scales = p + 48;
	uint16_t bits = 0;
	for (int i = 0; i < 4; i++)
		bits = (uint16_t)(bits | (le16(scales + 2 * i) >> 12) << 4 * i);
	float d = loom_f16_to_f32(bits);
	for (int i = 0; i < 32; i++) {
		unsigned h = qh[i / 2] >> 4 * (i % 2) & 15, s = le16(scales + 2 * (i / 8)) >> 3 * (i / 2 % 4) & 7;
		moved(d * (float)(2 * s + 1), loom_grid_iq1[p[i] | (h & 7) << 8], h >> 3, dst + 8 * i);
	}
}

/* Trit k of a byte: the byte times 3^k, modulo 256, is a fraction of 256 whose third says it. */
static float trit(uint8_t byte, int k)
{
	static const uint8_t power[5] = {1, 3, 9, 27, 81};
	uint8_t q = (uint8_t)(byte * power[k]);
	return (float)((int)(q * 3u >> 8) - 1);
}

static void tq1_0(const uint8_t *p, float *dst)
{
	float d = loom_f16_to_f32(le16(p + 52));
	for (int k = 0; k < 5; k++) {
		for (int l = 0; l < 32; l++)
			dst[32 * k + l] = d * trit(p[l], k);
		for (int l = 0; l < 16; l++)
			dst[160 + 16 * k + l] = d * trit(p[32 + l], k);
		for (int l = 0; l < 4 && k < 4; l++)
			dst[240 + 4 * k + l] = d * trit(p[48 + l], k);
	}
}

static void q8_k(const uint8_t *p, float *dst)
{
	uint32_t bits = le32(p);
	float d;
	memcpy(&d, &bits, 4);
	for (int i = 0; i < 256; i++)
		dst[i] = d * (float)(int8_t)p[4 + i];
}

void loom_grid_block(enum loom_dtype t, const uint8_t *block, float *dst)
{
	switch (t) {
	case LOOM_IQ1_S: iq1_s(block, dst); break;
	case LOOM_IQ1_M: iq1_m(block, dst); break;
	case LOOM_IQ2_XXS: iq2_xxs(block, dst); break;
	case LOOM_IQ2_XS: iq2_xs(block, dst); break;
	case LOOM_IQ2_S: iq2_s(block, dst); break;
	case LOOM_IQ3_XXS: iq3_xxs(block, dst); break;
	case LOOM_IQ3_S: iq3_s(block, dst); break;
	case LOOM_TQ1_0: tq1_0(block, dst); break;
	case LOOM_Q8_K: q8_k(block, dst); break;
	default: memset(dst, 0, loom_dtype_block(t) * sizeof *dst); /* callers ask loom_dequant_supported first */
	}
}
