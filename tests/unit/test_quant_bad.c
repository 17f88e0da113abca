/* test_quant_bad.c: quantized checkpoints that contradict themselves: what each is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jsonx.h"
#include "quantcase.h"

#define DOWN "model.layers.0.mlp.down_proj"
#define EXPERTS "model.layers.0.mlp.experts."

/* Replaces the first `from` in text by `to`, which may be longer. */
static bool replace(char **text, size_t *n, const char *from, const char *to)
{
	char *at = memmem(*text, *n, from, strlen(from));
	if (!at)
		return false;
	size_t before = (size_t)(at - *text), rest = *n - before - strlen(from);
	char *out = loom_malloc(before + strlen(to) + rest + 1);
	assert_non_null(out);
	memcpy(out, *text, before);
	memcpy(out + before, to, strlen(to));
	memcpy(out + before + strlen(to), at + strlen(from), rest);
	loom_free(*text);
	*text = out;
	*n = before + strlen(to) + rest;
	return true;
}

/* In the header of safetensors: its length is put right. */
static bool replace_head(struct quantcase *c, const char *tensor, const char *from, const char *to)
{
	uint64_t len;
	char name[256];
	memcpy(&len, c->weights, 8);
	snprintf(name, sizeof name, "\"%s\":", tensor);
	char *at = memmem(c->weights, 8 + len, name, strlen(name)), *what = at ? memmem(at, 300, from, strlen(from)) : NULL;
	if (!what)
		return false;
	size_t before = (size_t)(what - c->weights), old = strlen(from), now = strlen(to);
	char *out = loom_malloc(c->n_weights + now);
	assert_non_null(out);
	memcpy(out, c->weights, before);
	memcpy(out + before, to, now);
	memcpy(out + before + now, what + old, c->n_weights - before - old);
	c->n_weights += now - old;
	len += now - old;
	memcpy(out, &len, 8);
	loom_free(c->weights);
	c->weights = out;
	return true;
}

/* Overwrites a tensor's first bytes. */
static void spoil(struct quantcase *c, const char *tensor, const void *bytes, size_t n)
{
	uint64_t len;
	char name[256];
	memcpy(&len, c->weights, 8);
	snprintf(name, sizeof name, "\"%s\":", tensor);
	char *at = memmem(c->weights, 8 + len, name, strlen(name)), *off = at ? strstr(at, "data_offsets\":[") : NULL;
	assert_non_null(off);
	memcpy(c->weights + 8 + len + strtoull(off + 15, NULL, 10), bytes, n);
}

struct bad {
	const char *folder, *tensor, *from, *to; /* tensor NULL: in config.json; from NULL: the tensor's first bytes become to */
	size_t n;
	const char *says;
};

