/* quantize.h: a model file in, a smaller one out, tensor by tensor: what `loom quantize` does. */
#ifndef LOOM_QUANTIZE_H
#define LOOM_QUANTIZE_H

#include "dtype.h"
#include "err.h"
#include "source.h"

struct loom_quantize_opts {
	void (*progress)(void *ctx, size_t done, size_t total); /* tensors; NULL: none */
	void *ctx;
};
/* GGUF → GGUF: matrices of blocks as type (q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k, or float32, float16,
 * bfloat16), embeddings and head as q6_k (q8_0 or the float type where asked for that), rows that fill no block of 256 as the next finer type of 32;
 * everything else is copied. */
enum loom_status loom_quantize_gguf(const char *in, const char *out, enum loom_dtype type, const struct loom_quantize_opts *o,
	struct loom_err *err) LOOM_MUST_CHECK;
/* A folder of float safetensors → GGUF, with the same types; what is not in a matrix is float32. LOOM_E_MODEL, and no file, when the family, a feature
 * of this model or its tokenizer can't be said in GGUF, with the reason. */
enum loom_status loom_quantize_convert(const struct loom_source *in, const char *out, enum loom_dtype type, const struct loom_quantize_opts *o,
	struct loom_err *err) LOOM_MUST_CHECK;
/* A folder of float safetensors → a folder as transformers writes it with bitsandbytes. quantization: "4bit" (NF4), "4bit-double" (with double
 * statistics) or "8bit" (int8), as on load. The other files that a model needs are copied. out must not exist. */
enum loom_status loom_quantize_folder(const struct loom_source *in, const char *out, const char *quantization, const struct loom_quantize_opts *o,
	struct loom_err *err) LOOM_MUST_CHECK;

#endif
