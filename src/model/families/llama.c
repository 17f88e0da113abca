/* llama.c: Llama 1-3.x and what is built like it (TinyLlama, SmolLM2). */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("32", "4096", "32", "32000", "11008"),
	USUAL_SIZES, LLAMA_FEATURES,
	KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "2048"),
	KEY(TIED, "tie_word_embeddings", "false"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"),
	KEY(MLP_BIAS, "mlp_bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_bias", "false"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_llama = {
	.name = "llama",
	.types = "llama",
	.architectures = "LlamaForCausalLM|LlamaModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = "pretraining_tp",
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
	.gguf = "llama",
	.gguf_permuted = true,
};
