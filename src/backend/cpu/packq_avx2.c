/* packq_avx2.c: packq_impl.h for one instruction set. */
#define LOOM_VEC LOOM_VEC_AVX2
#include "packq_impl.h"

const struct loom_packq_kernels loom_packq_avx2 = {.widen = widen, .dot = dot};
