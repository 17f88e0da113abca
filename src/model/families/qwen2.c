/* qwen2.c: Qwen2 and 2.5: biases on q, k and v; a sliding window on the upper layers where the config switches it on. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("32", "4096", "32", "151936", "22016"),
	USUAL_SIZES, LLAMA_FEATURES,
	KEY(N_HEAD_KV, "num_key_value_heads", "32"), KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "32768"),
	KEY(TIED, "tie_word_embeddings", "false"), ALWAYS(ATTN_BIAS, "true"),
	KEY(WINDOW, "sliding_window", "4096"), KEY(USE_WINDOW, "use_sliding_window", "false"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_WINDOW, WORD, "layer_types", "sliding_attention", NULL),
	RULE(LOOM_LAYER_WINDOW, FROM, "max_window_layers", NULL, "28"), END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_qwen2 = {
	.name = "qwen2",
	.types = "qwen2",
	.architectures = "Qwen2ForCausalLM|Qwen2Model",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
	.gguf = "qwen2",
};
