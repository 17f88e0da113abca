/* internlm3.c: InternLM 3 and IQuest-Coder: Llama with defaults of their own, and biases under other names. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", "128"),
	KEY(N_CTX, "max_position_embeddings", "32768"), KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias|qkv_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias|bias", "false"), KEY(MLP_BIAS, "mlp_bias|bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_bias|bias", "false"), END_KEYS};
static const struct loom_key_rule rules[] = {{"clip_qkv", "null"}, {"use_sliding_window", "false"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_internlm3 = {
	.name = "internlm3",
	.types = "internlm3|iquestcoder",
	.architectures = "InternLM3ForCausalLM|InternLM3Model|IQuestCoderForCausalLM|IQuestCoderModel",
	.prefixes = "model.|",
	.keys = keys,
	.rules = rules,
	.ignored = "pretraining_tp",
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
	.gguf = "llama",
	.gguf_permuted = true,
};
