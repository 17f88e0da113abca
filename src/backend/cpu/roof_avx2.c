/* roof_avx2.c: roof_impl.h for LOOM_CPU=avx2. */
#define LOOM_VEC LOOM_VEC_AVX2
#define LOOM_ROOF loom_roof_avx2
#include "roof_impl.h"
