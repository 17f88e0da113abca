/* ernie4_5_moe.c: ERNIE 4.5 with experts in some layers, chosen by softmax and a correction bias. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "4"), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "131072"), KEY(TIED, "tie_word_embeddings", "true"), KEY(NORM_EPS, "rms_norm_eps", "1e-5"),
	KEY(ROPE_THETA, "rope_theta", "500000"), ALWAYS(ROPE_INTERLEAVED, "true"), ALWAYS(ROUTER, "softmax"), ALWAYS(CHOICE_BIAS, "true"),
	ALWAYS(ROUTER_NORM, "true"), KEY(ROUTER_NORM_MIN, "moe_norm_min", "1e-12"), KEY(N_FFN_EXPERT, "moe_intermediate_size", "1536"),
	KEY(N_EXPERT, "moe_num_experts|num_experts|num_local_experts", "64"), KEY(N_EXPERT_USED, "moe_k|num_experts_per_tok", "6"),
	KEY(N_SHARED, "moe_num_shared_experts", "2"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_MOE, LOOM_TEST_EVERY, false, "moe_layer_interval|interleave_moe_layer_step", NULL, "1", NULL},
	{LOOM_LAYER_DENSE, LOOM_TEST_BELOW, false, "moe_layer_start_index|leading_dense_block_count", NULL, "1", NULL},
	{LOOM_LAYER_LATE, LOOM_TEST_ABOVE, false, "moe_layer_end_index", NULL, NULL, NULL}, END_LAYERS};
static const struct loom_key_rule rules[] = {{"use_bias", "false"}, {"moe_use_aux_free", "true"}, {"moe_gate", "topk"}, END_RULES};
static const struct loom_block_choice blocks[] = {
	{LOOM_LAYER_DENSE, &loom_block_pre_norm}, {LOOM_LAYER_LATE, &loom_block_pre_norm}, {LOOM_LAYER_MOE, &loom_block_pre_norm_moe},
	{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_ernie4_5_moe = {
	.name = "ernie4_5_moe",
	.types = "ernie4_5_moe",
	.architectures = "Ernie4_5_MoeForCausalLM|Ernie4_5_MoeModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = MOE_IGNORED "|moe_capacity|num_nextn_predict_layers",
	.roles = {LLAMA_NAMES, MOE_ROUTER, MOE_EXPERTS("mlp"), MOE_SHARED("shared_experts"),
		[LOOM_ROLE_CHOICE_BIAS] = {"layers.%d.mlp.moe_statics.e_score_correction_bias|layers.%d.mlp.gate.moe_statics.e_score_correction_bias",
			"blk.%d.exp_probs_b.bias"}},
	.blocks = blocks,
	.gguf = "ernie4_5-moe",
};
