/* attn_ref.c: attn_impl.h for LOOM_CPU=ref, in plain C: the definition. */
#define LOOM_VEC LOOM_VEC_REF
#define LOOM_ATTN loom_attn_ref
#include "attn_impl.h"
