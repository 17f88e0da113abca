/* lfm2.c: LFM2: short gated convolutions, attention with head norms in some layers. */
#include "lfm2_like.h"

static const struct loom_key keys[] = {
	LFM2_KEYS, KEY(N_FFN, "block_ff_dim|intermediate_size", NULL), KEY(FFN_ADJUST, "block_auto_adjust_ff_dim", "true"),
	KEY(FFN_TIMES, "block_ffn_dim_multiplier", "1"), KEY(FFN_MULTIPLE, "block_multiple_of", "256"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_MIXER, LOOM_TEST_WORD, false, "layer_types", "conv", NULL, NULL},
	{LOOM_LAYER_MIXER, LOOM_TEST_LISTED, true, "full_attn_idxs", NULL, NULL, NULL},
	{LOOM_LAYER_MIXER, LOOM_TEST_FLAGS, true, "attention.head_count_kv", NULL, NULL, NULL}, END_LAYERS};
static const struct loom_key gguf_keys[] = {ALWAYS(FFN_ADJUST, "false"), END_KEYS};
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
	.gguf = "lfm2",
	.gguf_keys = gguf_keys,
};
