/* nemotron.c: Nemotron: layer norms stored as weight - 1, squared relu, half of each head rotated. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "4096"), KEY(TIED, "tie_word_embeddings", "false"), ALWAYS(NORM, "layer"),
	ALWAYS(NORM_ADD, "1"), KEY(NORM_EPS, "norm_eps", "1e-5"), KEY(ACT, "hidden_act", "relu2"), ALWAYS(GATED_FFN, "false"),
	KEY(ROTARY_PART, "partial_rotary_factor|rope_percent|rope_percentage", "0.5"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(MLP_BIAS, "mlp_bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_bias", "false"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_nemotron = {
	.name = "nemotron",
	.types = "nemotron",
	.architectures = "NemotronForCausalLM|NemotronModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = "num_query_groups|kv_channels|ffn_hidden_size|rms_norm_eps",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_NORMS, LLAMA_MLP, LLAMA_HEAD},
	.blocks = blocks,
	.gguf = "nemotron",
	.gguf_head = true,
};
