/* qwen2_moe.c: Qwen 1.5 and 2 with experts: a shared expert behind a sigmoid beside the chosen ones. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "16"), KEY(N_CTX, "max_position_embeddings", "32768"),
	KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "qkv_bias", "true"), KEY(WINDOW, "sliding_window", "4096"),
	KEY(USE_WINDOW, "use_sliding_window", "false"), ALWAYS(ROUTER, "softmax"), ALWAYS(SHARED_GATE, "true"),
	KEY(N_FFN_EXPERT, "moe_intermediate_size", "1408"), KEY(N_FFN_SHARED, "shared_expert_intermediate_size", "5632"),
	KEY(N_EXPERT, "num_experts", "60"), KEY(N_EXPERT_USED, "num_experts_per_tok", "4"), KEY(ROUTER_NORM, "norm_topk_prob", "false"),
	END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_WINDOW, LOOM_TEST_WORD, false, "layer_types", "sliding_attention", NULL, NULL},
	{LOOM_LAYER_WINDOW, LOOM_TEST_EVERY, true, NULL, NULL, "2", NULL},
	{LOOM_LAYER_WHOLE, LOOM_TEST_FROM, false, "max_window_layers", NULL, "28", "!layer_types"}, SPARSE_STEP_LAYERS, END_LAYERS};
static const struct loom_key_rule rules[] = {{"layer_types", "full_attention|sliding_attention"}, END_RULES};
static const struct loom_block_choice blocks[] = {SPARSE_STEP_BLOCKS, END_BLOCKS};

const struct loom_family loom_family_qwen2_moe = {
	.name = "qwen2_moe",
	.types = "qwen2_moe",
	.architectures = "Qwen2MoeForCausalLM|Qwen2MoeModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = MOE_IGNORED,
	.roles = {LLAMA_NAMES, MOE_ROUTER, MOE_EXPERTS("mlp"), MOE_SHARED("shared_expert"),
		[LOOM_ROLE_SHARED_MIX] = {"layers.%d.mlp.shared_expert_gate", "blk.%d.ffn_gate_inp_shexp"}},
	.blocks = blocks,
	.gguf = "qwen2moe",
};
