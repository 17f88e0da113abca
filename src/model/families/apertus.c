/* apertus.c: Apertus: an ungated feed-forward with the xIELU activation, norms on each head of q and k. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "65536"), KEY(TIED, "tie_word_embeddings", "false"), KEY(NORM_EPS, "rms_norm_eps", "1e-5"),
	KEY(ACT, "hidden_act", "xielu"), ALWAYS(GATED_FFN, "false"), ALWAYS(QK_NORM, "head"), KEY(ROPE_THETA, "rope_theta", "12000000"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"), END_KEYS};
static const struct loom_key_rule rules[] = {{"mlp_bias", "false"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_apertus = {
	.name = "apertus",
	.types = "apertus",
	.architectures = "ApertusForCausalLM|ApertusModel",
	.prefixes = "model.|",
	.keys = keys,
	.rules = rules,
	.rope = "{\"rope_type\":\"llama3\",\"rope_theta\":12000000.0,\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
		"\"original_max_position_embeddings\":8192}",
	.ignored = "post_norm|qk_norm",
	.roles = {
		LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_MLP, LLAMA_HEAD, LLAMA_FINAL_NORM, LLAMA_QK_NORM,
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.attention_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.feedforward_layernorm", "blk.%d.ffn_norm"},
		[LOOM_ROLE_ALPHA_P] = {"layers.%d.mlp.act_fn.alpha_p", NULL}, [LOOM_ROLE_ALPHA_N] = {"layers.%d.mlp.act_fn.alpha_n", NULL},
		[LOOM_ROLE_ACT_BETA] = {"layers.%d.mlp.act_fn.beta", NULL}, [LOOM_ROLE_ACT_EPS] = {"layers.%d.mlp.act_fn.eps", NULL},
	},
	.blocks = blocks,
};
