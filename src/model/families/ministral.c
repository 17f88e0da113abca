/* ministral.c: Ministral 8B: Mistral with a window on the layers that layer_types names. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "131072"), KEY(TIED, "tie_word_embeddings", "false"), KEY(WINDOW, "sliding_window", "4096"),
	END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_WINDOW, WORD, "layer_types", "sliding_attention", NULL), END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_ministral = {
	.name = "ministral",
	.types = "ministral",
	.architectures = "MinistralForCausalLM|MinistralModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
};
