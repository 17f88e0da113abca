/* packq_ref.c: packq_impl.h for one instruction set. */
#define LOOM_VEC LOOM_VEC_REF
#include "packq_impl.h"

const struct loom_packq_kernels loom_packq_ref = {.widen = widen, .dot = dot};
