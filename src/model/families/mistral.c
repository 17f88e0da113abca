/* mistral.c: Mistral: Llama with a sliding window. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("32", "4096", "32", "32000", "14336"),
	USUAL_SIZES, LLAMA_FEATURES,
	KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "131072"),
	KEY(TIED, "tie_word_embeddings", "false"), KEY(WINDOW, "sliding_window", "4096"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_mistral = {
	.name = "mistral",
	.types = "mistral",
	.architectures = "MistralForCausalLM|MistralModel",
	.prefixes = "model.|",
	.keys = keys,
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
	.gguf = "llama",
	.gguf_permuted = true,
};
