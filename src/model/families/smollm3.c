/* smollm3.c: SmolLM3: Llama without rotation on every fourth layer. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "4"), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "32768"), KEY(TIED, "tie_word_embeddings", "true"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(MLP_BIAS, "mlp_bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_bias", "false"),
	KEY(ROPE_THETA, "rope_theta", "2000000"), KEY(WINDOW, "sliding_window", NULL), {LOOM_F_USE_WINDOW, "use_sliding_window", "false", NULL, "!layer_types"},
	END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_ROPE, FLAGS, "no_rope_layers", NULL, NULL), RULE_NOT(LOOM_LAYER_ROPE, EVERY, "no_rope_layer_interval", NULL, "4"),
	RULE(LOOM_LAYER_WINDOW, WORD, "layer_types", "sliding_attention", NULL), RULE_NOT(LOOM_LAYER_WINDOW, FLAGS, "no_rope_layers", NULL, NULL),
	RULE(LOOM_LAYER_WINDOW, EVERY, "no_rope_layer_interval", NULL, "4"), END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_smollm3 = {
	.name = "smollm3",
	.types = "smollm3",
	.architectures = "SmolLM3ForCausalLM|SmolLM3Model",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = "max_window_layers|pretraining_tp",
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
	.gguf = "smollm3",
	.gguf_permuted = true,
};
