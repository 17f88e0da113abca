/* rows_ref.c: rows_impl.h for LOOM_CPU=ref, in plain C: the definition. */
#define LOOM_VEC LOOM_VEC_REF
#define LOOM_ROWS loom_rows_ref
#include "rows_impl.h"
