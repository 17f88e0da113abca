/* f16.h: exact widening of float16 and bfloat16, and round-to-nearest-even narrowing (IEEE 754). NaN
 * payloads stay NaN. Array forms may use F16C where the CPU has it; the bits are the same. */
#ifndef LOOM_F16_H
#define LOOM_F16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

float loom_f16_to_f32(uint16_t h);
uint16_t loom_f32_to_f16(float f);
static inline float loom_bf16_to_f32(uint16_t h)
{
	uint32_t u = (uint32_t)h << 16;
	float f;
	memcpy(&f, &u, 4);
	return f;
}
uint16_t loom_f32_to_bf16(float f);

void loom_f16_to_f32_n(const uint16_t *src, float *dst, size_t n);
void loom_bf16_to_f32_n(const uint16_t *src, float *dst, size_t n);
void loom_f32_to_f16_n(const float *src, uint16_t *dst, size_t n);
void loom_f32_to_bf16_n(const float *src, uint16_t *dst, size_t n);

#endif
