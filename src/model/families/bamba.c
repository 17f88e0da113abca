/* bamba.c: Bamba: Mamba 2's scans, attention with half of each head rotated in the layers that the config lists. */
#include "scan_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "262144"), KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(MLP_BIAS, "mlp_bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_bias", "false"),
	ALWAYS(ROTARY_PART, "0.5"), BAMBA_SCAN("1", "256"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_MIXER, LOOM_TEST_LISTED, true, "attn_layer_indices", NULL, NULL, NULL},
	{LOOM_LAYER_MIXER, LOOM_TEST_FROM, false, NULL, NULL, "0", NULL}, END_LAYERS};
static const struct loom_key_rule rules[] = {SCAN_RULES, {"rope_parameters.partial_rotary_factor|partial_rotary_factor", "0.5"}, END_RULES};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_MIXER, &loom_block_scan_heads_ffn}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_bamba = {
	.name = "bamba",
	.types = "bamba",
	.architectures = "BambaForCausalLM|BambaModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = SCAN_IGNORED "|num_logits_to_keep|z_loss_coefficient|layers_block_type|layer_types",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_HEAD, SCAN_NAMES("mamba"),
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", NULL}, [LOOM_ROLE_MLP_NORM] = {"layers.%d.pre_ff_layernorm", NULL},
		[LOOM_ROLE_GATE] = {"layers.%d.feed_forward.gate_proj", NULL}, [LOOM_ROLE_UP] = {"layers.%d.feed_forward.up_proj", NULL},
		[LOOM_ROLE_DOWN] = {"layers.%d.feed_forward.down_proj", NULL}, [LOOM_ROLE_FINAL_NORM] = {"final_layernorm", NULL}},
	.blocks = blocks,
};
