/* jamba.c: Jamba: selective scans with norms on dt, B and C, attention without positions in some layers, experts in some. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, ALWAYS(POS, "none"), KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "262144"), KEY(TIED, "tie_word_embeddings", "false"), KEY(N_EXPERT, "num_experts|num_local_experts", "16"),
	KEY(N_EXPERT_USED, "num_experts_per_tok", "2"), KEY(D_STATE, "mamba_d_state", "16"), KEY(N_TAP, "mamba_d_conv", "4"),
	KEY(EXPAND, "mamba_expand", "2"), MAPPED(DT_RANK, "mamba_dt_rank", NULL, "auto=0|*"), KEY(CONV_BIAS, "mamba_conv_bias", "true"),
	KEY(MIXER_BIAS, "mamba_proj_bias", "false"), ALWAYS(SCAN_NORM, "rms_weights"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_MIXER, LOOM_TEST_PERIOD, true, "attn_layer_period", "attn_layer_offset=4", "8", NULL},
	{LOOM_LAYER_MOE, LOOM_TEST_PERIOD, false, "expert_layer_period", "expert_layer_offset=1", "2", NULL}, END_LAYERS};
static const struct loom_block_choice blocks[] = {
	{LOOM_LAYER_MIXER | LOOM_LAYER_MOE, &loom_block_scan_moe}, {LOOM_LAYER_MIXER, &loom_block_scan_ffn},
	{LOOM_LAYER_MOE, &loom_block_pre_norm_moe}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_jamba = {
	.name = "jamba",
	.types = "jamba",
	.architectures = "JambaForCausalLM|JambaModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.ignored = MOE_IGNORED "|attn_layer_offset|expert_layer_offset|use_mamba_kernels|use_mambapy|use_associative_scan|num_logits_to_keep|sliding_window|"
		"layers_block_type|layer_types|layers_num_experts",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_HEAD,
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", NULL}, [LOOM_ROLE_MLP_NORM] = {"layers.%d.pre_ff_layernorm", NULL},
		[LOOM_ROLE_FINAL_NORM] = {"final_layernorm", NULL}, [LOOM_ROLE_GATE] = {"layers.%d.feed_forward.gate_proj", NULL},
		[LOOM_ROLE_UP] = {"layers.%d.feed_forward.up_proj", NULL}, [LOOM_ROLE_DOWN] = {"layers.%d.feed_forward.down_proj", NULL},
		[LOOM_ROLE_ROUTER] = {"layers.%d.feed_forward.router", NULL}, MOE_EXPERTS("feed_forward"),
		[LOOM_ROLE_MIX_IN] = {"layers.%d.mamba.in_proj", NULL}, [LOOM_ROLE_MIX_CONV] = {"layers.%d.mamba.conv1d", NULL},
		[LOOM_ROLE_MIX_X] = {"layers.%d.mamba.x_proj", NULL}, [LOOM_ROLE_MIX_DT] = {"layers.%d.mamba.dt_proj", NULL},
		[LOOM_ROLE_MIX_A] = {"layers.%d.mamba.A_log", NULL}, [LOOM_ROLE_MIX_D] = {"layers.%d.mamba.D", NULL},
		[LOOM_ROLE_MIX_DT_NORM] = {"layers.%d.mamba.dt_layernorm", NULL}, [LOOM_ROLE_MIX_B_NORM] = {"layers.%d.mamba.b_layernorm", NULL},
		[LOOM_ROLE_MIX_C_NORM] = {"layers.%d.mamba.c_layernorm", NULL}, [LOOM_ROLE_MIX_OUT] = {"layers.%d.mamba.out_proj", NULL}},
	.blocks = blocks,
};
