/* cwm.c: Code World Model: Llama with a window on the layers that layer_types names. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", "128"),
	KEY(N_CTX, "max_position_embeddings", "131072"), KEY(TIED, "tie_word_embeddings", "false"), KEY(NORM_EPS, "rms_norm_eps", "1e-5"),
	KEY(ROPE_THETA, "rope_theta", "1000000"), KEY(WINDOW, "sliding_window", "8192"), KEY(MLP_BIAS, "mlp_bias", "false"),
	KEY(MLP_DOWN_BIAS, "mlp_bias", "false"), END_KEYS};
static const struct loom_layer_rule layers[] = {RULE(LOOM_LAYER_WINDOW, WORD, "layer_types", "sliding_attention", NULL),
	RULE_NOT(LOOM_LAYER_WINDOW, MULTIPLE, NULL, NULL, "4"), END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_cwm = {
	.name = "cwm",
	.types = "cwm",
	.architectures = "CwmForCausalLM|CwmModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.rope = "{\"rope_type\":\"llama3\",\"rope_theta\":1000000.0,\"factor\":16.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
		"\"original_max_position_embeddings\":8192}",
	.ignored = "pretraining_tp|attention_bias",
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
};
