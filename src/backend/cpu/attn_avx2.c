/* attn_avx2.c: attn_impl.h for LOOM_CPU=avx2. */
#define LOOM_VEC LOOM_VEC_AVX2
#define LOOM_ATTN loom_attn_avx2
#include "attn_impl.h"
