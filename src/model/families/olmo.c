/* olmo.c: OLMo: layer norms without weights, q, k and v may be clipped. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"), ALWAYS(NORM, "layer"),
	ALWAYS(NORM_WEIGHT, "false"), ALWAYS(NORM_EPS, "1e-5"), KEY(CLIP_QKV, "clip_qkv", NULL), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_olmo = {
	.name = "olmo",
	.types = "olmo",
	.architectures = "OlmoForCausalLM|OlmoModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = "pretraining_tp",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_MLP, LLAMA_HEAD},
	.blocks = blocks,
	.gguf = "olmo",
	.gguf_permuted = true,
};
