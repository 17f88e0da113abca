/* rows_avx512.c: rows_impl.h for LOOM_CPU=avx512. */
#define LOOM_VEC LOOM_VEC_AVX512
#define LOOM_ROWS loom_rows_avx512
#include "rows_impl.h"
