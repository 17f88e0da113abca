/* gguf_blocks.c: ggml's blocks of codes, and the values they stand for (shared/reference/quantization.md, section 7). Fields are
 * little-endian and float16 scales may lie at any address. */
#include "gguf_blocks.h"

#include <string.h>

#include "dequant.h"
#include "f16.h"

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* A block's 16 bytes of nibbles: elements 0..15 are the low halves, 16..31 the high ones. */
static void nibbles(const uint8_t *q, uint8_t *code)
{
	for (int i = 0; i < 16; i++) {
		code[i] = q[i] & 15;
		code[16 + i] = q[i] >> 4;
	}
}

static void split_q4_0(const uint8_t *p, struct loom_block_parts *o)
{
	o->d = le16(p);
	nibbles(p + 2, o->code);
}

static void split_q4_1(const uint8_t *p, struct loom_block_parts *o)
{
	o->d = le16(p);
	o->m = le16(p + 2);
	nibbles(p + 4, o->code);
}

static void fifth_bits(const uint8_t *p, uint8_t *code)
{
	uint32_t high = le32(p);
	for (int i = 0; i < 32; i++)
		code[i] = (uint8_t)(code[i] | (high >> i & 1) << 4);
}

static void split_q5_0(const uint8_t *p, struct loom_block_parts *o)
{
	o->d = le16(p);
	nibbles(p + 6, o->code);
	fifth_bits(p + 2, o->code);
}

static void split_q5_1(const uint8_t *p, struct loom_block_parts *o)
{
	o->d = le16(p);
	o->m = le16(p + 2);
	nibbles(p + 8, o->code);
	fifth_bits(p + 4, o->code);
}

static void split_q8_0(const uint8_t *p, struct loom_block_parts *o)
{
	o->d = le16(p);
	memcpy(o->code, p + 2, 32);
}

/* Two bits each: byte 32n+l holds elements 128n+32j+l, j = 0..3 from the low end. */
static void crumbs(const uint8_t *q, uint8_t *code)
{
	for (int n = 0; n < 2; n++) {
		for (int j = 0; j < 4; j++) {
			for (int l = 0; l < 32; l++)
				code[128 * n + 32 * j + l] = q[32 * n + l] >> 2 * j & 3;
		}
	}
}

static void split_q2_k(const uint8_t *p, struct loom_block_parts *o)
{
	for (int g = 0; g < 16; g++) {
		o->scale[g] = (int8_t)(p[g] & 15);
		o->min[g] = p[g] >> 4;
	}
	crumbs(p + 16, o->code);
	o->d = le16(p + 80);
	o->m = le16(p + 82);
}

static void split_q3_k(const uint8_t *p, struct loom_block_parts *o)
{
	const uint8_t *s = p + 96;
	crumbs(p + 32, o->code);
	for (int i = 0; i < 256; i++)
		o->code[i] = (uint8_t)(o->code[i] | (p[i % 32] >> (i / 32) & 1) << 2); /* the high bit set: nothing is taken away */
	for (int g = 0; g < 16; g++)
		o->scale[g] = (int8_t)(((s[g % 8] >> 4 * (g / 8) & 15) | (s[8 + g % 4] >> 2 * (g / 4) & 3) << 4) - 32);
	o->d = le16(p + 108);
}

/* Q4_K and Q5_K: eight 6-bit scales and eight 6-bit minima in twelve bytes. */
static void six_bit_scales(const uint8_t *s, struct loom_block_parts *o)
{
	for (int g = 0; g < 4; g++) {
		o->scale[g] = (int8_t)(s[g] & 63);
		o->min[g] = s[g + 4] & 63;
		o->scale[g + 4] = (int8_t)((s[g + 8] & 15) | s[g] >> 6 << 4);
		o->min[g + 4] = (uint8_t)(s[g + 8] >> 4 | s[g + 4] >> 6 << 4);
	}
}

static void split_q4_k(const uint8_t *p, struct loom_block_parts *o)
{
	o->d = le16(p);
	o->m = le16(p + 2);
	six_bit_scales(p + 4, o);
	for (int i = 0; i < 256; i++)
		o->code[i] = p[16 + i / 64 * 32 + i % 32] >> 4 * (i / 32 % 2) & 15;
}

