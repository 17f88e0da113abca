/* cohere.c: Cohere Command R: attention and feed-forward read one norm without bias, rotation in pairs side by side, scaled logits. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("40", "8192", "64", "256000", "22528"),
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "8192"), KEY(TIED, "tie_word_embeddings", "true"), ALWAYS(NORM, "layer"),
	ALWAYS(NORM_BIAS, "false"), KEY(NORM_EPS, "layer_norm_eps", "1e-5"), KEY(LOGIT_SCALE, "logit_scale", "0.0625"),
	ALWAYS(ROPE_INTERLEAVED, "true"), KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"),
	KEY(ROPE_THETA, "rope_theta", "500000"), MAPPED(QK_NORM, "use_qk_norm", "none", "true=each_head|false=none"), END_KEYS};
static const struct loom_key gguf_keys[] = {KEY(LOGIT_SCALE, "logit_scale", NULL), MAPPED(QK_NORM, "stored.attn_q_norm", NULL, "true=each_head"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_parallel}, END_BLOCKS};

const struct loom_family loom_family_cohere = {
	.name = "cohere",
	.types = "cohere",
	.architectures = "CohereForCausalLM|CohereModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = "pretraining_tp",
	.roles = {
		LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_MLP, LLAMA_HEAD, LLAMA_FINAL_NORM, LLAMA_QK_NORM,
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"},
	},
	.blocks = blocks,
	.gguf = "command-r",
	.gguf_keys = gguf_keys,
};
