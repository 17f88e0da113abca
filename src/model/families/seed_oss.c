/* seed_oss.c: Seed-OSS: Llama with biases on q, k and v. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", "128"),
	KEY(N_CTX, "max_position_embeddings", "524288"), KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "true"),
	KEY(ATTN_OUT_BIAS, "attention_out_bias", "false"), KEY(MLP_BIAS, "mlp_bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_bias", "false"),
	END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_seed_oss = {
	.name = "seed_oss",
	.types = "seed_oss",
	.architectures = "SeedOssForCausalLM|SeedOssModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = "pretraining_tp|residual_dropout",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_MLP, LLAMA_HEAD, LLAMA_FINAL_NORM,
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.post_attention_layernorm", "blk.%d.post_attention_norm"}},
	.blocks = blocks,
	.gguf = "seed_oss",
};
