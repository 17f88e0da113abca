/* config_quant.c: see config_quant.h. Keys that do not change decoding (how a checkpoint was calibrated, what to compute in) are left
 * alone; a value that changes it and is unknown is refused by name. */
#include "config_quant.h"

#include <string.h>
#include <strings.h>

#include "jsonx.h"

static enum loom_status refuse(const char *where, const char *key, const char *found, const char *expected, struct loom_err *err)
{
	return loom_err_set(err, LOOM_E_MODEL, "%s: quantization: %s is \"%.60s\", expected %s", where, key, found, expected);
}

static enum loom_status read_group(struct loom_quant_config *q, const struct loom_json_ctx *c, const json_t *obj, const char *key,
	struct loom_err *err)
{
	enum loom_status rc = loom_json_int(c, obj, key, -1, 1 << 20, &q->group, err);

	if (rc == LOOM_OK && q->group == 0) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: quantization: %s is 0, expected -1 or at least 1", c->where, key);
	}
	return rc;
}

static enum loom_status read_gptq(struct loom_quant_config *q, const struct loom_json_ctx *c, const json_t *obj, struct loom_err *err)
{
	const char *format = NULL, *old = NULL;
	int64_t bits = 4;
	enum loom_status rc = loom_json_int(c, obj, "bits", 1, 16, &bits, err);

	q->group = 128;
	rc = rc ? rc : read_group(q, c, obj, "group_size", err);
	rc = rc ? rc : loom_json_str(c, obj, "checkpoint_format", &format, err);
	rc = rc ? rc : loom_json_str(c, obj, "format", &old, err);
	if (rc) {
		return rc;
	}
	format = format ? format : old;
	if (bits != 2 && bits != 3 && bits != 4 && bits != 8) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: quantization: bits is %lld, expected 2, 3, 4 or 8", c->where, (long long)bits);
	}
	if (format && strcmp(format, "gptq") != 0 && strcmp(format, "gptq_v2") != 0) {
		return refuse(c->where, "checkpoint_format", format, "gptq or gptq_v2", err);
	}
	q->bits = (int)bits;
	q->zeros_plain = format && strcmp(format, "gptq_v2") == 0;
	q->dynamic = json_object_size(json_object_get(obj, "dynamic")) > 0;
	return LOOM_OK;
}

static enum loom_status read_awq(struct loom_quant_config *q, const struct loom_json_ctx *c, const json_t *obj, struct loom_err *err)
{
	const char *version = NULL, *format = NULL;
	int64_t bits = 4;
	bool zero = true;
	enum loom_status rc = loom_json_int(c, obj, "w_bit", 1, 16, &bits, err);

	q->group = 128;
	rc = rc ? rc : loom_json_int(c, obj, "bits", 1, 16, &bits, err);
	rc = rc ? rc : read_group(q, c, obj, "q_group_size", err);
	rc = rc ? rc : read_group(q, c, obj, "group_size", err);
	rc = rc ? rc : loom_json_bool(c, obj, "zero_point", &zero, err);
	rc = rc ? rc : loom_json_str(c, obj, "format", &format, err);
	rc = rc ? rc : loom_json_str(c, obj, "version", &version, err);
	if (rc) {
		return rc;
	}
	version = version ? version : format ? format : "gemm";
	if (bits != 4) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: quantization: bits is %lld, expected 4 (awq)", c->where, (long long)bits);
	}
	if (!zero) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: quantization: zero_point is false, which no AWQ file has", c->where);
	}
	q->bits = 4;
	q->awq = strcasecmp(version, "gemv") == 0 ? LOOM_AWQ_GEMV : strcasecmp(version, "gemv_fast") == 0 ? LOOM_AWQ_FAST : LOOM_AWQ_GEMM;
	return q->awq == LOOM_AWQ_GEMM && strcasecmp(version, "gemm") != 0 ? refuse(c->where, "version", version, "gemm, gemv or gemv_fast", err) : LOOM_OK;
}

static enum loom_status read_bnb(struct loom_quant_config *q, const struct loom_json_ctx *c, const json_t *obj, struct loom_err *err)
{
	bool four = false, eight = false;
	enum loom_status rc = loom_json_bool(c, obj, "load_in_4bit", &four, err);

	rc = rc ? rc : loom_json_bool(c, obj, "load_in_8bit", &eight, err);
	if (rc == LOOM_OK && four == eight) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: quantization: load_in_4bit and load_in_8bit are both %s, expected one", c->where,
			four ? "true" : "false or absent");
	}
	q->bits = four ? 4 : 8;
	return rc ? rc : loom_json_num(c, obj, "llm_int8_threshold", 0, 65504, &q->threshold, err);
}

static enum loom_status read_ct(const struct loom_json_ctx *c, const json_t *obj, struct loom_err *err)
{
	static const char *const known[] = {"pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "dense", "mixed-precision", NULL};
	const char *format = NULL;
	enum loom_status rc = loom_json_str(c, obj, "format", &format, err);

	for (const char *const *k = known; rc == LOOM_OK && format; k++) {
		if (!*k) {
			return refuse(c->where, "format", format, "pack-quantized, int-quantized, float-quantized or naive-quantized", err);
		}
		if (strcmp(*k, format) == 0) {
			break;
		}
	}
	return rc;
}

static enum loom_status read_fp8(struct loom_quant_config *q, const struct loom_json_ctx *c, const json_t *obj, struct loom_err *err)
{
	const json_t *block = json_object_get(obj, "weight_block_size");
	const char *fmt = "e4m3";
	enum loom_status rc = loom_json_str(c, obj, "fmt", &fmt, err);

