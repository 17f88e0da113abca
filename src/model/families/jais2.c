/* jais2.c: Jais 2: layer norms, biases everywhere, an ungated feed-forward of squared relu. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "8192"), KEY(TIED, "tie_word_embeddings", "false"), ALWAYS(NORM, "layer"),
	KEY(NORM_EPS, "layer_norm_eps", "1e-5"), KEY(ACT, "hidden_act", "relu2"), ALWAYS(GATED_FFN, "false"),
	KEY(ATTN_BIAS, "attention_bias", "true"), KEY(ATTN_OUT_BIAS, "attention_bias", "true"), KEY(MLP_BIAS, "mlp_bias", "true"),
	KEY(MLP_DOWN_BIAS, "mlp_bias", "true"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_jais2 = {
	.name = "jais2",
	.types = "jais2",
	.architectures = "Jais2ForCausalLM|Jais2Model",
	.prefixes = "model.|",
	.keys = keys,
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
	.gguf = "jais2",
};
