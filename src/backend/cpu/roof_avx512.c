/* roof_avx512.c: roof_impl.h for LOOM_CPU=avx512. */
#define LOOM_VEC LOOM_VEC_AVX512
#define LOOM_ROOF loom_roof_avx512
#include "roof_impl.h"
