/* granite.c: Granite: Llama with multipliers on embeddings, scores, what is added to the stream, and logits. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("32", "4096", "32", "32000", "11008"),
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(MLP_BIAS, "mlp_bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_bias", "false"),
	KEY(EMBED_SCALE, "embedding_multiplier", "1"), KEY(ATTN_SCALE, "attention_multiplier", "1"),
	KEY(RESIDUAL_SCALE, "residual_multiplier", "1"), KEY(LOGIT_DIVIDE, "logits_scaling", "1"), END_KEYS};
static const struct loom_key gguf_keys[] = {KEY(LOGIT_DIVIDE, "logit_scale", NULL), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_granite = {
	.name = "granite",
	.types = "granite",
	.architectures = "GraniteForCausalLM|GraniteModel",
	.prefixes = "model.|",
	.keys = keys,
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
	.gguf = "granite",
	.gguf_keys = gguf_keys,
	.gguf_permuted = true,
};
