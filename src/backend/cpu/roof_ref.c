/* roof_ref.c: roof_impl.h for LOOM_CPU=ref. */
#define LOOM_VEC LOOM_VEC_REF
#define LOOM_ROOF loom_roof_ref
#include "roof_impl.h"
