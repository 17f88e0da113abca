/* glm4_moe_lite.c: GLM-4.7-Flash: DeepSeek-V3's latent attention and router, dense layers where mlp_layer_types says so. */
#include "latent_like.h"

static const struct loom_key keys[] = {
	LATENT, KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(N_CTX, "max_position_embeddings", "202752"), KEY(Q_RANK, "q_lora_rank", "768"),
	KEY(D_NOPE, "qk_nope_head_dim", "192"), KEY(D_VALUE, "v_head_dim", "256"), KEY(ROPE_INTERLEAVED, "rope_interleave", "true"),
	DEEPSEEK_ROUTER, KEY(N_FFN_EXPERT, "moe_intermediate_size", "1536"), KEY(N_EXPERT, "n_routed_experts|num_local_experts", "64"),
	KEY(N_EXPERT_USED, "num_experts_per_tok", "4"), KEY(ROUTER_SCALE, "routed_scaling_factor", "1.8"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_MOE, WORD, "mlp_layer_types", "sparse", NULL),
	RULE(LOOM_LAYER_MOE, FROM, "first_k_dense_replace|leading_dense_block_count", NULL, "1"), END_LAYERS};
static const struct loom_key_rule rules[] = {{"mlp_layer_types", "dense|sparse"}, {"topk_method", "noaux_tc"}, END_RULES};
static const struct loom_key gguf_keys[] = {GGUF_LATENT, END_KEYS};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_MOE, &loom_block_latent_moe}, {0, &loom_block_latent}, END_BLOCKS};

const struct loom_family loom_family_glm4_moe_lite = {
	.name = "glm4_moe_lite",
	.types = "glm4_moe_lite",
	.architectures = "Glm4MoeLiteForCausalLM|Glm4MoeLiteModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = MOE_IGNORED "|pretraining_tp|head_dim|qk_head_dim|num_key_value_heads|num_nextn_predict_layers|partial_rotary_factor",
	.roles = {LLAMA_EMBED, LATENT_NAMES, LLAMA_O, LLAMA_NORMS, LLAMA_MLP, LLAMA_HEAD, MOE_ROUTER, MOE_CHOICE_BIAS, MOE_EXPERTS("mlp"),
		MOE_SHARED("shared_experts")},
	.blocks = blocks,
	.gguf = "deepseek2",
	.gguf_keys = gguf_keys,
};
