/* qwen3_moe.c: Qwen 3 with experts in place of the feed-forward. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "4"), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "32768"), KEY(TIED, "tie_word_embeddings", "false"), ALWAYS(QK_NORM, "head"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(WINDOW, "sliding_window", "4096"),
	KEY(USE_WINDOW, "use_sliding_window", "false"), ALWAYS(ROUTER, "softmax"), KEY(N_FFN_EXPERT, "moe_intermediate_size", "768"),
	KEY(N_EXPERT, "num_local_experts|num_experts", "128"), KEY(N_EXPERT_USED, "num_experts_per_tok", "8"),
	KEY(ROUTER_NORM, "norm_topk_prob", "false"), END_KEYS};
static const struct loom_layer_rule layers[] = {SPARSE_STEP_LAYERS, END_LAYERS};
static const struct loom_key gguf_keys[] = {ALWAYS(ROUTER_NORM, "true"), END_KEYS};
static const struct loom_block_choice blocks[] = {SPARSE_STEP_BLOCKS, END_BLOCKS};

const struct loom_family loom_family_qwen3_moe = {
	.name = "qwen3_moe",
	.types = "qwen3_moe",
	.architectures = "Qwen3MoeForCausalLM|Qwen3MoeModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.ignored = MOE_IGNORED "|max_window_layers",
	.roles = {LLAMA_NAMES, LLAMA_QK_NORM, MOE_ROUTER, MOE_EXPERTS("mlp")},
	.blocks = blocks,
	.gguf = "qwen3moe",
	.gguf_keys = gguf_keys,
};
