/* dtype.h: every element type that the file formats can name, and which of them Loom reads as weights. */
#ifndef LOOM_DTYPE_H
#define LOOM_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum loom_dtype {
	LOOM_DTYPE_UNKNOWN = 0,
	LOOM_F32, LOOM_F16, LOOM_BF16, LOOM_F64,
	LOOM_I8, LOOM_U8, LOOM_I16, LOOM_U16, LOOM_I32, LOOM_U32, LOOM_I64, LOOM_U64, LOOM_BOOL,
	LOOM_F8_E4M3, LOOM_F8_E5M2, LOOM_F8_E8M0, LOOM_F6_E2M3, LOOM_F6_E3M2, LOOM_F4, LOOM_C64,
	/* GGML blocks */
	LOOM_Q4_0, LOOM_Q4_1, LOOM_Q5_0, LOOM_Q5_1, LOOM_Q8_0, LOOM_Q8_1,
	LOOM_Q2_K, LOOM_Q3_K, LOOM_Q4_K, LOOM_Q5_K, LOOM_Q6_K, LOOM_Q8_K,
	LOOM_IQ1_S, LOOM_IQ1_M, LOOM_IQ2_XXS, LOOM_IQ2_XS, LOOM_IQ2_S, LOOM_IQ3_XXS, LOOM_IQ3_S, LOOM_IQ4_NL, LOOM_IQ4_XS,
	LOOM_TQ1_0, LOOM_TQ2_0, LOOM_MXFP4,
	LOOM_GGML_OTHER, /* a block type that is known by number and not read yet */
	LOOM_N_DTYPE
};

/* "float32", "bfloat16", "q4_1", … : the name in answers and messages. */
const char *loom_dtype_name(enum loom_dtype t);
/* Safetensors header name ("F32", "BF16", "F8_E4M3", …) → dtype; LOOM_DTYPE_UNKNOWN if none. */
enum loom_dtype loom_dtype_from_safetensors(const char *name);
/* config.json's torch_dtype / dtype ("float32", "torch.bfloat16", "float16", …). */
enum loom_dtype loom_dtype_from_torch(const char *name);
/* Elements in a block and bytes of a block (plain types: 1 element). Sub-byte types give bits below. */
size_t loom_dtype_block(enum loom_dtype t);
size_t loom_dtype_block_bytes(enum loom_dtype t);
/* Bits an element, for types without blocks; 0 for block types. */
size_t loom_dtype_bits(enum loom_dtype t);
/* Bytes of n elements; false on overflow or when n does not fill whole blocks / bytes. */
bool loom_dtype_bytes(enum loom_dtype t, uint64_t n, uint64_t *bytes);

#endif
