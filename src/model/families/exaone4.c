/* exaone4.c: EXAONE 4: norms after the sub-layers and on each head of q and k; where there is a window, the layers without it are not rotated. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"), KEY(NORM_EPS, "rms_norm_eps", "1e-5"),
	ALWAYS(QK_NORM, "head"), KEY(WINDOW, "sliding_window", "4096"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_WINDOW, WORD, "layer_types", "sliding_attention", NULL), RULE_NOT(LOOM_LAYER_WINDOW, EVERY, "sliding_window_pattern", NULL, "4"),
	{LOOM_LAYER_ROPE, LOOM_TEST_WORD, false, "layer_types", "sliding_attention", NULL, "@window"},
	{LOOM_LAYER_ROPE, LOOM_TEST_EVERY, true, "sliding_window_pattern", NULL, "4", "@window"}, END_LAYERS};
/* A file without it has no window. */
static const struct loom_key gguf_keys[] = {KEY(WINDOW, "attention.sliding_window", "0"), END_KEYS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_sublayer}, END_BLOCKS};

const struct loom_family loom_family_exaone4 = {
	.name = "exaone4",
	.types = "exaone4",
	.architectures = "Exaone4ForCausalLM|Exaone4Model",
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
	.gguf = "exaone4",
	.gguf_keys = gguf_keys,
};
