/* deepseek.c: DeepSeek-V2 and -V3: latent attention, dense layers first, then routed and shared experts. */
#include "moe_like.h"

#define LATENT \
	USUAL_SIZES, LLAMA_FEATURES, KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"), \
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(Q_RANK, "q_lora_rank", "1536"), KEY(KV_RANK, "kv_lora_rank", "512"), \
	KEY(D_NOPE, "qk_nope_head_dim", "128"), KEY(D_ROPE, "qk_rope_head_dim", "64"), KEY(D_VALUE, "v_head_dim", "128")
#define LATENT_NAMES \
	[LOOM_ROLE_Q] = {"layers.%d.self_attn.q_proj", NULL}, [LOOM_ROLE_Q_A] = {"layers.%d.self_attn.q_a_proj", NULL}, \
	[LOOM_ROLE_Q_A_NORM] = {"layers.%d.self_attn.q_a_layernorm", NULL}, [LOOM_ROLE_Q_B] = {"layers.%d.self_attn.q_b_proj", NULL}, \
	[LOOM_ROLE_KV_A] = {"layers.%d.self_attn.kv_a_proj_with_mqa", NULL}, \
	[LOOM_ROLE_KV_A_NORM] = {"layers.%d.self_attn.kv_a_layernorm", NULL}, [LOOM_ROLE_KV_B] = {"layers.%d.self_attn.kv_b_proj", NULL}

static const struct loom_key v2_keys[] = {
	LATENT, KEY(N_CTX, "max_position_embeddings", "2048"), ALWAYS(ROPE_INTERLEAVED, "true"), KEY(MLP_BIAS, "mlp_bias", "false"),
	KEY(MLP_DOWN_BIAS, "mlp_bias", "false"), ALWAYS(ROUTER, "softmax"), KEY(N_EXPERT, "n_routed_experts|num_experts", "64"),
	KEY(N_EXPERT_USED, "num_experts_per_tok", NULL), KEY(N_FFN_EXPERT, "moe_intermediate_size", "1407"),
	KEY(N_SHARED, "n_shared_experts", "2"), KEY(N_EXPERT_GROUP, "n_group", NULL), KEY(N_EXPERT_GROUP_USED, "topk_group", NULL),
	MAPPED(GROUP_LIMIT, "topk_method", "false", "greedy=false|group_limited_greedy=true"), KEY(ROUTER_SCALE, "routed_scaling_factor", "1"),
	END_KEYS};
static const struct loom_key v3_keys[] = {
	LATENT, KEY(N_CTX, "max_position_embeddings", "4096"), KEY(ROPE_INTERLEAVED, "rope_interleave", "true"), DEEPSEEK_ROUTER,
	KEY(N_FFN_EXPERT, "moe_intermediate_size", "2048"), KEY(N_EXPERT, "n_routed_experts|num_local_experts", "256"),
	KEY(N_EXPERT_GROUP, "n_group", "8"), KEY(N_EXPERT_GROUP_USED, "topk_group", "4"), KEY(ROUTER_SCALE, "routed_scaling_factor", "2.5"),
	END_KEYS};
static const struct loom_layer_rule v2_layers[] = {{LOOM_LAYER_MOE, LOOM_TEST_FROM, false, "first_k_dense_replace", NULL, "0", NULL}, END_LAYERS};
static const struct loom_layer_rule v3_layers[] = {{LOOM_LAYER_MOE, LOOM_TEST_FROM, false, "first_k_dense_replace", NULL, "3", NULL}, END_LAYERS};
static const struct loom_key_rule rules[] = {{"moe_layer_freq", "1"}, {"scoring_func", "softmax|sigmoid"}, END_RULES};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_MOE, &loom_block_latent_moe}, {0, &loom_block_latent}, END_BLOCKS};

const struct loom_family loom_family_deepseek_v2 = {
	.name = "deepseek_v2",
	.types = "deepseek_v2",
	.architectures = "DeepseekV2ForCausalLM|DeepseekV2Model",
	.prefixes = "model.|",
	.keys = v2_keys,
	.layers = v2_layers,
	.rules = rules,
	.ignored = MOE_IGNORED "|norm_topk_prob|ep_size|aux_loss_alpha|seq_aux|pretraining_tp|head_dim|qk_head_dim|rope_interleave|num_key_value_heads",
	.roles = {LLAMA_EMBED, LATENT_NAMES, LLAMA_O, LLAMA_NORMS, LLAMA_MLP, LLAMA_HEAD, MOE_ROUTER, MOE_EXPERTS("mlp"),
		MOE_SHARED("shared_experts")},
	.blocks = blocks,
};
const struct loom_family loom_family_deepseek_v3 = {
	.name = "deepseek_v3",
	.types = "deepseek_v3",
	.architectures = "DeepseekV3ForCausalLM|DeepseekV3Model",
	.prefixes = "model.|",
	.keys = v3_keys,
	.layers = v3_layers,
	.rules = rules,
	.ignored = MOE_IGNORED "|ep_size|aux_loss_alpha|seq_aux|pretraining_tp|head_dim|qk_head_dim|num_key_value_heads|topk_method|"
		"num_nextn_predict_layers|num_mtp_layers",
	.roles = {LLAMA_EMBED, LATENT_NAMES, LLAMA_O, LLAMA_NORMS, LLAMA_MLP, LLAMA_HEAD, MOE_ROUTER, MOE_CHOICE_BIAS, MOE_EXPERTS("mlp"),
		MOE_SHARED("shared_experts")},
	.blocks = blocks,
};
