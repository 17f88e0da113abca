/* mix_ref.c: mix_impl.h for LOOM_CPU=ref, in plain C: the definition. */
#define LOOM_VEC LOOM_VEC_REF
#define LOOM_MIX loom_mix_ref
#include "mix_impl.h"
