/* hunyuan_v1_moe.c: Hunyuan with experts: norms on each head of q and k after rotation, a shared expert as wide as the others. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"), KEY(NORM_EPS, "rms_norm_eps", "1e-5"),
	ALWAYS(QK_NORM, "head"), ALWAYS(ROPE_ALPHA, "true"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), ALWAYS(ROUTER, "softmax"), ALWAYS(ROUTER_NORM, "true"), MAPPED(N_EXPERT, "num_experts", "1", "[]"),
	MAPPED(N_EXPERT_USED, "moe_topk", "1", "[]"), ALWAYS(N_SHARED, "1"), END_KEYS};
static const struct loom_key_rule rules[] = {{"use_qk_norm", "true"}, {"num_shared_expert", "1"}, {"moe_layer_num_skipped", "0"},
	{"use_cla", "false"}, {"mlp_bias", "false"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm_rotate_first_moe}, END_BLOCKS};

const struct loom_family loom_family_hunyuan_v1_moe = {
	.name = "hunyuan_v1_moe",
	.types = "hunyuan_v1_moe",
	.architectures = "HunYuanMoEV1ForCausalLM|HunYuanMoEV1Model",
	.prefixes = "model.|",
	.keys = keys,
	.rules = rules,
	.ignored = MOE_IGNORED "|eod_token_id|pretraining_tp|im_end_id|im_newline_id|im_start_id|org_vocab_size|text_end_id|text_start_id|"
		"attention_head_dim|add_classification_head|class_num|pool_type|norm_type|mask_init_id|cla_share_factor|use_mixed_mlp_moe|"
		"moe_drop_tokens|moe_random_routing_dropped_token|capacity_factor|moe_intermediate_size",
	.roles = {LLAMA_NAMES, MOE_EXPERTS("mlp"), MOE_SHARED("shared_mlp"), [LOOM_ROLE_ROUTER] = {"layers.%d.mlp.gate.wg", "blk.%d.ffn_gate_inp"},
		[LOOM_ROLE_Q_NORM] = {"layers.%d.self_attn.query_layernorm", "blk.%d.attn_q_norm"},
		[LOOM_ROLE_K_NORM] = {"layers.%d.self_attn.key_layernorm", "blk.%d.attn_k_norm"}},
	.blocks = blocks,
	.gguf = "hunyuan-moe",
};
