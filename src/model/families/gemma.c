/* gemma.c: Gemma: Llama with norms stored as weight - 1 and embeddings scaled by the root of their width. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("28", "3072", "16", "256000", "24576"),
	USUAL_SIZES, LLAMA_FEATURES,
	KEY(N_HEAD_KV, "num_key_value_heads", "16"), KEY(D_HEAD, "head_dim", "256"), KEY(N_CTX, "max_position_embeddings", "8192"),
	KEY(TIED, "tie_word_embeddings", "true"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"),
	KEY(ACT, "hidden_act", "gelu_pytorch_tanh"), ALWAYS(NORM_ADD, "1"), ALWAYS(EMBED_SCALE, "sqrt(n_embd)"),
	MAPPED(CAUSAL, "use_bidirectional_attention", "true", "true=false|false=true"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_gemma = {
	.name = "gemma",
	.types = "gemma",
	.architectures = "GemmaForCausalLM|GemmaModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = "hidden_activation",
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
	.gguf = "gemma",
};
