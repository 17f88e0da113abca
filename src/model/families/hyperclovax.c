/* hyperclovax.c: HyperCLOVA X: Granite's multipliers (the one of logits multiplies), and norms after the sub-layers where the config says so. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(MLP_BIAS, "mlp_bias", "false"),
	KEY(MLP_DOWN_BIAS, "mlp_bias", "false"), KEY(EMBED_SCALE, "embedding_multiplier", "1"),
	KEY(ATTN_SCALE, "attention_multiplier", NULL), KEY(RESIDUAL_SCALE, "residual_multiplier", "1"),
	KEY(LOGIT_SCALE, "logits_scaling", "1"), END_KEYS};
static const struct loom_layer_rule layers[] = {RULE(LOOM_LAYER_POST_NORM, FLAG, "use_post_norm", NULL, "true"), END_LAYERS};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_POST_NORM, &loom_block_sandwich}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_hyperclovax = {
	.name = "hyperclovax",
	.types = "hyperclovax",
	.architectures = "HyperCLOVAXForCausalLM|HyperCLOVAXModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.ignored = "resid_pdrop|embd_pdrop",
	.roles = {
		LLAMA_NAMES,
		[LOOM_ROLE_ATTN_POST_NORM] = {"layers.%d.post_norm1", NULL},
		[LOOM_ROLE_MLP_POST_NORM] = {"layers.%d.post_norm2", NULL},
	},
	.blocks = blocks,
};
