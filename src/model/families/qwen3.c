/* qwen3.c: Qwen3: an RMS norm over each head of q and k, before rotation. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("32", "4096", "32", "151936", "22016"),
	USUAL_SIZES, LLAMA_FEATURES,
	KEY(N_HEAD_KV, "num_key_value_heads", "32"), KEY(D_HEAD, "head_dim", "128"), KEY(N_CTX, "max_position_embeddings", "32768"),
	KEY(TIED, "tie_word_embeddings", "false"), ALWAYS(QK_NORM, "head"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"),
	KEY(WINDOW, "sliding_window", "4096"), KEY(USE_WINDOW, "use_sliding_window", "false"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_WINDOW, WORD, "layer_types", "sliding_attention", NULL),
	RULE(LOOM_LAYER_WINDOW, FROM, "max_window_layers", NULL, "28"), END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_qwen3 = {
	.name = "qwen3",
	.types = "qwen3",
	.architectures = "Qwen3ForCausalLM|Qwen3Model",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.roles = {LLAMA_NAMES, LLAMA_QK_NORM},
	.blocks = blocks,
	.gguf = "qwen3",
};
