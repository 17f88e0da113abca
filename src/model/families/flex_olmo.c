/* flex_olmo.c: FlexOlmo: OLMo 2 with experts. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(N_CTX, "max_position_embeddings", "4096"),
	KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"),
	ALWAYS(QK_NORM, "whole"), KEY(ROPE_THETA, "rope_theta", "500000"), ALWAYS(ROUTER, "softmax"), KEY(N_EXPERT, "num_experts|num_local_experts", "7"),
	KEY(N_EXPERT_USED, "num_experts_per_tok", "5"), KEY(ROUTER_NORM, "norm_topk_prob", "false"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_sublayer_moe}, END_BLOCKS};

const struct loom_family loom_family_flex_olmo = {
	.name = "flex_olmo",
	.types = "flex_olmo",
	.architectures = "FlexOlmoForCausalLM|FlexOlmoModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = MOE_IGNORED,
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_FINAL_NORM, LLAMA_HEAD, LLAMA_QK_NORM, MOE_ROUTER, MOE_EXPERTS("mlp"),
		[LOOM_ROLE_ATTN_POST_NORM] = {"layers.%d.post_attention_layernorm", NULL},
		[LOOM_ROLE_MLP_POST_NORM] = {"layers.%d.post_feedforward_layernorm", NULL}},
	.blocks = blocks,
};