static void split_q5_k(const uint8_t *p, struct loom_block_parts *o)
{
	o->d = le16(p);
	o->m = le16(p + 2);
	six_bit_scales(p + 4, o);
	for (int i = 0; i < 256; i++) {
		uint8_t low = p[48 + i / 64 * 32 + i % 32] >> 4 * (i / 32 % 2) & 15;
		o->code[i] = (uint8_t)(low | (p[16 + i % 32] >> (i / 32) & 1) << 4);
	}
}

static void split_q6_k(const uint8_t *p, struct loom_block_parts *o)
{
	for (int n = 0; n < 2; n++) {
		for (int j = 0; j < 4; j++) {
			for (int l = 0; l < 32; l++) {
				uint8_t low = p[64 * n + 32 * (j % 2) + l] >> 4 * (j / 2) & 15, high = p[128 + 32 * n + l] >> 2 * j & 3;
				o->code[128 * n + 32 * j + l] = (uint8_t)(low | high << 4);
			}
		}
	}
	memcpy(o->scale, p + 192, 16);
	o->d = le16(p + 208);
}

static void split_iq4_xs(const uint8_t *p, struct loom_block_parts *o)
{
	uint16_t high = le16(p + 2);
	o->d = le16(p);
	for (int g = 0; g < 8; g++) {
		o->scale[g] = (int8_t)(((p[4 + g / 2] >> 4 * (g % 2) & 15) | (high >> 2 * g & 3) << 4) - 32);
		nibbles(p + 8 + 16 * g, o->code + 32 * g);
	}
}

static void split_tq2_0(const uint8_t *p, struct loom_block_parts *o)
{
	crumbs(p, o->code);
	o->d = le16(p + 64);
}

static void split_mxfp4(const uint8_t *p, struct loom_block_parts *o)
{
	o->d = p[0];
	nibbles(p + 1, o->code);
}

static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
static const int8_t mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

const struct loom_block_form *loom_block_form(enum loom_dtype t)
{
	static const struct loom_block_form forms[LOOM_N_DTYPE] = {
		[LOOM_Q4_0] = {LOOM_SCALE_D, 4, 8, 32, NULL, split_q4_0},
		[LOOM_Q4_1] = {LOOM_SCALE_DM, 4, 0, 32, NULL, split_q4_1},
		[LOOM_Q5_0] = {LOOM_SCALE_D, 5, 16, 32, NULL, split_q5_0},
		[LOOM_Q5_1] = {LOOM_SCALE_DM, 5, 0, 32, NULL, split_q5_1},
		[LOOM_Q8_0] = {LOOM_SCALE_D, 8, 0, 32, NULL, split_q8_0},
		[LOOM_Q2_K] = {LOOM_SCALE_SUBM, 2, 0, 16, NULL, split_q2_k},
		[LOOM_Q3_K] = {LOOM_SCALE_SUB, 3, 4, 16, NULL, split_q3_k},
		[LOOM_Q4_K] = {LOOM_SCALE_SUBM, 4, 0, 32, NULL, split_q4_k},
		[LOOM_Q5_K] = {LOOM_SCALE_SUBM, 5, 0, 32, NULL, split_q5_k},
		[LOOM_Q6_K] = {LOOM_SCALE_SUB, 6, 32, 16, NULL, split_q6_k},
		[LOOM_IQ4_NL] = {LOOM_SCALE_D, 4, 0, 32, iq4_values, split_q4_0},
		[LOOM_IQ4_XS] = {LOOM_SCALE_SUB, 4, 0, 32, iq4_values, split_iq4_xs},
		[LOOM_TQ2_0] = {LOOM_SCALE_D, 2, 1, 256, NULL, split_tq2_0},
		[LOOM_MXFP4] = {LOOM_SCALE_E8, 4, 0, 32, mxfp4_values, split_mxfp4},
	};
	return (unsigned)t < LOOM_N_DTYPE && forms[t].split ? &forms[t] : NULL;
}

float loom_e8_scale(uint8_t e)
{
	uint32_t bits = e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23;
	float f;
	memcpy(&f, &bits, 4);
	return f;
}

static float value(const struct loom_block_form *f, uint8_t code)
{
	return (float)(f->table ? f->table[code] : f->bits == 8 ? (int8_t)code : code - f->offset);
}

