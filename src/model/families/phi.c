/* phi.c: Phi-1, 1.5 and 2: attention and feed-forward read one norm, half of each head is rotated, biases everywhere. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, ALWAYS(ATTN_BIAS, "true"), ALWAYS(ATTN_OUT_BIAS, "true"), ALWAYS(MLP_BIAS, "true"), ALWAYS(MLP_DOWN_BIAS, "true"),
	KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "2048"),
	KEY(TIED, "tie_word_embeddings", "false"), ALWAYS(NORM, "layer"), KEY(NORM_EPS, "layer_norm_eps", "1e-5"),
	KEY(ACT, "hidden_act", "gelu_new"), ALWAYS(HEAD_BIAS, "true"), ALWAYS(POS, "rotary"), KEY(ROPE_THETA, "rope_theta", "10000"),
	KEY(ROTARY_PART, "partial_rotary_factor", "0.5"), ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"),
	MAPPED(QK_NORM, "qk_layernorm", "none", "true=head|false=none"), KEY(QK_NORM_BIAS, "qk_layernorm", "false"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_parallel}, END_BLOCKS};

const struct loom_family loom_family_phi = {
	.name = "phi",
	.types = "phi",
	.architectures = "PhiForCausalLM|PhiModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = "resid_pdrop|embd_pdrop",
	.roles = {
		LLAMA_EMBED, LLAMA_QKV, LLAMA_HEAD, [LOOM_ROLE_O] = {"layers.%d.self_attn.dense", "blk.%d.attn_output"},
		[LOOM_ROLE_Q_NORM] = {"layers.%d.self_attn.q_layernorm", NULL}, [LOOM_ROLE_K_NORM] = {"layers.%d.self_attn.k_layernorm", NULL},
		[LOOM_ROLE_QKV] = {NULL, "blk.%d.attn_qkv"}, [LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_UP] = {"layers.%d.mlp.fc1", "blk.%d.ffn_up"}, [LOOM_ROLE_DOWN] = {"layers.%d.mlp.fc2", "blk.%d.ffn_down"},
		[LOOM_ROLE_FINAL_NORM] = {"final_layernorm", "output_norm"},
	},
	.blocks = blocks,
	.gguf = "phi2",
};
