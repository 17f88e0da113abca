/* packq_avx512.c: packq_impl.h for one instruction set. */
#define LOOM_VEC LOOM_VEC_AVX512
#include "packq_impl.h"

const struct loom_packq_kernels loom_packq_avx512 = {.widen = widen, .dot = dot};
