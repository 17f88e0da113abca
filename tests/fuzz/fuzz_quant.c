/* fuzz_quant.c: changed quantized checkpoints through config, binder and every unpacker: an answer, no fault, nothing kept; and random blocks
 * through every GGUF type. A fixed seed and a fixed count. */
#include "dequant.h"
#include "fuzz.h"
#include "gguf_blocks.h"
#include "jsonx.h"
#include "quantcase.h"

#define ROUNDS 40 /* of each model */

static void mutate(struct quantcase *c)
{
	static const char digits[] = "0123456789-,[]\"IFU";
	uint64_t len;
	memcpy(&len, c->weights, 8);
	for (uint32_t times = 1 + fuzz_next(3); times-- > 0;) {
		size_t head = 8 + fuzz_next((uint32_t)len), body = 8 + (size_t)len + fuzz_next((uint32_t)(c->n_weights - 8 - len));
		switch (fuzz_next(6)) {
		case 0: c->weights[head] = digits[fuzz_next(sizeof digits - 1)]; break;
		case 1: c->weights[fuzz_next(2) ? head : body] ^= (char)(1u << fuzz_next(8)); break;
		case 2: c->weights[body] = (char)fuzz_next(256); break;
		case 3: c->config[fuzz_next((uint32_t)c->n_config)] = digits[fuzz_next(sizeof digits - 1)]; break;
		case 4: c->config[fuzz_next((uint32_t)c->n_config)] ^= (char)(1u << fuzz_next(7)); break;
		default: memset(c->weights + body, fuzz_next(2) ? 0xff : 0x7f, c->n_weights - body < 8 ? c->n_weights - body : 8);
		}
	}
}

static int fuzz_blocks(void)
{
	for (int t = 0; t < LOOM_N_DTYPE; t++) {
		enum loom_dtype type = (enum loom_dtype)t;
		size_t block = loom_dtype_block(type), bytes = loom_dtype_block_bytes(type);
		if (block == 1 || !loom_dequant_supported(type))
			continue;
		for (int round = 0; round < 500; round++) {
			unsigned char *data = malloc(2 * bytes);
			float *out = malloc(2 * block * sizeof *out);
			if (!data || !out)
				return 1;
			for (size_t i = 0; i < 2 * bytes; i++)
				data[i] = (unsigned char)fuzz_next(256);
			loom_dequant(type, data, out, 2 * block);
			(void)loom_blocks_finite(type, data, 2 * block);
			free(data);
			free(out);
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	long rounds = fuzz_begin(argc, argv, ROUNDS);
	static const char *const folders[] = {"gptq2", "gptq4", "gptq4-desc", "gptq3", "gptq8", "awq-gemm", "awq-gemv", "awq-fast", "nf4", "nf4-nested", "fp4", "int8", "ct4",
		"ct4-zero", "ct8", "ct-int8", "fp8-tensor", "fp8-channel", "fp8-block", "mxfp4"};
	struct tempdir d;
	int accepted = 0, count = 0;
	loom_json_setup();
	tempdir_make(&d);
	char *tokenizer = NULL;
	size_t n = 0;
	quantcase_read("gptq4", "tokenizer.json", &tokenizer, &n);
	tempdir_write(&d, "tokenizer.json", tokenizer, n);
	loom_free(tokenizer);
	for (size_t f = 0; f < sizeof folders / sizeof folders[0]; f++) {
		for (long round = 0; round < rounds; round++, count++) {
			int64_t before = loom_mem_live();
			struct quantcase c;
			struct loom_err err = {0};
			quantcase_open(&c, folders[f]);
			if (round)
				mutate(&c);
			enum loom_status rc = quantcase_try(&c, &d, &err);
			accepted += rc == LOOM_OK;
			quantcase_close(&c);
			if ((rc && (rc != LOOM_E_MODEL || !err.message[0])) || loom_mem_live() != before || (rc && round == 0)) {
				printf("fuzz_quant: %s round %ld: status %d, \"%s\", live %lld\n", folders[f], round, (int)rc, err.message, (long long)(loom_mem_live() - before));
				return 1;
			}
		}
	}
	tempdir_remove(&d);
	if (fuzz_blocks())
		return 1;
	printf("fuzz_quant: %d checkpoints, %d accepted\n", count, accepted);
	return 0;
}
