/* phimoe.c: Phi-3.5-MoE: layer norms, two experts chosen by sparsemixer. Beyond its original context its long frequencies count, as its authors
 * and transformers 4 have it (transformers 5.24 computes them and then takes the short ones). */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, ALWAYS(NORM, "layer"), KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(ROPE_THETA, "rope_theta", "1e6"),
	KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "131072"),
	KEY(TIED, "tie_word_embeddings", "false"), KEY(WINDOW, "sliding_window", NULL), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(HEAD_BIAS, "lm_head_bias", "false"), ALWAYS(ROUTER, "sparsemixer"),
	KEY(ROUTER_JITTER, "router_jitter_noise", "0.01"), KEY(N_EXPERT, "num_local_experts|num_experts", "16"), ALWAYS(N_EXPERT_USED, "2"),
	END_KEYS};
static const struct loom_key_rule rules[] = {{"num_experts_per_tok", "2"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm_moe}, END_BLOCKS};

const struct loom_family loom_family_phimoe = {
	.name = "phimoe",
	.types = "phimoe",
	.architectures = "PhimoeForCausalLM|PhiMoEForCausalLM|PhimoeModel",
	.prefixes = "model.|",
	.keys = keys,
	.rules = rules,
	.ignored = "output_router_logits|router_aux_loss_coef|input_jitter_noise",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_NORMS, LLAMA_HEAD, MIXTRAL_EXPERTS},
	.blocks = blocks,
	.gguf = "phimoe",
};
