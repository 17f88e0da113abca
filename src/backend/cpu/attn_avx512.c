/* attn_avx512.c: attn_impl.h for LOOM_CPU=avx512. */
#define LOOM_VEC LOOM_VEC_AVX512
#define LOOM_ATTN loom_attn_avx512
#include "attn_impl.h"