static const struct bad bads[] = {
	/* shapes */
	{"gptq4", DOWN ".qzeros", "[3,8]", "[8,3]", 0, "qzeros is [8,3], expected [3,8] beside " DOWN ".scales [3,64]"},
	{"gptq4", DOWN ".scales", "[3,64]", "[6,32]", 0, DOWN ".scales has 6 groups, expected 3: 96 columns in groups of 32"},
	{"gptq4", DOWN ".qweight", "[12,64]", "[24,32]", 0, DOWN ".qweight is [24,32], expected [12,64] for a matrix [64,96] of 4 bits"},
	{"gptq4", DOWN ".g_idx", "[96]", "[48,2]", 0, DOWN ".g_idx is [48,2], expected [96] beside " DOWN ".qweight [12,64]"},
	{"gptq4", DOWN ".qweight", "I32", "F32", 0, DOWN ".qweight is float32, expected int32"},
	{"gptq4", DOWN ".qzeros", "qzeros", "qzerox", 0, "1 missing (" DOWN ".qzeros)"},
	{"gptq4", DOWN ".g_idx", "g_idx", "weight", 0, DOWN ".weight is there beside " DOWN ".qweight"},
	{"awq-gemm", DOWN ".qzeros", "[3,8]", "[4,6]", 0, "qzeros is [4,6], expected [3,8] beside " DOWN ".qweight [96,8]"},
	{"awq-gemv", DOWN ".scales", "[64,32]", "[32,64]", 0, "scales is [32,64], expected [64,32] beside"},
	{"nf4", DOWN ".weight", "[3072,1]", "[1536,2]", 0, NULL}, /* only the bytes count */
	{"nf4", DOWN ".weight.absmax", "[96]", "[48,2]", 0, "absmax is [48,2], expected [96] beside " DOWN ".weight [3072,1]"},
	{"nf4", DOWN ".weight.quant_state.bitsandbytes__nf4", "__nf4", "__xx4", 0, "missing (" DOWN ".weight.quant_state.bitsandbytes__nf4"},
	{"nf4-nested", DOWN ".weight.nested_absmax", "nested_absmax", "mested_absmax", 0, "absmax is uint8, expected float32"},
	{"int8", DOWN ".SCB", "[64]", "[32,2]", 0, "SCB is [32,2], expected [64] beside"},
	{"ct4", DOWN ".weight_scale", "[64,3]", "[32,6]", 0, "weight_scale is [32,6], expected [64,6] beside"},
	{"ct4", DOWN ".weight_scale", "weight_scale", "weight_scald", 0, "1 missing (" DOWN ".weight_scale)"},
	{"fp8-block", DOWN ".weight_scale_inv", "[1,2]", "[2,1]", 0, "has 2 x 1 scales, expected 1 x 1: blocks of"},
	{"mxfp4", EXPERTS "down_proj_scales", "[3,32,1]", "[3,1,32]", 0, "down_proj_scales is uint8 [3,1,32], expected uint8 [3,32,1]"},
	{"mxfp4", EXPERTS "gate_up_proj_blocks", "[3,64,1,16]", "[3,64,16,1]", 0, "gate_up_proj_blocks is uint8 [3,64,16,1], expected uint8 [3,64,1,16]"},
	{"mxfp4", EXPERTS "down_proj_scales", "_scales", "_scalez", 0, "down_proj_scales"},
	/* values */
	{"mxfp4", EXPERTS "down_proj_scales", NULL, "\xff", 1, "down_proj_scales[0]: a scale that is not a finite number"},
	{"gptq4", DOWN ".g_idx", NULL, "\x03\0\0", 4, DOWN ".g_idx[0] is 3, expected a group 0..2"},
	{"gptq4", DOWN ".g_idx", NULL, "\xff\xff\xff\xff", 4, DOWN ".g_idx[0] is -1, expected a group 0..2"},
	{"gptq4", DOWN ".scales", NULL, "\x00\x7e", 2, DOWN ".scales[0]: a scale that is not a finite number"},
	{"awq-fast", DOWN ".qzeros", NULL, "\x00\xfc", 2, DOWN ".qzeros[0]: a scale that is not a finite number"},
	{"nf4", DOWN ".weight.absmax", NULL, "\x00\x00\xc0\x7f", 4, "absmax[0]: a scale that is not a finite number"},
	{"nf4", DOWN ".weight.quant_map", NULL, "\x00\x00\x00\x3f", 4, "quant_map: not the table of NF4"},
	{"nf4", DOWN ".weight.quant_state.bitsandbytes__nf4", NULL, "[", 1, "expected JSON of at most 4096 bytes"},
	{"int8", DOWN ".SCB", NULL, "\x00\x00\x80\x7f", 4, "SCB[0]: a scale that is not a finite number"},
	{"int8", DOWN ".weight_format", NULL, "\x02", 1, DOWN ".weight_format is 2, expected 0 (rows)"},
	{"fp8-block", DOWN ".weight", NULL, "\x7f", 1, DOWN ".weight[0] is not a number"},
	/* config */
	{"gptq4", NULL, "\"bits\": 4", "\"bits\": 5", 0, "config.json: quantization: bits is 5, expected 2, 3, 4 or 8"},
	{"gptq4", NULL, "\"bits\": 4", "\"bits\": 8", 0, "expected [24,64] for a matrix [64,96] of 8 bits"},
	{"gptq4", NULL, "\"group_size\": 32", "\"group_size\": 0", 0, "group_size is 0, expected -1 or at least 1"},
	{"gptq4", NULL, "\"group_size\": 32", "\"group_size\": -2", 0, "group_size: expected an integer -1.."},
	{"gptq4", NULL, "\"sym\": false", "\"checkpoint_format\": \"marlin\"", 0, "checkpoint_format is \"marlin\", expected gptq or gptq_v2"},
	{"gptq4", NULL, "\"gptq\"", "\"hqq\"", 0, "quant_method is \"hqq\""},
	{"gptq4", NULL, "\"gptq\"", "\"fp8\"", 0, "qweight is there, but the config does not say gptq or awq"},
	{"awq-gemm", NULL, "\"gemm\"", "\"llm-awq\"", 0, "version is \"llm-awq\", expected gemm, gemv or gemv_fast"},
	{"awq-gemm", NULL, "\"bits\": 4", "\"bits\": 3", 0, "bits is 3, expected 4 (awq)"},
	{"awq-gemm", NULL, "\"zero_point\": true", "\"zero_point\": false", 0, "zero_point is false"},
	{"nf4", NULL, "\"load_in_8bit\": false", "\"load_in_8bit\": true", 0, "load_in_4bit and load_in_8bit are both true"},
	{"ct4", NULL, "\"pack-quantized\"", "\"marlin-24\"", 0, "format is \"marlin-24\", expected pack-quantized"},
	{"fp8-block", NULL, "\"e4m3\"", "\"e5m2\"", 0, "fmt is \"e5m2\", expected e4m3"},
	{"gptq4", NULL, "LlamaForCausalLM", "NobodyForCausalLM", 0, "NobodyForCausalLM"},
};

static void what_is_wrong_is_named(void **state)
{
	struct tempdir d;
	(void)state;
	tempdir_make(&d);
	char *tokenizer = NULL;
	size_t n = 0;
	quantcase_read("gptq4", "tokenizer.json", &tokenizer, &n);
	tempdir_write(&d, "tokenizer.json", tokenizer, n);
	loom_free(tokenizer);
	for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
		const struct bad *b = &bads[i];
		struct quantcase c;
		struct loom_err err = {0};
		bool done = true;
		quantcase_open(&c, b->folder);
		if (!b->tensor)
			done = replace(&c.config, &c.n_config, b->from, b->to);
		else if (b->from)
			done = replace_head(&c, b->tensor, b->from, b->to);
		else
			spoil(&c, b->tensor, b->to, b->n);
		if (!done)
			fail_msg("case %zu: %s has no %s", i, b->folder, b->from);
		enum loom_status rc = quantcase_try(&c, &d, &err);
		if (rc != (b->says ? LOOM_E_MODEL : LOOM_OK) || (b->says && !strstr(err.message, b->says)))
			fail_msg("case %zu (%s, %s): %d \"%s\", expected \"%s\"", i, b->folder, b->tensor ? b->tensor : "config", (int)rc, err.message,
				b->says ? b->says : "");
		quantcase_close(&c);
	}
	tempdir_remove(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_wrong_is_named)};
	loom_json_setup();
	return cmocka_run_group_tests_name("quant bad", tests, NULL, NULL);
}
