/* dot.c: is the processor's bfloat16 dot product the one that dot.h defines? Asked of cpuid, then tried. */
#include "dot.h"

#include <pthread.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "matmul.h"

#define TRIED_K 32

static bool has_instruction(void)
{
#if defined(__x86_64__)
	unsigned a, b, c, d;

	return loom_isa_best() == LOOM_ISA_AVX512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
#else
	return false;
#endif
}

/* One tile of numbers of all sizes, from denormal to near overflow. */
static bool same_bits(void)
{
	uint16_t w[TRIED_K * LOOM_PANEL], x[TRIED_K];
	float want[LOOM_PANEL], got[LOOM_PANEL];

	for (uint32_t turn = 0; turn < 16; turn++) {
		uint32_t state = 2463534242u + turn, scale = turn * 4; /* exponents around 64 + scale */
		for (size_t i = 0; i < TRIED_K * LOOM_PANEL + TRIED_K; i++) {
			state ^= state << 13;
			state ^= state >> 17;
			state ^= state << 5;
			uint16_t v = (uint16_t)((state & 0x8000u) | ((34 + scale + (state >> 8 & 3)) << 7) | (state & 0x7fu));
			*(i < TRIED_K ? &x[i] : &w[i - TRIED_K]) = v;
		}
		loom_dot_ref.tile[0](w, TRIED_K, x, TRIED_K, want, LOOM_PANEL, true, NULL);
		loom_dot_bf16.tile[0](w, TRIED_K, x, TRIED_K, got, LOOM_PANEL, true, NULL);
		for (size_t i = 0; i < LOOM_PANEL; i++) {
			uint32_t a, b;
			memcpy(&a, &want[i], sizeof(a));
			memcpy(&b, &got[i], sizeof(b));
			if (a != b) {
				return false;
			}
		}
	}
	return true;
}

static bool native;

static void look(void)
{
	native = has_instruction() && same_bits();
}

bool loom_dot_native(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, look);
	return native;
}
