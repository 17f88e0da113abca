/* cpu_isa.c: which instruction set, and the kernel tables of each. */
#include "cpu_isa.h"

#include <stdlib.h>

#include "attn.h"
#include "dot.h"
#include "int8.h"
#include "loom_backend.h"
#include "matmul_kernels.h"
#include "mix.h"
#include "rows.h"
#include "str.h"

static const char *const names[LOOM_N_ISA] = {"ref", "avx2", "avx512"};

enum loom_isa loom_isa_best(void)
{
	/* These ask the operating system's state (xgetbv) too. */
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
		__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma")) {
		return LOOM_ISA_AVX512;
	}
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? LOOM_ISA_AVX2 : LOOM_ISA_REF;
}

enum loom_isa loom_isa_chosen(void)
{
	enum loom_isa best = loom_isa_best();
	const char *asked = getenv("LOOM_CPU");

	for (int i = 0; asked && i <= (int)best; i++) {
		if (loom_str_eq(asked, names[i])) {
			return (enum loom_isa)i;
		}
	}
	return best;
}

const char *loom_isa_name(enum loom_isa isa)
{
	return names[isa];
}

const char *loom_cpu_isa(void)
{
	return names[loom_isa_chosen()];
}

const struct loom_rows *loom_rows_for(enum loom_isa isa)
{
	static const struct loom_rows *const tables[LOOM_N_ISA] = {&loom_rows_ref, &loom_rows_avx2, &loom_rows_avx512};

	return tables[isa];
}

const struct loom_attn *loom_attn_for(enum loom_isa isa)
{
	static const struct loom_attn *const tables[LOOM_N_ISA] = {&loom_attn_ref, &loom_attn_avx2, &loom_attn_avx512};

	return tables[isa];
}

const struct loom_mix *loom_mix_for(enum loom_isa isa)
{
	static const struct loom_mix *const tables[LOOM_N_ISA] = {&loom_mix_ref, &loom_mix_avx2, &loom_mix_avx512};

	return tables[isa];
}

const struct loom_matmul_kernels *loom_matmul_kernels_for(enum loom_isa isa)
{
	static const struct loom_matmul_kernels *const tables[LOOM_N_ISA] = {&loom_matmul_ref, &loom_matmul_avx2, &loom_matmul_avx512};

	return tables[isa];
}

const struct loom_int8 *loom_int8_for(enum loom_isa isa)
{
	static const struct loom_int8 *const tables[LOOM_N_ISA] = {&loom_int8_ref, &loom_int8_avx2, &loom_int8_avx2};

	return isa == LOOM_ISA_AVX512 && __builtin_cpu_supports("avx512vnni") ? &loom_int8_vnni : tables[isa];
}

const struct loom_dot *loom_dot_for(enum loom_isa isa)
{
	static const struct loom_dot *const tables[LOOM_N_ISA] = {&loom_dot_ref, &loom_dot_avx2, &loom_dot_avx2};

	return isa == LOOM_ISA_AVX512 && loom_dot_native() ? &loom_dot_bf16 : tables[isa];
}
