/* glm4.c: GLM-4-0414: GLM with norms after the sub-layers too. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "2"), KEY(D_HEAD, "head_dim", "128"),
	KEY(N_CTX, "max_position_embeddings", "131072"), KEY(TIED, "tie_word_embeddings", "false"),
	KEY(NORM_EPS, "rms_norm_eps", "1.5625e-7"), KEY(ROTARY_PART, "partial_rotary_factor", "0.5"), ALWAYS(ROPE_INTERLEAVED, "true"),
	ALWAYS(FUSED_GATE, "true"), KEY(ATTN_BIAS, "attention_bias", "true"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_sandwich}, END_BLOCKS};

const struct loom_family loom_family_glm4 = {
	.name = "glm4",
	.types = "glm4",
	.architectures = "Glm4ForCausalLM|Glm4Model",
	.prefixes = "model.|",
	.keys = keys,
	.roles = {
		LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_HEAD, LLAMA_FINAL_NORM, [LOOM_ROLE_QKV] = {NULL, "blk.%d.attn_qkv"},
		[LOOM_ROLE_GATE_UP] = {"layers.%d.mlp.gate_up_proj", "blk.%d.ffn_up"},
		[LOOM_ROLE_DOWN] = {"layers.%d.mlp.down_proj", "blk.%d.ffn_down"},
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_ATTN_POST_NORM] = {"layers.%d.post_self_attn_layernorm", "blk.%d.post_attention_norm"},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.post_attention_layernorm", "blk.%d.ffn_norm"},
		[LOOM_ROLE_MLP_POST_NORM] = {"layers.%d.post_mlp_layernorm", "blk.%d.post_ffw_norm"},
	},
	.blocks = blocks,
	.gguf = "glm4",
};
