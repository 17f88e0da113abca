/* mixtral.c: Mixtral: Mistral with eight experts, two a token, their weights made to sum to one. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(ROPE_THETA, "rope_theta", "1e6"),
	KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "131072"),
	KEY(TIED, "tie_word_embeddings", "false"), KEY(WINDOW, "sliding_window", NULL), ALWAYS(ROUTER, "softmax"), ALWAYS(ROUTER_NORM, "true"),
	KEY(N_EXPERT, "num_local_experts|num_experts", "8"), KEY(N_EXPERT_USED, "num_experts_per_tok", "2"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm_moe}, END_BLOCKS};

const struct loom_family loom_family_mixtral = {
	.name = "mixtral",
	.types = "mixtral",
	.architectures = "MixtralForCausalLM|MixtralModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = MOE_IGNORED,
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_NORMS, LLAMA_HEAD, MIXTRAL_EXPERTS},
	.blocks = blocks,
	.gguf = "llama:expert_count",
	.gguf_permuted = true,
};
