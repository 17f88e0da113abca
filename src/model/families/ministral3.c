/* ministral3.c: Ministral 3: Mistral whose queries grow with their position. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("34", "4096", "32", "131072", "14336"),
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", "128"),
	KEY(N_CTX, "max_position_embeddings", "262144"), KEY(TIED, "tie_word_embeddings", "false"), KEY(NORM_EPS, "rms_norm_eps", "1e-5"),
	KEY(WINDOW, "sliding_window", NULL), KEY(ROPE_THETA, "rope_theta", "1000000"),
	KEY(TEMPER, "rope_parameters.llama_4_scaling_beta|rope_scaling.llama_4_scaling_beta", "0.1"),
	KEY(TEMPER_EVERY, "rope_parameters.original_max_position_embeddings|rope_scaling.original_max_position_embeddings", NULL), END_KEYS};
static const struct loom_key_rule rules[] = {{"layer_types", "full_attention"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_ministral3 = {
	.name = "ministral3",
	.types = "ministral3",
	.architectures = "Ministral3ForCausalLM|Ministral3Model",
	.prefixes = "model.|",
	.keys = keys,
	.rules = rules,
	.rope = "{\"rope_type\":\"yarn\",\"rope_theta\":1000000.0,\"factor\":16.0,\"original_max_position_embeddings\":16384,\"beta_fast\":32.0,"
		"\"beta_slow\":1.0,\"mscale_all_dim\":1.0,\"mscale\":1.0,\"llama_4_scaling_beta\":0.1}",
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
};
