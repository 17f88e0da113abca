/* lfm2.c: LFM2: short gated convolutions, attention with head norms in some layers; and its mixture of experts. */
#include "moe_like.h"

#define LFM2_KEYS \
	USUAL_SIZES, LLAMA_FEATURES, KEY(NORM_EPS, "norm_eps", "1e-5"), KEY(ROPE_THETA, "rope_theta", "1e6"), \
	KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(N_CTX, "max_position_embeddings", "128000"), \
	KEY(TIED, "tie_word_embeddings|tie_embedding", "true"), ALWAYS(QK_NORM, "head"), ALWAYS(ACT, "silu"), KEY(N_TAP, "conv_L_cache", "3"), \
	KEY(CONV_BIAS, "conv_bias", "false"), KEY(MIXER_BIAS, "conv_bias", "false")
#define LFM2_NAMES \
	LLAMA_EMBED, LLAMA_QKV, [LOOM_ROLE_O] = {"layers.%d.self_attn.out_proj", NULL}, \
	[LOOM_ROLE_Q_NORM] = {"layers.%d.self_attn.q_layernorm", NULL}, [LOOM_ROLE_K_NORM] = {"layers.%d.self_attn.k_layernorm", NULL}, \
	[LOOM_ROLE_ATTN_NORM] = {"layers.%d.operator_norm", NULL}, [LOOM_ROLE_MLP_NORM] = {"layers.%d.ffn_norm", NULL}, \
	[LOOM_ROLE_MIX_IN] = {"layers.%d.conv.in_proj", NULL}, [LOOM_ROLE_MIX_CONV] = {"layers.%d.conv.conv", NULL}, \
	[LOOM_ROLE_MIX_OUT] = {"layers.%d.conv.out_proj", NULL}, [LOOM_ROLE_GATE] = {"layers.%d.feed_forward.w1", NULL}, \
	[LOOM_ROLE_UP] = {"layers.%d.feed_forward.w3", NULL}, [LOOM_ROLE_DOWN] = {"layers.%d.feed_forward.w2", NULL}, \
	[LOOM_ROLE_FINAL_NORM] = {"embedding_norm", NULL}, LLAMA_HEAD

static const struct loom_key keys[] = {
	LFM2_KEYS, KEY(N_FFN, "block_ff_dim|intermediate_size", NULL), KEY(FFN_ADJUST, "block_auto_adjust_ff_dim", "true"),
	KEY(FFN_TIMES, "block_ffn_dim_multiplier", "1"), KEY(FFN_MULTIPLE, "block_multiple_of", "256"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_MIXER, LOOM_TEST_WORD, false, "layer_types", "conv", NULL, NULL},
	{LOOM_LAYER_MIXER, LOOM_TEST_LISTED, true, "full_attn_idxs", NULL, NULL, NULL}, END_LAYERS};
static const struct loom_key_rule rules[] = {{"layer_types", "full_attention|conv"}, END_RULES};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_MIXER, &loom_block_short_conv}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_lfm2 = {
	.name = "lfm2",
	.types = "lfm2",
	.architectures = "Lfm2ForCausalLM|Lfm2Model",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = "block_dim|block_mlp_init_scale|block_norm_eps|block_out_init_scale|block_use_swiglu|block_use_xavier_init|conv_dim|"
		"conv_dim_out|conv_use_xavier_init|use_pos_enc|num_heads",
	.roles = {LFM2_NAMES},
	.blocks = blocks,
};
