/* olmo2.c: OLMo 2: norms after the sub-layers, and over the whole width of q and k. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"), KEY(NORM_EPS, "rms_norm_eps", "1e-5"),
	ALWAYS(QK_NORM, "whole"), KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_sublayer}, END_BLOCKS};

const struct loom_family loom_family_olmo2 = {
	.name = "olmo2",
	.types = "olmo2",
	.architectures = "Olmo2ForCausalLM|Olmo2Model",
	.prefixes = "model.|",
	.keys = keys,
	.roles = {
		LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_MLP, LLAMA_HEAD, LLAMA_FINAL_NORM, LLAMA_QK_NORM,
		[LOOM_ROLE_ATTN_POST_NORM] = {"layers.%d.post_attention_layernorm", "blk.%d.post_attention_norm"},
		[LOOM_ROLE_MLP_POST_NORM] = {"layers.%d.post_feedforward_layernorm", "blk.%d.post_ffw_norm"},
	},
	.blocks = blocks,
	.gguf = "olmo2",
};
