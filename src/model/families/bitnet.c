/* bitnet.c: BitNet b1.58, its weights as floats: Llama with norms inside attention and feed-forward. Packed ternary weights and rounding while it runs
 * (quantization_config) are refused. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(ACT, "hidden_act", "relu2"), KEY(ROPE_THETA, "rope_theta", "500000"),
	KEY(N_HEAD_KV, "num_key_value_heads", "5"), KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "2048"),
	KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm_inner}, END_BLOCKS};

const struct loom_family loom_family_bitnet = {
	.name = "bitnet",
	.types = "bitnet",
	.architectures = "BitNetForCausalLM|BitNetModel|BitnetForCausalLM",
	.prefixes = "model.|",
	.keys = keys,
	.roles = {LLAMA_NAMES, [LOOM_ROLE_ATTN_SUB_NORM] = {"layers.%d.self_attn.attn_sub_norm", NULL},
		[LOOM_ROLE_MLP_SUB_NORM] = {"layers.%d.mlp.ffn_sub_norm", NULL}},
	.blocks = blocks,
};
