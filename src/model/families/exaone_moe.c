/* exaone_moe.c: K-EXAONE: EXAONE 4's attention behind norms, dense layers first, then experts chosen as DeepSeek-V3 chooses. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "32"), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"), KEY(NORM_EPS, "rms_norm_eps", "1e-5"),
	ALWAYS(QK_NORM, "head"), KEY(WINDOW, "sliding_window", "4096"), DEEPSEEK_ROUTER, KEY(N_FFN_EXPERT, "moe_intermediate_size", "1024"),
	KEY(N_EXPERT, "num_experts|num_local_experts", "64"), KEY(N_SHARED, "num_shared_experts", "1"),
	KEY(ROUTER_SCALE, "routed_scaling_factor", "2.5"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_WINDOW, WORD, "layer_types", "sliding_attention", NULL),
	RULE_NOT(LOOM_LAYER_WINDOW, EVERY, "sliding_window_pattern|attention.sliding_window_pattern", NULL, "4"),
	{LOOM_LAYER_ROPE, LOOM_TEST_WORD, false, "layer_types", "sliding_attention", NULL, "@window"},
	{LOOM_LAYER_ROPE, LOOM_TEST_EVERY, true, "sliding_window_pattern|attention.sliding_window_pattern", NULL, "4", "@window"},
	RULE(LOOM_LAYER_MOE, WORD, "mlp_layer_types", "sparse", NULL),
	RULE(LOOM_LAYER_MOE, FROM, "first_k_dense_replace|leading_dense_block_count", NULL, "1"), END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, {"mlp_layer_types", "dense|sparse"}, {"scoring_func", "sigmoid"}, END_RULES};
static const struct loom_key gguf_keys[] = {GGUF_GATING, END_KEYS};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_MOE, &loom_block_pre_norm_moe}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_exaone_moe = {
	.name = "exaone_moe",
	.types = "exaone_moe",
	.architectures = "ExaoneMoeForCausalLM|ExaoneMoeModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = MOE_IGNORED "|is_moe_layer|num_nextn_predict_layers|topk_method",
	.roles = {LLAMA_NAMES, LLAMA_QK_NORM, MOE_ROUTER, MOE_EXPERTS("mlp"), MOE_SHARED("shared_experts"),
		[LOOM_ROLE_CHOICE_BIAS] = {"layers.%d.mlp.e_score_correction_bias|layers.%d.mlp.gate.e_score_correction_bias", "blk.%d.exp_probs_b.bias"}},
	.blocks = blocks,
	.gguf = "exaone-moe",
	.gguf_head = true,
	.gguf_keys = gguf_keys,
};
