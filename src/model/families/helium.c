/* helium.c: Helium: Llama with rotation in pairs side by side. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "20"), KEY(D_HEAD, "head_dim", "128"),
	KEY(N_CTX, "max_position_embeddings", "4096"), KEY(TIED, "tie_word_embeddings", "false"), KEY(NORM_EPS, "rms_norm_eps", "1e-8"),
	KEY(ROPE_THETA, "rope_theta", "100000"), ALWAYS(ROPE_INTERLEAVED, "true"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(MLP_BIAS, "mlp_bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_bias", "false"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_helium = {
	.name = "helium",
	.types = "helium",
	.architectures = "HeliumForCausalLM|HeliumModel",
	.prefixes = "model.|",
	.keys = keys,
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
};
