/* minimax_m2.c: MiniMax-M2: norms over the whole width of q and k, part of each head rotated, experts chosen by sigmoids and a bias. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", "128"),
	KEY(N_CTX, "max_position_embeddings", "196608"), KEY(TIED, "tie_word_embeddings", "false"), KEY(ROPE_THETA, "rope_theta", "5000000"),
	ALWAYS(ROTARY_PART, "1"), KEY(ROTARY_DIM, "rotary_dim", NULL), ALWAYS(QK_NORM, "whole"), ALWAYS(ROUTER, "sigmoid"),
	ALWAYS(CHOICE_BIAS, "true"), ALWAYS(ROUTER_NORM, "true"), KEY(N_EXPERT, "num_local_experts|num_experts", "256"),
	KEY(N_EXPERT_USED, "num_experts_per_tok", "8"), END_KEYS};
static const struct loom_key_rule rules[] = {{"scoring_func", "sigmoid"}, {"use_routing_bias", "true"}, {"use_qk_norm", "true"},
	{"qk_norm_type", "per_layer"}, {"attn_type_list", "1"}, {"shared_intermediate_size", "0"}, END_RULES};
static const struct loom_key gguf_keys[] = {GGUF_GATING, END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm_moe}, END_BLOCKS};

const struct loom_family loom_family_minimax_m2 = {
	.name = "minimax_m2",
	.types = "minimax_m2",
	.architectures = "MiniMaxM2ForCausalLM|MiniMaxM2Model",
	.prefixes = "model.|",
	.keys = keys,
	.rules = rules,
	.ignored = MOE_IGNORED "|use_mtp|num_mtp_modules|mtp_transformer_layers|layernorm_full_attention_beta|layernorm_linear_attention_beta|"
		"layernorm_mlp_beta|max_model_len|partial_rotary_factor",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_NORMS, LLAMA_HEAD, LLAMA_QK_NORM, MIXTRAL_EXPERTS,
		[LOOM_ROLE_CHOICE_BIAS] = {"layers.%d.block_sparse_moe.e_score_correction_bias|layers.%d.mlp.e_score_correction_bias", "blk.%d.exp_probs_b.bias"}},
	.blocks = blocks,
	.gguf = "minimax-m2",
	.gguf_head = true,
	.gguf_keys = gguf_keys,
};
