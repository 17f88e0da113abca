/* mix_avx512.c: mix_impl.h for LOOM_CPU=avx512. */
#define LOOM_VEC LOOM_VEC_AVX512
#define LOOM_MIX loom_mix_avx512
#include "mix_impl.h"