	if (rc == LOOM_OK && strcmp(fmt, "e4m3") != 0) {
		rc = refuse(c->where, "fmt", fmt, "e4m3", err);
	}
	for (size_t i = 0; rc == LOOM_OK && json_is_array(block) && i < 2; i++) {
		q->block[i] = json_integer_value(json_array_get(block, i));
		if (json_array_size(block) != 2 || q->block[i] < 1 || q->block[i] > 65536) {
			rc = loom_err_set(err, LOOM_E_MODEL, "%s: quantization: weight_block_size: expected two integers 1..65536", c->where);
		}
	}
	return rc;
}

enum loom_status loom_quant_config_read(struct loom_quant_config *q, const json_t *obj, const char *where, struct loom_err *err)
{
	const struct loom_json_ctx c = {where, LOOM_E_MODEL};
	const char *method = NULL;
	enum loom_status rc;

	*q = (struct loom_quant_config){.threshold = 6};
	if (!obj || json_is_null(obj) || (json_is_object(obj) && json_object_size(obj) == 0)) {
		return LOOM_OK;
	}
	if (!json_is_object(obj)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: quantization_config: expected an object", where);
	}
	if ((rc = loom_json_str(&c, obj, "quant_method", &method, err))) {
		return rc;
	}
	if (!method) { /* old files: bitsandbytes has its switches, AWQ its key names, the rest is GPTQ's */
		bool bnb = json_object_get(obj, "load_in_4bit") || json_object_get(obj, "load_in_8bit");
		method = bnb ? "bitsandbytes" : json_object_get(obj, "w_bit") ? "awq" : "gptq";
	}
	if (strcmp(method, "gptq") == 0) {
		q->method = LOOM_METHOD_GPTQ;
		return read_gptq(q, &c, obj, err);
	}
	if (strcmp(method, "awq") == 0) {
		q->method = LOOM_METHOD_AWQ;
		return read_awq(q, &c, obj, err);
	}
	if (strcmp(method, "bitsandbytes") == 0) {
		q->method = LOOM_METHOD_BNB;
		return read_bnb(q, &c, obj, err);
	}
	if (strcmp(method, "compressed-tensors") == 0) {
		q->method = LOOM_METHOD_CT;
		return read_ct(&c, obj, err);
	}
	if (strcmp(method, "fp8") == 0) {
		q->method = LOOM_METHOD_FP8;
		return read_fp8(q, &c, obj, err);
	}
	if (strcmp(method, "mxfp4") == 0) {
		q->method = LOOM_METHOD_MXFP4;
		return LOOM_OK;
	}
	return refuse(where, "quant_method", method, "gptq, awq, bitsandbytes, compressed-tensors, fp8 or mxfp4", err);
}

const char *loom_quant_config_name(const struct loom_quant_config *q)
{
	static const char *const names[] = {"", "gptq", "awq", "", "compressed-tensors", "fp8", "mxfp4"};

	if (q->make != LOOM_MAKE_NONE) {
		return q->make == LOOM_MAKE_8BIT ? "8bit" : "4bit";
	}
	return q->method == LOOM_METHOD_BNB ? (q->bits == 4 ? "4bit" : "8bit") : names[q->method];
}

enum loom_status loom_quant_config_ask(struct loom_quant_config *q, const char *asked, bool gguf, struct loom_err *err)
{
	const char *is = gguf ? "a GGUF file, which says itself how it is quantized" : loom_quant_config_name(q);
	bool four, eight;

	if (!asked || !asked[0] || strcmp(asked, "none") == 0) {
		return LOOM_OK;
	}
	four = strcmp(asked, "4bit") == 0 || strcmp(asked, "4bit-double") == 0;
	eight = strcmp(asked, "8bit") == 0;
	if (!four && !eight && strcmp(asked, "gptq") != 0 && strcmp(asked, "awq") != 0) {
		return loom_err_param(err, LOOM_E_INVALID, "quantization", "\"%.32s\": expected none, 4bit, 8bit, gptq or awq", asked);
	}
	if (!gguf && q->method == LOOM_METHOD_NONE && (four || eight)) {
		q->make = eight ? LOOM_MAKE_8BIT : strcmp(asked, "4bit") == 0 ? LOOM_MAKE_4BIT : LOOM_MAKE_4BIT_DOUBLE;
		return LOOM_OK;
	}
	if (gguf || q->method == LOOM_METHOD_NONE || (strcmp(asked, is) != 0 && !(four && q->method == LOOM_METHOD_BNB && q->bits == 4))) {
		return loom_err_param(err, LOOM_E_INVALID, "quantization", "\"%.32s\" contradicts the model's files: they are %s", asked,
			is[0] ? is : "not quantized");
	}
	return LOOM_OK;
}
