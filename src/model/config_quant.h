/* config_quant.h: how a checkpoint's files say that they are quantized: config.json's quantization_config, or quantize_config.json beside
 * it. The tensors decide what a matrix is (weights_quant.c); this says how to read them. */
#ifndef LOOM_CONFIG_QUANT_H
#define LOOM_CONFIG_QUANT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

enum loom_quant_method { LOOM_METHOD_NONE, LOOM_METHOD_GPTQ, LOOM_METHOD_AWQ, LOOM_METHOD_BNB, LOOM_METHOD_CT, LOOM_METHOD_FP8,
	LOOM_METHOD_MXFP4 };
enum loom_awq_version { LOOM_AWQ_GEMM, LOOM_AWQ_GEMV, LOOM_AWQ_FAST };
enum loom_make { LOOM_MAKE_NONE, LOOM_MAKE_4BIT, LOOM_MAKE_4BIT_DOUBLE, LOOM_MAKE_8BIT };

struct loom_quant_config {
	enum loom_quant_method method;
	int bits;              /* GPTQ, AWQ; BNB: 4 or 8 */
	int64_t group;         /* GPTQ, AWQ: -1 is one group */
	bool zeros_plain;      /* GPTQ v2: zeros as they are, not one less */
	bool dynamic;          /* GPTQ: modules may have bits and groups of their own */
	enum loom_awq_version awq;
	int64_t block[2];      /* FP8: rows and columns that share a scale; 0: what the scales' shape says */
	double threshold;      /* BNB of 8 bits: a number this large is an outlier of LLM.int8's arithmetic; 0: none is */
	enum loom_make make;   /* what a request wants made of float weights */
};

/* obj: the quantization_config object, or the root of quantize_config.json (method, when it has none, is GPTQ's). where and key for messages. */
enum loom_status loom_quant_config_read(struct loom_quant_config *q, const json_t *obj, const char *where, struct loom_err *err)
	LOOM_MUST_CHECK;
/* A request's `quantization`: none, 4bit, 8bit, gptq, awq (or "4bit-double", with nested statistics). What contradicts the files is
 * LOOM_E_INVALID naming both. */
enum loom_status loom_quant_config_ask(struct loom_quant_config *q, const char *asked, bool gguf, struct loom_err *err) LOOM_MUST_CHECK;
/* "gptq", "4bit", "fp8", … for GET /models; "" when the files are not quantized. */
const char *loom_quant_config_name(const struct loom_quant_config *q);

#endif
