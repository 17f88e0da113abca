/* qwen3_5.c: Qwen 3.5, its text tower: Qwen3-Next whose delta rules have a tensor for each input, and a dense feed-forward. Its rotation
 * has sections for pictures; of text all sections turn by the same positions. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, ALWAYS(NORM_ADD, "1"), KEY(N_HEAD_KV, "num_key_value_heads", "4"), KEY(D_HEAD, "head_dim", "256"),
	KEY(N_CTX, "max_position_embeddings", "32768"), KEY(TIED, "tie_word_embeddings", "false"), ALWAYS(QK_NORM, "head"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"), ALWAYS(ATTN_GATE, "true"),
	KEY(ROTARY_PART, "partial_rotary_factor|rope_parameters.partial_rotary_factor", "0.25"),
	KEY(N_TAP, "linear_conv_kernel_dim", "4"), KEY(D_DELTA_KEY, "linear_key_head_dim", "128"), KEY(D_DELTA, "linear_value_head_dim", "128"),
	KEY(N_DELTA_KEY, "linear_num_key_heads", "16"), KEY(N_DELTA, "linear_num_value_heads", "32"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_MIXER, LOOM_TEST_WORD, false, "layer_types", "linear_attention", NULL, NULL},
	{LOOM_LAYER_MIXER, LOOM_TEST_EVERY, true, "full_attention_interval", NULL, "4", NULL}, END_LAYERS};
static const struct loom_key_rule rules[] = {{"layer_types", "full_attention|linear_attention"}, {"attn_output_gate", "true"}, END_RULES};
static const struct loom_block_choice blocks[] = {
	{LOOM_LAYER_MIXER, &loom_block_delta}, {0, &loom_block_gated}, END_BLOCKS};

const struct loom_family loom_family_qwen3_5 = {
	.name = "qwen3_5",
	.types = "qwen3_5_text|qwen3_5",
	.architectures = "Qwen3_5ForCausalLM|Qwen3_5TextModel|Qwen3_5ForConditionalGeneration|Qwen3_5Model",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = MOE_IGNORED "|mtp_num_hidden_layers|mtp_use_dedicated_embeddings|mamba_ssm_dtype",
	.roles = {LLAMA_NAMES, LLAMA_QK_NORM,
		[LOOM_ROLE_MIX_IN] = {"layers.%d.linear_attn.in_proj_qkv", NULL}, [LOOM_ROLE_MIX_Z] = {"layers.%d.linear_attn.in_proj_z", NULL},
		[LOOM_ROLE_MIX_GATES] = {"layers.%d.linear_attn.in_proj_b", NULL}, [LOOM_ROLE_MIX_DECAY] = {"layers.%d.linear_attn.in_proj_a", NULL},
		[LOOM_ROLE_MIX_CONV] = {"layers.%d.linear_attn.conv1d", NULL},
		[LOOM_ROLE_MIX_A] = {"layers.%d.linear_attn.A_log", NULL}, [LOOM_ROLE_MIX_DT_BIAS] = {"layers.%d.linear_attn.dt_bias", NULL},
		[LOOM_ROLE_MIX_NORM] = {"layers.%d.linear_attn.norm", NULL}, [LOOM_ROLE_MIX_OUT] = {"layers.%d.linear_attn.out_proj", NULL}},
	.blocks = blocks,
};
