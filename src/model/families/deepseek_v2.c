/* deepseek_v2.c: DeepSeek-V2: latent attention, dense layers first, then routed and shared experts. */
#include "latent_like.h"

static const struct loom_key keys[] = {
	LATENT, KEY(N_CTX, "max_position_embeddings", "2048"), ALWAYS(ROPE_INTERLEAVED, "true"),
	ALWAYS(ROUTER, "softmax"), KEY(N_EXPERT, "n_routed_experts|num_experts", "64"),
	KEY(N_EXPERT_USED, "num_experts_per_tok", NULL), KEY(N_FFN_EXPERT, "moe_intermediate_size", "1407"),
	KEY(N_SHARED, "n_shared_experts", "2"), KEY(N_EXPERT_GROUP, "n_group", NULL), KEY(N_EXPERT_GROUP_USED, "topk_group", NULL),
	MAPPED(GROUP_LIMIT, "topk_method", "false", "greedy=false|group_limited_greedy=true"), KEY(ROUTER_SCALE, "routed_scaling_factor", "1"),
	END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_MOE, LOOM_TEST_FROM, false, "first_k_dense_replace|leading_dense_block_count", NULL, "0", NULL}, END_LAYERS};
static const struct loom_key_rule rules[] = {{"moe_layer_freq", "1"}, {"scoring_func", "softmax|sigmoid"}, {"mlp_bias", "false"}, END_RULES};
static const struct loom_key gguf_keys[] = {GGUF_LATENT, END_KEYS};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_MOE, &loom_block_latent_moe}, {0, &loom_block_latent}, END_BLOCKS};

const struct loom_family loom_family_deepseek_v2 = {
	.name = "deepseek_v2",
	.types = "deepseek_v2",
	.architectures = "DeepseekV2ForCausalLM|DeepseekV2Model",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = MOE_IGNORED "|norm_topk_prob|ep_size|aux_loss_alpha|seq_aux|pretraining_tp|head_dim|qk_head_dim|rope_interleave|num_key_value_heads",
	.roles = {LLAMA_EMBED, LATENT_NAMES, LLAMA_O, LLAMA_NORMS, LLAMA_MLP, LLAMA_HEAD, MOE_ROUTER, MOE_CHOICE_BIAS, MOE_EXPERTS("mlp"),
		MOE_SHARED("shared_experts")},
	.blocks = blocks,
	.gguf = "deepseek2",
	.gguf_keys = gguf_keys,
};
