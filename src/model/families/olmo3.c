/* olmo3.c: OLMo 3: OLMo 2 with a window on three layers of four; scaled rotation on the others only. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"), KEY(NORM_EPS, "rms_norm_eps", "1e-5"),
	ALWAYS(QK_NORM, "whole"), KEY(WINDOW, "sliding_window", "4096"), KEY(ROPE_THETA, "rope_theta", "500000"),
	KEY(ROPE_LOCAL_THETA, "rope_theta", "500000"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	SLIDING(LOOM_LAYER_WINDOW | LOOM_LAYER_LOCAL_ROPE, "attention.sliding_window_pattern", "4"), END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, END_RULES};
static const struct loom_key gguf_keys[] = {KEY(ROPE_LOCAL_THETA, "rope.freq_base", NULL), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_sublayer}, END_BLOCKS};

const struct loom_family loom_family_olmo3 = {
	.name = "olmo3",
	.types = "olmo3",
	.architectures = "Olmo3ForCausalLM|Olmo3Model",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.roles = {
		LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_MLP, LLAMA_HEAD, LLAMA_FINAL_NORM, LLAMA_QK_NORM,
		[LOOM_ROLE_ATTN_POST_NORM] = {"layers.%d.post_attention_layernorm", "blk.%d.post_attention_norm"},
		[LOOM_ROLE_MLP_POST_NORM] = {"layers.%d.post_feedforward_layernorm", "blk.%d.post_ffw_norm"},
	},
	.blocks = blocks,
	.gguf = "olmo2:attention.sliding_window",
	.gguf_head = true,
	.gguf_keys = gguf_keys,
};
