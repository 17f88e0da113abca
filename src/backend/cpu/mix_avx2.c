/* mix_avx2.c: mix_impl.h for LOOM_CPU=avx2. */
#define LOOM_VEC LOOM_VEC_AVX2
#define LOOM_MIX loom_mix_avx2
#include "mix_impl.h"