static void block(const struct loom_block_form *f, size_t n, const uint8_t *src, float *dst)
{
	struct loom_block_parts p;
	f->split(src, &p);
	float d = f->rule == LOOM_SCALE_E8 ? loom_e8_scale((uint8_t)p.d) : loom_f16_to_f32(p.d), m = 0;
	bool sub = f->rule == LOOM_SCALE_SUB || f->rule == LOOM_SCALE_SUBM, add = f->rule == LOOM_SCALE_DM || f->rule == LOOM_SCALE_SUBM;
	if (add)
		m = loom_f16_to_f32(p.m);
	for (size_t g = 0; g < n / (size_t)f->group; g++) {
		float a = sub ? d * (float)p.scale[g] : d, b = f->rule == LOOM_SCALE_SUBM ? -(m * (float)p.min[g]) : m;
		for (size_t i = g * (size_t)f->group; i < (g + 1) * (size_t)f->group; i++) {
			float v = value(f, p.code[i]) * a;
			dst[i] = add ? v + b : v;
		}
	}
}

bool loom_dequant_supported(enum loom_dtype t)
{
	switch (t) {
	case LOOM_F32: case LOOM_F16: case LOOM_BF16: case LOOM_F64: case LOOM_Q8_K: case LOOM_TQ1_0: case LOOM_IQ1_S: case LOOM_IQ1_M:
	case LOOM_IQ2_XXS: case LOOM_IQ2_XS: case LOOM_IQ2_S: case LOOM_IQ3_XXS: case LOOM_IQ3_S:
		return true;
	default:
		return loom_block_form(t) != NULL;
	}
}

void loom_dequant(enum loom_dtype t, const void *src, float *dst, size_t n)
{
	const struct loom_block_form *form = loom_block_form(t);
	size_t step = loom_dtype_block(t), bytes = loom_dtype_block_bytes(t);
	switch (t) {
	case LOOM_F32:
		memcpy(dst, src, n * sizeof *dst);
		return;
	case LOOM_F16:
		loom_f16_to_f32_n(src, dst, n);
		return;
	case LOOM_BF16:
		loom_bf16_to_f32_n(src, dst, n);
		return;
	case LOOM_F64:
		for (size_t i = 0; i < n; i++) {
			double d;
			memcpy(&d, (const char *)src + i * 8, 8);
			dst[i] = (float)d;
		}
		return;
	default:
		break;
	}
	for (size_t i = 0; i + step <= n; i += step) {
		const uint8_t *at = (const uint8_t *)src + i / step * bytes;
		if (form)
			block(form, step, at, dst + i);
		else
			loom_grid_block(t, at, dst + i);
	}
}

/* Where each type keeps its float16 scales, from the block's start; -1: none. IQ1_M spreads its one over words, MXFP4 has an
 * exponent, Q8_K a float32. */
static void scale_places(enum loom_dtype t, int at[2])
{
	at[0] = 0;
	at[1] = -1;
	switch (t) {
	case LOOM_Q4_1: case LOOM_Q5_1: case LOOM_Q4_K: case LOOM_Q5_K: at[1] = 2; break;
	case LOOM_Q2_K: at[0] = 80; at[1] = 82; break;
	case LOOM_Q3_K: at[0] = 108; break;
	case LOOM_Q6_K: at[0] = 208; break;
	case LOOM_TQ1_0: at[0] = 52; break;
	case LOOM_TQ2_0: at[0] = 64; break;
	default: break;
	}
}

bool loom_blocks_finite(enum loom_dtype t, const void *src, size_t n)
{
	size_t bytes = loom_dtype_block_bytes(t), blocks = n / loom_dtype_block(t);
	const uint8_t *p = src;
	int at[2];
	if (loom_dtype_block(t) == 1)
		return true;
	scale_places(t, at);
	for (size_t i = 0; i < blocks; i++, p += bytes) {
		if (t == LOOM_MXFP4) {
			if (p[0] == 255)
				return false;
		} else if (t == LOOM_Q8_K) {
			if ((le32(p) & 0x7f800000u) == 0x7f800000u)
				return false;
		} else if (t == LOOM_IQ1_M) {
			if ((le16(p + 54) & 0x7000) == 0x7000 && (le16(p + 52) & 0xc000) == 0xc000)
				return false;
		} else if ((le16(p + at[0]) & 0x7c00) == 0x7c00 || (at[1] >= 0 && (le16(p + at[1]) & 0x7c00) == 0x7c00)) {
			return false;
		}
	}
	return true;
}
