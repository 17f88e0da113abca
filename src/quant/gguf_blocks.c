/* gguf_blocks.c: ggml's simple blocks of 32 elements → float32 (shared/reference/quantization.md; ggml's own definition, in float32
 * arithmetic with one rounding a step as there). Each block starts with its float16 scale. */
#include "dequant.h"

#include <string.h>

#include "f16.h"

#define BLOCK 32

static uint16_t le16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Nibble i of a block's 16 bytes: elements 0..15 are the low halves, 16..31 the high ones. */
static int nibble(const unsigned char *q, int i)
{
	return i < 16 ? q[i] & 15 : q[i - 16] >> 4;
}

static void q4_0(const unsigned char *p, float *dst)
{
	float d = loom_f16_to_f32(le16(p));
	for (int i = 0; i < BLOCK; i++)
		dst[i] = (float)(nibble(p + 2, i) - 8) * d;
}

static void q4_1(const unsigned char *p, float *dst)
{
	float d = loom_f16_to_f32(le16(p)), m = loom_f16_to_f32(le16(p + 2));
	for (int i = 0; i < BLOCK; i++)
		dst[i] = (float)nibble(p + 4, i) * d + m;
}

static void q5_0(const unsigned char *p, float *dst)
{
	float d = loom_f16_to_f32(le16(p));
	uint32_t high = le32(p + 2);
	for (int i = 0; i < BLOCK; i++)
		dst[i] = (float)((nibble(p + 6, i) | (int)(high >> i & 1) << 4) - 16) * d;
}

static void q5_1(const unsigned char *p, float *dst)
{
	float d = loom_f16_to_f32(le16(p)), m = loom_f16_to_f32(le16(p + 2));
	uint32_t high = le32(p + 4);
	for (int i = 0; i < BLOCK; i++)
		dst[i] = (float)(nibble(p + 8, i) | (int)(high >> i & 1) << 4) * d + m;
}

static void q8_0(const unsigned char *p, float *dst)
{
	float d = loom_f16_to_f32(le16(p));
	for (int i = 0; i < BLOCK; i++)
		dst[i] = (float)(int8_t)p[2 + i] * d;
}

static void blocks(const unsigned char *src, float *dst, size_t n, size_t bytes, void (*one)(const unsigned char *, float *))
{
	for (size_t i = 0; i + BLOCK <= n; i += BLOCK, src += bytes)
		one(src, dst + i);
}

bool loom_dequant_supported(enum loom_dtype t)
{
	switch (t) {
	case LOOM_F32: case LOOM_F16: case LOOM_BF16: case LOOM_F64:
	case LOOM_Q4_0: case LOOM_Q4_1: case LOOM_Q5_0: case LOOM_Q5_1: case LOOM_Q8_0:
		return true;
	default:
		return false;
	}
}

void loom_dequant(enum loom_dtype t, const void *src, float *dst, size_t n)
{
	size_t bytes = loom_dtype_block_bytes(t);
	switch (t) {
	case LOOM_F32:
		memcpy(dst, src, n * sizeof *dst);
		break;
	case LOOM_F16:
		loom_f16_to_f32_n(src, dst, n);
		break;
	case LOOM_BF16:
		loom_bf16_to_f32_n(src, dst, n);
		break;
	case LOOM_F64:
		for (size_t i = 0; i < n; i++) {
			double d;
			memcpy(&d, (const char *)src + i * 8, 8);
			dst[i] = (float)d;
		}
		break;
	case LOOM_Q4_0: blocks(src, dst, n, bytes, q4_0); break;
	case LOOM_Q4_1: blocks(src, dst, n, bytes, q4_1); break;
	case LOOM_Q5_0: blocks(src, dst, n, bytes, q5_0); break;
	case LOOM_Q5_1: blocks(src, dst, n, bytes, q5_1); break;
	case LOOM_Q8_0: blocks(src, dst, n, bytes, q8_0); break;
	default: memset(dst, 0, n * sizeof *dst); /* callers ask loom_dequant_supported first */
	}
}
