/* cpu_isa.h: which instruction set the kernels use: chosen once, from cpuid and xgetbv, or by LOOM_CPU=ref|avx2|avx512
 * (an ISA that the machine lacks falls back to the best it has, with *note saying so). */
#ifndef LOOM_CPU_ISA_H
#define LOOM_CPU_ISA_H

enum loom_isa { LOOM_ISA_REF, LOOM_ISA_AVX2, LOOM_ISA_AVX512, LOOM_N_ISA };

enum loom_isa loom_isa_best(void);   /* what the machine can do */
enum loom_isa loom_isa_chosen(void); /* best, or LOOM_CPU */
const char *loom_isa_name(enum loom_isa isa);

#endif
