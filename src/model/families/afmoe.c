/* afmoe.c: AFMoE (Arcee Trinity): norms before and after the sub-layers and on each head of q and k, a gate behind the heads, rotation in the layers
 * with a window, experts chosen by sigmoids and a bias behind the first layers. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", "128"),
	KEY(N_CTX, "max_position_embeddings", "16384"), KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), ALWAYS(QK_NORM, "head"), ALWAYS(ATTN_GATE, "true"), KEY(WINDOW, "sliding_window", "1024"),
	ALWAYS(EMBED_SCALE, "sqrt(n_embd)"), KEY(EMBED_SCALED, "mup_enabled", "false"), ALWAYS(ROUTER, "sigmoid"), ALWAYS(CHOICE_BIAS, "true"),
	ALWAYS(ROUTER_NORM, "true"), ALWAYS(ROUTER_NORM_ADD, "1e-20"), KEY(ROUTER_SCALE, "route_scale", "1"),
	KEY(N_FFN_EXPERT, "moe_intermediate_size", "1408"), KEY(N_EXPERT, "num_experts|num_local_experts", "64"),
	KEY(N_EXPERT_USED, "num_experts_per_tok", "6"), KEY(N_SHARED, "num_shared_experts", "2"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	SLIDING(LOOM_LAYER_WINDOW | LOOM_LAYER_ROPE, "global_attn_every_n_layers", "4"),
	{LOOM_LAYER_MOE, LOOM_TEST_FROM, false, "num_dense_layers", NULL, "1", NULL}, END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, {"n_group", "1"}, {"topk_group", "1"}, {"score_func", "sigmoid"}, {"route_norm", "true"},
	{"num_expert_groups", "1"}, {"num_limited_groups", "1"}, END_RULES};
static const struct loom_block_choice blocks[] = {
	{LOOM_LAYER_MOE, &loom_block_gated_sandwich_moe}, {0, &loom_block_gated_sandwich}, END_BLOCKS};

const struct loom_family loom_family_afmoe = {
	.name = "afmoe",
	.types = "afmoe",
	.architectures = "AfmoeForCausalLM|AfmoeModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = MOE_IGNORED "|load_balance_coeff|use_grouped_mm",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_QK_NORM, LLAMA_MLP, LLAMA_HEAD, LLAMA_FINAL_NORM,
		[LOOM_ROLE_ATTN_GATE] = {"layers.%d.self_attn.gate_proj", NULL}, [LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", NULL},
		[LOOM_ROLE_ATTN_POST_NORM] = {"layers.%d.post_attention_layernorm", NULL}, [LOOM_ROLE_MLP_NORM] = {"layers.%d.pre_mlp_layernorm", NULL},
		[LOOM_ROLE_MLP_POST_NORM] = {"layers.%d.post_mlp_layernorm", NULL}, [LOOM_ROLE_ROUTER] = {"layers.%d.mlp.router.gate", NULL},
		[LOOM_ROLE_CHOICE_BIAS] = {"layers.%d.mlp.expert_bias", NULL}, MOE_EXPERTS("mlp"), MOE_SHARED("shared_experts")},
	.blocks = blocks,
};
