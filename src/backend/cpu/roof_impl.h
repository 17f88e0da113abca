/* roof_impl.h: the loops of roof.h over vec16, compiled once for each instruction set. The including file sets LOOM_VEC and LOOM_ROOF
 * (the table's name). */
#include "roof.h"
#include "vec16.h"

#if LOOM_VEC == LOOM_VEC_AVX512
#define CHAINS 16
#elif LOOM_VEC == LOOM_VEC_AVX2
#define CHAINS 6
#else
#define CHAINS 1
#endif

static float multiply(size_t rounds)
{
	vec16 sum[CHAINS], x = vec_set1(0.999f), y = vec_set1(0.001f);

	for (int c = 0; c < CHAINS; c++)
		sum[c] = vec_set1((float)c);
	for (size_t i = 0; i < rounds; i++) {
		for (int c = 0; c < CHAINS; c++)
			sum[c] = vec_fma(sum[c], x, y);
	}
	for (int c = 1; c < CHAINS; c++)
		sum[0] = vec_add(sum[0], sum[c]);
	return vec_sum(sum[0]);
}

static float read_all(const float *p, size_t n)
{
	vec16 sum[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};

	for (size_t i = 0; i < n; i += 64) {
		for (size_t c = 0; c < 4; c++)
			sum[c] = vec_add(sum[c], vec_load(p + i + 16 * c));
	}
	return vec_sum(vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3])));
}

const struct loom_roof_kernels LOOM_ROOF = {.chains = CHAINS, .multiply = multiply, .read = read_all};
