/* rows_avx2.c: rows_impl.h for LOOM_CPU=avx2. */
#define LOOM_VEC LOOM_VEC_AVX2
#define LOOM_ROWS loom_rows_avx2
#include "rows_impl.h"
