/* deepseek_v3.c: DeepSeek-V3: as V2, experts chosen by sigmoids and a correction bias. */
#include "latent_like.h"

static const struct loom_key keys[] = {
	LATENT, KEY(N_CTX, "max_position_embeddings", "4096"), KEY(ROPE_INTERLEAVED, "rope_interleave", "true"), DEEPSEEK_ROUTER,
	KEY(N_FFN_EXPERT, "moe_intermediate_size", "2048"), KEY(N_EXPERT, "n_routed_experts|num_local_experts", "256"),
	KEY(N_EXPERT_GROUP, "n_group", "8"), KEY(N_EXPERT_GROUP_USED, "topk_group", "4"), KEY(ROUTER_SCALE, "routed_scaling_factor", "2.5"),
	END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_MOE, LOOM_TEST_FROM, false, "first_k_dense_replace|leading_dense_block_count", NULL, "3", NULL}, END_LAYERS};
static const struct loom_key_rule rules[] = {{"moe_layer_freq", "1"}, {"scoring_func", "softmax|sigmoid"}, END_RULES};
static const struct loom_key gguf_keys[] = {GGUF_LATENT, END_KEYS};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_MOE, &loom_block_latent_moe}, {0, &loom_block_latent}, END_BLOCKS};

const struct loom_family loom_family_deepseek_v3 = {
	.name = "deepseek_v3",
	.types = "deepseek_v3",
	.architectures = "DeepseekV3ForCausalLM|DeepseekV3Model",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = MOE_IGNORED "|ep_size|aux_loss_alpha|seq_aux|pretraining_tp|head_dim|qk_head_dim|num_key_value_heads|topk_method|"
		"num_nextn_predict_layers|num_mtp_layers",
	.roles = {LLAMA_EMBED, LATENT_NAMES, LLAMA_O, LLAMA_NORMS, LLAMA_MLP, LLAMA_HEAD, MOE_ROUTER, MOE_CHOICE_BIAS, MOE_EXPERTS("mlp"),
		MOE_SHARED("shared_experts")},
	.blocks = blocks,
	.gguf = "deepseek2",
	.gguf_keys = gguf_keys,
};
