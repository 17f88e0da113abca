/* starcoder2.c: StarCoder 2: layer norms, biases, an ungated feed-forward, a window. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, KEY(N_HEAD_KV, "num_key_value_heads", "2"), KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "4096"),
	KEY(TIED, "tie_word_embeddings", "true"), ALWAYS(NORM, "layer"), KEY(NORM_EPS, "norm_epsilon", "1e-5"),
	KEY(ACT, "hidden_act", "gelu_pytorch_tanh"), KEY(WINDOW, "sliding_window", NULL), ALWAYS(POS, "rotary"),
	KEY(ROPE_THETA, "rope_theta", "10000"), ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"), KEY(ATTN_BIAS, "use_bias", "true"),
	KEY(ATTN_OUT_BIAS, "use_bias", "true"), KEY(MLP_BIAS, "use_bias", "true"), KEY(MLP_DOWN_BIAS, "use_bias", "true"), END_KEYS};
static const struct loom_key_rule rules[] = {{"norm_type", "layer_norm"}, {"mlp_type", "default"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_starcoder2 = {
	.name = "starcoder2",
	.types = "starcoder2",
	.architectures = "Starcoder2ForCausalLM|Starcoder2Model",
	.prefixes = "model.|",
	.keys = keys,
	.rules = rules,
	.ignored = "residual_dropout|embedding_dropout",
	.roles = {
		LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_NORMS, LLAMA_HEAD, [LOOM_ROLE_UP] = {"layers.%d.mlp.c_fc", "blk.%d.ffn_up"},
		[LOOM_ROLE_DOWN] = {"layers.%d.mlp.c_proj", "blk.%d.ffn_down"},
	},
	.blocks = blocks,
	.gguf = "starcoder2",
};
