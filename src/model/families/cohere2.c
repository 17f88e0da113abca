/* cohere2.c: Cohere 2 (Command R7B, Command A): a window and rotation on three layers of four, neither on the others. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("40", "8192", "64", "256000", "22528"),
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "8192"), KEY(TIED, "tie_word_embeddings", "true"), ALWAYS(NORM, "layer"),
	ALWAYS(NORM_BIAS, "false"), KEY(NORM_EPS, "layer_norm_eps", "1e-5"), KEY(LOGIT_SCALE, "logit_scale", "0.0625"),
	ALWAYS(ROPE_INTERLEAVED, "true"), KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"),
	KEY(WINDOW, "sliding_window", "4096"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	SLIDING(LOOM_LAYER_WINDOW | LOOM_LAYER_ROPE, "sliding_window_pattern|_sliding_window_pattern|attention.sliding_window_pattern", "4"), END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, {"use_qk_norm", "false"}, {"use_parallel_block", "true"}, {"use_parallel_embedding", "false"},
	{"use_gated_activation", "true"}, END_RULES};
static const struct loom_key gguf_keys[] = {KEY(LOGIT_SCALE, "logit_scale", NULL), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_parallel}, END_BLOCKS};

const struct loom_family loom_family_cohere2 = {
	.name = "cohere2",
	.types = "cohere2",
	.architectures = "Cohere2ForCausalLM|Cohere2Model",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = "pretraining_tp|order_of_interleaved_layers|position_embedding_type|rotary_pct|cache_implementation|"
		"layer_switch|use_embedding_sharing",
	.roles = {
		LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_MLP, LLAMA_HEAD, LLAMA_FINAL_NORM,
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"},
	},
	.blocks = blocks,
	.gguf = "cohere2",
	.gguf_keys = gguf_keys,
};
