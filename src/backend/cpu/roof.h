/* roof.h: what this machine can do at most, measured: multiply-adds in registers, and reading memory. For `loom bench` only. */
#ifndef LOOM_ROOF_H
#define LOOM_ROOF_H

#include <stddef.h>

#include "cpu_isa.h"
#include "err.h"

struct loom_roof {
	double flops;      /* float32 multiply-adds of all threads together, two flops each, a second */
	double read_bytes; /* bytes a second read from memory by all threads */
};
/* Takes about half a second. */
enum loom_status loom_cpu_roof(int n_thread, struct loom_roof *out, struct loom_err *err) LOOM_MUST_CHECK;

/* ---- for roof.c: one table for each instruction set ---- */
struct loom_roof_kernels {
	size_t chains;                              /* independent vectors of 16 lanes */
	float (*multiply)(size_t rounds);           /* rounds * chains * 16 multiply-adds */
	float (*read)(const float *p, size_t n);    /* n a multiple of 64 */
};
extern const struct loom_roof_kernels loom_roof_ref, loom_roof_avx2, loom_roof_avx512;

#endif
