/* olmoe.c: OLMoE: norms over the whole width of q and k, then clipping; small experts. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(N_HEAD_KV, "num_key_value_heads", NULL),
	KEY(N_CTX, "max_position_embeddings", "4096"), KEY(TIED, "tie_word_embeddings", "false"), ALWAYS(QK_NORM, "whole"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(CLIP_QKV, "clip_qkv", NULL),
	ALWAYS(ROUTER, "softmax"), KEY(N_EXPERT, "num_experts|num_local_experts", "64"), KEY(N_EXPERT_USED, "num_experts_per_tok", "8"),
	KEY(ROUTER_NORM, "norm_topk_prob", "false"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm_moe_clip_last}, END_BLOCKS};

const struct loom_family loom_family_olmoe = {
	.name = "olmoe",
	.types = "olmoe",
	.architectures = "OlmoeForCausalLM|OlmoeModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = MOE_IGNORED,
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_NORMS, LLAMA_QK_NORM, LLAMA_HEAD, MOE_ROUTER, MOE_EXPERTS("mlp")},
	.blocks = blocks,
	.gguf = "olmoe",
	.gguf_head = true,
};
