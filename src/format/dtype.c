/* dtype.c: the table of element types. See dtype.h. */
#include "dtype.h"

#include <string.h>

static const struct {
	const char *name, *st; /* our name; safetensors' name */
	size_t block, bytes, bits;
} types[LOOM_N_DTYPE] = {
	[LOOM_DTYPE_UNKNOWN] = {"unknown", NULL, 1, 0, 0},
	[LOOM_F32] = {"float32", "F32", 1, 4, 32}, [LOOM_F16] = {"float16", "F16", 1, 2, 16}, [LOOM_BF16] = {"bfloat16", "BF16", 1, 2, 16},
	[LOOM_F64] = {"float64", "F64", 1, 8, 64}, [LOOM_I8] = {"int8", "I8", 1, 1, 8}, [LOOM_U8] = {"uint8", "U8", 1, 1, 8},
	[LOOM_I16] = {"int16", "I16", 1, 2, 16}, [LOOM_U16] = {"uint16", "U16", 1, 2, 16}, [LOOM_I32] = {"int32", "I32", 1, 4, 32},
	[LOOM_U32] = {"uint32", "U32", 1, 4, 32}, [LOOM_I64] = {"int64", "I64", 1, 8, 64}, [LOOM_U64] = {"uint64", "U64", 1, 8, 64},
	[LOOM_BOOL] = {"bool", "BOOL", 1, 1, 8}, [LOOM_F8_E4M3] = {"float8_e4m3", "F8_E4M3", 1, 1, 8},
	[LOOM_F8_E5M2] = {"float8_e5m2", "F8_E5M2", 1, 1, 8}, [LOOM_F8_E8M0] = {"float8_e8m0", "F8_E8M0", 1, 1, 8},
	[LOOM_F6_E2M3] = {"float6_e2m3", "F6_E2M3", 1, 0, 6}, [LOOM_F6_E3M2] = {"float6_e3m2", "F6_E3M2", 1, 0, 6},
	[LOOM_F4] = {"float4", "F4", 1, 0, 4}, [LOOM_C64] = {"complex64", "C64", 1, 8, 64},
	[LOOM_Q4_0] = {"q4_0", NULL, 32, 18, 0}, [LOOM_Q4_1] = {"q4_1", NULL, 32, 20, 0}, [LOOM_Q5_0] = {"q5_0", NULL, 32, 22, 0},
	[LOOM_Q5_1] = {"q5_1", NULL, 32, 24, 0}, [LOOM_Q8_0] = {"q8_0", NULL, 32, 34, 0}, [LOOM_Q8_1] = {"q8_1", NULL, 32, 36, 0},
	[LOOM_Q2_K] = {"q2_k", NULL, 256, 84, 0}, [LOOM_Q3_K] = {"q3_k", NULL, 256, 110, 0}, [LOOM_Q4_K] = {"q4_k", NULL, 256, 144, 0},
	[LOOM_Q5_K] = {"q5_k", NULL, 256, 176, 0}, [LOOM_Q6_K] = {"q6_k", NULL, 256, 210, 0}, [LOOM_Q8_K] = {"q8_k", NULL, 256, 292, 0},
	[LOOM_IQ1_S] = {"iq1_s", NULL, 256, 50, 0}, [LOOM_IQ1_M] = {"iq1_m", NULL, 256, 56, 0}, [LOOM_IQ2_XXS] = {"iq2_xxs", NULL, 256, 66, 0},
	[LOOM_IQ2_XS] = {"iq2_xs", NULL, 256, 74, 0}, [LOOM_IQ2_S] = {"iq2_s", NULL, 256, 82, 0},
	[LOOM_IQ3_XXS] = {"iq3_xxs", NULL, 256, 98, 0}, [LOOM_IQ3_S] = {"iq3_s", NULL, 256, 110, 0},
	[LOOM_IQ4_NL] = {"iq4_nl", NULL, 32, 18, 0}, [LOOM_IQ4_XS] = {"iq4_xs", NULL, 256, 136, 0},
	[LOOM_TQ1_0] = {"tq1_0", NULL, 256, 54, 0}, [LOOM_TQ2_0] = {"tq2_0", NULL, 256, 66, 0}, [LOOM_MXFP4] = {"mxfp4", NULL, 32, 17, 0},
	[LOOM_GGML_OTHER] = {"another ggml type", NULL, 1, 0, 0},
};

const char *loom_dtype_name(enum loom_dtype t)
{
	return types[(unsigned)t < LOOM_N_DTYPE ? t : LOOM_DTYPE_UNKNOWN].name;
}

enum loom_dtype loom_dtype_from_safetensors(const char *name)
{
	for (int i = 1; i < LOOM_N_DTYPE; i++) {
		if (types[i].st && strcmp(types[i].st, name) == 0)
			return (enum loom_dtype)i;
	}
	return LOOM_DTYPE_UNKNOWN;
}

enum loom_dtype loom_dtype_from_torch(const char *name)
{
	if (strncmp(name, "torch.", 6) == 0)
		name += 6;
	static const struct {
		const char *name;
		enum loom_dtype type;
	} words[] = {{"float32", LOOM_F32}, {"float", LOOM_F32}, {"float16", LOOM_F16}, {"half", LOOM_F16}, {"bfloat16", LOOM_BF16},
		{"float64", LOOM_F64}, {"double", LOOM_F64}};
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(words[i].name, name) == 0)
			return words[i].type;
	}
	return LOOM_DTYPE_UNKNOWN;
}

size_t loom_dtype_block(enum loom_dtype t)
{
	return types[t].block;
}

size_t loom_dtype_block_bytes(enum loom_dtype t)
{
	return types[t].bytes;
}

size_t loom_dtype_bits(enum loom_dtype t)
{
	return types[t].bits;
}

bool loom_dtype_bytes(enum loom_dtype t, uint64_t n, uint64_t *bytes)
{
	uint64_t bits;
	if (types[t].bits) {
		if (__builtin_mul_overflow(n, (uint64_t)types[t].bits, &bits) || bits % 8 != 0)
			return false;
		*bytes = bits / 8;
		return true;
	}
	return types[t].bytes && n % types[t].block == 0 && !__builtin_mul_overflow(n / types[t].block, (uint64_t)types[t].bytes, bytes);
}
