/* qwen3_next.c: Qwen3-Next: gated delta rules in three of four layers, gated attention in the fourth, experts in all of them. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, ALWAYS(NORM_ADD, "1"), KEY(N_HEAD_KV, "num_key_value_heads", "2"), KEY(D_HEAD, "head_dim", "256"),
	KEY(N_CTX, "max_position_embeddings", "32768"), KEY(TIED, "tie_word_embeddings", "false"), ALWAYS(QK_NORM, "head"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"), ALWAYS(ATTN_GATE, "true"),
	KEY(ROTARY_PART, "partial_rotary_factor|rope_parameters.partial_rotary_factor", "0.25"),
	KEY(N_TAP, "linear_conv_kernel_dim", "4"), KEY(D_DELTA_KEY, "linear_key_head_dim", "128"), KEY(D_DELTA, "linear_value_head_dim", "128"),
	KEY(N_DELTA_KEY, "linear_num_key_heads", "16"), KEY(N_DELTA, "linear_num_value_heads", "32"), ALWAYS(ROUTER, "softmax"),
	ALWAYS(SHARED_GATE, "true"), KEY(N_FFN_EXPERT, "moe_intermediate_size", "512"),
	KEY(N_FFN_SHARED, "shared_expert_intermediate_size", "512"), KEY(N_EXPERT, "num_experts", "512"),
	KEY(N_EXPERT_USED, "num_experts_per_tok", "10"), KEY(ROUTER_NORM, "norm_topk_prob", "true"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_MIXER, LOOM_TEST_WORD, false, "layer_types", "linear_attention", NULL, NULL},
	{LOOM_LAYER_MIXER, LOOM_TEST_FLAGS, false, "attention.recurrent_layers", NULL, NULL, NULL},
	{LOOM_LAYER_MIXER, LOOM_TEST_EVERY, true, "full_attention_interval", NULL, "4", NULL}, SPARSE_STEP_LAYERS, END_LAYERS};
static const struct loom_key_rule rules[] = {{"layer_types", "full_attention|linear_attention"}, END_RULES};
static const struct loom_key gguf_keys[] = {
	KEY(N_DELTA_KEY, "ssm.group_count", NULL), KEY(N_DELTA, "ssm.time_step_rank", NULL), KEY(D_DELTA_KEY, "ssm.state_size", NULL),
	ALWAYS(D_DELTA, "0"), END_KEYS};
static const struct loom_block_choice blocks[] = {
	{LOOM_LAYER_MIXER | LOOM_LAYER_DENSE, &loom_block_delta}, {LOOM_LAYER_MIXER | LOOM_LAYER_MOE, &loom_block_delta_moe},
	{LOOM_LAYER_MIXER, &loom_block_delta}, {LOOM_LAYER_DENSE, &loom_block_gated}, {LOOM_LAYER_MOE, &loom_block_gated_moe},
	{0, &loom_block_gated}, END_BLOCKS};

const struct loom_family loom_family_qwen3_next = {
	.name = "qwen3_next",
	.types = "qwen3_next",
	.architectures = "Qwen3NextForCausalLM|Qwen3NextModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = MOE_IGNORED,
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_MLP, LLAMA_HEAD, LLAMA_FINAL_NORM, LLAMA_QK_NORM,
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.post_attention_layernorm", "blk.%d.post_attention_norm"},
	 MOE_ROUTER, MOE_EXPERTS("mlp"), MOE_SHARED("shared_expert"),
		[LOOM_ROLE_SHARED_MIX] = {"layers.%d.mlp.shared_expert_gate", "blk.%d.ffn_gate_inp_shexp"},
		[LOOM_ROLE_MIX_IN] = {"layers.%d.linear_attn.in_proj_qkvz", "blk.%d.attn_qkv"},
		[LOOM_ROLE_MIX_Z] = {NULL, "blk.%d.attn_gate"},
		[LOOM_ROLE_MIX_GATES] = {"layers.%d.linear_attn.in_proj_ba", "blk.%d.ssm_ba"},
		[LOOM_ROLE_MIX_CONV] = {"layers.%d.linear_attn.conv1d", "blk.%d.ssm_conv1d"},
		[LOOM_ROLE_MIX_A] = {"layers.%d.linear_attn.A_log", "blk.%d.ssm_a"}, [LOOM_ROLE_MIX_DT_BIAS] = {"layers.%d.linear_attn.dt_bias", "blk.%d.ssm_dt.bias"},
		[LOOM_ROLE_MIX_NORM] = {"layers.%d.linear_attn.norm", "blk.%d.ssm_norm"}, [LOOM_ROLE_MIX_OUT] = {"layers.%d.linear_attn.out_proj", "blk.%d.ssm_out"}},
	.blocks = blocks,
	.gguf = "qwen3next",
	.gguf_keys = gguf_keys,
};
