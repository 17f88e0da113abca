/* int8_ref.c: int8_impl.h and llm8_impl.h for one instruction set. */
#define LOOM_VEC LOOM_VEC_REF
#include "int8_impl.h"
#include "llm8_impl.h"

const struct loom_int8 loom_int8_ref = {.row = row, .dot = dot, .llm_row = llm_row, .llm_dot = llm_dot};
