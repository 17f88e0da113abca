/* falcon_h1.c: Falcon-H1: in each layer a scan of Mamba 2's kind beside attention, multipliers everywhere. */
#include "scan_like.h"

#define ENTRY(field, keys, i) {LOOM_F_##field, keys, "1", "@" #i, NULL}

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "8192"), KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(MLP_BIAS, "mlp_bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_bias", "false"),
	BAMBA_SCAN("1", "256"), KEY(D_INNER, "mamba_d_ssm", "1024"), KEY(GATE_NORM, "mamba_rms_norm", "false"),
	KEY(GATE_LAST, "mamba_norm_before_gate", "true"), {LOOM_F_GATE_LAST, NULL, "false", NULL, "!mamba_rms_norm"},
	KEY(EMBED_SCALE, "embedding_multiplier", "1"), KEY(LOGIT_SCALE, "lm_head_multiplier", "1"), KEY(KEY_SCALE, "key_multiplier", "1"),
	KEY(ATTN_IN_SCALE, "attention_in_multiplier", "1"), KEY(ATTN_OUT_SCALE, "attention_out_multiplier", "1"),
	KEY(SCAN_IN_SCALE, "ssm_in_multiplier", "1"), KEY(SCAN_OUT_SCALE, "ssm_out_multiplier", "1"), ENTRY(GATE_SCALE, "mlp_multipliers", 0),
	ENTRY(DOWN_SCALE, "mlp_multipliers", 1), ENTRY(SCAN_Z_SCALE, "ssm_multipliers", 0), ENTRY(SCAN_X_SCALE, "ssm_multipliers", 1),
	ENTRY(SCAN_B_SCALE, "ssm_multipliers", 2), ENTRY(SCAN_C_SCALE, "ssm_multipliers", 3), ENTRY(SCAN_DT_SCALE, "ssm_multipliers", 4), END_KEYS};
static const struct loom_key_rule rules[] = {SCAN_RULES, {"mamba_proj_bias", "false"}, {"projectors_bias", "false"}, {"layers_block_type", "hybrid"},
	{"layer_types", "hybrid"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_scan_beside}, END_BLOCKS};

const struct loom_family loom_family_falcon_h1 = {
	.name = "falcon_h1",
	.types = "falcon_h1",
	.architectures = "FalconH1ForCausalLM|FalconH1Model",
	.prefixes = "model.|",
	.keys = keys,
	.rules = rules,
	.ignored = SCAN_IGNORED "|num_logits_to_keep|mamba_use_mlp|mlp_expansion_factor|attn_layer_indices|attn_rotary_emb",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_HEAD, SCAN_NAMES("mamba"),
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", NULL}, [LOOM_ROLE_MLP_NORM] = {"layers.%d.pre_ff_layernorm", NULL},
		[LOOM_ROLE_GATE] = {"layers.%d.feed_forward.gate_proj", NULL}, [LOOM_ROLE_UP] = {"layers.%d.feed_forward.up_proj", NULL},
		[LOOM_ROLE_DOWN] = {"layers.%d.feed_forward.down_proj", NULL}, [LOOM_ROLE_FINAL_NORM] = {"final_layernorm", NULL}},
	.blocks = blocks,
};
