/* ernie4_5.c: ERNIE 4.5: Llama with rotation in pairs side by side. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "2"), KEY(D_HEAD, "head_dim", "128"),
	KEY(N_CTX, "max_position_embeddings", "131072"), KEY(TIED, "tie_word_embeddings", "true"), KEY(NORM_EPS, "rms_norm_eps", "1e-5"),
	KEY(ROPE_THETA, "rope_theta", "500000"), ALWAYS(ROPE_INTERLEAVED, "true"), KEY(ATTN_BIAS, "use_bias", "false"),
	KEY(ATTN_OUT_BIAS, "use_bias", "false"), KEY(MLP_BIAS, "use_bias", "false"), KEY(MLP_DOWN_BIAS, "use_bias", "false"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_ernie4_5 = {
	.name = "ernie4_5",
	.types = "ernie4_5",
	.architectures = "Ernie4_5ForCausalLM|Ernie4_5Model|Ernie4_5_ForCausalLM",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = "compression_ratio|max_sequence_length|use_rmsnorm|weight_share_add_bias|fuse_rms_norm|fuse_softmax_mask",
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
	.gguf = "ernie4_5",
};
